#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <string_view>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

std::vector<std::string_view> names(const auto& objective) {
    std::vector<std::string_view> all;
    for (const auto& [name, value] : explain(objective, round_facts())) all.push_back(name);
    return all;
}

/// A reader whose every token costs as many microseconds more as tokens stand before it.
struct attentive {
    constexpr auto prefill_time(const auto& s, const auto& cached, const auto& count) const {
        return count / s.prefill_rate + count * (1_us / 1_tok / 1_tok) * (cached + 0.5 * count);
    }
    constexpr auto decode_time(const auto& s, const auto& context, const auto& count) const {
        return count * s.tpot + count * (1_us / 1_tok / 1_tok) * (context + 0.5 * count);
    }
};

static_assert(std::same_as<cost::cost_of<decltype(cost::ttft())>, seconds>);
static_assert(std::same_as<cost::cost_of<decltype(cost::end_to_end())>, seconds>);

}  // namespace

TEST_CASE("objectives list their lines in the order in which time passes") {
    CHECK(names(cost::ttft()) ==
          std::vector<std::string_view>{"uplink", "queueing", "switching", "prefill", "first_token"});
    CHECK(names(cost::end_to_end()) ==
          std::vector<std::string_view>{"uplink", "queueing", "switching", "prefill", "decode", "downlink"});
}

TEST_CASE_TEMPLATE("time to first token is the sum of its lines by hand", Rep, QLROUTE_TEST_REPS) {
    // uplink 40 + queueing 30 + switching 100 + 400 + prefill 100 + first token 22 ms
    CHECK(equals<Rep>(cost::ttft()(filled<Rep>(round_facts())), 692_ms));
}

TEST_CASE_TEMPLATE("end to end is the sum of its lines by hand", Rep, QLROUTE_TEST_REPS) {
    // uplink 40 + queueing 30 + switching 100 + 400 + prefill 100 + decode 980 + downlink 22 ms
    CHECK(equals<Rep>(cost::end_to_end()(filled<Rep>(round_facts())), 1672_ms));
}

TEST_CASE_TEMPLATE("an objective takes the way and the engine that it is given", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    // switching by transfer: 400 * 100 kbit / 1 Gbit/s = 40 ms instead of 500 ms
    CHECK(equals<Rep>(cost::end_to_end(cost::kv_transfer{})(s), 1212_ms));
    CHECK(equals<Rep>(cost::ttft(cost::kv_transfer{})(s), 232_ms));
    // attention: prefill 100 * 1050 us = 105 ms and decode 49 * 1124.5 us = 55.1005 ms more
    CHECK(equals<Rep>(cost::end_to_end(cost::kv_transfer{}, attentive{})(s), 1372.1005_ms));
    // attention in recomputing too: 400 * (600 + 200) us = 320 ms more
    CHECK(equals<Rep>(cost::end_to_end(cost::kv_recompute{attentive{}}, attentive{})(s), 2152.1005_ms));
    CHECK(equals<Rep>(cost::end_to_end(attentive{})(s), 2152.1005_ms));
    // uplink 40 + queueing 30 + switching 820 + prefill 205 + first token 22
    CHECK(equals<Rep>(cost::ttft(attentive{})(s), 1117_ms));
}

TEST_CASE_TEMPLATE("for an answer of one token, end to end equals time to first token", Rep, QLROUTE_TEST_REPS) {
    auto s = round_facts();
    s.output_tokens = 1_tok;
    CHECK(equals<Rep>(cost::end_to_end()(filled<Rep>(s)), cost::ttft()(s)));
    CHECK(equals<Rep>(cost::end_to_end(cost::kv_transfer{}, attentive{})(filled<Rep>(s)),
                      cost::ttft(cost::kv_transfer{}, attentive{})(s)));

    random_facts random(2);
    for (int i = 0; i < 100; ++i) {
        s = random();
        s.output_tokens = 1_tok;
        CHECK(equals<Rep>(cost::end_to_end()(filled<Rep>(s)), cost::ttft()(s)));
    }
}

TEST_CASE("an objective costs while compiling") {
    constexpr seconds total = cost::end_to_end()(round_facts());
    static_assert(total > 1671_ms && total < 1673_ms);
}
