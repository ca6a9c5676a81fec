#include <qlroute/link/link_budget.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// Losses of more than 2^24 are not exact in a float.
template <class Rep, dimension D, class Actual>
bool nearly(const quantity<D, Actual>& q, double expected) {
    for (const double each : elements(q))
        if (!(std::abs(each - expected) <= 1e-5 * std::abs(expected))) return false;
    return elements(q).size() == elements(filled<Rep>(ratio(1))).size();
}

}  // namespace

TEST_CASE("noise is -174 dBm/Hz") {
    CHECK(noise_density.value() == doctest::Approx(3.981e-21).epsilon(1e-4));
    CHECK(in_dBm(noise_power(1_MHz, 5_dB)) == doctest::Approx(-109));
    CHECK(in_dBm(noise_power(quantity<dim::frequency, float>(10_MHz), 9_dB)) == doctest::Approx(-95));
}

TEST_CASE_TEMPLATE("the budget in dB: 23 - 120 + 174 - 70 - 5 = 2", Rep, QLROUTE_TEST_REPS) {
    const auto loss = filled<Rep>(120_dB);
    CHECK(nearly<Rep>(link_budget::uplink().received(loss), dBm(-97).value()));
    CHECK(nearly<Rep>(link_budget::uplink().snr(loss, filled<Rep>(10_MHz)), (2_dB).value()));
    // 46 + 15 + 0 - 120 + 174 - 70 - 9
    link_budget down = link_budget::downlink(dBm(46));
    down.transmit_gain = 15_dB;
    CHECK(nearly<Rep>(down.snr(loss, filled<Rep>(10_MHz)), (36_dB).value()));
    down.receive_gain = decibels(-3);
    CHECK(nearly<Rep>(down.snr(loss, filled<Rep>(10_MHz)), (33_dB).value()));
}

TEST_CASE_TEMPLATE("far away only some of the bandwidth is useful", Rep, QLROUTE_TEST_REPS) {
    const link_budget up = link_budget::uplink();
    // -97 dBm over -169 dBm/Hz at 0 dB: 72 dB of hertz, at 12 dB 60
    const auto loss = filled<Rep>(120_dB);
    CHECK(nearly<Rep>(up.useful_bandwidth(loss, 100_MHz, 0_dB), from_decibels(72)));
    CHECK(nearly<Rep>(up.useful_bandwidth(loss, 100_MHz, 12_dB), 1e6));
    CHECK(nearly<Rep>(up.useful_bandwidth(loss, 5_MHz, 0_dB), 5e6));
    // there the SNR is the target
    CHECK(nearly<Rep>(up.snr(loss, up.useful_bandwidth(loss, 100_MHz, 12_dB)), (12_dB).value()));
}

TEST_CASE("more than the useful bandwidth carries nothing where the receiver has a least SNR") {
    const link_budget up = link_budget::uplink();
    const auto loss = 135_dB;
    constexpr auto model = truncated_shannon::uplink();
    const hertz useful = up.useful_bandwidth(loss, 100_MHz, 1.0001 * model.snr_min);
    CHECK(useful < 100_MHz);
    CHECK(rate(up.snr(loss, useful), useful, model) > 0_bps);
    CHECK(rate(up.snr(loss, 100_MHz), 100_MHz, model) == 0_bps);
}

TEST_CASE_TEMPLATE("a phone sends no more than it needs, and no more than it can", Rep, QLROUTE_TEST_REPS) {
    // -100 + 10 lg(10) + 100 = 10 dBm for ten blocks of 180 kHz at 100 dB; at 120 dB it would be 30 dBm
    const uplink_power_control control;
    const auto band = filled<Rep>(1.8_MHz);
    CHECK(nearly<Rep>(control.power(filled<Rep>(100_dB), band), dBm(10).value()));
    CHECK(nearly<Rep>(control.power(filled<Rep>(120_dB), band), dBm(23).value()));
    // -80 + 10 + 0.8 * 100 + 2
    const uplink_power_control partly{.target = dBm(-80), .compensation = 0.8, .adjustment = 2_dB};
    CHECK(nearly<Rep>(partly.power(filled<Rep>(100_dB), band), dBm(12).value()));
}

TEST_CASE_TEMPLATE("below the cap the SNR stays, above it falls with the loss and the bandwidth", Rep,
                   QLROUTE_TEST_REPS) {
    const uplink_power_control control;
    const link_budget link = link_budget::uplink();
    const auto snr = [&](ratio loss, hertz band) { return control.snr(link, filled<Rep>(loss), filled<Rep>(band)); };
    // -100 dBm a block over -174 + 52.55 + 5 dBm
    const double held = decibels(-100 + 174 - 5).value() / 180e3;
    CHECK(nearly<Rep>(snr(90_dB, 1.8_MHz), held));
    CHECK(nearly<Rep>(snr(100_dB, 1.8_MHz), held));
    CHECK(nearly<Rep>(snr(100_dB, 3.6_MHz), held));
    // at the cap it is the budget
    CHECK(nearly<Rep>(snr(130_dB, 1.8_MHz), link.snr(130_dB, 1.8_MHz).value()));
    CHECK(nearly<Rep>(snr(130_dB, 3.6_MHz), link.snr(130_dB, 1.8_MHz).value() / 2));
}

TEST_CASE("no loss and no number have an answer") {
    CHECK(link_budget{}.received(ratio(0)).value() == detail::infinite);
    CHECK(std::isnan(link_budget{}.snr(ratio(std::nan("")), 1_MHz).value()));
    CHECK(std::isnan(uplink_power_control{}.power(ratio(std::nan("")), 1_MHz).value()));
    CHECK(link_budget{}.received(ratio(detail::infinite)) == 0_W);
}
