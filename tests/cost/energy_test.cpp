#include <qlroute/cost/energy.hpp>

#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <limits>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(std::same_as<cost::cost_of<cost::device_energy>, joules>);
static_assert(std::same_as<cost::cost_of<cost::radio_energy<>>, joules>);
static_assert(std::same_as<cost::cost_of<decltype(cost::battery_price{}(0.35) * cost::device_energy{})>, seconds>);

/// Snapdragon 8 Elite CPU, Qwen2.5-1.5B Q4_K_M.
constexpr cost::device_energy phone{.prefill = 0.136_J / 1_tok, .decode = 0.40_J / 1_tok};

constexpr cost::radio_power round_radio{.promotion = 1_s,
                                        .promotion_power = 2_W,
                                        .sending = 1_W,
                                        .bit_up = 100_mJ / 1_Mbit,
                                        .receiving = 0.5_W,
                                        .bit_down = 50_mJ / 1_Mbit,
                                        .tail = 10_s,
                                        .tail_power = 0.4_W};

/// A short prompt to a fast server after a pause.
scenario<> short_prompt(tokens in, tokens out) {
    return {.new_tokens = in,
            .output_tokens = out,
            .prompt_size = in * (4_B / 1_tok) + 600_B,
            .token_size = 297_B / 1_tok,
            .rtt = 50_ms,
            .uplink_rate = 10_Mbps,
            .downlink_rate = 40_Mbps,
            .radio_idle = 60_s,
            .prefill_rate = 12'000_tok_s,
            .tpot = 20_ms / 1_tok};
}

}  // namespace

TEST_CASE_TEMPLATE("the device pays for the tokens that it reads and writes, not for cached ones", Rep,
                   QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());
    // (400 + 100) 0.136 J + 50 * 0.4 J
    CHECK(equals<Rep>(phone(s), 88_J));
    s.prefix_hit = filled<Rep>(2000_tok);  // more than there is
    CHECK(equals<Rep>(phone(s), 33.6_J));
}

TEST_CASE_TEMPLATE("an awake radio pays for what it prolongs", Rep, QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());
    const cost::radio_energy<> term{.radio = round_radio};
    // up 240 kbit in 0.12 s: 0.12 + 0.024 J. Waiting 0.04 + 0.03 + 0.5 s: 0.228 J. Down 0.98 s, 120 kbit: 0.49 + 0.006
    // J. The tail starts again 5 s after it began: 2 J.
    CHECK(equals<Rep>(term(s), 2.868_J));
    s.radio_idle = filled<Rep>(0_s);
    CHECK(equals<Rep>(term(s), 0.868_J));
    s.radio_idle = filled<Rep>(10_s);
    CHECK(equals<Rep>(term(s), 4.868_J));
    // A slow link keeps it awake for longer than the decoder: 120 kbit at 60 kbit/s are 2 s.
    s.downlink_rate = filled<Rep>(60_kbps);
    CHECK(equals<Rep>(term(s), 5.378_J));
}

TEST_CASE_TEMPLATE("a radio that was idle wakes up first and then pays its whole tail", Rep, QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());
    const cost::radio_energy<> term{.radio = round_radio};
    s.radio_idle = filled<Rep>(20_s);
    CHECK(equals<Rep>(term(s), 6.868_J));
    s.radio_idle = filled<Rep>(seconds(std::numeric_limits<double>::infinity()));
    CHECK(equals<Rep>(term(s), 6.868_J));
    // It does not wait awake for longer than its tail.
    s.queue_delay = filled<Rep>(1000_s);
    CHECK(equals<Rep>(term(s), 10.64_J));
}

TEST_CASE_TEMPLATE("nothing sent costs the radio nothing, awake or idle", Rep, QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());
    s.prompt_size = filled<Rep>(0_bit);
    s.unseen_history = filled<Rep>(0_bit);
    for (const seconds idle : {0_s, 5_s, 60_s}) {
        s.radio_idle = filled<Rep>(idle);
        CHECK(equals<Rep>(cost::radio_energy<>{}(s), 0_J));
    }
    s.unseen_history = filled<Rep>(1_bit);
    for (const double x : elements(cost::radio_energy<>{}(s))) CHECK(x > 12);
}

TEST_CASE("a hundred tokens in and out take 54 J of a phone's CPU and 15 J of an idle LTE radio, 12 of them tail") {
    auto s = short_prompt(100_tok, 100_tok);
    CHECK(phone(s).value() == doctest::Approx(53.6));
    CHECK(cost::radio_energy<>{}(s).value() == doctest::Approx(15.2).epsilon(0.02));
    const joules tail = cost::radios::lte_huang_2012.tail * cost::radios::lte_huang_2012.tail_power;
    CHECK(tail.value() == doctest::Approx(12.27).epsilon(0.001));
    // Woken, but with a tail already paid: 2.9 J.
    CHECK((cost::radio_energy<>{}(s)-tail).value() == doctest::Approx(2.9).epsilon(0.03));
    // The shorter tail of a newer phone, at 250 mW.
    CHECK(cost::radio_energy<>{.radio = cost::radios::nsa_low_s20u}(s).value() == doctest::Approx(4.1).epsilon(0.02));
}

TEST_CASE("a phone of its own accord beats an idle LTE radio up to 26 tokens after a prompt of 20") {
    CHECK(phone(short_prompt(20_tok, 25_tok)) < cost::radio_energy<>{}(short_prompt(20_tok, 25_tok)));
    CHECK(phone(short_prompt(20_tok, 28_tok)) > cost::radio_energy<>{}(short_prompt(20_tok, 28_tok)));
}

TEST_CASE("each endpoint takes its own energy, and a price of the battery makes it time") {
    const auto energy = cost::term<"energy">(cost::by_endpoint{phone, cost::radio_energy<>{.radio = round_radio}});
    auto s = round_facts();
    CHECK(energy(s).value() == doctest::Approx(88));
    s.where = 1;
    CHECK(energy(s).value() == doctest::Approx(2.868));

    constexpr cost::battery_price price{.full = 0.1_s / 1_J, .empty = 0.5_s / 1_J};
    const auto objective = cost::end_to_end() + price(0.5) * energy;
    CHECK((objective(s) - cost::end_to_end()(s)).value() == doctest::Approx(0.2 * 2.868));
    CHECK(explain(objective, s).find("energy")->value() == doctest::Approx(0.2 * 2.868));
}

TEST_CASE("the price of a joule rises as the battery empties") {
    constexpr cost::battery_price price{.full = 1_s / 1_J, .empty = 5_s / 1_J};
    CHECK(price(1) == 1_s / 1_J);
    CHECK(price(0.5) == 2_s / 1_J);
    CHECK(price(0) == 5_s / 1_J);
    CHECK(price(-3) == 5_s / 1_J);
    CHECK(price(1.5) == 1_s / 1_J);
    CHECK(price(std::numeric_limits<double>::quiet_NaN()) == 1_s / 1_J);
}
