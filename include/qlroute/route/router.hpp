// The decision.
//
//   const router route{predictor, 6_s * cost::quality_loss{} + cost::end_to_end(), lowest_cost{150_ms}};
//   turn question = chat.next_turn(dialogue, now);
//   decision choice = route(chat, question, places, link);
//   ... run places[choice.where] ...
//   chat.commit(choice.where, reply, now);
#pragma once

#include <qlroute/difficulty/predictor.hpp>
#include <qlroute/route/facts.hpp>
#include <qlroute/route/selection.hpp>

#include <cstddef>
#include <span>
#include <utility>

namespace qlroute {

namespace detail {

/// The endpoints, priced one by one as they are looked at.
template <class Difficulty, class Objective>
struct priced_endpoints {
    const session& chat;
    const turn& question;
    std::span<const endpoint> places;
    link_state link;
    const Difficulty& difficulty;
    const Objective& objective;

    using value_type = decision<cost::cost_of<Objective>>;

    constexpr std::size_t size() const noexcept { return places.size(); }

    // Inlined into a rule that compares costs alone, this computes no more than the cost; compilers have to be told.
    [[gnu::always_inline]] constexpr value_type operator[](std::size_t i) const noexcept {
        const scenario<> facts = facts_for(places[i], chat.held_by(i), question, link, difficulty(places[i]), i);
        const bool switched = chat.where() != session::nowhere && chat.where() != i;
        return {i, objective(facts), facts, can_serve(places[i], question), switched};
    }
};

}  // namespace detail

/// A predictor, an objective and a rule. Immutable: share one between threads; all state is in the session.
template <difficulty_predictor Predictor, cost::expression Objective, class Rule = lowest_cost<>>
class router {
    using difficulty = std::invoke_result_t<const Predictor&, std::span<const message>>;
    using candidates = detail::priced_endpoints<difficulty, Objective>;
    static_assert(selection_rule<Rule, candidates>,
                  "qlroute: a selection rule is called as rule(candidates, chat), noexcept, and returns one of the "
                  "candidates");

public:
    constexpr router(Predictor predictor, Objective objective, Rule rule = {})
        : predictor_(std::move(predictor)), objective_(std::move(objective)), rule_(std::move(rule)) {}

    /// Decides one turn. Preconditions: at least one endpoint; chat was made for as many; the endpoints are
    /// faultless (fault_in). Cannot fail, allocates nothing; reads but does not change the session.
    constexpr decision<cost::cost_of<Objective>> operator()(const session& chat, const turn& question,
                                                            std::span<const endpoint> places,
                                                            const link_state& link) const noexcept {
        QLROUTE_EXPECTS(!places.empty() && chat.endpoints() == places.size());
        const difficulty hardness = predictor_(question.dialogue);
        const candidates priced{chat, question, places, usable(link), hardness, objective_};
        return rule_(priced, chat);
    }

    constexpr const Predictor& predictor() const noexcept { return predictor_; }
    constexpr const Objective& objective() const noexcept { return objective_; }
    constexpr const Rule& rule() const noexcept { return rule_; }

private:
    Predictor predictor_;
    Objective objective_;
    Rule rule_;
};

}  // namespace qlroute
