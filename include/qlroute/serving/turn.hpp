// The user's move: what has to be answered now.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/text/message.hpp>

#include <span>

namespace qlroute {

/// One turn, as session::next_turn() measures it. A host that counts for itself may fill it in directly.
struct turn {
    std::span<const message> dialogue{};  ///< everything said so far, this turn's messages last; a view

    tokens prefix_tokens{};  ///< the history: up to the last answer
    tokens new_tokens{};     ///< what was added since
    bits history_size{};     ///< text of the history
    bits prompt_size{};      ///< text that was added since

    tokens expected_output = 200_tok;  ///< length of the answer; set it where you know better
    seconds now{};                     ///< the host's clock, any origin
};

}  // namespace qlroute
