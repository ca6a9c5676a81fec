#include "dialogues.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <stdexcept>

using nlohmann::json;

namespace {

/// What is wrong with one line.
struct bad_line : std::runtime_error {
    using std::runtime_error::runtime_error;
};

const std::string& text_of(const json& value, const std::string& what) {
    if (!value.is_string()) throw bad_line(what + ": expected a text, got " + value.dump());
    return value.get_ref<const std::string&>();
}

dialogue parse(const std::string& line) {
    json row;
    try {
        row = json::parse(line);
    } catch (const json::parse_error& why) {
        throw bad_line("not JSON at byte " + std::to_string(why.byte) +
                       "; expected an object such as {\"id\": \"a\", \"turns\": [\"hello\"]}");
    }
    if (!row.is_object()) throw bad_line("expected an object such as {\"id\": \"a\", \"turns\": [\"hello\"]}");
    dialogue out;
    if (!row.contains("id")) throw bad_line("id: missing; expected a text");
    out.id = row["id"].is_number_integer() ? row["id"].dump() : text_of(row["id"], "id");
    if (!row.contains("turns")) throw bad_line("turns: missing; expected a list of texts");
    const json& turns = row["turns"];
    if (!turns.is_array() || turns.empty()) throw bad_line("turns: expected a list of at least one text");
    const json& replies = row.contains("assistant_ref") && row["assistant_ref"].is_array() ? row["assistant_ref"] : json();

    std::size_t standing = 0;  // messages of the user, as they stand
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const std::string where = "turns[" + std::to_string(i) + "]";
        user_turn turn;
        if (turns[i].is_object()) {
            if (!turns[i].contains("text")) throw bad_line(where + ".text: missing; expected a text");
            turn.text = text_of(turns[i]["text"], where + ".text");
            for (const auto& [key, value] : turns[i].items())
                if (key != "text" && key != "edit") throw bad_line(where + "." + key + ": unknown key; known are text and edit");
            if (turns[i].contains("edit")) {
                const json& edit = turns[i]["edit"];
                if (!edit.is_number_integer() || edit.get<long long>() < 1 ||
                    edit.get<long long>() > static_cast<long long>(standing))
                    throw bad_line(where + ".edit: expected the number of an earlier message of the user, 1 to " +
                                   std::to_string(standing) + ", got " + edit.dump());
                turn.edit = edit.get<std::size_t>() - 1;
                standing = *turn.edit;
            }
        } else {
            turn.text = text_of(turns[i], where);
        }
        ++standing;
        if (i < replies.size() && replies[i].is_string() && !replies[i].get_ref<const std::string&>().empty())
            turn.reply = replies[i].get<std::string>();
        out.turns.push_back(std::move(turn));
    }
    return out;
}

}  // namespace

std::size_t read_dialogues(std::istream& in, const std::string& name, const std::function<void(const dialogue&)>& each) {
    std::size_t bad = 0;
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        dialogue one;
        try {
            one = parse(line);
        } catch (const std::exception& why) {  // bad_line, or text that is not UTF-8
            std::cerr << name << ":" << number << ": " << why.what() << "; the line is skipped\n";
            ++bad;
            continue;
        }
        each(one);
    }
    return bad;
}

void conversation::say(const user_turn& turn) {
    if (turn.edit) {
        std::size_t users = 0;
        std::size_t at = 0;
        while (said_[at].from != qlroute::role::user || users++ != *turn.edit) ++at;
        said_.resize(at);
    }
    said_.push_back({qlroute::role::user, turn.text, {}});
}

void conversation::answer(const std::optional<std::string>& text, qlroute::tokens length) {
    said_.push_back({qlroute::role::assistant, text.value_or(""), text ? qlroute::tokens() : length});
}

const std::vector<qlroute::message>& conversation::messages() {
    views_.clear();
    for (const spoken& one : said_) views_.push_back({one.from, one.text, one.size});
    return views_;
}
