// Eqs. 11-12 of arXiv 2508.11291 with latencies as its abstract describes them: a reconstruction, because the paper's
// other equations are not public.
//
//   fused_score<seed_latency_single<>>{.alpha = 0.1 / 1_s, .theta = 0.5, .latency = {}}   its rule for single questions
//   seed_multi_turn<>{.alpha = 0.1 / 1_s, .theta = 0.5}                                   and for dialogues
//
// What is left open there and how it is set here: docs/reference-rules.md.
#pragma once

#include <qlroute/cost/switching.hpp>
#include <qlroute/route/selection.hpp>
#include <qlroute/eval/single_turn_rules.hpp>

#include <cstddef>
#include <string_view>

namespace qlroute::eval {

namespace detail {

/// What crosses the link in series with the computation, and the wait: `up` / R_ul + b n_o / R_dl (+ RTT, + queue).
constexpr auto in_series(const auto& s, const auto& up, bool count_rtt, bool count_queue) {
    return up / s.uplink_rate + s.output_tokens * s.token_size / s.downlink_rate +
           static_cast<double>(count_rtt) * s.rtt + static_cast<double>(count_queue) * s.queue_delay;
}

}  // namespace detail

/// Latency of a single question, that knows no history.
///   small:  pf(n_q) + n_o dec (+ queue)                                      [s]
///   large:  b n_q / R_ul + pf(n_q) + n_o dec + b n_o / R_dl (+ RTT, + queue)
/// n_q = new_tokens, n_o = output_tokens, b n_q = prompt_size, b n_o = n_o token_size. On the device the last two and
/// the RTT are 0, so that one formula serves both. pf = prefill_time(cached = 0), n_o dec = decode_time(context = n_q).
template <class Engine = cost::linear_rate>
struct seed_latency_single {
    static_assert(cost::computation<Engine>);
    static constexpr std::string_view name = "seed_latency_single";
    Engine engine{};
    bool count_rtt = true;
    bool count_queue = true;

    constexpr auto operator()(const auto& s) const {
        constexpr tokens none(0);
        return detail::in_series(s, s.prompt_size, count_rtt, count_queue) +
               engine.prefill_time(s, none, s.new_tokens) + engine.decode_time(s, s.new_tokens, s.output_tokens);
    }
};

/// Latency of a turn of a dialogue.
///   small:  pf(miss) + n_o dec (+ queue)                                     [s]
///   large:  b (history that the edge lacks + n_q) / R_ul + pf(miss) + n_o dec + b n_o / R_dl (+ RTT, + queue)
///   miss = max(prefix_tokens - prefix_hit, 0) + new_tokens
/// b (history that the edge lacks) = unseen_history; the others as in seed_latency_single. pf = prefill_time(cached =
/// what is not missing), n_o dec = decode_time(context = prefix_tokens + new_tokens).
template <class Engine = cost::linear_rate>
struct seed_latency_multi {
    static_assert(cost::computation<Engine>);
    static constexpr std::string_view name = "seed_latency_multi";
    Engine engine{};
    bool count_rtt = true;
    bool count_queue = true;

    constexpr auto operator()(const auto& s) const {
        const auto missing = cost::detail::missing_prefix(s);
        return detail::in_series(s, s.unseen_history + s.prompt_size, count_rtt, count_queue) +
               engine.prefill_time(s, s.prefix_tokens - missing, missing + s.new_tokens) +
               engine.decode_time(s, s.prefix_tokens + s.new_tokens, s.output_tokens);
    }
};

/// The multi-turn rule:  large  iff  p - alpha (T_large - T_small) > theta;  a tie goes to small.
/// By default fused_score<seed_latency_multi<>>. Two options of the reconstruction depend on where the dialogue is,
/// which no latency can see:
///   inactive_cache_survives = false   the endpoint that did not answer last has nothing cached
///   switch_back = c > 0               T of the endpoint that did not answer last grows by c times what coming back
///                                     would take: pf(n_q + n_o) at the endpoint that did, or pf(history + n_q + n_o)
///                                     where inactive caches do not survive
template <class Latency = seed_latency_multi<>>
struct seed_multi_turn {
    hertz alpha{0.1};
    double theta = 0.5;
    bool inactive_cache_survives = true;
    double switch_back = 0;  ///< how probable it is that the dialogue comes back, 0..1
    std::size_t small = 0;
    std::size_t large = 1;
    Latency latency{};

    constexpr auto operator()(const auto& candidates, const session& chat) const noexcept {
        return detail::one_of_two(candidates, small, large, [&](const auto& here, const auto& there) {
            const seconds longer = time_at(there, here, chat.where()) - time_at(here, there, chat.where());
            return here.facts.quality_loss - alpha * longer > ratio(theta);
        });
    }

private:
    constexpr seconds time_at(const auto& target, const auto& other, std::size_t active) const noexcept {
        if (active != other.where) return latency(target.facts);
        scenario<> s = target.facts;
        if (!inactive_cache_survives) s.prefix_hit = tokens(0);
        return latency(s) + switch_back * way_back(other.facts);
    }
    constexpr seconds way_back(const scenario<>& s) const noexcept {
        const tokens kept = inactive_cache_survives ? s.prefix_tokens : tokens(0);
        return latency.engine.prefill_time(s, kept, s.prefix_tokens - kept + s.new_tokens + s.output_tokens);
    }
};

}  // namespace qlroute::eval
