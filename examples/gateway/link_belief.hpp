// The link, as far as the connections to remote endpoints tell.
#pragma once

#include "configured/settings.hpp"
#include "tcp_probe.hpp"

#include <cstddef>
#include <mutex>
#include <optional>
#include <variant>
#include <vector>

/// The round trip is the shortest of the remote endpoints' means, beyond which each has its extra_rtt; the uplink's
/// rate is the configured estimator's. Nobody sends enough to measure the downlink: it stays as configured.
/// Thread-safe.
class link_belief {
public:
    explicit link_belief(const settings& config)
        : now_(config.link), uplink_(config.estimator), rtt_(config.places.size()) {
        for (const qlroute::endpoint& place : config.places) beyond_.push_back(place.extra_rtt);
    }

    qlroute::link_state observe(std::size_t where, const tcp_measured& seen) {
        constexpr double forgetting = 0.8;
        const std::lock_guard lock(guard_);
        const auto own = larger(seen.rtt - beyond_[where], qlroute::seconds(0));
        rtt_[where] = rtt_[where] ? forgetting * *rtt_[where] + (1 - forgetting) * own : own;
        std::optional<qlroute::seconds> least;
        for (const auto& each : rtt_)
            if (each && (!least || *each < *least)) least = each;
        now_.rtt = *least;
        if (seen.uplink_rate) {
            std::visit([&](auto& one) { one.observe(*seen.uplink_rate); }, uplink_);
            now_.uplink_rate = std::visit([](const auto& one) { return one.estimate(); }, uplink_);
        }
        return now_;
    }

private:
    std::mutex guard_;
    qlroute::link_state now_;
    any_estimator uplink_;
    std::vector<std::optional<qlroute::seconds>> rtt_;
    std::vector<qlroute::seconds> beyond_;
};
