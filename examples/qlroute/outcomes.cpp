#include "outcomes.hpp"

#include "dialogues.hpp"
#include "files.hpp"
#include "nearest.hpp"
#include "shown.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>

using nlohmann::json;

namespace {

constexpr std::string_view example = R"({"id": "a", "turns": ["hello"], "models": {"phi": {"score": 1}}})";

/// What one model got for one line.
struct answer {
    std::optional<double> score;
    std::vector<std::optional<double>> turns;  // empty, or one each
};

std::optional<double> score_of(const json& value, const std::string& where, bool out_of_ten) {
    if (value.is_null()) return std::nullopt;
    const double least = out_of_ten ? 1 : 0;
    const double most = out_of_ten ? 10 : 1;
    // Not (below or above): NaN is neither.
    if (!value.is_number() || !(value.get<double>() >= least && value.get<double>() <= most))
        throw bad_line(where + ": expected a number from " + (out_of_ten ? "1 to 10" : "0 to 1") + " or null, got " +
                       shown(value));
    return (value.get<double>() - least) / (most - least);
}

answer answer_of(const json& models, const std::string& name, std::size_t turns, bool out_of_ten) {
    answer out;
    const auto found = models.find(name);
    if (found == models.end() || found->is_null()) return out;
    const std::string where = "models." + name;
    if (!found->is_object()) throw bad_line(where + ": expected an object with a score, got " + shown(*found));
    if (const auto score = found->find("score"); score != found->end())
        out.score = score_of(*score, where + ".score", out_of_ten);
    const auto each = found->find("turn_scores");
    if (each == found->end() || each->is_null()) return out;
    if (!each->is_array() || each->size() != turns)
        throw bad_line(where + ".turn_scores: expected a list of " + std::to_string(turns) +
                       ", as many as there are turns, got " +
                       (each->is_array() ? "one of " + std::to_string(each->size()) : shown(*each)));
    for (std::size_t k = 0; k < turns; ++k)
        out.turns.push_back(score_of((*each)[k], where + ".turn_scores[" + std::to_string(k) + "]", out_of_ten));
    return out;
}

/// Letters and digits before the first choice, in lower case: the same question with its choices in another order, or
/// in another template, is the same.
std::string stem_of(const std::string& text) {
    std::string out;
    for (const char c : std::string_view(text).substr(0, text.find("\nA. "))) {
        if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
        else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80) out += c;
    }
    return out;
}

}  // namespace

outcomes_read read_outcomes(const std::string& path, std::span<const std::string> models,
                            const std::function<void(const judged_prompt&)>& each) {
    outcomes_read out;
    std::istringstream lines(read_file(path));
    std::size_t good = 0;
    out.bad = read_lines(lines, path, [&](const std::string& line) {
        const json row = parse_row(line, std::string(example));
        const dialogue talk = dialogue_from(row);
        const auto answered = row.find("models");
        if (answered == row.end()) throw bad_line("models: missing; expected an object of scores");
        if (!answered->is_object()) throw bad_line("models: expected an object of scores, got " + shown(*answered));
        bool out_of_ten = false;
        if (const auto type = row.find("score_type"); type != row.end() && !type->is_null()) {
            if (!type->is_string()) throw bad_line("score_type: expected a text, got " + shown(*type));
            out_of_ten = type->get_ref<const std::string&>().starts_with("judge10");
        }
        std::vector<answer> answers;
        for (const std::string& name : models)
            answers.push_back(answer_of(*answered, name, talk.turns.size(), out_of_ten));

        for (const auto& [name, value] : answered->items()) out.models.insert(name);
        if (const auto name = row.find("benchmark"); out.benchmark.empty() && name != row.end() && name->is_string())
            out.benchmark = name->get<std::string>();
        const bool by_turn = talk.turns.size() > 1 && std::any_of(answers.begin(), answers.end(),
                                                                  [](const answer& a) { return !a.turns.empty(); });
        judged_prompt prompt;
        prompt.line = good++;
        prompt.stem = stem_of(talk.turns[0].text);
        conversation so_far;
        for (std::size_t k = 0; k < talk.turns.size(); ++k) {
            so_far.say(talk.turns[k]);
            if (by_turn || k + 1 == talk.turns.size()) {
                prompt.id = by_turn ? talk.id + "/" + std::to_string(k + 1) : talk.id;
                prompt.dialogue = so_far.messages();
                prompt.said.clear();
                for (const auto& message : prompt.dialogue)
                    if (message.from == qlroute::role::user)
                        (prompt.said += prompt.said.empty() ? "" : "\n") += message.text;
                prompt.scores.clear();
                for (const answer& a : answers)
                    prompt.scores.push_back(!by_turn ? a.score : a.turns.empty() ? std::nullopt : a.turns[k]);
                each(prompt);
            }
            so_far.answer(talk.turns[k].reply, qlroute::tokens(200));
        }
    });
    return out;
}

std::string listed(const std::set<std::string>& names, std::string_view like) {
    constexpr std::size_t most = 20;
    std::vector<std::string_view> all(names.begin(), names.end());
    if (all.size() > most) all = nearest_names(all, like, most);
    std::string out;
    for (const std::string_view name : all) (out += out.empty() ? "" : ", ") += name;
    if (names.size() > most) out += " and " + std::to_string(names.size() - most) + " more";
    return out.empty() ? "none" : out;
}

std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
    std::uint64_t x = seed;
    const auto mix = [&] {
        x += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        x ^= x >> 31;
    };
    mix();
    for (const char c : text) {
        x ^= static_cast<unsigned char>(c);
        mix();
    }
    return x;
}

std::vector<std::size_t> folds_of(std::span<const std::string> stems, std::size_t folds, std::uint64_t seed) {
    std::map<std::pair<std::uint64_t, std::string>, std::size_t> order;
    for (const std::string& stem : stems) order.emplace(std::pair(hash_of(stem, seed), stem), 0);
    std::size_t dealt = 0;
    for (auto& [stem, fold] : order) fold = dealt++ % folds;
    std::vector<std::size_t> out;
    for (const std::string& stem : stems) out.push_back(order.at({hash_of(stem, seed), stem}));
    return out;
}
