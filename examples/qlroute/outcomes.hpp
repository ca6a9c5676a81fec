// What models answered to prompts, and how well: outcome rows as JSON lines.
#pragma once

#include <qlroute/text/message.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// One question as it stood when it was answered: a prompt, or one turn of a dialogue.
struct judged_prompt {
    std::string id;                              // of the line; with "/k" for turn k of several
    std::size_t line = 0;                        // counted from 0 over the good lines
    std::string stem;                            // alike for prompts that ask the same
    std::string said;                            // all messages of the user
    std::span<const qlroute::message> dialogue;  // valid during the call
    std::vector<std::optional<double>> scores;   // 0..1, of the models asked for
};

struct outcomes_read {
    std::size_t bad = 0;           // lines that were skipped
    std::string benchmark;         // of the first line that has one
    std::set<std::string> models;  // all names that occur
};

/// {"id", "benchmark"?, "score_type"?, "turns": [...], "assistant_ref"?, "models": {NAME: {"score", "turn_scores"?}}};
/// other keys are ignored. Scores are 1 to 10 where score_type begins with judge10, else 0 to 1. Calls `each` for every
/// prompt: once a line, or, where there are several turns and one of `models` has turn_scores, once a turn. Bad lines
/// are reported on stderr and skipped. Throws usage_error if the file cannot be read.
outcomes_read read_outcomes(const std::string& path, std::span<const std::string> models,
                            const std::function<void(const judged_prompt&)>& each);

/// "a, b, c"; of more than 20 names those nearest to `like`, and how many more there are.
std::string listed(const std::set<std::string>& names, std::string_view like);
