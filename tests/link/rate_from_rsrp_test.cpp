#include <qlroute/link/rate_from_rsrp.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

TEST_CASE("strong, usual and weak signals have the rates of the regression") {
    const auto median = [](const rate_from_rsrp& line, double power) { return line(dBm(power)).median.value() / 1e6; };
    CHECK(median(rate_from_rsrp::lte(), -80) == doctest::Approx(31).epsilon(0.01));
    CHECK(median(rate_from_rsrp::lte(), -95) == doctest::Approx(9.7).epsilon(0.01));
    CHECK(median(rate_from_rsrp::lte(), -110) == doctest::Approx(3.0).epsilon(0.02));
    CHECK(median(rate_from_rsrp::nr(), -80) == doctest::Approx(76).epsilon(0.02));
    CHECK(median(rate_from_rsrp::nr(), -95) == doctest::Approx(24).epsilon(0.04));
    CHECK(median(rate_from_rsrp::nr(), -110) == doctest::Approx(7.9).epsilon(0.02));
}

TEST_CASE_TEMPLATE("a received power becomes a belief", Rep, QLROUTE_TEST_REPS) {
    const rate_from_rsrp line{.intercept = 10, .slope = 0.1, .decades = 0.5};
    // 10^(10 - 9) Mbit/s; half a decade is ln(10) / 2
    const rate_belief<Rep> belief = line(filled<Rep>(dBm(-90)));
    for (const double each : elements(belief.median)) CHECK(each == doctest::Approx(1e7).epsilon(1e-5));
    CHECK(equals<Rep>(belief.variance, ratio(std::pow(std::log(10.0) / 2, 2))));
}

TEST_CASE("one residual is a factor of three, up or down") {
    const auto belief = rate_from_rsrp::lte()(dBm(-95));
    const double above = belief.quantile(detail::normal_distribution(1)).value() / belief.median.value();
    CHECK(above == doctest::Approx(std::pow(10, 0.47)));
}

TEST_CASE("no signal is priced as an outage") {
    for (const double watt : {0.0, -1.0, std::nan(""), 1e-60}) {
        CAPTURE(watt);
        CHECK(rate_from_rsrp::lte()(watts(watt)).median == outage_rate);
    }
}
