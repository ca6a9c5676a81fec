#include <qlroute/fit/least_absolute.hpp>

#include <doctest/doctest.h>

#include <array>
#include <span>
#include <vector>

using namespace qlroute;

namespace {

using row = relative_features<2>;

std::array<double, 2> fitted(const std::vector<row>& rows) { return least_absolute<2>(std::span<const row>(rows)); }

/// An equation a + b x = y, divided by y.
row line(double x, double y) { return {1 / y, x / y}; }

}  // namespace

TEST_CASE("a line through its points is found exactly") {
    const auto w = fitted({line(0, 3), line(1, 5), line(2, 7)});
    CHECK(w[0] == doctest::Approx(3));
    CHECK(w[1] == doctest::Approx(2));
}

TEST_CASE("one disturbed measurement does not move the others' line") {
    const auto w = fitted({line(0, 3), line(1, 5), line(2, 7), line(3, 90), line(4, 11)});
    CHECK(w[0] == doctest::Approx(3).epsilon(0.01));
    CHECK(w[1] == doctest::Approx(2).epsilon(0.01));
}

TEST_CASE("no coefficient is negative, and the others make the best of it") {
    // Falls with x: a constant is the best that may be said. The middle one of three has the least absolute error.
    const auto w = fitted({line(0, 5), line(1, 4), line(2, 4)});
    CHECK(w[1] == 0);
    CHECK(w[0] == doctest::Approx(4).epsilon(0.01));
}

TEST_CASE("features that never occur, or that cannot be told apart, do not spoil the fit") {
    const auto unused = fitted({{0.5, 0}, {0.25, 0}, {0.5, 0}});
    CHECK(unused[0] == doctest::Approx(2).epsilon(0.01));
    CHECK(unused[1] == 0);
    const auto twins = fitted({{0.5, 0.5}, {0.5, 0.5}});
    CHECK(twins[0] + twins[1] == doctest::Approx(2));
    CHECK(fitted({}) == std::array<double, 2>{0, 0});
}

TEST_CASE("six coefficients are found among times that differ by a factor of a thousand") {
    const std::array<double, 6> truth{0.008, 0.0008, 1.7e-6, 0.012, 0.0009, 3.4e-5};
    std::vector<relative_features<6>> rows;
    for (double p = 0; p <= 4096; p += 512)
        for (double n = 1; n <= 512; n *= 2) {
            relative_features<6> x{};
            const std::size_t kernel = n >= 64 ? 0 : 3;
            x[kernel] = 1;
            x[kernel + 1] = n;
            x[kernel + 2] = n * (p + (n + 1) / 2);
            double y = 0;
            for (std::size_t k = 0; k < 6; ++k) y += x[k] * truth[k];
            for (double& one : x) one /= y;
            rows.push_back(x);
        }
    const auto w = least_absolute<6>(std::span<const relative_features<6>>(rows));
    for (std::size_t k = 0; k < 6; ++k) CHECK(w[k] == doctest::Approx(truth[k]).epsilon(1e-6));
}
