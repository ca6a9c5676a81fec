// Dialogues as JSON lines.
#pragma once

#include <qlroute/eval/outcome_rows.hpp>
#include <qlroute/text/message.hpp>

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <functional>
#include <istream>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

using qlroute::eval::user_turn;

/// {"id": ..., "turns": [text or {"text": ..., "edit": k}, ...], "assistant_ref": [text, ...]?}; other keys are
/// ignored.
struct dialogue {
    std::string id;
    std::vector<user_turn> turns;
};

/// What is wrong with one line.
struct bad_line : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// One line as an object. Throws bad_line with `example`, which says what is expected.
nlohmann::json parse_row(const std::string& line, const std::string& example);
/// Its id, as text. Throws bad_line.
std::string id_of(const nlohmann::json& row);
/// Throws bad_line.
dialogue dialogue_from(const nlohmann::json& row);

/// Calls `each` for every line that is not empty. Where it throws bad_line, that is reported on stderr as
/// "name:line: why" and the line is skipped. Returns how many were.
std::size_t read_lines(std::istream& in, const std::string& name, const std::function<void(const std::string&)>& each);

/// Calls `each` for every good line; bad lines are reported on stderr as "name:line: why" and skipped. Empty lines are
/// no lines. Returns how many were bad.
std::size_t read_dialogues(std::istream& in, const std::string& name, const std::function<void(const dialogue&)>& each);

/// A dialogue as it unfolds: the user's moves, and replies.
class conversation {
public:
    /// The user's move: appended, or in the place of an earlier message.
    void say(const user_turn& turn);
    /// The answer, by its text or, where that is not known, by its length.
    void answer(const std::optional<std::string>& text, qlroute::tokens length);
    /// All moves of a dialogue, and all answers but the last, which is still to be given.
    void unfold(const dialogue& all, qlroute::tokens length);
    /// Everything said so far. Valid until the next call of say() or answer().
    const std::vector<qlroute::message>& messages();

private:
    struct spoken {
        qlroute::role from;
        std::string text;
        qlroute::tokens size;
    };
    std::vector<spoken> said_;
    std::vector<qlroute::message> views_;
};

/// All messages of the user, each on lines of its own.
std::string all_said(std::span<const qlroute::message> dialogue);
