#include <qlroute/cost/scenario.hpp>

#include <doctest/doctest.h>

#include <type_traits>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

static_assert(std::is_aggregate_v<scenario<>> && std::is_trivially_copyable_v<scenario<>>);
static_assert(std::is_same_v<decltype(scenario<>::rtt), seconds>);
static_assert(std::is_same_v<decltype(scenario<grid>::rtt), quantity<dim::time, grid>>);

TEST_CASE("every fact is zero until it is set") {
    constexpr scenario<> s;
    CHECK(s.new_tokens == tokens(0));
    CHECK(s.prefix_tokens == tokens(0));
    CHECK(s.prefix_hit == tokens(0));
    CHECK(s.prefix_saved == tokens(0));
    CHECK(s.output_tokens == tokens(0));
    CHECK(s.prompt_size == bits(0));
    CHECK(s.unseen_history == bits(0));
    CHECK(s.token_size == bits_per_token(0));
    CHECK(s.rtt == seconds(0));
    CHECK(s.uplink_rate == bits_per_second(0));
    CHECK(s.downlink_rate == bits_per_second(0));
    CHECK(s.radio_idle == seconds(0));
    CHECK(s.connection_idle == seconds(0));
    CHECK(s.prefill_rate == tokens_per_second(0));
    CHECK(s.tpot == seconds_per_token(0));
    CHECK(s.kv_size == bits_per_token(0));
    CHECK(s.kv_rate == bits_per_second(0));
    CHECK(s.queue_delay == seconds(0));
    CHECK(s.requests_running == ratio(0));
    CHECK(s.requests_waiting == ratio(0));
    CHECK(s.where == 0);
    CHECK(s.quality_loss == ratio(0));
}

TEST_CASE_TEMPLATE("facts are set by name, whatever the numbers are", Rep, QLROUTE_TEST_REPS) {
    const scenario<Rep> s{.rtt = filled<Rep>(40_ms), .queue_delay = filled<Rep>(1_s)};
    CHECK(equals<Rep>(s.rtt, 40_ms));
    CHECK(equals<Rep>(s.queue_delay + s.rtt, 1040_ms));
}
