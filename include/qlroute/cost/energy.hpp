// What a turn takes from the battery of the device.
//
//   const auto energy = cost::term<"energy">(cost::by_endpoint{           // endpoint 0 is the device itself
//       cost::device_energy{.prefill = 0.136_J / 1_tok, .decode = 0.40_J / 1_tok},
//       cost::radio_energy<>{.radio = cost::radios::lte_huang_2012}});
//   const cost::battery_price price{.full = 0_s / 1_J, .empty = 2_s / 1_J};
//   const auto objective = 6_s * cost::quality_loss{} + cost::end_to_end() + price(0.35) * energy;
//
// The radio costs nothing where nothing is sent, so radio_energy is 0 at a local endpoint. device_energy cannot know
// whose tokens it counts: choose it for the endpoints on the device by by_endpoint, as above. Only what the battery
// gives counts; what a server draws is the server's.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/cost/switching.hpp>

#include <string_view>

namespace qlroute {

using joules_per_bit = quantity<dim::energy - dim::data>;
using seconds_per_joule = quantity<dim::time - dim::energy>;

}  // namespace qlroute

namespace qlroute::cost {

/// Energy for the device's own model to read and write.
///   (missing + new_tokens) prefill + output_tokens decode,  missing = max(prefix_tokens - prefix_hit, 0)    [J]
/// What the KV cache holds is not read again. Reads new_tokens, prefix_tokens, prefix_hit, output_tokens.
/// For endpoints on the device only.
struct device_energy {
    static constexpr std::string_view name = "device_energy";
    joules_per_token prefill{};
    joules_per_token decode{};

    constexpr auto operator()(const auto& s) const {
        return (detail::missing_prefix(s) + s.new_tokens) * prefill + s.output_tokens * decode;
    }
};

/// What a radio draws, above what the device draws with the radio asleep.
struct radio_power {
    seconds promotion{};      ///< from idle until it may send
    watts promotion_power{};  ///< meanwhile
    watts sending{};          ///< while it sends, at a rate near 0
    joules_per_bit bit_up{};  ///< and for every bit: power = sending + bit_up * rate
    watts receiving{};        ///< while it receives, at a rate near 0
    joules_per_bit bit_down{};
    seconds tail{};      ///< that it stays awake after the last packet; then it is idle
    watts tail_power{};  ///< meanwhile
};

/// Power of radios, as published or fitted. 1 mW per Mbit/s is 1 nJ a bit.
namespace radios {

namespace detail {

constexpr joules_per_bit nJ(double x) { return joules_per_bit(x * 1e-9); }

}  // namespace detail

/// LTE phone of 2012. Huang et al., "A close examination of performance and power characteristics of 4G LTE networks",
/// MobiSys 2012, tables 3 and 4, as commonly given; not re-read here.
inline constexpr radio_power lte_huang_2012{.promotion = 260_ms,
                                            .promotion_power = 1211_mW,
                                            .sending = 1288_mW,
                                            .bit_up = detail::nJ(438.4),
                                            .receiving = 1288_mW,
                                            .bit_down = detail::nJ(52.0),
                                            .tail = 11.58_s,
                                            .tail_power = 1060_mW};

/// 3G of the same paper, as commonly given; not re-read here. The tail is DCH (8.09 s at 804 mW), then FACH (0.82 s at
/// 601 mW), at their mean.
inline constexpr radio_power umts_huang_2012{.promotion = 582_ms,
                                             .promotion_power = 659_mW,
                                             .sending = 817.9_mW,
                                             .bit_up = detail::nJ(869.0),
                                             .receiving = 817.9_mW,
                                             .bit_down = detail::nJ(122.1),
                                             .tail = 8.91_s,
                                             .tail_power = (8.09_s * 804_mW + 0.82_s * 601_mW) / 8.91_s};

/// Wi-Fi with power saving of the same paper, as commonly given; not re-read here.
inline constexpr radio_power wifi_huang_2012{.promotion = 79_ms,
                                             .promotion_power = 124_mW,
                                             .sending = 132.9_mW,
                                             .bit_up = detail::nJ(283.2),
                                             .receiving = 132.9_mW,
                                             .bit_down = detail::nJ(137.0),
                                             .tail = 238_ms,
                                             .tail_power = 119_mW};

/// Galaxy S20 Ultra, 2020-21: lines fitted to the power log of every second that Narayanan et al. published with their
/// SIGCOMM 2021 paper, above the 2350 mW of the phone; R2 0.42 to 0.87. The log gives neither promotion nor tail: they
/// are 0 here, so a radio that was idle looks cheaper than it is.
inline constexpr radio_power lte_s20u{
    .sending = 576_mW, .bit_up = detail::nJ(76.7), .receiving = 489_mW, .bit_down = detail::nJ(11.5)};

/// The same phone and source, 5G beside LTE (NSA), low band. The tail's length is of the same publication; its power is
/// as commonly given, not re-read here. Promotion is not known, and 0.
inline constexpr radio_power nsa_low_s20u{.sending = 849_mW,
                                          .bit_up = detail::nJ(32.2),
                                          .receiving = 709_mW,
                                          .bit_down = detail::nJ(11.5),
                                          .tail = 10.7_s,
                                          .tail_power = 250_mW};

/// The same phone and source, 5G mmWave. Neither promotion nor tail is known: they are 0.
inline constexpr radio_power mmwave_s20u{
    .sending = 3314_mW, .bit_up = detail::nJ(8.9), .receiving = 2887_mW, .bit_down = detail::nJ(1.73)};

}  // namespace radios

/// Energy that the radio spends on a turn, beyond what it would have spent anyway.
///   promotion   promotion_power promotion, where radio_idle > tail
///   up          bits_up (sending / uplink_rate + bit_up),  bits_up = prompt_size + unseen_history
///   waiting     tail_power min(rtt + queue_delay + reading, tail)
///   down        receiving max(D, bits_down / downlink_rate) + bits_down bit_down
///   tail        tail_power min(radio_idle, tail)                             [J, the sum]
/// bits_down = output_tokens token_size; D = decode_time(count = max(output_tokens - 1, 0)): a stream of tokens keeps
/// the radio awake for as long as it lasts. reading = prefill_time(cached = prefix_hit, count = missing + new_tokens).
/// A radio that is awake has the rest of its tail before it in any case, so only what this turn prolongs it by is its
/// price. 0 where nothing is sent (bits_up = 0), as at a local endpoint; the rates must be above 0 there too. Reads
/// prompt_size, unseen_history, uplink_rate, downlink_rate, rtt, radio_idle, queue_delay, token_size, the tokens, and
/// what the engine policy reads. Source: the power model of Huang et al., MobiSys 2012, as commonly given; that a tail
/// already begun is not paid again, and that waiting is priced like the tail, are this library's.
template <class Engine = linear_rate>
struct radio_energy {
    static_assert(detail::is_computation<Engine>());
    static constexpr std::string_view name = "radio_energy";
    radio_power radio = radios::lte_huang_2012;
    Engine engine{};

    constexpr auto operator()(const auto& s) const {
        const auto up = s.prompt_size + s.unseen_history;
        const auto down = s.output_tokens * s.token_size;
        const auto read = engine.prefill_time(s, s.prefix_hit, detail::missing_prefix(s) + s.new_tokens);
        const auto written =
            engine.decode_time(s, s.prefix_tokens + s.new_tokens, positive_part(s.output_tokens - tokens(1)));

        const auto asleep = ratio(1) - step(radio.tail - s.radio_idle);
        const auto waking = asleep * (radio.promotion * radio.promotion_power);
        const auto sending = up / s.uplink_rate * radio.sending + up * radio.bit_up;
        const auto waiting = smaller(s.rtt + s.queue_delay + read, radio.tail) * radio.tail_power;
        const auto receiving = larger(written, down / s.downlink_rate) * radio.receiving + down * radio.bit_down;
        const auto tail = smaller(s.radio_idle, radio.tail) * radio.tail_power;

        const auto sends = ratio(1) - step(-up);
        return sends * (waking + sending + waiting + receiving + tail);
    }
};

/// What a joule is worth in seconds of waiting, by how full the battery is: a weight for energy terms.
///   full + (empty - full) (1 - charge)^2                                     [s/J]
/// The fuller half counts for a quarter of the rise. A choice, not a measurement. charge is from 0 to 1 and is clamped
/// to it; NaN, an unknown battery, counts as full.
struct battery_price {
    seconds_per_joule full{};
    seconds_per_joule empty{};

    constexpr seconds_per_joule operator()(ratio charge) const {
        const double used = charge < ratio(1) ? 1 - larger(ratio(0), charge).value() : 0;
        return full + used * used * (empty - full);
    }
};

}  // namespace qlroute::cost
