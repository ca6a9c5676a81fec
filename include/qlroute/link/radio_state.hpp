// What a radio that has slept costs before the first packet moves.
//
//   seconds wait = rrc::lte().uplink_wakeup(20_s);   // 330 ms: the connection was given up after 10 s
//
// A chat user thinks for longer than a cellular network keeps a silent connection: the first packet of a turn often
// pays.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/special_functions.hpp>

#include <concepts>

namespace qlroute {

/// A cellular radio, by the time since its last packet: awake, then asleep between looks (connected DRX), then without
/// a connection (idle).
///
///                   uplink                downlink
///   idle < drx_onset        0                    0
///   idle < inactivity       scheduling_request   drx_cycle / 2              [s]
///   from then on            promotion            promotion + paging_cycle / 2
///
/// These come on top of a round trip with the radio awake. Means; the measured 90th percentile of a promotion is 0.7 to
/// 0.8 s. Setting promotion to that is the cautious choice. A negative time, and NaN, count as 0. No errors.
/// Thread-safety: a plain value.
struct rrc {
    seconds inactivity = 10_s;           ///< of silence, after which the network gives up the connection
    seconds promotion = 330_ms;          ///< until there is a connection again
    seconds drx_onset = 100_ms;          ///< of silence, after which the device sleeps between looks
    seconds drx_cycle = 200_ms;          ///< from look to look
    seconds scheduling_request = 14_ms;  ///< until a device that has slept may send
    seconds paging_cycle = 1.28_s;       ///< from look to look without a connection

    /// LTE. Inactivity 10 s (Verizon, RRC-Probe; 5 s at T-Mobile). Promotion: first packet after silence 368 ms
    /// (median; 807 ms at the 90th percentile), later ones 41 ms (MECPerf, 2020, client-initiated). drx_cycle: 72 to
    /// 135 ms more round trip in connected DRX (RRC-Probe). drx_onset, paging_cycle (Huang et al., MobiSys 2012) and
    /// scheduling_request are as commonly given; not re-read here.
    static constexpr rrc lte() { return {}; }

    /// 5G beside an LTE anchor: the connection is LTE's, whose promotion carries the first packets; the 5G leg
    /// joins 1.5 to 1.8 s later. Inactivity 10 s (Verizon, T-Mobile), promotion 0.21 to 0.40 s (RRC-Probe).
    static constexpr rrc nr_nsa() { return {}; }

    /// 5G alone. Inactivity 10 s (T-Mobile), promotion about 0.3 s, connected DRX at most 30 ms more round trip
    /// (RRC-Probe). scheduling_request is as commonly given; not re-read here.
    static constexpr rrc nr_sa() { return {.promotion = 300_ms, .drx_cycle = 30_ms, .scheduling_request = 7_ms}; }

    /// Wi-Fi: never a penalty (MECPerf: 2 ms for the first packet as for all).
    static constexpr rrc wifi() {
        constexpr seconds never(detail::infinite);
        constexpr seconds none(0);
        return {.inactivity = never,
                .promotion = none,
                .drx_onset = never,
                .drx_cycle = none,
                .scheduling_request = none,
                .paging_cycle = none};
    }

    /// What a packet of the device waits, `idle` after the last one.            [s]
    template <class Rep>
    constexpr auto uplink_wakeup(const quantity<dim::time, Rep>& idle) const {
        return after_silence(idle, scheduling_request, promotion);
    }
    /// What a packet for the device waits, `idle` after the last one.           [s]
    template <class Rep>
    constexpr auto downlink_wakeup(const quantity<dim::time, Rep>& idle) const {
        return after_silence(idle, 0.5 * drx_cycle, promotion + 0.5 * paging_cycle);
    }

private:
    template <class Rep>
    constexpr auto after_silence(const quantity<dim::time, Rep>& idle, seconds asleep, seconds without) const {
        return elementwise<dim::time>(
            [sleeps = drx_onset.value(), gives_up = inactivity.value(), a = asleep.value(),
             b = without.value()](auto t) {
                using number = decltype(t);
                if (t >= static_cast<number>(gives_up)) return static_cast<number>(b);
                return t >= static_cast<number>(sleeps) ? static_cast<number>(a) : number(0);
            },
            idle);
    }
};

/// A call uplink_wakeup(idle) that returns seconds.
template <class T>
concept radio_policy = requires(const T& radio, seconds idle) {
    { radio.uplink_wakeup(idle) } -> std::convertible_to<seconds>;
};

}  // namespace qlroute
