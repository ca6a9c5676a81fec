#include <qlroute/cost/congestion.hpp>

#include "support/filled.hpp"

#include <doctest/doctest.h>

using namespace qlroute;
using test::grid;

namespace {

// 100 new tokens at 1000 tok/s are read in 100 ms, 10 more are written in 200 ms.
scenario<> crowded() {
    return {.new_tokens = 100_tok,
            .output_tokens = 11_tok,
            .prefill_rate = 1000_tok_s,
            .tpot = 20_ms / 1_tok,
            .queue_delay = 1_s,
            .requests_running = 4};
}

}  // namespace

TEST_CASE("those that write wait for this turn's prefill and share its steps") {
    auto s = crowded();
    s.queue_delay = 0_s;
    // 4 * (100 ms + 11 * 5 ms)
    CHECK(cost::congestion{cost::linear_rate{}, 5_ms / 1_tok}(s).value() == doctest::Approx(0.62));
}

TEST_CASE("those that wait do so for longer, in proportion to this turn's size") {
    auto s = crowded();
    s.requests_running = 0;
    // x = 100 ms + 200 ms / 2, D = 500 ms: 0.2 * 1 * 1.5 / 0.25
    const cost::congestion crowd{cost::linear_rate{}, seconds_per_token(0), 2, 500_ms};
    CHECK(crowd(s).value() == doctest::Approx(1.2));
    s.new_tokens = 200_tok;  // x = 300 ms
    CHECK(crowd(s).value() == doctest::Approx(1.8));
}

TEST_CASE("for a usual turn it is what an M/M/1 queue's wait grows by, for all who come") {
    const double D = 0.3;
    for (const double rate : {0.5, 1.0, 2.0, 3.0}) {
        const auto wait = [&](double lambda) { return lambda * D * D / (1 - lambda * D); };
        const double step = 1e-6;
        const double grows = rate * (wait(rate + step) - wait(rate - step)) / (2 * step);
        auto s = crowded();
        s.requests_running = 0;
        s.queue_delay = seconds(wait(rate));
        // x = 100 ms + 200 ms / 1 = D
        const cost::congestion crowd{cost::linear_rate{}, seconds_per_token(0), 1, seconds(D)};
        CHECK(crowd(s).value() == doctest::Approx(grows).epsilon(1e-6));
    }
}

TEST_CASE("where nobody runs or waits it costs nothing") {
    auto s = crowded();
    s.requests_running = 0;
    s.queue_delay = 0_s;
    CHECK(cost::congestion{cost::linear_rate{}, 5_ms / 1_tok, 4, 100_ms}(s) == 0_s);
}

TEST_CASE("what is cached is not read, and what is missing is") {
    auto s = crowded();
    s.queue_delay = 0_s;
    s.prefix_tokens = 400_tok;
    s.prefix_hit = 300_tok;
    // 4 * (100 + 100) ms
    CHECK(cost::congestion{cost::linear_rate{}}(s).value() == doctest::Approx(0.8));
}

TEST_CASE_TEMPLATE("of every kind of number it is the same", Rep, QLROUTE_TEST_REPS) {
    const auto s = test::filled<Rep>(crowded());
    // 4 * (100 + 55) ms + 0.2 * 1 * 1.5 / 0.25 s
    CHECK(test::equals<Rep>(cost::congestion{cost::linear_rate{}, 5_ms / 1_tok, 2, 500_ms}(s), 1.82_s));
}
