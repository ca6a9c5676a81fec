// What really passes on a recorded link: a request that goes up packet by packet, and a stream of tokens that comes
// down. A router sees none of it but samples of the past.
//
//   recorded_radio radio(kind, uplink_trace, downlink_trace, offset, seed);
//   const seconds there = radio.send(now, 1'800_B, 20_s, true, turn);
//   const seconds read = radio.receive(first_token_left, last_token_left, 90, 297_B, turn);
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/eval/random.hpp>
#include <qlroute/link/trace.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

namespace qlroute::eval {

/// How a kind of radio behaves beyond what was recorded.
struct radio_behaviour {
    seconds rtt = 50_ms;         ///< where none was recorded
    double rtt_spread = 0.1;     ///< deviation of ln(rtt) from packet to packet
    seconds wakeup{};            ///< median, of a radio that has slept
    double wakeup_spread = 0.6;  ///< deviation of ln(wakeup): the 90th percentile is 2.2 times the median
    seconds inactivity{std::numeric_limits<double>::infinity()};  ///< after which it sleeps
    double block_error = 0.1;                                     ///< of a first transmission of a block
    seconds retransmission{};         ///< of a block; 0: the recorded round trips contain it
    ratio handshake_round_trips = 2;  ///< of a new connection: TCP and TLS 1.3
};

/// One user's radio. Times are the simulation's; the recordings begin at `offset` and loop. Luck depends on the seed
/// and on a key alone: the same turn meets the same luck, whoever decides.
class recorded_radio {
public:
    /// Both traces must outlive it; `up` must have measured the uplink, `down` the downlink.
    recorded_radio(const radio_behaviour& how, const trace& up, const trace& down, seconds offset, std::uint64_t seed)
        : recorded_radio(how, up, down, offset, offset, seed) {}
    /// Recordings of separate runs begin at offsets of their own.
    recorded_radio(const radio_behaviour& how, const trace& up, const trace& down, seconds up_offset,
                   seconds down_offset, std::uint64_t seed)
        : how_(how), up_(&up), down_(&down), up_offset_(up_offset), down_offset_(down_offset), seed_(seed) {}

    /// When the last bit of `size` has arrived if it leaves at `now`; infinite if the link never comes back. Windows of
    /// 10, 20, 40, ... segments leave once a round trip until they fill the link; every window may wait for
    /// retransmissions; a radio that has slept wakes up first; a new connection is opened first.
    seconds send(seconds now, bits size, seconds slept, bool new_connection, std::uint64_t key) const {
        constexpr bits segment = 1448_B, headers = 52_B;
        keyed_random luck(seed_, key);
        // Drawn whether needed or not: what comes after must not depend on what a policy did before.
        const seconds wakeup = how_.wakeup * luck.lognormal(how_.wakeup_spread);
        seconds at = slept > how_.inactivity ? now + wakeup : now;
        const seconds rtt = round_trip(at, luck);
        const seconds handshake = how_.handshake_round_trips * rtt + retransmitted(luck);
        // Each of its round trips carries a small packet or two: an outage holds it up.
        if (new_connection) at += up_->transfer_time(in(*up_, at), 600_B, direction::uplink) + handshake;
        bits left = size + std::ceil((size / segment).value()) * headers;
        bits window = 10 * (segment + headers);
        while (left > bits(0) && std::isfinite(at.value())) {
            const bits flight = smaller(window, left);
            const seconds sending = up_->transfer_time(in(*up_, at), flight, direction::uplink) + retransmitted(luck);
            left -= flight;
            // The next window waits for the acknowledgement of this one's first packet; when sending takes longer than
            // that, the pipe is full, and nothing waits any more.
            if (!(left > bits(0))) at += sending;
            else at += larger(sending, rtt);
            window = 2 * window;
        }
        return at + 0.5 * rtt;
    }

    struct stream {
        seconds first{};  ///< the user has the first token
        seconds last{};   ///< and all of them
    };
    /// A stream of `count` chunks of `chunk` each, the first of which leaves the server at `begun` and the last at
    /// `ended`.
    stream receive(seconds begun, seconds ended, double count, bits chunk, std::uint64_t key) const {
        keyed_random luck(seed_ + 1, key);
        const seconds half = 0.5 * round_trip(begun, luck);
        const auto transfer = [&](seconds from, bits size) {
            return from + down_->transfer_time(in(*down_, from), size, direction::downlink);
        };
        stream out;
        out.first = transfer(begun, chunk) + half + retransmitted(luck);
        out.last = larger(transfer(begun, count * chunk), transfer(ended, chunk)) + half + retransmitted(luck);
        out.last = larger(out.last, out.first);
        return out;
    }

    /// A rate as it was recorded, and how long ago that was over.
    struct observation {
        std::optional<bits_per_second> rate{};
        seconds age{};
    };
    /// The last sample that was complete at `now`: nothing of it lies in the future.
    observation last_uplink(seconds now) const { return last(*up_, now, &trace_sample::uplink_rate); }
    observation last_downlink(seconds now) const { return last(*down_, now, &trace_sample::downlink_rate); }
    seconds last_rtt(seconds now) const {
        for (const trace* each : {up_, down_})
            if (const auto recorded = before(*each, now).rtt) return *recorded;
        return how_.rtt;
    }

private:
    const trace_sample& before(const trace& of, seconds now) const {
        constexpr seconds instant(1e-6);
        return of.at(of.at(in(of, now)).at - instant);
    }
    observation last(const trace& of, seconds now, std::optional<bits_per_second> trace_sample::*rate) const {
        const double length = of.duration().value();
        const double place = std::fmod((offset_of(of) + now).value(), length);
        const seconds begun = of.at(in(of, now)).at - of.samples()[0].at;
        return {before(of, now).*rate, positive_part(seconds(place < 0 ? place + length : place) - begun)};
    }
    seconds rtt_at(seconds now) const {
        for (const trace* each : {up_, down_})
            if (const auto recorded = each->at(in(*each, now)).rtt) return *recorded;
        return how_.rtt;
    }

    seconds offset_of(const trace& of) const { return &of == up_ ? up_offset_ : down_offset_; }
    seconds in(const trace& of, seconds now) const { return of.samples()[0].at + offset_of(of) + now; }
    seconds round_trip(seconds at, keyed_random& luck) const { return rtt_at(at) * luck.lognormal(how_.rtt_spread); }
    seconds retransmitted(keyed_random& luck) const {
        if (!(how_.retransmission > seconds(0))) return seconds(0);
        double rounds = 0;
        while (rounds < 4 && luck.uniform() < how_.block_error) ++rounds;
        return rounds * how_.retransmission;
    }

    radio_behaviour how_;
    const trace* up_;
    const trace* down_;
    seconds up_offset_;
    seconds down_offset_;
    std::uint64_t seed_;
};

}  // namespace qlroute::eval
