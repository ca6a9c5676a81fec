// What the router knows of the link now.
//
//   const link_state now{.uplink_rate = 20_Mbps, .downlink_rate = 80_Mbps, .rtt = 38_ms};
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>

namespace qlroute {

/// Rates are goodput: bits of payload a second. Zero until somebody measures or estimates them.
/// Thread-safety: a plain value.
struct link_state {
    bits_per_second uplink_rate{};    ///< device to server
    bits_per_second downlink_rate{};  ///< server to device
    seconds rtt{};                    ///< round trip of a small packet, radio awake
    seconds radio_idle{};             ///< since the radio's last packet; 0 = awake
};

/// The rate at which a link in outage is priced.
///
/// A rate of 0 would make every remote place cost infinity, and infinities cannot be compared: a hundred
/// bytes and a hundred kilobytes would be equally hopeless. At 1 kbit/s a 1 kB prompt costs 8 s, which
/// loses against any device that works, and more data still costs more.
inline constexpr bits_per_second outage_rate = 1_kbps;

/// The same link, safe to divide by.
///   rates: max(rate, outage_rate) [bit/s],   rtt, radio_idle: max(it, 0) [s]
/// A NaN counts as unknown: a rate becomes outage_rate, a time 0. Infinite values stay. No errors.
constexpr link_state usable(link_state link) {
    // The bound comes first because larger(a, b) is a unless a < b: so a NaN in b loses.
    return {.uplink_rate = larger(outage_rate, link.uplink_rate),
            .downlink_rate = larger(outage_rate, link.downlink_rate),
            .rtt = larger(0_s, link.rtt),
            .radio_idle = larger(0_s, link.radio_idle)};
}

}  // namespace qlroute
