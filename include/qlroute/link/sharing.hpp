// What remains of a rate that several users share. Plain functions, no errors.
#pragma once

#include <qlroute/core/units.hpp>

#include <span>

namespace qlroute {

/// Everybody gets the same time in turn: rate / users, of a user whose channel alone would give `rate`.    [bit/s]
/// `users` counts this one; fewer than one counts as one.
template <class Rep, class Count>
constexpr auto round_robin(const quantity<dim::data_rate, Rep>& rate, const quantity<dim::none, Count>& users) {
    return elementwise<dim::data_rate>(
        [](auto r, auto n) {
            using number = decltype(r);
            return n > 1 ? static_cast<number>(r / static_cast<number>(n)) : r;
        },
        rate, users);
}

/// Time by weight: rate * mine / (mine + others).                               [bit/s]
/// No weight at all, on either side, leaves everything.
template <class Rep, class Weight>
constexpr auto weighted_share(const quantity<dim::data_rate, Rep>& rate, const quantity<dim::none, Weight>& mine,
                              const quantity<dim::none, Weight>& others) {
    return elementwise<dim::data_rate>(
        [](auto r, auto a, auto b) {
            using number = decltype(r);
            return a + b > 0 ? static_cast<number>(r * static_cast<number>(a / (a + b))) : r;
        },
        rate, mine, others);
}

/// Everybody sends the same amount in turn, as stations of one Wi-Fi network do: each gets
///   1 / (sum of 1 / rate)                                                       [bit/s]
/// so that one slow station slows all down. One rate of 0 leaves 0 for all; no rates at all leave 0.
/// Source: Heusse et al., "Performance anomaly of 802.11b", INFOCOM 2003, as commonly given; not re-read here.
constexpr bits_per_second equal_amounts(std::span<const bits_per_second> rates) {
    if (rates.empty()) return bits_per_second(0);
    auto time_a_bit = 0 / bits_per_second(1);
    for (const auto rate : rates) {
        if (!(rate > bits_per_second(0))) return bits_per_second(0);
        time_a_bit += 1 / rate;
    }
    return 1 / time_a_bit;
}

}  // namespace qlroute
