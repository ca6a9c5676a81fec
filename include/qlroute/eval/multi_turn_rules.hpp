// Rules of others that know where the dialogue is, to be measured against. What the sources leave open and how it is
// set here: docs/reference-rules.md.
#pragma once

#include <qlroute/serving/session.hpp>
#include <qlroute/eval/single_turn_rules.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>

namespace qlroute::eval {

namespace detail {

constexpr double share(double part, double whole) noexcept { return std::clamp(part / whole, 0.0, 1.0); }

/// How much of a dialogue there is to lose, each in 0..1.
struct continuation {
    double reuse = 0;  ///< history / context
    double mass = 0;   ///< history / full_history
    double turn = 0;   ///< turns / full_turns
};

constexpr continuation continuation_of(const auto& s, const session& chat, double full_history,
                                       double full_turns) noexcept {
    const double history = s.prefix_tokens.value();
    const double context = std::max((s.prefix_tokens + s.new_tokens).value(), 1.0);
    return {share(history, context), share(history, full_history),
            share(static_cast<double>(chat.turns()), full_turns)};
}

/// The share of the history that is in the target's KV cache; nothing where there is no history.
constexpr std::optional<double> cache_warmth(const auto& s) noexcept {
    if (!(s.prefix_tokens > tokens(0))) return std::nullopt;
    return share(s.prefix_hit.value(), s.prefix_tokens.value());
}

}  // namespace detail

/// The first turn is decided by `first`; later ones stay where the dialogue is. Where that endpoint cannot serve,
/// `first` decides again.
template <class First>
struct session_sticky {
    First first{};

    template <class Candidates>
    constexpr auto operator()(const Candidates& candidates, const session& chat) const noexcept ->
        typename Candidates::value_type {
        if (chat.where() >= candidates.size()) return first(candidates, chat);
        const auto stay = candidates[chat.where()];
        if (stay.can_serve) return stay;
        const auto other = first(candidates, chat);
        return other.can_serve ? other : stay;
    }
};

/// vLLM Semantic Router's cache affinity: the highest of  score + lambda C tanh(E),  among equals the first.
///   lambda = 0.14 W max(0, 1 - gap / 0.20),  gap = best score - second best
///   W = 0.45 reuse + 0.30 mass + 0.25 turn
///   reuse = history / context, mass = min(1, history / 4096), turn = min(1, turns / 4)
///   E = 0.50 same + 0.35 same reuse + 0.15 same turn - 0.35 (1 - same) W + 0.15 (fit - 0.5)
///   C = min(1, 0.15 + 0.35 reuse + 0.20 mass + 0.15 turn + 0.15 fit + 0.15 known),  0.6 C where not known
/// history = prefix_tokens, context = those and new_tokens, both of the first endpoint; same = it answered last;
/// known = some endpoint did; fit = 1, 0.7, 0.3, 0 where the context takes up to 50 %, 75 %, 100 %, more of the window,
/// 0.5 where the window is not known.
/// Source: vllm-project/semantic-router src/semantic-router/pkg/selection/cache_affinity.go@45a8883.
template <class Score = predicted_utility<>>
struct sr_cache_affinity {
    Score score{};
    std::span<const tokens> context_windows{};  ///< one an endpoint, in its own tokens; 0 or none = not known

    template <class Candidates>
    auto operator()(const Candidates& candidates, const session& chat) const noexcept ->
        typename Candidates::value_type {
        const auto best = detail::highest(candidates, score);
        double second = -std::numeric_limits<double>::infinity();
        for (std::size_t i = 0; i < candidates.size(); ++i) {
            const auto one = candidates[i];
            if (one.where != best.where && one.can_serve == best.can_serve) second = std::max(second, score(one));
        }
        const auto c = detail::continuation_of(candidates[0].facts, chat, 4096, 4);
        const double w = 0.45 * c.reuse + 0.30 * c.mass + 0.25 * c.turn;
        const double lambda = 0.14 * w * std::max(0.0, 1 - (score(best) - second) / 0.20);
        if (!(lambda > 0)) return best;
        const double known = chat.where() < candidates.size() ? 1 : 0;
        return detail::highest(candidates, [&](const auto& one) {
            const double same = one.where == chat.where() ? 1 : 0;
            const double fit = fit_of(one);
            const double e =
                same * (0.50 + 0.35 * c.reuse + 0.15 * c.turn) - 0.35 * (1 - same) * w + 0.15 * (fit - 0.5);
            const double trust =
                std::min(1.0, 0.15 + 0.35 * c.reuse + 0.20 * c.mass + 0.15 * c.turn + 0.15 * fit + 0.15 * known);
            return score(one) + lambda * (known > 0 ? trust : 0.6 * trust) * std::tanh(e);
        });
    }

private:
    double fit_of(const auto& one) const noexcept {
        if (one.where >= context_windows.size() || !(context_windows[one.where] > tokens(0))) return 0.5;
        const double used = ((one.facts.prefix_tokens + one.facts.new_tokens) / context_windows[one.where]).value();
        return used <= 0.50 ? 1.0 : used <= 0.75 ? 0.7 : used <= 1 ? 0.3 : 0.0;
    }
};

/// vLLM Semantic Router's switch gate: leave the endpoint of the last turn for the one of the highest score iff
///   score(there) - score(here) - handoff - cache_warmth_weight warmth > min_advantage
/// warmth = prefix_hit / prefix_tokens of the endpoint of the last turn; 0 without a history. Without such an endpoint,
/// or where it cannot serve, the highest score is taken.
/// Source: vllm-project/semantic-router src/semantic-router/pkg/selection/model_switch_gate.go@10e0180, mode enforce.
/// Its own defaults are 0; these are the values of its tests.
template <class Score = predicted_utility<>>
struct sr_switch_gate {
    double cache_warmth_weight = 0.1;
    double handoff = 0.05;
    double min_advantage = 0;
    Score score{};

    template <class Candidates>
    constexpr auto operator()(const Candidates& candidates, const session& chat) const noexcept ->
        typename Candidates::value_type {
        const auto best = detail::highest(candidates, score);
        if (chat.where() >= candidates.size()) return best;
        const auto here = candidates[chat.where()];
        if (here.can_serve != best.can_serve) return best;
        const double warmth = detail::cache_warmth(here.facts).value_or(0);
        const double advantage = score(best) - score(here) - handoff - cache_warmth_weight * warmth;
        return best.where == here.where || advantage > min_advantage ? best : here;
    }
};

/// vLLM Semantic Router's session-aware selection: the highest of these, among equals the first.
///   here:   score + stay_bias + prefix(here)
///   there:  score + gap - handoff - prefix(there) - switch_history_weight min(1, switches / 8) - switch_margin
///           - (stay_bias where neither score nor gap speaks for it)
///   gap = quality_gap_multiplier (P(there) - P(here))
///   prefix(m) = prefix_cache_weight mass warmth (1 + (max_cache_cost_multiplier - 1) max(pressure(here), pressure(m)))
///   mass = 0.45 history / context + 0.35 min(1, history / 8192) + 0.20 min(1, turns / 8)
/// here = the endpoint of the last turn, history and context in its tokens; warmth = prefix_hit / prefix_tokens there,
/// 0.5 without a history; pressure = its price / the highest price, 0.5 where not known. After idle_timeout only score
/// and gap count. Without `here`, or where it cannot serve, the highest score is taken.
/// `switches` is the number of endpoints that have answered in the dialogue, less one: a session does not count
/// switches, and no dialogue has switched less often. The term is too low by switch_history_weight / 8 for each one
/// missed, and by no more than switch_history_weight. Source: vllm-project/semantic-router
/// src/semantic-router/pkg/selection/session_aware.go@23c35ae (the defaults), session_aware_scoring.go@46c37f6.
template <class Score = predicted_utility<>>
struct sr_session_aware {
    double stay_bias = 0.10;
    double switch_margin = 0.05;
    double handoff = 0.05;
    double quality_gap_multiplier = 1;
    double prefix_cache_weight = 0.20;
    double max_cache_cost_multiplier = 2.5;
    double switch_history_weight = 0.04;
    std::size_t min_turns_before_switch = 1;
    seconds idle_timeout = 300_s;              ///< 0 = never
    std::span<const double> cost_pressures{};  ///< one an endpoint, 0..1
    Score score{};

    template <class Candidates>
    constexpr auto operator()(const Candidates& candidates, const session& chat) const noexcept ->
        typename Candidates::value_type {
        const auto best = detail::highest(candidates, score);
        if (chat.where() >= candidates.size()) return best;
        const auto here = candidates[chat.where()];
        if (here.can_serve != best.can_serve) return best;
        const bool idle = idle_timeout > seconds(0) && here.facts.connection_idle >= idle_timeout;
        if (chat.turns() < min_turns_before_switch && !idle) return here;

        const auto c = detail::continuation_of(here.facts, chat, 8192, 8);
        const double at_stake = prefix_cache_weight * (0.45 * c.reuse + 0.35 * c.mass + 0.20 * c.turn) *
                                detail::cache_warmth(here.facts).value_or(0.5);
        const auto prefix = [&](std::size_t where) {
            const double pressure = std::max(pressure_of(here.where), pressure_of(where));
            return at_stake * (1 + (max_cache_cost_multiplier - 1) * pressure);
        };
        const double history = switch_history_weight * detail::share(least_switches(chat), 8);
        return detail::highest(candidates, [&](const auto& one) {
            const double own = score(one);
            if (one.where == here.where) return idle ? own : own + stay_bias + prefix(one.where);
            const double gap = quality_gap_multiplier * (one.p_success() - here.p_success());
            if (idle) return own + gap;
            const bool pointless = own <= score(here) && gap <= 0;
            return own + gap - handoff - prefix(one.where) - history - switch_margin - (pointless ? stay_bias : 0);
        });
    }

private:
    constexpr double pressure_of(std::size_t where) const noexcept {
        return where < cost_pressures.size() ? cost_pressures[where] : 0.5;
    }
    static constexpr double least_switches(const session& chat) noexcept {
        double used = 0;
        for (std::size_t i = 0; i < chat.endpoints(); ++i) used += chat.held_by(i).text_seen > bits(0) ? 1 : 0;
        return std::max(used - 1, 0.0);
    }
};

}  // namespace qlroute::eval
