#include <qlroute/core/units.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

template <class Unit>
concept adds_to_itself = requires(Unit a) {
    { a + a } -> std::same_as<Unit>;
    { a - a } -> std::same_as<Unit>;
    { -a } -> std::same_as<Unit>;
};

// Legal mixes have the unit that the arithmetic of dimensions says.
static_assert(std::same_as<decltype(bits{} / bits_per_second{}), seconds>);
static_assert(std::same_as<decltype(bits{} / seconds{}), bits_per_second>);
static_assert(std::same_as<decltype(tokens{} / tokens_per_second{}), seconds>);
static_assert(std::same_as<decltype(tokens{} * seconds_per_token{}), seconds>);
static_assert(std::same_as<decltype(tokens{} * bits_per_token{}), bits>);
static_assert(std::same_as<decltype(tokens{} * joules_per_token{}), joules>);
static_assert(std::same_as<decltype(tokens{} * dollars_per_token{}), dollars>);
static_assert(std::same_as<decltype(watts{} * seconds{}), joules>);
static_assert(std::same_as<decltype(hertz{} * bits{}), bits_per_second>);
static_assert(std::same_as<decltype(1 / seconds{}), hertz>);
static_assert(std::same_as<decltype(seconds{} / seconds{}), ratio>);
static_assert(std::same_as<decltype(ratio{} * seconds{}), seconds>);
static_assert(std::same_as<decltype(bits_per_token{} * tokens_per_second{}), bits_per_second>);
static_assert(adds_to_itself<seconds> && adds_to_itself<bits_per_token> && adds_to_itself<ratio>);

// Nothing turns into a unit by itself, and only a number without a unit is just a number.
static_assert(!std::is_convertible_v<double, seconds> && std::is_constructible_v<seconds, double>);
static_assert(!std::is_assignable_v<seconds&, double> && std::is_assignable_v<ratio&, double>);
static_assert(std::is_convertible_v<double, ratio> && !std::is_convertible_v<ratio, double>);
static_assert(!std::is_constructible_v<seconds, bits> && !std::is_assignable_v<seconds&, bits>);
static_assert(!std::is_constructible_v<ratio, seconds> && !std::is_constructible_v<seconds, ratio>);

// A double and a float become each other; a scalar becomes an array where one length fits all.
static_assert(std::is_convertible_v<seconds, quantity<dim::time, float>>);
static_assert(std::is_convertible_v<quantity<dim::time, float>, seconds>);
static_assert(std::is_convertible_v<seconds, quantity<dim::time, grid>>);
static_assert(std::is_convertible_v<seconds, quantity<dim::time, Eigen::Array3d>>);
static_assert(!std::is_convertible_v<seconds, quantity<dim::time, Eigen::ArrayXd>>);
static_assert(!std::is_convertible_v<quantity<dim::time, grid>, seconds>);

// A quantity costs what its number costs.
static_assert(sizeof(seconds) == sizeof(double) && std::is_trivially_copyable_v<seconds>);
static_assert(sizeof(quantity<dim::time, float>) == sizeof(float));

// Everything can be computed while compiling.
static_assert(seconds(3) + seconds(2) == seconds(5));
static_assert(smaller(seconds(3), seconds(2)) == seconds(2));
static_assert(larger(seconds(3), seconds(2)) == seconds(3));
static_assert(positive_part(seconds(-3)) == seconds(0));
static_assert(step(seconds(0)) == ratio(1));

}  // namespace

TEST_CASE("dimensions add and subtract exponent by exponent") {
    constexpr dimension a{.time = 1, .data = 2, .token = 3, .energy = 4, .money = 5};
    constexpr dimension b{.time = 10, .data = 20, .token = 30, .energy = 40, .money = 50};
    CHECK((a + b == dimension{.time = 11, .data = 22, .token = 33, .energy = 44, .money = 55}));
    CHECK((b - a == dimension{.time = 9, .data = 18, .token = 27, .energy = 36, .money = 45}));
    CHECK((a + b - b == a));
    CHECK((a - a == dim::none));
    CHECK_FALSE((a == b));
    CHECK((dim::power == dimension{.time = -1, .energy = 1}));
    CHECK((dim::data_rate == dimension{.time = -1, .data = 1}));
}

TEST_CASE_TEMPLATE("quantities of one unit add, subtract and negate", Rep, QLROUTE_TEST_REPS) {
    const auto a = filled<Rep>(seconds(3));
    const auto b = filled<Rep>(seconds(2));
    CHECK(equals<Rep>(a + b, seconds(5)));
    CHECK(equals<Rep>(a - b, seconds(1)));
    CHECK(equals<Rep>(-a, seconds(-3)));
    auto sum = a;
    sum += b;
    CHECK(equals<Rep>(sum, seconds(5)));
    sum -= a;
    CHECK(equals<Rep>(sum, seconds(2)));
    static_assert(std::same_as<decltype(a + b), quantity<dim::time, Rep>>);
}

TEST_CASE_TEMPLATE("units multiply and divide with their numbers", Rep, QLROUTE_TEST_REPS) {
    const auto size = filled<Rep>(bits(6));
    const auto rate = filled<Rep>(bits_per_second(2));
    CHECK(equals<Rep>(size / rate, seconds(3)));
    CHECK(equals<Rep>(size * rate, quantity<dim::data + dim::data_rate>(12)));
    static_assert(std::same_as<decltype(size / rate), quantity<dim::time, Rep>>);
}

TEST_CASE_TEMPLATE("a plain number scales and keeps the precision", Rep, QLROUTE_TEST_REPS) {
    const auto wait = filled<Rep>(seconds(8));
    CHECK(equals<Rep>(0.5 * wait, seconds(4)));
    CHECK(equals<Rep>(wait * 0.5, seconds(4)));
    CHECK(equals<Rep>(wait / 4, seconds(2)));
    CHECK(equals<Rep>(2 / wait, hertz(0.25)));
    CHECK(equals<Rep>(2.0F * wait, seconds(16)));
    static_assert(std::same_as<decltype(0.5 * wait), quantity<dim::time, Rep>>);
    static_assert(std::same_as<decltype(wait * 0.5), quantity<dim::time, Rep>>);
    static_assert(std::same_as<decltype(wait / 4), quantity<dim::time, Rep>>);
    static_assert(std::same_as<decltype(2 / wait), quantity<dim::frequency, Rep>>);
}

TEST_CASE_TEMPLATE("a scalar quantity broadcasts over an array, from either side", Rep, double, Eigen::ArrayXd, grid) {
    const auto a = filled<Rep>(seconds(6));
    const seconds b(2);
    CHECK(equals<Rep>(a + b, seconds(8)));
    CHECK(equals<Rep>(b + a, seconds(8)));
    CHECK(equals<Rep>(a - b, seconds(4)));
    CHECK(equals<Rep>(b - a, seconds(-4)));
    CHECK(equals<Rep>(a / b, ratio(3)));
    CHECK(equals<Rep>(12 * b / a, ratio(4)));
    CHECK(equals<Rep>(smaller(a, b), seconds(2)));
    CHECK(equals<Rep>(smaller(b, a), seconds(2)));
    CHECK(equals<Rep>(larger(a, b), seconds(6)));
    CHECK(equals<Rep>(larger(b, a), seconds(6)));
}

TEST_CASE("a float and a double give a double") {
    const quantity<dim::time, float> a(0.5F);
    const seconds b(0.25);
    static_assert(std::same_as<decltype(a + b), seconds>);
    static_assert(std::same_as<decltype(larger(a, b)), seconds>);
    CHECK(a + b == seconds(0.75));
    CHECK(a - b == seconds(0.25));
    CHECK(larger(a, b) == seconds(0.5));
    CHECK(smaller(a, b) == seconds(0.25));
    const seconds third(1.0 / 3);
    CHECK(smaller(third, a) == third);
    CHECK(larger(third, quantity<dim::time, float>(0.25F)) == third);
    CHECK(a > b);
}

TEST_CASE("scalars of one unit compare like their numbers") {
    const seconds one(1), two(2);
    CHECK(one == one);
    CHECK(one != two);
    CHECK(one < two);
    CHECK(one <= one);
    CHECK(two > one);
    CHECK(two >= two);
    CHECK((one <=> two) == std::partial_ordering::less);
    CHECK(ratio(0.5) < ratio(1));
}

TEST_CASE_TEMPLATE("functions work element by element", Rep, QLROUTE_TEST_REPS) {
    const auto a = filled<Rep>(seconds(3));
    const auto b = filled<Rep>(seconds(-2));
    CHECK(equals<Rep>(smaller(a, b), seconds(-2)));
    CHECK(equals<Rep>(larger(a, b), seconds(3)));
    CHECK(equals<Rep>(positive_part(a), seconds(3)));
    CHECK(equals<Rep>(positive_part(b), seconds(0)));
    CHECK(equals<Rep>(step(a), ratio(1)));
    CHECK(equals<Rep>(step(b), ratio(0)));
    CHECK(equals<Rep>(step(a - a), ratio(1)));
    CHECK(equals<Rep>(log2(filled<Rep>(ratio(8))), ratio(3)));
    // 3 s and -2 s: 3 - 2 * -2
    const auto weighed = elementwise<dim::time>([](auto x, auto y) { return x - 2 * y; }, a, b);
    CHECK(equals<Rep>(weighed, seconds(7)));
    // a plain number broadcasts, wherever it stands
    CHECK(equals<Rep>(elementwise<dim::none>([](auto x, auto y, auto z) { return x * y + z; }, ratio(4), a, b),
                      ratio(10)));
    static_assert(std::same_as<decltype(weighed), const quantity<dim::time, Rep>>);
    static_assert(std::same_as<decltype(smaller(a, b)), quantity<dim::time, Rep>>);
    static_assert(std::same_as<decltype(positive_part(a)), quantity<dim::time, Rep>>);
    static_assert(std::same_as<decltype(step(a)), quantity<dim::none, Rep>>);
    static_assert(std::same_as<decltype(log2(step(a))), quantity<dim::none, Rep>>);
}

TEST_CASE("a quantity converts between precisions and fills an array") {
    const quantity<dim::time, float> narrow = seconds(0.5);
    CHECK(narrow.value() == 0.5F);
    const seconds wide = narrow;
    CHECK(wide == seconds(0.5));
    const quantity<dim::time, grid> one_by_one = seconds(0.5);
    CHECK(elements(one_by_one) == std::vector<double>{0.5});
    const quantity<dim::time, Eigen::Array3d> three = seconds(0.5);
    CHECK(elements(three) == std::vector<double>{0.5, 0.5, 0.5});
}

TEST_CASE("the value of a temporary quantity outlives it") {
    const auto& kept = (filled<grid>(seconds(1)) + filled<grid>(seconds(2))).value();
    CHECK(kept.size() == 6);
    CHECK(kept(1, 2) == 3);
    static_assert(std::same_as<decltype(std::declval<seconds>().value()), double>);
    static_assert(std::same_as<decltype(std::declval<seconds&>().value()), const double&>);

    auto summed = filled<Eigen::ArrayXd>(seconds(1));
    const double* where = summed.value().data();
    const Eigen::ArrayXd taken = std::move(summed).value();
    CHECK(taken.data() == where);
}
