// What a router without any signal could have had: a fixed share of random rows to the large model, chosen in
// hindsight.
#pragma once

#include <qlroute/core/result.hpp>
#include <qlroute/core/units.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute::eval {

/// A share of random rows that go to the large model, and what that gives on average.
struct static_split {
    double share = 0;
    double score = 0;
    seconds latency{};
    seconds cost{};   ///< latency + price (1 - score)
    bool met = true;  ///< the least score; otherwise no share reaches it, and this one comes nearest
};

/// The share x of least expected cost on these rows, among equals the least:
///   cost(x) = mean of latency + price (1 - score),  a row at large with probability x,  x in 0..1
/// linear in x, so that without a least score it is 0 or 1. With one, only shares whose expected score is at least that
/// count; where small is cheaper that is the least such share, where large is cheaper the greatest.
/// Scores [rows], latencies [rows] in seconds; price = what a score of 1 is worth, >= 0.
/// Errors: no rows, sizes that differ, a value that is not finite, a price below 0.
inline result<static_split> best_static_split(std::span<const double> small_score,
                                              std::span<const double> small_latency,
                                              std::span<const double> large_score,
                                              std::span<const double> large_latency, seconds price,
                                              double least_score = -std::numeric_limits<double>::infinity()) {
    const std::pair<std::string_view, std::span<const double>> columns[] = {{"small_score", small_score},
                                                                            {"small_latency", small_latency},
                                                                            {"large_score", large_score},
                                                                            {"large_latency", large_latency}};
    if (small_score.empty()) return error{errc::out_of_range, "there must be at least one row"};
    for (const auto& [name, column] : columns) {
        if (column.size() != small_score.size())
            return error{errc::malformed, std::string(name) + " must be as long as small_score, " +
                                              std::to_string(small_score.size()) + ", got " +
                                              std::to_string(column.size())};
        for (std::size_t i = 0; i < column.size(); ++i)
            if (!std::isfinite(column[i]))
                return error{errc::out_of_range, std::string(name) + "[" + std::to_string(i) +
                                                     "] must be finite, got " + std::to_string(column[i])};
    }
    if (!(price >= seconds(0)) || std::isinf(price.value()))
        return error{errc::out_of_range,
                     "the price of quality must be 0 or more and finite, got " + std::to_string(price.value())};
    if (std::isnan(least_score)) return error{errc::out_of_range, "the least score must be a number"};

    const auto mean = [](std::span<const double> column) {
        return std::accumulate(column.begin(), column.end(), 0.0) / static_cast<double>(column.size());
    };
    const double score[] = {mean(small_score), mean(large_score)};
    const seconds latency[] = {seconds(mean(small_latency)), seconds(mean(large_latency))};
    const auto at = [&](double share) {
        static_split out;
        out.share = share;
        out.score = (1 - share) * score[0] + share * score[1];
        out.latency = (1 - share) * latency[0] + share * latency[1];
        out.cost = out.latency + price * (1 - out.score);
        return out;
    };
    const bool small_reaches = score[0] >= least_score;
    const bool large_reaches = score[1] >= least_score;
    const bool small_is_cheaper = at(0).cost <= at(1).cost;
    if (small_reaches && large_reaches) return at(small_is_cheaper ? 0 : 1);
    if (!small_reaches && !large_reaches) {
        auto nearest = at(score[1] > score[0] ? 1 : 0);
        nearest.met = false;
        return nearest;
    }
    // One end reaches it, and the other does not: the border lies between.
    if (small_reaches == small_is_cheaper) return at(small_reaches ? 0 : 1);
    return at((least_score - score[0]) / (score[1] - score[0]));
}

}  // namespace qlroute::eval
