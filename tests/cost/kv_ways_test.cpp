#include <qlroute/cost/kv_ways.hpp>

#include <qlroute/cost/batched.hpp>

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

#include "support/allocations.hpp"
#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(cost::way_to_bring_the_history<cost::kv_restore<>>);
static_assert(cost::way_to_bring_the_history<cost::kv_split<>>);

/// Dear below 64 tokens: 20 us a pair instead of 1.
constexpr cost::batched kinked{.batch = 512_tok,
                               .tile = 64_tok,
                               .tiled = {.per_pair = 1_us / 1_tok / 1_tok},
                               .untiled = {.per_pair = 20_us / 1_tok / 1_tok}};

}  // namespace

TEST_CASE_TEMPLATE("what is on the target's disk is loaded, and only the rest is read", Rep, QLROUTE_TEST_REPS) {
    // saved 900, cached 600: 300 tok * 100 kbit / 1 Gbit/s + 100 tok / 1000 tok/s + 200 kbit / 2 Mbit/s
    const cost::kv_restore way{cost::linear_rate{}, 1_Gbps};
    CHECK(equals<Rep>(way(filled<Rep>(round_facts())), 230_ms));
    auto s = round_facts();
    s.prefix_saved = 500_tok;  // less than what is cached
    CHECK(equals<Rep>(way(filled<Rep>(s)), cost::kv_recompute{}(s)));
    s.prefix_saved = 5000_tok;                        // more than there is history
    CHECK(equals<Rep>(way(filled<Rep>(s)), 140_ms));  // 400 * 100 kbit / 1 Gbit/s + 100
}

TEST_CASE_TEMPLATE("compression moves less, and takes its time", Rep, QLROUTE_TEST_REPS) {
    // 400 tok * 100 kbit = 40 Mbit: a quarter of it at 1 Gbit/s, all of it through a codec of 2 Gbit/s
    const cost::kv_transfer way{.compression = 4, .codec_rate = 2_Gbps};
    CHECK(equals<Rep>(way(filled<Rep>(round_facts())), 30_ms));
}

TEST_CASE_TEMPLATE("reading one part and moving the other end together", Rep, double, float, grid) {
    // A token is read in 1 ms and moved in 3 ms: of 400, 300 are read while 100 are moved. And 100 ms of text.
    auto s = round_facts();
    s.kv_rate = bits_per_second(1e8 / 3);
    const cost::kv_split way{};
    for (const double each : elements(way.tokens_read(filled<Rep>(s))))
        CHECK(each == doctest::Approx(300).epsilon(1e-5));
    for (const double each : elements(way(filled<Rep>(s)))) CHECK(each == doctest::Approx(0.4).epsilon(1e-5));
}

TEST_CASE("a split is never slower than reading all or moving all") {
    random_facts random(17);
    for (int i = 0; i < 300; ++i) {
        auto s = random();
        s.unseen_history = 0_bit;
        const seconds split = cost::kv_split{}(s);
        CHECK(split <= cost::kv_recompute{}(s) + 1_us);
        CHECK(split <= cost::kv_transfer{}(s) + 1_us);
    }
    auto s = round_facts();
    s.unseen_history = 0_bit;
    s.kv_rate = 0_bps;  // no way: everything is read
    CHECK(cost::kv_split{}(s).value() == doctest::Approx(0.4).epsilon(1e-5));
    s.prefix_hit = s.prefix_tokens;
    CHECK(cost::kv_split{}(s) == 0_s);
}

TEST_CASE("the way that is taken is named, with what the others would take") {
    const cost::cheapest_of ways{cost::kv_recompute{}, cost::kv_transfer{},
                                 cost::kv_restore{cost::linear_rate{}, 1_Gbps}};
    const auto s = round_facts();
    CHECK(ways.cheapest(s).name == "kv_transfer");
    CHECK(ways.cheapest(s).value == ways(s));
    std::vector<std::string_view> names;
    for (const auto& line : ways.lines(s)) names.push_back(line.name);
    CHECK(names == std::vector<std::string_view>{"kv_recompute", "kv_transfer", "kv_restore"});
    CHECK(ways.lines(s)[0].value.value() == doctest::Approx(0.5));
    CHECK(ways.lines(s)[2].value.value() == doctest::Approx(0.23));
}

TEST_CASE("where more tokens are read faster, padding says how many") {
    const auto before = allocations.load();
    // 32 behind 4096: 20 us * 32 * 4112.5 = 2.632 s; 64: 1 us * 64 * 4128.5 = 0.264 s
    const auto advice = cost::cheapest_padding(kinked, scenario<>{}, 4096_tok, 32_tok);
    CHECK(advice.added == 32_tok);
    CHECK(advice.saved.value() == doctest::Approx(2.632 - 0.264224));
    CHECK(cost::cheapest_padding(kinked, scenario<>{}, 4096_tok, 64_tok).added == 0_tok);
    CHECK(cost::cheapest_padding(kinked, scenario<>{}, 4096_tok, 64_tok).saved == 0_s);
    // A prompt of 575 is 512 and 63: one more is cheaper. And where nobody may add so many, nothing is advised.
    CHECK(cost::cheapest_padding(kinked, scenario<>{}, 0_tok, 575_tok).added == 1_tok);
    CHECK(cost::cheapest_padding(kinked, scenario<>{}, 4096_tok, 32_tok, 1_tok).added == 0_tok);
    CHECK(cost::cheapest_padding(cost::batched{}, scenario<>{}, 0_tok, 32_tok).added == 0_tok);  // nothing to save
    CHECK(allocations.load() == before);
}
