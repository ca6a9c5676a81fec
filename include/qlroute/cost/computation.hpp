// What the target's computation costs.
//
// How long an engine reads and writes is a policy (a `computation`): linear_rate is the textbook one. A
// policy of your own needs the same two members, written without branches.
#pragma once

#include <qlroute/cost/expression.hpp>

namespace qlroute::cost {

/// Reading and writing at constant speed.
///   prefill_time = count / prefill_rate,  decode_time = count * tpot           [s]
/// Measured on a CPU engine this is 42-55 % off for long cached histories: attention makes each new token
/// dearer, the more tokens stand before it. Use it where all that is known of an endpoint is its speed.
struct linear_rate {
    static constexpr bool additive = true;

    /// Time to read `count` tokens that follow `cached` ones. [s]
    constexpr auto prefill_time(const auto& s, const auto& /*cached*/, const auto& count) const {
        return count / s.prefill_rate;
    }
    /// Time to write `count` tokens, the first of them after `context` others. [s]
    constexpr auto decode_time(const auto& s, const auto& /*context*/, const auto& count) const {
        return count * s.tpot;
    }
};

template <class T>
concept has_prefill_time = requires(const T& engine, const scenario<>& s, tokens n) {
    { engine.prefill_time(s, n, n) } -> std::convertible_to<seconds>;
};

template <class T>
concept has_decode_time = requires(const T& engine, const scenario<>& s, tokens n) {
    { engine.decode_time(s, n, n) } -> std::convertible_to<seconds>;
};

template <class T>
concept computation = has_prefill_time<T> && has_decode_time<T>;

/// Whether reading in two parts takes exactly as long as at once. An engine says so with
/// `static constexpr bool additive = true`; most real ones have a fixed time per batch, and are not.
template <class T>
concept additive_computation = computation<T> && requires { requires T::additive; };

namespace detail {

/// Says what an engine policy lacks.
template <class Engine>
constexpr bool is_computation() {
    static_assert(has_prefill_time<Engine>,
                  "qlroute: a computation policy needs a const prefill_time(s, cached, count) that returns seconds");
    static_assert(has_decode_time<Engine>,
                  "qlroute: a computation policy needs a const decode_time(s, context, count) that returns seconds");
    return computation<Engine>;
}

}  // namespace detail

/// Time for the target to read this turn's new tokens, behind the history.
///   prefill_time(cached = prefix_tokens, count = new_tokens)                 [s]
/// History that is missing from its KV cache is paid by switching.
template <class Engine = linear_rate>
struct prefill {
    static_assert(detail::is_computation<Engine>());
    static constexpr std::string_view name = "prefill";
    Engine engine{};
    constexpr auto operator()(const auto& s) const { return engine.prefill_time(s, s.prefix_tokens, s.new_tokens); }
};
template <class Engine>
prefill(Engine) -> prefill<Engine>;

/// Time from the first token of the answer to the last.
///   decode_time(context = prefix_tokens + new_tokens, count = max(output_tokens - 1, 0))   [s]
/// The first token falls out of reading the prompt: an engine has its logits when it has read the last one. tpot is the
/// time per token after it.
template <class Engine = linear_rate>
struct decode {
    static_assert(detail::is_computation<Engine>());
    static constexpr std::string_view name = "decode";
    Engine engine{};
    constexpr auto operator()(const auto& s) const {
        constexpr tokens one(1);
        return engine.decode_time(s, s.prefix_tokens + s.new_tokens, positive_part(s.output_tokens - one));
    }
};
template <class Engine>
decode(Engine) -> decode<Engine>;

/// Time from the end of prefill until the first token is seen.
///   rtt / 2 + token_size / downlink_rate                                     [s]
struct first_token {
    static constexpr std::string_view name = "first_token";
    constexpr auto operator()(const auto& s) const {
        constexpr tokens one(1);
        return 0.5 * s.rtt + one * (s.token_size / s.downlink_rate);
    }
};

}  // namespace qlroute::cost
