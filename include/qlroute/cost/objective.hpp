// Ready-made objectives.
#pragma once

#include <qlroute/cost/communication.hpp>
#include <qlroute/cost/computation.hpp>
#include <qlroute/cost/quality.hpp>
#include <qlroute/cost/switching.hpp>

namespace qlroute::cost {

/// Time to first token: until the user sees the answer begin.
///   uplink + queueing + switching + prefill + first_token                    [s]
template <class Way = kv_recompute<>, class Engine = linear_rate>
constexpr auto ttft(Way way = {}, Engine engine = {}) {
    return uplink{} + queueing{} + switching<Way>{way} + prefill<Engine>{engine} + first_token<Engine>{engine};
}

/// Time until the answer is complete. For an answer of one token it equals ttft().
///   uplink + queueing + switching + prefill + decode + downlink              [s]
template <class Way = kv_recompute<>, class Engine = linear_rate>
constexpr auto end_to_end(Way way = {}, Engine engine = {}) {
    return uplink{} + queueing{} + switching<Way>{way} + prefill<Engine>{engine} + decode<Engine>{engine} + downlink{};
}

}  // namespace qlroute::cost
