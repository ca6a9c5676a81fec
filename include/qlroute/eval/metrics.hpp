// How good are a router's predictions? What each number says: docs/evaluation.md.
//
//   const double area = eval::apgr(small_scores, large_scores, predicted_gap);
//   const auto better = eval::bootstrap(rows, [&](std::span<const std::size_t> picked) {   // a paired difference
//       const auto small = eval::take(small_scores, picked), large = eval::take(large_scores, picked);
//       return eval::apgr(small, large, eval::take(ours, picked)) - eval::apgr(small, large, eval::take(theirs,
//       picked));
//   });
//   if (better.low > 0) ...   // ours is better, and not by the luck of these rows
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/eval/random.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

/// Measures and baselines for whoever evaluates a router. They may allocate. All values are finite and of no unit;
/// spans of one call are of one length. Functions without state; thread-safe.
namespace qlroute::eval {

/// Probability that a right answer is scored above a wrong one; a tie counts half:
///
///     auc = (sum of the ranks of the right ones - P (P + 1) / 2) / (P N),   P right, N wrong, equal scores share a
///     rank
///
/// Labels are in 0..1 and right above 0.5. 0.5 is chance. NaN without a right or without a wrong one.
inline double auc(std::span<const double> label, std::span<const double> score) {
    QLROUTE_EXPECTS(label.size() == score.size());
    std::vector<std::pair<double, bool>> sorted;
    sorted.reserve(label.size());
    for (std::size_t i = 0; i < label.size(); ++i) sorted.emplace_back(score[i], label[i] > 0.5);
    std::sort(sorted.begin(), sorted.end());
    double right = 0, rank_sum = 0;
    for (std::size_t begin = 0, end = 0; begin < sorted.size(); begin = end) {
        double right_here = 0;
        for (; end < sorted.size() && sorted[end].first == sorted[begin].first; ++end)
            right_here += sorted[end].second ? 1 : 0;
        rank_sum += right_here * static_cast<double>(begin + 1 + end) / 2;  // ranks begin + 1 to end
        right += right_here;
    }
    const double wrong = static_cast<double>(sorted.size()) - right;
    if (right == 0 || wrong == 0) return std::numeric_limits<double>::quiet_NaN();
    return (rank_sum - right * (right + 1) / 2) / (right * wrong);
}

/// Mean of (probability - label)^2; 0 is perfect, a constant 0.5 has 0.25 on labels of 0 and 1. NaN of no rows.
inline double brier(std::span<const double> label, std::span<const double> probability) {
    QLROUTE_EXPECTS(label.size() == probability.size());
    double sum = 0;
    for (std::size_t i = 0; i < label.size(); ++i) {
        const double off = probability[i] - label[i];
        sum += off * off;
    }
    return sum / static_cast<double>(label.size());
}

/// One bin of a reliability diagram. The means of an empty bin are 0.
struct reliability_bin {
    double mean_probability = 0;
    double mean_label = 0;
    std::size_t count = 0;
};

/// What was predicted beside what happened, in `bins` equally wide bins of the probability: bin b holds
/// b / bins <= probability < (b + 1) / bins, the last one 1 as well. Precondition: there is a bin.
inline std::vector<reliability_bin> reliability(std::span<const double> label, std::span<const double> probability,
                                                std::size_t bins = 10) {
    QLROUTE_EXPECTS(label.size() == probability.size());
    QLROUTE_EXPECTS(bins > 0);
    std::vector<reliability_bin> all(bins);
    for (std::size_t i = 0; i < label.size(); ++i) {
        const double place = std::clamp(probability[i], 0.0, 1.0) * static_cast<double>(bins);
        reliability_bin& bin = all[std::min(static_cast<std::size_t>(place), bins - 1)];
        bin.mean_probability += probability[i];
        bin.mean_label += label[i];
        ++bin.count;
    }
    for (reliability_bin& bin : all) {
        if (bin.count == 0) continue;
        bin.mean_probability /= static_cast<double>(bin.count);
        bin.mean_label /= static_cast<double>(bin.count);
    }
    return all;
}

/// Sum over the bins of reliability() of count / rows x |mean label - mean probability|. NaN of no rows.
inline double expected_calibration_error(std::span<const double> label, std::span<const double> probability,
                                         std::size_t bins = 10) {
    double sum = 0;
    for (const reliability_bin& bin : reliability(label, probability, bins))
        sum += static_cast<double>(bin.count) * std::abs(bin.mean_label - bin.mean_probability);
    return sum / static_cast<double>(label.size());
}

namespace detail {

/// Point k is (quality - q_weak) / (q_strong - q_weak) when the k rows of the largest gap go to the strong model, among
/// equals the first. Empty where the strong model is not better.
inline std::vector<double> recovered_gap(std::span<const double> weak, std::span<const double> strong,
                                         std::span<const double> gap) {
    QLROUTE_EXPECTS(weak.size() == strong.size() && weak.size() == gap.size());
    std::vector<std::size_t> order(gap.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return gap[a] > gap[b]; });
    std::vector<double> curve{0};
    for (const std::size_t row : order) curve.push_back(curve.back() + (strong[row] - weak[row]));
    const double whole = curve.back();
    if (!(whole > 0)) return {};
    for (double& point : curve) point /= whole;
    return curve;
}

}  // namespace detail

/// Average performance gap recovered: the area under
///
///     PGR = (quality - q_weak) / (q_strong - q_weak)
///
/// over the share of calls that go to the strong model, from 0 to 1 in steps of one row (trapezoids), where `weak` and
/// `strong` are the scores of the two models' answers and the rows with the largest predicted `gap` go first, among
/// equals the first row. 0.5 is chance. NaN where the strong model is not better on the whole.
inline double apgr(std::span<const double> weak, std::span<const double> strong, std::span<const double> gap) {
    const auto curve = detail::recovered_gap(weak, strong, gap);
    if (curve.empty()) return std::numeric_limits<double>::quiet_NaN();
    double area = 0;
    for (std::size_t k = 1; k < curve.size(); ++k) area += (curve[k - 1] + curve[k]) / 2;
    return area / static_cast<double>(curve.size() - 1);
}

/// Call-performance threshold: the least share of calls to the strong model at which PGR, as in apgr() and linear
/// between its points, is at least `recovered`; 1 if that is never so before. NaN where the strong model is not better.
inline double cpt(std::span<const double> weak, std::span<const double> strong, std::span<const double> gap,
                  double recovered) {
    const auto curve = detail::recovered_gap(weak, strong, gap);
    if (curve.empty()) return std::numeric_limits<double>::quiet_NaN();
    if (recovered <= 0) return 0;
    for (std::size_t k = 1; k < curve.size(); ++k)
        if (curve[k] >= recovered) {
            const double within = (recovered - curve[k - 1]) / (curve[k] - curve[k - 1]);
            return (static_cast<double>(k - 1) + within) / static_cast<double>(curve.size() - 1);
        }
    return 1;
}

/// The values of those rows, in that order.
inline std::vector<double> take(std::span<const double> values, std::span<const std::size_t> rows) {
    std::vector<double> taken;
    taken.reserve(rows.size());
    for (const std::size_t row : rows) taken.push_back(values[row]);
    return taken;
}

/// A statistic of all rows and its 95 % interval.
struct estimate {
    double value = 0;
    double low = 0;
    double high = 0;
};

namespace detail {

/// Linear between the order statistics, as numpy.percentile is. NaN of nothing.
inline double quantile(std::span<const double> sorted, double share) {
    if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
    const double place = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace detail

/// `statistic` of all n rows, and the 2.5th and 97.5th percentile of it over `resamples` draws of n rows with
/// replacement. It is called with the numbers of the rows; resamples of which it is NaN do not count. The same seed
/// gives the same rows with every compiler.
///
/// The difference of two predictors on the same rows is *paired*: bootstrap the difference, with both read off the rows
/// of one call (above). Two intervals that overlap say little about it, for what makes a sample easy for one makes it
/// easy for the other.
template <class Statistic>
    requires std::invocable<const Statistic&, std::span<const std::size_t>>
estimate bootstrap(std::size_t n, const Statistic& statistic, std::size_t resamples = 1000, std::uint64_t seed = 1) {
    std::vector<std::size_t> rows(n);
    std::iota(rows.begin(), rows.end(), std::size_t{0});
    const auto of_rows = [&] { return static_cast<double>(statistic(std::span<const std::size_t>(rows))); };
    const double value = of_rows();
    keyed_random random(seed);
    std::vector<double> samples;
    samples.reserve(resamples);
    for (std::size_t k = 0; k < resamples; ++k) {
        for (std::size_t& row : rows) row = static_cast<std::size_t>(random.below(n));
        if (const double sample = of_rows(); !std::isnan(sample)) samples.push_back(sample);
    }
    std::sort(samples.begin(), samples.end());
    return {.value = value, .low = detail::quantile(samples, 0.025), .high = detail::quantile(samples, 0.975)};
}

}  // namespace qlroute::eval
