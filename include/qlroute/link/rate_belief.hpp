// What is known of a rate, and how fast that knowledge ages.
//
//   const rate_belief<> up = rate_processes::lte_downlink.after(20_Mbps, 30_s, 9_Mbps);   // seen, its age, the usual
//   seconds usually = up.transfer_time_quantile(40_kB, 0.5), cautiously = up.transfer_time_quantile(40_kB, 0.9);
//   ratio too_late = up.late_probability(40_kB, 500_ms, 25_ms);
//
// Rates are taken as log-normal, ln R ~ N(ln median, variance): a rate that may be ten times off either way.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/link_state.hpp>
#include <qlroute/link/rate_estimator.hpp>
#include <qlroute/link/special_functions.hpp>

#include <cmath>
#include <optional>

namespace qlroute {

/// A log-normal rate R, ln R ~ N(ln median, variance). median > 0, variance >= 0; a variance of 0 is certainty.
/// Thread-safety: a plain value. No errors; NaN gives NaN.
template <representation Rep = double>
struct rate_belief {
    quantity<dim::data_rate, Rep> median{};
    quantity<dim::none, Rep> variance{};  ///< of ln R

    /// median e^(variance / 2)                                                [bit/s]
    constexpr auto mean() const {
        return detail::in_doubles<dim::data_rate>([](double m, double v) { return m * std::exp(v / 2); }, median,
                                                  variance);
    }
    /// The rate that is not exceeded with probability `share`.
    ///   median e^(z sqrt(variance)),  z = the normal quantile of `share`      [bit/s]
    constexpr auto quantile(ratio share) const {
        return detail::in_doubles<dim::data_rate>(
            [z = detail::normal_quantile(share.value())](double m, double v) { return m * spread(z, v); }, median,
            variance);
    }

    /// size / median e^(variance / 2): what `size` takes on average            [s]
    /// More than size / mean(): slow links weigh heavier.
    template <class Size>
    constexpr auto mean_transfer_time(const quantity<dim::data, Size>& size) const {
        return detail::in_doubles<dim::time>([](double d, double m, double v) { return d / m * std::exp(v / 2); }, size,
                                             median, variance);
    }
    /// The time that is not exceeded with probability `share`.
    ///   size / median e^(z sqrt(variance))                                   [s]
    template <class Size>
    constexpr auto transfer_time_quantile(const quantity<dim::data, Size>& size, ratio share) const {
        return detail::in_doubles<dim::time>(
            [z = detail::normal_quantile(share.value())](double d, double m, double v) { return d / m * spread(z, v); },
            size, median, variance);
    }
    /// P(size / R + fixed > deadline).
    ///   Phi(ln(size / (deadline - fixed) / median) / sqrt(variance))         [no unit]
    /// Certain where `fixed` alone is later than the deadline.
    template <class Size>
    constexpr auto late_probability(const quantity<dim::data, Size>& size, seconds deadline,
                                    seconds fixed = seconds(0)) const {
        return detail::in_doubles<dim::none>(
            [slack = (deadline - fixed).value()](double d, double m, double v) {
                if (slack < 0) return 1.0;
                if (d <= 0) return 0.0;
                const double needed = std::log(d / slack / m);  // how far the needed rate lies above the median
                if (v == 0) return needed > 0 ? 1.0 : 0.0;
                return detail::normal_distribution(needed / std::sqrt(v));
            },
            size, median, variance);
    }

private:
    static double spread(double z, double variance) { return variance == 0 ? 1 : std::exp(z * std::sqrt(variance)); }
};

/// How a network's rate wanders: ln R is an Ornstein-Uhlenbeck process about its mean, plus white noise.
///   covariance over a lag t = (1 - white) sd^2 e^(-|t| / memory), and white sd^2 more at t = 0
/// Thread-safety: a plain value. No errors.
struct rate_process {
    ratio sd = 1;           ///< of ln R, in the long run
    ratio white = 0.2;      ///< the share of the variance that is new each second; 0 to 1
    seconds memory = 30_s;  ///< in which the rest decays to 1/e

    /// What an observation of age `age` says of the rate now, where `usual` is the median in the long run.
    ///   keep = (1 - white) e^(-age / memory)
    ///   median = usual (observed / usual)^keep,  variance = sd^2 (1 - keep^2)     [bit/s, no unit]
    /// Rates count as at least 100 kbit/s, as they did where the presets were fitted; NaN too. A negative age counts as
    /// 0; NaN as infinitely old, which leaves `usual` and sd^2.
    template <class Rep, class Age, class Usual>
    constexpr auto after(const quantity<dim::data_rate, Rep>& observed, const quantity<dim::time, Age>& age,
                         const quantity<dim::data_rate, Usual>& usual) const {
        const auto median = detail::in_doubles<dim::data_rate>(
            [*this](double r, double a, double u) {
                const double from = floored(u);
                return from * std::exp(kept(a) * std::log(floored(r) / from));
            },
            observed, age, usual);
        const auto variance = detail::in_doubles<dim::none>(
            [*this](double, double a, double) {
                const double keep = kept(a);
                return sd.value() * sd.value() * (1 - keep * keep);
            },
            observed, age, usual);
        return rate_belief<typename decltype(median)::rep>{.median = median, .variance = variance};
    }

private:
    static constexpr double floored(double rate) { return rate > 1e5 ? rate : 1e5; }
    double kept(double age) const {
        if (!(memory.value() > 0) || std::isnan(age)) return 0;
        return (1 - white.value()) * std::exp(-(age < 0 ? 0 : age) / memory.value());
    }
};

/// Fitted to public traces of 1 s samples, floored at 100 kbit/s, and on the traces that they describe. Those of a
/// single trace (UMTS, EVDO) and of walks of 100 s are weak.
namespace rate_processes {
// clang-format off
inline constexpr rate_process lte_downlink          {.sd = 1.18, .white = 0.30, .memory = 49_s};   // driving, transit
inline constexpr rate_process lte_uplink            {.sd = 0.70, .white = 0.20, .memory = 4_s};
inline constexpr rate_process lte_campus_downlink   {.sd = 0.73, .white = 0.02, .memory = 6_s};
inline constexpr rate_process nr_sa_downlink        {.sd = 0.86, .white = 0.16, .memory = 25_s};   // low band, walking
inline constexpr rate_process nr_sa_uplink          {.sd = 1.01, .white = 0.18, .memory = 19_s};
inline constexpr rate_process nr_nsa_downlink       {.sd = 1.63, .white = 0.08, .memory = 32_s};   // low band, walking
inline constexpr rate_process nr_nsa_uplink         {.sd = 0.74, .white = 0.10, .memory = 28_s};
inline constexpr rate_process nr_nsa_ireland        {.sd = 2.01, .white = 0.52, .memory = 19_s};   // downlink
inline constexpr rate_process mixed_ireland         {.sd = 1.81, .white = 0.54, .memory = 19_s};   // 5G, LTE, 3G; down
inline constexpr rate_process mmwave_downlink       {.sd = 1.56, .white = 0.06, .memory = 57_s};   // walking, LTE below
inline constexpr rate_process mmwave_uplink         {.sd = 0.51, .white = 0.10, .memory = 114_s};
inline constexpr rate_process us_driving_downlink   {.sd = 1.42, .white = 0.24, .memory = 37_s};
inline constexpr rate_process starlink_downlink     {.sd = 1.55, .white = 0.16, .memory = 43_s};   // moving
inline constexpr rate_process starlink_uplink       {.sd = 0.19, .white = 0.68, .memory = 37_s};   // offer-limited
inline constexpr rate_process wifi_campus_downlink  {.sd = 1.79, .white = 0.00, .memory = 5_s};    // walking
inline constexpr rate_process hsdpa_downlink        {.sd = 0.55, .white = 0.06, .memory = 19_s};
inline constexpr rate_process umts_uplink           {.sd = 0.72, .white = 0.16, .memory = 14_s};
inline constexpr rate_process evdo_uplink           {.sd = 0.69, .white = 0.24, .memory = 12_s};
// clang-format on
}  // namespace rate_processes

/// A rate estimator that says how its last observation has aged.
///   estimate() = the median just after it; believed(age) = the belief `age` later
/// `prior` is the median in the long run; before the first observation it is all there is. observe() changes it: not
/// thread-safe. A sample that is no rate is ignored.
struct ageing_value {
    rate_process process{};
    bits_per_second prior = outage_rate;

    std::optional<bits_per_second> latest{};

    constexpr void observe(bits_per_second measured) noexcept {
        if (detail::is_a_rate(measured)) latest = measured;
    }
    bits_per_second estimate() const noexcept { return believed(seconds(0)).median; }

    /// What is believed `age` after the last observation.
    rate_belief<> believed(seconds age) const noexcept {
        if (!latest) return {.median = prior, .variance = process.sd * process.sd};
        return process.after(*latest, age, prior);
    }
};

}  // namespace qlroute
