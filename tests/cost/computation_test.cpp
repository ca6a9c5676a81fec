#include <qlroute/cost/computation.hpp>

#include <doctest/doctest.h>

#include <concepts>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// An engine of the test's own: reading costs 1 ms a token and as much again for every 1000 tokens before it; writing
/// costs 20 ms a token and 1 ms more for every 100 tokens before it.
struct attentive {
    constexpr auto prefill_time(const auto&, const auto& cached, const auto& count) const {
        return count * (1_ms / 1_tok) + count * (1_us / 1_tok / 1_tok) * (cached + 0.5 * count);
    }
    constexpr auto decode_time(const auto&, const auto& context, const auto& count) const {
        return count * (20_ms / 1_tok) + count * (10_us / 1_tok / 1_tok) * (context + 0.5 * count);
    }
};

struct only_reads {
    constexpr auto prefill_time(const auto& s, const auto&, const auto& count) const { return count / s.prefill_rate; }
};

struct counts_tokens {
    constexpr auto prefill_time(const auto&, const auto&, const auto& count) const { return count; }
    constexpr auto decode_time(const auto&, const auto&, const auto& count) const { return count; }
};

static_assert(cost::computation<cost::linear_rate> && cost::computation<attentive>);
static_assert(!cost::computation<only_reads> && !cost::computation<counts_tokens> && !cost::computation<int>);

static_assert(std::same_as<cost::cost_of<cost::prefill<>>, seconds>);
static_assert(std::same_as<cost::cost_of<cost::decode<>>, seconds>);
static_assert(std::same_as<cost::cost_of<cost::first_token>, seconds>);
static_assert(std::same_as<decltype(cost::prefill{attentive{}}), cost::prefill<attentive>>);
static_assert(std::same_as<decltype(cost::decode{attentive{}}), cost::decode<attentive>>);

}  // namespace

TEST_CASE_TEMPLATE("a linear engine takes tokens over rate, whatever stands before them", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    const cost::linear_rate engine;
    for (const auto before : {0_tok, 1000_tok}) {
        // 100 tok / 1000 tok/s and 50 tok * 20 ms/tok
        CHECK(equals<Rep>(engine.prefill_time(s, filled<Rep>(before), filled<Rep>(100_tok)), 100_ms));
        CHECK(equals<Rep>(engine.decode_time(s, filled<Rep>(before), filled<Rep>(50_tok)), 1_s));
    }
}

TEST_CASE_TEMPLATE("prefill reads the new tokens behind the history", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    CHECK(equals<Rep>(cost::prefill{}(s), 100_ms));
    // 100 ms + 100 * (1000 + 50) us
    CHECK(equals<Rep>(cost::prefill{attentive{}}(s), 205_ms));
}

TEST_CASE_TEMPLATE("decode writes what follows the first token, behind history and new tokens", Rep,
                   QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    // 49 * 20 ms
    CHECK(equals<Rep>(cost::decode{}(s), 980_ms));
    // 49 * 20 ms + 49 * (1100 + 24.5) * 10 us
    CHECK(equals<Rep>(cost::decode{attentive{}}(s), 1531.005_ms));
    auto one_word = round_facts();
    one_word.output_tokens = 1_tok;
    CHECK(equals<Rep>(cost::decode{}(filled<Rep>(one_word)), 0_s));
}

TEST_CASE_TEMPLATE("the first token is there when the prompt has been read, and travels", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    // 40 ms / 2 + 2400 bit / 1.2 Mbit/s
    CHECK(equals<Rep>(cost::first_token{}(s), 22_ms));
}
