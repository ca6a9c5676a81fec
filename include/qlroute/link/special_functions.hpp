// Functions of mathematics that the link models need and <cmath> lacks, for doubles.
//
// Every loop has a bound, nothing is allocated, nothing throws, no global state is touched (std::lgamma has some).
#pragma once

#include <qlroute/core/units.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace qlroute::detail {

inline constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
inline constexpr double infinite = std::numeric_limits<double>::infinity();

/// A function of doubles over quantities, element by element, in the precision of the first of them.
template <dimension D, class Function, any_quantity... Each>
constexpr auto in_doubles(Function f, const Each&... each) {
    return elementwise<D>(
        [&](auto first, auto... rest) {
            return static_cast<decltype(first)>(f(static_cast<double>(first), static_cast<double>(rest)...));
        },
        each...);
}

/// e^x E1(x), E1(x) = integral of e^-t / t from x to infinity. It does not underflow where E1 does.
/// x < 0 or NaN gives NaN; 0 gives infinity. Tested to a relative error of 1e-10.
/// Power series up to 1, continued fraction above: Abramowitz & Stegun 5.1.11, 5.1.22.
inline double scaled_exponential_integral(double x) {
    if (!(x >= 0)) return no_number;
    if (x == 0) return infinite;
    if (x > 1e16) return 1 / x;
    if (x <= 1) {
        double sum = -std::numbers::egamma - std::log(x);
        double term = 1;  // (-x)^k / k!
        for (int k = 1; k <= 30; ++k) {
            term *= -x / k;
            sum -= term / k;
        }
        return std::exp(x) * sum;
    }
    // Lentz's method on 1/(x+1- 1/(x+3- 4/(x+5- 9/(x+7- ...
    double b = x + 1;
    double c = 1e300;
    double d = 1 / b;
    double fraction = d;
    for (int k = 1; k <= 300; ++k) {
        const double a = -static_cast<double>(k) * k;
        b += 2;
        d = 1 / (a * d + b);
        c = b + a / c;
        const double change = c * d;
        fraction *= change;
        if (std::abs(change - 1) < 1e-16) break;
    }
    return fraction;
}

/// ln Gamma(x), x > 0; NaN otherwise. Stirling's series from 10 on: Abramowitz & Stegun 6.1.41.
inline double log_gamma(double x) {
    if (!(x > 0)) return no_number;
    double below = 1;
    for (int k = 0; k < 10 && x < 10; ++k) {
        below *= x;
        x += 1;
    }
    const double s = 1 / (x * x);
    const double tail =
        (1.0 / 12 - s * (1.0 / 360 - s * (1.0 / 1260 - s * (1.0 / 1680 - s * (1.0 / 1188 - s * 691.0 / 360360))))) / x;
    return (x - 0.5) * std::log(x) - x + 0.5 * std::log(2 * std::numbers::pi) + tail - std::log(below);
}

/// P(a, x) = integral of t^(a-1) e^-t from 0 to x, over Gamma(a): the distribution of a Gamma(a) variable.
/// a > 0 and x >= 0, otherwise NaN. Tested to 1e-11; for a above 1e5 Wilson & Hilferty's normal approximation.
/// Power series below a + 1, continued fraction above: Abramowitz & Stegun 6.5.29, 6.5.31.
inline double regularised_gamma(double a, double x) {
    if (!(a > 0) || !(x >= 0)) return no_number;
    if (x == 0) return 0;
    if (x == infinite) return a == infinite ? no_number : 1;
    if (a == infinite) return 0;
    if (a > 1e5) return 0.5 * std::erfc((1 - 1 / (9 * a) - std::cbrt(x / a)) * 3 * std::sqrt(a / 2));
    constexpr int most = 5000;
    const double front = std::exp(a * std::log(x) - x - log_gamma(a));
    if (x < a + 1) {
        double term = 1 / a;
        double sum = term;
        for (int k = 1; k <= most && term > sum * 1e-17; ++k) {
            term *= x / (a + k);
            sum += term;
        }
        return std::min(1.0, front * sum);
    }
    double b = x + 1 - a;
    double c = 1e300;
    double d = 1 / b;
    double fraction = d;
    for (int k = 1; k <= most; ++k) {
        const double numerator = -k * (k - a);
        b += 2;
        d = numerator * d + b;
        d = 1 / (d == 0 ? 1e-300 : d);
        c = b + numerator / c;
        if (c == 0) c = 1e-300;
        const double change = c * d;
        fraction *= change;
        if (std::abs(change - 1) < 1e-16) break;
    }
    return std::clamp(1 - front * fraction, 0.0, 1.0);
}

/// 1 - Q1(a, b), Q1 Marcum's function of order one: the distribution at b of a Rice variable with noncentrality a and
/// unit variance. a, b >= 0, otherwise NaN.
///   sum over k of Poisson(k; a^2 / 2) P(k + 1, b^2 / 2)
/// Tested to 1e-11 against the integral of its density. Beyond a^2 / 2 of 1e4 its normal approximation.
inline double marcum_p1(double a, double b) {
    if (!(a >= 0) || !(b >= 0)) return no_number;
    const double h = a * a / 2;
    const double y = b * b / 2;
    if (y == 0) return 0;
    if (y == infinite) return h == infinite ? no_number : 1;
    if (h > 1e4) return 0.5 * std::erfc((a + 0.5 / a - b) / std::numbers::sqrt2);
    const double middle = std::floor(h);
    const auto poisson = [](double k, double mean) {
        if (mean == 0) return k == 0 ? 1.0 : 0.0;
        return std::exp(k * std::log(mean) - mean - log_gamma(k + 1));
    };
    const double below_at_middle = regularised_gamma(middle + 1, y);
    const double step_at_middle = poisson(middle + 1, y);  // P(k + 1, y) - P(k + 2, y)
    const double weight_at_middle = poisson(middle, h);
    constexpr int most = 2000;

    double sum = weight_at_middle * below_at_middle;
    double weight = weight_at_middle;
    double below = below_at_middle;
    double step_up = step_at_middle;
    for (int i = 1; i <= most && h > 0; ++i) {
        const double k = middle + i;
        weight *= h / k;
        below = std::max(0.0, below - step_up);
        step_up *= y / (k + 1);
        sum += weight * below;
        if (weight < 1e-18 * weight_at_middle) break;
    }
    weight = weight_at_middle;
    below = below_at_middle;
    double step_down = poisson(middle, y);
    for (int i = 1; i <= most && middle - i >= 0; ++i) {
        const double k = middle - i;
        weight *= (k + 1) / h;
        below = std::min(1.0, below + step_down);
        step_down *= (k + 1) / y;
        sum += weight * below;
        if (weight < 1e-18 * sum) break;
    }
    return std::min(1.0, sum);
}

/// The standard normal distribution.
inline double normal_distribution(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

/// The z below which a standard normal variable lies with probability p; 0 gives -infinity, 1 infinity, others NaN.
/// Abramowitz & Stegun 26.2.23, then three steps of Halley's method; tested to 1e-12.
inline double normal_quantile(double p) {
    if (!(p >= 0 && p <= 1)) return no_number;
    if (p == 0) return -infinite;
    if (p == 1) return infinite;
    const double tail = std::min(p, 1 - p);
    if (tail == 0.5) return 0;
    const double t = std::sqrt(-2 * std::log(tail));
    double z = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    for (int k = 0; k < 3; ++k) {
        const double miss = normal_distribution(z) - tail;
        const double newton = miss * std::sqrt(2 * std::numbers::pi) * std::exp(z * z / 2);
        z -= newton / (1 + z * newton / 2);
    }
    return p < 0.5 ? z : -z;
}

}  // namespace qlroute::detail
