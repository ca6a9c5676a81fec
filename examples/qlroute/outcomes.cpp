#include "outcomes.hpp"

#include "dialogues.hpp"
#include "configured/files.hpp"
#include "configured/nearest.hpp"

#include <qlroute/eval/outcome_rows.hpp>

#include <algorithm>
#include <sstream>
#include <string_view>
#include <vector>

using qlroute::eval::outcome_answer;

outcomes_read read_outcomes(const std::string& path, std::span<const std::string> models,
                            const std::function<void(const judged_prompt&)>& each) {
    outcomes_read out;
    std::istringstream lines(read_file(path));
    std::size_t good = 0;
    out.bad = read_lines(lines, path, [&](const std::string& line) {
        const auto read = qlroute::eval::parse_outcome_row(line, models, qlroute::eval::outcome_part::scores);
        if (!read) throw bad_line(read.error().message);
        const auto& row = *read;
        out.models.insert(row.models.begin(), row.models.end());
        if (out.benchmark.empty()) out.benchmark = row.benchmark;
        const bool by_turn =
            row.turns.size() > 1 && std::any_of(row.answers.begin(), row.answers.end(),
                                                [](const outcome_answer& a) { return !a.turn_scores.empty(); });
        judged_prompt prompt;
        prompt.line = good++;
        prompt.stem = row.stem;
        conversation so_far;
        for (std::size_t k = 0; k < row.turns.size(); ++k) {
            so_far.say(row.turns[k]);
            if (by_turn || k + 1 == row.turns.size()) {
                prompt.id = by_turn ? row.id + "/" + std::to_string(k + 1) : row.id;
                prompt.dialogue = so_far.messages();
                prompt.said = all_said(prompt.dialogue);
                prompt.scores.clear();
                for (const outcome_answer& a : row.answers)
                    prompt.scores.push_back(!by_turn                ? a.score
                                            : a.turn_scores.empty() ? std::nullopt
                                                                    : a.turn_scores[k]);
                each(prompt);
            }
            so_far.answer(row.turns[k].reply, qlroute::tokens(200));
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
