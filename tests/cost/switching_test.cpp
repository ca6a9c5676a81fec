#include <qlroute/cost/switching.hpp>

#include <doctest/doctest.h>

#include <concepts>

#include <qlroute/cost/communication.hpp>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// An engine of the test's own, with the quadratic term of attention: a n + c n (cached + n / 2). Both constants are
/// powers of two, so that whole tokens are computed without rounding.
struct attentive {
    quantity<dim::time_per_token> a{1.0 / 1024};
    quantity<dim::time_per_token - dim::token> c{1.0 / 1048576};

    constexpr auto prefill_time(const auto&, const auto& cached, const auto& count) const {
        return a * count + c * count * (cached + 0.5 * count);
    }
    constexpr auto decode_time(const auto& s, const auto&, const auto& count) const { return count * s.tpot; }
};

/// A way of the test's own.
struct courier {
    constexpr auto operator()(const auto& s) const { return 0 * s.rtt + 25_ms; }
};

static_assert(cost::way_to_bring_the_history<cost::kv_recompute<>>);
static_assert(cost::way_to_bring_the_history<cost::kv_transfer>);
static_assert(cost::way_to_bring_the_history<courier>);
static_assert(!cost::way_to_bring_the_history<cost::linear_rate>);
static_assert(std::same_as<decltype(cost::kv_recompute{attentive{}}), cost::kv_recompute<attentive>>);
static_assert(std::same_as<decltype(cost::switching{cost::kv_transfer{}}), cost::switching<cost::kv_transfer>>);

constexpr auto recompute = cost::switching{cost::kv_recompute{}};
constexpr auto transfer = cost::switching{cost::kv_transfer{}};

/// The history is there: all of it in the cache, none of it unseen.
scenario<> stays(scenario<> s) {
    s.prefix_hit = s.prefix_tokens;
    s.unseen_history = 0_bit;
    return s;
}

}  // namespace

TEST_CASE_TEMPLATE("a full prefix hit makes switching free", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(stays(round_facts()));
    CHECK(equals<Rep>(recompute(s), 0_s));
    CHECK(equals<Rep>(transfer(s), 0_s));
    CHECK(equals<Rep>(cost::switching{cost::kv_recompute{attentive{}}}(s), 0_s));
    CHECK(equals<Rep>(cost::switching{cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}}}(s), 0_s));
}

TEST_CASE_TEMPLATE("a cache that holds more than the history makes switching no cheaper", Rep, QLROUTE_TEST_REPS) {
    auto s = stays(round_facts());
    s.prefix_hit = s.prefix_tokens + 500_tok;
    CHECK(equals<Rep>(recompute(filled<Rep>(s)), 0_s));
    CHECK(equals<Rep>(transfer(filled<Rep>(s)), 0_s));
}

TEST_CASE_TEMPLATE("recomputing sends the unseen text and reads the missing tokens", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    // 200 kbit / 2 Mbit/s + 400 tok / 1000 tok/s
    CHECK(equals<Rep>(recompute(s), 500_ms));
    // 100 ms + 400 / 1024 s + 400 * (600 + 200) / 1048576 s
    CHECK(equals<Rep>(cost::switching{cost::kv_recompute{attentive{}}}(s),
                      100_ms + seconds(0.390625) + seconds(0.30517578125)));
}

TEST_CASE_TEMPLATE("transferring moves the missing part of the cache", Rep, QLROUTE_TEST_REPS) {
    // 400 tok * 100 kbit/tok / 1 Gbit/s
    CHECK(equals<Rep>(transfer(filled<Rep>(round_facts())), 40_ms));
}

TEST_CASE_TEMPLATE("prefill and switching together price every uncached token once", Rep, QLROUTE_TEST_REPS) {
    constexpr auto linear = cost::prefill{} + cost::switching{cost::kv_recompute{}};
    constexpr auto quadratic = cost::prefill{attentive{}} + cost::switching{cost::kv_recompute{attentive{}}};
    random_facts random(3);
    for (int i = 0; i < 100; ++i) {
        auto s = random();
        s.unseen_history = 0_bit;
        const tokens uncached = s.prefix_tokens - s.prefix_hit + s.new_tokens;
        CHECK(equals<Rep>(linear(filled<Rep>(s)), uncached / s.prefill_rate));
        CHECK(equals<Rep>(quadratic(filled<Rep>(s)), attentive{}.prefill_time(s, s.prefix_hit, uncached)));
    }
}

TEST_CASE("with constants that do not round, every uncached token is priced once to the last bit") {
    constexpr auto quadratic = cost::prefill{attentive{}} + cost::switching{cost::kv_recompute{attentive{}}};
    random_facts random(4);
    for (int i = 0; i < 100; ++i) {
        auto s = random();
        s.unseen_history = 0_bit;
        const tokens uncached = s.prefix_tokens - s.prefix_hit + s.new_tokens;
        CHECK(quadratic(s) == attentive{}.prefill_time(s, s.prefix_hit, uncached));
    }
}

TEST_CASE_TEMPLATE("uplink and switching together send every unsent byte once", Rep, QLROUTE_TEST_REPS) {
    constexpr auto sending = cost::uplink{} + cost::switching{cost::kv_recompute{}};
    random_facts random(5);
    for (int i = 0; i < 100; ++i) {
        auto s = random();
        s.prefix_hit = s.prefix_tokens;
        CHECK(equals<Rep>(sending(filled<Rep>(s)), s.rtt / 2 + (s.prompt_size + s.unseen_history) / s.uplink_rate));
    }
}

TEST_CASE_TEMPLATE("an endpoint that has not seen the history pays for its text", Rep, QLROUTE_TEST_REPS) {
    auto newcomer = round_facts();
    auto witness = newcomer;
    witness.unseen_history = 0_bit;
    // 200 kbit / 2 Mbit/s
    CHECK(equals<Rep>(recompute(filled<Rep>(newcomer)) - recompute(filled<Rep>(witness)), 100_ms));
}

TEST_CASE("transfer beats recompute exactly when kv_rate exceeds kv_size times prefill_rate") {
    random_facts random(6);
    for (int i = 0; i < 100; ++i) {
        auto s = random();
        s.unseen_history = 0_bit;
        s.prefix_hit = s.prefix_tokens;
        s.prefix_tokens += tokens(random.whole(1, 4000));
        const bits_per_second even = s.kv_size * s.prefill_rate;
        for (const double factor : {1e-3, 0.5, 0.999, 1.001, 2.0, 1e3}) {
            s.kv_rate = factor * even;
            CAPTURE(factor);
            CHECK((transfer(s) < recompute(s)) == (s.kv_rate > even));
        }
    }
}

TEST_CASE("a phone that reads 93 tokens/s breaks even at 21 Mbit/s for a cache of 28 KiB a token") {
    scenario<> s{.prefix_tokens = 1000_tok, .uplink_rate = 1_Mbps, .prefill_rate = 93_tok_s, .kv_size = 28_KiB / 1_tok};
    s.kv_rate = 21_Mbps;
    CHECK(transfer(s) > recompute(s));
    s.kv_rate = 22_Mbps;
    CHECK(transfer(s) < recompute(s));
}

TEST_CASE_TEMPLATE("where a cache cannot be moved, moving it takes forever, and nothing takes nothing", Rep,
                   QLROUTE_TEST_REPS) {
    auto s = round_facts();
    s.kv_rate = 0_bps;
    // 400 tok * 100 kbit/tok / 1e-9 bit/s
    CHECK(equals<Rep>(transfer(filled<Rep>(s)), seconds(4e16)));
    CHECK(equals<Rep>(transfer(filled<Rep>(stays(s))), 0_s));
}

TEST_CASE_TEMPLATE("the cheapest of two ways is the lesser", Rep, QLROUTE_TEST_REPS) {
    constexpr auto cheapest = cost::switching{cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}}};
    auto s = round_facts();
    CHECK(equals<Rep>(cheapest(filled<Rep>(s)), 40_ms));
    s.kv_rate = 0_bps;
    CHECK(equals<Rep>(cheapest(filled<Rep>(s)), 500_ms));
}

TEST_CASE_TEMPLATE("the cheapest of three ways is the least, in any order", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    using cost::cheapest_of, cost::kv_recompute, cost::kv_transfer;
    CHECK(equals<Rep>(cheapest_of{courier{}, kv_recompute{}, kv_transfer{}}(s), 25_ms));
    CHECK(equals<Rep>(cheapest_of{kv_recompute{}, courier{}, kv_transfer{}}(s), 25_ms));
    CHECK(equals<Rep>(cheapest_of{kv_recompute{}, kv_transfer{}, courier{}}(s), 25_ms));
}

TEST_CASE_TEMPLATE("an endpoint that nobody can move a cache to does not get it for nothing", Rep, QLROUTE_TEST_REPS) {
    auto s = round_facts();
    s.kv_rate = 0_bps;
    s.kv_size = 0_bit / 1_tok;  // as an endpoint is that says nothing of its cache
    const cost::switching way{cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}}};
    CHECK(equals<Rep>(way(filled<Rep>(s)), 500_ms));
}

TEST_CASE("switching costs while compiling") {
    static_assert(recompute(round_facts()) == 500_ms);
    static_assert(std::same_as<cost::cost_of<cost::switching<>>, seconds>);
    CHECK(recompute.name == "switching");
}
