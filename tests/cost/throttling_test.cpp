#include <qlroute/cost/throttling.hpp>

#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <limits>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(cost::computation<cost::throttled<>>);
static_assert(std::same_as<decltype(cost::throttled{cost::linear_rate{}, ratio(0.5)}), cost::throttled<>>);

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE_TEMPLATE("a hot device writes more slowly, and reads so too where told", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    const auto n = filled<Rep>(50_tok);
    const cost::throttled hot{cost::linear_rate{}, ratio(0.5)};
    CHECK(equals<Rep>(hot.decode_time(s, n, n), 2_s));
    CHECK(equals<Rep>(hot.prefill_time(s, n, n), 50_ms));
    const cost::throttled both{cost::linear_rate{}, ratio(0.5), ratio(0.25)};
    CHECK(equals<Rep>(both.decode_time(s, n, n), 2_s));
    CHECK(equals<Rep>(both.prefill_time(s, n, n), 200_ms));
    CHECK(equals<Rep>(cost::throttled<>{}.decode_time(s, n, n), 1_s));
}

TEST_CASE("factors that are none have an answer") {
    const auto s = round_facts();
    for (const double none : {1.0, 7.0, not_a_number})
        CHECK(cost::throttled<>{.factor = none}.decode_time(s, 0_tok, 50_tok) == 1_s);
    for (const double least : {0.01, 0.0, -1.0})
        CHECK(cost::throttled<>{.factor = least}.decode_time(s, 0_tok, 50_tok) == 100_s);
    for (const double least : {0.01, 0.0, -1.0})
        CHECK(cost::throttled<>{.prefill_factor = least}.prefill_time(s, 0_tok, 50_tok) == 5_s);
}

TEST_CASE("a phone that fell from 40 to 22.6 tokens a second kept 0.565 of its speed") {
    constexpr ratio kept = sustained_share(22.6_tok_s, 40_tok_s);
    CHECK(kept.value() == doctest::Approx(0.565));
    auto s = round_facts();
    s.tpot = 25_ms / 1_tok;
    const cost::decode hot{cost::throttled{cost::linear_rate{}, kept}};
    CHECK(hot(s).value() == doctest::Approx(49 / 22.6));
    CHECK(sustained_share(41_tok_s, 40_tok_s) == ratio(1));
    CHECK(sustained_share(0_tok_s, 40_tok_s) == ratio(1));
    CHECK(sustained_share(40_tok_s, 0_tok_s) == ratio(1));
    CHECK(sustained_share(tokens_per_second(not_a_number), 40_tok_s) == ratio(1));
    CHECK(sustained_share(40_tok_s, tokens_per_second(not_a_number)) == ratio(1));
}

TEST_CASE("only the endpoint that is hot is slow") {
    auto s = round_facts();
    const auto objective = cost::end_to_end(cost::by_endpoint{cost::throttled<>{.factor = 0.5}, cost::linear_rate{}});
    const seconds hot = objective(s);
    s.where = 1;
    CHECK((hot - objective(s)).value() == doctest::Approx(0.98));  // 49 tok * 20 ms
}
