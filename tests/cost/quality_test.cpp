#include <qlroute/cost/quality.hpp>

#include <doctest/doctest.h>

#include <concepts>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

static_assert(std::same_as<cost::cost_of<cost::quality_loss>, ratio>);

TEST_CASE_TEMPLATE("quality loss is a number without a unit until it is given a price", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    CHECK(equals<Rep>(cost::quality_loss{}(s), ratio(0.25)));
    CHECK(equals<Rep>((6_s * cost::quality_loss{})(s), 1.5_s));
    CHECK(equals<Rep>((8_USD * cost::quality_loss{})(s), 2_USD));
}
