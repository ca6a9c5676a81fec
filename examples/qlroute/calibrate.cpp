#include "commands.hpp"
#include "configured/endpoints.hpp"
#include "configured/files.hpp"
#include "outcomes.hpp"
#include "results_json.hpp"

#include <qlroute/eval/metrics.hpp>
#include <qlroute/eval/outcome_rows.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

constexpr std::size_t least_rows = 20;
constexpr std::size_t folds = 5;

/// Answers of one endpoint, beside the difficulties of their prompts.
struct answered_rows {
    std::size_t dimensions = 0;
    std::vector<double> theta;  // [rows, dimensions]
    std::vector<double> scores;
    std::vector<std::string> stems;

    std::size_t size() const { return scores.size(); }
    std::span<const double> theta_of_row(std::size_t row) const {
        return std::span(theta).subspan(row * dimensions, dimensions);
    }
    template <class Wanted>
    answered_rows those(const Wanted& wanted) const {
        answered_rows out{.dimensions = dimensions, .theta = {}, .scores = {}, .stems = {}};
        for (std::size_t i = 0; i < size(); ++i) {
            if (!wanted(i)) continue;
            const auto row = theta_of_row(i);
            out.theta.insert(out.theta.end(), row.begin(), row.end());
            out.scores.push_back(scores[i]);
            out.stems.push_back(stems[i]);
        }
        return out;
    }
};

ability_prior prior_of(const response_difficulty& predictor, const std::string& known) {
    ability_prior out = population_prior(predictor);
    if (known.empty()) return out;
    const auto abilities = predictor.known(known);
    if (!abilities)
        throw usage_error("--known: " + qlroute::detail::quoted(known) + " is no known model; nearest are " +
                          nearest_known(predictor, known) + " (qlroute models lists all)");
    std::copy_n(abilities->weights.begin(), out.mean.size() - 1, out.mean.begin());
    out.mean.back() = static_cast<double>(abilities->bias);
    return out;
}

fitted_ability fitted(const answered_rows& rows, const ability_prior& prior) {
    auto out = fit_ability(rows.theta, rows.scores, prior);
    if (!out) throw usage_error(out.error().message);
    return *std::move(out);
}

/// logit' = slope logit + intercept.
void fold_in(fitted_ability& ability, double slope, double intercept) {
    for (double& weight : ability.weights) weight *= slope;
    ability.bias = slope * ability.bias + intercept;
    for (double& each : ability.covariance) each *= slope * slope;
}

std::string text_of(const eval::estimate& e) {
    char text[96];
    std::snprintf(text, sizeof text, "%.3f (%.3f to %.3f)", e.value, e.low, e.high);
    return text;
}

}  // namespace

int run_calibrate(const calibrate_options& options) {
    if (options.rows.empty()) throw usage_error("calibrate needs --rows: outcome rows as JSON lines");
    if (options.endpoint.empty())
        throw usage_error("calibrate needs --endpoint: a name that the rows have among their models");
    if (options.out.empty()) throw usage_error("calibrate needs --out: the file to write, such as phone.json");
    if (!names_endpoint_file(options.out))
        throw usage_error("--out: \"" + options.out + "\" does not end in .json, by which endpoint files are known");
    check_place(options.out, options.force);
    const response_difficulty& predictor = bundled_predictor();
    const ability_prior prior = prior_of(predictor, options.known);

    answered_rows rows{.dimensions = predictor.dimensions(), .theta = {}, .scores = {}, .stems = {}};
    std::size_t without = 0;
    const std::string names[] = {options.endpoint};
    const auto read = read_outcomes(options.rows, names, [&](const judged_prompt& prompt) {
        if (!prompt.scores[0]) {
            ++without;
            return;
        }
        const auto theta = theta_of(predictor, prompt.dialogue);
        rows.theta.insert(rows.theta.end(), theta.begin(), theta.end());
        rows.scores.push_back(*prompt.scores[0]);
        rows.stems.push_back(prompt.stem);
    });
    if (!read.models.contains(options.endpoint))
        throw usage_error("--endpoint: no row of " + options.rows + " has a model " +
                          qlroute::detail::quoted(options.endpoint) + "; they have " +
                          listed(read.models, options.endpoint));
    if (options.limit > 0 && options.limit < rows.size()) {
        std::vector<std::pair<std::uint64_t, std::size_t>> order;
        for (std::size_t i = 0; i < rows.size(); ++i)
            order.emplace_back(eval::hash_of(std::to_string(i), options.seed), i);
        std::sort(order.begin(), order.end());
        std::set<std::size_t> taken;
        for (std::size_t k = 0; k < options.limit; ++k) taken.insert(order[k].second);
        rows = rows.those([&](std::size_t i) { return taken.contains(i); });
    }
    if (rows.size() < least_rows)
        throw usage_error(options.rows + ": " + std::to_string(rows.size()) + " rows with a score of " +
                          qlroute::detail::quoted(options.endpoint) + "; expected at least " +
                          std::to_string(least_rows));
    const std::size_t questions = std::set(rows.stems.begin(), rows.stems.end()).size();
    if (questions < folds)
        throw usage_error(options.rows + ": " + std::to_string(questions) + " different questions; expected at least " +
                          std::to_string(folds) + ", one for each fold");

    // What abilities fitted to other questions say of each.
    const auto fold = eval::folds_of(rows.stems, folds, options.seed);
    std::vector<double> held_out(rows.size());
    for (std::size_t f = 0; f < folds; ++f) {
        const fitted_ability others = fitted(rows.those([&](std::size_t i) { return fold[i] != f; }), prior);
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (fold[i] == f) held_out[i] = others.success(rows.theta_of_row(i));
    }
    const auto bootstrapped = [&](const auto& measure) {
        return eval::bootstrap(
            rows.size(),
            [&](std::span<const std::size_t> picked) {
                return measure(eval::take(rows.scores, picked), eval::take(held_out, picked));
            },
            1000, options.seed);
    };
    using column = std::span<const double>;
    const auto auc = bootstrapped([](column y, column p) { return eval::auc(y, p); });
    const auto brier = bootstrapped([](column y, column p) { return eval::brier(y, p); });
    const auto ece = bootstrapped([](column y, column p) { return eval::expected_calibration_error(y, p); });
    const auto success = bootstrapped(
        [](column y, column) { return std::accumulate(y.begin(), y.end(), 0.0) / static_cast<double>(y.size()); });

    calibrated_endpoint endpoint{options.endpoint, fitted(rows, prior), std::nullopt};
    const auto method = fit_calibration(held_out, rows.scores, folds, options.seed);
    if (!method) throw usage_error(method.error().message);
    if (const auto* chosen = std::get_if<temperature>(&method->method))
        fold_in(endpoint.ability, 1 / chosen->degree, 0);
    if (const auto* chosen = std::get_if<platt>(&method->method))
        fold_in(endpoint.ability, chosen->slope, chosen->intercept);
    if (const auto* chosen = std::get_if<isotonic>(&method->method)) endpoint.curve = *chosen;
    double width = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto [low, high] = endpoint.interval(rows.theta_of_row(i));
        width += (high - low) / static_cast<double>(rows.size());
    }

    auto out = endpoint_file(endpoint, *method, predictor);
    out["rows"] = rows.size();
    out["success"] = {{"mean", success.value}, {"low", success.low}, {"high", success.high}};
    out["out_of_fold"] = {{"auc", json_of(auc)}, {"brier", json_of(brier)}, {"ece", json_of(ece)}};
    out["interval_width"] = width;
    const std::string text = out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
    write_file(options.out, std::as_bytes(std::span(text)));

    char said[64];
    std::snprintf(said, sizeof said, "%.3f", width);
    std::cout << options.out << ": " << options.endpoint << ", " << rows.size() << " rows of " << questions
              << " questions; " << without << " had no score of it\n"
              << "  good answers       " << text_of(success) << "\n  out of fold: AUC   " << text_of(auc)
              << "\n               Brier " << text_of(brier) << "\n               ECE   " << text_of(ece)
              << "\n  calibration        " << method->name() << "\n  interval of P      " << said
              << " wide on average\n";
    return read.bad == 0 ? 0 : 1;
}
