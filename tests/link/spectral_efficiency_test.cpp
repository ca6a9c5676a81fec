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
static_assert(spectral_efficiency_model<shannon>);
static_assert(spectral_efficiency_model<finite_block_length>);
static_assert(spectral_efficiency_model<equal_power_mimo<2>>);
static_assert(spectral_efficiency_model<equal_power_mimo<2, cqi_table>>);

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
    check(cqi_table::table1_awgn());
    check(cqi_table::table2());
    check(shannon{});
    check(shannon{.gap = 4_dB});
    check(finite_block_length{});
    check(finite_block_length{.uses = 100, .error = 1e-5});
    check(equal_power_mimo<2>{.gains = {ratio(1.5), ratio(0.5)}});
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
    check(cqi_table::table1_awgn());
    check(cqi_table::table2());
    check(shannon{});
    check(shannon{.gap = 4_dB});
    check(finite_block_length{});
    check(finite_block_length{.uses = 100, .error = 1e-5});
    check(equal_power_mimo<2>{.gains = {ratio(1.5), ratio(0.5)}});
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

TEST_CASE_TEMPLATE("Shannon's bound doubles the SNR plus one for each bit, a gap away", Rep, double, float,
                   Eigen::ArrayXd, xt::xtensor<double, 2>) {
    const auto bound = all_of<Rep>(shannon{}, {0, 1, 3, 1023, -0.5});
    CHECK(number(bound, 0) == 0);
    CHECK(number(bound, 1) == doctest::Approx(1));
    CHECK(number(bound, 2) == doctest::Approx(2));
    CHECK(number(bound, 3) == doctest::Approx(10));
    CHECK(number(bound, 4) == 0);
    // log2(1 + 6 / 2) and log2(1 + 14 / 2)
    const auto apart = all_of<Rep>(shannon{.gap = 2}, {6, 14});
    CHECK(number(apart, 0) == doctest::Approx(2));
    CHECK(number(apart, 1) == doctest::Approx(3));
    CHECK(std::isnan(number(all_of<Rep>(shannon{}, {std::nan("")}), 0)));
}

TEST_CASE_TEMPLATE("the gap of plain QAM grows with what it must promise", Rep, double, float, Eigen::ArrayXd,
                   xt::xtensor<double, 2>) {
    const auto all = in<Rep>({std::exp(-3.0) / 5, 1e-3, 1e-6, 0.1, 1});
    std::vector<quantity<dim::none, Rep>> gaps;
    for (const auto& p : all) gaps.push_back(gap_for_bit_error_rate(p));
    CHECK(number(gaps, 0) == doctest::Approx(2));                     // 3 / 1.5
    CHECK(number(gaps, 1) == doctest::Approx(3.5322).epsilon(1e-4));  // 5.298317 / 1.5
    CHECK(number(gaps, 2) == doctest::Approx(8.1374).epsilon(1e-4));  // 12.206073 / 1.5
    CHECK(number(gaps, 3) == 1);
    CHECK(number(gaps, 4) == 1);
    CHECK(gap_for_bit_error_rate(ratio(0)).value() == detail::infinite);
    CHECK(std::isnan(gap_for_bit_error_rate(ratio(-1)).value()));
}

TEST_CASE("every CQI table is the specification's and rises") {
    // Table 5.2.2.1-3, the column "efficiency"
    constexpr std::array<double, 15> up_to_256qam{0.1523, 0.3770, 0.8770, 1.4766, 1.9141, 2.4063, 2.7305, 3.3223,
                                                  3.9023, 4.5234, 5.1152, 5.5547, 6.2266, 6.9141, 7.4063};
    for (std::size_t i = 0; i < 15; ++i) {
        CHECK(std::abs(cqi_table::table2().levels[i].efficiency.value() - up_to_256qam[i]) < 6e-5);
        CHECK(cqi_table::table1_awgn().levels[i].efficiency == cqi_table{}.levels[i].efficiency);
    }
    for (const auto& table : {cqi_table{}, cqi_table::table1_awgn(), cqi_table::table2()})
        for (std::size_t i = 1; i < 15; ++i) {
            CHECK(table.levels[i].efficiency > table.levels[i - 1].efficiency);
            CHECK(table.levels[i].snr_min > table.levels[i - 1].snr_min);
        }
}

TEST_CASE("one efficiency has one threshold in both tables, and the last three keep the last distance to Shannon") {
    const auto second = cqi_table::table2();
    std::size_t shared = 0;
    for (const auto& one : cqi_table{}.levels)
        for (const auto& other : second.levels)
            if (one.efficiency == other.efficiency) {
                CHECK(one.snr_min == other.snr_min);
                ++shared;
            }
    CHECK(shared == 12);
    const auto distance = [](const cqi_level& level) {
        return in_decibels(level.snr_min) - in_decibels(ratio(std::exp2(level.efficiency.value()) - 1));
    };
    for (std::size_t i = 12; i < 15; ++i)
        CHECK(distance(second.levels[i]) == doctest::Approx(distance(cqi_table{}.levels[14])).epsilon(0.002));
}

TEST_CASE("the other thresholds of the first table lie 0.2 to 3.2 dB lower") {
    for (std::size_t i = 0; i < 15; ++i) {
        const double lower =
            in_decibels(cqi_table{}.levels[i].snr_min) - in_decibels(cqi_table::table1_awgn().levels[i].snr_min);
        CHECK(lower > 0.2);
        CHECK(lower < 3.2001);
    }
}

TEST_CASE_TEMPLATE("a short block stays below Shannon by its dispersion", Rep, double, float, Eigen::ArrayXd,
                   xt::xtensor<double, 2>) {
    // snr 3, n 400, error Q(2): C = 2, V = log2(e)^2 15/16, 2 sqrt(V) / 20 = 0.1396869, log2(400) / 800 = 0.0108048
    const finite_block_length mine{.uses = 400, .error = 0.022750131948179209};
    CHECK(number(all_of<Rep>(mine, {3}), 0) == doctest::Approx(2 - 0.1396869 + 0.0108048).epsilon(1e-6));
}

TEST_CASE("a short block carries nothing where the approximation is negative, and Shannon's bits when it is long") {
    CHECK(finite_block_length{.uses = 100, .error = 1e-5}(ratio(1e-3)) == 0_bit);
    CHECK(finite_block_length{}(ratio(0)) == 0_bit);
    CHECK(finite_block_length{}(ratio(-1)) == finite_block_length{}(ratio(0)));
    CHECK(std::isnan(finite_block_length{}(ratio(std::nan(""))).value()));
    CHECK(finite_block_length{.uses = 1e12}(ratio(7)).value() == doctest::Approx(3).epsilon(1e-5));
    // the less may be lost, the less is carried
    CHECK(finite_block_length{.error = 1e-6}(ratio(7)) < finite_block_length{.error = 1e-2}(ratio(7)));
}

TEST_CASE_TEMPLATE("streams of several antennas add up", Rep, double, float, Eigen::ArrayXd, xt::xtensor<double, 2>) {
    // snr 6: log2(1 + 6 * 1 / 2) + log2(1 + 6 * 5 / 2)
    const equal_power_mimo<2> both{.gains = {ratio(1), ratio(5)}};
    CHECK(number(all_of<Rep>(both, {6}), 0) == doctest::Approx(6));
    // two equal streams of half the power
    const equal_power_mimo<2, truncated_shannon> equal{.gains = {ratio(1), ratio(1)}};
    CHECK(number(all_of<Rep>(equal, {6}), 0) == doctest::Approx(2 * 1.2));
}
