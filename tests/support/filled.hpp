// One test for every kind of number: scenario<double> copied into scenario<Rep>, and results compared element by
// element.
#pragma once

#include <qlroute/adapt/eigen.hpp>
#include <qlroute/adapt/xtensor.hpp>
#include <qlroute/core/literals.hpp>
#include <qlroute/cost/scenario.hpp>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

// The numbers that every formula is tested on: TEST_CASE_TEMPLATE("...", Rep, QLROUTE_TEST_REPS).
#define QLROUTE_TEST_REPS double, float, Eigen::ArrayXd, grid

namespace qlroute::test {

using grid = xt::xtensor<double, 2>;

/// A Rep whose elements are all x: 3 of them in an Eigen array, 2 x 3 in a grid.
template <class Rep>
Rep filled(double x) {
    if constexpr (std::is_arithmetic_v<Rep>) return static_cast<Rep>(x);
    else if constexpr (std::same_as<Rep, grid>) return grid(grid::shape_type{2, 3}, x);
    else return Rep::Constant(3, static_cast<typename Rep::Scalar>(x));
}

template <class Rep, dimension D>
quantity<D, Rep> filled(const quantity<D>& q) {
    return quantity<D, Rep>(filled<Rep>(q.value()));
}

/// The same facts in every element.
template <class Rep>
scenario<Rep> filled(const scenario<>& s) {
    return {.new_tokens = filled<Rep>(s.new_tokens),
            .prefix_tokens = filled<Rep>(s.prefix_tokens),
            .prefix_hit = filled<Rep>(s.prefix_hit),
            .prefix_saved = filled<Rep>(s.prefix_saved),
            .output_tokens = filled<Rep>(s.output_tokens),
            .prompt_size = filled<Rep>(s.prompt_size),
            .unseen_history = filled<Rep>(s.unseen_history),
            .token_size = filled<Rep>(s.token_size),
            .rtt = filled<Rep>(s.rtt),
            .uplink_rate = filled<Rep>(s.uplink_rate),
            .downlink_rate = filled<Rep>(s.downlink_rate),
            .radio_idle = filled<Rep>(s.radio_idle),
            .connection_idle = filled<Rep>(s.connection_idle),
            .prefill_rate = filled<Rep>(s.prefill_rate),
            .tpot = filled<Rep>(s.tpot),
            .kv_size = filled<Rep>(s.kv_size),
            .kv_rate = filled<Rep>(s.kv_rate),
            .queue_delay = filled<Rep>(s.queue_delay),
            .requests_running = filled<Rep>(s.requests_running),
            .requests_waiting = filled<Rep>(s.requests_waiting),
            .quality_loss = filled<Rep>(s.quality_loss),
            .where = s.where};
}

/// The numbers in a quantity.
template <dimension D, class Rep>
std::vector<double> elements(const quantity<D, Rep>& q) {
    if constexpr (std::is_arithmetic_v<Rep>) return {static_cast<double>(q.value())};
    else return std::vector<double>(q.value().begin(), q.value().end());
}

/// Whether every element of q is `expected`, to the precision of Rep.
template <class Rep, dimension D, class Actual>
bool equals(const quantity<D, Actual>& q, const quantity<D>& expected) {
    const double precision = std::same_as<Rep, float> ? 2e-6 : 1e-12;
    const auto numbers = elements(q);
    for (double x : numbers)
        if (!(std::abs(x - expected.value()) <= precision * std::abs(expected.value()))) return false;
    return numbers.size() == elements(filled<Rep>(expected)).size();
}

/// Facts that differ in every field, round enough to compute with by hand.
constexpr scenario<> round_facts() {
    return {.new_tokens = 100_tok,
            .prefix_tokens = 1000_tok,
            .prefix_hit = 600_tok,
            .prefix_saved = 900_tok,
            .output_tokens = 50_tok,
            .prompt_size = 40_kbit,
            .unseen_history = 200_kbit,
            .token_size = 2400_bit / 1_tok,
            .rtt = 40_ms,
            .uplink_rate = 2_Mbps,
            .downlink_rate = 1.2_Mbps,
            .radio_idle = 5_s,
            .connection_idle = 20_s,
            .prefill_rate = 1000_tok_s,
            .tpot = 20_ms / 1_tok,
            .kv_size = 100_kbit / 1_tok,
            .kv_rate = 1_Gbps,
            .queue_delay = 30_ms,
            .requests_running = 3,
            .requests_waiting = 2,
            .quality_loss = 0.25};
}

/// Random facts, the same on every platform.
class random_facts {
public:
    explicit random_facts(std::uint32_t seed) : bits_(seed) {}

    /// Evenly between low and high.
    double between(double low, double high) { return low + (high - low) * static_cast<double>(bits_()) / 4294967296.0; }

    /// A whole number from low to high.
    double whole(double low, double high) { return std::floor(between(low, high + 1)); }

    scenario<> operator()() {
        scenario<> s;
        s.new_tokens = tokens(whole(1, 2000));
        s.prefix_tokens = tokens(whole(0, 8000));
        s.prefix_hit = tokens(whole(0, s.prefix_tokens.value()));
        s.prefix_saved = tokens(whole(0, s.prefix_tokens.value()));
        s.output_tokens = tokens(whole(1, 1000));
        s.prompt_size = bits(whole(0, 1e6));
        s.unseen_history = bits(whole(0, 1e6));
        s.token_size = bits_per_token(whole(100, 4000));
        s.rtt = seconds(between(0, 0.2));
        s.uplink_rate = bits_per_second(between(1e4, 1e8));
        s.downlink_rate = bits_per_second(between(1e4, 1e8));
        s.radio_idle = seconds(between(0, 30));
        s.connection_idle = seconds(between(0, 120));
        s.prefill_rate = tokens_per_second(between(50, 20000));
        s.tpot = seconds_per_token(between(0.005, 0.1));
        s.kv_size = bits_per_token(between(1e5, 3e6));
        s.kv_rate = bits_per_second(between(0, 1) < 0.2 ? 0.0 : between(1e6, 1e10));
        s.queue_delay = seconds(between(0, 2));
        s.requests_running = whole(0, 20);
        s.requests_waiting = whole(0, 5);
        s.quality_loss = between(0, 1);
        return s;
    }

private:
    std::mt19937 bits_;
};

}  // namespace qlroute::test
