// A predictor, and what the host's engine knows besides: how sure the small model was of its first tokens, a probe of
// its hidden state, the distance to prompts that went well, a classifier of its own.
//
//   const auto confidence = [&](std::span<const message>) noexcept { return engine.mean_log_probability(); };
//   const named_fusion<1> weights[] = {{"phone", *fit_fusion<1>(logits, confidences, scores)}};
//   const router route{fused_difficulty{predictor, fusion_by_name{weights}, confidence}, objective, lowest_cost{}};
#pragma once

#include <qlroute/core/result.hpp>
#include <qlroute/difficulty/ability_fit.hpp>
#include <qlroute/difficulty/predictor.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace qlroute {

/// What one endpoint makes of the predictor's probability and of the signals.
///   P_fused = 1 / (1 + exp(-(bias + of_predictor logit(P) + sum_k of_signals[k] signal[k])))
///   logit(P) = log(P / (1 - P)), with P kept 1e-12 away from 0 and 1
/// P_fused = P where the sum is NaN: a signal that is NaN is not available for this prompt. A signal of weight 0 is not
/// looked at, so an endpoint that it says nothing about does without it. By default P_fused = P.
template <std::size_t Signals>
struct fusion {
    double bias = 0;
    double of_predictor = 1;
    std::array<double, Signals> of_signals{};

    double operator()(double p, const std::array<double, Signals>& signals) const noexcept {
        if (*this == fusion{}) return p;
        double logit = bias + of_predictor * detail::log_odds(p);
        for (std::size_t k = 0; k < Signals; ++k)
            if (of_signals[k] != 0) logit += of_signals[k] * signals[k];
        return std::isnan(logit) ? p : detail::logistic(logit);
    }

    friend bool operator==(const fusion&, const fusion&) = default;
};

/// A fact about the dialogue, as the host knows it at the moment of the decision, in any unit; NaN where it knows none.
/// Requirements: the call is const, noexcept, allocates nothing and may run in several threads at once.
template <class S>
concept dialogue_signal = requires(const S& signal, std::span<const message> dialogue) {
    { signal(dialogue) } noexcept -> std::convertible_to<double>;
};

/// weights(place) is the fusion of an endpoint, with one weight a signal.
/// Requirements: the call is const, noexcept and allocates nothing.
template <class W, std::size_t Signals>
concept fusion_weights = requires(const W& weights, const endpoint& place) {
    { weights(place) } noexcept -> std::convertible_to<const fusion<Signals>&>;
};

/// The fusion of the endpoint of that name. `endpoint` is a view.
template <std::size_t Signals>
struct named_fusion {
    std::string_view endpoint;
    fusion<Signals> weights{};
};

/// A table of them, which must outlive this; the first of a name counts. An endpoint that is not in it keeps the
/// predictor's own probability.
template <std::size_t Signals>
struct fusion_by_name {
    std::span<const named_fusion<Signals>> table;

    fusion<Signals> operator()(const endpoint& place) const noexcept {
        for (const auto& each : table)
            if (each.endpoint == place.name) return each.weights;
        return {};
    }
};
template <std::size_t Signals, std::size_t Rows>
fusion_by_name(const named_fusion<Signals> (&)[Rows]) -> fusion_by_name<Signals>;
template <std::size_t Signals, std::size_t Rows>
fusion_by_name(const std::array<named_fusion<Signals>, Rows>&) -> fusion_by_name<Signals>;
template <std::size_t Signals>
fusion_by_name(const std::vector<named_fusion<Signals>>&) -> fusion_by_name<Signals>;
template <std::size_t Signals>
fusion_by_name(std::span<const named_fusion<Signals>>) -> fusion_by_name<Signals>;

/// A predictor with signals: P(place) = weights(place)(P_predictor(place), signals). Each signal is read once a
/// dialogue, then any number of endpoints can be asked about. Give it a calibrated predictor
/// (calibrated_difficulty), since that is what counts where a signal is missing.
/// A difficulty is a view of this predictor's weights, which must outlive it; in a router they do. Allocates nothing;
/// as thread-safe as its parts.
template <difficulty_predictor Predictor, class Weights, dialogue_signal... Signals>
    requires fusion_weights<Weights, sizeof...(Signals)>
class fused_difficulty {
    using read = std::invoke_result_t<const Predictor&, std::span<const message>>;

public:
    /// What the predictor read, and what the signals said.
    struct difficulty {
        read own;
        std::array<double, sizeof...(Signals)> signals;
        const Weights* weights;

        double operator()(const endpoint& place) const noexcept { return (*weights)(place)(own(place), signals); }
    };

    constexpr fused_difficulty(Predictor predictor, Weights weights, Signals... signals)
        : predictor_(std::move(predictor)), weights_(std::move(weights)), signals_(std::move(signals)...) {}

    constexpr difficulty operator()(std::span<const message> dialogue) const noexcept {
        return std::apply(
            [&](const auto&... signal) noexcept {
                return difficulty{predictor_(dialogue), {static_cast<double>(signal(dialogue))...}, &weights_};
            },
            signals_);
    }

private:
    Predictor predictor_;
    Weights weights_;
    std::tuple<Signals...> signals_;
};

/// The fusion of one endpoint: logistic regression of its scores y on the predictor's logit and the signals. Least is
///   -sum_i (y_i log P_i + (1 - y_i) log(1 - P_i))
///     + ridge / 2 ((of_predictor - 1)^2 + sum_k variance_k of_signals[k]^2) + 10^-6 / 2 bias^2
/// so that few rows leave the predictor as it is. variance_k is that of signal k over the rows (1 where it is
/// constant): the unit of a signal does not matter. Rows of which a signal is NaN are left out. logits [rows] of the
/// predictor's probability, finite; signals [rows, Signals], row-major, finite or NaN; scores [rows], each between 0
/// and 1. Errors: sizes that do not match, no row with all signals, a value out of range, a ridge that is not above 0,
/// numbers so large that their squares overflow. Allocates; thread-safe.
template <std::size_t Signals>
result<fusion<Signals>> fit_fusion(std::span<const double> logits, std::span<const double> signals,
                                   std::span<const double> scores, double ridge = 1) {
    constexpr std::size_t dimensions = Signals + 1;
    const std::size_t rows = scores.size();
    if (logits.size() != rows || signals.size() != rows * Signals)
        return error{errc::malformed, std::to_string(rows) + " scores and " + std::to_string(Signals) +
                                          " signals need " + std::to_string(rows) + " logits and " +
                                          std::to_string(rows * Signals) + " values of signals, got " +
                                          std::to_string(logits.size()) + " and " + std::to_string(signals.size())};
    if (auto fault = detail::fault_unless_finite(logits, "logits")) return *fault;
    if (auto fault = detail::fault_in_values(signals, "signals", "finite, or NaN where there is none",
                                             [](double x) { return !std::isinf(x); }))
        return *fault;
    if (auto fault = detail::fault_unless_probability(scores, "scores")) return *fault;
    if (!(ridge > 0) || !std::isfinite(ridge))
        return error{errc::out_of_range, "ridge must be finite and more than 0, got " + std::to_string(ridge)};

    std::vector<double> known, known_scores;  // [n, 1 + Signals] and [n]
    for (std::size_t i = 0; i < rows; ++i) {
        const auto mine = signals.subspan(i * Signals, Signals);
        bool complete = true;
        for (const double each : mine) complete = complete && !std::isnan(each);
        if (!complete) continue;
        known.push_back(logits[i]);
        known.insert(known.end(), mine.begin(), mine.end());
        known_scores.push_back(scores[i]);
    }
    if (known_scores.empty()) return error{errc::out_of_range, "there must be at least one row with all its signals"};

    ability_prior prior{std::vector<double>(dimensions + 1), std::vector<double>((dimensions + 1) * (dimensions + 1))};
    prior.mean[0] = 1;
    const auto set_precision = [&](std::size_t k, double value) { prior.precision[k * (dimensions + 1) + k] = value; };
    set_precision(0, ridge);
    set_precision(dimensions, 1e-6);
    const double n = static_cast<double>(known_scores.size());
    for (std::size_t k = 1; k < dimensions; ++k) {
        double mean = 0, variance = 0;
        for (std::size_t i = 0; i < known_scores.size(); ++i) mean += known[i * dimensions + k] / n;
        for (std::size_t i = 0; i < known_scores.size(); ++i) {
            const double off = known[i * dimensions + k] - mean;
            variance += off * off / n;
        }
        const bool constant = variance <= 1e-24 * mean * mean;  // but for rounding
        set_precision(k, ridge * (constant ? 1 : variance));
    }

    const auto fitted = fit_ability(known, known_scores, prior);
    if (!fitted)
        return error{errc::out_of_range, "the logits or the signals are too large to be computed with; scale them"};
    fusion<Signals> out{.bias = fitted->bias, .of_predictor = fitted->weights[0]};
    for (std::size_t k = 0; k < Signals; ++k) out.of_signals[k] = fitted->weights[k + 1];
    return out;
}

}  // namespace qlroute
