#include <qlroute/cost/profiled.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

constexpr double hole = std::numeric_limits<double>::quiet_NaN();

/// 1 ms a token read, 10 ms a token written, tile at 64.
cost::profiled engine(cost::measured_ratio reading, cost::measured_ratio writing = {}) {
    return {{.batch = 0_tok,
             .tile = 64_tok,
             .tiled = {.per_token = 1_ms / 1_tok},
             .untiled = {.per_token = 1_ms / 1_tok},
             .decode = {.fixed = 10_ms / 1_tok}},
            std::move(reading),
            std::move(writing)};
}

static_assert(cost::computation<cost::profiled>);

}  // namespace

TEST_CASE_TEMPLATE("at a measured point the time is the measured one", Rep, QLROUTE_TEST_REPS) {
    const auto e = engine({{0, 1000}, {64, 512}, {1, 2, 3, 4}}, {{0, 1000}, {0}, {1, 2}});
    const auto read = [&](tokens cached, tokens count) {
        return e.prefill_time(scenario<Rep>{}, filled<Rep>(cached), filled<Rep>(count));
    };
    CHECK(equals<Rep>(read(0_tok, 64_tok), 64_ms));
    CHECK(equals<Rep>(read(0_tok, 512_tok), 1024_ms));
    CHECK(equals<Rep>(read(1000_tok, 64_tok), 192_ms));
    CHECK(equals<Rep>(read(1000_tok, 512_tok), 2048_ms));
    CHECK(equals<Rep>(e.decode_time(scenario<Rep>{}, filled<Rep>(1000_tok), filled<Rep>(5_tok)), 100_ms));
}

TEST_CASE("between points ratios are linear in the logarithm, beyond them constant") {
    const cost::measured_ratio table({0, 99}, {63, 255}, {1, 2, 3, 4});
    CHECK(table.at(0, 127) == doctest::Approx(1.5));  // log 128 is half way from log 64 to log 256
    CHECK(table.at(9, 63) == doctest::Approx(2));     // log 10 is half way from log 1 to log 100
    CHECK(table.at(9, 127) == doctest::Approx(2.5));
    CHECK(table.at(5000, 5000) == 4);
    CHECK(table.at(0, 1) == 1);
}

TEST_CASE("what was measured on one side of a kink says nothing about the other") {
    const cost::measured_ratio table({0}, {32, 64}, {5, 1}, 64);
    CHECK(table.at(0, 63) == 5);
    CHECK(table.at(0, 64) == 1);
    CHECK(table.at(0, 1) == 5);
}

TEST_CASE("holes are filled from their neighbours of the same kernel") {
    const cost::measured_ratio table({0, 10, 100}, {8, 64, 512}, {9, 2, 4, hole, hole, 6, 9, 8, 4}, 64);
    CHECK(table.at(10, 64) == 16.0 / 3);  // (2 + 8 + 6) / 3
    CHECK(table.at(10, 8) == 9);          // (9 + 9) / 2, not the 64s
    // Zero, negative and infinite ratios are no measurements either.
    const cost::measured_ratio odd({0}, {1, 2, 3, 4}, {0, -1, std::numeric_limits<double>::infinity(), 2});
    CHECK(odd.at(0, 1) == 2);
}

TEST_CASE("an empty profile, and one of holes only, is its formula") {
    const auto bare = engine({});
    CHECK(bare.prefill_time(scenario<>{}, 1000_tok, 100_tok) == 100_ms);
    CHECK(bare.decode_time(scenario<>{}, 1000_tok, 3_tok) == 30_ms);
    const auto holes = engine({{0, 10}, {1, 2}, {hole, hole, hole, hole}});
    CHECK(holes.prefill_time(scenario<>{}, 1000_tok, 100_tok) == 100_ms);
}
