// What an endpoint can do, in the directions in which prompts are hard, fitted to its answers.
//
//   const auto edge = fit_ability(difficulties, scores, ability_prior::independent({1, 0.5, 0}, 2));
//   if (!edge) return complain(edge.error().message);
//   double p = edge->success(theta);             // P(good answer)
//   auto [low, high] = edge->interval(theta);    // and how sure that is
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/core/result.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

namespace detail {

inline double logistic(double x) noexcept { return 1 / (1 + std::exp(-x)); }

/// log(p / (1 - p)), with p kept 1e-12 away from 0 and 1: between -27.6 and 27.6. NaN stays NaN.
inline double log_odds(double p) noexcept {
    constexpr double least = 1e-12;
    const double inside = p < least ? least : p > 1 - least ? 1 - least : p;
    return std::log(inside) - std::log1p(-inside);
}

/// -(y log P + (1 - y) log(1 - P)) with P = logistic(logit), for logits of any size.
inline double log_loss(double logit, double y) noexcept {
    return std::log1p(std::exp(-std::abs(logit))) + std::max(logit, 0.0) - y * logit;
}

/// The lower triangle of a [n, n], row-major, becomes L with a = L L'; what is above the diagonal is not read.
/// False if a is not positive definite (or not finite).
inline bool cholesky(std::span<double> a, std::size_t n) noexcept {
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = a[i * n + j];
            for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
            if (i == j) {
                if (!(sum > 0) || !std::isfinite(sum)) return false;
                a[i * n + i] = std::sqrt(sum);
            } else {
                a[i * n + j] = sum / a[j * n + j];
            }
        }
    return true;
}

/// x of L L' x = b, in the place of b.
inline void cholesky_solve(std::span<const double> l, std::size_t n, std::span<double> b) noexcept {
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < i; ++k) b[i] -= l[i * n + k] * b[k];
        b[i] /= l[i * n + i];
    }
    for (std::size_t i = n; i-- > 0;) {
        for (std::size_t k = i + 1; k < n; ++k) b[i] -= l[k * n + i] * b[k];
        b[i] /= l[i * n + i];
    }
}

/// Where a penalised logistic regression is least, and the inverse of its Hessian there, row-major.
struct logistic_optimum {
    std::vector<double> at;
    std::vector<double> covariance;
};

/// The least of
///   F(x) = sum_i log_loss(sum_k x_k feature(i, k), scores[i]) + 1/2 (x - mean)' precision (x - mean)
/// by Newton's method. F is strictly convex if precision is positive definite, so there is one least point, and a step
/// that is halved until it descends enough (Armijo) leads to it from anywhere. Nothing if the numbers overflow.
template <class Feature>
std::optional<logistic_optimum> least_logistic(const Feature& feature, std::span<const double> scores,
                                               std::span<const double> mean, std::span<const double> precision) {
    constexpr std::size_t most_steps = 1000;
    constexpr std::size_t most_halvings = 100;
    const std::size_t n = mean.size();
    std::vector<double> x(mean.begin(), mean.end()), next(n), gradient(n), step(n), row(n), hessian(n * n);

    const auto logit_of_row = [&](std::size_t i, const std::vector<double>& at) {
        double logit = 0;
        for (std::size_t k = 0; k < n; ++k) logit += at[k] * (row[k] = feature(i, k));
        return logit;
    };
    const auto value = [&](const std::vector<double>& at) {
        double sum = 0;
        for (std::size_t i = 0; i < scores.size(); ++i) sum += log_loss(logit_of_row(i, at), scores[i]);
        for (std::size_t j = 0; j < n; ++j)
            for (std::size_t k = 0; k < n; ++k)
                sum += 0.5 * (at[j] - mean[j]) * precision[j * n + k] * (at[k] - mean[k]);
        return sum;
    };
    // Gradient and Hessian at x, and the Hessian taken apart.
    const auto differentiate = [&] {
        std::copy(precision.begin(), precision.end(), hessian.begin());
        for (std::size_t j = 0; j < n; ++j) {
            gradient[j] = 0;
            for (std::size_t k = 0; k < n; ++k) gradient[j] += precision[j * n + k] * (x[k] - mean[k]);
        }
        for (std::size_t i = 0; i < scores.size(); ++i) {
            const double p = logistic(logit_of_row(i, x));
            for (std::size_t j = 0; j < n; ++j) {
                gradient[j] += (p - scores[i]) * row[j];
                for (std::size_t k = 0; k <= j; ++k) hessian[j * n + k] += p * (1 - p) * row[j] * row[k];
            }
        }
        return cholesky(hessian, n);
    };

    double now = value(x);
    bool arrived = false;
    for (std::size_t steps = 0; !arrived; ++steps) {
        if (steps == most_steps || !std::isfinite(now) || !differentiate()) return std::nullopt;
        step = gradient;
        cholesky_solve(hessian, n, step);
        double decrement = 0;  // twice what the quadratic model expects to gain
        for (std::size_t k = 0; k < n; ++k) decrement += gradient[k] * step[k];
        if (!std::isfinite(decrement)) return std::nullopt;
        arrived = decrement <= 1e-12 * (1 + now);  // this step is the last
        bool descended = false;
        double share = 1;
        for (std::size_t halvings = 0; !descended && halvings < most_halvings; ++halvings, share /= 2) {
            for (std::size_t k = 0; k < n; ++k) next[k] = x[k] - share * step[k];
            const double there = value(next);
            descended = there <= now - 1e-4 * share * decrement;
            if (descended) now = there;
        }
        if (descended) std::swap(x, next);
        arrived = arrived || !descended;  // no descent is left that the sum could show
    }

    if (!differentiate()) return std::nullopt;
    logistic_optimum out{std::move(x), std::vector<double>(n * n)};
    for (std::size_t k = 0; k < n; ++k) {
        std::fill(step.begin(), step.end(), 0.0);
        step[k] = 1;
        cholesky_solve(hessian, n, step);
        for (std::size_t j = 0; j < n; ++j) out.covariance[j * n + k] = step[j];
    }
    return out;
}

/// What is wrong with numbers that should all be `right`, if anything.
template <class Right>
std::optional<error> fault_in_values(std::span<const double> values, std::string_view name, std::string_view expected,
                                     const Right& right) {
    for (std::size_t i = 0; i < values.size(); ++i)
        if (!right(values[i]))
            return error{errc::out_of_range, std::string(name) + "[" + std::to_string(i) + "] must be " +
                                                 std::string(expected) + ", got " + std::to_string(values[i])};
    return std::nullopt;
}
inline std::optional<error> fault_unless_finite(std::span<const double> values, std::string_view name) {
    return fault_in_values(values, name, "finite", [](double x) { return std::isfinite(x); });
}
inline std::optional<error> fault_unless_probability(std::span<const double> values, std::string_view name) {
    return fault_in_values(values, name, "between 0 and 1", [](double x) { return x >= 0 && x <= 1; });
}

}  // namespace detail

/// What is known of an ability before an answer was seen: x = (weights, bias) is normal with this mean and this
/// inverse covariance. From a population of known models: their mean, and the inverse of their covariance.
struct ability_prior {
    std::vector<double> mean;       ///< [D + 1]: the weights, then the bias
    std::vector<double> precision;  ///< [D + 1, D + 1], row-major; symmetric, positive definite

    /// Every weight, and the bias, by itself within about `deviation` of its mean.
    static ability_prior independent(std::vector<double> mean, double deviation) {
        const std::size_t n = mean.size();
        ability_prior out{std::move(mean), std::vector<double>(n * n)};
        for (std::size_t k = 0; k < n; ++k) out.precision[k * n + k] = 1 / (deviation * deviation);
        return out;
    }
};

/// Two bounds of a probability.
struct probability_interval {
    double low = 0;
    double high = 1;
};

/// The ability of one endpoint, x = (weights, bias), with what is left open after `rows` answers.
///   logit(theta) = weights . theta + bias,   success(theta) = P(good answer) = 1 / (1 + exp(-logit))
/// theta is the prompt's difficulty [D], in the coordinates of the rows it was fitted to. Const calls allocate nothing
/// and are thread-safe. Precondition of each: theta.size() == weights.size().
struct fitted_ability {
    std::vector<double> weights;     ///< [D]
    double bias = 0;                 ///< logit of a prompt of difficulty 0
    std::vector<double> covariance;  ///< [D + 1, D + 1], row-major: of the weights, then the bias
    std::size_t rows = 0;            ///< answers seen

    double logit(std::span<const double> theta) const noexcept {
        QLROUTE_EXPECTS(theta.size() == weights.size());
        double sum = bias;
        for (std::size_t k = 0; k < weights.size(); ++k) sum += weights[k] * theta[k];
        return sum;
    }

    double success(std::span<const double> theta) const noexcept { return detail::logistic(logit(theta)); }

    /// P at logit -+ z sqrt((theta, 1)' covariance (theta, 1)): z = 1.96 holds 95 % of the posterior. It says how well
    /// the ability is known, not how wrong theta may be.
    probability_interval interval(std::span<const double> theta, double z = 1.96) const noexcept {
        const std::size_t n = weights.size() + 1;
        QLROUTE_EXPECTS(covariance.size() == n * n);
        const auto at = [&](std::size_t k) { return k + 1 < n ? theta[k] : 1.0; };
        const double middle = logit(theta);
        double variance = 0;
        for (std::size_t j = 0; j < n; ++j)
            for (std::size_t k = 0; k < n; ++k) variance += at(j) * covariance[j * n + k] * at(k);
        const double half = z * std::sqrt(std::max(variance, 0.0));
        return {detail::logistic(middle - half), detail::logistic(middle + half)};
    }
};

/// The most probable ability (multidimensional item response theory, two-parameter logistic, items known): least is
///   -sum_i (y_i log P_i + (1 - y_i) log(1 - P_i)) + 1/2 (x - mean)' precision (x - mean),   P_i = success(theta_i)
/// difficulties [rows, D], row-major; scores y [rows], each between 0 and 1 (a share of good answers counts as one
/// row); D = prior.mean.size() - 1, and may be 0. `covariance` is the inverse Hessian there (Laplace's approximation).
/// The prior keeps every ability finite, also that of an endpoint which answers everything well.
/// Errors: sizes that do not match, no rows, a difficulty that is not finite, a score that is not between 0 and 1, a
/// prior that is not finite, symmetric and positive definite, numbers so large that their squares overflow.
/// Allocates; thread-safe. A step of Newton's method costs rows D^2 / 2; usually it takes five to ten.
/// Source: M. D. Reckase, "Multidimensional Item Response Theory", 2009, ch. 4 and 6.
inline result<fitted_ability> fit_ability(std::span<const double> difficulties, std::span<const double> scores,
                                          const ability_prior& prior) {
    const auto number = [](std::size_t count) { return std::to_string(count); };
    const std::size_t n = prior.mean.size();
    if (n == 0 || prior.precision.size() != n * n)
        return error{errc::malformed, "a prior needs a mean [D + 1] and a precision [D + 1, D + 1], got " + number(n) +
                                          " and " + number(prior.precision.size()) + " numbers"};
    const std::size_t dimensions = n - 1;
    if (difficulties.size() != scores.size() * dimensions)
        return error{errc::malformed, number(scores.size()) + " scores and a prior of " + number(dimensions) +
                                          " dimensions need " + number(scores.size() * dimensions) +
                                          " difficulties, got " + number(difficulties.size())};
    if (scores.empty()) return error{errc::out_of_range, "there must be at least one row"};

    if (auto fault = detail::fault_unless_finite(difficulties, "difficulties")) return *fault;
    if (auto fault = detail::fault_unless_probability(scores, "scores")) return *fault;
    if (auto fault = detail::fault_unless_finite(prior.mean, "the prior's mean")) return *fault;
    if (auto fault = detail::fault_unless_finite(prior.precision, "the prior's precision")) return *fault;
    std::vector<double> root = prior.precision;
    if (!detail::cholesky(root, n))
        return error{errc::out_of_range, "the prior's precision must be positive definite, and is not"};
    for (std::size_t j = 0; j < n; ++j)
        for (std::size_t k = 0; k < j; ++k) {
            const double below = prior.precision[j * n + k];
            const double above = prior.precision[k * n + j];
            const double scale = std::sqrt(prior.precision[j * n + j]) * std::sqrt(prior.precision[k * n + k]);
            if (std::abs(below - above) > 1e-9 * scale)
                return error{errc::out_of_range, "the prior's precision must be symmetric, but [" + number(j) + ", " +
                                                     number(k) + "] is " + std::to_string(below) + " and [" +
                                                     number(k) + ", " + number(j) + "] is " + std::to_string(above)};
        }

    auto optimum = detail::least_logistic(
        [&](std::size_t i, std::size_t k) { return k < dimensions ? difficulties[i * dimensions + k] : 1.0; }, scores,
        prior.mean, prior.precision);
    if (!optimum)
        return error{errc::out_of_range, "the difficulties or the prior are too large to be computed with; scale them"};
    fitted_ability out;
    out.bias = optimum->at.back();
    optimum->at.pop_back();
    out.weights = std::move(optimum->at);
    out.covariance = std::move(optimum->covariance);
    out.rows = scores.size();
    return out;
}

}  // namespace qlroute
