// How a request gets across the link.
//
//   cost::uplink{cost::tcp{}}                                          // slow start, a handshake where the last one is
//   too old cost::end_to_end(engine, cost::tcp{.handshake = cost::handshake::quic})
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/cost/expression.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>

namespace qlroute::cost {

/// `request_time(s, size)`: seconds from sending `size` of text until the target has it all.
template <class T>
concept transport = requires(const T& how, const scenario<>& s, bits size) {
    { how.request_time(s, size) } -> std::convertible_to<seconds>;
};

/// Whether two texts take as long one after the other as at once, but for the journey of the first bit: then what a
/// longer text adds is its size over a rate, and terms may say so.
template <class T>
concept additive_transport = transport<T> && requires { requires T::additive; };

namespace detail {

template <class Transport>
constexpr bool is_transport() {
    static_assert(transport<Transport>,
                  "qlroute: a transport needs a const request_time(s, size) that returns seconds");
    return transport<Transport>;
}

}  // namespace detail

/// Half a round trip and the bits at the rate of the link.
///   rtt / 2 + size / uplink_rate                                             [s]
/// Holds for an open connection and a text that fits its congestion window, 14 kB after a pause. Measured on a shaped
/// TCP link, this is 48 % too low for 4 kB and 53 % for 64 kB over new connections (docs/cost/transport.md).
struct serialised {
    static constexpr bool additive = true;

    constexpr auto request_time(const auto& s, const auto& size) const { return 0.5 * s.rtt + size / s.uplink_rate; }
};

/// Round trips before a request can leave. Sources: RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 9000, RFC 9001 (QUIC).
namespace handshake {
inline constexpr ratio none = 0;  ///< a connection that is there
inline constexpr ratio tcp = 1;
inline constexpr ratio tcp_tls12 = 3;
inline constexpr ratio tcp_tls13 = 2;
inline constexpr ratio tcp_tls13_early_data = 1;
inline constexpr ratio quic = 1;
inline constexpr ratio quic_early_data = 0;
}  // namespace handshake

namespace detail {

/// What one transfer needs beside size, rate and round trip, as plain numbers of one precision.
template <class T>
struct slow_start {
    T segment;   // bits of payload
    T overhead;  // bits of headers with each
    T window;    // segments that may leave at once
    T loss;      // of a segment
    T rto;       // s

    /// Padhye, Firoiu, Towsley and Kurose (SIGCOMM 1998), full model without a receiver's window, b = 1.  [bit/s]
    T lossy_rate(T rtt) const {
        const T congestion = rtt * std::sqrt(2 * loss / 3);
        const T timeouts = rto * std::min(T(1), 3 * std::sqrt(3 * loss / 8)) * loss * (1 + 32 * loss * loss);
        return (segment + overhead) / (congestion + timeouts);
    }

    T time(T size, T rate, T rtt) const {
        const T segments = std::ceil(size / segment);
        const T wire = size + segments * overhead;
        T in_slow_start = wire;
        T after_loss = 0;
        if (loss > 0 && segments > 0) {
            // Cardwell, Savage and Anderson (INFOCOM 2000): segments until the first loss, the rest at the lossy rate.
            const T before = std::min((1 - std::pow(1 - loss, segments)) * (1 - loss) / loss + 1, segments);
            in_slow_start = wire * before / segments;
            after_loss = (wire - in_slow_start) / std::min(rate, lossy_rate(rtt));
        }
        return rtt / 2 + flights(in_slow_start, rate, rtt) + after_loss;
    }

private:
    /// Windows leave, one a round trip and each twice the last, until one fills the link or the rest fits into it.
    T flights(T wire, T rate, T rtt) const {
        const T full = segment + overhead;
        T waited = 0;
        T sent = 0;
        T w = window * full;
        for (int flight = 0; flight < 64; ++flight) {
            if (w >= rate * rtt || sent + w >= wire) break;
            waited += rtt;
            sent += w;
            w *= 2;
        }
        return waited + (wire - sent) / rate;
    }
};

}  // namespace detail

/// TCP, or QUIC, which starts as slowly: handshake, slow start, loss.
///   new connection (connection_idle > keep_alive):  lookup + handshake rtt + F(size, initial_window)            [s]
///   kept one:                                       F(size, max(initial_window, window / 2^floor(connection_idle /
///   rto))) F = rtt / 2 + (round trips waited for windows) rtt + (bits left, with headers) / uplink_rate
/// Windows of w, 2 w, 4 w ... segments cost a round trip each, until one fills the link (w >= rate rtt) or the rest
/// fits into it; rto = rtt + least_rto. With loss p, slow start goes on for E[d] = (1 - (1 - p)^d) (1 - p) / p + 1 of
/// the d segments, and the rest takes the rate of a lossy connection (PFTK): the expected time, above the median where
/// losses are rare. A local target has rtt = 0 and nothing to send: 0 s. Reads rtt, uplink_rate, connection_idle.
/// Sources: RFC 6928 (initial window), RFC 5681 and RFC 2861 (restart after idle; Linux, tcp_slow_start_after_idle),
/// Cardwell, Savage and Anderson, INFOCOM 2000; Padhye et al., SIGCOMM 1998. Measured: docs/cost/transport.md.
struct tcp {
    ratio handshake = handshake::tcp_tls13;
    seconds lookup{};          ///< of the server's name, before a handshake
    seconds keep_alive = 5_s;  ///< idle connections are closed after this (llama-server and many others); 0 = at once
    ratio initial_window = 10;
    ratio window{};  ///< segments that the kept connection had reached; 0 = initial_window
    bits segment = 1448_B;
    bits segment_overhead = 52_B;
    seconds least_rto = 200_ms;
    ratio loss{};  ///< of segments, 0 <= loss < 1

    constexpr auto request_time(const auto& s, const auto& size) const {
        const auto new_connection = [this](auto bits_up, auto rate, auto rtt, auto idle) {
            return this->arrival(bits_up, rate, rtt, idle);
        };
        return elementwise<dim::time>(new_connection, size, s.uplink_rate, s.rtt, s.connection_idle);
    }

private:
    template <class T>
    T arrival(T size, T rate, T rtt, T idle) const {
        if (!(rtt > 0) && !(size > 0)) return T(0);
        const T rto = rtt + static_cast<T>(least_rto.value());
        const T first = static_cast<T>(initial_window.value());
        const bool open = idle <= static_cast<T>(keep_alive.value());
        const T halvings = std::min(std::floor(idle / rto), T(60));
        const T kept = std::floor(static_cast<T>(window.value()) / std::exp2(halvings));
        const detail::slow_start<T> how{.segment = static_cast<T>(segment.value()),
                                        .overhead = static_cast<T>(segment_overhead.value()),
                                        .window = open ? std::max(first, kept) : first,
                                        .loss = static_cast<T>(loss.value()),
                                        .rto = rto};
        const T opening = open ? T(0) : static_cast<T>(lookup.value()) + static_cast<T>(handshake.value()) * rtt;
        return opening + how.time(size, rate, rtt);
    }
};

/// The rate of a long transfer over a lossy path: Padhye, Firoiu, Towsley and Kurose (SIGCOMM 1998), b = 1.
///   segment / (rtt sqrt(2 p / 3) + rto min(1, 3 sqrt(3 p / 8)) p (1 + 32 p^2))      [bit/s], 0 < p < 1
template <representation Rep>
constexpr auto pftk_rate(const quantity<dim::none, Rep>& loss, const quantity<dim::time, Rep>& rtt,
                         const quantity<dim::time, Rep>& rto, bits segment = 1448_B) {
    return elementwise<dim::data_rate>(
        [segment](auto p, auto round_trip, auto timeout) {
            using T = decltype(p);
            return detail::slow_start<T>{static_cast<T>(segment.value()), T(0), T(1), p, timeout}.lossy_rate(
                round_trip);
        },
        loss, rtt, rto);
}

}  // namespace qlroute::cost
