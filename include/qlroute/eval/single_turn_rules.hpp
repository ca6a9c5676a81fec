// Rules of others that look at one turn at a time, to be measured against. What the sources leave open and how it is
// set here: docs/reference-rules.md.
#pragma once

#include <qlroute/cost/computation.hpp>
#include <qlroute/route/selection.hpp>

#include <cstddef>

namespace qlroute::eval {

namespace detail {

/// The large endpoint if wants_large(small, large), else the small one; the other one where only that can serve.
template <class Candidates, class WantsLarge>
constexpr auto one_of_two(const Candidates& candidates, std::size_t small, std::size_t large,
                          const WantsLarge& wants_large) noexcept -> typename Candidates::value_type {
    QLROUTE_EXPECTS(small < candidates.size() && large < candidates.size());
    const auto here = candidates[small];
    const auto there = candidates[large];
    if (here.can_serve != there.can_serve) return here.can_serve ? here : there;
    return wants_large(here, there) ? there : here;
}

/// The candidate of the highest score(candidate), among equals the first. One that cannot serve only where none can.
template <class Candidates, class Score>
constexpr auto highest(const Candidates& candidates, const Score& score) noexcept -> typename Candidates::value_type {
    auto best = candidates[0];
    double most = score(best);
    for (std::size_t i = 1; i < candidates.size(); ++i) {
        const auto one = candidates[i];
        if (best.can_serve && !one.can_serve) continue;
        const double value = score(one);
        if (one.can_serve == best.can_serve && !(value > most)) continue;
        best = one;
        most = value;
    }
    return best;
}

}  // namespace detail

/// What an answer is worth to a router that knows neither a link nor caches:
///   P(good answer) - mu (service + queue_delay)                              [-]
///   service = prefill_time(cached = 0, count = prefix_tokens + new_tokens)
///           + decode_time(context = those, count = max(output_tokens - 1, 0))
/// The form of CARROT's objective (arXiv 2502.03261), accuracy minus mu times cost, with seconds for dollars.
template <class Engine = cost::linear_rate>
struct predicted_utility {
    hertz mu{};  ///< the quality that a second is worth; 0 = time does not count
    Engine engine{};

    constexpr double operator()(const auto& candidate) const noexcept {
        constexpr tokens none(0);
        constexpr tokens first(1);
        const auto& s = candidate.facts;
        const tokens prompt = s.prefix_tokens + s.new_tokens;
        const seconds service = engine.prefill_time(s, none, prompt) +
                                engine.decode_time(s, prompt, positive_part(s.output_tokens - first));
        return candidate.p_success() - (mu * (service + s.queue_delay)).value();
    }
};

/// Large iff the prompt is longer than `longest`, in tokens of the small model. A tie goes to small.
struct length_threshold {
    tokens longest = 256_tok;
    bool with_history = false;  ///< whether the history counts
    std::size_t small = 0;
    std::size_t large = 1;

    constexpr auto operator()(const auto& candidates, const session&) const noexcept {
        return detail::one_of_two(candidates, small, large, [&](const auto& here, const auto&) {
            const auto& s = here.facts;
            return (with_history ? s.prefix_tokens + s.new_tokens : s.new_tokens) > longest;
        });
    }
};

/// Large iff P(large answers well) - P(small answers well) > theta, whatever it costs. A tie goes to small.
/// The gap is what Hybrid LLM (arXiv 2404.14618) routes by, with the other sign; a threshold on it is its dial.
struct gap_threshold {
    double theta = 0;
    std::size_t small = 0;
    std::size_t large = 1;

    constexpr auto operator()(const auto& candidates, const session&) const noexcept {
        return detail::one_of_two(candidates, small, large, [&](const auto& here, const auto& there) {
            return there.p_success() - here.p_success() > theta;
        });
    }
};

/// The endpoint of the highest predicted_utility, among equals the first. Any number of endpoints.
template <class Engine = cost::linear_rate>
struct cost_sensitive_score {
    hertz mu{};
    Engine engine{};

    constexpr auto operator()(const auto& candidates, const session&) const noexcept {
        return detail::highest(candidates, predicted_utility<Engine>{mu, engine});
    }
};

/// The small model always answers first; after() then says whether its answer stands. Where only the large one can
/// serve, it answers. The time of the first answer is spent in either case: a replay that asks after() adds both.
///   hand over iff confidence < least_confidence
/// Cactus: exactly that, with its tau (docs/cactus_hybrid.md). FrugalGPT (arXiv 2305.05176) stops iff
/// g > 1 - tau: least_confidence is then the next double above 1 - tau.
struct confidence_handoff {
    double least_confidence = 0.5;
    std::size_t small = 0;
    std::size_t large = 1;

    constexpr auto operator()(const auto& candidates, const session&) const noexcept {
        return detail::one_of_two(candidates, small, large, [](const auto&, const auto&) { return false; });
    }

    /// The endpoint whose answer is given in the end; `where` itself = it stands. A confidence that is not a number
    /// says nothing, and hands over.
    constexpr std::size_t after(std::size_t where, double confidence) const noexcept {
        return where == small && !(confidence >= least_confidence) ? large : where;
    }
};

/// Small unless the large model is better by more than theta; then the inner rule decides.
///   P(large) - P(small) <= theta  ->  small,  else  rule
/// So that a rule which knows no quality can be compared where quality counts. Where small cannot serve, the inner
/// rule decides too.
template <class Rule>
struct quality_gated {
    double theta = 0;
    Rule rule{};
    std::size_t small = 0;
    std::size_t large = 1;

    template <class Candidates>
    constexpr auto operator()(const Candidates& candidates, const session& chat) const noexcept ->
        typename Candidates::value_type {
        QLROUTE_EXPECTS(small < candidates.size() && large < candidates.size());
        const auto here = candidates[small];
        if (here.can_serve && candidates[large].p_success() - here.p_success() <= theta) return here;
        return rule(candidates, chat);
    }
};

}  // namespace qlroute::eval
