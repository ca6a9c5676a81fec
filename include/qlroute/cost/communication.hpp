// What the link costs.
#pragma once

#include <qlroute/cost/computation.hpp>
#include <qlroute/cost/transport.hpp>

namespace qlroute::cost {

/// Time for this turn's text to reach the target.
///   request_time(prompt_size) of the transport: rtt / 2 + prompt_size / uplink_rate unless another one is given   [s]
/// Reads prompt_size and what the transport reads. History that the target has not seen is paid by switching.
template <class Transport = serialised>
struct uplink {
    static_assert(detail::is_transport<Transport>());
    static constexpr std::string_view name = "uplink";
    Transport how{};
    constexpr auto operator()(const auto& s) const { return how.request_time(s, s.prompt_size); }
};
template <class Transport>
uplink(Transport) -> uplink<Transport>;

/// Time that streaming the answer back adds to decoding it. Tokens travel while the next ones are decoded: only the
/// last one, and what a link slower than the decoder accumulates, is seen.
///   rtt / 2 + t + max((n - 1) t - D(n - 1), 0)                               [s]
/// t = token_size / downlink_rate, D(n) = decode_time(context = prefix_tokens + new_tokens, count = n),
/// n = max(output_tokens, 1). Exact for an engine that does not get faster as the context grows: a token that waits for
/// the link then waits behind the first one or not at all.
/// Reads rtt, token_size, downlink_rate, output_tokens, prefix_tokens, new_tokens and what the engine policy reads.
template <class Engine = linear_rate>
struct downlink {
    static_assert(detail::is_computation<Engine>());
    static constexpr std::string_view name = "downlink";
    Engine engine{};
    constexpr auto operator()(const auto& s) const {
        constexpr tokens one(1);
        const auto context = s.prefix_tokens + s.new_tokens;
        const auto rest = positive_part(s.output_tokens - one);
        const auto token_time = s.token_size / s.downlink_rate;
        return 0.5 * s.rtt + one * token_time + positive_part(rest * token_time - engine.decode_time(s, context, rest));
    }
};
template <class Engine>
downlink(Engine) -> downlink<Engine>;

}  // namespace qlroute::cost
