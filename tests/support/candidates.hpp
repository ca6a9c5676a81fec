// Candidates and dialogues for tests of selection rules.
#pragma once

#include <qlroute/route/selection.hpp>

#include <cstddef>
#include <utility>
#include <vector>

#include "support/filled.hpp"

namespace qlroute::test {

/// Candidates as they are listed.
struct listed {
    using value_type = decision<>;
    std::vector<decision<>> all;

    std::size_t size() const noexcept { return all.size(); }
    decision<> operator[](std::size_t i) const noexcept { return all[i]; }
    decision<>& at(std::size_t i) { return all[i]; }
};

inline listed candidates_of(std::vector<scenario<>> facts) {
    listed out;
    for (std::size_t i = 0; i < facts.size(); ++i) {
        facts[i].where = i;
        out.all.push_back({.where = i, .facts = facts[i]});
    }
    return out;
}

/// Candidates that answer well with these probabilities, and are alike otherwise.
inline listed candidates_with(const std::vector<double>& p_success, const scenario<>& facts = round_facts()) {
    std::vector<scenario<>> all;
    for (const double p : p_success) {
        all.push_back(facts);
        all.back().quality_loss = 1 - p;
    }
    return candidates_of(std::move(all));
}

/// Random facts; P(good answer) between 0.6 and 0.8, so that other things count too; one in six cannot serve.
inline listed random_candidates(random_facts& random, std::size_t count) {
    std::vector<scenario<>> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(random());
        all.back().quality_loss = random.between(0.2, 0.4);
        all.back().connection_idle = seconds(random.between(0, 400));
    }
    listed out = candidates_of(std::move(all));
    for (auto& one : out.all) one.can_serve = random.between(0, 6) >= 1;
    return out;
}

/// A dialogue that these endpoints have answered, in this order.
inline session dialogue_at(std::size_t endpoints, const std::vector<std::size_t>& answered_by) {
    session chat(endpoints);
    std::vector<message> said;
    said.reserve(2 * answered_by.size() + 1);  // grown step by step, GCC 12 warns of writes that do not happen
    for (const std::size_t where : answered_by) {
        said.push_back({role::user, "and?", {}});
        chat.next_turn(said);
        const message reply{role::assistant, "because", {}};
        chat.commit(where, reply);
        said.push_back(reply);
    }
    said.push_back({role::user, "and?", {}});
    chat.next_turn(said);
    return chat;
}

/// Who answered in a random dialogue of up to `most` turns.
inline std::vector<std::size_t> random_answers(random_facts& random, std::size_t endpoints, double most = 12) {
    std::vector<std::size_t> all(static_cast<std::size_t>(random.whole(0, most)));
    for (auto& where : all) where = static_cast<std::size_t>(random.whole(0, static_cast<double>(endpoints) - 1));
    return all;
}

}  // namespace qlroute::test
