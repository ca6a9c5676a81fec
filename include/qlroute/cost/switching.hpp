// What it costs to bring the history to a target that does not have it.
//
// Staying where the dialogue already is costs nothing here, so this line of the breakdown is the price of
// a switch. How the history gets there is a policy:
//
//   switching{kv_recompute{}}                              read it again from its text
//   switching{kv_transfer{}}                               move the KV cache itself (copies of one model)
//   switching{cheapest_of{kv_recompute{}, kv_transfer{}}}  whichever is faster
#pragma once

#include <qlroute/cost/computation.hpp>
#include <qlroute/cost/transport.hpp>

#include <tuple>

namespace qlroute::cost {

namespace detail {

/// The history that the target's KV cache lacks.
constexpr auto missing_prefix(const auto& s) { return positive_part(s.prefix_tokens - s.prefix_hit); }

}  // namespace detail

/// Send the text that the target has not seen, then read what its cache lacks.
///   R(prompt_size + unseen_history) - R(prompt_size) + T(prefix_hit, missing + new_tokens) - T(prefix_tokens,
///   new_tokens)
///                                                                            [s]
/// R(size) = request_time of the transport: unseen_history / uplink_rate is added unless another one is given.
/// T(cached, count) = prefill_time, missing = prefix_tokens - prefix_hit. That is what reading the history adds to
/// prefill, which pays for the new tokens: the engine reads both at once, in common batches. Where more tokens are read
/// faster than fewer (an engine that changes kernels), the addition can be negative. For an additive engine it is
/// T(prefix_hit, missing).
/// Reads unseen_history, uplink_rate, prefix_tokens, prefix_hit, new_tokens and what the engine policy reads.
template <class Engine = linear_rate, class Transport = serialised>
struct kv_recompute {
    static_assert(detail::is_computation<Engine>());
    static_assert(detail::is_transport<Transport>());
    Engine engine{};
    Transport how{};

    constexpr auto operator()(const auto& s) const { return sending(s) + reading(s); }

private:
    constexpr auto sending(const auto& s) const {
        if constexpr (additive_transport<Transport>) return s.unseen_history / s.uplink_rate;
        else return how.request_time(s, s.prompt_size + s.unseen_history) - how.request_time(s, s.prompt_size);
    }
    constexpr auto reading(const auto& s) const {
        const auto missing = detail::missing_prefix(s);
        if constexpr (additive_computation<Engine>) return engine.prefill_time(s, s.prefix_hit, missing);
        else
            return engine.prefill_time(s, s.prefix_tokens - missing, missing + s.new_tokens) -
                   engine.prefill_time(s, s.prefix_tokens, s.new_tokens);
    }
};
template <class Engine>
kv_recompute(Engine) -> kv_recompute<Engine>;
template <class Engine, class Transport>
kv_recompute(Engine, Transport) -> kv_recompute<Engine, Transport>;

/// Move the missing part of the KV cache from where it is.
///   (prefix_tokens - prefix_hit) * kv_size / kv_rate                         [s]
/// Reads prefix_tokens, prefix_hit, kv_size, kv_rate. Only between copies of one model. A rate of 0 means
/// that there is no way: it then costs as much as 1e-9 bit/s would.
struct kv_transfer {
    constexpr auto operator()(const auto& s) const {
        constexpr bits_per_second no_way(1e-9);
        return detail::missing_prefix(s) * s.kv_size / larger(s.kv_rate, no_way);
    }
};

/// The least of several ways.
template <class... Ways>
struct cheapest_of {
    static_assert(sizeof...(Ways) >= 2, "qlroute: cheapest_of chooses among at least two ways");

    std::tuple<Ways...> ways;

    constexpr cheapest_of() = default;
    constexpr explicit cheapest_of(Ways... each) : ways(std::move(each)...) {}

    constexpr auto operator()(const auto& s) const {
        return std::apply([&](const auto&... way) { return least(way(s)...); }, ways);
    }

private:
    static constexpr auto least(auto only) { return only; }
    static constexpr auto least(auto a, auto b, auto... more) {
        return least(smaller(std::move(a), std::move(b)), std::move(more)...);
    }
};

template <class T>
concept way_to_bring_the_history = requires(const T& way, const scenario<>& s) {
    { way(s) } -> std::convertible_to<seconds>;
};

/// Time until the target holds the history.
///   by the policy `way`; 0 when prefix_hit = prefix_tokens and nothing is unseen   [s]
/// Source: the multi-turn cost of arXiv 2508.11291 (context upload, KV-cache recomputation); its formula is
/// not public, so this is a reconstruction.
template <class Way = kv_recompute<>>
struct switching {
    static_assert(way_to_bring_the_history<Way>,
                  "qlroute: a way to bring the history needs a const operator() that takes a scenario and returns "
                  "seconds");
    static constexpr std::string_view name = "switching";
    Way way{};
    constexpr auto operator()(const auto& s) const { return way(s); }
};
template <class Way>
switching(Way) -> switching<Way>;

}  // namespace qlroute::cost
