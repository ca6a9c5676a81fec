// From signal quality to rate: how many bit/s a hertz of spectrum carries.
//
//   bits_per_second up = rate(12_dB, 10_MHz, truncated_shannon::uplink());
//   bits_per_second dn = rate(12_dB, 20_MHz, cqi_table{});
//
// Use these to plan and to sweep. To predict the rate of a phone that is already connected, use a
// rate_estimator: the SNR a phone reports says little about its downlink rate and nothing about its uplink.
//
// A model of your own is a struct with a const call operator, written without branches, so that it works on
// arrays as well. Every model here is a plain value, has no errors, and may be shared between threads.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/special_functions.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>

namespace qlroute {

/// bit/s/Hz, which is a bit: a hertz times a second is one.
using spectral_efficiency = bits;

/// A call on an SNR (a ratio of powers, not dB) that returns bit/s/Hz in the precision of the SNR.
template <class T>
concept spectral_efficiency_model = requires(const T& model, const ratio& snr) {
    { model(snr) } -> std::convertible_to<spectral_efficiency>;
};

namespace detail {

/// A setting in the number type of the values it meets, so that a double does not widen a float array.
template <representation Rep, dimension D>
constexpr auto in_precision_of(const quantity<D>& setting) {
    return quantity<D, scalar_t<Rep>>(setting);
}

}  // namespace detail

/// Shannon's bound, at a distance.
///   log2(1 + snr / gap)                                                      [bit/s/Hz]
/// gap = 1 is the bound itself; a gap of 2 loses 3 dB. A negative SNR counts as 0, NaN gives NaN. gap > 0.
struct shannon {
    ratio gap = 1;

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        return detail::in_doubles<dim::data>(
            [gap_ = gap.value()](double g) { return std::log1p((g < 0 ? 0 : g) / gap_) / std::numbers::ln2; }, snr);
    }
};

/// The SNR gap of square QAM without coding, at a bit error rate P.
///   max(-ln(5 P) / 1.5, 1)                                                   [no unit]
/// At most 1 is reached from P = 0.045 on, where the formula would beat Shannon. P = 0 is infinite, P < 0 and NaN are
/// NaN. Source: Goldsmith & Chua, "Variable-rate variable-power MQAM for fading channels", IEEE Trans. Commun. 45,
/// 1997, as commonly given; not re-read here.
template <representation Rep>
constexpr auto gap_for_bit_error_rate(const quantity<dim::none, Rep>& bit_error_rate) {
    return detail::in_doubles<dim::none>(
        [](double p) {
            const double gap = -std::log(5 * p) / 1.5;
            return gap < 1 ? 1 : gap;
        },
        bit_error_rate);
}

/// Shannon's bound times an implementation loss, off below a least SNR and flat above a best modulation.
///   snr < snr_min: 0;  else min(attenuation * log2(1 + snr), ceiling)                    [bit/s/Hz]
/// snr >= 0. Source: 3GPP TR 36.942, A.2 (LTE). The defaults are its downlink.
struct truncated_shannon {
    ratio attenuation = 0.6;
    ratio snr_min = decibels(-10);
    spectral_efficiency ceiling = 4.4_bit;

    /// The base station sends: 0.6, -10 dB, 4.4 bit/s/Hz.
    static constexpr truncated_shannon downlink() { return {}; }
    /// The device sends: 0.4, -10 dB, 2.0 bit/s/Hz.
    static constexpr truncated_shannon uplink() { return {.attenuation = 0.4, .ceiling = 2_bit}; }

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        constexpr ratio one(1);
        constexpr spectral_efficiency per_doubling(1);
        const auto shannon = detail::in_precision_of<Rep>(per_doubling) * log2(detail::in_precision_of<Rep>(one) + snr);
        const auto achieved = detail::in_precision_of<Rep>(attenuation) * shannon;
        const auto capped = smaller(achieved, detail::in_precision_of<Rep>(ceiling));
        return capped * step(snr - detail::in_precision_of<Rep>(snr_min));
    }
};

/// A modulation and code rate, and the SNR from which it is used.
struct cqi_level {
    ratio snr_min;
    spectral_efficiency efficiency;
};

namespace detail {

/// Q_m bits a symbol at a code rate of R / 1024.
constexpr cqi_level modulation(double snr_min_in_dB, int bits_a_symbol, int code_rate_by_1024) {
    return {decibels(snr_min_in_dB), spectral_efficiency(bits_a_symbol * code_rate_by_1024 / 1024.0)};
}

}  // namespace detail

/// What adaptive modulation reaches: the highest level whose threshold the SNR meets.
///   sum over i of (efficiency_i - efficiency_(i-1)) * [snr >= snr_min_i],  efficiency_i = Q_m R / 1024   [bit/s/Hz]
/// 0 below the first threshold (CQI 0, out of range).
/// Source of the efficiencies: 3GPP TS 38.214, Table 5.2.2.1-2 (up to 64-QAM). The thresholds are not in the
/// specification, which only asks for 10 % block errors; these are the set that public simulators use most. Another
/// common set, table1_awgn(), lies 0.2 to 3.2 dB lower. Replace `levels` (ascending) to use others.
struct cqi_table {
    /// Table 5.2.2.1-2 with thresholds of a link-level simulation without fading, as commonly given; not re-read here.
    static constexpr cqi_table table1_awgn();
    /// Table 5.2.2.1-3, up to 256-QAM. Its first twelve efficiencies are those of Table 5.2.2.1-2, and so are their
    /// thresholds. The last three lie above that table: their thresholds keep the distance to Shannon of its last level
    /// (6.1 dB), which is an extrapolation.
    static constexpr cqi_table table2();

    std::array<cqi_level, 15> levels{
        detail::modulation(-6.7, 2, 78),  detail::modulation(-4.7, 2, 120), detail::modulation(-2.3, 2, 193),
        detail::modulation(0.2, 2, 308),  detail::modulation(2.4, 2, 449),  detail::modulation(4.3, 2, 602),
        detail::modulation(5.9, 4, 378),  detail::modulation(8.1, 4, 490),  detail::modulation(10.3, 4, 616),
        detail::modulation(11.7, 6, 466), detail::modulation(14.1, 6, 567), detail::modulation(16.3, 6, 666),
        detail::modulation(18.7, 6, 772), detail::modulation(21.0, 6, 873), detail::modulation(22.7, 6, 948)};

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        auto reached = gain_at(0, snr);
        for (std::size_t i = 1; i < levels.size(); ++i) reached += gain_at(i, snr);
        return reached;
    }

private:
    /// What level i adds to the one below it, where the SNR reaches it.
    template <representation Rep>
    constexpr auto gain_at(std::size_t i, const quantity<dim::none, Rep>& snr) const {
        const spectral_efficiency below = i == 0 ? spectral_efficiency{} : levels[i - 1].efficiency;
        return detail::in_precision_of<Rep>(levels[i].efficiency - below) *
               step(snr - detail::in_precision_of<Rep>(levels[i].snr_min));
    }
};

constexpr cqi_table cqi_table::table1_awgn() {
    return {.levels{
        detail::modulation(-6.94, 2, 78), detail::modulation(-5.15, 2, 120), detail::modulation(-3.18, 2, 193),
        detail::modulation(-1.25, 2, 308), detail::modulation(0.76, 2, 449), detail::modulation(2.70, 2, 602),
        detail::modulation(4.69, 4, 378), detail::modulation(6.53, 4, 490), detail::modulation(8.57, 4, 616),
        detail::modulation(10.37, 6, 466), detail::modulation(12.29, 6, 567), detail::modulation(14.17, 6, 666),
        detail::modulation(15.89, 6, 772), detail::modulation(17.81, 6, 873), detail::modulation(19.83, 6, 948)}};
}

constexpr cqi_table cqi_table::table2() {
    return {.levels{
        detail::modulation(-6.7, 2, 78), detail::modulation(-2.3, 2, 193), detail::modulation(2.4, 2, 449),
        detail::modulation(5.9, 4, 378), detail::modulation(8.1, 4, 490), detail::modulation(10.3, 4, 616),
        detail::modulation(11.7, 6, 466), detail::modulation(14.1, 6, 567), detail::modulation(16.3, 6, 666),
        detail::modulation(18.7, 6, 772), detail::modulation(21.0, 6, 873), detail::modulation(22.7, 8, 711),
        detail::modulation(24.76, 8, 797), detail::modulation(26.85, 8, 885), detail::modulation(28.34, 8, 948)}};
}

/// What a short block reaches: the normal approximation for a complex Gaussian channel.
///   C - sqrt(V / n) Q^-1(error) + log2(n) / (2 n)                             [bit/s/Hz, bits a use]
///   C = log2(1 + snr),  V = log2(e)^2 snr (snr + 2) / (snr + 1)^2
/// 0 where its first two terms are not positive: the third alone would promise bits without any signal.
/// n = `uses`, complex symbols of the block, at least 1; below some 100 the approximation is poor. `error` is the
/// probability, between 0 and 1, that the block is lost. A negative SNR counts as 0, NaN gives NaN.
/// Source: Polyanskiy, Poor & Verdu, "Channel coding rate in the finite blocklength regime", IEEE Trans. Inf. Theory
/// 56, 2010, as commonly given; not re-read here.
struct finite_block_length {
    double uses = 1000;
    ratio error = 1e-3;

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        const double backoff = -detail::normal_quantile(error.value()) / std::sqrt(uses);
        const double gain = std::log2(uses) / (2 * uses);
        return detail::in_doubles<dim::data>(
            [backoff, gain](double g) {
                if (g < 0) g = 0;
                constexpr double log2_e = std::numbers::log2e;
                const double dispersion = log2_e * log2_e * (1 - 1 / ((g + 1) * (g + 1)));  // = snr (snr+2) / (snr+1)^2
                const double carried = log2_e * std::log1p(g) - backoff * std::sqrt(dispersion);
                return carried <= 0 ? 0 : carried + gain;
            },
            snr);
    }
};

/// Several antennas, power shared equally among the sending ones.
///   sum over i of each(snr * gains_i / antennas)                             [bit/s/Hz]
/// gains_i are the squared singular values of the channel, `antennas` the number that send. What each of the parallel
/// channels carries is a model: shannon, or cqi_table.
template <std::size_t Streams, class Model = shannon>
struct equal_power_mimo {
    static_assert(Streams >= 1, "qlroute: equal_power_mimo needs at least one stream");

    std::array<ratio, Streams> gains{};
    ratio antennas = static_cast<double>(Streams);
    Model each{};

    template <representation Rep>
    constexpr auto operator()(const quantity<dim::none, Rep>& snr) const {
        auto carried = each(snr * detail::in_precision_of<Rep>(gains[0] / antennas));
        for (std::size_t i = 1; i < Streams; ++i)
            carried += each(snr * detail::in_precision_of<Rep>(gains[i] / antennas));
        return carried;
    }
};

/// The rate of a channel.
///   bandwidth * model(snr)                                                   [bit/s]
/// Of the physical layer, before control overhead, retransmissions and other users.
template <representation Rep, representation BandwidthRep, spectral_efficiency_model Model>
constexpr auto rate(const quantity<dim::none, Rep>& snr, const quantity<dim::frequency, BandwidthRep>& bandwidth,
                    const Model& model) {
    return bandwidth * model(snr);
}

}  // namespace qlroute
