// Which workloads there are, and their rows as they were recorded.
#pragma once

#include <qlroute/eval/workload.hpp>

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// How long an answer was.
enum class length_from {
    tokens,           // output_tokens
    characters,       // output_chars
    turn_characters,  // turn_output_chars
    one_token,        // no length was recorded: the answer is a letter
    reference         // the reply that stands in the history
};

/// Two models on one file of rows: the small one on the device, the large one elsewhere.
struct known_workload {
    std::string_view name;
    std::string_view file;  // of outcomes/, without .jsonl.gz
    std::string_view small, large;
    length_from length;
    double characters_a_token;  // where characters were recorded
    std::string_view score_unit;
    std::string_view instructions = "";  // key of templates.json
    std::string_view task_scores = "";   // a file of scores by category, instead of scores of rows
    bool has_documents = false;
    bool may_be_known = false;  // the built-in weights were trained on public rows of this benchmark
    std::vector<std::string_view> notes = {};
};

const std::vector<known_workload>& all_workloads();

/// Throws usage_error, which lists those that there are.
const known_workload& workload_named(std::string_view name);

/// What a file of rows holds of a workload.
struct workload_rows {
    std::vector<qlroute::eval::recorded_dialogue> dialogues;  // with a score and a length of both answers, in all turns
    std::set<std::string> benchmarks;                         // as the rows name them
    std::vector<std::string> notes;
    std::size_t bad = 0;  // lines that were reported on stderr and skipped
};

/// Reads DATA/outcomes. Throws usage_error: a file that is missing or malformed, no good row.
workload_rows read_workload_rows(const known_workload& what, const std::string& data);

/// One for every 4 bytes, as where nobody counted.
double tokens_of_text(std::string_view text);
