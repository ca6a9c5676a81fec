#include <qlroute/link/rate_belief.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(rate_estimator<ageing_value>);

/// Standard normal numbers, the same on every platform.
class normals {
public:
    explicit normals(std::uint32_t seed) : bits_(seed) {}
    double operator()() {
        const auto uniform = [&] { return (static_cast<double>(bits_()) + 0.5) / 4294967296.0; };
        const double radius = std::sqrt(-2 * std::log(uniform()));
        return radius * std::cos(2 * std::numbers::pi * uniform());
    }

private:
    std::mt19937 bits_;
};

template <class Rep>
rate_belief<Rep> filled(const rate_belief<>& belief) {
    return {.median = test::filled<Rep>(belief.median), .variance = test::filled<Rep>(belief.variance)};
}

/// ln R has a standard deviation of ln 4.
const rate_belief<> fourfold{.median = 2_Mbps, .variance = ratio(std::log(4.0) * std::log(4.0))};

}  // namespace

TEST_CASE_TEMPLATE("a belief has a mean and quantiles", Rep, QLROUTE_TEST_REPS) {
    const auto belief = filled<Rep>(fourfold);
    CHECK(equals<Rep>(belief.quantile(0.5), 2_Mbps));
    // one standard deviation is a factor of 4
    CHECK(equals<Rep>(belief.quantile(detail::normal_distribution(1)), 8_Mbps));
    CHECK(equals<Rep>(belief.quantile(detail::normal_distribution(-1)), 0.5_Mbps));
    CHECK(equals<Rep>(belief.mean(), std::exp(0.5 * std::log(4.0) * std::log(4.0)) * 2_Mbps));
}

TEST_CASE_TEMPLATE("a transfer has a mean time, quantiles and a chance to be late", Rep, QLROUTE_TEST_REPS) {
    const auto belief = filled<Rep>(fourfold);
    const auto size = test::filled<Rep>(1_Mbit);
    CHECK(equals<Rep>(belief.transfer_time_quantile(size, 0.5), 500_ms));
    CHECK(equals<Rep>(belief.transfer_time_quantile(size, detail::normal_distribution(1)), 2_s));
    CHECK(equals<Rep>(belief.mean_transfer_time(size), std::exp(0.5 * std::log(4.0) * std::log(4.0)) * 500_ms));
    // 2 s and less need at least a quarter of the median; with 1 s fixed, 3 s do
    CHECK(equals<Rep>(belief.late_probability(size, 2_s), ratio(detail::normal_distribution(-1))));
    CHECK(equals<Rep>(belief.late_probability(size, 3_s, 1_s), ratio(detail::normal_distribution(-1))));
    CHECK(equals<Rep>(belief.late_probability(size, 500_ms), ratio(0.5)));
}

TEST_CASE("the formulas are those of rates drawn from the belief") {
    normals draw(11);
    std::vector<double> times;
    for (int i = 0; i < 400000; ++i) times.push_back(1e6 / (2e6 * std::exp(0.5 * draw())));
    const rate_belief<> belief{.median = 2_Mbps, .variance = 0.25};
    double sum = 0;
    double late = 0;
    for (const double t : times) {
        sum += t;
        late += t > 0.8 ? 1 : 0;
    }
    const auto count = static_cast<double>(times.size());
    CHECK(belief.mean_transfer_time(1_Mbit).value() == doctest::Approx(sum / count).epsilon(0.005));
    CHECK(std::abs(belief.late_probability(1_Mbit, 800_ms).value() - late / count) < 0.003);
    std::nth_element(times.begin(), times.begin() + 360000, times.end());
    CHECK(belief.transfer_time_quantile(1_Mbit, 0.9).value() == doctest::Approx(times[360000]).epsilon(0.01));
}

TEST_CASE("certainty, nothing to send and a deadline that has passed have answers") {
    const rate_belief<> certain{.median = 1_Mbps};
    CHECK(certain.quantile(0.999) == 1_Mbps);
    CHECK(certain.quantile(1) == 1_Mbps);
    CHECK(certain.mean() == 1_Mbps);
    CHECK(certain.late_probability(1_Mbit, 1.1_s) == ratio(0));
    CHECK(certain.late_probability(1_Mbit, 0.9_s) == ratio(1));
    CHECK(fourfold.late_probability(1_bit, 1_s, 2_s) == ratio(1));
    CHECK(fourfold.late_probability(1_bit, 1_s, 1_s) == ratio(1));
    CHECK(fourfold.late_probability(0_bit, 1_s, 1_s) == ratio(0));
    CHECK(fourfold.late_probability(0_bit, 1_s, 2_s) == ratio(1));
    CHECK(std::isnan(rate_belief<>{.median = 1_Mbps, .variance = std::nan("")}.mean().value()));
    CHECK(std::isnan(fourfold.quantile(-1).value()));
}

TEST_CASE_TEMPLATE("an observation ages", Rep, QLROUTE_TEST_REPS) {
    // half is kept at once, a quarter after a memory of ln 2
    const rate_process process{.sd = 2, .white = 0.5, .memory = seconds(10 / std::log(2.0))};
    const auto seen = test::filled<Rep>(16_Mbps);
    const auto usual = test::filled<Rep>(1_Mbps);
    const rate_belief<Rep> now = process.after(seen, test::filled<Rep>(0_s), usual);
    CHECK(equals<Rep>(now.median, 4_Mbps));
    CHECK(equals<Rep>(now.variance, ratio(3)));
    const rate_belief<Rep> later = process.after(seen, test::filled<Rep>(10_s), usual);
    CHECK(equals<Rep>(later.median, 2_Mbps));
    CHECK(equals<Rep>(later.variance, ratio(3.75)));
}

TEST_CASE("an old observation says nothing, and bad input has an answer") {
    constexpr rate_process process{.sd = 2, .white = 0, .memory = 10_s};
    const seconds never(detail::infinite);
    for (const seconds age : {never, 1e6_s, seconds(std::nan(""))}) {
        CHECK(process.after(16_Mbps, age, 1_Mbps).median.value() == doctest::Approx(1e6));
        CHECK(process.after(16_Mbps, age, 1_Mbps).variance.value() == doctest::Approx(4));
    }
    CHECK(process.after(16_Mbps, -5_s, 1_Mbps).median.value() == doctest::Approx(16e6));
    CHECK(process.after(16_Mbps, -5_s, 1_Mbps).variance == ratio(0));
    // outages, and what is no rate, count as 100 kbit/s
    CHECK(process.after(0_bps, 0_s, 1_Mbps).median.value() == doctest::Approx(1e5));
    CHECK(process.after(bits_per_second(std::nan("")), 0_s, 1_Mbps).median.value() == doctest::Approx(1e5));
    CHECK(process.after(16_Mbps, never, 0_bps).median.value() == doctest::Approx(1e5));
    CHECK(rate_process{.memory = 0_s}.after(16_Mbps, 0_s, 1_Mbps).median.value() == doctest::Approx(1e6));
}

TEST_CASE("the aged belief is the best prediction of the process it describes") {
    // one long walk of the process, 1 s apart, without noise and with
    constexpr rate_process process{.sd = 1, .white = 0.2, .memory = 20_s};
    constexpr int lag = 10;
    normals draw(3);
    const double stays = std::exp(-1 / 20.0);
    double wander = 0;
    std::vector<double> logs;
    for (int i = 0; i < 300000; ++i) {
        wander = stays * wander + std::sqrt(0.8 * (1 - stays * stays)) * draw();
        logs.push_back(std::log(50e6) + wander + std::sqrt(0.2) * draw());
    }
    double squares = 0;
    double of_last = 0;
    for (std::size_t i = 0; i + lag < logs.size(); ++i) {
        const auto belief = process.after(bits_per_second(std::exp(logs[i])), seconds(lag), 50_Mbps);
        squares += std::pow(logs[i + lag] - std::log(belief.median.value()), 2);
        of_last += std::pow(logs[i + lag] - logs[i], 2);
    }
    const auto count = static_cast<double>(logs.size() - lag);
    CHECK(squares / count ==
          doctest::Approx(process.after(1_Mbps, seconds(lag), 1_Mbps).variance.value()).epsilon(0.02));
    CHECK(squares < of_last);
    CHECK(squares / count < 1);
}

TEST_CASE("an estimator ages its last observation") {
    ageing_value uplink{.process = rate_processes::nr_sa_uplink, .prior = 28_Mbps};
    CHECK(uplink.estimate() == 28_Mbps);
    CHECK(uplink.believed(5_s).variance == ratio(1.01 * 1.01));
    uplink.observe(100_Mbps);
    uplink.observe(bits_per_second(-1));
    uplink.observe(bits_per_second(detail::infinite));
    CHECK(uplink.latest == 100_Mbps);
    // 28 * (100 / 28)^0.82
    CHECK(uplink.estimate().value() == doctest::Approx(28e6 * std::pow(100 / 28.0, 0.82)));
    CHECK(uplink.believed(30_s).median < uplink.estimate());
    CHECK(uplink.believed(30_s).median > 28_Mbps);
}

TEST_CASE("every preset is a process") {
    using namespace rate_processes;
    for (const auto& one :
         {lte_downlink, lte_uplink, lte_campus_downlink, nr_sa_downlink, nr_sa_uplink, nr_nsa_downlink, nr_nsa_uplink,
          nr_nsa_ireland, mixed_ireland, mmwave_downlink, mmwave_uplink, us_driving_downlink, starlink_downlink,
          starlink_uplink, wifi_campus_downlink, hsdpa_downlink, umts_uplink, evdo_uplink}) {
        CHECK(one.sd.value() > 0);
        CHECK(one.sd.value() < 2.1);
        CHECK(one.white.value() >= 0);
        CHECK(one.white.value() < 1);
        CHECK(one.memory >= 4_s);
        CHECK(one.memory <= 114_s);
    }
    CHECK(lte_uplink.memory == 4_s);
    CHECK(mmwave_uplink.memory == 114_s);
}
