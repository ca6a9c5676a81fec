// Probabilities that are meant as they are said, and the threshold that reaches an aim.
//
//   const auto calibrate = fit_calibration(predicted, scores);      // of one endpoint
//   if (!calibrate) return complain(calibrate.error().message);
//   double p = (*calibrate)(0.7);                                   // and by calibrate->name()
//   const auto at = threshold_for_call_rate(gaps, 0.3);             // large iff gap > at->theta: 30 % of the rows
//
// Everything here is a value; const calls are noexcept, allocate nothing and are thread-safe. Fitting allocates.
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/difficulty/ability_fit.hpp>
#include <qlroute/difficulty/predictor.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace qlroute {

// --- from a probability to a better one ----------------------------------------------------------

/// The probability as it is.
struct uncalibrated {
    static constexpr std::string_view name = "none";
    constexpr double operator()(double p) const noexcept { return p; }
};

/// Less sure by one factor, or more.
///   1 / (1 + exp(-logit(p) / degree));   logit(p) = log(p / (1 - p)), p kept 1e-12 away from 0 and 1
/// `degree` > 0; above 1 it draws p towards 1/2, which it leaves where it is. Source: arXiv 1706.04599.
struct temperature {
    static constexpr std::string_view name = "temperature";

    double degree = 1;

    double operator()(double p) const noexcept { return detail::logistic(detail::log_odds(p) / degree); }
};

/// A line through the logits: what is a factor too sure and a shift too high.
///   1 / (1 + exp(-(slope logit(p) + intercept)));   logit(p) as for temperature
/// Source: J. C. Platt, "Probabilistic outputs for support vector machines", 1999.
struct platt {
    static constexpr std::string_view name = "platt";

    double slope = 1;
    double intercept = 0;

    double operator()(double p) const noexcept { return detail::logistic(slope * detail::log_odds(p) + intercept); }
};

/// A curve of any rising shape: linear between (at[k], value[k]) and (at[k + 1], value[k + 1]), constant beyond the
/// first and the last. Both are as long; `at` rises strictly, `value` does not fall. Empty, it leaves p as it is. A
/// NaN stays one. Cost: log2 of the number of points.
struct isotonic {
    static constexpr std::string_view name = "isotonic";

    std::vector<double> at{};
    std::vector<double> value{};

    double operator()(double p) const noexcept {
        QLROUTE_EXPECTS(at.size() == value.size());
        if (at.empty() || std::isnan(p)) return p;
        const auto above = static_cast<std::size_t>(std::upper_bound(at.begin(), at.end(), p) - at.begin());
        if (above == 0) return value.front();
        if (above == at.size()) return value.back();
        const double share = (p - at[above - 1]) / (at[above] - at[above - 1]);
        return (1 - share) * value[above - 1] + share * value[above];
    }
};

namespace detail {

/// What is wrong with predictions and their scores, if anything.
inline std::optional<error> fault_in_rows(std::span<const double> predicted, std::span<const double> scores) {
    if (predicted.size() != scores.size())
        return error{errc::malformed, "there must be a score for each prediction, got " +
                                          std::to_string(predicted.size()) + " predictions and " +
                                          std::to_string(scores.size()) + " scores"};
    if (predicted.empty()) return error{errc::out_of_range, "there must be at least one row"};
    if (auto fault = fault_unless_probability(predicted, "predicted")) return fault;
    return fault_unless_probability(scores, "scores");
}

/// Logistic regression of the scores on `features` of [log-odds of the prediction, 1], beginning with `first`, towards
/// `mean`. The prior is as weak as one thousandth of a row or so, and keeps separable rows finite.
template <std::size_t Count>
std::array<double, Count> fitted_line(std::span<const double> predicted, std::span<const double> scores,
                                      std::size_t first, const std::array<double, Count>& mean) {
    constexpr double weak = 1e-3;
    std::array<double, Count * Count> precision{};
    for (std::size_t k = 0; k < Count; ++k) precision[k * Count + k] = weak;
    std::array<double, Count> out = mean;
    const auto feature = [&](std::size_t i, std::size_t k) { return first + k == 0 ? log_odds(predicted[i]) : 1.0; };
    if (const auto optimum = least_logistic(feature, scores, mean, precision))
        std::copy(optimum->at.begin(), optimum->at.end(), out.begin());
    return out;
}

}  // namespace detail

/// The degree of least log loss, at most 1000: rows on which the prediction is of no use, or misleads, get that.
/// Least is -sum_i (y_i log P_i + (1 - y_i) log(1 - P_i)) + 1/2 0.001 (1 / degree - 1)^2, so that it stays finite.
/// predicted, scores [rows], each between 0 and 1. Errors: sizes that differ, no rows, a value out of range.
inline result<temperature> fit_temperature(std::span<const double> predicted, std::span<const double> scores) {
    if (auto fault = detail::fault_in_rows(predicted, scores)) return *fault;
    const auto [slope] = detail::fitted_line<1>(predicted, scores, 0, {1});
    return temperature{1 / std::max(slope, 1e-3)};
}

/// Slope and intercept of least log loss, among slopes that are not negative: a calibration does not turn the order
/// round. Least is -sum_i (y_i log P_i + (1 - y_i) log(1 - P_i)) + 1/2 0.001 ((slope - 1)^2 + intercept^2).
/// predicted, scores [rows], each between 0 and 1. Errors: sizes that differ, no rows, a value out of range.
inline result<platt> fit_platt(std::span<const double> predicted, std::span<const double> scores) {
    if (auto fault = detail::fault_in_rows(predicted, scores)) return *fault;
    const auto [slope, intercept] = detail::fitted_line<2>(predicted, scores, 0, {1, 0});
    if (slope >= 0) return platt{slope, intercept};
    const auto [level] = detail::fitted_line<1>(predicted, scores, 1, {0});
    return platt{0, level};
}

/// The rising step function of least squared error (pool adjacent violators), made continuous: rows of equal prediction
/// are one block; a block whose mean score is below that of the block before it is joined with it, until none is. A
/// point is at a block's mean prediction, and its value the mean score, kept between 1 / (rows + 2) and
/// 1 - 1 / (rows + 2): no more is certain after so many rows.
/// predicted, scores [rows], each between 0 and 1. Errors: sizes that differ, no rows, a value out of range.
/// Source: Ayer et al., "An empirical distribution function for sampling with incomplete information", 1955.
inline result<isotonic> fit_isotonic(std::span<const double> predicted, std::span<const double> scores) {
    if (auto fault = detail::fault_in_rows(predicted, scores)) return *fault;
    struct block {
        double predictions = 0;
        double scores = 0;
        double rows = 0;
    };
    std::vector<std::size_t> order(predicted.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return predicted[a] != predicted[b] ? predicted[a] < predicted[b] : a < b;
    });
    std::vector<block> blocks;
    const auto join_last = [&] {
        const block last = blocks.back();
        blocks.pop_back();
        blocks.back().predictions += last.predictions;
        blocks.back().scores += last.scores;
        blocks.back().rows += last.rows;
    };
    for (std::size_t k = 0; k < order.size();) {
        const double here = predicted[order[k]];
        block equals;
        for (; k < order.size() && predicted[order[k]] == here; ++k) {
            equals.predictions += here;
            equals.scores += scores[order[k]];
            equals.rows += 1;
        }
        blocks.push_back(equals);
        while (blocks.size() > 1) {
            const block& last = blocks.back();
            const block& before = blocks[blocks.size() - 2];
            if (before.scores * last.rows <= last.scores * before.rows) break;
            join_last();
        }
    }
    const double least = 1 / (static_cast<double>(predicted.size()) + 2);
    isotonic out;
    for (const block& each : blocks) {
        const double centre = each.predictions / each.rows;
        if (!out.at.empty() && centre <= out.at.back()) continue;  // two predictions that differ by rounding alone
        const double level = std::clamp(each.scores / each.rows, least, 1 - least);
        out.value.push_back(out.value.empty() ? level : std::max(level, out.value.back()));
        out.at.push_back(centre);
    }
    return out;
}

/// One of the four, as fit_calibration() chose it; by default none.
struct calibration {
    std::variant<uncalibrated, temperature, platt, isotonic> method{};
    double log_loss = 0;          ///< of the chosen one on held-out rows, in nats a row
    double log_loss_of_none = 0;  ///< of the predictions as they are

    double operator()(double p) const noexcept {
        return with_method([&](const auto& chosen) { return chosen(p); });
    }

    /// "none", "temperature", "platt" or "isotonic".
    std::string_view name() const noexcept {
        return with_method([](const auto& chosen) { return chosen.name; });
    }

private:
    // Not std::visit(), which may throw.
    template <class Use>
    std::invoke_result_t<const Use&, uncalibrated> with_method(const Use& use) const noexcept {
        if (const auto* chosen = std::get_if<temperature>(&method)) return use(*chosen);
        if (const auto* chosen = std::get_if<platt>(&method)) return use(*chosen);
        if (const auto* chosen = std::get_if<isotonic>(&method)) return use(*chosen);
        return use(uncalibrated{});
    }
};

/// Of none, temperature, platt and isotonic the one of least log loss on held-out rows, fitted to all rows. The first
/// of these within 1e-9 nats a row of the least is taken: a tie goes to the simpler.
///   log loss = mean over rows of -(y log P + (1 - y) log(1 - P)),   P by the method fitted to the other folds
/// with P kept 1e-12 away from 0 and 1.
/// Rows are dealt to `folds` folds by a shuffle that `seed` alone determines, on every platform. Several answers to one
/// prompt should be one row (their mean): the folds do not know which rows belong together.
/// predicted, scores [rows], each between 0 and 1.
/// Errors: sizes that differ, no rows, a value out of range, fewer than 2 folds or more than rows.
inline result<calibration> fit_calibration(std::span<const double> predicted, std::span<const double> scores,
                                           std::size_t folds = 5, std::uint64_t seed = 1) {
    if (auto fault = detail::fault_in_rows(predicted, scores)) return *fault;
    const std::size_t rows = predicted.size();
    if (folds < 2 || folds > rows)
        return error{errc::out_of_range, "there must be 2 folds or more and a row for each, got " +
                                             std::to_string(folds) + " folds and " + std::to_string(rows) + " rows"};

    std::vector<std::size_t> order(rows);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t k = rows; k > 1; --k) {
        // splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014
        std::uint64_t x = seed += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        x ^= x >> 31;
        std::swap(order[k - 1], order[static_cast<std::size_t>(x % k)]);
    }

    std::array<double, 4> losses{};
    std::vector<double> known_predicted, known_scores;
    for (std::size_t fold = 0; fold < folds; ++fold) {
        known_predicted.clear();
        known_scores.clear();
        for (std::size_t k = 0; k < rows; ++k)
            if (k % folds != fold) {
                known_predicted.push_back(predicted[order[k]]);
                known_scores.push_back(scores[order[k]]);
            }
        const auto by_temperature = fit_temperature(known_predicted, known_scores);
        const auto by_platt = fit_platt(known_predicted, known_scores);
        const auto by_isotonic = fit_isotonic(known_predicted, known_scores);
        for (std::size_t k = fold; k < rows; k += folds) {
            const double p = predicted[order[k]];
            const double each[] = {p, (*by_temperature)(p), (*by_platt)(p), (*by_isotonic)(p)};
            for (std::size_t m = 0; m < losses.size(); ++m)
                losses[m] += detail::log_loss(detail::log_odds(each[m]), scores[order[k]]) / static_cast<double>(rows);
        }
    }

    const double least = *std::min_element(losses.begin(), losses.end());
    std::size_t best = 0;
    while (losses[best] > least + 1e-9) ++best;
    calibration out;
    if (best == 1) out.method = *fit_temperature(predicted, scores);
    if (best == 2) out.method = *fit_platt(predicted, scores);
    if (best == 3) out.method = *fit_isotonic(predicted, scores);
    out.log_loss = losses[best];
    out.log_loss_of_none = losses[0];
    return out;
}

/// One number for another, or one for each endpoint: calibrate(p), or calibrate(place, p).
template <class C>
concept probability_map = std::is_nothrow_invocable_r_v<double, const C&, double> ||
                          std::is_nothrow_invocable_r_v<double, const C&, const endpoint&, double>;

/// A predictor whose probabilities go through a calibration: P = calibrate(P_predictor(place)), or, where endpoints
/// need different ones, calibrate(place, P_predictor(place)). A difficulty is a view of this predictor, which must
/// outlive it; in a router it does.
template <difficulty_predictor Predictor, probability_map Calibration>
class calibrated_difficulty {
    using read = std::invoke_result_t<const Predictor&, std::span<const message>>;

public:
    /// What the predictor read, and the calibration.
    struct difficulty {
        read own;
        const Calibration* calibrate;

        double operator()(const endpoint& place) const noexcept {
            if constexpr (std::is_invocable_v<const Calibration&, const endpoint&, double>)
                return (*calibrate)(place, own(place));
            else return (*calibrate)(own(place));
        }
    };

    constexpr calibrated_difficulty(Predictor predictor, Calibration calibrate)
        : predictor_(std::move(predictor)), calibrate_(std::move(calibrate)) {}

    constexpr difficulty operator()(std::span<const message> dialogue) const noexcept {
        return {predictor_(dialogue), &calibrate_};
    }

private:
    Predictor predictor_;
    Calibration calibrate_;
};

// --- thresholds ----------------------------------------------------------------------------------

/// Large iff score > theta, and what that gives on the rows it was chosen on. theta lies halfway between two scores;
/// it is the lowest or the largest double where all or no rows go to large, which can be stored and compared.
struct threshold {
    double theta = 0;
    double call_rate = 0;  ///< share of the rows that go to large
    double reached = 0;    ///< what was aimed at: call rate, mean quality or mean cost
    bool met = true;       ///< the aim; otherwise this is the threshold that comes nearest
};

namespace detail {

/// What is wrong with columns of a table, if anything.
inline std::optional<error> fault_in_columns(
    std::initializer_list<std::pair<std::string_view, std::span<const double>>> columns) {
    const auto& [first_name, first] = *columns.begin();
    for (const auto& [name, column] : columns) {
        if (column.size() != first.size())
            return error{errc::malformed, std::string(name) + " must be as long as " + std::string(first_name) + ", " +
                                              std::to_string(first.size()) + ", got " + std::to_string(column.size())};
        if (auto fault = fault_unless_finite(column, name)) return fault;
    }
    if (first.empty()) return error{errc::out_of_range, "there must be at least one row"};
    return std::nullopt;
}

/// Calls at_cut(theta, calls, order) for each set {score > theta}, from none to all: order[0, calls) is the set.
template <class AtCut>
void for_each_cut(std::span<const double> score, const AtCut& at_cut) {
    std::vector<std::size_t> order(score.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
    at_cut(std::numeric_limits<double>::max(), std::size_t{0}, std::span<const std::size_t>(order));
    for (std::size_t calls = 1; calls < order.size(); ++calls) {
        const double above = score[order[calls - 1]];
        const double below = score[order[calls]];
        if (above == below) continue;
        const double middle = below / 2 + above / 2;
        at_cut(middle < above && middle >= below ? middle : below, calls, std::span<const std::size_t>(order));
    }
    at_cut(std::numeric_limits<double>::lowest(), order.size(), std::span<const std::size_t>(order));
}

/// The mean over rows of `large` where a row is called and of `small` elsewhere, as calls are added.
class mixed_mean {
public:
    mixed_mean(std::span<const double> small, std::span<const double> large) : small_(small), large_(large) {
        for (const double each : small) sum_ += each;
    }
    /// Of the first `calls` of `order`; from one call to the next, `calls` must not fall.
    double up_to(std::size_t calls, std::span<const std::size_t> order) {
        for (; done_ < calls; ++done_) sum_ += large_[order[done_]] - small_[order[done_]];
        return sum_ / static_cast<double>(small_.size());
    }

private:
    std::span<const double> small_;
    std::span<const double> large_;
    std::size_t done_ = 0;
    double sum_ = 0;
};

inline std::vector<double> gaps(std::span<const double> p_small, std::span<const double> p_large) {
    std::vector<double> gap(std::min(p_small.size(), p_large.size()));
    for (std::size_t i = 0; i < gap.size(); ++i) gap[i] = p_large[i] - p_small[i];
    return gap;
}

/// Sums of doubles are exact to about this; an aim that is missed by less is met.
inline bool at_least(double value, double wanted) noexcept {
    return value >= wanted - 1e-12 * std::max(1.0, std::abs(wanted));
}

}  // namespace detail

/// The threshold under which as many rows as possible, but no more than a share `rate`, go to large. Rows of one score
/// go together, so fewer may. It can always be met: by no call at all.
/// score [rows], any finite number (a gap p_large - p_small, or 1 - p_small as score_threshold has it); rate in 0..1.
/// Errors: no rows, a score that is not finite, a rate out of range.
inline result<threshold> threshold_for_call_rate(std::span<const double> score, double rate) {
    if (auto fault = detail::fault_in_columns({{"score", score}})) return *fault;
    if (!(rate >= 0 && rate <= 1))
        return error{errc::out_of_range, "a call rate must be between 0 and 1, got " + std::to_string(rate)};
    threshold out;
    detail::for_each_cut(score, [&](double theta, std::size_t calls, std::span<const std::size_t> order) {
        const double share = static_cast<double>(calls) / static_cast<double>(order.size());
        if (detail::at_least(rate, share)) out = {theta, share, share, true};
    });
    return out;
}

/// The threshold of fewest calls whose mean predicted quality is `wanted` or more:
///   quality = mean over rows of (score > theta ? p_large : p_small)
/// Where none reaches it, the one of the highest quality, of fewest calls among equals, and met = false.
/// score [rows], any finite number; p_small, p_large [rows], each between 0 and 1.
/// Errors: sizes that differ, no rows, a value out of range, a `wanted` that is not finite.
inline result<threshold> threshold_for_quality(std::span<const double> score, std::span<const double> p_small,
                                               std::span<const double> p_large, double wanted) {
    if (auto fault = detail::fault_in_columns({{"p_small", p_small}, {"p_large", p_large}, {"score", score}}))
        return *fault;
    if (auto fault = detail::fault_unless_probability(p_small, "p_small")) return *fault;
    if (auto fault = detail::fault_unless_probability(p_large, "p_large")) return *fault;
    if (!std::isfinite(wanted))
        return error{errc::out_of_range, "the wanted quality must be finite, got " + std::to_string(wanted)};
    threshold out{.reached = -1, .met = false};
    detail::mixed_mean quality(p_small, p_large);
    detail::for_each_cut(score, [&](double theta, std::size_t calls, std::span<const std::size_t> order) {
        const double mean = quality.up_to(calls, order);
        if (out.met || mean <= out.reached + 1e-12) return;
        out = {theta, static_cast<double>(calls) / static_cast<double>(order.size()), mean,
               detail::at_least(mean, wanted)};
    });
    return out;
}

/// The same by the predicted gap: score = p_large - p_small.
inline result<threshold> threshold_for_quality(std::span<const double> p_small, std::span<const double> p_large,
                                               double wanted) {
    return threshold_for_quality(detail::gaps(p_small, p_large), p_small, p_large, wanted);
}

/// The threshold of the highest mean predicted quality whose mean cost is `budget` or less, of fewest calls among
/// equals:
///   cost = mean over rows of (score > theta ? cost_large : cost_small),   quality as for threshold_for_quality
/// So it does not spend on calls that are predicted to gain nothing. Where none is within the budget, the cheapest, of
/// fewest calls among equals, and met = false. `reached` is the cost.
/// score, cost_small, cost_large [rows], any finite numbers, costs and budget in one unit; p_small, p_large [rows],
/// each between 0 and 1. Errors: sizes that differ, no rows, a value out of range, a budget that is not finite.
inline result<threshold> threshold_for_cost(std::span<const double> score, std::span<const double> p_small,
                                            std::span<const double> p_large, std::span<const double> cost_small,
                                            std::span<const double> cost_large, double budget) {
    if (auto fault = detail::fault_in_columns({{"p_small", p_small},
                                               {"p_large", p_large},
                                               {"cost_small", cost_small},
                                               {"cost_large", cost_large},
                                               {"score", score}}))
        return *fault;
    if (auto fault = detail::fault_unless_probability(p_small, "p_small")) return *fault;
    if (auto fault = detail::fault_unless_probability(p_large, "p_large")) return *fault;
    if (!std::isfinite(budget))
        return error{errc::out_of_range, "the budget must be finite, got " + std::to_string(budget)};
    threshold out{.reached = std::numeric_limits<double>::max(), .met = false};
    double best_quality = -1;
    detail::mixed_mean quality(p_small, p_large), cost(cost_small, cost_large);
    detail::for_each_cut(score, [&](double theta, std::size_t calls, std::span<const std::size_t> order) {
        const double mean_quality = quality.up_to(calls, order);
        const double mean_cost = cost.up_to(calls, order);
        const bool within = detail::at_least(budget, mean_cost);
        const bool better = within ? !out.met || mean_quality > best_quality + 1e-12
                                   : !out.met && !detail::at_least(mean_cost, out.reached);
        if (!better) return;
        out = {theta, static_cast<double>(calls) / static_cast<double>(order.size()), mean_cost, within};
        best_quality = mean_quality;
    });
    return out;
}

/// The same by the predicted gap: score = p_large - p_small.
inline result<threshold> threshold_for_cost(std::span<const double> p_small, std::span<const double> p_large,
                                            std::span<const double> cost_small, std::span<const double> cost_large,
                                            double budget) {
    return threshold_for_cost(detail::gaps(p_small, p_large), p_small, p_large, cost_small, cost_large, budget);
}

}  // namespace qlroute
