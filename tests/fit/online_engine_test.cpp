#include <qlroute/fit/online_engine.hpp>

#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "support/allocations.hpp"
#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

constexpr cost::batched truth{.batch = 512_tok,
                              .tile = 64_tok,
                              .tiled = {8_ms, 800_us / 1_tok, 1.7_us / 1_tok / 1_tok},
                              .untiled = {12_ms, 900_us / 1_tok, 34_us / 1_tok / 1_tok},
                              .decode = {12_ms / 1_tok, 36_us / 1_tok / 1_tok}};

constexpr cost::batched guess{
    .tiled = {.per_token = 2_ms / 1_tok}, .untiled = {.per_token = 2_ms / 1_tok}, .decode = {.fixed = 30_ms / 1_tok}};

static_assert(cost::computation<online_engine>);

seconds reading(const cost::batched& engine, tokens cached, tokens count) {
    return engine.prefill_time(scenario<>{}, cached, count);
}

/// `turns` turns of a dialogue, as a server reports them: 5 % of noise.
void converse(online_engine& learner, const cost::batched& server, int turns, std::uint32_t seed) {
    random_facts random(seed);
    tokens cached{};
    for (int i = 0; i < turns; ++i) {
        const tokens count(random.whole(20, 400));
        if (cached > 3000_tok) cached = 0_tok;
        learner.observe_prefill(cached, count, reading(server, cached, count) * random.between(0.95, 1.05));
        const tokens context = cached + count;
        learner.observe_decode(context, 50_tok,
                               server.decode_time(scenario<>{}, context, 50_tok) * random.between(0.95, 1.05));
        cached = context + 49_tok;
    }
}

double off(const online_engine& learner, const cost::batched& server, tokens cached, tokens count) {
    return std::abs((reading(learner.engine(), cached, count) / reading(server, cached, count)).value() - 1);
}

}  // namespace

TEST_CASE("a figure that is far off does not send the others astray") {
    // Small batches were only seen without a history, and a pair was taken for what a token takes.
    const cost::batched astray{.tile = 32_tok,
                               .tiled = {.per_token = 15_ms / 1_tok},
                               .untiled = {.fixed = 51_ms, .per_pair = 2500_us / 1_tok / 1_tok}};
    const cost::batched server{.tile = 0_tok, .tiled = {.per_token = 20_ms / 1_tok}};
    online_engine learner(astray);
    const std::array<std::array<tokens, 2>, 8> turns{{{195_tok, 25_tok},
                                                      {164_tok, 28_tok},
                                                      {606_tok, 26_tok},
                                                      {97_tok, 21_tok},
                                                      {3197_tok, 16_tok},
                                                      {220_tok, 19_tok},
                                                      {3_tok, 25_tok},
                                                      {600_tok, 20_tok}}};
    CHECK(off(learner, server, turns[0][0], turns[0][1]) > 20);
    learner.observe_prefill(turns[0][0], turns[0][1], reading(server, turns[0][0], turns[0][1]));
    for (const auto& turn : turns) {
        const auto [cached, count] = turn;
        CAPTURE(turn[0].value());
        CHECK(off(learner, server, cached, count) < 0.5);
        learner.observe_prefill(cached, count, reading(server, cached, count));
    }
    for (const auto& [cached, count] : turns) CHECK(off(learner, server, cached, count) < 0.1);
}

TEST_CASE("a guess becomes the server after a few dialogues, switches to it included") {
    online_engine learner(guess, learning::from_a_guess());
    converse(learner, truth, 100, 1);
    CHECK(off(learner, truth, 1000_tok, 150_tok) < 0.05);
    CHECK(off(learner, truth, 0_tok, 2000_tok) < 0.1);  // a whole history, never read at once before
    CHECK(off(learner, truth, 2000_tok, 40_tok) < 0.1);
    const auto written = learner.engine().decode_time(scenario<>{}, 1500_tok, 100_tok);
    CHECK((written / truth.decode_time(scenario<>{}, 1500_tok, 100_tok)).value() == doctest::Approx(1).epsilon(0.05));
}

TEST_CASE("what was measured is kept where the turns agree with it") {
    online_engine learner(truth);
    converse(learner, truth, 100, 2);
    CHECK(off(learner, truth, 0_tok, 4000_tok) < 0.05);
    CHECK(off(learner, truth, 4000_tok, 10_tok) < 0.05);
}

TEST_CASE("a server that becomes slower is followed") {
    online_engine learner(truth);
    converse(learner, truth, 50, 3);
    cost::batched throttled = truth;
    throttled.tiled.per_token = 1600_us / 1_tok;
    throttled.untiled.per_token = 1800_us / 1_tok;
    CHECK(off(learner, throttled, 500_tok, 200_tok) > 0.2);
    converse(learner, throttled, 150, 4);
    CHECK(off(learner, throttled, 500_tok, 200_tok) < 0.1);
}

TEST_CASE("ten thousand turns of one kind leave what is known of other kinds as it is") {
    online_engine learner(truth);
    for (int i = 0; i < 10'000; ++i) learner.observe_prefill(500_tok, 100_tok, reading(truth, 500_tok, 100_tok));
    CHECK(learner.engine().untiled.per_pair == truth.untiled.per_pair);
    CHECK(learner.engine().decode.fixed == truth.decode.fixed);
    CHECK(off(learner, truth, 500_tok, 100_tok) < 1e-6);
    // and it can still be changed, at the pace of what is forgotten
    for (int i = 0; i < 500; ++i) learner.observe_prefill(500_tok, 100_tok, 2 * reading(truth, 500_tok, 100_tok));
    CHECK(off(learner, truth, 500_tok, 100_tok) == doctest::Approx(1).epsilon(0.05));
}

TEST_CASE("after ten thousand turns of one size, one odd timing does not change what is believed of other sizes") {
    online_engine learner(truth);
    for (int i = 0; i < 10'000; ++i) learner.observe_prefill(500_tok, 100_tok, reading(truth, 500_tok, 100_tok));
    learner.observe_prefill(520_tok, 101_tok, 1.2 * reading(truth, 520_tok, 101_tok));
    CHECK(off(learner, truth, 4000_tok, 500_tok) < 0.15);
    CHECK(off(learner, truth, 0_tok, 100_tok) < 0.15);
}

TEST_CASE("one step is that of recursive least squares") {
    // One figure matters: 2 s for 1000 tokens of 1 ms, spread 1, noise 1, nothing forgotten: x = 1000 / 2 s = 500,
    // P = 1e-6, k = 1e-6 * 500 / (1 + 500 * 1e-6 * 500) = 4e-4, w = 1e-3 + 4e-4 (1 - 500 * 1e-3) = 1.2e-3.
    const cost::batched rate{.batch = 0_tok, .tile = 0_tok, .tiled = {.per_token = 1_ms / 1_tok}};
    online_engine learner(rate, {.spread = 1, .noise = 1, .forgetting = 1});
    REQUIRE(learner.observe_prefill(0_tok, 1000_tok, 2_s));
    // the other two figures of the kernel may make up a tenth each, and take their small share
    CHECK(learner.engine().tiled.per_token.value() == doctest::Approx(1.2e-3).epsilon(0.01));
}

TEST_CASE("timings that make no sense change nothing") {
    online_engine learner(truth);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(!learner.observe_prefill(0_tok, 0_tok, 1_s));
    CHECK(!learner.observe_prefill(0_tok, 10_tok, 0_s));
    CHECK(!learner.observe_prefill(0_tok, 10_tok, seconds(-1)));
    CHECK(!learner.observe_prefill(0_tok, 10_tok, seconds(nan)));
    CHECK(!learner.observe_prefill(tokens(nan), 10_tok, 1_s));
    CHECK(!learner.observe_decode(tokens(-5), 10_tok, 1_s));
    CHECK(!learner.observe_decode(0_tok, tokens(std::numeric_limits<double>::infinity()), 1_s));
    CHECK(learner.engine() == truth);
}

TEST_CASE("learning and asking allocate nothing, and a router sees what was learnt") {
    std::array<online_engine, 2> engines{online_engine(guess, learning::from_a_guess()), online_engine(truth)};
    const auto objective = cost::ttft(cost::by_endpoint{std::span<const online_engine>(engines)});
    auto s = round_facts();
    const auto before = allocations.load();
    const seconds first = objective(s);
    converse(engines[0], truth, 10, 5);
    CHECK(objective(s) != first);
    CHECK(allocations.load() == before);
}

TEST_CASE("one request said again and again settles, from a guess that was far too slow") {
    const cost::batch_time reading{.per_token = 1 / 10_tok_s};
    const cost::step_time writing{.fixed = 1_s / 1_tok, .per_context = {}};
    online_engine learner({.tiled = reading, .untiled = reading, .decode = writing}, learning::from_a_guess());
    const scenario<> any;
    for (int i = 0; i < 500; ++i) {
        REQUIRE(learner.observe_prefill(0_tok, 80_tok, 2_s));
        REQUIRE(learner.observe_decode(80_tok, 20_tok, 4_s));
        CHECK(learner.prefill_time(any, 0_tok, 80_tok).value() == doctest::Approx(2).epsilon(0.01));
        CHECK(learner.decode_time(any, 80_tok, 20_tok).value() == doctest::Approx(4).epsilon(0.01));
    }
}

TEST_CASE("a figure that is 0 rises when the times ask for it") {
    const cost::batch_time reading{.per_token = 10_ms / 1_tok};
    online_engine learner({.tiled = reading, .untiled = reading}, learning::from_a_guess());
    const scenario<> any;
    // First 10 ms a token, which leaves no room for a fixed time; then 1 s + 1 ms a token.
    for (int i = 0; i < 20; ++i)
        for (const double n : {100.0, 400.0}) learner.observe_prefill(0_tok, tokens(n), seconds(0.01 * n));
    for (int i = 0; i < 200; ++i)
        for (const double n : {100.0, 400.0}) learner.observe_prefill(0_tok, tokens(n), seconds(1 + 0.001 * n));
    CHECK(learner.prefill_time(any, 0_tok, 100_tok).value() == doctest::Approx(1.1).epsilon(0.02));
    CHECK(learner.prefill_time(any, 0_tok, 400_tok).value() == doctest::Approx(1.4).epsilon(0.02));
}
