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

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace qlroute::cost {

namespace detail {

/// The history that the target's KV cache lacks.
constexpr auto missing_prefix(const auto& s) { return positive_part(s.prefix_tokens - s.prefix_hit); }

/// What the text that the target has not seen adds to sending the prompt.
template <class Transport>
constexpr auto sending_history(const auto& s, const Transport& how) {
    if constexpr (additive_transport<Transport>) return s.unseen_history / s.uplink_rate;
    else return how.request_time(s, s.prompt_size + s.unseen_history) - how.request_time(s, s.prompt_size);
}

/// What reading the history beyond its first `have` tokens adds to reading the new ones behind it.
template <class Engine>
constexpr auto reading_history(const auto& s, const Engine& engine, const auto& have) {
    const auto missing = positive_part(s.prefix_tokens - have);
    if constexpr (additive_computation<Engine>) return engine.prefill_time(s, have, missing);
    else
        return engine.prefill_time(s, s.prefix_tokens - missing, missing + s.new_tokens) -
               engine.prefill_time(s, s.prefix_tokens, s.new_tokens);
}

/// Time to move the KV cache of so many tokens. A rate of 0 means that there is no way: it costs as much as 1e-9 bit/s
/// would, for a cache of at least a bit a token, so that no way is never free where the size is not known.
constexpr auto moving(const auto& count, const auto& kv_size, const auto& rate) {
    constexpr bits_per_second no_way(1e-9);
    constexpr bits_per_token least(1);
    return count * larger(kv_size, least) / larger(rate, no_way);
}

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
    static constexpr std::string_view name = "kv_recompute";
    Engine engine{};
    Transport how{};

    constexpr auto operator()(const auto& s) const {
        return detail::sending_history(s, how) + detail::reading_history(s, engine, s.prefix_hit);
    }
};
template <class Engine>
kv_recompute(Engine) -> kv_recompute<Engine>;
template <class Engine, class Transport>
kv_recompute(Engine, Transport) -> kv_recompute<Engine, Transport>;

/// Move the missing part of the KV cache from where it is.
///   missing kv_size / (compression kv_rate) + missing kv_size / codec_rate   [s]
/// missing = prefix_tokens - prefix_hit. `compression` is size before over size after, `codec_rate` how much of the
/// cache is packed and unpacked a second. Only between copies of one model. A kv_rate of 0 means that there is no way:
/// it then costs as much as 1e-9 bit/s would. Uncompressed, it beats recomputing at r tokens a second where
/// kv_rate > kv_size r. Reads prefix_tokens, prefix_hit, kv_size, kv_rate.
struct kv_transfer {
    static constexpr std::string_view name = "kv_transfer";
    ratio compression = 1;                                                ///< >= 1
    bits_per_second codec_rate{std::numeric_limits<double>::infinity()};  ///< > 0

    constexpr auto operator()(const auto& s) const {
        const auto missing = detail::missing_prefix(s);
        return detail::moving(missing, s.kv_size, compression * s.kv_rate) + missing * s.kv_size / codec_rate;
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

    /// Every way's name and time, in the order given: which one is taken, and by how much. Ways need a `name` for this.
    constexpr auto lines(const auto& s) const {
        return std::apply(
            [&](const auto&... way) {
                return std::array{line<seconds>{std::remove_cvref_t<decltype(way)>::name, seconds(way(s))}...};
            },
            ways);
    }
    /// The line of the least.
    constexpr line<seconds> cheapest(const auto& s) const {
        const auto all = lines(s);
        return *std::min_element(all.begin(), all.end(),
                                 [](const auto& a, const auto& b) { return a.value < b.value; });
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
