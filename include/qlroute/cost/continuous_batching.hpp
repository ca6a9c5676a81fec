// An engine that others use at the same time.
//
//   const cost::continuous_batching busy{cost::linear_rate{}, 0.755_ms / 1_tok};   // slower with requests_running
//   const auto objective = cost::end_to_end(cost::by_endpoint{cost::linear_rate{}, busy});
//
// For how many requests share a server that is known only by its arrivals: continuous_batching_fixed_point() and
// batch_birth_death() in queueing.hpp.
#pragma once

#include <qlroute/cost/switching.hpp>

#include <limits>
#include <string_view>

namespace qlroute {

/// How much each other request in the batch adds to an inter-token latency.
///   kappa = kv_size context / read_rate / 1 tok + prefill / output           [s/tok]
/// Its KV cache is read at every step, and its prefill, once in `output` tokens, stalls everyone. `read_rate` is the
/// memory bandwidth that is reached, in bit/s. Preconditions: read_rate > 0, output > 0.
constexpr seconds_per_token slowdown_per_request(bits_per_token kv_size, tokens context, bits_per_second read_rate,
                                                 seconds prefill, tokens output) {
    return kv_size * context / read_rate / tokens(1) + prefill / output;
}

}  // namespace qlroute

namespace qlroute::cost {

/// An engine that decodes the tokens of all its requests together.
///   decode_time + others per_request count,  others = min(requests_running, slots - 1)                       [s]
///   prefill_time as it is
/// The engine is as fast as it is alone; `per_request` is kappa in ITL(N) = a + kappa N, of which its own a + kappa is
/// the first. What this turn costs the others is the term `congestion`. Reads requests_running (below 0 or NaN
/// counts as 0) and what the engine reads.
template <class Engine = linear_rate>
struct continuous_batching {
    static_assert(detail::is_computation<Engine>());
    Engine engine{};
    seconds_per_token per_request{};
    ratio slots = std::numeric_limits<double>::infinity();  ///< requests that run at once; at least 1

    constexpr auto prefill_time(const auto& s, const auto& cached, const auto& count) const {
        return engine.prefill_time(s, cached, count);
    }
    constexpr auto decode_time(const auto& s, const auto& context, const auto& count) const {
        const double most = larger(ratio(0), slots - ratio(1)).value();
        const auto others = elementwise<dim::none>(
            [most](auto running) {
                using number = decltype(running);
                if (!(running > 0)) return number(0);
                return running < number(most) ? running : number(most);
            },
            s.requests_running);
        return engine.decode_time(s, context, count) + others * count * per_request;
    }
};
template <class Engine>
continuous_batching(Engine) -> continuous_batching<Engine>;
template <class Engine>
continuous_batching(Engine, seconds_per_token) -> continuous_batching<Engine>;
template <class Engine>
continuous_batching(Engine, seconds_per_token, ratio) -> continuous_batching<Engine>;

}  // namespace qlroute::cost
