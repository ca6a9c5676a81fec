#include <qlroute/fit/output_length.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace qlroute;

TEST_CASE("before any answer came, the next one is as long as the prior or the limit") {
    const output_length answers(200_tok);
    CHECK(answers.expected() == 200_tok);
    CHECK(answers.expected(50_tok) == 50_tok);
    CHECK(answers.expected(500_tok) == 200_tok);
}

TEST_CASE("answers that ended by themselves count as in a plain mean, the prior among them") {
    output_length answers(100_tok);
    answers.observe(40_tok, false);
    answers.observe(10_tok, false);
    // S: 1 to 10, 2/3 to 40, 1/3 to 100: 10 + 20 + 20.
    CHECK(answers.expected().value() == doctest::Approx(50));
    // Under a limit of 25: 10 + 2/3 * 15.
    CHECK(answers.expected(25_tok).value() == doctest::Approx(20));
}

TEST_CASE("an answer that was cut says that answers go on") {
    output_length answers(100_tok);
    answers.observe(50_tok, true);
    // At 50 nobody has ended: S = 1 until the prior at 100.
    CHECK(answers.expected().value() == doctest::Approx(100));
    answers.observe(20_tok, false);
    // S: 1 to 20, 2/3 from there (three at risk), the cut one leaves at 50, 0 at 100: 20 + 2/3 * 80.
    CHECK(answers.expected().value() == doctest::Approx(20 + 160.0 / 3));
}

TEST_CASE("of two answers of one length the one that ended comes first") {
    output_length answers(30_tok);
    answers.observe(30_tok, true);
    // Two at risk at 30, one of them ends: S = 1/2 from there to the limit.
    CHECK(answers.expected(50_tok).value() == doctest::Approx(30 + 0.5 * 20));
}

TEST_CASE("answers that were all cut are expected to reach any limit") {
    output_length answers(200_tok);
    for (std::size_t i = 0; i < output_length::window; ++i) answers.observe(64_tok, true);
    CHECK(answers.count() == output_length::window);
    CHECK(answers.expected(64_tok) == 64_tok);
    CHECK(answers.expected(256_tok) == 256_tok);
    CHECK(answers.expected() == 64_tok);  // without a limit nothing is known beyond the longest
}

TEST_CASE("old answers are forgotten") {
    output_length answers(200_tok);
    for (std::size_t i = 0; i < output_length::window; ++i) answers.observe(500_tok, false);
    for (std::size_t i = 0; i < output_length::window; ++i) answers.observe(20_tok, false);
    CHECK(answers.expected() == 20_tok);
}

TEST_CASE("lengths that are none are ignored") {
    output_length answers(200_tok);
    for (const double length :
         {0.0, -3.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
        answers.observe(tokens(length), false);
    CHECK(answers.count() == 0);
    CHECK(answers.expected() == 200_tok);
}
