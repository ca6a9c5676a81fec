#include <qlroute/link/path_loss.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(propagation<urban_macro> && propagation<urban_micro> && propagation<indoor_office>);

double lg(double x) { return std::log10(x); }

/// Each element of a loss, in dB, is near what is expected.
template <class Rep>
bool has_dB(const quantity<dim::none, Rep>& loss, double expected, double within = 1e-3) {
    for (const double each : elements(loss))
        if (!(std::abs(10 * std::log10(each) - expected) < within)) return false;
    return true;
}

}  // namespace

TEST_CASE_TEMPLATE("UMa at 100 m has the published numbers", Rep, QLROUTE_TEST_REPS) {
    constexpr urban_macro city{.carrier = 3.5_GHz, .base_height_m = 25, .user_height_m = 1.5};
    const auto d = filled<Rep>(ratio(100));
    CHECK(has_dB(city.line_of_sight(d), 83.138));
    CHECK(has_dB(city.no_line_of_sight(d), 103.038));
    CHECK(city.breakpoint_m() == doctest::Approx(560.4).epsilon(0.0001));
    // 32.4 + 30 lg 102.724 + 20 lg 3.5
    CHECK(has_dB(city.optional_no_line_of_sight(d), 32.4 + 30 * lg(std::hypot(100, 23.5)) + 20 * lg(3.5)));
}

TEST_CASE_TEMPLATE("UMi at 100 m by hand", Rep, QLROUTE_TEST_REPS) {
    constexpr urban_micro street{.carrier = 3.5_GHz, .base_height_m = 10, .user_height_m = 1.5};
    const auto d = filled<Rep>(ratio(100));
    // d_3D = 100.3606 m: 32.4 + 42.0328 + 10.8814, and 22.4 + 70.6552 + 11.5887
    CHECK(has_dB(street.line_of_sight(d), 85.3142));
    CHECK(has_dB(street.no_line_of_sight(d), 104.6438));
    CHECK(has_dB(street.optional_no_line_of_sight(d), 32.4 + 31.9 * lg(100.3606) + 20 * lg(3.5)));
    // 4 * 9 * 0.5 * 3.5 / 0.299792
    CHECK(street.breakpoint_m() == doctest::Approx(210.14).epsilon(1e-4));
}

TEST_CASE_TEMPLATE("InH at 30 m by hand", Rep, QLROUTE_TEST_REPS) {
    constexpr indoor_office office{.carrier = 10_GHz, .base_height_m = 41, .user_height_m = 1};
    const auto d = filled<Rep>(ratio(30));
    // d_3D = 50 m: 32.4 + 17.3 * 1.69897 + 20, and 17.3 + 38.3 * 1.69897 + 24.9
    CHECK(has_dB(office.line_of_sight(d), 81.7922));
    CHECK(has_dB(office.no_line_of_sight(d), 107.2706));
    CHECK(has_dB(office.optional_no_line_of_sight(d), 32.4 + 31.9 * 1.69897 + 20));
}

TEST_CASE("beyond the break point the loss falls with the fourth power, without a jump") {
    const auto check = [](const auto& model, double constant, double fall) {
        const double turn = model.breakpoint_m();
        const double dh = model.base_height_m - model.user_height_m;
        const auto dB = [&](double d) { return in_decibels(model.line_of_sight(ratio(d))); };
        CHECK(dB(turn * 1.000001) == doctest::Approx(dB(turn)).epsilon(1e-6));
        const double far = 4 * turn;
        CHECK(dB(far) == doctest::Approx(constant + 40 * lg(std::hypot(far, dh)) + 20 * lg(3.5) -
                                         fall * lg(turn * turn + dh * dh)));
    };
    check(urban_macro{}, 28.0, 9);
    check(urban_micro{}, 32.4, 9.5);
}

TEST_CASE("a blocked phone never hears more than a clear one, and farther never more than nearer") {
    const auto check = [](const auto& model, double from, double to) {
        double before = 0;
        double before_blocked = 0;
        for (double d = from; d < to; d *= 1.1) {
            const double clear = model.line_of_sight(ratio(d)).value();
            const double blocked = model.no_line_of_sight(ratio(d)).value();
            CHECK(clear > before);
            CHECK(blocked >= clear);
            CHECK(blocked > before_blocked);
            before = clear;
            before_blocked = blocked;
        }
    };
    check(urban_macro{}, 10, 5000);
    check(urban_macro{.user_height_m = 20}, 10, 5000);
    check(urban_micro{.carrier = 28_GHz}, 10, 5000);
    check(indoor_office{}, 1, 150);
}

TEST_CASE_TEMPLATE("line of sight becomes unlikely with distance", Rep, QLROUTE_TEST_REPS) {
    const auto at = [](double d) { return filled<Rep>(ratio(d)); };
    // 18/36 + e^-1 / 2, and 18/63 + e^-1 45/63
    CHECK(equals<Rep>(urban_micro{}.line_of_sight_probability(at(36)), ratio(0.5 + std::exp(-1) / 2)));
    CHECK(equals<Rep>(urban_macro{}.line_of_sight_probability(at(63)), ratio(18 / 63.0 + std::exp(-1) * 45 / 63)));
    CHECK(equals<Rep>(urban_micro{}.line_of_sight_probability(at(18)), ratio(1)));
    CHECK(equals<Rep>(urban_macro{}.line_of_sight_probability(at(18)), ratio(1)));
    // a phone at 23 m: C = 1, and at 100 m 1 + 1.25 e^(-2/3)
    const double low = 0.18 + 0.82 * std::exp(-100 / 63.0);
    CHECK(equals<Rep>(urban_macro{.user_height_m = 23}.line_of_sight_probability(at(100)),
                      ratio(low * (1 + 1.25 * std::exp(-100 / 150.0)))));
    CHECK(equals<Rep>(urban_macro{.user_height_m = 13}.line_of_sight_probability(at(100)), ratio(low)));
    const indoor_office mixed;
    CHECK(equals<Rep>(mixed.line_of_sight_probability(at(1.2)), ratio(1)));
    CHECK(equals<Rep>(mixed.line_of_sight_probability(at(5.9)), ratio(std::exp(-1))));
    CHECK(equals<Rep>(mixed.line_of_sight_probability(at(39.1)), ratio(0.32 * std::exp(-1))));
    const indoor_office open{.open = true};
    CHECK(equals<Rep>(open.line_of_sight_probability(at(5)), ratio(1)));
    CHECK(equals<Rep>(open.line_of_sight_probability(at(40.4)), ratio(std::exp(-0.5))));
    CHECK(equals<Rep>(open.line_of_sight_probability(at(260.7)), ratio(0.54 * std::exp(-1))));
}

TEST_CASE("a probability stays one") {
    for (double height = 1.5; height <= 22.5; height += 1)
        for (double d = 1; d < 5000; d *= 1.2) {
            const double p = urban_macro{.user_height_m = height}.line_of_sight_probability(ratio(d)).value();
            CHECK(p >= 0);
            CHECK(p <= 1);
        }
}

TEST_CASE_TEMPLATE("the expected loss is the mean in dB", Rep, QLROUTE_TEST_REPS) {
    const urban_micro street;
    const double p = 0.5 + std::exp(-1) / 2;
    const double clear = in_decibels(street.line_of_sight(ratio(36)));
    const double blocked = in_decibels(street.no_line_of_sight(ratio(36)));
    CHECK(has_dB(expected_loss(street, filled<Rep>(ratio(36))), p * clear + (1 - p) * blocked, 1e-4));
}

TEST_CASE("distances out of range and no number have an answer") {
    const double nan = std::nan("");
    CHECK(urban_macro{}.line_of_sight(ratio(0)) == urban_macro{}.line_of_sight(ratio(10)));
    CHECK(urban_micro{}.no_line_of_sight(ratio(-5)) == urban_micro{}.no_line_of_sight(ratio(10)));
    CHECK(indoor_office{}.line_of_sight(ratio(0)) == indoor_office{}.line_of_sight(ratio(1)));
    CHECK(std::isnan(urban_macro{}.line_of_sight(ratio(nan)).value()));
    CHECK(std::isnan(urban_macro{}.no_line_of_sight(ratio(nan)).value()));
    CHECK(std::isnan(urban_macro{}.line_of_sight_probability(ratio(nan)).value()));
    CHECK(std::isnan(expected_loss(indoor_office{}, ratio(nan)).value()));
}

TEST_CASE_TEMPLATE("a wall and the room behind it", Rep, QLROUTE_TEST_REPS) {
    // at 5 GHz glass is 3 dB, concrete 25 dB, coated glass 24.5 dB
    const double low = 5 - 10 * lg(0.3 * std::pow(10, -0.3) + 0.7 * std::pow(10, -2.5));
    const double high = 5 - 10 * lg(0.7 * std::pow(10, -2.45) + 0.3 * std::pow(10, -2.5));
    CHECK(has_dB(building_loss(facade::low_loss, 5_GHz, filled<Rep>(ratio(0))), low));
    CHECK(has_dB(building_loss(facade::low_loss, 5_GHz, filled<Rep>(ratio(10))), low + 5));
    CHECK(has_dB(building_loss(facade::high_loss, 5_GHz, filled<Rep>(ratio(10))), high + 5));
    CHECK(has_dB(building_loss(facade::low_loss, 5_GHz, filled<Rep>(ratio(-3))), low));
    CHECK(building_sigma_dB(facade::low_loss) == 4.4);
    CHECK(building_sigma_dB(facade::high_loss) == 6.5);
    CHECK(low == doctest::Approx(13.1).epsilon(0.01));
    CHECK(high > 29);
}

TEST_CASE_TEMPLATE("shadowing fails by the normal distribution", Rep, QLROUTE_TEST_REPS) {
    // 6 dB spare with sigma 6
    CHECK(equals<Rep>(shadowing_outage(filled<Rep>(16_dB), 10_dB, 6), ratio(detail::normal_distribution(-1))));
    CHECK(equals<Rep>(shadowing_outage(filled<Rep>(ratio(10)), 10_dB, 6), ratio(0.5)));
    CHECK(equals<Rep>(shadowing_outage(filled<Rep>(11_dB), 10_dB, 0), ratio(0)));
    CHECK(equals<Rep>(shadowing_outage(filled<Rep>(9_dB), 10_dB, 0), ratio(1)));
    CHECK(equals<Rep>(shadowing_outage(filled<Rep>(ratio(0)), 10_dB, 6), ratio(1)));
}

TEST_CASE("a margin keeps the outage that it was chosen for") {
    // 1.2816 * 8 dB
    const ratio margin = shadowing_margin(8, 10_percent);
    CHECK(in_decibels(margin) == doctest::Approx(10.252).epsilon(1e-3));
    CHECK(shadowing_outage(10_dB * margin, 10_dB, 8).value() == doctest::Approx(0.1));
}
