// What is replayed: dialogues whose answers, by every endpoint, were recorded.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/core/units.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qlroute::eval {

/// What one endpoint made of one turn.
struct recorded_answer {
    double score = 0;                    ///< 0..1
    tokens output{1};                    ///< its length; at least 1
    std::optional<double> confidence{};  ///< P(right) that the model itself gave when it had answered, 0..1
};

/// One move of the user, and what every endpoint would answer.
struct recorded_turn {
    std::string said;
    tokens said_size{};                  ///< with the constant instructions around it; 0: estimated from the text
    std::optional<std::string> reply{};  ///< what stands in the history afterwards; nothing: the answer that was given
    std::vector<recorded_answer> answers{};  ///< one an endpoint
};

/// One dialogue; a single question is one of one turn.
struct recorded_dialogue {
    static constexpr std::size_t nobody = static_cast<std::size_t>(-1);

    std::string id;
    std::string stem{};  ///< alike for dialogues that begin with the same question: they share a split
    std::string category{};
    tokens document{};             ///< that stands before the first turn; 0: there is none
    std::size_t read_by = nobody;  ///< the endpoint that has the document in its KV cache when the dialogue begins
    bool calibration = false;      ///< policies are tuned on it; else they are measured on it
    std::vector<recorded_turn> turns{};
};

/// A set of dialogues between the same endpoints.
struct workload {
    std::string name;
    std::vector<std::string> models{};  ///< whose answers were recorded, one an endpoint
    std::vector<recorded_dialogue> dialogues{};

    std::size_t turns() const noexcept {
        std::size_t all = 0;
        for (const auto& one : dialogues) all += one.turns.size();
        return all;
    }
};

/// What is wrong with a workload for `endpoints` endpoints, if anything; names the dialogue and the turn.
inline std::optional<error> fault_in(const workload& w, std::size_t endpoints) {
    const auto complaint = [&](const recorded_dialogue& one, std::size_t turn, const std::string& what) {
        return error{errc::out_of_range, "workload \"" + w.name + "\", dialogue \"" + one.id + "\"" +
                                             (turn > 0 ? ", turn " + std::to_string(turn) : "") + ": " + what};
    };
    if (w.dialogues.empty()) return error{errc::missing, "workload \"" + w.name + "\" has no dialogues"};
    for (const auto& one : w.dialogues) {
        if (one.turns.empty()) return complaint(one, 0, "it has no turns");
        if (one.read_by != recorded_dialogue::nobody && one.read_by >= endpoints)
            return complaint(one, 0, "read_by must name one of the " + std::to_string(endpoints) + " endpoints");
        if (!(one.document >= tokens(0)) || std::isinf(one.document.value()))
            return complaint(one, 0, "document must be 0 or more and finite");
        for (std::size_t k = 0; k < one.turns.size(); ++k) {
            const auto& turn = one.turns[k];
            if (turn.answers.size() != endpoints)
                return complaint(one, k + 1,
                                 "expected an answer of each of the " + std::to_string(endpoints) + " endpoints, got " +
                                     std::to_string(turn.answers.size()));
            if (!(turn.said_size >= tokens(0)) || std::isinf(turn.said_size.value()))
                return complaint(
                    one, k + 1,
                    "said_size must be 0 or more and finite, got " + std::to_string(turn.said_size.value()));
            for (const auto& answer : turn.answers) {
                if (!(answer.score >= 0 && answer.score <= 1))
                    return complaint(one, k + 1, "scores must be between 0 and 1, got " + std::to_string(answer.score));
                if (!(answer.output >= tokens(1)) || std::isinf(answer.output.value()))
                    return complaint(one, k + 1,
                                     "an answer must have at least one token and be finite, got " +
                                         std::to_string(answer.output.value()));
                if (answer.confidence && !(*answer.confidence >= 0 && *answer.confidence <= 1))
                    return complaint(one, k + 1,
                                     "confidences must be between 0 and 1, got " + std::to_string(*answer.confidence));
            }
        }
    }
    return std::nullopt;
}

}  // namespace qlroute::eval
