#include <qlroute/cost/batched.hpp>

#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

constexpr cost::batched engine{.batch = 100_tok,
                               .tile = 50_tok,
                               .tiled = {10_ms, 1_ms / 1_tok, 1_us / 1_tok / 1_tok},
                               .untiled = {20_ms, 2_ms / 1_tok, 10_us / 1_tok / 1_tok},
                               .decode = {20_ms / 1_tok, 10_us / 1_tok / 1_tok}};

static_assert(cost::computation<cost::batched> && !cost::additive_computation<cost::batched>);

template <class Rep>
auto reading(const cost::batched& by, tokens cached, tokens count) {
    return by.prefill_time(scenario<Rep>{}, filled<Rep>(cached), filled<Rep>(count));
}

}  // namespace

TEST_CASE_TEMPLATE("a long prompt is the sum of its batches, each behind those before it", Rep, QLROUTE_TEST_REPS) {
    // 100: 10 + 100 + 100 (1000 + 50.5) us, 100: 10 + 100 + 100 (1100 + 50.5) us, 50: 10 + 50 + 50 (1200 + 25.5) us
    CHECK(equals<Rep>(reading<Rep>(engine, 1000_tok, 250_tok), 561.375_ms));
}

TEST_CASE_TEMPLATE("a batch below the tile has figures of its own", Rep, QLROUTE_TEST_REPS) {
    // two batches of 100 as above, then 30: 20 + 60 + 30 (1200 + 15.5) 10 us
    CHECK(equals<Rep>(reading<Rep>(engine, 1000_tok, 230_tok), 884.75_ms));
    // 50 is the first that is not below it
    CHECK(equals<Rep>(reading<Rep>(engine, 0_tok, 49_tok), 130.25_ms));  // 20 + 98 + 49 * 25 * 10 us
    CHECK(equals<Rep>(reading<Rep>(engine, 0_tok, 50_tok), 61.275_ms));  // 10 + 50 + 50 * 25.5 us
}

TEST_CASE_TEMPLATE("without a limit there is one batch, and without a tile one kernel", Rep, double, float) {
    cost::batched textbook = engine;
    textbook.batch = 0_tok;
    // 10 + 250 + 250 (1000 + 125.5) us
    CHECK(equals<Rep>(reading<Rep>(textbook, 1000_tok, 250_tok), 541.375_ms));
    textbook.tile = 0_tok;
    CHECK(equals<Rep>(reading<Rep>(textbook, 0_tok, 3_tok), 13.006_ms));
    // A rate alone is linear_rate.
    const cost::batched rate{.batch = 0_tok, .tile = 0_tok, .tiled = {.per_token = 1_ms / 1_tok}};
    CHECK(equals<Rep>(reading<Rep>(rate, 1000_tok, 100_tok),
                      cost::linear_rate{}.prefill_time(round_facts(), 0_tok, 100_tok)));
}

TEST_CASE_TEMPLATE("each token of the answer is written behind one more", Rep, QLROUTE_TEST_REPS) {
    // 50 (20 ms + 10 us (1100 + 24.5))
    CHECK(equals<Rep>(engine.decode_time(scenario<Rep>{}, filled<Rep>(1100_tok), filled<Rep>(50_tok)), 1562.25_ms));
    CHECK(equals<Rep>(engine.decode_time(scenario<Rep>{}, filled<Rep>(1100_tok), filled<Rep>(1_tok)), 31_ms));
}

TEST_CASE("reading nothing takes no time, and counts may have fractions") {
    CHECK(reading<double>(engine, 500_tok, 0_tok) == 0_s);
    CHECK(engine.decode_time(scenario<>{}, 500_tok, 0_tok) == 0_s);
    CHECK(reading<double>(engine, 0_tok, 100.5_tok) > reading<double>(engine, 0_tok, 100_tok));
}

TEST_CASE("an array of counts gives what each of them gives") {
    using array = Eigen::ArrayXd;
    random_facts random(7);
    array cached(200);
    array count(200);
    for (int i = 0; i < 200; ++i) {
        cached[i] = random.whole(0, 5000);
        count[i] = random.whole(0, 700);
    }
    const quantity<dim::token, array> before(cached);
    const quantity<dim::token, array> read(count);
    const auto times = elements(engine.prefill_time(scenario<array>{}, before, read));
    const auto written = elements(engine.decode_time(scenario<array>{}, before, read));
    for (int i = 0; i < 200; ++i) {
        const auto at = static_cast<std::size_t>(i);
        CHECK(times[at] == reading<double>(engine, tokens(cached[i]), tokens(count[i])).value());
        CHECK(written[at] == engine.decode_time(scenario<>{}, tokens(cached[i]), tokens(count[i])).value());
    }
}

TEST_CASE("a switch costs what it adds to reading the turn, so that the sum is the whole") {
    constexpr auto both = cost::prefill{engine} + cost::switching{cost::kv_recompute{engine}};
    random_facts random(11);
    for (int i = 0; i < 200; ++i) {
        auto s = random();
        s.unseen_history = 0_bit;
        const tokens uncached = s.prefix_tokens - s.prefix_hit + s.new_tokens;
        CHECK(both(s).value() ==
              doctest::Approx(reading<double>(engine, s.prefix_hit, uncached).value()).epsilon(1e-12));
        s.prefix_hit = s.prefix_tokens;
        CHECK(cost::switching{cost::kv_recompute{engine}}(s) == 0_s);
    }
    // Where 32 tokens are dearer than 64, reading 32 more makes the turn cheaper.
    constexpr cost::batched kinked{.batch = 512_tok,
                                   .tile = 64_tok,
                                   .tiled = {.per_pair = 1_us / 1_tok / 1_tok},
                                   .untiled = {.per_pair = 20_us / 1_tok / 1_tok}};
    auto s = round_facts();
    s.prefix_tokens = 4128_tok;
    s.prefix_hit = 4096_tok;
    s.new_tokens = 32_tok;
    s.unseen_history = 0_bit;
    CHECK(cost::switching{cost::kv_recompute{kinked}}(s) < 0_s);
}
