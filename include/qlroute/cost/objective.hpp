// Ready-made objectives.
#pragma once

#include <qlroute/cost/communication.hpp>
#include <qlroute/cost/computation.hpp>
#include <qlroute/cost/quality.hpp>
#include <qlroute/cost/queueing.hpp>
#include <qlroute/cost/switching.hpp>

namespace qlroute::cost {

namespace detail {

/// What passes until the target has read everything.
template <class Way, class Engine, class Transport>
constexpr auto until_read(Way way, Engine engine, Transport how) {
    return uplink<Transport>{how} + queueing{} + switching<Way>{way} + prefill<Engine>{engine};
}

}  // namespace detail

/// Time to first token: until the user sees the answer begin.
///   uplink + queueing + switching + prefill + first_token                    [s]
///   ttft()                         history recomputed, linear_rate, serialised
///   ttft(engine, transport)        history sent and recomputed by these
///   ttft(way, engine, transport)   history brought that way; what is inside kv_recompute is the way's own
/// Later arguments may be left out.
template <computation Engine = linear_rate, transport Transport = serialised>
constexpr auto ttft(Engine engine = {}, Transport how = {}) {
    return ttft(kv_recompute<Engine, Transport>{engine, how}, engine, how);
}
template <class Way, class Engine = linear_rate, class Transport = serialised>
    requires(!computation<Way>)
constexpr auto ttft(Way way, Engine engine = {}, Transport how = {}) {
    return detail::until_read(way, engine, how) + first_token{};
}

/// Time until the answer is complete, with the arguments of ttft(). For an answer of one token the two are equal.
///   uplink + queueing + switching + prefill + decode + downlink              [s]
template <computation Engine = linear_rate, transport Transport = serialised>
constexpr auto end_to_end(Engine engine = {}, Transport how = {}) {
    return end_to_end(kv_recompute<Engine, Transport>{engine, how}, engine, how);
}
template <class Way, class Engine = linear_rate, class Transport = serialised>
    requires(!computation<Way>)
constexpr auto end_to_end(Way way, Engine engine = {}, Transport how = {}) {
    return detail::until_read(way, engine, how) + decode<Engine>{engine} + downlink<Engine>{engine};
}

}  // namespace qlroute::cost
