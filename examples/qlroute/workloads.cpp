#include "workloads.hpp"

#include "dialogues.hpp"
#include "configured/endpoints.hpp"
#include "configured/files.hpp"
#include "predictions.hpp"
#include "workload_rows.hpp"

#include <qlroute/difficulty/ability_fit.hpp>
#include <qlroute/difficulty/calibration.hpp>
#include <qlroute/eval/baselines.hpp>
#include <qlroute/eval/hybrid_labels.hpp>
#include <qlroute/eval/outcome_rows.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

using namespace qlroute;

namespace {

// --- sampling and splitting ----------------------------------------------------------------------

// Seeds apart, so that one draw says nothing of another.
constexpr std::uint64_t sample_stream = 0x5A, split_stream = 0x51, document_stream = 0xD0, fold_stream = 0xF0;

std::uint64_t stream(std::uint64_t seed, std::uint64_t which) { return seed * 256 + which; }

void sample(std::vector<eval::recorded_dialogue>& dialogues, const workload_options& options) {
    if (options.most_dialogues == 0 || dialogues.size() <= options.most_dialogues) return;
    std::vector<std::pair<std::uint64_t, std::size_t>> order;
    for (std::size_t i = 0; i < dialogues.size(); ++i)
        order.emplace_back(eval::hash_of(dialogues[i].id, stream(options.seed, sample_stream)), i);
    std::sort(order.begin(), order.end());
    std::vector<std::size_t> kept;
    for (std::size_t k = 0; k < options.most_dialogues; ++k) kept.push_back(order[k].second);
    std::sort(kept.begin(), kept.end());
    std::vector<eval::recorded_dialogue> out;
    for (const std::size_t i : kept) out.push_back(std::move(dialogues[i]));
    dialogues = std::move(out);
}

/// A share of the stems, by chance, is calibration; at least one, and not all.
void split(std::vector<eval::recorded_dialogue>& dialogues, const workload_options& options) {
    std::set<std::pair<std::uint64_t, std::string_view>> order;
    for (const auto& each : dialogues)
        order.emplace(eval::hash_of(each.stem, stream(options.seed, split_stream)), each.stem);
    const double share = std::round(options.calibration * static_cast<double>(order.size()));
    const std::size_t count = std::clamp<std::size_t>(static_cast<std::size_t>(share), 1, order.size() - 1);
    std::set<std::string> chosen;
    for (auto at = order.begin(); chosen.size() < count; ++at) chosen.emplace(at->second);
    for (auto& each : dialogues) each.calibration = chosen.contains(each.stem);
}

/// 2000 to 16000 tokens, log-uniform, which one of the endpoints has read; by id and seed.
void add_documents(std::vector<eval::recorded_dialogue>& dialogues, std::uint64_t seed) {
    for (auto& each : dialogues) {
        const std::uint64_t drawn = eval::hash_of(each.id, stream(seed, document_stream));
        const double uniform = static_cast<double>(drawn >> 11) * 0x1p-53;
        each.document = tokens(std::round(2000 * std::pow(8, uniform)));
        each.read_by = (drawn & 1) == 0 ? small_endpoint : large_endpoint;
    }
}

// --- what may be known of a turn -----------------------------------------------------------------

/// All turns of a workload in their order, and what predictors read of them.
struct turn_rows {
    std::vector<const eval::recorded_dialogue*> dialogue;
    std::vector<const eval::recorded_turn*> turn;
    std::vector<std::string> ids;
    std::vector<std::string> said;         // by the user, so far
    std::vector<double> said_size;         // tokens
    std::vector<double> history;           // tokens before it
    std::vector<std::size_t> fold;         // of calibration turns
    std::vector<std::size_t> calibration;  // their numbers
    std::size_t folds = 0;

    std::size_t size() const { return turn.size(); }
    double score(std::size_t row, std::size_t endpoint) const { return turn[row]->answers[endpoint].score; }
    double output(std::size_t row, std::size_t endpoint) const { return turn[row]->answers[endpoint].output.value(); }
    double mean_output(std::size_t row) const {
        return (output(row, small_endpoint) + output(row, large_endpoint)) / 2;
    }
};

turn_rows rows_of(prepared_workload& out, const workload_options& options) {
    turn_rows rows;
    const auto& predictor = bundled_predictor();
    out.dimensions = predictor.dimensions();
    for (const auto& each : out.work.dialogues) {
        conversation so_far;
        double history = each.document.value();
        for (std::size_t k = 0; k < each.turns.size(); ++k) {
            const auto& turn = each.turns[k];
            so_far.say({.text = turn.said});
            const auto& messages = so_far.messages();
            out.theta.push_back(difficulty_of(predictor, messages).theta);
            rows.said.push_back(all_said(messages));
            rows.ids.push_back(each.turns.size() > 1 ? each.id + "/" + std::to_string(k + 1) : each.id);
            rows.dialogue.push_back(&each);
            rows.turn.push_back(&turn);
            rows.said_size.push_back(turn.said_size > tokens(0) ? turn.said_size.value() : tokens_of_text(turn.said));
            rows.history.push_back(history);
            const double written = rows.mean_output(rows.size() - 1);
            so_far.answer(turn.reply, tokens(written));
            history += rows.said_size.back() + (turn.reply ? tokens_of_text(*turn.reply) : written);
        }
    }
    std::vector<std::string> stems;
    for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows.dialogue[i]->calibration) {
            rows.calibration.push_back(i);
            stems.push_back(rows.dialogue[i]->stem);
        }
    constexpr std::size_t most_folds = 5;
    rows.folds = std::min(most_folds, std::set<std::string>(stems.begin(), stems.end()).size());
    const auto fold = eval::folds_of(stems, rows.folds, stream(options.seed, fold_stream));
    rows.fold.resize(rows.size());
    for (std::size_t k = 0; k < fold.size(); ++k) rows.fold[rows.calibration[k]] = fold[k];
    return rows;
}

/// `fit` makes, of the numbers of turns, something that says `Width` numbers of a turn. Calibration turns are asked of
/// what was fitted to the other folds, so that they are predicted as well, and no better, than the others: out [turn,
/// Width].
template <std::size_t Width, class Fit>
std::vector<double> cross_fitted(const turn_rows& rows, const Fit& fit) {
    std::vector<double> out(rows.size() * Width);
    const auto ask = [&](const auto& fitted, std::size_t row) {
        const std::array<double, Width> said = fitted(row);
        std::copy(said.begin(), said.end(), out.begin() + static_cast<std::ptrdiff_t>(row * Width));
    };
    const auto whole = fit(rows.calibration);
    for (std::size_t i = 0; i < rows.size(); ++i)
        if (!rows.dialogue[i]->calibration || rows.folds < 2) ask(whole, i);
    for (std::size_t fold = 0; fold < rows.folds && rows.folds >= 2; ++fold) {
        std::vector<std::size_t> others;
        for (const std::size_t i : rows.calibration)
            if (rows.fold[i] != fold) others.push_back(i);
        const auto fitted = fit(others);
        for (const std::size_t i : rows.calibration)
            if (rows.fold[i] == fold) ask(fitted, i);
    }
    return out;
}

using by_endpoint = std::array<double, endpoint_count>;

/// What is to be predicted of both endpoints: numbers in 0..1, one a row that is trained on.
using targets = std::function<std::array<std::vector<double>, endpoint_count>(const std::vector<std::size_t>& train)>;

targets scores_of(const turn_rows& rows) {
    return [&rows](const std::vector<std::size_t>& train) {
        std::array<std::vector<double>, endpoint_count> out;
        for (std::size_t e = 0; e < endpoint_count; ++e)
            for (const std::size_t i : train) out[e].push_back(rows.score(i, e));
        return out;
    };
}

enum class hybrid_label { det, prob, trans };

/// Hybrid LLM's labels for the small model; the large one always answers well enough.
targets labels_of(const turn_rows& rows, hybrid_label which) {
    return [&rows, which](const std::vector<std::size_t>& train) {
        const auto scores = scores_of(rows)(train);
        const auto& small = scores[small_endpoint];
        const auto& large = scores[large_endpoint];
        std::array<std::vector<double>, endpoint_count> out;
        out[small_endpoint] = which == hybrid_label::det    ? *eval::deterministic_labels(small, large)
                              : which == hybrid_label::prob ? *eval::smooth_labels(small, large)
                                                            : eval::transformed_labels(small, large)->labels;
        out[large_endpoint].assign(train.size(), 1.0);
        return out;
    };
}

/// log(p / (1 - p)), of a p that is not quite certain.
double log_odds(double p) {
    const double q = std::clamp(p, 1e-3, 1 - 1e-3);
    return std::log(q / (1 - q));
}

/// From the difficulty vector.
std::vector<double> by_ability(const prepared_workload& out, const turn_rows& rows, const targets& target,
                               const ability_prior& prior) {
    const std::size_t dimensions = out.dimensions;
    return cross_fitted<endpoint_count>(rows, [&](const std::vector<std::size_t>& train) {
        std::array<fitted_ability, endpoint_count> abilities;
        std::vector<double> difficulties;
        for (const std::size_t i : train)
            difficulties.insert(difficulties.end(), out.theta[i].begin(),
                                out.theta[i].begin() + static_cast<std::ptrdiff_t>(dimensions));
        const auto wanted = target(train);
        for (std::size_t e = 0; e < endpoint_count; ++e) {
            auto fitted = fit_ability(difficulties, wanted[e], prior);
            if (!fitted) throw usage_error(out.work.name + ": " + fitted.error().message);
            abilities[e] = *std::move(fitted);
        }
        return [abilities, &out, dimensions](std::size_t row) {
            std::array<double, response_difficulty::most_dimensions> theta{};
            std::copy(out.theta[row].begin(), out.theta[row].end(), theta.begin());
            by_endpoint p{};
            for (std::size_t e = 0; e < endpoint_count; ++e)
                p[e] = abilities[e].success(std::span(theta).first(dimensions));
            return p;
        };
    });
}

/// From the words.
std::vector<double> by_words(const turn_rows& rows, const targets& target) {
    return cross_fitted<endpoint_count>(rows, [&](const std::vector<std::size_t>& train) {
        std::vector<std::string_view> texts;
        for (const std::size_t i : train) texts.push_back(rows.said[i]);
        auto words = eval::tfidf::fit(texts);
        const auto values = words.rows(texts);
        const auto wanted = target(train);
        std::array<eval::logistic, endpoint_count> regression;
        for (std::size_t e = 0; e < endpoint_count; ++e) regression[e] = eval::logistic::fit(values, wanted[e]);
        return [words = std::move(words), regression = std::move(regression), &rows](std::size_t row) {
            const auto found = words(rows.said[row]);
            return by_endpoint{regression[0](found), regression[1](found)};
        };
    });
}

/// From other predictions: logistic in their logits, which are cross-fitted themselves. What a deployment of its own
/// knows (the words of its prompts) beside what the bundled predictor knows.
std::vector<double> fused(const prepared_workload& out, const turn_rows& rows, const std::vector<double>& first,
                          const std::vector<double>& second) {
    return cross_fitted<endpoint_count>(rows, [&](const std::vector<std::size_t>& train) {
        std::array<fitted_ability, endpoint_count> both;
        const auto wanted = scores_of(rows)(train);
        for (std::size_t e = 0; e < endpoint_count; ++e) {
            std::vector<double> logits;
            for (const std::size_t i : train) {
                logits.push_back(log_odds(first[i * endpoint_count + e]));
                logits.push_back(log_odds(second[i * endpoint_count + e]));
            }
            constexpr double width = 0.5;
            auto fitted = fit_ability(logits, wanted[e], ability_prior::independent({0.7, 0.3, 0}, width));
            if (!fitted) throw usage_error(out.work.name + ": " + fitted.error().message);
            both[e] = *std::move(fitted);
        }
        return [both, &first, &second](std::size_t row) {
            by_endpoint p{};
            for (std::size_t e = 0; e < endpoint_count; ++e) {
                const std::array x{log_odds(first[row * endpoint_count + e]),
                                   log_odds(second[row * endpoint_count + e])};
                p[e] = both[e].success(x);
            }
            return p;
        };
    });
}

/// Another's predictions, [turn, endpoint], through a Platt line for each endpoint.
std::vector<double> calibrated(const prepared_workload& out, const turn_rows& rows, const std::vector<double>& raw) {
    return cross_fitted<endpoint_count>(rows, [&](const std::vector<std::size_t>& train) {
        std::array<platt, endpoint_count> lines;
        std::vector<double> said, scores;
        for (std::size_t e = 0; e < endpoint_count; ++e) {
            said.clear();
            scores.clear();
            for (const std::size_t i : train) {
                said.push_back(raw[i * endpoint_count + e]);
                scores.push_back(rows.score(i, e));
            }
            auto fitted = fit_platt(said, scores);
            if (!fitted) throw usage_error(out.work.name + ": " + fitted.error().message);
            lines[e] = *fitted;
        }
        return [lines, &raw](std::size_t row) {
            return by_endpoint{lines[0](raw[row * endpoint_count]), lines[1](raw[row * endpoint_count + 1])};
        };
    });
}

// --- lengths -------------------------------------------------------------------------------------

/// Ridge regression of the logarithm of a turn's length on its size, its history and its difficulty.
class length_regression {
public:
    length_regression(const prepared_workload& out, const turn_rows& rows) : rows_(rows), width_(2 + out.dimensions) {
        features_.resize(rows.size() * width_);
        target_.resize(rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            double* at = &features_[i * width_];
            at[0] = std::log(std::max(rows.said_size[i], 1.0));
            at[1] = std::log(rows.history[i] + 1);
            std::copy_n(out.theta[i].begin(), out.dimensions, at + 2);
            target_[i] = std::log(rows.mean_output(i));
        }
        standardise();
    }

    /// [turn], and how it was chosen.
    std::vector<double> expected(std::string& how) const {
        constexpr double strengths[] = {1, 10, 100, 1000, 10000};
        const auto by_mean = predictions(std::nullopt);
        std::vector<double> best = by_mean;
        std::optional<double> chosen;
        for (const double strength : strengths) {
            auto other = predictions(strength);
            if (square_error(other) < square_error(best)) {
                best = std::move(other);
                chosen = strength;
            }
        }
        how = "their mean";
        if (chosen)
            how = "a regression that explains " +
                  std::to_string(std::llround(100 * (1 - square_error(best) / square_error(by_mean)))) +
                  " % of the variance of their logarithm";
        // The mean of e^x is more than e^(mean of x).
        double written = 0, said = 0, longest = 1;
        for (const std::size_t i : rows_.calibration) {
            written += rows_.mean_output(i);
            said += std::exp(best[i]);
            longest = std::max(longest, rows_.mean_output(i));
        }
        for (double& each : best) each = std::clamp(std::exp(each) * written / said, 1.0, longest);
        return best;
    }

private:
    void standardise() {
        for (std::size_t k = 0; k < width_; ++k) {
            double mean = 0, square = 0;
            const double count = static_cast<double>(rows_.calibration.size());
            for (const std::size_t i : rows_.calibration) mean += features_[i * width_ + k] / count;
            for (const std::size_t i : rows_.calibration) {
                const double off = features_[i * width_ + k] - mean;
                square += off * off / count;
            }
            const double inverse = square > 1e-12 ? 1 / std::sqrt(square) : 0;
            for (std::size_t i = 0; i < rows_.size(); ++i)
                features_[i * width_ + k] = (features_[i * width_ + k] - mean) * inverse;
        }
    }

    /// Of the logarithm; without a strength the mean alone.
    std::vector<double> predictions(std::optional<double> strength) const {
        return cross_fitted<1>(rows_, [&](const std::vector<std::size_t>& train) {
            const std::size_t n = strength ? width_ + 1 : 1;  // the intercept first
            std::vector<double> gram(n * n), weights(n);
            const auto feature = [&](std::size_t row, std::size_t k) {
                return k == 0 ? 1.0 : features_[row * width_ + k - 1];
            };
            for (const std::size_t i : train)
                for (std::size_t j = 0; j < n; ++j) {
                    weights[j] += feature(i, j) * target_[i];
                    for (std::size_t k = 0; k <= j; ++k) gram[j * n + k] += feature(i, j) * feature(i, k);
                }
            for (std::size_t k = 1; k < n; ++k) gram[k * n + k] += strength.value_or(0);
            if (!qlroute::detail::cholesky(gram, n)) throw std::logic_error("the lengths of a workload are not finite");
            qlroute::detail::cholesky_solve(gram, n, weights);
            return [this, weights, n](std::size_t row) {
                double sum = weights[0];
                for (std::size_t k = 1; k < n; ++k) sum += weights[k] * features_[row * width_ + k - 1];
                return std::array<double, 1>{sum};
            };
        });
    }

    double square_error(const std::vector<double>& predicted) const {
        double sum = 0;
        for (const std::size_t i : rows_.calibration) sum += (predicted[i] - target_[i]) * (predicted[i] - target_[i]);
        return sum;
    }

    const turn_rows& rows_;
    std::size_t width_;
    std::vector<double> features_;  // [turn, width]
    std::vector<double> target_;
};

// --- another's predictions -----------------------------------------------------------------------

/// Those for this workload, by id of the turn.
std::map<std::string, std::pair<double, double>> predictions_for(const known_workload& what, const std::string& path,
                                                                 const std::set<std::string>& benchmarks,
                                                                 std::size_t& bad) {
    std::map<std::string, std::pair<double, double>> out;
    if (path.empty()) return out;
    const std::string small(what.small), large(what.large);
    bad += read_predictions(path, [&](const predicted_pair& one) {
        const bool is_here = one.benchmark.empty() || one.benchmark == what.name || one.benchmark == what.file ||
                             benchmarks.contains(one.benchmark);
        if (is_here && one.is_of(small, large) && !out.emplace(one.id, std::pair(one.small, one.large)).second)
            throw bad_line("id: found twice in this file; expected each once");
    });
    return out;
}

std::string turn_id(const eval::recorded_dialogue& dialogue, std::size_t turn) {
    return dialogue.turns.size() > 1 ? dialogue.id + "/" + std::to_string(turn + 1) : dialogue.id;
}

/// Leaves out the dialogues of which not every turn was predicted; how many. If none was predicted, they all stay.
std::size_t leave_out_unpredicted(std::vector<eval::recorded_dialogue>& dialogues,
                                  std::map<std::string, std::pair<double, double>>& predicted) {
    const std::size_t all = dialogues.size();
    std::vector<eval::recorded_dialogue> kept;
    for (auto& each : dialogues) {
        bool has_all = true;
        for (std::size_t k = 0; k < each.turns.size(); ++k) has_all = has_all && predicted.contains(turn_id(each, k));
        if (has_all) kept.push_back(each);
    }
    if (kept.empty()) {
        predicted.clear();
        return 0;
    }
    dialogues = std::move(kept);
    return all - dialogues.size();
}

}  // namespace

const prediction_column& prepared_workload::prediction(std::string_view name) const {
    for (const auto& each : predictions)
        if (each.name == name) return each;
    throw std::out_of_range("no predictions are named " + std::string(name));
}

std::vector<std::string_view> known_workloads() {
    std::vector<std::string_view> out;
    for (const auto& each : all_workloads()) out.push_back(each.name);
    return out;
}

prepared_workload prepare_workload(std::string_view name, const workload_options& options) {
    const known_workload& what = workload_named(name);
    prepared_workload out;
    out.work.name = name;
    out.work.models = {std::string(what.small), std::string(what.large)};
    out.score_unit = what.score_unit;
    out.speeds = {speed_of(what.small, "qwen2.5-3b", options.speeds.device),
                  speed_of(what.large, "llama-3.1-70b", options.speeds.edge)};

    auto read = read_workload_rows(what, options.data);
    out.bad = read.bad;
    out.notes = std::move(read.notes);
    auto predicted = predictions_for(what, options.predictions, read.benchmarks, out.bad);
    auto& dialogues = out.work.dialogues = std::move(read.dialogues);
    const std::size_t unpredicted = leave_out_unpredicted(dialogues, predicted);
    sample(dialogues, options);
    std::set<std::string> stems;
    for (const auto& each : dialogues) stems.insert(each.stem);
    if (stems.size() < 4)
        throw usage_error(
            "workload \"" + out.work.name + "\": " + std::to_string(stems.size()) +
            " different questions; expected at least 4, some to tune policies on and some to measure them on");
    split(dialogues, options);
    if (what.has_documents) add_documents(dialogues, options.seed);
    if (const auto fault = eval::fault_in(out.work, endpoint_count)) throw usage_error(fault->message);

    const turn_rows rows = rows_of(out, options);
    if (predicted.empty()) {
        out.predictions.push_back(
            {"response", by_ability(out, rows, scores_of(rows), population_prior(bundled_predictor()))});
        out.notes.push_back("response: the built-in predictor, with abilities fitted to the calibration turns");
        if (what.may_be_known)
            out.notes.push_back(
                "its weights were trained on public rows of this benchmark: for those it is no held-out result; "
                "give predictions that were made without them");
    } else {
        out.given_predictions = true;
        // The built-in difficulty vector may know these questions; what was given instead takes its place.
        out.dimensions = endpoint_count;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const auto& [small, large] = predicted.at(rows.ids[i]);
            out.theta[i] = {static_cast<float>(log_odds(small)), static_cast<float>(log_odds(large))};
        }
        std::vector<double> raw;
        for (const std::string& id : rows.ids) {
            raw.push_back(predicted.at(id).first);
            raw.push_back(predicted.at(id).second);
        }
        out.predictions.push_back({"response", calibrated(out, rows, raw)});
        out.notes.push_back("response: predictions of " +
                            std::filesystem::path(options.predictions).filename().string() +
                            ", each endpoint's through a Platt line fitted to the calibration turns");
        if (unpredicted > 0)
            out.notes.push_back(std::to_string(unpredicted) + " dialogues are not in " +
                                std::filesystem::path(options.predictions).filename().string() + " and are left out");
    }
    out.predictions.push_back({"tfidf", by_words(rows, scores_of(rows))});
    out.predictions.push_back({"fused", fused(out, rows, out.prediction("response").p, out.prediction("tfidf").p)});
    // A label is no ability: nothing is known of its weights beforehand.
    const auto flat = ability_prior::independent(std::vector<double>(out.dimensions + 1, 0.0), 1);
    const std::pair<const char*, hybrid_label> labels[] = {
        {"det", hybrid_label::det}, {"prob", hybrid_label::prob}, {"trans", hybrid_label::trans}};
    for (const auto& [key, label] : labels) {
        const std::string column = std::string("hybrid_") + key;
        out.predictions.push_back({column + "_response", by_ability(out, rows, labels_of(rows, label), flat)});
        out.predictions.push_back({column + "_tfidf", by_words(rows, labels_of(rows, label))});
    }

    by_endpoint mean{}, written{};
    prediction_column constant{"constant", {}}, recorded{"recorded", {}};
    const double count = static_cast<double>(rows.calibration.size());
    for (std::size_t e = 0; e < endpoint_count; ++e)
        for (const std::size_t i : rows.calibration) {
            mean[e] += rows.score(i, e) / count;
            written[e] += rows.output(i, e) / count;
        }
    for (std::size_t i = 0; i < rows.size(); ++i)
        for (std::size_t e = 0; e < endpoint_count; ++e) {
            constant.p.push_back(mean[e]);
            recorded.p.push_back(rows.score(i, e));
        }
    out.predictions.push_back(std::move(constant));
    out.predictions.push_back(std::move(recorded));

    std::string how;
    out.expected_output = length_regression(out, rows).expected(how);
    double expected = 0;
    for (const std::size_t i : rows.calibration) expected += out.expected_output[i] / count;
    for (std::size_t e = 0; e < endpoint_count; ++e) out.reply_ratio[e] = written[e] / expected;
    out.notes.push_back("expected lengths of answers: " + how);

    for (const auto& speed : out.speeds) out.notes.push_back(speed.text());
    out.notes.insert(out.notes.end(), what.notes.begin(), what.notes.end());
    if (out.bad > 0) out.notes.push_back(std::to_string(out.bad) + " lines were bad and are left out");
    return out;
}
