#include <qlroute/cost/any_engine.hpp>

#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <array>
#include <span>

#include "support/allocations.hpp"
#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

const cost::batched rate{.batch = 0_tok, .tile = 0_tok, .tiled = {.per_token = 2_ms / 1_tok}};
const cost::profiled slower{rate, {{0}, {1}, {3}}, {}};
constexpr cost::roofline machine{.parameters = 1e9, .weights = 1_bit, .operations = hertz(1e12), .bandwidth = 1_Gbps};

static_assert(cost::computation<cost::any_engine>);

}  // namespace

TEST_CASE_TEMPLATE("an engine chosen at run time answers as itself", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    const auto read = [&](const cost::any_engine& engine) {
        return engine.prefill_time(s, filled<Rep>(0_tok), filled<Rep>(100_tok));
    };
    CHECK(equals<Rep>(read({}), 100_ms));       // linear_rate: 100 tok / 1000 tok/s
    CHECK(equals<Rep>(read(rate), 200_ms));     // 100 * 2 ms
    CHECK(equals<Rep>(read(slower), 600_ms));   // and three times as much
    CHECK(equals<Rep>(read(machine), 200_ms));  // 2e9 * 100 / 1e12
}

TEST_CASE("it says what it is") {
    const cost::any_engine one = rate;
    REQUIRE(one.get<cost::batched>() != nullptr);
    CHECK(*one.get<cost::batched>() == rate);
    CHECK(one.get<cost::roofline>() == nullptr);
}

TEST_CASE("pricing endpoints by engines chosen at run time allocates nothing") {
    const std::array<cost::any_engine, 3> engines{cost::linear_rate{}, rate, slower};
    const auto objective = cost::end_to_end(cost::by_endpoint{std::span<const cost::any_engine>(engines)});
    auto s = round_facts();
    seconds sum{};
    const auto before = allocations.load();
    for (s.where = 0; s.where < 3; ++s.where) sum += objective(s);
    CHECK(allocations.load() == before);
    CHECK(sum > 0_s);
}
