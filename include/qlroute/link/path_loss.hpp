// How much of the power arrives: path loss between a base station and a phone, 0.5 to 100 GHz.
//
//   constexpr urban_macro city{.carrier = 3.5_GHz};
//   ratio clear = city.line_of_sight(ratio(100)), blocked = city.no_line_of_sight(ratio(100));   // 83.1 dB, 103.0 dB
//   ratio usual = expected_loss(city, ratio(100));
//
// A loss is transmitted over received power, a ratio: multiply losses, and say in_decibels(loss) where dB are wanted.
// There is no unit of length in the library: distances and heights are metres, and named so. A distance is horizontal
// (d_2D). Every model is a plain value, has no errors and may be shared between threads. A distance below the least one
// that a model holds for counts as that one; NaN gives NaN.
//
// Source: 3GPP TR 38.901, Tables 7.4.1-1 (path loss), 7.4.2-1 (line of sight), 7.4.3-1 and -2 (buildings), compared
// with public implementations, ns-3's among them. The report itself was not re-read here.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/special_functions.hpp>

#include <cmath>
#include <concepts>

namespace qlroute {

namespace detail {

/// constant + slope lg(d_3D / 1 m) + frequency_slope lg(f / 1 GHz), in dB.
struct log_distance {
    double constant;
    double slope;
    double frequency_slope;

    double operator()(double distance_3d, double carrier_GHz) const {
        return constant + slope * std::log10(distance_3d) + frequency_slope * std::log10(carrier_GHz);
    }
};

/// Where the base station, the phone and its carrier are.
struct radio_site {
    double carrier_GHz;
    double base_height;
    double user_height;

    double distance_3d(double d) const { return std::hypot(d, base_height - user_height); }
    /// 4 h'_BS h'_UT f / c, h' = h - 1 m.
    constexpr double breakpoint() const {
        constexpr double metres_a_nanosecond = 0.299792458;
        return 4 * (base_height - 1) * (user_height - 1) * carrier_GHz / metres_a_nanosecond;
    }
};

/// What the two outdoor models share. [dB]
struct outdoor_loss {
    log_distance near;    ///< line of sight, up to the break point
    double fall;          ///< beyond it: constant + 40 lg(d_3D) + 20 lg(f) - fall lg(d_BP^2 + dh^2)
    log_distance behind;  ///< no line of sight
    double height_gain;   ///< a metre of the phone above 1.5 m, no line of sight

    double clear(const radio_site& site, double d) const {
        const double turn = site.breakpoint();
        if (!(d > turn)) return near(site.distance_3d(d), site.carrier_GHz);
        const double dh = site.base_height - site.user_height;
        return log_distance{near.constant, 40, 20}(site.distance_3d(d), site.carrier_GHz) -
               fall * std::log10(turn * turn + dh * dh);
    }
    double blocked(const radio_site& site, double d) const {
        const double alone = behind(site.distance_3d(d), site.carrier_GHz) - height_gain * (site.user_height - 1.5);
        return std::fmax(clear(site, d), alone);
    }
};

inline constexpr outdoor_loss macro_loss{{28.0, 22, 20}, 9, {13.54, 39.08, 20}, 0.6};
inline constexpr outdoor_loss micro_loss{{32.4, 21, 20}, 9.5, {22.4, 35.3, 21.3}, 0.3};

/// A function of a distance in metres, which is at least `least`; NaN stays.
template <class Rep>
constexpr auto by_distance(const quantity<dim::none, Rep>& distance_m, double least, auto f) {
    return in_doubles<dim::none>([least, f](double d) { return f(d < least ? least : d); }, distance_m);
}

/// The same for a function that returns dB.
template <class Rep>
constexpr auto loss_by_distance(const quantity<dim::none, Rep>& distance_m, double least, auto decibels_at) {
    return by_distance(distance_m, least,
                       [decibels_at](double d) { return std::isnan(d) ? d : std::pow(10.0, decibels_at(d) / 10); });
}

/// 1 up to 18 m, then 18/d + e^(-d / decay) (1 - 18/d).
inline double clear_outdoors(double d, double decay) {
    return d <= 18 ? 1 : 18 / d + std::exp(-d / decay) * (1 - 18 / d);
}

}  // namespace detail

/// A model of path loss: what is lost with and without line of sight, and how likely there is one.
template <class T>
concept propagation = requires(const T& model, ratio distance_m) {
    { model.line_of_sight(distance_m) } -> std::convertible_to<ratio>;
    { model.no_line_of_sight(distance_m) } -> std::convertible_to<ratio>;
    { model.line_of_sight_probability(distance_m) } -> std::convertible_to<ratio>;
};

/// UMa: a base station above the roofs, 10 m to 5 km.
///   clear     28.0 + 22 lg d + 20 lg f up to the break point, then
///             28.0 + 40 lg d + 20 lg f - 9 lg(d_BP^2 + (h_BS - h_UT)^2)        [dB; d = d_3D in m, f in GHz]
///   blocked   max(clear, 13.54 + 39.08 lg d + 20 lg f - 0.6 (h_UT - 1.5)); optional 32.4 + 30 lg d + 20 lg f
///   d_BP = 4 h'_BS h'_UT f / c, h' = h - 1 m (which the report draws at random for phones above 13 m)
///   P(clear)  1 up to 18 m, then (18/d + e^(-d/63) (1 - 18/d)) (1 + C 5/4 (d/100)^3 e^(-d/150)),
///             C = ((h_UT - 13) / 10)^1.5 above 13 m, else 0; at most 1
struct urban_macro {
    hertz carrier = 3.5_GHz;
    double base_height_m = 25;
    double user_height_m = 1.5;  ///< 1.5 to 22.5

    static constexpr double least_distance_m = 10;
    static constexpr double line_of_sight_sigma_dB = 4;
    static constexpr double no_line_of_sight_sigma_dB = 6;
    static constexpr double optional_no_line_of_sight_sigma_dB = 7.8;

    constexpr double breakpoint_m() const { return site().breakpoint(); }

    template <class Rep>
    constexpr auto line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m,
                                        [at = site()](double d) { return detail::macro_loss.clear(at, d); });
    }
    template <class Rep>
    constexpr auto no_line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m,
                                        [at = site()](double d) { return detail::macro_loss.blocked(at, d); });
    }
    /// The simpler formula that the report also allows, which has more scatter.
    template <class Rep>
    constexpr auto optional_no_line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m, [at = site()](double d) {
            return detail::log_distance{32.4, 30, 20}(at.distance_3d(d), at.carrier_GHz);
        });
    }
    template <class Rep>
    constexpr auto line_of_sight_probability(const quantity<dim::none, Rep>& distance_m) const {
        const double height = user_height_m > 13 ? std::pow((user_height_m - 13) / 10, 1.5) : 0;
        return detail::by_distance(distance_m, least_distance_m, [height](double d) {
            if (d <= 18) return 1.0;
            const double above = 1 + height * 1.25 * std::pow(d / 100, 3) * std::exp(-d / 150);
            const double p = detail::clear_outdoors(d, 63) * above;
            return p > 1 ? 1.0 : p;
        });
    }

private:
    constexpr detail::radio_site site() const { return {(carrier / 1_GHz).value(), base_height_m, user_height_m}; }
};

/// UMi, street canyon: a base station below the roofs, 10 m to 5 km.
///   clear     32.4 + 21 lg d + 20 lg f up to the break point, then
///             32.4 + 40 lg d + 20 lg f - 9.5 lg(d_BP^2 + (h_BS - h_UT)^2)      [dB; d = d_3D in m, f in GHz]
///   blocked   max(clear, 22.4 + 35.3 lg d + 21.3 lg f - 0.3 (h_UT - 1.5)); optional 32.4 + 31.9 lg d + 20 lg f
///   d_BP as for urban_macro
///   P(clear)  1 up to 18 m, then 18/d + e^(-d/36) (1 - 18/d)
struct urban_micro {
    hertz carrier = 3.5_GHz;
    double base_height_m = 10;
    double user_height_m = 1.5;

    static constexpr double least_distance_m = 10;
    static constexpr double line_of_sight_sigma_dB = 4;
    static constexpr double no_line_of_sight_sigma_dB = 7.82;
    static constexpr double optional_no_line_of_sight_sigma_dB = 8.2;

    constexpr double breakpoint_m() const { return site().breakpoint(); }

    template <class Rep>
    constexpr auto line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m,
                                        [at = site()](double d) { return detail::micro_loss.clear(at, d); });
    }
    template <class Rep>
    constexpr auto no_line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m,
                                        [at = site()](double d) { return detail::micro_loss.blocked(at, d); });
    }
    /// The simpler formula that the report also allows, which has more scatter.
    template <class Rep>
    constexpr auto optional_no_line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m, [at = site()](double d) {
            return detail::log_distance{32.4, 31.9, 20}(at.distance_3d(d), at.carrier_GHz);
        });
    }
    template <class Rep>
    constexpr auto line_of_sight_probability(const quantity<dim::none, Rep>& distance_m) const {
        return detail::by_distance(distance_m, least_distance_m,
                                   [](double d) { return detail::clear_outdoors(d, 36); });
    }

private:
    constexpr detail::radio_site site() const { return {(carrier / 1_GHz).value(), base_height_m, user_height_m}; }
};

/// InH: an office, 1 to 150 m.
///   clear     32.4 + 17.3 lg d + 20 lg f                                       [dB; d = d_3D in m, f in GHz]
///   blocked   max(clear, 17.3 + 38.3 lg d + 24.9 lg f); optional 32.4 + 31.9 lg d + 20 lg f
///   P(clear)  mixed office: 1 up to 1.2 m, e^(-(d - 1.2)/4.7) up to 6.5 m, then 0.32 e^(-(d - 6.5)/32.6)
///             open office:  1 up to 5 m, e^(-(d - 5)/70.8) up to 49 m, then 0.54 e^(-(d - 49)/211.7)
struct indoor_office {
    hertz carrier = 3.5_GHz;
    double base_height_m = 3;
    double user_height_m = 1;
    bool open = false;  ///< an open office rather than one of rooms and corridors

    static constexpr double least_distance_m = 1;
    static constexpr double line_of_sight_sigma_dB = 3;
    static constexpr double no_line_of_sight_sigma_dB = 8.03;
    static constexpr double optional_no_line_of_sight_sigma_dB = 8.29;

    template <class Rep>
    constexpr auto line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m, [at = site()](double d) { return clear(at, d); });
    }
    template <class Rep>
    constexpr auto no_line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m, [at = site()](double d) {
            return std::fmax(clear(at, d), detail::log_distance{17.3, 38.3, 24.9}(at.distance_3d(d), at.carrier_GHz));
        });
    }
    /// The simpler formula that the report also allows, which has more scatter.
    template <class Rep>
    constexpr auto optional_no_line_of_sight(const quantity<dim::none, Rep>& distance_m) const {
        return detail::loss_by_distance(distance_m, least_distance_m, [at = site()](double d) {
            return detail::log_distance{32.4, 31.9, 20}(at.distance_3d(d), at.carrier_GHz);
        });
    }
    template <class Rep>
    constexpr auto line_of_sight_probability(const quantity<dim::none, Rep>& distance_m) const {
        return detail::by_distance(distance_m, 0, [is_open = open](double d) {
            if (is_open) {
                if (d <= 5) return 1.0;
                return d <= 49 ? std::exp(-(d - 5) / 70.8) : 0.54 * std::exp(-(d - 49) / 211.7);
            }
            if (d <= 1.2) return 1.0;
            return d <= 6.5 ? std::exp(-(d - 1.2) / 4.7) : 0.32 * std::exp(-(d - 6.5) / 32.6);
        });
    }

private:
    constexpr detail::radio_site site() const { return {(carrier / 1_GHz).value(), base_height_m, user_height_m}; }
    static double clear(const detail::radio_site& at, double d) {
        return detail::log_distance{32.4, 17.3, 20}(at.distance_3d(d), at.carrier_GHz);
    }
};

/// The mean of the loss in dB over line of sight and none.
///   line_of_sight^p * no_line_of_sight^(1 - p),  p = line_of_sight_probability  [no unit]
/// That is the middle of what many places at this distance see. The mean received power is larger: the few clear places
/// dominate it.
template <propagation Model, class Rep>
constexpr auto expected_loss(const Model& model, const quantity<dim::none, Rep>& distance_m) {
    return detail::in_doubles<dim::none>(
        [](double p, double clear, double blocked) { return std::pow(clear, p) * std::pow(blocked, 1 - p); },
        model.line_of_sight_probability(distance_m), model.line_of_sight(distance_m),
        model.no_line_of_sight(distance_m));
}

/// How a building's wall loses power: 0.3 glass and 0.7 concrete (an old house), or 0.7 coated glass and 0.3 concrete.
enum class facade { low_loss, high_loss };

/// The standard deviation of building_loss(), which adds to that of shadowing as independent ones do: by squares. [dB]
constexpr double building_sigma_dB(facade wall) { return wall == facade::low_loss ? 4.4 : 6.5; }

/// What a wall and the room behind it take: multiply it with the loss outdoors.
///   5 - 10 lg(sum of share 10^(-L/10)) + 0.5 inside                             [dB; inside in m]
///   L: glass 2 + 0.2 f, coated glass 23 + 0.3 f, concrete 5 + 4 f                [dB; f in GHz]
/// A negative depth counts as 0.
template <class Rep>
constexpr auto building_loss(facade wall, hertz carrier, const quantity<dim::none, Rep>& inside_m) {
    return detail::loss_by_distance(inside_m, 0, [wall, f = (carrier / 1_GHz).value()](double inside) {
        const auto passes = [](double dB) { return std::pow(10.0, -dB / 10); };
        const double concrete = passes(5 + 4 * f);
        const double through = wall == facade::low_loss ? 0.3 * passes(2 + 0.2 * f) + 0.7 * concrete
                                                        : 0.7 * passes(23 + 0.3 * f) + 0.3 * concrete;
        return 5 - 10 * std::log10(through) + 0.5 * inside;
    });
}

/// P(shadowing brings the SNR below what is needed), the loss in dB being normal.
///   Q((snr_dB - needed_dB) / sigma_dB)                                           [no unit]
/// No scatter leaves 0 or 1. sigma_dB >= 0; an SNR of 0 never suffices.
template <class Rep>
constexpr auto shadowing_outage(const quantity<dim::none, Rep>& snr, ratio needed, double sigma_dB) {
    return detail::in_doubles<dim::none>(
        [least = needed.value(), sigma_dB](double g) {
            const double spare = 10 * std::log10(g / least);
            if (sigma_dB == 0) return spare >= 0 ? 0.0 : 1.0;
            return detail::normal_distribution(-spare / sigma_dB);
        },
        snr);
}

/// The loss to plan for beyond the middle one, so that shadowing exceeds it with probability `outage` only.
///   10^(sigma_dB z / 10),  z = the normal quantile of 1 - outage                 [no unit]
inline ratio shadowing_margin(double sigma_dB, ratio outage) {
    return from_decibels(-sigma_dB * detail::normal_quantile(outage.value()));
}

}  // namespace qlroute
