// What the radio's own retransmissions cost, and what a phone waits until it may send.
//
//   seconds delay = harq<>::lte().mean_delay(10_percent);       // 1 ms + 0.111 * 8 ms
//   seconds grant = uplink_grant::lte().mean_delay();           // 14 ms
//
// A try that fails is repeated a HARQ round trip later, up to a number of tries. How tries fail is a policy with a
// member failure(k, x): the probability that the block is still lost after k tries. Plain values, no errors.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/special_functions.hpp>

#include <cmath>
#include <concepts>

namespace qlroute {

/// Tries fail independently, each with probability x.
///   x^k                                                                      [no unit]
struct independent_tries {
    double failure(int k, double block_error) const {
        const double p = block_error < 0 ? 0 : block_error > 1 ? 1 : block_error;
        return std::pow(p, k);
    }
};

/// The receiver adds up what it got from all tries, each over a new Rayleigh fade of mean SNR x (chase combining).
///   P(k, needed / x),  P the regularised lower incomplete gamma function      [no unit]
/// `needed` is the SNR that decodes the block; the sum of k exponential SNRs is Gamma(k).
struct rayleigh_chase {
    ratio needed = 1;
    double failure(int k, double snr) const {
        if (std::isnan(snr)) return snr;
        if (needed.value() <= 0) return 0;
        return snr <= 0 ? 1 : detail::regularised_gamma(k, needed.value() / snr);
    }
};

/// How tries fail: a const failure(k, x) that returns a probability.
template <class T>
concept retransmission_policy = requires(const T& tries) {
    { tries.failure(1, 0.5) } -> std::convertible_to<double>;
};

/// Hybrid ARQ with at most `most` tries (at least 1).
///
///   expected_tries(x)   1 + sum over k = 1 .. most - 1 of failure(k, x)       [no unit]
///   residual(x)         failure(most, x): lost after all                      [no unit]
///   efficiency(x)       (1 - residual) / expected_tries                       [no unit]
///   mean_delay(x)       transmission + (expected_tries - 1) round_trip        [s]
///
/// x is what the policy takes: the error of a try, or the mean SNR. NaN gives NaN. A block that is lost after all is
/// repeated by the layers above, tens of milliseconds later, which is not counted.
template <retransmission_policy Tries = independent_tries>
struct harq {
    int most = 4;
    seconds transmission = 1_ms;
    seconds round_trip = 8_ms;
    Tries tries{};

    /// LTE in frequency division: 1 ms and 8 ms. As commonly given; not re-read here.
    static constexpr harq lte(Tries how = {}) { return {.tries = how}; }
    /// 5G in time division at 30 kHz: 0.5 ms and 4 ms (2.5 to 5 ms are usual). As commonly given; not re-read here.
    static constexpr harq nr(Tries how = {}) { return {.transmission = 0.5_ms, .round_trip = 4_ms, .tries = how}; }

    template <class Rep>
    constexpr auto expected_tries(const quantity<dim::none, Rep>& x) const {
        return detail::in_doubles<dim::none>([*this](double each) { return count(each); }, x);
    }
    template <class Rep>
    constexpr auto residual(const quantity<dim::none, Rep>& x) const {
        return detail::in_doubles<dim::none>([*this](double each) { return lost(each); }, x);
    }
    template <class Rep>
    constexpr auto efficiency(const quantity<dim::none, Rep>& x) const {
        return detail::in_doubles<dim::none>([*this](double each) { return (1 - lost(each)) / count(each); }, x);
    }
    template <class Rep>
    constexpr auto mean_delay(const quantity<dim::none, Rep>& x) const {
        return detail::in_doubles<dim::time>(
            [*this](double each) { return transmission.value() + (count(each) - 1) * round_trip.value(); }, x);
    }

private:
    double count(double x) const {
        double sum = 1;
        for (int k = 1; k < most; ++k) sum += tries.failure(k, x);
        return std::isnan(x) ? x : sum;
    }
    double lost(double x) const { return tries.failure(most < 1 ? 1 : most, x); }
};

/// What a phone with an empty buffer waits before its first packet goes out: it asks, is granted a slot, and sends.
///   request_period / 2 + request_to_grant + grant_to_data + transmission      [s]
/// Once data flows, grants are asked for along with it, and this is not paid again. The round trip that a probe
/// measures has it in already. Source: the terms are as commonly given; not re-read here. The presets are choices
/// within the usual 12 to 17 ms (LTE) and 5 to 10 ms (5G in time division).
struct uplink_grant {
    seconds request_period = 10_ms;
    seconds request_to_grant = 4_ms;
    seconds grant_to_data = 4_ms;
    seconds transmission = 1_ms;

    static constexpr uplink_grant lte() { return {}; }
    static constexpr uplink_grant nr() { return {5_ms, 2_ms, 2_ms, 0.5_ms}; }

    constexpr seconds mean_delay() const {
        return 0.5 * request_period + request_to_grant + grant_to_data + transmission;
    }
};

}  // namespace qlroute
