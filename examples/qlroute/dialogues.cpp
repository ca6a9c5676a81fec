#include "dialogues.hpp"

#include "files.hpp"
#include "shown.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <string_view>

using nlohmann::json;

namespace {

const std::string& text_of(const json& value, const std::string& what) {
    if (!value.is_string()) throw bad_line(what + ": expected a text, got " + shown(value));
    return value.get_ref<const std::string&>();
}

}  // namespace

json parse_row(const std::string& line, const std::string& example) {
    const std::string expected = "; expected an object such as " + example;
    json row;
    try {
        row = json::parse(line);
    } catch (const json::parse_error& why) {
        const bool encoding = std::string_view(why.what()).find("UTF-8") != std::string_view::npos;
        throw bad_line((encoding ? "not UTF-8 at byte " : "not JSON at byte ") + std::to_string(why.byte) + expected);
    } catch (const json::out_of_range&) {
        throw bad_line("a number is too large; expected at most about 1e308");
    }
    if (!row.is_object()) throw bad_line("not an object but " + shown(row) + expected);
    return row;
}

std::string id_of(const json& row) {
    const auto id = row.find("id");
    if (id == row.end()) throw bad_line("id: missing; expected a text or a whole number");
    if (!id->is_string() && !id->is_number_integer())
        throw bad_line("id: expected a text or a whole number, got " + shown(*id));
    return id->is_string() ? id->get<std::string>() : id->dump();
}

dialogue dialogue_from(const json& row) {
    dialogue out;
    out.id = id_of(row);
    if (!row.contains("turns")) throw bad_line("turns: missing; expected a list of texts");
    const json& turns = row["turns"];
    if (!turns.is_array() || turns.empty())
        throw bad_line("turns: expected a list of at least one text, got " + shown(turns));
    const auto replies = row.find("assistant_ref");  // not copied: it may be of any depth
    const std::size_t answered = replies != row.end() && replies->is_array() ? replies->size() : 0;

    std::size_t standing = 0;  // messages of the user, as they stand
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const std::string where = "turns[" + std::to_string(i) + "]";
        user_turn turn;
        if (turns[i].is_object()) {
            if (!turns[i].contains("text")) throw bad_line(where + ".text: missing; expected a text");
            turn.text = text_of(turns[i]["text"], where + ".text");
            for (const auto& [key, value] : turns[i].items())
                if (key != "text" && key != "edit")
                    throw bad_line(where + "." + key + ": unknown key; known are text and edit");
            if (turns[i].contains("edit")) {
                const json& edit = turns[i]["edit"];
                if (!edit.is_number_integer() || edit.get<long long>() < 1 ||
                    edit.get<long long>() > static_cast<long long>(standing))
                    throw bad_line(where + ".edit: expected the number of an earlier message of the user, " +
                                   (standing == 0 ? "but there is none" : "1 to " + std::to_string(standing)) +
                                   ", got " + shown(edit));
                turn.edit = edit.get<std::size_t>() - 1;
                standing = *turn.edit;
            }
        } else {
            if (!turns[i].is_string())
                throw bad_line(where + ": expected a text or {\"text\": ..., \"edit\": k}, got " + shown(turns[i]));
            turn.text = turns[i].get<std::string>();
        }
        ++standing;
        if (i < answered && (*replies)[i].is_string() && !(*replies)[i].get_ref<const std::string&>().empty())
            turn.reply = (*replies)[i].get<std::string>();
        out.turns.push_back(std::move(turn));
    }
    return out;
}

std::size_t read_lines(std::istream& in, const std::string& name, const std::function<void(const std::string&)>& each) {
    std::size_t bad = 0;
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
        if (number == 1 && line.starts_with("\x1f\x8b"))
            throw usage_error(name + ": it is gzipped; pipe it through zcat");
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        try {
            each(line);
        } catch (const bad_line& why) {
            std::cerr << name << ":" << number << ": " << why.what() << "; the line is skipped\n";
            ++bad;
        }
    }
    if (in.bad()) throw usage_error("cannot read " + name + ": reading failed; is it a directory?");
    return bad;
}

std::size_t read_dialogues(std::istream& in, const std::string& name,
                           const std::function<void(const dialogue&)>& each) {
    return read_lines(in, name, [&](const std::string& line) {
        each(dialogue_from(parse_row(line, R"({"id": "a", "turns": ["hello"]})")));
    });
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

void conversation::unfold(const dialogue& all, qlroute::tokens length) {
    for (std::size_t i = 0; i < all.turns.size(); ++i) {
        say(all.turns[i]);
        if (i + 1 < all.turns.size()) answer(all.turns[i].reply, length);
    }
}

const std::vector<qlroute::message>& conversation::messages() {
    views_.clear();
    for (const spoken& one : said_) views_.push_back({one.from, one.text, one.size});
    return views_;
}
