// What a turn costs the others on its target.
//
//   const cost::congestion crowd{engine, 1.1_ms / 1_tok, 8, 300_ms};   // 8 requests at once, one done every 300 ms
//   const auto objective = 30_s * cost::quality_loss{} + cost::end_to_end(engine) + 0.5 * crowd;
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/cost/computation.hpp>
#include <qlroute/cost/switching.hpp>

#include <string_view>

namespace qlroute::cost {

/// Seconds that the others lose, all together, because this turn runs there: the marginal price of a shared engine.
///   running (P + output_tokens per_request)  +  x W (W + D) / D^2,   x = P + T / slots                        [s]
/// Those that write wait for this turn's prefill P and share each of its steps. W = queue_delay is what a request
/// waits, x how long this one keeps the engine from the next, D the same of a usual one; T = the decode_time. The
/// second part is what a request of size x adds to the waits of an M/M/1 queue, for x = D lambda dW / dlambda, written
/// without its arrival rate lambda: W = lambda D^2 / (1 - lambda D).
///
/// Users who each choose the place that is fastest for themselves load a shared one until it is no faster than any
/// other; priced like this, they choose what is fastest for all (A. C. Pigou, "The Economics of Welfare", 1920; for
/// networks Beckmann, McGuire and Winsten, 1956). 0 where nobody runs or waits, as on a device of one's own. Reads
/// requests_running, queue_delay, the tokens, and what the engine reads. Precondition: usual > 0.
template <class Engine = linear_rate>
struct congestion {
    static_assert(detail::is_computation<Engine>());
    static constexpr std::string_view name = "congestion";
    Engine engine{};
    seconds_per_token per_request{};  ///< what one more request adds to a step
    ratio slots = 1;                  ///< requests that run at once; at least 1
    seconds usual = 1_s;              ///< between two departures of the busy engine: D

    constexpr auto operator()(const auto& s) const {
        constexpr tokens first(1);
        const auto reading = engine.prefill_time(s, s.prefix_hit, detail::missing_prefix(s) + s.new_tokens);
        const auto writing =
            engine.decode_time(s, s.prefix_tokens + s.new_tokens, positive_part(s.output_tokens - first));
        return s.requests_running * (reading + s.output_tokens * per_request) +
               (reading + writing / slots) * s.queue_delay * (s.queue_delay + usual) / (usual * usual);
    }
};
template <class Engine>
congestion(Engine) -> congestion<Engine>;
template <class Engine>
congestion(Engine, seconds_per_token) -> congestion<Engine>;
template <class Engine>
congestion(Engine, seconds_per_token, ratio) -> congestion<Engine>;
template <class Engine>
congestion(Engine, seconds_per_token, ratio, seconds) -> congestion<Engine>;

}  // namespace qlroute::cost
