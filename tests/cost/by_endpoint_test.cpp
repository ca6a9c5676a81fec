#include <qlroute/cost/by_endpoint.hpp>

#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <array>
#include <span>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// 2 ms a token read, 5 ms a token written.
struct fast {
    constexpr auto prefill_time(const auto&, const auto&, const auto& count) const { return count * (2_ms / 1_tok); }
    constexpr auto decode_time(const auto&, const auto&, const auto& count) const { return count * (5_ms / 1_tok); }
};

/// A whole engine in one number.
struct per_token {
    seconds_per_token time{};
    constexpr auto prefill_time(const auto&, const auto&, const auto& count) const { return count * time; }
    constexpr auto decode_time(const auto&, const auto&, const auto& count) const { return count * time; }
};

struct tariff {
    dollars a_turn{};
    constexpr auto operator()(const auto&) const { return a_turn; }
};

static_assert(cost::computation<cost::by_endpoint<cost::linear_rate, fast>>);
static_assert(cost::computation<cost::by_endpoint<std::span<const per_token>>>);
static_assert(!cost::computation<cost::by_endpoint<tariff, tariff>>);

}  // namespace

TEST_CASE_TEMPLATE("each endpoint is priced by its own engine", Rep, QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());
    const cost::prefill term{cost::by_endpoint{cost::linear_rate{}, fast{}}};
    CHECK(equals<Rep>(term(s), 100_ms));  // 100 tok / 1000 tok/s
    s.where = 1;
    CHECK(equals<Rep>(term(s), 200_ms));  // 100 tok * 2 ms/tok
}

TEST_CASE("engines of one type may be as many as are known at run time, and may be exchanged") {
    std::array<per_token, 3> engines{per_token{1_ms / 1_tok}, per_token{2_ms / 1_tok}, per_token{3_ms / 1_tok}};
    const cost::decode term{cost::by_endpoint{std::span<const per_token>(engines)}};
    auto s = round_facts();
    s.where = 2;
    CHECK(term(s).value() == doctest::Approx(0.147));  // 49 tok * 3 ms/tok
    engines[2].time = 4_ms / 1_tok;
    CHECK(term(s).value() == doctest::Approx(0.196));
}

TEST_CASE("anything that is called on facts can be chosen, a tariff or a way to bring the history") {
    auto s = round_facts();
    const cost::by_endpoint tariffs{tariff{}, tariff{0.01_USD}};
    CHECK(tariffs(s) == 0_USD);
    const cost::switching way{cost::by_endpoint{cost::kv_recompute{}, cost::kv_transfer{}}};
    CHECK(way(s).value() == doctest::Approx(0.5));  // 200 kbit / 2 Mbit/s + 400 tok / 1000 tok/s
    s.where = 1;
    CHECK(tariffs(s) == 0.01_USD);
    CHECK(way(s).value() == doctest::Approx(0.04));  // 400 tok * 100 kbit/tok / 1 Gbit/s
}
