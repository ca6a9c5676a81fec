#include <qlroute/link/special_functions.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// Simpson's rule over [from, to].
double integral(auto f, double from, double to, int steps = 20000) {
    const double h = (to - from) / steps;
    double sum = f(from) + f(to);
    for (int i = 1; i < steps; ++i) sum += (i % 2 == 1 ? 4 : 2) * f(from + i * h);
    return sum * h / 3;
}

bool close(double a, double b, double precision) { return std::abs(a - b) <= precision * std::abs(b); }

/// I0 by its power series.
double bessel_i0(double x) {
    double term = 1;
    double sum = 1;
    for (int k = 1; k < 200; ++k) {
        term *= x * x / 4 / k / k;
        sum += term;
    }
    return sum;
}

}  // namespace

TEST_CASE("the exponential integral has its tabulated values") {
    // Abramowitz & Stegun, tables 5.1 and 5.2
    CHECK(close(detail::scaled_exponential_integral(0.1), std::exp(0.1) * 1.8229239584, 1e-10));
    CHECK(close(detail::scaled_exponential_integral(0.5), std::exp(0.5) * 0.5597735948, 1e-9));
    CHECK(close(detail::scaled_exponential_integral(1), std::exp(1) * 0.2193839344, 1e-9));
    CHECK(close(detail::scaled_exponential_integral(10), 0.0915633339, 1e-8));
}

TEST_CASE("the exponential integral is the integral of e^-t / (t + x)") {
    for (const double x : {0.3, 0.999, 1.0, 1.001, 2.0, 7.0, 50.0, 1000.0}) {
        CAPTURE(x);
        const double expected = integral([&](double t) { return std::exp(-t) / (t + x); }, 0, 45, 200000);
        CHECK(close(detail::scaled_exponential_integral(x), expected, 1e-10));
    }
}

TEST_CASE("the exponential integral has an answer at the ends of its range") {
    CHECK(detail::scaled_exponential_integral(0) == detail::infinite);
    CHECK(detail::scaled_exponential_integral(1e20) == 1e-20);
    CHECK(detail::scaled_exponential_integral(detail::infinite) == 0);
    CHECK(std::isnan(detail::scaled_exponential_integral(-1)));
    CHECK(std::isnan(detail::scaled_exponential_integral(detail::no_number)));
}

TEST_CASE("log gamma is that of factorials and of a half") {
    double factorial = 1;
    for (int n = 1; n <= 20; factorial *= n, ++n)
        CHECK(std::abs(detail::log_gamma(n) - std::log(factorial)) <= 1e-13 * std::log(factorial) + 2e-14);
    CHECK(detail::log_gamma(0.5) == doctest::Approx(0.5 * std::log(std::numbers::pi)).epsilon(1e-13));
    CHECK(detail::log_gamma(1e-3) == doctest::Approx(6.907178885383854).epsilon(1e-13));
    CHECK(std::isnan(detail::log_gamma(0)));
    CHECK(std::isnan(detail::log_gamma(-1.5)));
}

TEST_CASE("the regularised gamma function has its closed forms") {
    for (const double x : {0.01, 0.5, 1.0, 2.5, 10.0, 40.0}) {
        CAPTURE(x);
        CHECK(detail::regularised_gamma(1, x) == doctest::Approx(1 - std::exp(-x)).epsilon(1e-12));
        CHECK(detail::regularised_gamma(2, x) == doctest::Approx(1 - std::exp(-x) * (1 + x)).epsilon(1e-11));
        CHECK(detail::regularised_gamma(0.5, x) == doctest::Approx(std::erf(std::sqrt(x))).epsilon(1e-12));
    }
    // a large shape is nearly normal, with a skew of 2 / sqrt(a): 1/2 + 1 / (3 sqrt(2 pi a)) at its mean
    CHECK(std::abs(detail::regularised_gamma(1e4, 1e4) - (0.5 + 1 / (3 * std::sqrt(2 * std::numbers::pi * 1e4)))) <
          1e-6);
}

TEST_CASE("the regularised gamma function goes over into the normal distribution") {
    for (const double z : {-3.0, -1.0, 0.0, 1.0, 3.0}) {
        const auto at = [&](double a) { return detail::regularised_gamma(a, a + z * std::sqrt(a)); };
        CHECK(std::abs(at(0.99999e5) - at(1.00001e5)) < 1e-6);
    }
}

TEST_CASE("the regularised gamma function has an answer at the ends of its range") {
    CHECK(detail::regularised_gamma(detail::infinite, 3) == 0);
    CHECK(detail::regularised_gamma(3, 0) == 0);
    CHECK(detail::regularised_gamma(3, detail::infinite) == 1);
    CHECK(std::isnan(detail::regularised_gamma(0, 1)));
    CHECK(std::isnan(detail::regularised_gamma(1, -1)));
    CHECK(std::isnan(detail::regularised_gamma(1, detail::no_number)));
}

TEST_CASE("Marcum's function is the integral of the Rice density") {
    for (const double a : {0.0, 0.5, 1.0, 2.0, 4.0, 8.0})
        for (const double b : {0.2, 1.0, 3.0, 6.0, 9.0}) {
            CAPTURE(a);
            CAPTURE(b);
            const auto density = [&](double x) { return x * std::exp(-(x * x + a * a) / 2) * bessel_i0(a * x); };
            CHECK(std::abs(detail::marcum_p1(a, b) - integral(density, 0, b)) <= 1e-11);
        }
}

TEST_CASE("Marcum's function without noncentrality is Rayleigh's distribution") {
    for (const double b : {1e-3, 0.1, 1.0, 5.0}) CHECK(close(detail::marcum_p1(0, b), -std::expm1(-b * b / 2), 1e-12));
}

TEST_CASE("Marcum's function goes over into the normal distribution") {
    // at a = 100 the mean lies 1 / (2 a) above a
    for (const double z : {-2.0, 0.0, 2.0})
        CHECK(std::abs(detail::marcum_p1(100, 100 + z) - detail::normal_distribution(z - 0.005)) < 1e-4);
    CHECK(detail::marcum_p1(1000, 1000) == doctest::Approx(detail::normal_distribution(-0.0005)).epsilon(1e-9));
}

TEST_CASE("Marcum's function has an answer at the ends of its range") {
    CHECK(detail::marcum_p1(2, 0) == 0);
    CHECK(detail::marcum_p1(2, detail::infinite) == 1);
    CHECK(detail::marcum_p1(1, 200) == doctest::Approx(1).epsilon(1e-14));
    CHECK(detail::marcum_p1(120, 1) == doctest::Approx(0));
    CHECK(std::isnan(detail::marcum_p1(-1, 1)));
    CHECK(std::isnan(detail::marcum_p1(1, detail::no_number)));
}

TEST_CASE("normal quantiles undo the distribution") {
    CHECK(detail::normal_quantile(0.975) == doctest::Approx(1.959963984540054).epsilon(1e-13));
    CHECK(detail::normal_quantile(0.9) == doctest::Approx(1.2815515655446004).epsilon(1e-13));
    CHECK(detail::normal_quantile(1e-6) == doctest::Approx(-4.753424308822899).epsilon(1e-12));
    CHECK(detail::normal_quantile(0.5) == 0);
    for (double z = -8; z <= 5; z += 0.25)
        CHECK(detail::normal_quantile(detail::normal_distribution(z)) == doctest::Approx(z).epsilon(1e-9));
    CHECK(detail::normal_quantile(0) == -detail::infinite);
    CHECK(detail::normal_quantile(1) == detail::infinite);
    CHECK(std::isnan(detail::normal_quantile(-0.1)));
    CHECK(std::isnan(detail::normal_quantile(detail::no_number)));
}

TEST_CASE_TEMPLATE("a function of doubles works on every kind of number", Rep, QLROUTE_TEST_REPS) {
    const auto x = filled<Rep>(ratio(3));
    const auto y = filled<Rep>(ratio(4));
    const quantity<dim::none, Rep> z =
        detail::in_doubles<dim::none>([](double a, double b) { return std::hypot(a, b); }, x, y);
    CHECK(equals<Rep>(z, ratio(5)));
}
