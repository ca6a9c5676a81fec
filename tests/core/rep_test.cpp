#include <qlroute/core/rep.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <string>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

static_assert(representation<double> && representation<float> && representation<int>);
static_assert(representation<Eigen::ArrayXd> && representation<grid>);
static_assert(!representation<std::string> && !representation<void*>);
static_assert(representation<const double&>);

// An integer is kept as a double; every other scalar as itself.
static_assert(std::same_as<evaluated_t<int>, double> && std::same_as<evaluated_t<float>, float>);
static_assert(std::same_as<evaluated_t<const double&>, double>);

// Lazy expressions are kept as arrays.
static_assert(std::same_as<evaluated_t<decltype(Eigen::ArrayXd{} + 2 * Eigen::ArrayXd{})>, Eigen::ArrayXd>);
static_assert(std::same_as<evaluated_t<decltype(grid{} + 2 * grid{})>, grid>);

static_assert(std::same_as<scalar_t<Eigen::ArrayXf>, float> && std::same_as<scalar_t<grid>, double>);

// Of an array and a scalar, the array decides.
static_assert(std::same_as<common_rep_traits<double, grid>, rep_traits<grid>>);
static_assert(std::same_as<common_rep_traits<grid, double>, rep_traits<grid>>);
static_assert(std::same_as<common_rep_traits<double, float>, rep_traits<float>>);

// An array that does not know its length cannot be filled from one number.
static_assert(fillable<double> && fillable<grid> && fillable<Eigen::Array3d> && !fillable<Eigen::ArrayXd>);

static_assert(rep_traits<float>::fill(0.5) == 0.5F);
static_assert(rep_traits<double>::smaller(1.0, 2.0) == 1.0 && rep_traits<double>::larger(1.0, 2.0) == 2.0);
static_assert(rep_traits<double>::smaller(2.0, 1.0) == 1.0 && rep_traits<double>::larger(2.0, 1.0) == 2.0);

// Of any number of them, the first array.
static_assert(std::same_as<common_rep_traits<double, float, grid>, rep_traits<grid>>);
static_assert(std::same_as<common_rep_traits<double, double, double>, rep_traits<double>>);

TEST_CASE("a function of numbers gets an integer as a double") {
    const auto half = [](auto x) { return x / 2; };
    static_assert(std::same_as<decltype(rep_traits<int>::map(half, 3)), double>);
    CHECK(rep_traits<int>::map(half, 3) == 1.5);
    CHECK(rep_traits<double>::map([](auto x, auto y, auto z) { return x * y + z; }, 2.0, 3.0, 4.0) == 10.0);
}
