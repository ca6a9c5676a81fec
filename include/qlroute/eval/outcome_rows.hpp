// What models answered to prompts, and how well: a line of JSON as a value. The format: docs/program.md, outcome rows.
//
//   const std::string models[] = {"phone", "edge"};
//   const auto row = eval::parse_outcome_row(line, models);
//   if (!row) return complain(row.error().message);
//   if (row->answers[0].score) ...                       // of "phone", 0..1
//
// Needs nlohmann/json 3.
#pragma once

#include <qlroute/adapt/json_text.hpp>
#include <qlroute/core/config.hpp>
#include <qlroute/core/result.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute::eval {

/// What the user does next.
struct user_turn {
    std::string text;
    std::optional<std::size_t> edit{};   ///< replaces the user's edit-th message (from 0); what follows it is dropped
    std::optional<std::string> reply{};  ///< the answer that stands in the history, if one was recorded
};

/// What one model made of one row; empty where nothing was recorded.
struct outcome_answer {
    std::optional<double> score{};                         ///< of the whole row, 0..1
    std::vector<std::optional<double>> turn_scores{};      ///< none, or one a turn, 0..1
    std::optional<double> input_tokens{};                  ///< the prompt with all instructions around it
    std::optional<double> output_tokens{};                 ///< the answer
    std::optional<double> output_chars{};                  ///< the answer
    std::vector<std::optional<double>> turn_output_chars;  ///< none, or one a turn
    std::optional<double> confidence{};                    ///< e^conf: P(answer) by the model itself, 0..1
    bool no_answer = false;                                ///< none could be read out of what it wrote
};

/// One row, and the answers of the models that were asked for.
struct outcome_row {
    std::string id;
    std::string benchmark;
    std::string category;
    std::string stem;  ///< stem_of() the first turn
    std::vector<user_turn> turns;
    std::vector<std::string> models;      ///< all names that occur
    std::vector<outcome_answer> answers;  ///< [models asked for]
};

/// How much of an answer is read; the rest is not looked at, whatever it is.
enum class outcome_part {
    scores,     ///< score and turn_scores
    everything  ///< lengths, confidence and np as well
};

/// Letters and digits before the first choice ("\nA. "), in lower case: the same question with its choices in another
/// order, or in another layout, is the same.
inline std::string stem_of(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, text.find("\nA. "))) {
        if (c >= 'A' && c <= 'Z') out += static_cast<char>(c - 'A' + 'a');
        else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80) out += c;
    }
    return out;
}

/// splitmix64 of a text and a seed: the same everywhere.
inline std::uint64_t hash_of(std::string_view text, std::uint64_t seed) noexcept {
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

/// Deals stems to `folds` folds, as evenly as stems allow: out [stems], 0..folds - 1. Equal stems share a fold; the
/// same seed deals them alike everywhere. Precondition: there is a fold.
inline std::vector<std::size_t> folds_of(std::span<const std::string> stems, std::size_t folds, std::uint64_t seed) {
    QLROUTE_EXPECTS(folds > 0);
    std::map<std::pair<std::uint64_t, std::string>, std::size_t> order;
    for (const std::string& stem : stems) order.emplace(std::pair(hash_of(stem, seed), stem), 0);
    std::size_t dealt = 0;
    for (auto& [stem, fold] : order) fold = dealt++ % folds;
    std::vector<std::size_t> out;
    for (const std::string& stem : stems) out.push_back(order.at({hash_of(stem, seed), stem}));
    return out;
}

namespace detail {

using qlroute::detail::shown;

/// Reads one row, and keeps the first thing that is wrong.
class row_reader {
public:
    explicit row_reader(const nlohmann::json& row) : row_(row) {}

    std::string id() {
        const auto found = row_.find("id");
        if (found == row_.end()) fail("id: missing; expected a text or a whole number");
        else if (!found->is_string() && !found->is_number_integer())
            fail("id: expected a text or a whole number, got " + shown(*found));
        if (fault_) return {};
        return found->is_string() ? found->get<std::string>() : found->dump();
    }

    std::vector<user_turn> turns() {
        std::vector<user_turn> out;
        const auto found = row_.find("turns");
        if (found == row_.end()) fail("turns: missing; expected a list of texts");
        else if (!found->is_array() || found->empty())
            fail("turns: expected a list of at least one text, got " + shown(*found));
        if (fault_) return out;
        const auto replies = row_.find("assistant_ref");  // not copied: it may be of any depth
        const std::size_t answered = replies != row_.end() && replies->is_array() ? replies->size() : 0;
        std::size_t standing = 0;  // messages of the user, as they stand
        for (std::size_t i = 0; i < found->size() && !fault_; ++i) {
            out.push_back(turn((*found)[i], "turns[" + std::to_string(i) + "]", standing));
            if (i < answered && (*replies)[i].is_string() && !(*replies)[i].get_ref<const std::string&>().empty())
                out.back().reply = (*replies)[i].get<std::string>();
        }
        return out;
    }

    /// Empty unless it is a text.
    std::string text(const char* key) const {
        const auto found = row_.find(key);
        return found != row_.end() && found->is_string() ? found->get<std::string>() : std::string();
    }

    void answers(outcome_row& out, std::span<const std::string> models, outcome_part part) {
        const auto found = row_.find("models");
        if (found == row_.end()) fail("models: missing; expected an object of scores");
        else if (!found->is_object()) fail("models: expected an object of scores, got " + shown(*found));
        if (fault_) return;
        bool out_of_ten = false;
        if (const auto type = row_.find("score_type"); type != row_.end() && !type->is_null()) {
            if (!type->is_string()) return fail("score_type: expected a text, got " + shown(*type));
            out_of_ten = type->get_ref<const std::string&>().starts_with("judge10");
        }
        for (const std::string& name : models)
            out.answers.push_back(answer(*found, name, out.turns.size(), out_of_ten, part));
        for (const auto& [name, value] : found->items()) out.models.push_back(name);
    }

    std::optional<error> fault() && { return std::move(fault_); }
    bool is_well() const noexcept { return !fault_; }

private:
    using json = nlohmann::json;
    using numbers = std::vector<std::optional<double>>;

    void fail(std::string what) {
        if (!fault_) fault_ = error{errc::malformed, std::move(what)};
    }

    user_turn turn(const json& value, const std::string& where, std::size_t& standing) {
        user_turn out;
        const json* text = &value;
        if (value.is_object()) {
            const auto inner = value.find("text");
            if (inner == value.end()) {
                fail(where + ".text: missing; expected a text");
                return out;
            }
            text = &*inner;
            if (!text->is_string()) fail(where + ".text: expected a text, got " + shown(*text));
            for (const auto& [key, other] : value.items())
                if (key != "text" && key != "edit") fail(where + "." + key + ": unknown key; known are text and edit");
            if (const auto edit = value.find("edit"); edit != value.end() && !fault_) {
                if (!edit->is_number_integer() || edit->get<long long>() < 1 ||
                    edit->get<long long>() > static_cast<long long>(standing))
                    fail(where + ".edit: expected the number of an earlier message of the user, " +
                         (standing == 0 ? "but there is none" : "1 to " + std::to_string(standing)) + ", got " +
                         shown(*edit));
                else standing = *(out.edit = edit->get<std::size_t>() - 1);
            }
        } else if (!value.is_string()) {
            fail(where + ": expected a text or {\"text\": ..., \"edit\": k}, got " + shown(value));
        }
        if (fault_) return out;
        out.text = text->get<std::string>();
        ++standing;
        return out;
    }

    std::optional<double> score(const json& value, const std::string& where, bool out_of_ten) {
        if (value.is_null()) return std::nullopt;
        const double least = out_of_ten ? 1 : 0;
        const double most = out_of_ten ? 10 : 1;
        // Not (below or above): NaN is neither.
        if (!value.is_number() || !(value.get<double>() >= least && value.get<double>() <= most)) {
            fail(where + ": expected a number from " + (out_of_ten ? "1 to 10" : "0 to 1") + " or null, got " +
                 shown(value));
            return std::nullopt;
        }
        return (value.get<double>() - least) / (most - least);
    }

    std::optional<double> length(const json& value, const std::string& where) {
        if (value.is_null()) return std::nullopt;
        if (!value.is_number() || !(value.get<double>() >= 0)) {
            fail(where + ": expected a number of 0 or more or null, got " + shown(value));
            return std::nullopt;
        }
        return value.get<double>();
    }

    std::optional<double> confidence(const json& value, const std::string& where) {
        constexpr double rounded = 0.01;  // certain answers are recorded as a little more than certain
        if (value.is_null()) return std::nullopt;
        if (!value.is_number() || !(value.get<double>() <= rounded)) {
            fail(where + ": expected the logarithm of a probability, 0 or less, or null, got " + shown(value));
            return std::nullopt;
        }
        return std::min(std::exp(value.get<double>()), 1.0);
    }

    bool flag(const json& value, const std::string& where) {
        if (value.is_boolean()) return value.get<bool>();
        if (value.is_number() && (value.get<double>() == 0 || value.get<double>() == 1))
            return value.get<double>() == 1;
        if (!value.is_null()) fail(where + ": expected 0 or 1 or null, got " + shown(value));
        return false;
    }

    template <class Read>
    numbers one_a_turn(const json& value, const std::string& where, std::size_t turns, const Read& read) {
        numbers out;
        if (value.is_null()) return out;
        if (!value.is_array() || value.size() != turns) {
            fail(where + ": expected a list of " + std::to_string(turns) + ", as many as there are turns, got " +
                 (value.is_array() ? "one of " + std::to_string(value.size()) : shown(value)));
            return out;
        }
        for (std::size_t k = 0; k < turns; ++k) out.push_back(read(value[k], where + "[" + std::to_string(k) + "]"));
        return out;
    }

    outcome_answer answer(const json& models, const std::string& name, std::size_t turns, bool out_of_ten,
                          outcome_part part) {
        outcome_answer out;
        const auto found = models.find(name);
        if (found == models.end() || found->is_null()) return out;
        const std::string where = "models." + name;
        if (!found->is_object()) {
            fail(where + ": expected an object with a score, got " + shown(*found));
            return out;
        }
        const auto with = [&](const char* key, const auto& use) {
            if (const auto value = found->find(key); value != found->end()) use(*value, where + "." + key);
        };
        const auto score_of = [&](const json& value, const std::string& at) { return score(value, at, out_of_ten); };
        const auto length_of = [&](const json& value, const std::string& at) { return length(value, at); };
        with("score", [&](const json& value, const std::string& at) { out.score = score_of(value, at); });
        with("turn_scores", [&](const json& value, const std::string& at) {
            out.turn_scores = one_a_turn(value, at, turns, score_of);
        });
        if (part == outcome_part::scores) return out;
        const std::pair<const char*, std::optional<double> outcome_answer::*> lengths[] = {
            {"input_tokens", &outcome_answer::input_tokens},
            {"output_tokens", &outcome_answer::output_tokens},
            {"output_chars", &outcome_answer::output_chars}};
        for (const auto& [key, member] : lengths)
            with(key, [&, to = member](const json& value, const std::string& at) { out.*to = length_of(value, at); });
        with("turn_output_chars", [&](const json& value, const std::string& at) {
            out.turn_output_chars = one_a_turn(value, at, turns, length_of);
        });
        with("conf", [&](const json& value, const std::string& at) { out.confidence = confidence(value, at); });
        with("np", [&](const json& value, const std::string& at) { out.no_answer = flag(value, at); });
        return out;
    }

    const json& row_;
    std::optional<error> fault_;
};

}  // namespace detail

/// One line as an object. Errors: `malformed`, with `example`, which says what is expected.
inline result<nlohmann::json> row_object(std::string_view line, std::string_view example) {
    const std::string expected = "; expected an object such as " + std::string(example);
    nlohmann::json row = nlohmann::json::parse(line, nullptr, false);
    if (row.is_discarded()) {
        qlroute::detail::json_fault fault;
        nlohmann::json::sax_parse(line, &fault);
        if (fault.reason.starts_with("number overflow"))
            return error{errc::out_of_range, "a number is too large; expected at most about 1e308", fault.position};
        const bool encoding = fault.reason.find("UTF-8") != std::string::npos;
        return error{
            errc::malformed,
            (encoding ? "not UTF-8 at byte " : "not JSON at byte ") + std::to_string(fault.position) + expected,
            fault.position};
    }
    if (!row.is_object()) return error{errc::malformed, "not an object but " + detail::shown(row) + expected};
    return row;
}

/// The `id` of a row, as text. Errors: `malformed`.
inline result<std::string> id_of(const nlohmann::json& row) {
    detail::row_reader read(row);
    std::string out = read.id();
    if (auto fault = std::move(read).fault()) return *std::move(fault);
    return out;
}

/// The `turns` of a row, each a text or {"text", "edit"}, and what `assistant_ref` says was answered. Errors:
/// `malformed`, naming the field.
inline result<std::vector<user_turn>> turns_of(const nlohmann::json& row) {
    detail::row_reader read(row);
    auto out = read.turns();
    if (auto fault = std::move(read).fault()) return *std::move(fault);
    return out;
}

/// {"id", "benchmark"?, "category"?, "score_type"?, "turns": [...], "assistant_ref"?, "models": {NAME: {"score"?,
/// "turn_scores"?, "input_tokens"?, "output_tokens"?, "output_chars"?, "turn_output_chars"?, "conf"?, "np"?}}}; other
/// keys are not looked at, and neither are other models than `models`. Scores are 1 to 10 where score_type begins with
/// judge10, and then become (score - 1) / 9; else 0 to 1. Any of an answer may be null. `row` is an object.
/// Errors: `malformed`: the field, what was expected and what was found.
inline result<outcome_row> outcome_row_from(const nlohmann::json& row, std::span<const std::string> models,
                                            outcome_part part = outcome_part::everything) {
    detail::row_reader read(row);
    outcome_row out;
    out.id = read.id();
    if (read.is_well()) out.turns = read.turns();
    if (read.is_well()) read.answers(out, models, part);
    if (auto fault = std::move(read).fault()) return *std::move(fault);
    out.benchmark = read.text("benchmark");
    out.category = read.text("category");
    out.stem = stem_of(out.turns.front().text);
    return out;
}

/// The same of a line of text. Errors: those of row_object() and outcome_row_from().
inline result<outcome_row> parse_outcome_row(std::string_view line, std::span<const std::string> models,
                                             outcome_part part = outcome_part::everything) {
    auto row = row_object(line, R"({"id": "a", "turns": ["hello"], "models": {"phi": {"score": 1}}})");
    if (!row) return row.error();
    return outcome_row_from(*row, models, part);
}

}  // namespace qlroute::eval
