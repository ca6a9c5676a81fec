// What one direction of a link carried.
#pragma once

#include "shaper.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

/// How often which delay was seen, to within 1 %, in constant memory.
class delay_histogram {
public:
    void add(qlroute::seconds delay) {
        ++counts_[bucket(delay)];
        ++total_;
    }

    /// The delay that a share `p` of all do not exceed; 0 below 1 us, and without any.
    qlroute::seconds quantile(double p) const {
        const double wanted = p * static_cast<double>(total_);
        double seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += static_cast<double>(counts_[i]);
            if (counts_[i] > 0 && seen >= wanted)
                return i == 0 ? qlroute::seconds{} : least * std::pow(growth, static_cast<double>(i) - 0.5);
        }
        return {};
    }

private:
    static constexpr qlroute::seconds least{1e-6};
    static constexpr double growth = 1.02;

    static std::size_t bucket(qlroute::seconds delay) {
        if (!(delay > least)) return 0;
        const double place = 1 + std::floor(std::log((delay / least).value()) / std::log(growth));
        return static_cast<std::size_t>(std::min(place, static_cast<double>(buckets - 1)));
    }

    static constexpr std::size_t buckets = 1200;  // up to 5 h
    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t total_ = 0;
};

/// Of one direction. Every packet was carried, lost, dropped, or is still under way.
struct traffic {
    std::uint64_t packets = 0;  ///< that came in
    std::uint64_t bytes = 0;    ///< that came in
    std::uint64_t carried = 0;
    std::uint64_t carried_bytes = 0;
    std::uint64_t lost = 0;       ///< on the air
    std::uint64_t dropped = 0;    ///< by the full queue
    std::uint64_t refused = 0;    ///< by the receiving namespace
    delay_histogram queue_delay;  ///< of what was not dropped
    delay_histogram lateness;     ///< of this program: delivered after it should have been
};
