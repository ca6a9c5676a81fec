// What the link costs.
#pragma once

#include <qlroute/cost/expression.hpp>

namespace qlroute::cost {

/// Time for this turn's text to reach the target.
///   rtt / 2 + prompt_size / uplink_rate                                      [s]
/// Reads rtt, prompt_size, uplink_rate. History that the target has not seen is paid by switching.
/// Source: half a round trip plus serialisation; holds for a warm connection and a text that fits the
/// first congestion window (10 segments, 14 kB, RFC 6928).
struct uplink {
    static constexpr std::string_view name = "uplink";
    constexpr auto operator()(const auto& s) const { return 0.5 * s.rtt + s.prompt_size / s.uplink_rate; }
};

/// Time that streaming the answer back adds to decoding it. Tokens travel while the next ones are decoded:
/// only the last one, and what a link slower than the decoder accumulates, is seen.
///   rtt / 2 + t + (output_tokens - 1) * max(t - tpot, 0),   t = token_size / downlink_rate        [s]
/// Reads rtt, token_size, downlink_rate, output_tokens, tpot.
struct downlink {
    static constexpr std::string_view name = "downlink";
    constexpr auto operator()(const auto& s) const {
        constexpr tokens first(1);
        const auto one_token = s.token_size / s.downlink_rate;
        return 0.5 * s.rtt + first * one_token +
               positive_part(s.output_tokens - first) * positive_part(one_token - s.tpot);
    }
};

}  // namespace qlroute::cost
