#include <qlroute/link/wifi.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// Round: an exchange takes 900 us + (8000 + 2000) / rate.
constexpr wifi made_up{.payload = 8_kbit,
                       .header = 2_kbit,
                       .preamble = 300_us,
                       .ack = 400_us,
                       .slot = 10_us,
                       .sifs = 50_us,
                       .difs = 150_us,
                       .window = 21,
                       .doublings = 3};

/// Stations that count down, send at zero, and double their window when they collide.
double simulated(const wifi& network, double rate, std::size_t stations, int slots) {
    std::mt19937 bits(17);
    const auto draw = [&](int stage) {
        const double window = network.window * std::pow(2, stage);
        return static_cast<int>(window * static_cast<double>(bits()) / 4294967296.0);
    };
    std::vector<int> stage(stations, 0);
    std::vector<int> count(stations);
    for (auto& each : count) each = draw(0);
    const double success = network.exchange_time(bits_per_second(rate)).value();
    const double collision = success - (network.sifs + network.ack).value();
    double time = 0;
    double delivered = 0;
    for (int t = 0; t < slots; ++t) {
        int senders = 0;
        for (const int each : count) senders += each == 0 ? 1 : 0;
        time += senders == 0 ? network.slot.value() : senders == 1 ? success : collision;
        if (senders == 1) delivered += network.payload.value();
        for (std::size_t i = 0; i < stations; ++i) {
            if (count[i] == 0) {
                stage[i] = senders == 1 ? 0 : std::min(stage[i] + 1, network.doublings);
                count[i] = draw(stage[i]);
            } else --count[i];
        }
    }
    return delivered / time;
}

}  // namespace

TEST_CASE_TEMPLATE("a station alone waits for half a window", Rep, QLROUTE_TEST_REPS) {
    // 900 us + 10 kbit / 10 Mbit/s + 10 * 10 us = 2 ms for 8 kbit
    CHECK(equals<Rep>(made_up.exchange_time(filled<Rep>(10_Mbps)), 1.9_ms));
    CHECK(equals<Rep>(made_up.goodput(filled<Rep>(10_Mbps)), 4_Mbps));
    CHECK(equals<Rep>(made_up.goodput(filled<Rep>(0_bps)), 0_bps));
}

TEST_CASE_TEMPLATE("one saturated station is a station alone", Rep, QLROUTE_TEST_REPS) {
    // tau = 2 / (W + 1)
    CHECK(equals<Rep>(made_up.attempt_probability(filled<Rep>(ratio(1))), ratio(2 / 22.0)));
    CHECK(equals<Rep>(made_up.saturation_goodput(filled<Rep>(10_Mbps), filled<Rep>(ratio(1))), 4_Mbps));
    CHECK(equals<Rep>(made_up.saturation_goodput(filled<Rep>(10_Mbps), filled<Rep>(ratio(0))), 4_Mbps));
}

TEST_CASE("the attempt probability solves its equation") {
    for (const double n : {2.0, 5.0, 20.0, 100.0}) {
        const double tau = wifi{}.attempt_probability(ratio(n)).value();
        const double p = 1 - std::pow(1 - tau, n - 1);
        const double w = 16;
        const double m = 6;
        // in the form of the paper
        const double other = 2 * (1 - 2 * p) / ((1 - 2 * p) * (w + 1) + p * w * (1 - std::pow(2 * p, m)));
        CHECK(tau == doctest::Approx(other).epsilon(1e-9));
    }
}

TEST_CASE("saturated stations deliver what stations that count down deliver") {
    for (const std::size_t n : {std::size_t{2}, std::size_t{5}, std::size_t{20}}) {
        CAPTURE(n);
        const double drawn = simulated(made_up, 10e6, n, 400000);
        const double computed = made_up.saturation_goodput(10_Mbps, ratio(static_cast<double>(n))).value();
        CHECK(computed == doctest::Approx(drawn).epsilon(0.015));
        const wifi usual{};
        CHECK(usual.saturation_goodput(65_Mbps, ratio(static_cast<double>(n))).value() ==
              doctest::Approx(simulated(usual, 65e6, n, 400000)).epsilon(0.015));
    }
}

TEST_CASE_TEMPLATE("a crowd delivers less than a few", Rep, QLROUTE_TEST_REPS) {
    const auto of = [](double n) {
        return elements(wifi{}.saturation_goodput(filled<Rep>(65_Mbps), filled<Rep>(ratio(n))));
    };
    const auto few = of(3);
    const auto many = of(50);
    for (std::size_t i = 0; i < few.size(); ++i) CHECK(many[i] < few[i]);
    CHECK(few.size() == elements(filled<Rep>(ratio(1))).size());
}

TEST_CASE("a faster frame helps less and less, an aggregate helps") {
    const wifi single;
    CHECK(single.goodput(600_Mbps) < 2 * single.goodput(65_Mbps));
    const wifi aggregated{.payload = 16 * 1500_B, .header = 16 * 36_B};
    CHECK(aggregated.goodput(600_Mbps) > 5 * single.goodput(600_Mbps));
}

TEST_CASE("no number of stations is no number") {
    CHECK(std::isnan(wifi{}.saturation_goodput(65_Mbps, ratio(std::nan(""))).value()));
    CHECK(std::isnan(wifi{}.goodput(bits_per_second(std::nan(""))).value()));
}
