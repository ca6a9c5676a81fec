#include <qlroute/link/spectral_efficiency.hpp>

#include <qlroute/adapt/eigen.hpp>
#include <qlroute/adapt/xtensor.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <vector>

using namespace qlroute;

namespace {

static_assert(spectral_efficiency_model<truncated_shannon>);
static_assert(spectral_efficiency_model<cqi_table>);

struct forgets_the_unit {
    double operator()(const ratio&) const { return 1; }
};
static_assert(!spectral_efficiency_model<forgets_the_unit>);

/// Ratios that hit every branch of both models: none, noise, each threshold, in between, far above.
std::vector<double> interesting_ratios() {
    std::vector<double> all{0, 0.05, 0.1, 0.5, 1, 3, 7, 15, 31, 1023, 1e6};
    for (const auto& level : cqi_table{}.levels) all.push_back(level.snr_min.value());
    return all;
}

/// The same numbers as one value of an array type, or one after the other as scalars.
template <class Rep>
std::vector<quantity<dim::none, Rep>> in(const std::vector<double>& numbers) {
    if constexpr (std::is_arithmetic_v<Rep>) {
        std::vector<quantity<dim::none, Rep>> all;
        for (const double x : numbers) all.push_back(static_cast<Rep>(x));
        return all;
    } else if constexpr (std::same_as<Rep, Eigen::ArrayXd>) {
        return {Rep(Eigen::Map<const Rep>(numbers.data(), static_cast<Eigen::Index>(numbers.size())))};
    } else {
        Rep row = Rep::from_shape({1, numbers.size()});
        for (std::size_t i = 0; i < numbers.size(); ++i) row(0, i) = numbers[i];
        return {row};
    }
}

/// The i-th of the numbers that in() took.
template <dimension D, class Rep>
double number(const std::vector<quantity<D, Rep>>& values, std::size_t i) {
    if constexpr (std::is_arithmetic_v<Rep>) return static_cast<double>(values[i].value());
    else if constexpr (std::same_as<Rep, Eigen::ArrayXd>) return values[0].value()[static_cast<Eigen::Index>(i)];
    else return values[0].value()(0, i);
}

template <class Rep, class Model>
std::vector<quantity<dim::data, Rep>> all_of(const Model& model, const std::vector<double>& ratios) {
    std::vector<quantity<dim::data, Rep>> all;
    for (const auto& snr : in<Rep>(ratios)) {
        static_assert(std::same_as<decltype(model(snr)), quantity<dim::data, Rep>>);
        all.push_back(model(snr));
    }
    return all;
}

template <class Rep>
double tolerance() {
    return std::same_as<Rep, float> ? 1e-5 : 1e-12;
}

}  // namespace

TEST_CASE_TEMPLATE("truncated Shannon is attenuation * log2(1 + snr) between its bounds", Rep, double, float,
                   Eigen::ArrayXd, xt::xtensor<double, 2>) {
    // 0.6 * log2(2), 0.6 * log2(4), 0.6 * log2(8)
    const auto down = all_of<Rep>(truncated_shannon::downlink(), {1, 3, 7});
    CHECK(number(down, 0) == doctest::Approx(0.6));
    CHECK(number(down, 1) == doctest::Approx(1.2));
    CHECK(number(down, 2) == doctest::Approx(1.8));
    // 0.4 * log2(2), 0.4 * log2(4), 0.4 * log2(16)
    const auto up = all_of<Rep>(truncated_shannon::uplink(), {1, 3, 15});
    CHECK(number(up, 0) == doctest::Approx(0.4));
    CHECK(number(up, 1) == doctest::Approx(0.8));
    CHECK(number(up, 2) == doctest::Approx(1.6));
}

TEST_CASE_TEMPLATE("truncated Shannon is flat above its ceiling", Rep, double, float, Eigen::ArrayXd,
                   xt::xtensor<double, 2>) {
    // 0.6 * log2(1024) = 6, 0.4 * log2(1024) = 4, and 0.4 * log2(32) = 2 just reaches it
    CHECK(number(all_of<Rep>(truncated_shannon::downlink(), {1023}), 0) == doctest::Approx(4.4));
    const auto up = all_of<Rep>(truncated_shannon::uplink(), {31, 1023, 1e9});
    CHECK(number(up, 0) == doctest::Approx(2));
    CHECK(number(up, 1) == 2);
    CHECK(number(up, 2) == 2);
}

TEST_CASE_TEMPLATE("truncated Shannon carries nothing below -10 dB and something at it", Rep, double, float,
                   Eigen::ArrayXd, xt::xtensor<double, 2>) {
    const auto edge = all_of<Rep>(truncated_shannon{}, {0, 0.0999, decibels(-10).value()});
    CHECK(number(edge, 0) == 0);
    CHECK(number(edge, 1) == 0);
    CHECK(number(edge, 2) == doctest::Approx(0.6 * std::log2(1.1)));
}

TEST_CASE_TEMPLATE("every setting of truncated Shannon counts", Rep, double, float, Eigen::ArrayXd,
                   xt::xtensor<double, 2>) {
    constexpr truncated_shannon mine{.attenuation = 0.5, .snr_min = 3, .ceiling = 2_bit};
    const auto reached = all_of<Rep>(mine, {1, 3, 7, 31});
    CHECK(number(reached, 0) == 0);
    CHECK(number(reached, 1) == doctest::Approx(1));
    CHECK(number(reached, 2) == doctest::Approx(1.5));
    CHECK(number(reached, 3) == doctest::Approx(2));
}

TEST_CASE("the named links have the parameters of TR 36.942") {
    constexpr auto down = truncated_shannon::downlink();
    CHECK(down.attenuation == ratio(0.6));
    CHECK(down.snr_min.value() == doctest::Approx(0.1));
    CHECK(down.ceiling == 4.4_bit);
    constexpr auto up = truncated_shannon::uplink();
    CHECK(up.attenuation == ratio(0.4));
    CHECK(up.snr_min.value() == doctest::Approx(0.1));
    CHECK(up.ceiling == 2_bit);
}

TEST_CASE_TEMPLATE("at each threshold the CQI table reaches that level, just below it the level before", Rep, double,
                   float, Eigen::ArrayXd, xt::xtensor<double, 2>) {
    constexpr std::array<double, 15> decibels_of_level{-6.7, -4.7, -2.3, 0.2,  2.4,  4.3,  5.9, 8.1,
                                                       10.3, 11.7, 14.1, 16.3, 18.7, 21.0, 22.7};
    // Table 5.2.2.1-2, the column "efficiency", four decimals
    constexpr std::array<double, 15> efficiency_of_level{0.1523, 0.2344, 0.3770, 0.6016, 0.8770, 1.1758, 1.4766, 1.9141,
                                                         2.4063, 2.7305, 3.3223, 3.9023, 4.5234, 5.1152, 5.5547};
    double below = 0;
    for (std::size_t i = 0; i < 15; ++i) {
        CAPTURE(i);
        const double threshold = decibels(decibels_of_level[i]).value();
        const auto reached = all_of<Rep>(cqi_table{}, {threshold, threshold * 1.0001, threshold * 0.9999});
        CHECK(std::abs(number(reached, 0) - efficiency_of_level[i]) < 6e-5);
        CHECK(number(reached, 1) == number(reached, 0));
        CHECK(number(reached, 2) == below);
        below = number(reached, 0);
    }
}

TEST_CASE_TEMPLATE("the CQI table is 0 out of range, and flat above its last level", Rep, double, float, Eigen::ArrayXd,
                   xt::xtensor<double, 2>) {
    const auto reached = all_of<Rep>(cqi_table{}, {0, 0.1, 1e6, 1e30});
    CHECK(number(reached, 0) == 0);
    CHECK(number(reached, 1) == 0);
    CHECK(number(reached, 2) == 6 * 948 / 1024.0);
    CHECK(number(reached, 3) == 6 * 948 / 1024.0);
}

TEST_CASE("the CQI table works with thresholds of your own") {
    cqi_table mine;
    mine.levels[0].snr_min = 0.1;
    CHECK(mine(ratio(0.15)) == spectral_efficiency(2 * 78 / 1024.0));
    CHECK(cqi_table{}(ratio(0.15)) == 0_bit);
}

TEST_CASE_TEMPLATE("an array holds what its elements give one by one", Rep, double, float, Eigen::ArrayXd,
                   xt::xtensor<double, 2>) {
    const auto ratios = interesting_ratios();
    const auto check = [&](const auto& model) {
        const auto together = all_of<Rep>(model, ratios);
        for (std::size_t i = 0; i < ratios.size(); ++i) {
            CAPTURE(ratios[i]);
            const double alone = model(ratio(ratios[i])).value();
            CHECK(number(together, i) == doctest::Approx(alone).epsilon(tolerance<Rep>()));
        }
    };
    check(truncated_shannon::downlink());
    check(truncated_shannon::uplink());
    check(cqi_table{});
}

TEST_CASE_TEMPLATE("more signal never carries less", Rep, double, float, Eigen::ArrayXd, xt::xtensor<double, 2>) {
    std::vector<double> rising;
    for (int dB = -30; dB <= 40; ++dB) rising.push_back(decibels(dB).value());
    const auto check = [&](const auto& model) {
        const auto reached = all_of<Rep>(model, rising);
        for (std::size_t i = 1; i < rising.size(); ++i) CHECK(number(reached, i) >= number(reached, i - 1));
    };
    check(truncated_shannon::downlink());
    check(truncated_shannon::uplink());
    check(cqi_table{});
}

TEST_CASE_TEMPLATE("the rate is bandwidth times spectral efficiency", Rep, double, float, Eigen::ArrayXd,
                   xt::xtensor<double, 2>) {
    using scalar = scalar_t<Rep>;
    const quantity<dim::frequency, scalar> bandwidth = 10_MHz;
    // 10 MHz * 0.6 * log2(4) = 12 Mbit/s
    for (const auto& snr : in<Rep>({3})) {
        const quantity<dim::data_rate, Rep> reached = rate(snr, bandwidth, truncated_shannon::downlink());
        CHECK(number(std::vector{reached}, 0) == doctest::Approx(12e6));
    }
}

TEST_CASE("a rate from an SNR in decibels is a rate") {
    // 20 MHz * 6 * 948 / 1024
    const bits_per_second fastest = rate(30_dB, 20_MHz, cqi_table{});
    CHECK(fastest == bits_per_second(20e6 * 5.5546875));
}
