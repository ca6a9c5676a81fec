#include <qlroute/link/sharing.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

TEST_CASE_TEMPLATE("in turn everybody gets the same time", Rep, QLROUTE_TEST_REPS) {
    const auto rate = filled<Rep>(20_Mbps);
    CHECK(equals<Rep>(round_robin(rate, filled<Rep>(ratio(4))), 5_Mbps));
    CHECK(equals<Rep>(round_robin(rate, filled<Rep>(ratio(1))), 20_Mbps));
    CHECK(equals<Rep>(round_robin(rate, filled<Rep>(ratio(0))), 20_Mbps));
    CHECK(equals<Rep>(round_robin(rate, ratio(4)), 5_Mbps));
}

TEST_CASE_TEMPLATE("by weight everybody gets a share of the time", Rep, QLROUTE_TEST_REPS) {
    const auto rate = filled<Rep>(20_Mbps);
    CHECK(equals<Rep>(weighted_share(rate, filled<Rep>(ratio(1)), filled<Rep>(ratio(3))), 5_Mbps));
    CHECK(equals<Rep>(weighted_share(rate, filled<Rep>(ratio(3)), filled<Rep>(ratio(0))), 20_Mbps));
    CHECK(equals<Rep>(weighted_share(rate, filled<Rep>(ratio(0)), filled<Rep>(ratio(2))), 0_bps));
    CHECK(equals<Rep>(weighted_share(rate, filled<Rep>(ratio(0)), filled<Rep>(ratio(0))), 20_Mbps));
}

TEST_CASE("equal amounts: one slow station slows all down") {
    // 1 / (1/60 + 1/30) = 20 Mbit/s
    CHECK(equal_amounts(std::vector<bits_per_second>{60_Mbps, 30_Mbps}).value() == doctest::Approx(20e6));
    // two fast stations alone would have 27 Mbit/s each; a third at 1 Mbit/s leaves less than 1
    const std::vector<bits_per_second> anomaly{54_Mbps, 54_Mbps, 1_Mbps};
    CHECK(equal_amounts(anomaly).value() == doctest::Approx(1e6 / (1 + 2 / 54.0)));
    CHECK(equal_amounts(std::vector<bits_per_second>(4, 20_Mbps)).value() == doctest::Approx(5e6));
}

TEST_CASE("no rates, rates of nothing and no rate have an answer") {
    CHECK(equal_amounts({}) == 0_bps);
    CHECK(equal_amounts(std::vector<bits_per_second>{1_Mbps, 0_bps}) == 0_bps);
    CHECK(equal_amounts(std::vector<bits_per_second>{1_Mbps, bits_per_second(std::nan(""))}) == 0_bps);
    CHECK(round_robin(1_Mbps, ratio(std::nan(""))) == 1_Mbps);
}
