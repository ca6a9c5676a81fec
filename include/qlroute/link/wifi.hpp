// What Wi-Fi delivers: frames cost time that carries nothing, and stations that send at once collide.
//
//   constexpr wifi network{.payload = 8 * 12_kbit};
//   bits_per_second alone = network.goodput(144_Mbps), all = network.saturation_goodput(144_Mbps, ratio(10));
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/link/special_functions.hpp>

#include <cmath>

namespace qlroute {

/// One channel under the distributed coordination function, every station with something to send and in reach of the
/// others. The defaults are frames of 1500 bytes under OFDM at 5 GHz; for aggregated frames make `payload` their sum.
/// Timings are as commonly given; not re-read here. Plain values, no errors, may be shared between threads.
struct wifi {
    bits payload = 1500_B;     ///< of a frame, or of an aggregate of frames
    bits header = 36_B;        ///< sent at the same rate
    seconds preamble = 20_us;  ///< before a frame, whatever its rate
    seconds ack = 44_us;       ///< with its own preamble
    seconds slot = 9_us;
    seconds sifs = 16_us;  ///< between frame and ack
    seconds difs = 34_us;  ///< before the backoff begins
    double window = 16;    ///< slots from which the first backoff is drawn, CW_min + 1
    int doublings = 6;     ///< of the window at most, after collisions

    /// What a frame takes that arrives.                                         [s]
    template <class Rep>
    constexpr auto exchange_time(const quantity<dim::data_rate, Rep>& rate) const {
        return detail::in_doubles<dim::time>([*this](double r) { return exchange(r); }, rate);
    }

    /// Of a station alone.
    ///   payload / (difs + slot (window - 1) / 2 + preamble + (payload + header) / rate + sifs + ack)   [bit/s]
    /// A rate of 0 delivers 0. Fast links gain little: all but (payload + header) / rate stays.
    template <class Rep>
    constexpr auto goodput(const quantity<dim::data_rate, Rep>& rate) const {
        return detail::in_doubles<dim::data_rate>(
            [*this](double r) { return payload.value() / (exchange(r) + slot.value() * (window - 1) / 2); }, rate);
    }

    /// Of all stations together, each with a frame always ready.
    ///   P_s P_tr payload / ((1 - P_tr) slot + P_tr P_s T_s + P_tr (1 - P_s) T_c)   [bit/s]
    ///   P_tr = 1 - (1 - tau)^n,  P_tr P_s = n tau (1 - tau)^(n - 1),  T_s = exchange_time,  T_c = T_s - sifs - ack
    /// tau = attempt_probability(n). Divide by n for a fair share. Fewer than one station counts as one; for one it is
    /// goodput(). Source: Bianchi, "Performance analysis of the IEEE 802.11 distributed coordination function", IEEE J.
    /// Sel. Areas Commun. 18, 2000, as commonly given; not re-read here. It takes collisions as independent of a
    /// station's past.
    template <class Rep, class Count>
    constexpr auto saturation_goodput(const quantity<dim::data_rate, Rep>& rate,
                                      const quantity<dim::none, Count>& stations) const {
        return detail::in_doubles<dim::data_rate>(
            [*this](double r, double count) {
                const double n = count < 1 ? 1 : count;
                const double tau = attempt(n);
                const double some = 1 - std::pow(1 - tau, n);
                const double one = n * tau * std::pow(1 - tau, n - 1);
                const double success = exchange(r);
                const double collision = success - sifs.value() - ack.value();
                return one * payload.value() / ((1 - some) * slot.value() + one * success + (some - one) * collision);
            },
            rate, stations);
    }

    /// The probability that a station sends in a slot.
    ///   tau = 2 / (1 + W + p W sum over i < doublings of (2p)^i),  p = 1 - (1 - tau)^(n - 1)   [no unit]
    template <class Rep>
    constexpr auto attempt_probability(const quantity<dim::none, Rep>& stations) const {
        return detail::in_doubles<dim::none>([*this](double n) { return attempt(n < 1 ? 1 : n); }, stations);
    }

private:
    double exchange(double rate) const {
        const double bits_sent = (payload + header).value();
        return (difs + preamble + sifs + ack).value() + bits_sent / rate;
    }
    /// The left side of the equation rises with tau and the right side falls: bisection.
    double attempt(double n) const {
        if (std::isnan(n)) return n;
        double low = 0;
        double high = 1;
        for (int i = 0; i < 60; ++i) {
            const double tau = (low + high) / 2;
            const double p = 1 - std::pow(1 - tau, n - 1);
            double sum = 0;
            double power = 1;
            for (int k = 0; k < doublings; ++k, power *= 2 * p) sum += power;
            if (tau < 2 / (1 + window + p * window * sum)) low = tau;
            else high = tau;
        }
        return (low + high) / 2;
    }
};

}  // namespace qlroute
