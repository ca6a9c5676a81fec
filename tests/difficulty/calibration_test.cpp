#include <qlroute/difficulty/calibration.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using namespace qlroute;

namespace {

using doctest::Approx;
using numbers = std::vector<double>;

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double lowest = std::numeric_limits<double>::lowest();
constexpr double highest = std::numeric_limits<double>::max();

static_assert(std::is_nothrow_invocable_r_v<double, const uncalibrated&, double>);
static_assert(std::is_nothrow_invocable_r_v<double, const temperature&, double>);
static_assert(std::is_nothrow_invocable_r_v<double, const platt&, double>);
static_assert(std::is_nothrow_invocable_r_v<double, const isotonic&, double>);
static_assert(std::is_nothrow_invocable_r_v<double, const calibration&, double>);

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double log_odds(double p) { return std::log(p / (1 - p)); }

template <class T>
T value_of(result<T> outcome) {
    REQUIRE(outcome);
    return *std::move(outcome);
}

template <class T>
void expect_fault(const result<T>& outcome, errc code, const std::string& words) {
    REQUIRE_FALSE(outcome);
    CAPTURE(outcome.error().message);
    CHECK(outcome.error().code == code);
    CHECK(outcome.error().message.find(words) != std::string::npos);
}

/// `good` of `rows` answers are good where p was predicted.
struct table {
    numbers predicted;
    numbers scores;

    table& add(double p, int good, int rows) {
        for (int k = 0; k < rows; ++k) {
            predicted.push_back(p);
            scores.push_back(k < good ? 1.0 : 0.0);
        }
        return *this;
    }
};

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

/// Rows where P(good) = truth(p).
template <class Truth>
table simulated(std::size_t rows, const Truth& truth) {
    std::mt19937_64 random(5);
    table out;
    for (std::size_t k = 0; k < rows; ++k) {
        const double p = 0.02 + 0.96 * uniform(random);
        out.predicted.push_back(p);
        out.scores.push_back(uniform(random) < truth(p) ? 1.0 : 0.0);
    }
    return out;
}

}  // namespace

// --- the maps ------------------------------------------------------------------------------------

TEST_CASE("a temperature divides the logit") {
    // logit(0.8) = ln 4; half of it is ln 2, of P = 2/3.
    CHECK(temperature{2}(0.8) == Approx(2.0 / 3));
    CHECK(temperature{0.5}(0.8) == Approx(16.0 / 17));
    CHECK(temperature{1}(0.8) == Approx(0.8));
    CHECK(temperature{7}(0.5) == Approx(0.5));
}

TEST_CASE("Platt's line has a slope and an intercept") {
    // 0.5 ln 4 + ln 3 = ln 6
    CHECK(platt{0.5, std::log(3.0)}(0.8) == Approx(6.0 / 7));
    CHECK(platt{}(0.3) == Approx(0.3));
    CHECK(platt{0, 0}(1) == 0.5);
}

TEST_CASE("certain predictions count as 1e-12 from certain") {
    CHECK(temperature{1}(1) == Approx(1 - 1e-12));
    CHECK(temperature{2}(0) == Approx(1e-6));
    CHECK(platt{2, 0}(0.0) > 0);
    CHECK(std::isfinite(platt{0, 1}(0.0)));
    CHECK(std::isnan(temperature{2}(undefined)));
}

TEST_CASE("an isotonic curve is linear between its points and constant beyond them") {
    const isotonic curve{{0.2, 0.4, 0.8}, {0.1, 0.5, 0.6}};
    CHECK(curve(0.0) == 0.1);
    CHECK(curve(0.2) == 0.1);
    CHECK(curve(0.25) == Approx(0.2));
    CHECK(curve(0.4) == 0.5);
    CHECK(curve(0.6) == Approx(0.55));
    CHECK(curve(0.8) == 0.6);
    CHECK(curve(1.0) == 0.6);
    CHECK(std::isnan(curve(undefined)));
    CHECK(isotonic{}(0.3) == 0.3);
    CHECK(isotonic{{0.5}, {0.7}}(0.1) == 0.7);
}

// --- fits by hand --------------------------------------------------------------------------------

TEST_CASE("0.8 that comes true in 2 of 3, and 0.2 in 1 of 3, are a temperature of 2") {
    table rows;
    rows.add(0.8, 200, 300).add(0.2, 100, 300);
    CHECK(value_of(fit_temperature(rows.predicted, rows.scores)).degree == Approx(2).epsilon(1e-4));
}

TEST_CASE("predictions that come true are left alone") {
    table rows;
    rows.add(0.8, 4, 5).add(0.25, 1, 4);
    CHECK(value_of(fit_temperature(rows.predicted, rows.scores)).degree == Approx(1));
    const platt line = value_of(fit_platt(rows.predicted, rows.scores));
    CHECK(line.slope == Approx(1));
    CHECK(std::abs(line.intercept) < 1e-9);
}

TEST_CASE("predictions that mislead get a temperature of 1000, and a slope of 0 at the mean score") {
    table rows;
    rows.add(0.8, 100, 400).add(0.2, 300, 400);
    CHECK(value_of(fit_temperature(rows.predicted, rows.scores)).degree == Approx(1000));
    rows.add(0.5, 400, 400);
    const platt line = value_of(fit_platt(rows.predicted, rows.scores));
    CHECK(line.slope == 0);
    CHECK(line.intercept == Approx(log_odds(800.0 / 1200)).epsilon(1e-4));
}

TEST_CASE("Platt's line through two groups meets both: 6/7 at 0.8 and 3/5 at 0.2") {
    // slope ln 4 + intercept = ln 6 and -slope ln 4 + intercept = ln 1.5: intercept ln 3, slope 1/2
    table rows;
    rows.add(0.8, 600, 700).add(0.2, 420, 700);
    const platt line = value_of(fit_platt(rows.predicted, rows.scores));
    CHECK(line.slope == Approx(0.5).epsilon(1e-4));
    CHECK(line.intercept == Approx(std::log(3.0)).epsilon(1e-4));
}

TEST_CASE("rows that a prediction separates keep slope and temperature finite") {
    table rows;
    rows.add(0.4, 0, 10).add(0.6, 10, 10);
    const double degree = value_of(fit_temperature(rows.predicted, rows.scores)).degree;
    CHECK(degree > 0.01);
    CHECK(degree < 0.2);
    CHECK(std::isfinite(value_of(fit_platt(rows.predicted, rows.scores)).slope));
}

TEST_CASE("neighbours in the wrong order are pooled: 1, 0 at 0.2 and 0.4 become 1/2 at 0.3") {
    const numbers predicted{0.1, 0.2, 0.4, 0.6, 0.7, 0.9};
    const numbers scores{0, 1, 0, 1, 0.5, 1};
    const isotonic curve = value_of(fit_isotonic(predicted, scores));
    // Blocks: 0.1 | 0.2, 0.4 | 0.6, 0.7 | 0.9; 0 and 1 are kept 1 / (6 + 2) away from certainty.
    REQUIRE(curve.at.size() == 4);
    CHECK(curve.at[1] == Approx(0.3));
    CHECK(curve.at[2] == Approx(0.65));
    CHECK(curve.value == numbers{0.125, 0.5, 0.75, 0.875});
}

TEST_CASE("pooling goes back as far as the order is wrong") {
    // 0.5, 0.5, then 0: the last joins both, 1/3 of three rows.
    const isotonic curve = value_of(fit_isotonic(numbers{0.2, 0.4, 0.6, 0.8}, numbers{0.5, 0.5, 0, 0.5}));
    REQUIRE(curve.at.size() == 2);
    CHECK(curve.at[0] == Approx(0.4));
    CHECK(curve.value[0] == Approx(1.0 / 3));
    CHECK(curve.at[1] == 0.8);
}

TEST_CASE("rows of one prediction are one block, in whatever order they come") {
    const numbers predicted{0.5, 0.25, 0.5, 0.25};
    const isotonic curve = value_of(fit_isotonic(predicted, numbers{1, 0, 0.5, 0.5}));
    CHECK(curve.at == numbers{0.25, 0.5});
    CHECK(curve.value == numbers{0.25, 0.75});
    CHECK(curve(0.375) == Approx(0.5));
}

TEST_CASE("an isotonic curve never falls, and its points rise strictly") {
    const table rows = simulated(2000, [](double p) { return 0.5 + 0.4 * std::sin(6 * p); });
    const isotonic curve = value_of(fit_isotonic(rows.predicted, rows.scores));
    REQUIRE(curve.at.size() == curve.value.size());
    for (std::size_t k = 1; k < curve.at.size(); ++k) {
        CHECK(curve.at[k] > curve.at[k - 1]);
        CHECK(curve.value[k] >= curve.value[k - 1]);
    }
    double sum_before = 0, sum_after = 0;
    for (std::size_t i = 0; i < rows.scores.size(); ++i) {
        sum_before += std::pow(rows.predicted[i] - rows.scores[i], 2);
        sum_after += std::pow(curve(rows.predicted[i]) - rows.scores[i], 2);
    }
    CHECK(sum_after < sum_before);
}

// --- the choice among them -----------------------------------------------------------------------

TEST_CASE("of predictions that are right none is the choice") {
    const table rows = simulated(3000, [](double p) { return p; });
    const calibration chosen = value_of(fit_calibration(rows.predicted, rows.scores));
    CHECK(chosen.name() == "none");
    CHECK(chosen(0.3) == 0.3);
    CHECK(chosen.log_loss == chosen.log_loss_of_none);
}

TEST_CASE("predictions that are too sure get a temperature") {
    const table rows = simulated(3000, [](double p) { return logistic(log_odds(p) / 2); });
    const calibration chosen = value_of(fit_calibration(rows.predicted, rows.scores));
    CHECK(chosen.name() == "temperature");
    CHECK(std::get<temperature>(chosen.method).degree == Approx(2).epsilon(0.15));
    CHECK(chosen.log_loss < chosen.log_loss_of_none);
}

TEST_CASE("predictions that are too high get Platt's line") {
    const table rows = simulated(3000, [](double p) { return logistic(0.7 * log_odds(p) - 1); });
    const calibration chosen = value_of(fit_calibration(rows.predicted, rows.scores));
    CHECK(chosen.name() == "platt");
    CHECK(chosen(0.5) == Approx(logistic(-1)).epsilon(0.1));
}

TEST_CASE("a step is only followed by an isotonic curve") {
    const table rows = simulated(3000, [](double p) { return p < 0.7 ? 0.3 : 0.9; });
    const calibration chosen = value_of(fit_calibration(rows.predicted, rows.scores));
    CHECK(chosen.name() == "isotonic");
    CHECK(chosen(0.2) == Approx(0.3).epsilon(0.2));
    CHECK(chosen(0.85) == Approx(0.9).epsilon(0.1));
}

TEST_CASE("a tie goes to the simpler: where all predictions are 1/2 and half come true nothing can be gained") {
    const numbers predicted(40, 0.5);
    const numbers scores(40, 0.5);
    const calibration chosen = value_of(fit_calibration(predicted, scores));
    CHECK(chosen.name() == "none");
    CHECK(chosen.log_loss == Approx(std::log(2.0)));
}

TEST_CASE("held-out rows decide: what three of four rows say of the fourth") {
    // 3 of 4 are good, so that on these rows 3/4 were better than 1/2. Of the one that is not, the other three say 4/5
    // (isotonic) or more; of the others 2/3 is said: (ln 5 + 3 ln 1.5) / 4 = 0.706, and ln 2 = 0.693.
    const calibration chosen = value_of(fit_calibration(numbers(4, 0.5), numbers{1, 1, 1, 0}, 4));
    CHECK(chosen.name() == "none");
    CHECK(chosen.log_loss == Approx(std::log(2.0)));
    CHECK(value_of(fit_isotonic(numbers(4, 0.5), numbers{1, 1, 1, 0}))(0.5) == 0.75);
}

TEST_CASE("a seed gives the same folds again, and another seed others") {
    const table rows = simulated(200, [](double p) { return logistic(log_odds(p) / 3); });
    const auto loss = [&](std::uint64_t seed) {
        return value_of(fit_calibration(rows.predicted, rows.scores, 5, seed)).log_loss;
    };
    CHECK(loss(1) == loss(1));
    CHECK(loss(1) != loss(2));
    CHECK(loss(1) == Approx(loss(2)).epsilon(0.05));
}

TEST_CASE("a calibration by default changes nothing") {
    const calibration none;
    CHECK(none.name() == "none");
    CHECK(none(0.25) == 0.25);
    CHECK(calibration{temperature{2}}.name() == "temperature");
    CHECK(calibration{temperature{2}}(0.8) == Approx(2.0 / 3));
}

TEST_CASE("rows that cannot be used are refused by every fit") {
    const auto refused = [](const numbers& predicted, const numbers& scores, errc code, const std::string& words) {
        expect_fault(fit_temperature(predicted, scores), code, words);
        expect_fault(fit_platt(predicted, scores), code, words);
        expect_fault(fit_isotonic(predicted, scores), code, words);
        expect_fault(fit_calibration(predicted, scores), code, words);
    };
    refused({0.1, 0.2}, {1}, errc::malformed, "got 2 predictions and 1 scores");
    refused({}, {}, errc::out_of_range, "at least one row");
    for (const double bad : {-0.1, 1.1, undefined, infinity}) {
        refused({0.1, bad}, {1, 0}, errc::out_of_range, "predicted[1] must be between 0 and 1");
        refused({0.1, 0.2}, {bad, 0}, errc::out_of_range, "scores[0] must be between 0 and 1");
    }
}

TEST_CASE("folds of less than a row are refused, and so is one fold") {
    expect_fault(fit_calibration(numbers{0.1, 0.2, 0.3}, numbers{0, 1, 1}), errc::out_of_range,
                 "got 5 folds and 3 rows");
    expect_fault(fit_calibration(numbers{0.1, 0.2, 0.3}, numbers{0, 1, 1}, 1), errc::out_of_range, "got 1 folds");
}

// --- a calibrated predictor ----------------------------------------------------------------------

TEST_CASE("a calibrated predictor says what the calibration makes of the predictor") {
    const calibrated_difficulty predictor{constant_difficulty{}, temperature{2}};
    static_assert(difficulty_predictor<decltype(predictor)>);
    CHECK(predictor({})({.name = "edge", .usual_success = 0.8}) == Approx(2.0 / 3));
}

TEST_CASE("each endpoint may have its own calibration, and asking allocates nothing") {
    const calibrated_difficulty predictor{
        constant_difficulty{},
        [phone = calibration{isotonic{{0.4, 0.8}, {0.2, 0.6}}}, edge = temperature{2}](
            const endpoint& place, double p) noexcept { return place.name == "phone" ? phone(p) : edge(p); }};
    static_assert(difficulty_predictor<decltype(predictor)>);
    const std::size_t before = allocations;
    const auto difficulty = predictor({});
    CHECK(difficulty({.name = "phone", .usual_success = 0.6}) == Approx(0.4));
    CHECK(difficulty({.name = "edge", .usual_success = 0.8}) == Approx(2.0 / 3));
    CHECK(allocations == before);
}

// --- thresholds ----------------------------------------------------------------------------------

TEST_CASE("a call rate is met by the highest scores, halfway to the next") {
    const numbers score{0.5, 0.125, 0.25, 1};
    const threshold half = value_of(threshold_for_call_rate(score, 0.5));
    CHECK(half.theta == 0.375);
    CHECK(half.call_rate == 0.5);
    CHECK(half.reached == 0.5);
    CHECK(half.met);
    CHECK(value_of(threshold_for_call_rate(score, 0.3)).theta == 0.75);  // one of four: two would be too many
    CHECK(value_of(threshold_for_call_rate(score, 0.75)).theta == 0.1875);
}

TEST_CASE("a call rate of 0 calls nothing and of 1 everything, later rows too") {
    const numbers score{0.5, -0.25};
    CHECK(value_of(threshold_for_call_rate(score, 0)).theta == highest);
    CHECK(value_of(threshold_for_call_rate(score, 0.49)).theta == highest);
    CHECK(value_of(threshold_for_call_rate(score, 1)).theta == lowest);
    CHECK(value_of(threshold_for_call_rate(score, 1)).call_rate == 1);
}

TEST_CASE("rows of one score go together, so the rate may stay below what was wanted") {
    const threshold some = value_of(threshold_for_call_rate(numbers{0.5, 0.5, 0.5, 1}, 0.75));
    CHECK(some.theta == 0.75);
    CHECK(some.call_rate == 0.25);
    CHECK(value_of(threshold_for_call_rate(numbers{1, 1}, 0.9)).call_rate == 0);
}

TEST_CASE("a tenth of ten rows is one, whatever 0.1 is in binary") {
    numbers score;
    for (int k = 0; k < 10; ++k) score.push_back(k);
    for (int k = 0; k <= 10; ++k) CHECK(value_of(threshold_for_call_rate(score, 0.1 * k)).call_rate == Approx(0.1 * k));
    CHECK(value_of(threshold_for_call_rate(score, 1 - 0.9)).call_rate == 0.1);  // 0.09999999999999998
}

TEST_CASE("between neighbouring doubles the threshold is the lower one") {
    const double next = std::nextafter(1.0, 2.0);
    const double theta = value_of(threshold_for_call_rate(numbers{1.0, next}, 0.5)).theta;
    CHECK(next > theta);
    CHECK(theta >= 1.0);
}

TEST_CASE("a wanted quality is met with the fewest calls, largest gap first") {
    const numbers p_small{0.25, 0.5, 0.75, 0.5};
    const numbers p_large{1, 0.75, 0.75, 1};  // gaps 0.75, 0.25, 0, 0.5
    // Quality: 0.5 without calls, 0.6875 with the first, 0.8125 with the second, 0.875 with the third.
    const threshold some = value_of(threshold_for_quality(p_small, p_large, 0.8));
    CHECK(some.theta == 0.375);
    CHECK(some.call_rate == 0.5);
    CHECK(some.reached == Approx(0.8125));
    CHECK(some.met);
    CHECK(value_of(threshold_for_quality(p_small, p_large, 0.8125)).theta == 0.375);
    CHECK(value_of(threshold_for_quality(p_small, p_large, 0.4)).theta == highest);
    CHECK(value_of(threshold_for_quality(p_small, p_large, 0.85)).call_rate == 0.75);
}

TEST_CASE("a quality that cannot be met gives the best there is, without calls that gain nothing") {
    const threshold best = value_of(threshold_for_quality(numbers{0.5, 0.75, 0.5}, numbers{1, 0.25, 0.5}, 0.9));
    CHECK_FALSE(best.met);
    CHECK(best.call_rate == Approx(1.0 / 3));
    CHECK(best.theta == 0.25);  // gaps 0.5, 0, -0.5
    CHECK(best.reached == Approx((1 + 0.75 + 0.5) / 3));
}

TEST_CASE("another score than the gap may be used: 1 - p_small, as score_threshold has it") {
    const numbers p_small{0.25, 0.5, 0.875}, p_large{0.25, 1, 1}, score{0.75, 0.5, 0.125};
    // The hardest is called first, and gains nothing: quality 1.625 / 3, 1.625 / 3, 2.125 / 3, 2.25 / 3.
    const threshold some = value_of(threshold_for_quality(score, p_small, p_large, 0.7));
    CHECK(some.call_rate == Approx(2.0 / 3));
    CHECK(some.theta == 0.3125);
    CHECK(some.reached == Approx(2.125 / 3));
}

TEST_CASE("a budget buys as much quality as it can") {
    const numbers p_small{0.25, 0.5, 0.5, 0.5}, p_large{1, 1, 0.75, 0.5};  // gaps 0.75, 0.5, 0.25, 0
    const numbers cost_small{1, 1, 1, 1}, cost_large{3, 5, 3, 3};
    // Cost: 4/4 without calls, 6/4, 10/4, 12/4, 14/4.
    const threshold some = value_of(threshold_for_cost(p_small, p_large, cost_small, cost_large, 2.5));
    CHECK(some.theta == 0.375);
    CHECK(some.call_rate == 0.5);
    CHECK(some.reached == 2.5);
    CHECK(some.met);
    CHECK(value_of(threshold_for_cost(p_small, p_large, cost_small, cost_large, 2.4)).call_rate == 0.25);
    const threshold rich = value_of(threshold_for_cost(p_small, p_large, cost_small, cost_large, 100));
    CHECK(rich.call_rate == 0.75);  // the last call is predicted to gain nothing
    CHECK(rich.reached == 3);
}

TEST_CASE("a budget that cannot be met gives the cheapest threshold") {
    const numbers p_small{0.25, 0.5}, p_large{1, 1};
    const threshold none = value_of(threshold_for_cost(p_small, p_large, numbers{2, 2}, numbers{3, 3}, 1));
    CHECK_FALSE(none.met);
    CHECK(none.call_rate == 0);
    CHECK(none.theta == highest);
    CHECK(none.reached == 2);
    // Where the large model is the cheaper one, everything goes there.
    const threshold all = value_of(threshold_for_cost(p_small, p_large, numbers{3, 3}, numbers{2, 2}, 1));
    CHECK_FALSE(all.met);
    CHECK(all.call_rate == 1);
    CHECK(all.theta == lowest);
}

TEST_CASE("a budget that no calls exceed but all keep is met by all") {
    const threshold all =
        value_of(threshold_for_cost(numbers{0.25, 0.5}, numbers{1, 1}, numbers{3, 3}, numbers{1, 1}, 1.5));
    CHECK(all.met);
    CHECK(all.call_rate == 1);
    CHECK(all.reached == 1);
}

TEST_CASE("with another score the budget follows its order") {
    const numbers p_small{0.25, 0.5}, p_large{1, 1}, score{0, 1};
    const threshold some = value_of(threshold_for_cost(score, p_small, p_large, numbers{1, 1}, numbers{3, 3}, 2));
    CHECK(some.theta == 0.5);
    CHECK(some.call_rate == 0.5);
}

TEST_CASE("columns that cannot be used are refused by name") {
    const numbers p{0.5, 0.5}, three{1, 1, 1}, bad{0.5, undefined}, high{0.5, 2};
    expect_fault(threshold_for_call_rate(numbers{}, 0.5), errc::out_of_range, "at least one row");
    expect_fault(threshold_for_call_rate(bad, 0.5), errc::out_of_range, "score[1] must be finite");
    for (const double rate : {-0.1, 1.1, undefined})
        expect_fault(threshold_for_call_rate(p, rate), errc::out_of_range, "a call rate must be between 0 and 1");

    expect_fault(threshold_for_quality(p, three, 0.5), errc::malformed, "p_large must be as long as p_small, 2, got 3");
    expect_fault(threshold_for_quality(three, p, p, 0.5), errc::malformed, "score must be as long as p_small");
    expect_fault(threshold_for_quality(high, p, 0.5), errc::out_of_range, "p_small[1] must be between 0 and 1");
    expect_fault(threshold_for_quality(p, high, 0.5), errc::out_of_range, "p_large[1] must be between 0 and 1");
    expect_fault(threshold_for_quality(numbers{}, numbers{}, 0.5), errc::out_of_range, "at least one row");
    expect_fault(threshold_for_quality(p, p, undefined), errc::out_of_range, "wanted quality must be finite");

    expect_fault(threshold_for_cost(p, p, p, three, 1), errc::malformed, "cost_large must be as long as p_small");
    expect_fault(threshold_for_cost(p, p, bad, p, 1), errc::out_of_range, "cost_small[1] must be finite");
    expect_fault(threshold_for_cost(p, high, p, p, 1), errc::out_of_range, "p_large[1] must be between 0 and 1");
    expect_fault(threshold_for_cost(p, p, p, p, infinity), errc::out_of_range, "budget must be finite");
}
