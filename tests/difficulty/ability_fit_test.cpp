#include <qlroute/difficulty/ability_fit.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

using doctest::Approx;
using numbers = std::vector<double>;

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

fitted_ability fitted(const numbers& difficulties, const numbers& scores, const ability_prior& prior) {
    auto ability = fit_ability(difficulties, scores, prior);
    REQUIRE(ability);
    return *std::move(ability);
}

/// Uniform in [0, 1), the same with every standard library.
double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

/// Answers of an endpoint whose ability is known, to prompts of difficulties uniform in [-2, 2].
struct simulation {
    numbers difficulties;
    numbers scores;

    simulation(std::size_t rows, const numbers& weights, double bias, std::uint64_t seed) {
        std::mt19937_64 random(seed);
        for (std::size_t i = 0; i < rows; ++i) {
            double logit = bias;
            for (const double weight : weights) {
                difficulties.push_back(4 * uniform(random) - 2);
                logit += weight * difficulties.back();
            }
            scores.push_back(uniform(random) < logistic(logit) ? 1.0 : 0.0);
        }
    }
};

/// d/dx_j of what is minimised, by its formula.
double slope(const fitted_ability& found, const numbers& difficulties, const numbers& scores,
             const ability_prior& prior, std::size_t j) {
    const std::size_t dimensions = found.weights.size();
    numbers x = found.weights;
    x.push_back(found.bias);
    double sum = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
        const std::span<const double> theta = std::span(difficulties).subspan(i * dimensions, dimensions);
        sum += (found.success(theta) - scores[i]) * (j < dimensions ? theta[j] : 1.0);
    }
    for (std::size_t k = 0; k < x.size(); ++k) sum += prior.precision[j * x.size() + k] * (x[k] - prior.mean[k]);
    return sum;
}

void expect_fault(const numbers& difficulties, const numbers& scores, const ability_prior& prior, errc code,
                  const std::string& words) {
    const auto ability = fit_ability(difficulties, scores, prior);
    REQUIRE_FALSE(ability);
    CAPTURE(ability.error().message);
    CHECK(ability.error().code == code);
    CHECK(ability.error().message.find(words) != std::string::npos);
}

const ability_prior plain = ability_prior::independent({0, 0}, 1);

}  // namespace

// --- by hand -------------------------------------------------------------------------------------

TEST_CASE("without dimensions, answers and prior balance each other at 4 (1 - P) = b + 2: b = 0") {
    // Four good answers of four pull up with 4 (1 - P), a prior at -2 pulls down with 1 (b + 2): equal at b = 0.
    const auto ability = fitted({}, {1, 1, 1, 1}, ability_prior::independent({-2}, 1));
    CHECK(ability.weights.empty());
    CHECK(ability.bias == Approx(0).epsilon(1e-9));
    CHECK(ability.success({}) == Approx(0.5));
    CHECK(ability.covariance[0] == Approx(1.0 / (4 * 0.25 + 1)));
    CHECK(ability.rows == 4);
}

TEST_CASE("in one dimension, 3 of 4 good answers at difficulty 1 and 1 of 4 at -1 are an ability of ln 3") {
    // logit(3/4) = ln 3; the prior is there already, so that both of its terms vanish.
    const numbers difficulties{1, 1, 1, 1, -1, -1, -1, -1};
    const numbers scores{1, 1, 1, 0, 1, 0, 0, 0};
    const auto ability = fitted(difficulties, scores, ability_prior::independent({std::log(3.0), 0}, 1));
    CHECK(ability.weights[0] == Approx(std::log(3.0)));
    CHECK(std::abs(ability.bias) < 1e-9);
    CHECK(ability.success(numbers{1}) == Approx(0.75));
    CHECK(ability.success(numbers{-1}) == Approx(0.25));
    CHECK(ability.logit(numbers{2}) == Approx(2 * std::log(3.0)));
    // Hessian of both: 8 P (1 - P) + 1 = 2.5; they do not mix, since the difficulties sum to 0.
    CHECK(ability.covariance[0] == Approx(0.4));
    CHECK(std::abs(ability.covariance[1]) < 1e-12);
    CHECK(std::abs(ability.covariance[2]) < 1e-12);
    CHECK(ability.covariance[3] == Approx(0.4));
    // At difficulty 2: variance 0.4 * 2^2 + 0.4 = 2.
    const auto [low, high] = ability.interval(numbers{2}, 1.5);
    CHECK(low == Approx(logistic(2 * std::log(3.0) - 1.5 * std::sqrt(2.0))));
    CHECK(high == Approx(logistic(2 * std::log(3.0) + 1.5 * std::sqrt(2.0))));
}

TEST_CASE("a share of good answers is a score: 3/4 once weighs as much as one answer") {
    const auto ability = fitted({1, -1}, {0.75, 0.25}, ability_prior::independent({std::log(3.0), 0}, 1));
    CHECK(ability.weights[0] == Approx(std::log(3.0)));
    CHECK(ability.covariance[0] == Approx(1 / (2 * 0.75 * 0.25 + 1)));
}

TEST_CASE("the interval's usual z holds 95 %") {
    const fitted_ability ability{.weights = {}, .bias = 0.5, .covariance = {0.25}};
    const auto [low, high] = ability.interval({});
    CHECK(low == Approx(logistic(0.5 - 1.96 * 0.5)));
    CHECK(high == Approx(logistic(0.5 + 1.96 * 0.5)));
}

TEST_CASE("weights that are uncertain together widen the interval: variance is x' C x") {
    const fitted_ability ability{.weights = {1}, .bias = 0, .covariance = {1, 0.5, 0.5, 2}};
    // (3, 1): 9 + 2 * 3 * 0.5 + 2 = 14
    CHECK(ability.interval(numbers{3}, 1).low == Approx(logistic(3 - std::sqrt(14.0))));
}

// --- the prior -----------------------------------------------------------------------------------

TEST_CASE("rows that say nothing about a weight leave it to the prior, uncertainty included") {
    const ability_prior prior{{2, -1, 0.5}, {4, 1, 0, 1, 3, 0, 0, 0, 5}};
    const auto ability = fitted({0, 0, 0, 0}, {0.25, 0.25}, prior);
    CHECK(ability.weights[0] == Approx(2));
    CHECK(ability.weights[1] == Approx(-1));
    CHECK(ability.covariance[0] == Approx(3.0 / 11));  // the inverse of (4 1; 1 3)
    CHECK(ability.covariance[1] == Approx(-1.0 / 11));
    CHECK(ability.covariance[4] == Approx(4.0 / 11));
    CHECK(ability.bias < 0.5);
    CHECK(ability.bias > std::log(1.0 / 3));
}

TEST_CASE("a correlated prior carries what one weight shows over to another") {
    // Precision (2 -1; -1 2): a weight that is higher than thought raises the other by half of that.
    const ability_prior prior{{0, 0, 0}, {2, -1, 0, -1, 2, 0, 0, 0, 1}};
    numbers difficulties;
    for (int i = 0; i < 100; ++i) difficulties.insert(difficulties.end(), {i % 2 == 0 ? 1.0 : -1.0, 0.0});
    numbers scores;
    for (int i = 0; i < 100; ++i) scores.push_back(i % 2 == 0 ? 0.75 : 0.25);
    const auto ability = fitted(difficulties, scores, prior);
    CHECK(ability.weights[0] > 0.9);
    CHECK(ability.weights[1] == Approx(ability.weights[0] / 2));
}

TEST_CASE("independent() takes a deviation, and precision is one over its square") {
    const auto prior = ability_prior::independent({1, 2}, 0.5);
    CHECK(prior.mean == numbers{1, 2});
    CHECK(prior.precision == numbers{4, 0, 0, 4});
}

// --- many rows -----------------------------------------------------------------------------------

TEST_CASE("5,000 answers give a known ability back, within the uncertainty that is claimed") {
    const numbers weights{1.2, -0.7, 0.4};
    const double bias = 0.3;
    const simulation told(5000, weights, bias, 7);
    const auto ability = fitted(told.difficulties, told.scores, ability_prior::independent({0, 0, 0, 0}, 10));
    for (std::size_t k = 0; k < 3; ++k) {
        const double deviation = std::sqrt(ability.covariance[k * 4 + k]);
        CHECK(deviation < 0.05);
        CHECK(std::abs(ability.weights[k] - weights[k]) < 3 * deviation);
    }
    CHECK(std::abs(ability.bias - bias) < 3 * std::sqrt(ability.covariance[15]));
    CHECK(ability.rows == 5000);
}

TEST_CASE("of 200 simulated endpoints about 95 % have their success inside the interval") {
    const numbers theta{1, -1};
    const double truth = logistic(0.8 * 1 + 0.5 * 1 - 0.2);
    int inside = 0;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const simulation told(300, {0.8, -0.5}, -0.2, seed);
        const auto [low, high] =
            fitted(told.difficulties, told.scores, ability_prior::independent({0, 0, 0}, 10)).interval(theta);
        inside += low <= truth && truth <= high ? 1 : 0;
    }
    CHECK(inside >= 180);  // 190 expected, deviation 3.1
    CHECK(inside <= 199);
}

TEST_CASE("the interval shrinks like one over the square root of the rows") {
    const simulation told(400, {1, -0.5}, 0.2, 3);
    const auto prior = ability_prior::independent({0, 0, 0}, 100);
    const auto half_width = [&](std::size_t times) {
        numbers difficulties, scores;
        for (std::size_t k = 0; k < times; ++k) {
            difficulties.insert(difficulties.end(), told.difficulties.begin(), told.difficulties.end());
            scores.insert(scores.end(), told.scores.begin(), told.scores.end());
        }
        const auto ability = fitted(difficulties, scores, prior);
        const numbers theta{0.5, 0.5};
        const auto [low, high] = ability.interval(theta);
        return (std::log(high / (1 - high)) - std::log(low / (1 - low))) / 2;
    };
    const double once = half_width(1);
    CHECK(half_width(4) == Approx(once / 2).epsilon(1e-3));
    CHECK(half_width(16) == Approx(once / 4).epsilon(1e-3));
}

// --- it always arrives ---------------------------------------------------------------------------

TEST_CASE("where difficulty separates good from bad the prior keeps the ability finite") {
    const numbers difficulties{-2, -1, 1, 2};
    const numbers scores{0, 0, 1, 1};
    double last = 0;
    for (const double deviation : {1.0, 100.0, 1e4, 1e6, 1e8}) {
        CAPTURE(deviation);
        const auto prior = ability_prior::independent({0, 0}, deviation);
        const auto ability = fitted(difficulties, scores, prior);
        CHECK(std::isfinite(ability.weights[0]));
        CHECK(ability.weights[0] > last);
        CHECK(std::abs(ability.bias) < 1e-3 * ability.weights[0]);
        CHECK(std::abs(slope(ability, difficulties, scores, prior, 0)) < 1e-6);
        for (const double each : ability.covariance) CHECK(std::isfinite(each));
        last = ability.weights[0];
    }
}

TEST_CASE("it arrives from a prior that is as wrong as can be") {
    for (const double mean : {-1e4, -50.0, 0.0, 50.0, 1e4})
        for (const double deviation : {1e-3, 1.0, 1e4})
            for (const double score : {0.0, 0.5, 1.0}) {
                CAPTURE(mean);
                CAPTURE(deviation);
                CAPTURE(score);
                numbers difficulties, scores;
                for (int i = 0; i < 200; ++i) {
                    difficulties.push_back(0.01 * i);
                    scores.push_back(i % 2 == 0 ? score : 0.5);
                }
                const auto prior = ability_prior::independent({mean, -mean}, deviation);
                const auto ability = fitted(difficulties, scores, prior);
                for (const std::size_t j : {0u, 1u}) {
                    // In units of the posterior's deviation.
                    const double off =
                        slope(ability, difficulties, scores, prior, j) * std::sqrt(ability.covariance[j * 2 + j]);
                    CHECK(std::abs(off) < 1e-4);
                }
            }
}

TEST_CASE("the gradient vanishes where it stops") {
    const simulation told(500, {2, -1, 0.5, 0}, 1, 11);
    const ability_prior prior = ability_prior::independent({1, 1, 1, 1, 1}, 2);
    const auto ability = fitted(told.difficulties, told.scores, prior);
    for (std::size_t j = 0; j < 5; ++j)
        CHECK(std::abs(slope(ability, told.difficulties, told.scores, prior, j)) < 1e-6);
}

TEST_CASE("asking a fitted ability allocates nothing") {
    const simulation told(50, {1, 1}, 0, 1);
    const auto ability = fitted(told.difficulties, told.scores, ability_prior::independent({0, 0, 0}, 1));
    const std::array<double, 2> theta{0.5, 1};
    static_assert(noexcept(ability.success(theta))&& noexcept(ability.interval(theta)));
    const std::size_t before = allocations;
    const double p = ability.success(theta);
    const auto [low, high] = ability.interval(theta);
    CHECK(allocations == before);
    CHECK(low < p);
    CHECK(p < high);
}

// --- what is refused -----------------------------------------------------------------------------

TEST_CASE("sizes that do not match are refused, with what was expected") {
    expect_fault({1, 2, 3}, {1, 0}, plain, errc::malformed, "need 2 difficulties, got 3");
    expect_fault({1, 2}, {1, 0}, ability_prior::independent({0, 0, 0}, 1), errc::malformed, "need 4 difficulties");
    expect_fault({1}, {1}, {{0, 0}, {1, 0, 1}}, errc::malformed, "got 2 and 3 numbers");
    expect_fault({}, {1}, {{}, {}}, errc::malformed, "got 0 and 0 numbers");
}

TEST_CASE("no rows are refused") { expect_fault({}, {}, plain, errc::out_of_range, "at least one row"); }

TEST_CASE("a difficulty that is not finite is refused, with its place") {
    expect_fault({0, not_a_number}, {1, 0}, plain, errc::out_of_range, "difficulties[1] must be finite");
    expect_fault({infinity, 0}, {1, 0}, plain, errc::out_of_range, "difficulties[0] must be finite");
}

TEST_CASE("a score that is not between 0 and 1 is refused, with its place") {
    for (const double bad : {-0.1, 1.1, not_a_number, infinity})
        expect_fault({0, 0}, {1, bad}, plain, errc::out_of_range, "scores[1] must be between 0 and 1");
}

TEST_CASE("a prior that is no normal distribution is refused") {
    expect_fault({1}, {1}, {{0, not_a_number}, {1, 0, 0, 1}}, errc::out_of_range, "the prior's mean[1] must be finite");
    expect_fault({1}, {1}, {{0, 0}, {1, 0, 0, infinity}}, errc::out_of_range, "the prior's precision[3]");
    expect_fault({1}, {1}, {{0, 0}, {1, 0, 0, 0}}, errc::out_of_range, "positive definite");
    expect_fault({1}, {1}, {{0, 0}, {1, 2, 2, 1}}, errc::out_of_range, "positive definite");
    expect_fault({1}, {1}, {{0, 0}, {-1, 0, 0, -1}}, errc::out_of_range, "positive definite");
    expect_fault({1}, {1}, {{0, 0}, {1, 0.5, 0.25, 1}}, errc::out_of_range, "must be symmetric");
    expect_fault({1}, {1}, ability_prior::independent({0, 0}, 0), errc::out_of_range, "the prior's precision[0]");
}

TEST_CASE("a precision that is symmetric but for rounding is taken") {
    CHECK(fit_ability(numbers{1}, numbers{1}, {{0, 0}, {1, 1e-17, -1e-17, 1}}));
}

TEST_CASE("difficulties whose squares overflow are refused") {
    expect_fault({1e200, 1e200}, {1, 0}, plain, errc::out_of_range, "too large to be computed with");
}
