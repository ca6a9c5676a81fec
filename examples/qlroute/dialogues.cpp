#include "dialogues.hpp"

#include "configured/files.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <utility>

using nlohmann::json;

namespace {

template <class T>
T well(qlroute::result<T> read) {
    if (!read) throw bad_line(read.error().message);
    return *std::move(read);
}

}  // namespace

json parse_row(const std::string& line, const std::string& example) {
    return well(qlroute::eval::row_object(line, example));
}

std::string id_of(const json& row) { return well(qlroute::eval::id_of(row)); }

dialogue dialogue_from(const json& row) { return {id_of(row), well(qlroute::eval::turns_of(row))}; }

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

std::string all_said(std::span<const qlroute::message> dialogue) {
    std::string out;
    for (const auto& message : dialogue)
        if (message.from == qlroute::role::user) (out += out.empty() ? "" : "\n") += message.text;
    return out;
}
