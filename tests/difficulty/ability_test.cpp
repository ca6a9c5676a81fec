#include <qlroute/difficulty/ability.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>

using namespace qlroute;

TEST_CASE("a logit of 0 is an even chance, and one of ln 3 three chances of four") {
    const double even[] = {0.0};
    const double likely[] = {std::log(3.0)};
    CHECK(success_at(0, even) == 0.5);
    CHECK(success_at(0, likely) == doctest::Approx(0.75));
}

TEST_CASE("between two abilities the logit is interpolated, and beyond the last ones it stays") {
    const double logits[] = {-2, 0, 4};
    const auto chance = [](double logit) { return 1 / (1 + std::exp(-logit)); };
    CHECK(success_at(0, logits) == chance(-2));
    CHECK(success_at(0.25, logits) == chance(-1.5));
    CHECK(success_at(1.5, logits) == chance(2));
    CHECK(success_at(2, logits) == chance(4));
    CHECK(success_at(-7, logits) == chance(-2));
    CHECK(success_at(99, logits) == chance(4));
}

TEST_CASE("a single logit holds for every ability") {
    const double logits[] = {1};
    CHECK(success_at(-1, logits) == success_at(0, logits));
    CHECK(success_at(3, logits) == success_at(0, logits));
}
