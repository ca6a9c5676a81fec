#include <qlroute/cost/money.hpp>

#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <concepts>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(std::same_as<cost::cost_of<cost::tariff>, dollars>);
static_assert(std::same_as<cost::cost_of<cost::data_plan>, bits>);
static_assert(std::same_as<cost::cost_of<decltype((5_USD / 1_GB) * cost::data_plan{})>, dollars>);

constexpr cost::tariff prices{
    .input = 0.001_USD / 1_tok, .cached_input = 0.0001_USD / 1_tok, .output = 0.01_USD / 1_tok, .per_request = 0.1_USD};

}  // namespace

TEST_CASE_TEMPLATE("a tariff bills the whole context, cached tokens at their own price", Rep, QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());
    // (400 + 100) * 0.001 + 600 * 0.0001 + 50 * 0.01 + 0.1
    CHECK(equals<Rep>(prices(s), 1.16_USD));
    s.prefix_hit = filled<Rep>(0_tok);
    CHECK(equals<Rep>(prices(s), 1.7_USD));
    s.prefix_hit = filled<Rep>(1000_tok);
    CHECK(equals<Rep>(prices(s), 0.8_USD));
    CHECK(equals<Rep>(cost::tariff{.output = 0.01_USD / 1_tok}(s), 0.5_USD));
}

TEST_CASE_TEMPLATE("a data plan counts what goes up and what comes down", Rep, QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());
    // 40 + 200 + 50 * 2.4 kbit, which are 45 kB
    CHECK(equals<Rep>(cost::data_plan{}(s), 360_kbit));
    s.prompt_size = s.unseen_history = filled<Rep>(0_bit);
    s.token_size = filled<Rep>(0_bit / 1_tok);
    CHECK(equals<Rep>(cost::data_plan{}(s), 0_bit));
}

TEST_CASE("money becomes time at the wage of the one who waits, and the device is free") {
    const auto bill = cost::term<"bill">(cost::by_endpoint{cost::tariff{}, prices});
    const auto objective = cost::end_to_end() + (1_h / 20_USD) * (bill + (5_USD / 1_GB) * cost::data_plan{});
    auto s = round_facts();
    CHECK(explain(objective, s).find("bill")->value() == 0);
    s.where = 1;
    CHECK(explain(objective, s).find("bill")->value() == doctest::Approx(1.16 * 180));
    CHECK(explain(objective, s).find("data_plan")->value() == doctest::Approx(0.000225 * 180));
}
