#include <qlroute/eval/hybrid_labels.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::eval;

namespace {

using numbers = std::vector<double>;

/// sum over i, j of |y_i - y_j| / N^2, as the paper writes it.
double average_difference(const numbers& y) {
    double sum = 0;
    for (const double a : y)
        for (const double b : y) sum += std::abs(a - b);
    return sum / static_cast<double>(y.size()) / static_cast<double>(y.size());
}

/// y(t) = P(q_small - q_large >= -t) over all pairs of answers.
numbers labels_at(double t, const numbers& small, const numbers& large, std::size_t responses) {
    numbers y;
    for (std::size_t row = 0; row < small.size() / responses; ++row) {
        int good = 0;
        for (std::size_t a = 0; a < responses; ++a)
            for (std::size_t b = 0; b < responses; ++b)
                good += small[row * responses + a] - large[row * responses + b] >= -t;
        y.push_back(good / static_cast<double>(responses * responses));
    }
    return y;
}

}  // namespace

TEST_CASE("deterministic labels are 1 where small is at least as good") {
    CHECK(*deterministic_labels(numbers{0.5, 0.5, 0.2}, numbers{0.4, 0.5, 0.3}) == numbers{1, 1, 0});
}

TEST_CASE("probabilistic labels are the share of pairs in which small is at least as good") {
    // 1 and 3 against 2 and 3: no, no, yes, yes (a tie)
    CHECK(*probabilistic_labels(numbers{1, 3, 5, 6}, numbers{2, 3, 4, 4}, 2) == numbers{0.5, 1});
    CHECK(*probabilistic_labels(numbers{0.5, 0.2}, numbers{0.5, 0.3}, 1) ==
          *deterministic_labels(numbers{0.5, 0.2}, numbers{0.5, 0.3}));
}

TEST_CASE("smooth labels are the logistic function of the gap over tau") {
    const auto y = *smooth_labels(numbers{0.5, 0.6, 0}, numbers{0.5, 0.5, 1});
    CHECK(y[0] == 0.5);
    CHECK(y[1] == doctest::Approx(1 / (1 + std::exp(-1.0))));
    CHECK(y[2] == doctest::Approx(1 / (1 + std::exp(10.0))));
    CHECK((*smooth_labels(numbers{1}, numbers{0}, 0.5))[0] == doctest::Approx(1 / (1 + std::exp(-2.0))));
}

TEST_CASE("transformed labels forgive what tells most rows apart") {
    // gaps 0, -1, -2, -3: from t = 1 on the first two are good enough, and half of the rows is the most apart
    const auto y = *transformed_labels(numbers{3, 2, 1, 0}, numbers{3, 3, 3, 3});
    CHECK(y.t == 1);
    CHECK(y.labels == numbers{1, 1, 0, 0});
    CHECK(y.separation == 0.5);  // 8 of 16 pairs
    // where small is as good in half of the rows, nothing need be forgiven
    CHECK((*transformed_labels(numbers{3, 3, 1, 0}, numbers{3, 3, 3, 3})).t == 0);
    // nor where all are alike
    const auto alike = *transformed_labels(numbers{1, 1}, numbers{0, 0});
    CHECK(alike.t == 0);
    CHECK(alike.labels == numbers{1, 1});
    CHECK(alike.separation == 0);
    // three rows: t = 1 and t = 2 are equally good, and the least is taken
    CHECK((*transformed_labels(numbers{2, 1, 0}, numbers{3, 3, 3})).t == 1);
}

TEST_CASE("a large model that is better everywhere leaves r_det nothing to learn, and r_trans half") {
    numbers small, large;
    for (int i = 0; i < 100; ++i) {
        small.push_back(i / 200.0);
        large.push_back(1);
    }
    CHECK(average_difference(*deterministic_labels(small, large)) == 0);
    const auto y = *transformed_labels(small, large);
    CHECK(y.separation == 0.5);
    CHECK(average_difference(y.labels) == doctest::Approx(0.5));
}

TEST_CASE("transformed labels agree with trying every gap as t by the paper's definition") {
    test::random_facts random(61);
    for (int k = 0; k < 300; ++k) {
        const auto responses = static_cast<std::size_t>(random.whole(1, 3));
        const auto rows = static_cast<std::size_t>(random.whole(1, 8));
        numbers small, large;
        for (std::size_t i = 0; i < rows * responses; ++i) {  // ties occur
            small.push_back(random.whole(0, 8) / 10);
            large.push_back(random.whole(2, 10) / 10);
        }
        numbers ts{0};
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t a = 0; a < responses; ++a)
                for (std::size_t b = 0; b < responses; ++b) {
                    const double gap = small[row * responses + a] - large[row * responses + b];
                    if (gap < 0) ts.push_back(-gap);
                }
        std::sort(ts.begin(), ts.end());
        double most = -1;
        for (const double t : ts) most = std::max(most, average_difference(labels_at(t, small, large, responses)));
        const auto y = *transformed_labels(small, large, responses);
        REQUIRE(y.separation == doctest::Approx(most));
        REQUIRE(y.labels == labels_at(y.t, small, large, responses));
        REQUIRE(average_difference(y.labels) == doctest::Approx(most));
        for (const double t : ts) {  // no lesser t is as good
            if (!(t < y.t)) break;
            REQUIRE(average_difference(labels_at(t, small, large, responses)) < most - 1e-12);
        }
        // nor any other t between the gaps
        for (int other = 0; other < 20; ++other)
            REQUIRE(average_difference(labels_at(random.between(0, 1.2), small, large, responses)) <= most + 1e-12);
    }
}

TEST_CASE("bad scores are refused, with what is wrong") {
    const double infinity = std::numeric_limits<double>::infinity();
    const auto message = [](const auto& result) { return result.error().message; };
    CHECK(message(deterministic_labels(numbers{1}, numbers{})) ==
          "the large model's scores must be as many as the small one's, 1, got 0");
    CHECK(message(deterministic_labels(numbers{}, numbers{})) == "there must be at least one row");
    CHECK(message(smooth_labels(numbers{1, 1}, numbers{1, infinity})) == "large[1] must be finite, got inf");
    CHECK(message(smooth_labels(numbers{1}, numbers{1}, 0)) == "tau must be above 0, got 0.000000");
    CHECK(message(probabilistic_labels(numbers{1, 1, 1}, numbers{1, 1, 1}, 2)) ==
          "3 scores are no whole number of rows of 2 responses");
    CHECK(message(transformed_labels(numbers{1}, numbers{1}, 0)) ==
          "1 scores are no whole number of rows of 0 responses");
}
