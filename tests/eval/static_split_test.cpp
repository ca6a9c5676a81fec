#include <qlroute/eval/static_split.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <qlroute/core/literals.hpp>

#include "support/filled.hpp"

using namespace qlroute;
using qlroute::eval::best_static_split;

namespace {

using numbers = std::vector<double>;

// Small scores 0.5 in 1 s, large 0.75 in 3 s: large is worth its 2 s from a price of 8 s on.
const numbers small_score{0.25, 0.75};
const numbers small_latency{0.5, 1.5};
const numbers large_score{0.5, 1};
const numbers large_latency{2, 4};

eval::static_split split(seconds price, double least_score = -std::numeric_limits<double>::infinity()) {
    return *best_static_split(small_score, small_latency, large_score, large_latency, price, least_score);
}

}  // namespace

TEST_CASE("without a least score everything goes to the cheaper model, a tie to small") {
    CHECK(split(4_s).share == 0);
    CHECK(split(4_s).cost == 3_s);  // 1 + 4 * 0.5
    CHECK(split(4_s).latency == 1_s);
    CHECK(split(4_s).score == 0.5);
    CHECK(split(8_s).share == 0);
    CHECK(split(12_s).share == 1);
    CHECK(split(12_s).cost == 6_s);  // 3 + 12 * 0.25
    CHECK(split(0_s).share == 0);
}

TEST_CASE("with a least score, the least share that reaches it") {
    const auto half = split(4_s, 0.625);
    CHECK(half.share == 0.5);
    CHECK(half.score == 0.625);
    CHECK(half.latency == 2_s);
    CHECK(half.cost == 3.5_s);
    CHECK(half.met);
    CHECK(split(4_s, 0.5).share == 0);
    CHECK(split(4_s, 0.75).share == 1);
    CHECK(split(12_s, 0.625).share == 1);  // large is cheaper besides
}

TEST_CASE("a large model that is cheaper and worse gets as much as the least score allows") {
    const auto swapped = [](seconds price, double least_score) {
        return *best_static_split(large_score, large_latency, small_score, small_latency, price, least_score);
    };
    CHECK(swapped(4_s, 0.625).share == 0.5);
    CHECK(swapped(4_s, 0.4).share == 1);
    CHECK(swapped(12_s, 0.625).share == 0);
}

TEST_CASE("a score that no share reaches is said to be missed") {
    const auto best = split(4_s, 0.9);
    CHECK(!best.met);
    CHECK(best.share == 1);
    CHECK(best.score == 0.75);
    CHECK(!split(4_s, std::numeric_limits<double>::infinity()).met);
}

TEST_CASE("no share on a fine grid is better") {
    test::random_facts random(51);
    for (int k = 0; k < 300; ++k) {
        const auto rows = static_cast<std::size_t>(random.whole(1, 8));
        numbers columns[4];
        for (auto& column : columns)
            for (std::size_t i = 0; i < rows; ++i) column.push_back(random.between(0, 1));
        const seconds price(random.between(0, 4));
        const double least_score = random.between(0, 1);
        const auto best = *best_static_split(columns[0], columns[1], columns[2], columns[3], price, least_score);
        CHECK(best.cost.value() == doctest::Approx(best.latency.value() + price.value() * (1 - best.score)));
        double least_cost = std::numeric_limits<double>::infinity();
        double most_score = 0;
        for (int step = 0; step <= 1000; ++step) {
            const double x = step / 1000.0;
            double score = 0, cost = 0;
            for (std::size_t i = 0; i < rows; ++i) {
                const double s = (1 - x) * columns[0][i] + x * columns[2][i];
                const double t = (1 - x) * columns[1][i] + x * columns[3][i];
                score += s / static_cast<double>(rows);
                cost += (t + price.value() * (1 - s)) / static_cast<double>(rows);
            }
            most_score = std::max(most_score, score);
            if (score >= least_score) least_cost = std::min(least_cost, cost);
        }
        if (best.met) {
            CHECK(best.score >= least_score - 1e-12);
            CHECK(best.cost.value() <= least_cost + 1e-12);
        } else {
            CHECK(most_score < least_score);
            CHECK(best.score == doctest::Approx(most_score));
        }
    }
}

TEST_CASE("bad input says what is wrong and where") {
    const auto message = [](const numbers& small, const numbers& other, seconds price, double least) {
        return best_static_split(small, small, other, small, price, least).error().message;
    };
    const double nan = std::numeric_limits<double>::quiet_NaN();
    CHECK(message({}, {}, 1_s, 0) == "there must be at least one row");
    CHECK(message({1, 1}, {1}, 1_s, 0) == "large_score must be as long as small_score, 2, got 1");
    CHECK(message({1, 1}, {1, nan}, 1_s, 0) == "large_score[1] must be finite, got nan");
    CHECK(message({1}, {1}, -1_s, 0) == "the price of quality must be 0 or more and finite, got -1.000000");
    CHECK(message({1}, {1}, 1_s, nan) == "the least score must be a number");
}
