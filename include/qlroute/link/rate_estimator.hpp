// What rate to expect, from the rates seen so far.
//
//   ewma uplink{.prior = 5_Mbps};
//   uplink.observe(prompt_size / time_it_took);
//   bits_per_second expected = uplink.estimate();
//
// Feed the throughput of each transfer, in the order of time; keep one estimator for each direction of each
// network. Nobody tells an estimator how old its last observation is: after 10 to 30 s the long-run mean
// of the link predicts better than what was seen last, and after a change of network nothing seen counts,
// so start a new one then.
//
// None is thread-safe: observe() changes it. A sample that is no rate (NaN, negative or infinite) is ignored.
// A link that was down is a sample of 0. No errors, no allocation.
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/link/link_state.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>

namespace qlroute {

/// observe() takes a measured rate, estimate() predicts the next one. Before the first observation
/// estimate() is the prior.
template <class T>
concept rate_estimator = requires(T& estimator, const T& same, bits_per_second measured) {
    // clang-format off
    { estimator.observe(measured) } noexcept;
    { same.estimate() } noexcept -> std::convertible_to<bits_per_second>;
    // clang-format on
};

namespace detail {

constexpr bool is_a_rate(bits_per_second measured) {
    return measured >= 0_bps && measured <= bits_per_second(std::numeric_limits<double>::max());
}

}  // namespace detail

/// The next rate is the last one.
///   estimate = last observation                                              [bit/s]
/// The one to start with: one second ahead it is within 3 points of the best of seven predictors on every network
/// measured (mean error 11 % on a mmWave uplink, 27 to 52 % on LTE and low-band 5G). It follows every dip.
struct last_value {
    bits_per_second prior = outage_rate;

    std::optional<bits_per_second> latest{};

    constexpr void observe(bits_per_second measured) noexcept {
        if (detail::is_a_rate(measured)) latest = measured;
    }
    constexpr bits_per_second estimate() const noexcept { return latest.value_or(prior); }
};

/// Exponentially weighted mean.
///   average <- keep * average + (1 - keep) * observation;  the first observation is the first average   [bit/s]
/// `keep`, between 0 and 1, is the weight of the past: 0 is last_value. Better than the last value where rates
/// scatter about a mean that stays (static Wi-Fi and LTE, satellite uplink), worse where they jump (Wi-Fi, walking:
/// 53 % mean error with 0.2 and 76 % with 0.5, against 43 %). The faster the user moves, the smaller `keep`.
struct ewma {
    ratio keep = 0.5;
    bits_per_second prior = outage_rate;

    std::optional<bits_per_second> average{};

    constexpr void observe(bits_per_second measured) noexcept {
        QLROUTE_EXPECTS(keep.value() >= 0 && keep.value() <= 1);
        if (!detail::is_a_rate(measured)) return;
        average = average ? keep * *average + (ratio(1) - keep) * measured : measured;
    }
    constexpr bits_per_second estimate() const noexcept { return average.value_or(prior); }
};

/// Harmonic mean of the last `Window` observations (of fewer, while there are fewer).
///   n / sum of 1 / max(observation, outage_rate)                             [bit/s]
/// Cautious, since slow samples count most: the mean time of a transfer, turned into a rate. The usual choice of
/// video players, but 1 to 28 points worse than the best predictor one second ahead, and it still predicts
/// too much 32 to 52 % of the time: a cautious mean, not a bound.
///
/// The floor: 1 / 0 would hold the estimate at 0 until the outage has left the window, whatever came after. With
/// it, the estimate stays a rate that can be divided by. An outage still weighs heavily: one zero among five
/// samples of 20 Mbit/s gives 5 kbit/s.
template <std::size_t Window = 5>
struct harmonic_mean {
    static_assert(Window >= 1, "qlroute: harmonic_mean needs a window of at least one observation");

    bits_per_second prior = outage_rate;

    std::array<bits_per_second, Window> recent{};
    std::size_t observed = 0;

    constexpr void observe(bits_per_second measured) noexcept {
        if (!detail::is_a_rate(measured)) return;
        recent[observed % Window] = larger(measured, outage_rate);
        ++observed;
    }
    constexpr bits_per_second estimate() const noexcept {
        if (observed == 0) return prior;
        const std::size_t count = std::min(observed, Window);
        auto time_per_bit = 1.0 / recent[0];
        for (std::size_t i = 1; i < count; ++i) time_per_bit += 1.0 / recent[i];
        return static_cast<double>(count) / time_per_bit;
    }
};

}  // namespace qlroute
