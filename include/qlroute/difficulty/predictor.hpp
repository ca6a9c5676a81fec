// How likely is a good answer?
#pragma once

#include <qlroute/serving/endpoint.hpp>
#include <qlroute/text/message.hpp>

#include <concepts>
#include <span>
#include <type_traits>

namespace qlroute {

/// Reads the dialogue so far, once, and then says for any endpoint how likely it answers well:
///
///   auto difficulty = predictor(dialogue);
///   double p = difficulty(places[0]);      // P(good answer), between 0 and 1
///
/// Requirements: both calls are const, noexcept, allocate nothing and may run in several threads at once.
template <class P>
concept difficulty_predictor =
    std::is_nothrow_invocable_v<const P&, std::span<const message>> &&
    requires(const std::invoke_result_t<const P&, std::span<const message>>& difficulty, const endpoint& place) {
        { difficulty(place) } noexcept -> std::convertible_to<double>;
    };

/// Every prompt is as hard as any other: P = the endpoint's usual_success.
struct constant_difficulty {
    struct difficulty {
        constexpr double operator()(const endpoint& place) const noexcept { return place.usual_success; }
    };
    constexpr difficulty operator()(std::span<const message>) const noexcept { return {}; }
};

}  // namespace qlroute
