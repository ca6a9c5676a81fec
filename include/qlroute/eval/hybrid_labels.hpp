// What Hybrid LLM trains its router on (arXiv 2404.14618, section 3): labels of 1 where the small model is good enough,
// from the scores of both models' answers.
//
//   const auto y = eval::transformed_labels(small_scores, large_scores);
//   if (!y) return complain(y.error().message);
//   train(prompts, y->labels);
#pragma once

#include <qlroute/core/result.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace qlroute::eval {

namespace detail {

/// What is wrong with two columns of scores, if anything.
inline std::optional<error> fault_in_scores(std::span<const double> small, std::span<const double> large,
                                            std::size_t responses) {
    if (small.size() != large.size())
        return error{errc::malformed, "the large model's scores must be as many as the small one's, " +
                                          std::to_string(small.size()) + ", got " + std::to_string(large.size())};
    if (small.empty()) return error{errc::out_of_range, "there must be at least one row"};
    if (responses == 0 || small.size() % responses != 0)
        return error{errc::malformed, std::to_string(small.size()) + " scores are no whole number of rows of " +
                                          std::to_string(responses) + " responses"};
    for (std::size_t i = 0; i < small.size(); ++i)
        for (const auto& [name, column] : {std::pair{"small", small}, std::pair{"large", large}})
            if (!std::isfinite(column[i]))
                return error{errc::out_of_range, std::string(name) + "[" + std::to_string(i) +
                                                     "] must be finite, got " + std::to_string(column[i])};
    return std::nullopt;
}

}  // namespace detail

/// r_det:  y = 1[q_small >= q_large].
/// small, large [rows]: a score of one answer each. Errors: sizes that differ, no rows, a score that is not finite.
inline result<std::vector<double>> deterministic_labels(std::span<const double> small, std::span<const double> large) {
    if (auto fault = detail::fault_in_scores(small, large, 1)) return *fault;
    std::vector<double> y(small.size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = small[i] >= large[i] ? 1 : 0;
    return y;
}

/// r_prob from repeated answers:  y = P(q_small >= q_large), as the share of all pairs of answers.
/// small, large [rows, responses], row-major. Errors: as above, and scores that are no whole number of rows.
inline result<std::vector<double>> probabilistic_labels(std::span<const double> small, std::span<const double> large,
                                                        std::size_t responses) {
    if (auto fault = detail::fault_in_scores(small, large, responses)) return *fault;
    std::vector<double> y(small.size() / responses, 0);
    for (std::size_t i = 0; i < y.size(); ++i) {
        for (std::size_t a = i * responses; a < (i + 1) * responses; ++a)
            for (std::size_t b = i * responses; b < (i + 1) * responses; ++b) y[i] += small[a] >= large[b] ? 1 : 0;
        y[i] /= static_cast<double>(responses * responses);
    }
    return y;
}

/// r_prob where there is one answer each:  y = 1 / (1 + exp(-(q_small - q_large) / tau)).
/// Source: ulab-uiuc/LLMRouter llmrouter/models/hybrid_llm/router.py@0deebe4, with its tau. Errors: as above, and a tau
/// that is not above 0.
inline result<std::vector<double>> smooth_labels(std::span<const double> small, std::span<const double> large,
                                                 double tau = 0.1) {
    if (auto fault = detail::fault_in_scores(small, large, 1)) return *fault;
    if (!(tau > 0)) return error{errc::out_of_range, "tau must be above 0, got " + std::to_string(tau)};
    std::vector<double> y(small.size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = 1 / (1 + std::exp(-(small[i] - large[i]) / tau));
    return y;
}

/// Labels that forgive the small model a gap of up to t.
struct forgiving_labels {
    std::vector<double> labels;
    double t = 0;
    double separation = 0;  ///< sum over i, j of |y_i - y_j| / rows^2, at t
};

/// r_trans:  y(t) = P(q_small >= q_large - t), over all pairs of answers as in probabilistic_labels(), at the t >= 0 of
/// the largest  sum over i, j of |y_i(t) - y_j(t)| / rows^2,  among equals the least.
/// The condition is read as q_small - q_large >= -t. Every t at which a label changes is tried, so that t is exact; the
/// paper searches a grid. Takes time rows responses^2 (log(rows responses) + responses^2).
/// small, large [rows, responses], row-major. Errors: as in probabilistic_labels().
inline result<forgiving_labels> transformed_labels(std::span<const double> small, std::span<const double> large,
                                                   std::size_t responses = 1) {
    if (auto fault = detail::fault_in_scores(small, large, responses)) return *fault;
    const std::size_t rows = small.size() / responses;
    const std::size_t pairs = responses * responses;
    std::vector<std::size_t> level(rows, 0);                  // pairs of the row that count at the present t
    std::vector<std::pair<double, std::size_t>> still_short;  // t at which one more pair of a row counts
    const auto each_pair = [&](std::size_t row, auto&& use) {
        for (std::size_t a = row * responses; a < (row + 1) * responses; ++a)
            for (std::size_t b = row * responses; b < (row + 1) * responses; ++b) use(small[a] - large[b]);
    };
    for (std::size_t row = 0; row < rows; ++row)
        each_pair(row, [&](double gap) {
            if (gap >= 0) ++level[row];
            else still_short.emplace_back(-gap, row);
        });
    std::sort(still_short.begin(), still_short.end());

    std::vector<std::size_t> rows_at(pairs + 1, 0);
    for (const std::size_t each : level) ++rows_at[each];
    // Between neighbouring levels lie (rows below) (rows above) pairs of rows, counted in both orders.
    const auto separation = [&] {
        double sum = 0;
        std::size_t below = 0;
        for (std::size_t k = 0; k < pairs; ++k) {
            below += rows_at[k];
            sum += 2 * static_cast<double>(below) * static_cast<double>(rows - below);
        }
        const auto n = static_cast<double>(rows);
        return sum / static_cast<double>(pairs) / (n * n);
    };

    forgiving_labels out{{}, 0, separation()};
    for (std::size_t next = 0; next < still_short.size();) {
        const double t = still_short[next].first;
        for (; next < still_short.size() && still_short[next].first == t; ++next) {
            std::size_t& of_row = level[still_short[next].second];
            --rows_at[of_row];
            ++rows_at[++of_row];
        }
        const double here = separation();
        if (here > out.separation) {
            out.t = t;
            out.separation = here;
        }
    }
    out.labels.assign(rows, 0);
    for (std::size_t row = 0; row < rows; ++row) {
        each_pair(row, [&](double gap) { out.labels[row] += gap >= -out.t ? 1 : 0; });
        out.labels[row] /= static_cast<double>(pairs);
    }
    return out;
}

}  // namespace qlroute::eval
