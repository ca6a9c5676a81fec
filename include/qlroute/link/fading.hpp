// Channels that fade: what they carry on average, how often they fail, and what they carry under a delay bound.
//
//   bits_per_second mean = rate(10_dB, 10_MHz, rayleigh_ergodic{});
//   ratio fails = rayleigh_outage(10_dB, 2_bit);
//
// The SNR is the mean over the fading, a ratio. Rayleigh: no line of sight. Rician: one path is `k` times as strong as
// all others together; k = 0 is Rayleigh, k infinite does not fade. Every model is a plain value, has no errors and may
// be shared between threads. A negative SNR counts as 0, NaN gives NaN.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/special_functions.hpp>
#include <qlroute/link/spectral_efficiency.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <span>

namespace qlroute {

namespace detail {

/// The integral of f(e^t) dt from `low` to `high` by the trapezoidal rule in steps of 1/4, at most 8000 of them. For
/// the integrands here, which are analytic for |Im t| < pi / 2 and vanish at both ends, the error falls as e^(-pi^2 /
/// h).
inline double over_logarithm(auto f, double low, double high) {
    constexpr double h = 0.25;
    const int steps = static_cast<int>(std::clamp((high - low) / h, 0.0, 8000.0));
    double sum = 0;
    for (int i = 0; i <= steps; ++i) sum += f(std::exp(low + i * h));
    return h * sum;
}

/// E[log2(1 + snr X)] from the Laplace transform of X: minus_log_transform(s) = -ln E[e^-sX], for positive s.
///   1 / ln 2 * integral of (1 - E[e^-(s snr) X]) e^-s / s ds, as ln(1 + x) = integral of (1 - e^-sx) e^-s / s ds
///   (Frullani)
inline double mean_log2(double snr, auto minus_log_transform) {
    if (!(snr > 0)) return snr <= 0 ? 0 : no_number;
    if (snr == infinite) return infinite;
    const double low = -37 - std::max(0.0, std::log(snr));
    const auto integrand = [&](double s) { return -std::expm1(-minus_log_transform(s * snr)) * std::exp(-s); };
    return over_logarithm(integrand, low, 3.7) / std::numbers::ln2;
}

/// The SNR at which log2(1 + snr) is the efficiency; none is needed for nothing.
inline double needed_snr(double efficiency) { return efficiency <= 0 ? 0 : std::expm1(efficiency * std::numbers::ln2); }

}  // namespace detail

/// The mean of Shannon's bound over Rayleigh fading: of a sender that codes over many fades.
///   log2(e) e^(1/snr) E1(1/snr)                                              [bit/s/Hz]
/// At 0, 10 and 20 dB it is 0.860, 2.907 and 5.884, where a channel that does not fade carries 1, 3.459 and 6.658.
struct rayleigh_ergodic {
    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        return detail::in_doubles<dim::data>(
            [](double g) {
                if (g <= 0) return 0.0;
                return detail::scaled_exponential_integral(1 / g) * std::numbers::log2e;
            },
            snr);
    }
};

/// The mean of Shannon's bound over Rician fading.
///   E[log2(1 + snr X)], X of mean 1 and with E[e^-sX] = (1 + k) / (1 + k + s) exp(-k s / (1 + k + s))   [bit/s/Hz]
/// By numerical integration, some 200 exponentials each. k >= 0; negative is NaN.
struct rician_ergodic {
    ratio k = 3;

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        return detail::in_doubles<dim::data>(
            [factor = k.value()](double g) {
                if (!(factor >= 0)) return detail::no_number;
                if (factor == detail::infinite) return std::log1p(g < 0 ? 0 : g) / std::numbers::ln2;
                return detail::mean_log2(
                    g, [&](double s) { return std::log1p(s / (1 + factor)) + factor * s / (1 + factor + s); });
            },
            snr);
    }
};

/// The mean of Shannon's bound over Nakagami fading; m = 1 is Rayleigh.
///   E[log2(1 + snr X)], X of mean 1 and with E[e^-sX] = (1 + s / m)^-m       [bit/s/Hz]
/// m > 0; anything else is NaN.
struct nakagami_ergodic {
    ratio m = 1;

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        return detail::in_doubles<dim::data>(
            [shape = m.value()](double g) {
                if (!(shape > 0)) return detail::no_number;
                if (shape == detail::infinite) return std::log1p(g < 0 ? 0 : g) / std::numbers::ln2;
                return detail::mean_log2(g, [&](double s) { return shape * std::log1p(s / shape); });
            },
            snr);
    }
};

/// The Nakagami shape that is nearest to a Rician k.
///   (k + 1)^2 / (2 k + 1)                                                    [no unit]
/// Both have the same first two moments of power. In deep fades they differ: at k = 6 and a hundredth of
/// the mean power, Nakagami's outage is less than a tenth of Rice's.
constexpr ratio nakagami_shape(ratio k) { return (k + ratio(1)) * (k + ratio(1)) / (2 * k + ratio(1)); }

/// P(the channel carries less than `efficiency`), under Rayleigh fading.
///   1 - exp(-(2^efficiency - 1) / snr)                                       [no unit]
/// Nothing wanted never fails; without a signal everything else does.
template <representation Rep, representation Wanted>
constexpr auto rayleigh_outage(const quantity<dim::none, Rep>& snr, const quantity<dim::data, Wanted>& efficiency) {
    return detail::in_doubles<dim::none>(
        [](double g, double wanted) {
            const double needed = detail::needed_snr(wanted);
            if (needed == 0 || std::isnan(needed)) return needed;
            return g <= 0 ? 1 : -std::expm1(-needed / g);
        },
        snr, efficiency);
}

/// P(the channel carries less than `efficiency`), under Rician fading of factor k.
///   1 - Q1(sqrt(2 k), sqrt(2 (k + 1) (2^efficiency - 1) / snr))              [no unit]
/// Q1 is Marcum's function of order one. k >= 0; negative is NaN.
template <representation Rep, representation Wanted>
constexpr auto rician_outage(const quantity<dim::none, Rep>& snr, const quantity<dim::data, Wanted>& efficiency,
                             ratio k) {
    return detail::in_doubles<dim::none>(
        [factor = k.value()](double g, double wanted) {
            const double needed = detail::needed_snr(wanted);
            if (needed == 0 || std::isnan(needed)) return needed;
            if (factor == detail::infinite) return g < needed ? 1.0 : g >= needed ? 0.0 : g;
            return g <= 0 ? 1 : detail::marcum_p1(std::sqrt(2 * factor), std::sqrt(2 * (factor + 1) * needed / g));
        },
        snr, efficiency);
}

/// P(the channel carries less than `efficiency`), under Nakagami fading of shape m.
///   P(m, m (2^efficiency - 1) / snr)                                         [no unit]
/// P is the regularised lower incomplete gamma function. m > 0; anything else is NaN.
template <representation Rep, representation Wanted>
constexpr auto nakagami_outage(const quantity<dim::none, Rep>& snr, const quantity<dim::data, Wanted>& efficiency,
                               ratio m) {
    return detail::in_doubles<dim::none>(
        [shape = m.value()](double g, double wanted) {
            const double needed = detail::needed_snr(wanted);
            if (needed == 0 || std::isnan(needed)) return needed;
            if (shape == detail::infinite) return g < needed ? 1.0 : g >= needed ? 0.0 : g;
            return g <= 0 ? 1 : detail::regularised_gamma(shape, shape * needed / g);
        },
        snr, efficiency);
}

/// What a Rayleigh channel carries in all but a share `eps` of the fades: of a sender that does not know the fade.
///   log2(1 - snr ln(1 - eps))                                                [bit/s/Hz]
/// The efficiency at which rayleigh_outage() is eps. 0 <= eps < 1.
struct eps_outage {
    ratio eps = 0.1;

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        return detail::in_doubles<dim::data>(
            [weakest = -std::log1p(-eps.value())](double g) {
                return std::log1p((g < 0 ? 0 : g) * weakest) / std::numbers::ln2;
            },
            snr);
    }
};

/// 1/bit: how fast the probability of a long queue falls with its length.
using delay_exponent = quantity<dim::none - dim::data>;

/// The arrival rate that a channel of random rate sustains if the queue before it is to be longer than q bits with a
/// probability of about e^(-theta q).
///   -ln(mean of e^(-theta rate block)) / (theta block)                       [bit/s]
/// `rates` are equally likely, each holds for `block`, independently of the others. From the mean rate at theta = 0 it
/// falls to the least rate. No rates at all sustain none. theta >= 0, block > 0. Source: Wu & Negi, "Effective
/// capacity", IEEE Trans. Wireless Commun. 2, 2003, as commonly given; not re-read here.
inline bits_per_second effective_capacity(std::span<const bits_per_second> rates, delay_exponent theta, seconds block) {
    if (rates.empty()) return bits_per_second(0);
    const double count = static_cast<double>(rates.size());
    bits_per_second least = rates[0];
    bits_per_second mean(0);
    for (const auto rate : rates) {
        least = smaller(least, rate);
        mean += rate / count;
    }
    if (theta.value() * block.value() * (mean - least).value() < 1e-9) return mean;
    double sum = 0;  // relative to the least rate, whose term would otherwise underflow
    for (const auto rate : rates) sum += std::exp(-(theta * block * (rate - least)).value());
    return least - std::log(sum / count) / (theta * block);
}

/// What theta means per hertz of a channel: bits are counted in blocks of bandwidth * block complex symbols.
///   theta * bandwidth * block / ln 2                                         [no unit]
constexpr ratio normalised_exponent(delay_exponent theta, hertz bandwidth, seconds block) {
    return theta * bits(1) * bandwidth * block / std::numbers::ln2;
}

/// The effective capacity of Rayleigh fading in independent blocks.
///   -log2(E[(1 + snr X)^-exponent]) / exponent,  X exponential of mean 1     [bit/s/Hz]
/// exponent = normalised_exponent(theta, bandwidth, block); at 0 it is rayleigh_ergodic. Negative is NaN.
/// Source: Wu & Negi 2003, as commonly given; not re-read here.
struct rayleigh_effective_capacity {
    ratio exponent = 1;

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        return detail::in_doubles<dim::data>([power = exponent.value()](double g) { return carried(g, power); }, snr);
    }

private:
    static double carried(double g, double power) {
        if (!(power >= 0)) return detail::no_number;
        if (!(g > 0)) return g <= 0 ? 0 : detail::no_number;
        if (power == detail::infinite) return 0;
        if (g == detail::infinite) return g;
        if (power < 1e-6) return detail::scaled_exponential_integral(1 / g) * std::numbers::log2e;
        // 1 - E[...], so that nothing cancels where hardly anything is lost
        const double low = -37 - std::max(0.0, std::log(g)) - std::max(0.0, std::log(power));
        const double lost = detail::over_logarithm(
            [&](double x) { return -std::expm1(-power * std::log1p(g * x)) * std::exp(-x) * x; }, low, 3.7);
        const double kept =
            detail::over_logarithm([&](double x) { return std::exp(-power * std::log1p(g * x) - x) * x; }, low, 3.7);
        const double log_of_mean = lost < 0.5 ? std::log1p(-lost) : std::log(kept);
        return -log_of_mean / power * std::numbers::log2e;
    }
};

/// P(a packet waits longer than `wait`) behind a channel that is offered `arrivals`.
///   busy e^(-theta arrivals wait)                                            [no unit]
/// `busy` is the probability that the queue is not empty; 1 is the bound. Source: Wu & Negi 2003, as commonly given;
/// not re-read here.
template <representation Rep>
constexpr auto delay_violation(const quantity<dim::time, Rep>& wait, delay_exponent theta, bits_per_second arrivals,
                               ratio busy = 1) {
    return detail::in_doubles<dim::none>(
        [falls = (theta * arrivals).value(), most = busy.value()](double t) { return most * std::exp(-falls * t); },
        wait);
}

}  // namespace qlroute
