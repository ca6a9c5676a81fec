// Ready-made objectives.
#pragma once

#include <qlroute/cost/communication.hpp>
#include <qlroute/cost/computation.hpp>
#include <qlroute/cost/quality.hpp>
#include <qlroute/cost/switching.hpp>

namespace qlroute::cost {

namespace detail {

/// What passes until the target has read everything.
template <class Way, class Engine>
constexpr auto until_read(Way way, Engine engine) {
    return uplink{} + queueing{} + switching<Way>{way} + prefill<Engine>{engine};
}

}  // namespace detail

/// Time to first token: until the user sees the answer begin.
///   uplink + queueing + switching + prefill + first_token                    [s]
///   ttft()             history recomputed, linear_rate
///   ttft(engine)       history recomputed by that engine
///   ttft(way, engine)  history brought that way; the engine inside kv_recompute is the way's own
template <computation Engine = linear_rate>
constexpr auto ttft(Engine engine = {}) {
    return ttft(kv_recompute<Engine>{engine}, engine);
}
template <class Way, class Engine = linear_rate>
    requires(!computation<Way>)
constexpr auto ttft(Way way, Engine engine = {}) {
    return detail::until_read(way, engine) + first_token<Engine>{engine};
}

/// Time until the answer is complete, with the arguments of ttft(). For an answer of one token the two are equal.
///   uplink + queueing + switching + prefill + decode + downlink              [s]
template <computation Engine = linear_rate>
constexpr auto end_to_end(Engine engine = {}) {
    return end_to_end(kv_recompute<Engine>{engine}, engine);
}
template <class Way, class Engine = linear_rate>
    requires(!computation<Way>)
constexpr auto end_to_end(Way way, Engine engine = {}) {
    return detail::until_read(way, engine) + decode<Engine>{engine} + downlink<Engine>{engine};
}

}  // namespace qlroute::cost
