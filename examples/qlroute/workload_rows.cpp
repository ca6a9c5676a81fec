#include "workload_rows.hpp"

#include "dialogues.hpp"
#include "configured/files.hpp"
#include "configured/shown.hpp"
#include "workloads.hpp"

#include <qlroute/eval/outcome_rows.hpp>
#include <qlroute/io/number.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

using namespace qlroute;
using nlohmann::json;

namespace {

constexpr std::string_view right = "share of right answers";
constexpr std::string_view constraints_met = "share of constraints met, as GPT-4o judged";

/// A file of a workload, gunzipped; what is wrong names both.
struct outcome_file {
    std::string path;
    std::string text;

    outcome_file(const known_workload& what, const std::string& data, std::string_view name) {
        path = data + "/outcomes/" + std::string(name);
        try {
            text = read_file(path);
        } catch (const usage_error& why) {
            throw usage_error("workload \"" + std::string(what.name) + "\": " + why.what());
        }
    }
};

bool exists(const std::string& path) {
    std::error_code none;
    return std::filesystem::exists(path, none);
}

/// Scores by category and model; 0..1.
std::array<std::map<std::string, double>, endpoint_count> read_task_scores(const known_workload& what,
                                                                           const std::string& data) {
    const outcome_file file(what, data, what.task_scores);
    const auto fail = [&](const std::string& key, const std::string& why) -> usage_error {
        return usage_error(file.path + ": " + key + ": " + why);
    };
    const json all = json::parse(file.text, nullptr, false);
    if (!all.is_object() || !all.contains("scores") || !all["scores"].is_object())
        throw fail("scores", "missing; expected {\"scores\": {MODEL: {TASK: 1 to 10}}}");
    std::array<std::map<std::string, double>, endpoint_count> out;
    const std::string_view models[] = {what.small, what.large};
    for (std::size_t e = 0; e < endpoint_count; ++e) {
        const std::string model(models[e]);
        const auto found = all["scores"].find(model);
        if (found == all["scores"].end() || !found->is_object())
            throw fail("scores." + model, "missing; expected {TASK: 1 to 10}");
        for (const auto& [task, score] : found->items()) {
            if (!score.is_number() || !(score.get<double>() >= 1 && score.get<double>() <= 10))
                throw fail("scores." + model + "." + task, "expected a number from 1 to 10, got " + shown(score));
            out[e].emplace(task, (score.get<double>() - 1) / 9);
        }
    }
    return out;
}

/// Tokens of the instructions that stand around every question, without the example question.
std::optional<double> instruction_size(const known_workload& what, const std::string& data) {
    if (what.instructions.empty() || !exists(data + "/outcomes/templates.json")) return std::nullopt;
    const outcome_file file(what, data, "templates.json");
    const json all = json::parse(file.text, nullptr, false);
    if (!all.is_object()) throw usage_error(file.path + ": expected an object of templates");
    const auto found = all.find(what.instructions);
    if (found == all.end() || !found->is_object()) return std::nullopt;
    const auto example = found->find("user_example");
    if (example == found->end() || !example->is_string()) return std::nullopt;
    const auto& text = example->get_ref<const std::string&>();
    constexpr std::string_view before = "## Question:", after = "## Instruction";
    const std::size_t begin = text.find(before), end = text.find(after);
    if (begin == std::string::npos || end == std::string::npos || end < begin) return std::nullopt;
    return static_cast<double>(text.size() - (end - begin - before.size())) / static_cast<double>(bytes_per_token);
}

/// Rows of one workload as they are read, before anything is left out.
class row_reader {
public:
    row_reader(const known_workload& what, const std::string& data) : what_(what) {
        if (!what.task_scores.empty()) task_scores_ = read_task_scores(what, data);
        instructions_ = instruction_size(what, data);
        const std::string name(what.file);
        const bool is_plain =
            !exists(data + "/outcomes/" + name + ".jsonl.gz") && exists(data + "/outcomes/" + name + ".jsonl");
        const outcome_file file(what, data, name + (is_plain ? ".jsonl" : ".jsonl.gz"));
        path_ = file.path;
        if (what.task_scores.empty()) names_ = {std::string(what.small), std::string(what.large)};
        std::istringstream lines(file.text);
        bad_ = read_lines(lines, path_, [&](const std::string& line) { take(line); });
        if (dialogues_.empty()) throw usage_error("workload \"" + std::string(what.name) + "\": " + why_none());
    }

    workload_rows rows() && {
        workload_rows out{std::move(dialogues_), std::move(benchmarks_), {}, bad_};
        const auto note = [&](std::size_t count, const char* what) {
            if (count > 0) out.notes.push_back(std::to_string(count) + " rows have no " + what + " and are left out");
        };
        note(unscored_, "score of both models");
        note(unmeasured_, "length of both answers");
        if (instructions_)
            out.notes.push_back("instructions of " + std::to_string(std::llround(*instructions_)) +
                                " tokens are counted around each question");
        return out;
    }

private:
    std::string why_none() const {
        if (unscored_ == 0 && unmeasured_ == 0) return path_ + " has no good row";
        return path_ + ": no row has a score and a length of both " + std::string(what_.small) + " and " +
               std::string(what_.large);
    }

    void take(const std::string& line) {
        const auto read = eval::parse_outcome_row(line, names_);
        if (!read) throw bad_line(read.error().message);
        const auto& row = *read;
        for (const auto& turn : row.turns)
            if (turn.edit) throw bad_line("turns: an edit of an earlier message, which cannot be replayed");
        if (!row.benchmark.empty()) benchmarks_.insert(row.benchmark);
        if (!ids_.insert(row.id).second) throw bad_line("id: found twice in this file; expected each once");
        eval::recorded_dialogue out{.id = row.id, .stem = row.stem, .category = row.category};
        for (std::size_t k = 0; k < row.turns.size(); ++k) {
            eval::recorded_turn turn{
                .said = row.turns[k].text, .said_size = said_size(row, k), .reply = row.turns[k].reply};
            for (std::size_t e = 0; e < endpoint_count; ++e) {
                const auto score = score_of(row, k, e);
                const auto length = length_of(row, k, e);
                if (!score || !length) {
                    ++(score ? unmeasured_ : unscored_);
                    return;
                }
                turn.answers.push_back({.score = *score,
                                        .output = tokens(std::max(*length, 1.0)),
                                        .confidence = row.answers.empty() ? std::nullopt : row.answers[e].confidence});
            }
            out.turns.push_back(std::move(turn));
        }
        dialogues_.push_back(std::move(out));
    }

    std::optional<double> score_of(const eval::outcome_row& row, std::size_t turn, std::size_t endpoint) const {
        if (!what_.task_scores.empty()) {
            const auto found = task_scores_[endpoint].find(row.category);
            return found == task_scores_[endpoint].end() ? std::nullopt : std::optional(found->second);
        }
        const auto& answer = row.answers[endpoint];
        if (!answer.turn_scores.empty()) return answer.turn_scores[turn];
        return row.turns.size() == 1 ? answer.score : std::nullopt;
    }

    std::optional<double> length_of(const eval::outcome_row& row, std::size_t turn, std::size_t endpoint) const {
        std::optional<double> characters;
        switch (what_.length) {
            case length_from::one_token:
                return 1;
            case length_from::tokens:
                return row.answers[endpoint].output_tokens;
            case length_from::characters:
                characters = row.answers[endpoint].output_chars;
                break;
            case length_from::turn_characters:
                if (const auto& all = row.answers[endpoint].turn_output_chars; !all.empty()) characters = all[turn];
                break;
            case length_from::reference:
                if (const auto& reply = row.turns[turn].reply) characters = static_cast<double>(reply->size());
                break;
        }
        if (!characters) return std::nullopt;
        return *characters / what_.characters_a_token;
    }

    /// With all instructions; 0 where none are known.
    tokens said_size(const eval::outcome_row& row, std::size_t turn) const {
        double sum = 0, count = 0;
        for (const auto& answer : row.answers)
            if (answer.input_tokens && row.turns.size() == 1) {
                sum += *answer.input_tokens;
                count += 1;
            }
        if (count > 0) return tokens(std::round(sum / count));
        if (!instructions_) return tokens(0);
        return tokens(std::round(*instructions_ + tokens_of_text(row.turns[turn].text)));
    }

    const known_workload& what_;
    std::string path_;
    std::vector<std::string> names_;
    std::array<std::map<std::string, double>, endpoint_count> task_scores_;
    std::optional<double> instructions_;
    std::vector<eval::recorded_dialogue> dialogues_;
    std::set<std::string> benchmarks_, ids_;
    std::size_t bad_ = 0, unscored_ = 0, unmeasured_ = 0;
};

}  // namespace

const std::vector<known_workload>& all_workloads() {
    constexpr std::string_view mixtral = "mixtral-8x7b-instruct-v0.1", gpt4 = "gpt-4-1106-preview";
    static const std::vector<known_workload> all{
        {.name = "mmlu",
         .file = "mmlu_cascade",
         .small = "llama3.2-3b",
         .large = "llama3.1-70b",
         .length = length_from::tokens,
         .characters_a_token = 0,
         .score_unit = right},
        {.name = "mmlu_routellm",
         .file = "mmlu_routellm",
         .small = mixtral,
         .large = gpt4,
         .length = length_from::one_token,
         .characters_a_token = 0,
         .score_unit = right,
         .may_be_known = true,
         .notes = {"no lengths were recorded: an answer is a letter, and counts as 1 token",
                   "five examples stood before each question and are not counted"}},
        {.name = "gsm8k",
         .file = "gsm8k_test",
         .small = "gemma-2-2b-it",
         .large = "Meta-Llama-3.1-70B-Instruct",
         .length = length_from::characters,
         .characters_a_token = 3.4,
         .score_unit = right,
         .instructions = "zeroeval/gsm",
         .may_be_known = true},
        {.name = "gsm8k_phi",
         .file = "gsm8k_test",
         .small = "Phi-3.5-mini-instruct",
         .large = "Qwen2-72B-Instruct",
         .length = length_from::characters,
         .characters_a_token = 3.4,
         .score_unit = right,
         .instructions = "zeroeval/gsm",
         .may_be_known = true},
        {.name = "gsm8k_conf",
         .file = "gsm8k_cascade_train300",
         .small = "llama3.2-3b",
         .large = "llama3.1-70b",
         .length = length_from::tokens,
         .characters_a_token = 0,
         .score_unit = right},
        {.name = "mmlu_pro",
         .file = "mmlu_pro",
         .small = "Phi-3-mini-4k-instruct",
         .large = "Meta-Llama-3.1-70B-Instruct",
         .length = length_from::characters,
         .characters_a_token = 4.3,
         .score_unit = right,
         .may_be_known = true,
         .notes = {"five examples stood before each question and are not counted"}},
        {.name = "math",
         .file = "math_oenowen",
         .small = "qwen2.5-1.5b-instruct-bnb4",
         .large = "qwen2.5-14b-instruct-bnb4",
         .length = length_from::tokens,
         .characters_a_token = 0,
         .score_unit = right},
        {.name = "math_l5",
         .file = "math_l5_zeroeval",
         .small = "Qwen2.5-3B-Instruct",
         .large = "Qwen2.5-72B-Instruct",
         .length = length_from::characters,
         .characters_a_token = 3.2,
         .score_unit = right,
         .instructions = "zeroeval/math-l5",
         .may_be_known = true},
        {.name = "mtbench",
         .file = "mtbench",
         .small = mixtral,
         .large = gpt4,
         .length = length_from::turn_characters,
         .characters_a_token = 4.3,
         .score_unit = "GPT-4's score of a turn, 1 to 10 as 0 to 1",
         .may_be_known = true},
        {.name = "mtbench101",
         .file = "mtbench101",
         .small = "Yi-6B-Chat",
         .large = "Yi-34B-Chat",
         .length = length_from::reference,
         .characters_a_token = 4.3,
         .score_unit = "GPT-4's mean score of the task, 1 to 10 as 0 to 1",
         .task_scores = "mtbench101_task_scores.json",
         .notes = {"scores are means of a task: all turns of all its dialogues have the same",
                   "both endpoints are taken to write as much as the reference reply"}},
        {.name = "structflow",
         .file = "structflow",
         .small = "phi_3_5_mini_instruct",
         .large = "gpt4o",
         .length = length_from::turn_characters,
         .characters_a_token = 4.3,
         .score_unit = constraints_met,
         .may_be_known = true},
        {.name = "long_context",
         .file = "structflow",
         .small = "phi_3_5_mini_instruct",
         .large = "qwen2_5_14b_instruct",
         .length = length_from::turn_characters,
         .characters_a_token = 4.3,
         .score_unit = constraints_met,
         .has_documents = true,
         .may_be_known = true,
         .notes = {"documents of 2000 to 16000 tokens before the first turn are made up; scores are of the dialogues "
                   "without them"}},
    };
    return all;
}

const known_workload& workload_named(std::string_view name) {
    std::string names;
    for (const auto& each : all_workloads()) {
        if (each.name == name) return each;
        (names += names.empty() ? "" : ", ") += each.name;
    }
    throw usage_error("no workload is named " + qlroute::detail::quoted(name) + "; known are " + names);
}

double tokens_of_text(std::string_view text) { return token_count({role::user, text}).value(); }

workload_rows read_workload_rows(const known_workload& what, const std::string& data) {
    return row_reader(what, data).rows();
}
