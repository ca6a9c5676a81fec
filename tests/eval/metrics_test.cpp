#include <qlroute/eval/metrics.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

using numbers = std::vector<double>;
using rows = std::span<const std::size_t>;

doctest::Approx approx(double x) { return doctest::Approx(x).epsilon(1e-12); }

/// Four questions: the strong model gains on the first and the last.
const numbers weak{0, 0, 1, 0}, strong{1, 0, 1, 1};

double mean(const numbers& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

}  // namespace

// --- auc -----------------------------------------------------------------------------------------

TEST_CASE("auc is the share of pairs of a right and a wrong row that are in order") {
    CHECK(eval::auc(numbers{0, 0, 1, 1}, numbers{0.1, 0.4, 0.35, 0.8}) == 0.75);
    CHECK(eval::auc(numbers{0, 1}, numbers{-3, 7}) == 1);
    CHECK(eval::auc(numbers{1, 0}, numbers{-3, 7}) == 0);
    CHECK(eval::auc(numbers{1, 0, 1, 0, 0}, numbers{9, 8, 7, 6, 5}) == approx(5.0 / 6));
}

TEST_CASE("to auc a tie is half a pair in order") {
    CHECK(eval::auc(numbers{0, 1, 0, 1}, numbers{2, 2, 2, 2}) == 0.5);
    CHECK(eval::auc(numbers{0, 0, 1}, numbers{1, 2, 2}) == 0.75);
    CHECK(eval::auc(numbers{1, 0, 0}, numbers{2, 2, 1}) == 0.75);
}

TEST_CASE("auc takes a label above one half for right") {
    CHECK(eval::auc(numbers{0.5, 0.6, 0.4, 0.9}, numbers{1, 2, 3, 4}) == 0.75);
}

TEST_CASE("auc of one class is not a number") {
    CHECK(std::isnan(eval::auc(numbers{1, 1}, numbers{1, 2})));
    CHECK(std::isnan(eval::auc(numbers{0, 0}, numbers{1, 2})));
    CHECK(std::isnan(eval::auc(numbers{}, numbers{})));
}

// --- probabilities -------------------------------------------------------------------------------

TEST_CASE("brier is the mean square of what a probability is off") {
    CHECK(eval::brier(numbers{1, 0}, numbers{0.75, 0.5}) == (0.0625 + 0.25) / 2);
    CHECK(eval::brier(numbers{0.5}, numbers{1}) == 0.25);
    CHECK(eval::brier(numbers{1, 0}, numbers{1, 0}) == 0);
    CHECK(std::isnan(eval::brier(numbers{}, numbers{})));
}

TEST_CASE("a reliability bin has the means of its rows") {
    const auto bins = eval::reliability(numbers{0, 1, 1, 1, 0}, numbers{0.125, 0.375, 0.75, 0.75, 0.75}, 2);
    REQUIRE(bins.size() == 2);
    CHECK(bins[0].mean_probability == 0.25);
    CHECK(bins[0].mean_label == 0.5);
    CHECK(bins[0].count == 2);
    CHECK(bins[1].mean_probability == 0.75);
    CHECK(bins[1].mean_label == approx(2.0 / 3));
    CHECK(bins[1].count == 3);
}

TEST_CASE("a probability on the border of two bins is in the upper one, and 1 in the last") {
    const auto bins = eval::reliability(numbers{0, 0, 0, 0}, numbers{0, 0.25, 0.5, 1}, 4);
    REQUIRE(bins.size() == 4);
    CHECK(bins[0].count == 1);
    CHECK(bins[1].count == 1);
    CHECK(bins[2].count == 1);
    CHECK(bins[3].count == 1);
    CHECK(bins[3].mean_probability == 1);
}

TEST_CASE("an empty bin is all zero") {
    const auto bins = eval::reliability(numbers{1}, numbers{0.9});
    REQUIRE(bins.size() == 10);
    CHECK(bins[0].count == 0);
    CHECK(bins[0].mean_probability == 0);
    CHECK(bins[0].mean_label == 0);
    CHECK(bins[9].count == 1);
}

TEST_CASE("the calibration error weighs what each bin is off by its rows") {
    // bin 0: |1/2 - 1/4| of two rows; bin 1: |1 - 3/4| of two rows
    CHECK(eval::expected_calibration_error(numbers{0, 1, 1, 1}, numbers{0.25, 0.25, 0.75, 0.75}, 2) == 0.25);
    // bin 0: |0 - 1/4| of one row; bin 1: |1 - 3/4|, |1 - 1| and |0 - 1| make |2/3 - 11/12| of three
    CHECK(eval::expected_calibration_error(numbers{0, 1, 1, 0}, numbers{0.25, 0.75, 1, 1}, 2) ==
          approx(0.25 / 4 + 0.25 * 3 / 4));
    // within a bin errors cancel
    CHECK(eval::expected_calibration_error(numbers{0, 1}, numbers{0.5, 0.5}) == 0);
    CHECK(eval::expected_calibration_error(numbers{1}, numbers{0.5}) == 0.5);
    CHECK(std::isnan(eval::expected_calibration_error(numbers{}, numbers{})));
}

// --- routing -------------------------------------------------------------------------------------

TEST_CASE("apgr is the area under the recovered gap over the share of strong calls") {
    // rows 0, 3, 2, 1: 0, 1/2, 1, 1, 1
    CHECK(eval::apgr(weak, strong, numbers{0.9, 0.1, 0.2, 0.8}) == (0.25 + 0.75 + 1 + 1) / 4);
    // rows 1, 2, 3, 0: 0, 0, 0, 1/2, 1
    CHECK(eval::apgr(weak, strong, numbers{-0.9, -0.1, -0.2, -0.8}) == (0.25 + 0.75) / 4);
}

TEST_CASE("among equal gaps the first row is the first to be sent to the strong model") {
    // only the first of three rows gains: 0, 1, 1, 1
    CHECK(eval::apgr(numbers{0, 0, 1}, numbers{1, 0, 1}, numbers{7, 7, 7}) == approx((0.5 + 1 + 1) / 3));
    // only the last one does: 0, 0, 0, 1
    CHECK(eval::apgr(numbers{1, 0, 0}, numbers{1, 0, 1}, numbers{7, 7, 7}) == approx(0.5 / 3));
    // rows 2, 0, 1: 0, 0, 1, 1
    CHECK(eval::apgr(numbers{0, 0, 1}, numbers{1, 0, 1}, numbers{7, 7, 8}) == approx((0.5 + 1) / 3));
}

TEST_CASE("where the strong model loses a row, a mixture can be better than either model") {
    // gains of -1, 1, 1, sent as rows 1, 2, 0: 0, 1, 2, 1
    const numbers w{1, 0, 0}, s{0, 1, 1}, gap{0.1, 0.3, 0.2};
    CHECK(eval::apgr(w, s, gap) == approx((0.5 + 1.5 + 1.5) / 3));
    CHECK(eval::cpt(w, s, gap, 0.5) == approx(0.5 / 3));
    CHECK(eval::cpt(w, s, gap, 1) == approx(1.0 / 3));
    CHECK(eval::cpt(w, s, gap, 1.5) == approx(1.5 / 3));
    CHECK(eval::cpt(w, s, gap, 2.5) == 1);
}

TEST_CASE("apgr counts scores between 0 and 1 by what is gained") {
    // gains of 1/4 and 3/4, the smaller one first: 0, 1/4, 1
    CHECK(eval::apgr(numbers{0.5, 0.25}, numbers{0.75, 1}, numbers{2, 1}) == (0.125 + 0.625) / 2);
}

TEST_CASE("cpt is the share of strong calls that recovers so much, linear between rows") {
    const numbers good{0.9, 0.1, 0.2, 0.8}, bad{-0.9, -0.1, -0.2, -0.8};
    CHECK(eval::cpt(weak, strong, good, 0.5) == 0.25);
    CHECK(eval::cpt(weak, strong, good, 0.75) == 0.375);
    CHECK(eval::cpt(weak, strong, good, 1) == 0.5);
    CHECK(eval::cpt(weak, strong, good, 0) == 0);
    CHECK(eval::cpt(weak, strong, bad, 0.5) == 0.75);
    CHECK(eval::cpt(weak, strong, bad, 0.75) == 0.875);
    CHECK(eval::cpt(weak, strong, bad, 1) == 1);
    CHECK(eval::cpt(weak, strong, bad, 1.5) == 1);
}

TEST_CASE("there is no gap to recover where the strong model is not better") {
    for (const numbers& s : {numbers{0, 1}, numbers{0, 0}, numbers{1, 0}}) {
        CHECK(std::isnan(eval::apgr(numbers{1, 0}, s, numbers{2, 1})));
        CHECK(std::isnan(eval::cpt(numbers{1, 0}, s, numbers{2, 1}, 0.5)));
    }
    CHECK(std::isnan(eval::apgr(numbers{}, numbers{}, numbers{})));
    CHECK(std::isnan(eval::cpt(numbers{}, numbers{}, numbers{}, 0.5)));
}

// --- intervals -----------------------------------------------------------------------------------

TEST_CASE("take gives the values of rows in their order, as often as they are named") {
    const std::size_t picked[] = {2, 0, 2};
    CHECK(eval::take(numbers{5, 6, 7}, picked) == numbers{7, 5, 7});
}

TEST_CASE("a bootstrap asks for all rows once, and then for rows that splitmix64 picks") {
    std::vector<std::vector<std::size_t>> asked;
    eval::bootstrap(
        3,
        [&](rows picked) {
            asked.emplace_back(picked.begin(), picked.end());
            return 0.0;
        },
        2, 0);
    REQUIRE(asked.size() == 3);
    CHECK(asked[0] == std::vector<std::size_t>{0, 1, 2});
    // the first outputs of splitmix64 from 0
    const std::uint64_t drawn[] = {0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F};
    CHECK(asked[1] == std::vector<std::size_t>{drawn[0] % 3, drawn[1] % 3, drawn[2] % 3});
    CHECK(asked[2] != asked[1]);
}

TEST_CASE("one seed gives one interval, another seed another") {
    numbers values;
    for (int k = 0; k < 50; ++k) values.push_back(k);
    const auto interval = [&](std::uint64_t seed) {
        return eval::bootstrap(
            values.size(), [&](rows picked) { return mean(eval::take(values, picked)); }, 100, seed);
    };
    CHECK(interval(1).low == interval(1).low);
    CHECK(interval(1).high == interval(1).high);
    CHECK(interval(1).low != interval(2).low);
}

TEST_CASE("the interval of a mean is the one of the normal distribution") {
    // 200 times 0 and 200 times 1: the standard error is 1/2 / sqrt(400) = 0.025
    numbers values(400, 0);
    for (std::size_t k = 0; k < 200; ++k) values[k] = 1;
    const auto got = eval::bootstrap(
        values.size(), [&](rows picked) { return mean(eval::take(values, picked)); }, 10'000);
    CHECK(got.value == 0.5);
    CHECK(got.low == doctest::Approx(0.5 - 1.96 * 0.025).epsilon(0.01));
    CHECK(got.high == doctest::Approx(0.5 + 1.96 * 0.025).epsilon(0.01));
}

TEST_CASE("the ends are the 2.5th and the 97.5th percentile, linear between samples") {
    // all rows give 100, the resamples 40, 39, ..., 0
    double next = 100;
    const auto got = eval::bootstrap(
        1, [&](rows) { return std::exchange(next, next == 100 ? 40 : next - 1); }, 41);
    CHECK(got.value == 100);
    CHECK(got.low == approx(1));
    CHECK(got.high == approx(39));
    double half = -1;
    const auto between = eval::bootstrap(
        1, [&](rows) { return half += 1; }, 21);  // 0 for all rows, then 1 to 21
    CHECK(between.value == 0);
    CHECK(between.low == approx(1.5));
    CHECK(between.high == approx(20.5));
}

TEST_CASE("resamples of which the statistic is not a number do not count") {
    // half of the resamples of one right and one wrong row have only one class
    const numbers label{0, 1}, score{1, 2};
    const auto got = eval::bootstrap(
        2, [&](rows picked) { return eval::auc(eval::take(label, picked), eval::take(score, picked)); });
    CHECK(got.value == 1);
    CHECK(got.low == 1);
    CHECK(got.high == 1);
    const auto never = eval::bootstrap(2, [](rows) { return std::nan(""); });
    CHECK(std::isnan(never.low));
    CHECK(std::isnan(never.high));
}

TEST_CASE("a paired difference is known far better than either of its two numbers") {
    // both depend on the same luck, and differ by 0.01 in every row
    numbers ours, theirs;
    for (int k = 0; k < 100; ++k) {
        theirs.push_back(k % 2);
        ours.push_back(k % 2 + 0.01);
    }
    const auto of = [&](const numbers& values) {
        return eval::bootstrap(values.size(), [&](rows picked) { return mean(eval::take(values, picked)); });
    };
    CHECK(of(ours).low < of(theirs).high);  // the intervals overlap
    const auto difference = eval::bootstrap(
        ours.size(), [&](rows picked) { return mean(eval::take(ours, picked)) - mean(eval::take(theirs, picked)); });
    CHECK(difference.low == doctest::Approx(0.01));
    CHECK(difference.high == doctest::Approx(0.01));
}
