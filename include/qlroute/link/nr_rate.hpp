// What a 5G carrier delivers: from resource blocks to bit/s.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/spectral_efficiency.hpp>

namespace qlroute {

/// One NR carrier, as a device uses it. The defaults are an uplink of 100 MHz at 3.5 GHz.
struct nr_carrier {
    double resource_blocks = 273;  ///< of twelve subcarriers
    int numerology = 1;            ///< mu: subcarriers of 15 kHz * 2^mu, slots of 1 ms / 2^mu; 0 to 6
    ratio overhead = 0.08;         ///< share of symbols for control: down 0.14 (0.18 above 24 GHz), up 0.08 (0.10)
    ratio share_of_time = 1;  ///< of the slots in this direction: a DDDSU pattern leaves 0.20 to 0.23 to the uplink

    /// 12 * 15 kHz * 2^mu * resource_blocks                                   [Hz]
    constexpr hertz bandwidth() const {
        constexpr hertz block = 180_kHz;
        return resource_blocks * static_cast<double>(1 << numerology) * block;
    }

    /// Payload at a spectral efficiency.
    ///   efficiency * bandwidth * (1 - overhead) * share_of_time * (1 - block_error)      [bit/s]
    /// Lost blocks are taken as wasted; harq.hpp says when they arrive after all. Source: the resource grid of
    /// 3GPP TS 38.211 (twelve subcarriers a block).
    template <representation Rep>
    constexpr auto goodput(const quantity<dim::data, Rep>& efficiency, ratio block_error = 0) const {
        const hertz used = bandwidth() * (ratio(1) - overhead) * share_of_time * (ratio(1) - block_error);
        return efficiency * detail::in_precision_of<Rep>(used);
    }

    /// The most that a modulation and a number of layers allow.
    ///   layers Q_m f R_max * 12 N_PRB / T_s * (1 - overhead) * share_of_time,  T_s = 1 ms / (14 * 2^mu),
    ///   R_max = 948/1024                                                       [bit/s]
    /// Counts 14 symbols a slot, which goodput() at 15 kHz a subcarrier does with their cyclic prefixes as waste:
    /// peak_rate is 14/15 of goodput() at efficiency layers Q_m R_max. Source: 3GPP TS 38.306, 4.1.2, as commonly
    /// given; not re-read here. `scaling` is its f: 1, 0.8, 0.75 or 0.4.
    constexpr bits_per_second peak_rate(int layers, int bits_a_symbol, ratio scaling = 1) const {
        constexpr double highest_code_rate = 948.0 / 1024;
        const seconds symbol = 1_ms / (14.0 * static_cast<double>(1 << numerology));
        const bits a_symbol(static_cast<double>(layers * bits_a_symbol) * highest_code_rate * 12 * resource_blocks);
        return scaling * a_symbol / symbol * (ratio(1) - overhead) * share_of_time;
    }
};

}  // namespace qlroute
