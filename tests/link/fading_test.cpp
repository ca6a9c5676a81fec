#include <qlroute/link/fading.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(spectral_efficiency_model<rayleigh_ergodic>);
static_assert(spectral_efficiency_model<rician_ergodic>);
static_assert(spectral_efficiency_model<nakagami_ergodic>);
static_assert(spectral_efficiency_model<eps_outage>);
static_assert(spectral_efficiency_model<rayleigh_effective_capacity>);

/// Powers of a Rician channel of mean 1, the same on every platform: a fixed path and a Gaussian cloud.
std::vector<double> rician_powers(double k, int count) {
    std::mt19937 bits(7);
    const auto uniform = [&] { return (static_cast<double>(bits()) + 0.5) / 4294967296.0; };
    std::vector<double> all;
    for (int i = 0; i < count; ++i) {
        const double radius = std::sqrt(-std::log(uniform()) / (k + 1));
        const double angle = 2 * std::numbers::pi * uniform();
        const double in_phase = std::sqrt(k / (k + 1)) + radius * std::cos(angle);
        const double quadrature = radius * std::sin(angle);
        all.push_back(in_phase * in_phase + quadrature * quadrature);
    }
    return all;
}

double mean(const std::vector<double>& xs, auto f) {
    double sum = 0;
    for (const double x : xs) sum += f(x);
    return sum / static_cast<double>(xs.size());
}

/// Simpson's rule for E[f(X)], X exponential of mean 1, over y = 1 - e^-x.
double exponential_mean(auto f) {
    constexpr int steps = 400000;
    double sum = 0;
    for (int i = 0; i < steps; ++i) sum += f(-std::log((i + 0.5) / steps));
    return sum / steps;
}

}  // namespace

TEST_CASE_TEMPLATE("Rayleigh fading carries less than the channel that does not fade", Rep, QLROUTE_TEST_REPS) {
    const auto at = [](double dB) { return elements(rayleigh_ergodic{}(filled<Rep>(decibels(dB)))); };
    for (const double x : at(0)) CHECK(std::abs(x - 0.860) < 0.0005);
    for (const double x : at(5)) CHECK(std::abs(x - 1.716) < 0.0005);
    for (const double x : at(10)) CHECK(std::abs(x - 2.907) < 0.0005);
    for (const double x : at(20)) CHECK(std::abs(x - 5.884) < 0.0005);
    CHECK(at(0).size() == elements(filled<Rep>(ratio(1))).size());
}

TEST_CASE("the ergodic models agree where one is the other") {
    for (const double g : {1e-6, 0.01, 0.3, 1.0, 10.0, 1e3, 1e6, 1e12}) {
        CAPTURE(g);
        const double rayleigh = rayleigh_ergodic{}(ratio(g)).value();
        CHECK(rician_ergodic{.k = 0}(ratio(g)).value() == doctest::Approx(rayleigh).epsilon(1e-11));
        CHECK(nakagami_ergodic{.m = 1}(ratio(g)).value() == doctest::Approx(rayleigh).epsilon(1e-11));
        CHECK(rayleigh_effective_capacity{.exponent = 0}(ratio(g)).value() == doctest::Approx(rayleigh).epsilon(1e-11));
        CHECK(rayleigh_effective_capacity{.exponent = 1e-5}(ratio(g)).value() ==
              doctest::Approx(rayleigh).epsilon(1e-3));
        // a strong path, or a large shape, hardly fades
        CHECK(rician_ergodic{.k = 1e7}(ratio(g)).value() == doctest::Approx(shannon{}(ratio(g)).value()).epsilon(1e-6));
        CHECK(nakagami_ergodic{.m = 1e7}(ratio(g)).value() ==
              doctest::Approx(shannon{}(ratio(g)).value()).epsilon(1e-6));
    }
}

TEST_CASE("Rician fading carries what its fades carry on average") {
    for (const double k : {0.0, 1.0, 4.0, 12.0}) {
        const auto powers = rician_powers(k, 400000);
        CHECK(mean(powers, [](double x) { return x; }) == doctest::Approx(1).epsilon(0.005));
        for (const double g : {0.5, 10.0, 300.0}) {
            CAPTURE(k);
            CAPTURE(g);
            const double drawn = mean(powers, [&](double x) { return std::log2(1 + g * x); });
            CHECK(std::abs(rician_ergodic{.k = k}(ratio(g)).value() - drawn) < 0.008);
        }
    }
}

TEST_CASE_TEMPLATE("Rician fading works on every kind of number", Rep, QLROUTE_TEST_REPS) {
    const bits expected = rician_ergodic{.k = 4}(ratio(10));
    CHECK(expected.value() > rayleigh_ergodic{}(ratio(10)).value());
    CHECK(expected.value() < shannon{}(ratio(10)).value());
    CHECK(equals<Rep>(rician_ergodic{.k = 4}(filled<Rep>(ratio(10))), expected));
    CHECK(equals<Rep>(nakagami_ergodic{.m = 2}(filled<Rep>(ratio(10))), nakagami_ergodic{.m = 2}(ratio(10))));
}

TEST_CASE_TEMPLATE("Rayleigh outage by hand, and its inverse", Rep, QLROUTE_TEST_REPS) {
    // 2 bit/s/Hz need an SNR of 3; at a mean of 10 that is missed in 1 - e^-0.3
    CHECK(equals<Rep>(rayleigh_outage(filled<Rep>(ratio(10)), filled<Rep>(2_bit)), ratio(-std::expm1(-0.3))));
    // log2(1 - 10 ln 0.7408) = 2
    CHECK(equals<Rep>(eps_outage{.eps = -std::expm1(-0.3)}(filled<Rep>(ratio(10))), 2_bit));
    CHECK(equals<Rep>(eps_outage{.eps = 0}(filled<Rep>(ratio(10))), 0_bit));
}

TEST_CASE_TEMPLATE("without a line of sight Rician and Nakagami outages are Rayleigh's", Rep, QLROUTE_TEST_REPS) {
    const auto snr = filled<Rep>(ratio(10));
    const auto wanted = filled<Rep>(2_bit);
    CHECK(equals<Rep>(rician_outage(snr, wanted, 0), ratio(-std::expm1(-0.3))));
    CHECK(equals<Rep>(nakagami_outage(snr, wanted, 1), ratio(-std::expm1(-0.3))));
}

TEST_CASE("Rician outage is the share of fades that are too deep") {
    for (const double k : {0.5, 2.0, 6.0}) {
        const auto powers = rician_powers(k, 400000);
        for (const double needed : {0.1, 0.5, 1.0}) {
            CAPTURE(k);
            CAPTURE(needed);
            const double drawn = mean(powers, [&](double x) { return x < needed ? 1.0 : 0.0; });
            // an SNR of 1 / needed carries 1 bit/s/Hz where the fade is `needed`
            CHECK(std::abs(rician_outage(ratio(1 / needed), 1_bit, k).value() - drawn) < 0.003);
        }
    }
}

TEST_CASE("Nakagami's outage is near Rice's at shallow fades and far too small at deep ones") {
    const double k = 6;
    const ratio m = nakagami_shape(k);
    CHECK(m.value() == doctest::Approx(49.0 / 13));
    CHECK(nakagami_shape(0).value() == 1);
    const auto of_rice = [&](double needed) { return rician_outage(ratio(1 / needed), 1_bit, k).value(); };
    const auto of_nakagami = [&](double needed) { return nakagami_outage(ratio(1 / needed), 1_bit, m).value(); };
    CHECK(of_nakagami(0.8) == doctest::Approx(of_rice(0.8)).epsilon(0.1));
    CHECK(of_nakagami(0.01) < 0.1 * of_rice(0.01));
}

TEST_CASE("outage has an answer for no signal, no demand and no number") {
    CHECK(rayleigh_outage(ratio(0), 1_bit) == ratio(1));
    CHECK(rayleigh_outage(ratio(-2), 1_bit) == ratio(1));
    CHECK(rician_outage(ratio(0), 1_bit, 3) == ratio(1));
    CHECK(nakagami_outage(ratio(0), 1_bit, 3) == ratio(1));
    CHECK(rayleigh_outage(ratio(0), 0_bit) == ratio(0));
    CHECK(rician_outage(ratio(5), -1_bit, 3) == ratio(0));
    CHECK(nakagami_outage(ratio(5), 0_bit, 3) == ratio(0));
    CHECK(std::isnan(rayleigh_outage(ratio(detail::no_number), 1_bit).value()));
    CHECK(std::isnan(rician_outage(ratio(1), 1_bit, -1).value()));
    CHECK(std::isnan(nakagami_outage(ratio(1), 1_bit, 0).value()));
    CHECK(std::isnan(rayleigh_outage(ratio(1), bits(detail::no_number)).value()));
}

TEST_CASE("the models have an answer for no signal and no number") {
    const auto check = [](const auto& model) {
        CHECK(model(ratio(0)).value() == 0);
        CHECK(model(ratio(-1)).value() == 0);
        CHECK(std::isnan(model(ratio(detail::no_number)).value()));
    };
    check(rayleigh_ergodic{});
    check(rician_ergodic{});
    check(nakagami_ergodic{});
    check(eps_outage{});
    check(rayleigh_effective_capacity{});
    CHECK(std::isnan(rician_ergodic{.k = -1}(ratio(1)).value()));
    CHECK(std::isnan(nakagami_ergodic{.m = 0}(ratio(1)).value()));
    CHECK(std::isnan(rayleigh_effective_capacity{.exponent = -1}(ratio(1)).value()));
    const ratio endless(detail::infinite);
    CHECK(rayleigh_ergodic{}(endless).value() == detail::infinite);
    CHECK(rician_ergodic{}(endless).value() == detail::infinite);
    CHECK(nakagami_ergodic{}(endless).value() == detail::infinite);
    CHECK(rayleigh_effective_capacity{}(endless).value() == detail::infinite);
    CHECK(rayleigh_effective_capacity{.exponent = endless}(ratio(10)).value() == 0);
    // what does not fade
    CHECK(rician_ergodic{.k = endless}(ratio(3)).value() == doctest::Approx(2));
    CHECK(nakagami_ergodic{.m = endless}(ratio(3)).value() == doctest::Approx(2));
    CHECK(rician_outage(ratio(3.1), 2_bit, endless) == ratio(0));
    CHECK(rician_outage(ratio(2.9), 2_bit, endless) == ratio(1));
    CHECK(nakagami_outage(ratio(3.1), 2_bit, endless) == ratio(0));
    CHECK(nakagami_outage(ratio(2.9), 2_bit, endless) == ratio(1));
    CHECK(rician_outage(ratio(3.1), 2_bit, 1e6).value() < 1e-6);
}

TEST_CASE("effective capacity lies between the mean rate and the least") {
    const std::vector<bits_per_second> rates{2_Mbps, 4_Mbps};
    // -ln((e^-2 + e^-4) / 2) = 2.566219 for theta * block = 1 us
    const delay_exponent theta = ratio(1) / 1_Mbit;
    const auto at = [&](delay_exponent one) { return effective_capacity(rates, one, 1_s).value(); };
    CHECK(at(theta) == doctest::Approx(2.566219e6).epsilon(1e-6));
    CHECK(at(0 * theta) == doctest::Approx(3e6));
    CHECK(at(1e-4 * theta) == doctest::Approx(3e6).epsilon(1e-3));
    CHECK(at(1e4 * theta) == doctest::Approx(2e6).epsilon(1e-3));
    CHECK(effective_capacity(std::vector<bits_per_second>{}, theta, 1_s) == 0_bps);
    CHECK(effective_capacity(std::vector<bits_per_second>(5, 3_Mbps), theta, 1_s).value() == doctest::Approx(3e6));
}

TEST_CASE("Rayleigh's effective capacity is that of its rates") {
    for (const double exponent : {0.1, 1.0, 5.0, 30.0})
        for (const double g : {0.1, 1.0, 10.0, 100.0}) {
            CAPTURE(exponent);
            CAPTURE(g);
            const double of_a_fade =
                exponential_mean([&](double x) { return std::exp(-exponent * std::log1p(g * x)); });
            const double expected = -std::log2(of_a_fade) / exponent;
            CHECK(rayleigh_effective_capacity{.exponent = exponent}(ratio(g)).value() ==
                  doctest::Approx(expected).epsilon(3e-4));
        }
    // exponent 1: E[1 / (1 + g X)] = e^(1/g) E1(1/g) / g, at g = 1 0.596347
    CHECK(rayleigh_effective_capacity{.exponent = 1}(ratio(1)).value() ==
          doctest::Approx(-std::log2(0.59634736)).epsilon(1e-7));
    CHECK(normalised_exponent(ratio(1) / 1_kbit, 100_kHz, 10_ms).value() == doctest::Approx(1 / std::numbers::ln2));
}

TEST_CASE_TEMPLATE("a stricter delay carries less", Rep, QLROUTE_TEST_REPS) {
    const auto snr = filled<Rep>(ratio(10));
    double before = rayleigh_ergodic{}(ratio(10)).value();
    for (const double exponent : {0.01, 0.1, 1.0, 10.0, 100.0}) {
        const bits now = rayleigh_effective_capacity{.exponent = exponent}(ratio(10));
        CHECK(now.value() < before);
        CHECK(equals<Rep>(rayleigh_effective_capacity{.exponent = exponent}(snr), now));
        before = now.value();
    }
}

TEST_CASE_TEMPLATE("a long wait is rare by e^(-theta arrivals wait)", Rep, QLROUTE_TEST_REPS) {
    // 1 / kbit * 10 kbit/s * 0.2 s = 2
    CHECK(equals<Rep>(delay_violation(filled<Rep>(200_ms), ratio(1) / 1_kbit, 10_kbps), ratio(std::exp(-2.0))));
    CHECK(equals<Rep>(delay_violation(filled<Rep>(200_ms), ratio(1) / 1_kbit, 10_kbps, 0.5),
                      ratio(0.5 * std::exp(-2.0))));
}
