// From costs to a choice.
//
// A selection rule looks at the candidates and returns one of them. Candidates are priced when they are
// looked at, so a rule that needs two of eight pays for two.
#pragma once

#include <qlroute/cost/objective.hpp>
#include <qlroute/serving/session.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace qlroute {

/// What running a turn at one endpoint costs, and why: `explain(objective, facts)` gives the lines of `cost`.
template <any_quantity Cost = seconds>
struct decision {
    std::size_t where = 0;  ///< index of the endpoint
    Cost cost{};            ///< what the objective says of it
    scenario<> facts{};     ///< what that was computed from
    bool can_serve = true;  ///< it is available and its context window is large enough
    bool switched = false;  ///< the last turn ran elsewhere

    /// P(good answer) as predicted.
    constexpr double p_success() const noexcept { return 1 - facts.quality_loss.value(); }
};

/// A choice: `rule(candidates, chat)` returns one of them. `candidates.size()` is at least 1; `candidates[i]` is
/// the decision for endpoint i; `chat.where()` is the endpoint of the last turn.
/// Requirements: const, noexcept, allocates nothing, depends on nothing but its arguments.
template <class Rule, class Candidates>
concept selection_rule = requires(const Rule& rule, const Candidates& candidates, const session& chat) {
    { rule(candidates, chat) } noexcept -> std::same_as<typename Candidates::value_type>;
};

/// The endpoint of the least cost; among equals the first. Endpoints that cannot serve the turn are chosen
/// only when none can.
///   leave the endpoint of the last turn only if  cost(there) - cost(best) > hysteresis
template <any_quantity Cost = seconds>
struct lowest_cost {
    Cost hysteresis{};

    template <class Candidates>
    constexpr auto operator()(const Candidates& candidates, const session& chat) const noexcept ->
        typename Candidates::value_type {
        // Costs alone are compared, and the choice is priced once more: cheaper than to carry all its facts along.
        constexpr auto never = Cost(std::numeric_limits<double>::infinity());
        std::size_t best = 0;
        Cost least = never;
        Cost last = never;
        bool can_serve = false;
        bool last_can_serve = false;
        for (std::size_t i = 0; i < candidates.size(); ++i) {
            const auto one = candidates[i];
            if (i == chat.where()) {
                last = one.cost;
                last_can_serve = one.can_serve;
            }
            if (one.can_serve != can_serve ? one.can_serve : one.cost < least) {
                best = i;
                least = one.cost;
                can_serve = one.can_serve;
            }
        }
        const bool may_stay = chat.where() < candidates.size() && last_can_serve == can_serve;
        return candidates[may_stay && !(last - least > hysteresis) ? chat.where() : best];
    }
};
template <any_quantity Cost>
lowest_cost(Cost) -> lowest_cost<Cost>;

/// The seed's rule (arXiv 2508.11291, Eqs. 11-12):
///   large  iff  p - alpha (T_large - T_small) > theta;  a tie goes to small
/// p = 1 - P(small answers well), the semantic score, in [0, 1]; T = latency [s]; alpha in 1/s.
///
/// It is lowest_cost under (1 / alpha) * quality_loss + latency, without hysteresis, when the large model's
/// loss is taken to be theta and the small one is listed first.
template <class Latency = decltype(cost::end_to_end())>
struct fused_score {
    hertz alpha{0.1};
    double theta = 0.5;
    std::size_t small = 0;
    std::size_t large = 1;
    Latency latency = cost::end_to_end();

    constexpr auto operator()(const auto& candidates, const session&) const noexcept {
        QLROUTE_EXPECTS(small < candidates.size() && large < candidates.size());
        const auto here = candidates[small];
        const auto there = candidates[large];
        if (here.can_serve != there.can_serve) return here.can_serve ? here : there;
        const ratio p = here.facts.quality_loss;
        const ratio score = p - alpha * (latency(there.facts) - latency(here.facts));
        return score > ratio(theta) ? there : here;
    }
};
fused_score(hertz, double) -> fused_score<>;

/// Large iff p > theta, whatever it costs: the rule of score-threshold routers. p = 1 - P(small answers well).
struct score_threshold {
    double theta = 0.5;
    std::size_t small = 0;
    std::size_t large = 1;

    constexpr auto operator()(const auto& candidates, const session&) const noexcept {
        QLROUTE_EXPECTS(small < candidates.size() && large < candidates.size());
        const auto here = candidates[small];
        return here.facts.quality_loss > ratio(theta) ? candidates[large] : here;
    }
};

/// Always the same endpoint.
struct always {
    std::size_t where = 0;

    constexpr auto operator()(const auto& candidates, const session&) const noexcept {
        QLROUTE_EXPECTS(where < candidates.size());
        return candidates[where];
    }
};

/// Endpoint `large` for a share `rate` of the turns, chosen by the dialogue's digest: the same dialogue
/// always goes the same way.
struct random_rate {
    double rate = 0.5;
    std::uint64_t seed = 1;
    std::size_t small = 0;
    std::size_t large = 1;

    constexpr auto operator()(const auto& candidates, const session& chat) const noexcept {
        QLROUTE_EXPECTS(small < candidates.size() && large < candidates.size());
        // splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014
        std::uint64_t x = chat.digest() + seed * 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        x ^= x >> 31;
        return candidates[static_cast<double>(x >> 11) * 0x1p-53 < rate ? large : small];
    }
};

}  // namespace qlroute
