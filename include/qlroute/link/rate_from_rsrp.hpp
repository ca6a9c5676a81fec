// The uplink rate that a phone's received power suggests.
//
//   const rate_belief<> up = rate_from_rsrp::nr()(dBm(-95));   // 24 Mbit/s, give or take a factor of 2.6
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/rate_belief.hpp>

#include <cmath>

namespace qlroute {

/// A regression of the uplink rate on the received power of the reference signal (RSRP), which a phone reports.
///   log10(R / 1 Mbit/s) ~ N(intercept + slope * RSRP / 1 dBm, decades^2)      [bit/s]
/// Why this and not the SNR: a device far away sends at its full power already, so what arrives falls with the path
/// loss, which RSRP measures; the reported SNR is that of the downlink. It is a belief for a link of which nothing was
/// measured yet, for RSRP between -110 and -80 dBm; outside, an extrapolation. No power, and NaN, give a median of
/// outage_rate, which is also the least. Thread-safety: a plain value. Source: fitted to 6122 LTE and 5912 5G uplink
/// tests of a year in seven countries (IFIP 2024, data of NUWiNS): R2 0.32 and 0.48.
struct rate_from_rsrp {
    double intercept;  ///< log10 of Mbit/s at 0 dBm
    double slope;      ///< decades a dB
    double decades;    ///< standard deviation of the residual

    static constexpr rate_from_rsrp lte() { return {.intercept = 4.19, .slope = 0.0337, .decades = 0.47}; }
    static constexpr rate_from_rsrp nr() { return {.intercept = 4.52, .slope = 0.0329, .decades = 0.42}; }

    template <class Rep>
    constexpr auto operator()(const quantity<dim::power, Rep>& rsrp) const {
        const auto median = detail::in_doubles<dim::data_rate>(
            [*this](double watt) {
                const double rate = 1e6 * std::pow(10, intercept + slope * (10 * std::log10(watt) + 30));
                return rate > outage_rate.value() ? rate : outage_rate.value();
            },
            rsrp);
        const auto variance = detail::in_doubles<dim::none>(
            [natural = decades * std::numbers::ln10](double) { return natural * natural; }, rsrp);
        return rate_belief<typename decltype(median)::rep>{.median = median, .variance = variance};
    }
};

}  // namespace qlroute
