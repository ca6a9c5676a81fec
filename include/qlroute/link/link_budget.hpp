// From transmitted power to SNR, and how much bandwidth a phone at the edge of a cell should use.
//
//   constexpr link_budget up = link_budget::uplink();
//   ratio snr = up.snr(city.no_line_of_sight(ratio(500)), 10_MHz);
//   hertz useful = up.useful_bandwidth(loss, 100_MHz, 0_dB);
//
// Powers are watts: write dBm(23). Losses, gains and noise figures are ratios. Plain values, no errors.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/special_functions.hpp>
#include <qlroute/link/spectral_efficiency.hpp>

#include <cmath>

namespace qlroute {

/// Thermal noise at 290 K: -174 dBm/Hz, a watt a hertz being a joule.
inline constexpr joules noise_density = joules(from_decibels(-174) / 1e3);

/// noise_density * bandwidth * noise_figure                                     [W]
template <class Rep>
constexpr auto noise_power(const quantity<dim::frequency, Rep>& bandwidth, ratio noise_figure) {
    return bandwidth * detail::in_precision_of<Rep>(noise_density * noise_figure);
}

/// What a transmitter, two antennas and a receiver make of a path loss.
///   received = transmit_power * transmit_gain * receive_gain / path loss         [W]
///   snr      = received / (noise_density * bandwidth * noise_figure)             [no unit]
/// A loss of 0 gives infinity, NaN gives NaN. Interference of other cells is not counted: raise noise_figure for it.
struct link_budget {
    watts transmit_power = dBm(23);
    ratio transmit_gain = 1;
    ratio receive_gain = 1;
    ratio noise_figure = 5_dB;

    /// A phone sends at its most, 23 dBm, to a base station (noise figure 5 dB; as commonly given, not re-read here).
    static constexpr link_budget uplink() { return {}; }
    /// A base station sends with this power to a phone (noise figure 9 dB; as commonly given, not re-read here).
    static constexpr link_budget downlink(watts power) { return {.transmit_power = power, .noise_figure = 9_dB}; }

    template <class Rep>
    constexpr auto received(const quantity<dim::none, Rep>& path_loss) const {
        return detail::in_precision_of<Rep>(transmit_power * transmit_gain * receive_gain) / path_loss;
    }
    template <class Rep, class Band>
    constexpr auto snr(const quantity<dim::none, Rep>& path_loss,
                       const quantity<dim::frequency, Band>& bandwidth) const {
        return received(path_loss) / noise_power(bandwidth, noise_figure);
    }
    /// The bandwidth that the received power fills at a target SNR.
    ///   min(most, received / (noise_density * noise_figure * target))            [Hz]
    /// A device at its full power thins it out over more: at the edge of a cell more resource blocks do not help, and
    /// below the least SNR that a receiver decodes they carry nothing.
    template <class Rep>
    constexpr auto useful_bandwidth(const quantity<dim::none, Rep>& path_loss, hertz most, ratio target) const {
        return smaller(received(path_loss) / detail::in_precision_of<Rep>(noise_density * noise_figure * target),
                       detail::in_precision_of<Rep>(most));
    }
};

/// The power with which a phone sends, by how far the base station is.
///   min(most, target * (bandwidth / 180 kHz) * path_loss^compensation * adjustment)      [W]
/// In dB: min(P_CMAX, P_0 + 10 lg(2^mu M_RB) + alpha PL + (Delta_TF + f)), where 2^mu M_RB blocks are bandwidth / 180
/// kHz. Operators set P_0 and alpha; the specification has no usual values, and the defaults here are an assumption:
/// -100 dBm a block with full compensation aims at 16 dB over the noise of a receiver with a noise figure of 5 dB.
/// Source: 3GPP TS 38.213, 7.1.1, as commonly given; not re-read here.
struct uplink_power_control {
    watts most = dBm(23);      ///< P_CMAX
    watts target = dBm(-100);  ///< P_0, received, of each 180 kHz
    ratio compensation = 1;    ///< alpha, 0 to 1: the share of the path loss, in dB, that is made up for
    ratio adjustment = 1;      ///< Delta_TF + f

    template <class Rep, class Band>
    constexpr auto power(const quantity<dim::none, Rep>& path_loss,
                         const quantity<dim::frequency, Band>& bandwidth) const {
        return detail::in_doubles<dim::power>(
            [cap = most.value(), a_block = (target * adjustment).value(), alpha = compensation.value()](double loss,
                                                                                                        double hz) {
                const double wanted = a_block * (hz / 180e3) * std::pow(loss, alpha);
                return cap < wanted ? cap : wanted;
            },
            path_loss, bandwidth);
    }
    /// The SNR at the base station with that power; of `link` everything but its own transmit power counts.
    template <class Rep, class Band>
    constexpr auto snr(const link_budget& link, const quantity<dim::none, Rep>& path_loss,
                       const quantity<dim::frequency, Band>& bandwidth) const {
        const auto gains = detail::in_precision_of<Rep>(link.transmit_gain * link.receive_gain);
        return power(path_loss, bandwidth) * gains / path_loss / noise_power(bandwidth, link.noise_figure);
    }
};

}  // namespace qlroute
