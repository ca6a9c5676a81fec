#include <qlroute/link/rate_estimator.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <limits>

using namespace qlroute;

namespace {

static_assert(rate_estimator<last_value>);
static_assert(rate_estimator<ewma>);
static_assert(rate_estimator<harmonic_mean<>>);
static_assert(rate_estimator<harmonic_mean<1>>);

struct never_learns {
    bits_per_second estimate() const noexcept { return 1_Mbps; }
};
static_assert(!rate_estimator<never_learns>);

struct may_throw {
    void observe(bits_per_second) {}
    bits_per_second estimate() const noexcept { return 1_Mbps; }
};
static_assert(!rate_estimator<may_throw>);

struct estimates_a_time {
    void observe(bits_per_second) noexcept {}
    seconds estimate() const noexcept { return 1_s; }
};
static_assert(!rate_estimator<estimates_a_time>);

/// What `estimator` expects after these rates.
template <rate_estimator Estimator>
bits_per_second after(Estimator estimator, std::initializer_list<bits_per_second> rates) {
    for (const auto rate : rates) estimator.observe(rate);
    return estimator.estimate();
}

}  // namespace

TEST_CASE_TEMPLATE("before the first observation the estimate is the prior, then no longer", Estimator, last_value,
                   ewma, harmonic_mean<5>) {
    Estimator estimator{.prior = 5_Mbps};
    CHECK(estimator.estimate() == 5_Mbps);
    estimator.observe(20_Mbps);
    CHECK(estimator.estimate() == 20_Mbps);
}

TEST_CASE_TEMPLATE("who knows nothing expects an outage", Estimator, last_value, ewma, harmonic_mean<5>) {
    CHECK(Estimator{}.estimate() == outage_rate);
}

TEST_CASE_TEMPLATE("a sample that is no rate changes nothing", Estimator, last_value, ewma, harmonic_mean<5>) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double infinity = std::numeric_limits<double>::infinity();
    for (const double no_rate : {nan, infinity, -infinity, -1.0}) {
        CHECK(after(Estimator{.prior = 5_Mbps}, {bits_per_second(no_rate)}) == 5_Mbps);
        CHECK(after(Estimator{}, {20_Mbps, bits_per_second(no_rate)}) == 20_Mbps);
    }
}

TEST_CASE_TEMPLATE("a constant rate is expected to stay", Estimator, last_value, ewma, harmonic_mean<5>) {
    Estimator estimator{};
    for (int i = 0; i < 20; ++i) estimator.observe(8_Mbps);
    CHECK(estimator.estimate().value() == doctest::Approx(8e6));
}

TEST_CASE("the last value is the last value, an outage included") {
    CHECK(after(last_value{}, {10_Mbps, 30_Mbps}) == 30_Mbps);
    CHECK(after(last_value{}, {10_Mbps, 0_bps}) == 0_bps);
}

TEST_CASE("ewma gives the past the weight keep") {
    // 0.75 * 10 + 0.25 * 30 = 15, and 0.75 * 15 + 0.25 * 5 = 12.5
    CHECK(after(ewma{.keep = 0.75}, {10_Mbps, 30_Mbps}) == 15_Mbps);
    CHECK(after(ewma{.keep = 0.75}, {10_Mbps, 30_Mbps, 5_Mbps}) == 12.5_Mbps);
    // by default 0.5 * 10 + 0.5 * 30 = 20
    CHECK(after(ewma{}, {10_Mbps, 30_Mbps}) == 20_Mbps);
}

TEST_CASE("ewma that keeps nothing is the last value, and one that keeps all the first") {
    CHECK(after(ewma{.keep = 0.0}, {10_Mbps, 30_Mbps, 5_Mbps}) == 5_Mbps);
    CHECK(after(ewma{.keep = 1.0}, {10_Mbps, 30_Mbps, 5_Mbps}) == 10_Mbps);
}

TEST_CASE("ewma forgets the prior with the first observation and recovers from an outage") {
    CHECK(after(ewma{.keep = 0.5, .prior = 100_Mbps}, {10_Mbps}) == 10_Mbps);
    CHECK(after(ewma{.keep = 0.5}, {0_bps}) == 0_bps);
    CHECK(after(ewma{.keep = 0.5}, {8_Mbps, 0_bps}) == 4_Mbps);
    CHECK(after(ewma{.keep = 0.5}, {0_bps, 8_Mbps}) == 4_Mbps);
}

TEST_CASE("the harmonic mean of two rates is the rate of two equal transfers") {
    // 2 / (1/10 + 1/40) = 2 / (5/40) = 16
    CHECK(after(harmonic_mean<5>{}, {10_Mbps, 40_Mbps}).value() == doctest::Approx(16e6));
    // 3 / (1/2 + 1/3 + 1/6) = 3
    CHECK(after(harmonic_mean<5>{}, {2_Mbps, 3_Mbps, 6_Mbps}).value() == doctest::Approx(3e6));
}

TEST_CASE("the harmonic mean sees its window and nothing older") {
    CHECK(after(harmonic_mean<2>{}, {1_Mbps, 10_Mbps, 40_Mbps}).value() == doctest::Approx(16e6));
    CHECK(after(harmonic_mean<2>{}, {10_Mbps, 40_Mbps, 10_Mbps}).value() == doctest::Approx(16e6));
    CHECK(after(harmonic_mean<1>{}, {10_Mbps, 40_Mbps}).value() == doctest::Approx(40e6));
    CHECK(after(harmonic_mean<>{}, {1_bps, 8_Mbps, 8_Mbps, 8_Mbps, 8_Mbps, 8_Mbps}).value() == doctest::Approx(8e6));
    CHECK(after(harmonic_mean<>{}, {1_kbps, 8_Mbps, 8_Mbps, 8_Mbps, 8_Mbps}).value() < 8e3);
}

TEST_CASE("one outage makes the harmonic mean small, not 0, until it leaves the window") {
    // 5 / (1/1e3 + 4/20e6) = 5 / 0.0010002
    harmonic_mean<5> estimator{};
    for (const auto rate : {20_Mbps, 20_Mbps, 0_bps, 20_Mbps, 20_Mbps}) estimator.observe(rate);
    CHECK(estimator.estimate().value() == doctest::Approx(4999.00).epsilon(1e-6));
    estimator.observe(20_Mbps);
    estimator.observe(20_Mbps);
    CHECK(estimator.estimate() < 5_kbps);
    estimator.observe(20_Mbps);
    CHECK(estimator.estimate().value() == doctest::Approx(20e6));
    CHECK(after(harmonic_mean<5>{}, {0_bps}) == outage_rate);
}
