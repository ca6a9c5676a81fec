#include <qlroute/cost/continuous_batching.hpp>

#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/objective.hpp>
#include <qlroute/cost/queueing.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <limits>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(cost::computation<cost::continuous_batching<>>);
static_assert(
    std::same_as<decltype(cost::continuous_batching{cost::linear_rate{}, 1_ms / 1_tok}), cost::continuous_batching<>>);

}  // namespace

TEST_CASE_TEMPLATE("every other request slows each token down", Rep, QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());  // 3 running
    const auto n = filled<Rep>(50_tok);
    const cost::continuous_batching<> busy{.per_request = 2_ms / 1_tok};
    // 50 (20 + 3 * 2) ms
    CHECK(equals<Rep>(busy.decode_time(s, n, n), 1.3_s));
    CHECK(equals<Rep>(busy.prefill_time(s, n, n), 50_ms));
    // Of three slots one is this turn's: 50 (20 + 2 * 2) ms
    CHECK(
        equals<Rep>(cost::continuous_batching<>{.per_request = 2_ms / 1_tok, .slots = 3}.decode_time(s, n, n), 1.2_s));
    CHECK(equals<Rep>(cost::continuous_batching<>{.per_request = 2_ms / 1_tok, .slots = 0}.decode_time(s, n, n), 1_s));
    for (const double none : {0.0, -2.0, std::numeric_limits<double>::quiet_NaN()}) {
        s.requests_running = filled<Rep>(ratio(none));
        CHECK(equals<Rep>(busy.decode_time(s, n, n), 1_s));
    }
}

TEST_CASE("the engine and the server of the queue agree about a token") {
    constexpr batching_server server{.base = 19_ms / 1_tok, .per_request = 0.755_ms / 1_tok};
    auto s = round_facts();
    s.tpot = server.inter_token(1);
    s.requests_running = 24;
    const cost::continuous_batching busy{cost::linear_rate{}, server.per_request};
    CHECK(busy.decode_time(s, 0_tok, 1_tok).value() == doctest::Approx((server.inter_token(25) * 1_tok).value()));
    // Measured at 25 users: 38.8 ms.
    CHECK(busy.decode_time(s, 0_tok, 1_tok).value() == doctest::Approx(0.0388).epsilon(0.03));
}

TEST_CASE("reads of the cache and stalls by prefill make up the slowdown") {
    // 1 Mbit/tok * 5000 tok / 10 Tbit/s = 0.5 ms, and 400 ms / 500 tok = 0.8 ms
    CHECK(slowdown_per_request(1_Mbit / 1_tok, 5_ktok, 10'000_Gbps, 400_ms, 500_tok).value() ==
          doctest::Approx(0.0013));
    // Prefill alone predicts the slope that was measured, 0.755 ms, within 8 %.
    CHECK(slowdown_per_request(bits_per_token(0), 5_ktok, 10'000_Gbps, 406.8_ms, 500_tok).value() ==
          doctest::Approx(0.000755).epsilon(0.08));
}

TEST_CASE("only the endpoint that others use is slowed down by them") {
    auto s = round_facts();
    const auto objective = cost::end_to_end(
        cost::by_endpoint{cost::linear_rate{}, cost::continuous_batching{cost::linear_rate{}, 2_ms / 1_tok}});
    const seconds alone = objective(s);
    s.where = 1;
    CHECK((objective(s) - alone).value() == doctest::Approx(0.294));  // 49 tok * 3 * 2 ms
}
