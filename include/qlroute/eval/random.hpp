// Random numbers that are the same everywhere, and the same for every policy that is compared.
#pragma once

#include <cmath>
#include <cstdint>

namespace qlroute::eval {

/// A stream of random numbers that depends on nothing but its keys: two policies that meet the same turn of the same
/// dialogue meet the same luck, whatever they decided before. splitmix64 (Steele, Lea, Flood, 2014).
class keyed_random {
public:
    template <class... Keys>
    explicit constexpr keyed_random(std::uint64_t seed, Keys... keys) noexcept : state_(seed) {
        ((state_ = next() ^ static_cast<std::uint64_t>(keys)), ...);
    }

    constexpr std::uint64_t next() noexcept {
        std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    /// 0 <= x < 1.
    constexpr double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }
    /// One of 0..count - 1; count > 0.
    constexpr std::uint64_t below(std::uint64_t count) noexcept { return next() % count; }
    /// Mean 1.
    double exponential() noexcept { return -std::log1p(-uniform()); }
    /// Mean 0, deviation 1 (Box and Muller).
    double normal() noexcept {
        constexpr double pi = 3.14159265358979323846;
        const double radius = std::sqrt(2 * exponential());
        return radius * std::cos(2 * pi * uniform());
    }
    /// Of median 1; its logarithm deviates by `sigma`.
    double lognormal(double sigma) noexcept { return std::exp(sigma * normal()); }

private:
    std::uint64_t state_;
};

}  // namespace qlroute::eval
