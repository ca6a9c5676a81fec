// Fits of a few coefficients that must not be negative.
#pragma once

#include <qlroute/core/config.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace qlroute {

/// One equation of a fit: features . coefficients should be 1. Divide features by what was measured, and errors are
/// fractions of it.
template <std::size_t Size>
using relative_features = std::array<double, Size>;

namespace detail {

/// Normal equations of a weighted least-squares fit.
template <std::size_t Size>
struct normal_equations {
    std::array<std::array<double, Size>, Size> gram{};
    std::array<double, Size> target{};

    void add(const relative_features<Size>& x, double weight) {
        for (std::size_t i = 0; i < Size; ++i) {
            for (std::size_t j = 0; j <= i; ++j) gram[i][j] += weight * x[i] * x[j];
            target[i] += weight * x[i];
        }
    }
};

/// Solves for the coefficients in `chosen`, the others 0, by Cholesky. False where the equations do not tell them
/// apart.
template <std::size_t Size>
bool solve(const normal_equations<Size>& equations, unsigned chosen, std::array<double, Size>& out) {
    std::array<std::size_t, Size> at{};
    std::size_t size = 0;
    for (std::size_t i = 0; i < Size; ++i)
        if ((chosen >> i & 1U) != 0) at[size++] = i;
    std::array<std::array<double, Size>, Size> low{};
    std::array<double, Size> y{};
    for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = equations.gram[at[i]][at[j]];
            for (std::size_t k = 0; k < j; ++k) sum -= low[i][k] * low[j][k];
            if (i != j) low[i][j] = sum / low[j][j];
            else if (sum > 1e-13 * equations.gram[at[i]][at[i]]) low[i][i] = std::sqrt(sum);
            else return false;
        }
        double sum = equations.target[at[i]];
        for (std::size_t k = 0; k < i; ++k) sum -= low[i][k] * y[k];
        y[i] = sum / low[i][i];
    }
    out = {};
    for (std::size_t i = size; i-- > 0;) {
        double sum = y[i];
        for (std::size_t k = i + 1; k < size; ++k) sum -= low[k][i] * out[at[k]];
        out[at[i]] = sum / low[i][i];
    }
    return true;
}

/// The least-squares fit among coefficients >= 0: the best of all choices of which ones are not 0. Exact, and for so
/// few coefficients as quick as an active-set method.
template <std::size_t Size>
std::array<double, Size> least_squares(const normal_equations<Size>& equations) {
    static_assert(Size <= 10, "qlroute: 2^Size choices are tried");
    unsigned all = 0;  // features that occur
    for (std::size_t i = 0; i < Size; ++i)
        if (equations.gram[i][i] > 0) all |= 1U << i;
    std::array<double, Size> best{};
    double gained = 0;
    const auto attempt = [&](unsigned chosen) {
        std::array<double, Size> one;
        if (!solve(equations, chosen, one)) return false;
        double gain = 0;
        for (std::size_t i = 0; i < Size; ++i) {
            if (one[i] < 0) return false;
            gain += one[i] * equations.target[i];
        }
        if (gain > gained) {
            gained = gain;
            best = one;
        }
        return true;
    };
    if (attempt(all)) return best;
    for (unsigned chosen = all; chosen != 0; chosen = (chosen - 1) & all) attempt(chosen);
    return best;
}

}  // namespace detail

/// Coefficients >= 0 with the least sum of |features . coefficients - 1|.
///   iteratively reweighted least squares, 16 rounds from the least-squares fit
/// Absolute errors, because times are disturbed upwards and now and then by a lot, and because a mean absolute error is
/// what is reported. A feature that is 0 in every row, or that rows do not tell from others, gets 0. No rows: all 0.
template <std::size_t Size>
std::array<double, Size> least_absolute(std::span<const relative_features<Size>> rows) {
    constexpr double smallest = 0.005;  // errors below half a percent count alike
    std::array<double, Size> fitted{};
    std::array<double, Size> best{};
    double least = -1;
    for (int round = 0; round < 16; ++round) {
        detail::normal_equations<Size> equations;
        double error = 0;
        for (const auto& x : rows) {
            double said = 0;
            for (std::size_t i = 0; i < Size; ++i) said += x[i] * fitted[i];
            error += std::abs(said - 1);
            equations.add(x, round == 0 ? 1 : 1 / std::max(std::abs(said - 1), smallest));
        }
        if (round > 0 && (least < 0 || error < least)) {
            least = error;
            best = fitted;
        }
        fitted = detail::least_squares(equations);
    }
    return best;
}

}  // namespace qlroute
