// One direction of a link, as arithmetic: when a packet that comes now is through, or that it never is.
//
//   shaper up(link_course(5_Mbps, 30_ms), {.queue = 64_KiB}, 1);
//   const passage first = up.admit(0_s, 1500_B);     // leaves after 2.4 ms, arrives after 17.4 ms
//
// Times count from when the link came up.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/eval/random.hpp>
#include <qlroute/link/trace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

/// The rate and the delay of one direction: constant, or as recorded.
class link_course {
public:
    link_course(qlroute::bits_per_second rate, qlroute::seconds rtt) : rate_(rate), rtt_(rtt) {}

    /// The recording from `start` of its own clock on, looped; `rate` and `rtt` count where it measured none at all. A
    /// gap goes on with the last value. `recorded` must stay where it is.
    link_course(const qlroute::trace& recorded, qlroute::seconds start, qlroute::direction way,
                qlroute::bits_per_second rate, qlroute::seconds rtt)
        : rate_(rate), rtt_(rtt), recorded_(&recorded), start_(start), way_(way) {
        using qlroute::trace_sample;
        const auto column =
            way == qlroute::direction::uplink ? &trace_sample::uplink_rate : &trace_sample::downlink_rate;
        rates_ = qlroute::detail::with_gaps_filled(recorded.samples(), column);
        rtts_ = qlroute::detail::with_gaps_filled(recorded.samples(), &trace_sample::rtt);
    }

    /// The least T with: integral of the rate from `start` to start + T = size. Infinite where nothing is ever carried.
    qlroute::seconds transfer_time(qlroute::seconds start, qlroute::bits size) const {
        return rates_.empty() ? size / rate_ : recorded_->transfer_time(start_ + start, size, way_);
    }

    /// Half the round trip in force.
    qlroute::seconds delay(qlroute::seconds at) const {
        if (rtts_.empty()) return 0.5 * rtt_;
        const auto* in_force = &recorded_->at(start_ + at);
        return 0.5 * rtts_[static_cast<std::size_t>(in_force - recorded_->samples().data())];
    }

    /// Over the whole loop.
    qlroute::bits_per_second mean_rate() const {
        if (rates_.empty()) return rate_;
        const auto samples = recorded_->samples();
        qlroute::bits carried{};
        for (std::size_t i = 0; i < samples.size(); ++i) {
            const qlroute::seconds end =
                i + 1 < samples.size() ? samples[i + 1].at : samples.front().at + recorded_->duration();
            carried += rates_[i] * (end - samples[i].at);
        }
        return carried / recorded_->duration();
    }

    qlroute::bits_per_second largest_rate() const {
        return rates_.empty() ? rate_ : *std::max_element(rates_.begin(), rates_.end());
    }
    qlroute::seconds largest_delay() const {
        return 0.5 * (rtts_.empty() ? rtt_ : *std::max_element(rtts_.begin(), rtts_.end()));
    }

private:
    qlroute::bits_per_second rate_;
    qlroute::seconds rtt_;
    const qlroute::trace* recorded_ = nullptr;
    qlroute::seconds start_{};
    qlroute::direction way_{};
    std::vector<qlroute::bits_per_second> rates_;  // one a sample; empty: rate_ counts
    std::vector<qlroute::seconds> rtts_;
};

/// What else happens to packets in one direction.
struct link_shape {
    qlroute::bits queue{};      ///< that may wait, with the packet that is leaving
    qlroute::ratio loss{};      ///< of packets that have left
    qlroute::seconds jitter{};  ///< the delay is up to so much shorter or longer, uniformly
    bool reordering = false;    ///< whether jitter may let a packet overtake another
};

enum class fate { carried, lost, dropped };

/// What becomes of one packet. Times of a dropped one mean nothing; `arrives` of a lost one neither.
struct passage {
    ::fate fate = fate::carried;
    qlroute::seconds waited{};  ///< until its first bit left
    qlroute::seconds leaves{};
    qlroute::seconds arrives{};
};

/// A queue in which a packet leaves when the bits before it have left, and the air behind it.
///   dropped   where packets wait, and with this one they would be more than `queue`
///   leaves  = begins + transfer_time(begins, size),   begins = max(now, the last one's leaves)
///   lost      with the probability `loss`, after it used the link
///   arrives = leaves + max(0, delay(leaves) + jitter (2 u - 1)), u uniform in [0, 1); not before the last one's
///   arrives
class shaper {
public:
    shaper(link_course course, link_shape shape, std::uint64_t seed)
        : course_(std::move(course)), shape_(shape), random_(seed) {}

    /// Precondition: `now` is not before that of the last call.
    passage admit(qlroute::seconds now, qlroute::bits size) {
        while (!waiting_.empty() && waiting_.front().leaves <= now) {
            backlog_ -= waiting_.front().size;
            waiting_.pop_front();
        }
        if (!waiting_.empty() && backlog_ + size > shape_.queue) return {.fate = fate::dropped};

        const qlroute::seconds begins = qlroute::larger(now, free_at_);
        free_at_ = begins + course_.transfer_time(begins, size);
        waiting_.push_back({free_at_, size});
        backlog_ += size;

        // Both are drawn for every packet: another loss leaves the jitter as it was.
        const bool lost = random_.uniform() < shape_.loss.value();
        const qlroute::seconds off = shape_.jitter * (2 * random_.uniform() - 1);
        passage out{.fate = lost ? fate::lost : fate::carried, .waited = begins - now, .leaves = free_at_};
        if (lost) return out;
        out.arrives = free_at_ + qlroute::larger(qlroute::seconds{}, course_.delay(free_at_) + off);
        if (!shape_.reordering) out.arrives = last_arrival_ = qlroute::larger(out.arrives, last_arrival_);
        return out;
    }

private:
    struct waiting {
        qlroute::seconds leaves;
        qlroute::bits size;
    };

    link_course course_;
    link_shape shape_;
    qlroute::eval::keyed_random random_;
    std::deque<waiting> waiting_;
    qlroute::bits backlog_{};
    qlroute::seconds free_at_{};
    qlroute::seconds last_arrival_{};
};
