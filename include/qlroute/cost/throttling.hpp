// A device that has become hot and slow.
//
//   const cost::throttled hot{cost::linear_rate{}, sustained_share(22.6_tok_s, 40_tok_s)};
//   const auto objective = cost::end_to_end(cost::by_endpoint{hot, cost::linear_rate{}});
#pragma once

#include <qlroute/cost/computation.hpp>

#include <type_traits>

namespace qlroute {

/// What is left of a device's speed when it is hot, of two measured rates.
///   sustained / peak, at most 1                                              [-]
/// 1, not throttled, where one of them is not above 0, or NaN.
constexpr ratio sustained_share(tokens_per_second sustained, tokens_per_second peak) {
    if (!(sustained > tokens_per_second(0)) || !(peak > tokens_per_second(0))) return 1;
    return sustained < peak ? ratio(sustained / peak) : ratio(1);
}

}  // namespace qlroute

namespace qlroute::cost {

/// An engine whose device is hot.
///   decode_time / factor,  prefill_time / prefill_factor                     [s]
/// A factor is the share of the engine's speed that is left. Below 0.01 it counts as 0.01, so that no time is infinite;
/// above 1, or NaN, as 1. Only decoding has been measured hot, so prefill_factor is 1 unless it is given.
///
/// The host sets the factors, from its thermal state or from rates it has seen: published runs say how slow a hot phone
/// is, but not how fast it heats up and cools down.
template <class Engine = linear_rate>
struct throttled {
    static_assert(detail::is_computation<Engine>());
    Engine engine{};
    ratio factor = 1;
    ratio prefill_factor = 1;

    constexpr auto prefill_time(const auto& s, const auto& cached, const auto& count) const {
        return slowdown(prefill_factor) * engine.prefill_time(s, cached, count);
    }
    constexpr auto decode_time(const auto& s, const auto& context, const auto& count) const {
        return slowdown(factor) * engine.decode_time(s, context, count);
    }

private:
    static constexpr double slowdown(ratio share) {
        if (!(share < ratio(1))) return 1;
        return 1 / larger(share, ratio(0.01)).value();
    }
};
template <class Engine>
throttled(Engine) -> throttled<Engine>;
template <class Engine>
throttled(Engine, ratio) -> throttled<Engine>;
template <class Engine>
throttled(Engine, ratio, ratio) -> throttled<Engine>;

}  // namespace qlroute::cost
