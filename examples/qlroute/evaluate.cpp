#include "commands.hpp"
#include "dialogues.hpp"
#include "configured/endpoints.hpp"
#include "configured/files.hpp"
#include "configured/lexical_weights.hpp"
#include "configured/nearest.hpp"
#include "outcomes.hpp"
#include "predictions.hpp"
#include "results_json.hpp"
#include "table_text.hpp"

#include <qlroute/eval/baselines.hpp>
#include <qlroute/eval/metrics.hpp>
#include <qlroute/eval/outcome_rows.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <iostream>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

using namespace qlroute;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

using column = std::vector<double>;

/// Prompts, and how well the two models answered them.
struct prompts {
    std::vector<std::string> ids, stems, said;
    column small, large;
    std::vector<std::vector<std::size_t>> lines;  // which rows came from one line: they are drawn together

    std::size_t size() const { return ids.size(); }
};

/// What a method says of each prompt. Without probabilities only the order of its numbers counts.
struct method {
    std::string name;
    column small, large;
    column gap;
    bool has_probabilities = true;
};

method of_probabilities(std::string name, column small, column large) {
    method out{std::move(name), std::move(small), std::move(large), {}, true};
    for (std::size_t i = 0; i < out.small.size(); ++i) out.gap.push_back(out.large[i] - out.small[i]);
    return out;
}

struct named_measure {
    const char* key;
    const char* title;
    bool needs_probabilities;
    bool is_share;
    double (*of)(const column& small, const column& large, const column& p_small, const column& p_large,
                 const column& gap);
};

const named_measure measures[] = {
    {"auc_small", "AUC small", false, false,
     [](const column& small, const column&, const column& p, const column&, const column&) {
         return eval::auc(small, p);
     }},
    {"auc_large", "AUC large", false, false,
     [](const column&, const column& large, const column&, const column& p, const column&) {
         return eval::auc(large, p);
     }},
    {"brier_small", "Brier small", true, false,
     [](const column& small, const column&, const column& p, const column&, const column&) {
         return eval::brier(small, p);
     }},
    {"ece_small", "ECE small", true, false,
     [](const column& small, const column&, const column& p, const column&, const column&) {
         return eval::expected_calibration_error(small, p);
     }},
    {"ece_large", "ECE large", true, false,
     [](const column&, const column& large, const column&, const column& p, const column&) {
         return eval::expected_calibration_error(large, p);
     }},
    {"apgr", "APGR", false, false,
     [](const column& small, const column& large, const column&, const column&, const column& gap) {
         return eval::apgr(small, large, gap);
     }},
    {"cpt50", "CPT(50%)", false, true,
     [](const column& small, const column& large, const column&, const column&, const column& gap) {
         return eval::cpt(small, large, gap, 0.5);
     }},
    {"cpt80", "CPT(80%)", false, true,
     [](const column& small, const column& large, const column&, const column&, const column& gap) {
         return eval::cpt(small, large, gap, 0.8);
     }},
};
const named_measure& auc_small = measures[0];
const named_measure& apgr = measures[5];

double measured(const named_measure& what, const prompts& rows, const method& by, std::span<const std::size_t> picked) {
    return what.of(eval::take(rows.small, picked), eval::take(rows.large, picked), eval::take(by.small, picked),
                   eval::take(by.large, picked), eval::take(by.gap, picked));
}

/// Over lines, since the turns of one dialogue are no independent draws.
template <class Statistic>
eval::estimate bootstrapped(const prompts& rows, const Statistic& statistic, const evaluate_options& options) {
    std::vector<std::size_t> picked;
    return eval::bootstrap(
        rows.lines.size(),
        [&](std::span<const std::size_t> lines) {
            picked.clear();
            for (const std::size_t line : lines)
                picked.insert(picked.end(), rows.lines[line].begin(), rows.lines[line].end());
            return statistic(std::span<const std::size_t>(picked));
        },
        options.resamples, options.seed);
}

eval::estimate estimate_of(const named_measure& what, const prompts& rows, const method& by,
                           const evaluate_options& options) {
    return bootstrapped(
        rows, [&](std::span<const std::size_t> picked) { return measured(what, rows, by, picked); }, options);
}

eval::estimate difference_in(const named_measure& what, const prompts& rows, const method& ours, const method& theirs,
                             const evaluate_options& options) {
    return bootstrapped(
        rows,
        [&](std::span<const std::size_t> picked) {
            return measured(what, rows, ours, picked) - measured(what, rows, theirs, picked);
        },
        options);
}

/// Texts, and scores where there are some.
struct training_rows {
    std::vector<std::string> said;
    std::vector<std::optional<double>> small, large;
};

/// Fits both models' baselines to `train` and asks them for `rows`.
struct baseline {
    explicit baseline(const training_rows& train) {
        const std::vector<std::string_view> all(train.said.begin(), train.said.end());
        words = eval::tfidf::fit(all);
        fit(train, train.small, 0);
        fit(train, train.large, 1);
    }

    void fit(const training_rows& train, const std::vector<std::optional<double>>& scores, std::size_t model) {
        eval::sparse_rows rows;
        column labels;
        for (std::size_t i = 0; i < scores.size(); ++i) {
            if (!scores[i]) continue;
            rows.push_back(words(train.said[i]));
            labels.push_back(*scores[i]);
        }
        regression[model] = eval::logistic::fit(rows, labels);
        neighbours[model] = eval::nearest::fit(rows, labels);
    }

    eval::tfidf words;
    std::array<eval::logistic, 2> regression;
    std::array<eval::nearest, 2> neighbours;
};

/// What a model's name is without the folder that hubs put before it, in lower case.
std::string plain_name(const std::string& name) {
    return in_lower_case(name.substr(name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1));
}

/// "some/gsm8k_test.jsonl.gz": "gsm8k_test".
std::string stem_of_file(const std::string& path) {
    const std::string name = path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
    return name.substr(0, name.find('.'));
}

/// The endpoint that was asked for, or the known model of that name: on this benchmark, if there is one.
chosen_endpoint endpoint_for(const std::string& name, const std::string& asked, const std::string& option,
                             const std::string& rows, const response_difficulty& predictor) {
    if (!asked.empty()) return choose_endpoint(asked, option, predictor);
    const std::string benchmark = "@" + stem_of_file(rows);
    const std::string plain = plain_name(name);
    for (const std::string& each : {name + benchmark, plain + benchmark, name, plain})
        if (predictor.known(each)) return choose_endpoint(each, option, predictor);
    throw usage_error(qlroute::detail::quoted(name) + " is no known model; nearest are " +
                      nearest_known(predictor, plain) +
                      "; give a known one, or a file that qlroute calibrate wrote, "
                      "with " +
                      option);
}

/// Those for this pair of models, by id.
std::map<std::string, std::pair<double, double>> predictions_for(const evaluate_options& options, std::size_t& bad) {
    std::map<std::string, std::pair<double, double>> out;
    bad += read_predictions(options.predictions, [&](const predicted_pair& one) {
        if (one.is_of(options.small, options.large) && !out.emplace(one.id, std::pair(one.small, one.large)).second)
            throw bad_line("id: found twice in this file; expected each once");
    });
    return out;
}

/// Rows that others published for a pair of models: arXiv 2406.18665v4, tables 2 and 3, the best router of each.
struct published_row {
    const char* benchmark;
    double apgr, cpt50, cpt80;
};
constexpr published_row routellm[] = {{"mmlu", 0.603, 0.354, 0.703}, {"gsm8k", 0.622, 0.336, 0.633}};
constexpr const char* published_source = "RouteLLM, published, not trained in-domain (arXiv 2406.18665v4)";

/// Those of this pair and benchmark.
std::vector<published_row> published_for(const evaluate_options& options, const std::string& benchmark) {
    const auto is = [](const std::string& name, std::string_view model) {
        const std::string plain = plain_name(name);
        return plain == model || plain.starts_with(std::string(model) + "@");  // as answered to someone
    };
    std::vector<published_row> out;
    if (!is(options.small, "mixtral-8x7b-instruct-v0.1") || !is(options.large, "gpt-4-1106-preview")) return out;
    for (const auto& each : routellm)
        if (benchmark == each.benchmark || stem_of_file(options.rows).starts_with(each.benchmark)) out.push_back(each);
    return out;
}

/// "0.612 (0.580 to 0.643)", or in percent.
std::string text_of(const eval::estimate& e, bool is_share) {
    const double factor = is_share ? 100 : 1;
    const int decimals = is_share ? 1 : 3;
    return fixed(factor * e.value, decimals) + (is_share ? " %" : "") + " (" + fixed(factor * e.low, decimals) +
           " to " + fixed(factor * e.high, decimals) + ")";
}

ordered_json bins_of(const column& label, const column& probability) {
    ordered_json out = ordered_json::array();
    for (const auto& bin : eval::reliability(label, probability))
        out.push_back(
            {{"rows", bin.count}, {"mean_probability", bin.mean_probability}, {"mean_score", bin.mean_label}});
    return out;
}

void print_reliability(const std::string& model, const column& label, const column& probability) {
    std::cout << "\nP of " << model << ", ours       rows   predicted    observed\n";
    const auto bins = eval::reliability(label, probability);
    for (std::size_t b = 0; b < bins.size(); ++b) {
        const double low = static_cast<double>(b) / static_cast<double>(bins.size());
        const double high = static_cast<double>(b + 1) / static_cast<double>(bins.size());
        std::cout << "  " << padded(fixed(low, 1) + " to " + fixed(high, 1), model.size() + 10)
                  << padded(std::to_string(bins[b].count), 10, true)
                  << padded(bins[b].count == 0 ? "-" : fixed(bins[b].mean_probability, 3), 12, true)
                  << padded(bins[b].count == 0 ? "-" : fixed(bins[b].mean_label, 3), 12, true) << '\n';
    }
}

void check(const evaluate_options& options) {
    if (options.rows.empty()) throw usage_error("evaluate needs --rows: outcome rows as JSON lines");
    if (options.small.empty() || options.large.empty())
        throw usage_error("evaluate needs --small and --large: names that the rows have among their models");
    if (options.small == options.large)
        throw usage_error("--large: expected another model than --small, got " +
                          qlroute::detail::quoted(options.large));
    if (!options.predictions.empty() && !(options.small_endpoint.empty() && options.large_endpoint.empty()))
        throw usage_error("--predictions says what is predicted; leave --small-endpoint and --large-endpoint out");
}

}  // namespace

int run_evaluate(const evaluate_options& options) {
    check(options);
    std::size_t bad = 0;
    const bool predicts = options.predictions.empty();
    std::map<std::string, std::pair<double, double>> said_before;
    std::optional<chosen_endpoint> small, large;
    const response_difficulty* predictor = nullptr;
    if (predicts) {
        predictor = &bundled_predictor();
        small = endpoint_for(options.small, options.small_endpoint, "--small-endpoint", options.rows, *predictor);
        large = endpoint_for(options.large, options.large_endpoint, "--large-endpoint", options.rows, *predictor);
    } else {
        said_before = predictions_for(options, bad);
    }

    const lexical_difficulty lexical = built_in_lexical();
    const endpoint small_tier{.name = "small", .ability = 0}, large_tier{.name = "large", .ability = 2};
    const std::string names[] = {options.small, options.large};
    prompts rows;
    std::optional<std::size_t> last_line;
    column ours_small, ours_large, lexical_small, lexical_large, shortness, length;
    std::size_t unscored = 0, unpredicted = 0;
    const auto read = read_outcomes(options.rows, names, [&](const judged_prompt& prompt) {
        if (!prompt.scores[0] || !prompt.scores[1]) {
            ++unscored;
            return;
        }
        if (predicts) {
            const auto difficulty = difficulty_of(*predictor, prompt.dialogue);
            ours_small.push_back(small->success(difficulty));
            ours_large.push_back(large->success(difficulty));
        } else {
            const auto found = said_before.find(prompt.id);
            if (found == said_before.end()) {
                ++unpredicted;
                return;
            }
            ours_small.push_back(found->second.first);
            ours_large.push_back(found->second.second);
        }
        const auto words = lexical(prompt.dialogue);
        lexical_small.push_back(words(small_tier));
        lexical_large.push_back(words(large_tier));
        length.push_back(static_cast<double>(prompt.said.size()));
        shortness.push_back(-length.back());
        if (last_line != prompt.line) rows.lines.emplace_back();
        last_line = prompt.line;
        rows.lines.back().push_back(rows.size());
        rows.ids.push_back(prompt.id);
        rows.stems.push_back(prompt.stem);
        rows.said.push_back(prompt.said);
        rows.small.push_back(*prompt.scores[0]);
        rows.large.push_back(*prompt.scores[1]);
    });
    bad += read.bad;
    for (const auto& [option, name] : {std::pair("--small", options.small), std::pair("--large", options.large)})
        if (!read.models.contains(name))
            throw usage_error(std::string(option) + ": no row of " + options.rows + " has a model " +
                              qlroute::detail::quoted(name) + "; they have " + listed(read.models, name));
    if (rows.size() == 0)
        throw usage_error(options.rows + ": no row " +
                          (unpredicted > 0 ? "is in " + options.predictions + "; do their ids belong together?"
                                           : "has a score of both models"));
    if (rows.lines.size() < 2) throw usage_error(options.rows + ": 1 row; expected at least 2");

    // Baselines, fitted to other questions.
    column regression_small(rows.size()), regression_large(rows.size()), nearest_small(rows.size()),
        nearest_large(rows.size());
    const auto ask = [&](const baseline& fitted, std::size_t row) {
        const auto values = fitted.words(rows.said[row]);
        regression_small[row] = fitted.regression[0](values);
        regression_large[row] = fitted.regression[1](values);
        nearest_small[row] = fitted.neighbours[0](values);
        nearest_large[row] = fitted.neighbours[1](values);
    };
    std::string trained_on;
    if (!options.train.empty()) {
        const std::set<std::string> asked(rows.stems.begin(), rows.stems.end());
        std::size_t shared = 0;
        training_rows train;
        const auto read_train = read_outcomes(options.train, names, [&](const judged_prompt& prompt) {
            if (!prompt.scores[0] && !prompt.scores[1]) return;
            if (asked.contains(prompt.stem)) {
                ++shared;
                return;
            }
            train.said.push_back(prompt.said);
            train.small.push_back(prompt.scores[0]);
            train.large.push_back(prompt.scores[1]);
        });
        bad += read_train.bad;
        for (const auto& [name, scores] : {std::pair(options.small, &train.small), {options.large, &train.large}})
            if (std::none_of(scores->begin(), scores->end(), [](const auto& score) { return score.has_value(); }))
                throw usage_error("--train: no row of " + options.train + " has a score of " +
                                  qlroute::detail::quoted(name) + " for a question that is not in " + options.rows +
                                  "; they have " + listed(read_train.models, name));
        const baseline fitted(train);
        for (std::size_t i = 0; i < rows.size(); ++i) ask(fitted, i);
        trained_on = std::to_string(train.said.size()) + " rows of " + options.train;
        if (shared > 0) trained_on += "; " + std::to_string(shared) + " with a question of these rows were left out";
    } else {
        const std::size_t questions = std::set(rows.stems.begin(), rows.stems.end()).size();
        if (questions < options.folds)
            throw usage_error(options.rows + ": " + std::to_string(questions) +
                              " different questions; expected at "
                              "least " +
                              std::to_string(options.folds) + ", one for each fold (--folds)");
        const auto fold = eval::folds_of(rows.stems, options.folds, options.seed);
        for (std::size_t f = 0; f < options.folds; ++f) {
            training_rows train;
            for (std::size_t i = 0; i < rows.size(); ++i) {
                if (fold[i] == f) continue;
                train.said.push_back(rows.said[i]);
                train.small.emplace_back(rows.small[i]);
                train.large.emplace_back(rows.large[i]);
            }
            const baseline fitted(train);
            for (std::size_t i = 0; i < rows.size(); ++i)
                if (fold[i] == f) ask(fitted, i);
        }
        trained_on = "the other " + std::to_string(options.folds - 1) + " of " + std::to_string(options.folds) +
                     " folds of these rows";
    }

    std::vector<method> methods;
    methods.push_back(of_probabilities("ours", ours_small, ours_large));
    methods.push_back(of_probabilities("tfidf_logistic", regression_small, regression_large));
    methods.push_back(of_probabilities("nearest", nearest_small, nearest_large));
    methods.push_back(of_probabilities("lexical", lexical_small, lexical_large));
    methods.push_back({"length", shortness, shortness, length, false});
    const auto differs_in = [&](const named_measure& what) {
        return difference_in(what, rows, methods[0], methods[1], options);
    };
    const auto auc_difference = differs_in(auc_small);
    const auto apgr_difference = differs_in(apgr);
    const auto published = published_for(options, read.benchmark);
    const auto mean_of = [](const column& values) {
        return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    };
    const std::string shown_small = predicts ? small->name : options.predictions;
    const std::string shown_large = predicts ? large->name : options.predictions;

    if (options.json) {
        ordered_json out{
            {"rows", rows.size()},
            {"small", {{"model", options.small}, {"endpoint", shown_small}, {"mean", mean_of(rows.small)}}},
            {"large", {{"model", options.large}, {"endpoint", shown_large}, {"mean", mean_of(rows.large)}}},
            {"ours", predicts ? "built_in" : "predictions"},
            {"unscored", unscored},
            {"unpredicted", unpredicted},
            {"methods", ordered_json::array()}};
        for (const method& by : methods) {
            ordered_json one{{"name", by.name}};
            for (const auto& what : measures) {
                if (what.needs_probabilities && !by.has_probabilities) one[what.key] = nullptr;
                else one[what.key] = json_of(estimate_of(what, rows, by, options));
            }
            out["methods"].push_back(std::move(one));
        }
        out["ours_minus_tfidf_logistic"] = {{"auc_small", json_of(auc_difference)}, {"apgr", json_of(apgr_difference)}};
        out["published"] = ordered_json::array();
        for (const auto& each : published)
            out["published"].push_back({{"name", published_source},
                                        {"benchmark", each.benchmark},
                                        {"apgr", each.apgr},
                                        {"cpt50", each.cpt50},
                                        {"cpt80", each.cpt80}});
        if (options.reliability)
            out["reliability"] = {{"small", bins_of(rows.small, ours_small)},
                                  {"large", bins_of(rows.large, ours_large)}};
        std::cout << out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
        return bad == 0 ? 0 : 1;
    }

    std::cout << rows.size() << " rows; " << options.small << " answers " << fixed(mean_of(rows.small), 3)
              << " of them well, " << options.large << " " << fixed(mean_of(rows.large), 3) << '\n';
    if (unscored > 0) std::cout << unscored << " rows have no score of both and are left out\n";
    if (unpredicted > 0)
        std::cout << unpredicted << " rows are not in " << options.predictions << " and are left out\n";
    if (predicts)
        std::cout
            << "ours: endpoints " << shown_small << " and " << shown_large
            << "\n  (where the built-in weights were trained on these rows, no held-out result: use --predictions)\n";
    else std::cout << "ours: as predicted in " << options.predictions << '\n';
    std::cout << "tfidf_logistic, nearest: fitted to " << trained_on << "\n\n" << padded("", 16);
    constexpr std::size_t width = 24;
    for (std::size_t half = 0; half < 2; ++half) {
        constexpr std::size_t each_half = std::size(measures) / 2;
        if (half == 1) std::cout << '\n' << padded("", 16);
        for (std::size_t m = 0; m < each_half; ++m)
            std::cout << padded(measures[half * each_half + m].title, width, true);
        std::cout << '\n';
        for (const method& by : methods) {
            std::cout << padded(by.name, 16);
            for (std::size_t m = 0; m < each_half; ++m) {
                const auto& what = measures[half * each_half + m];
                const bool has = by.has_probabilities || !what.needs_probabilities;
                std::cout << padded(has ? text_of(estimate_of(what, rows, by, options), what.is_share) : "-", width,
                                    true);
            }
            std::cout << '\n';
        }
    }
    for (const auto& each : published) {
        std::cout << padded("RouteLLM " + std::string(each.benchmark), 16 + width)
                  << padded(fixed(each.apgr, 3), width, true) << padded(fixed(100 * each.cpt50, 1) + " %", width, true)
                  << padded(fixed(100 * each.cpt80, 1) + " %", width, true) << '\n';
    }
    if (!published.empty()) std::cout << published_source << ", tables 2 and 3, the best of each\n";
    std::cout << "\nours - tfidf_logistic, paired: AUC small " << text_of(auc_difference, false) << ", APGR "
              << text_of(apgr_difference, false) << '\n';
    if (options.reliability) {
        print_reliability(options.small, rows.small, ours_small);
        print_reliability(options.large, rows.large, ours_large);
    }
    return bad == 0 ? 0 : 1;
}
