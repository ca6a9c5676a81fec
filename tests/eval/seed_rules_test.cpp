#include <qlroute/eval/seed_rules.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include <qlroute/cost/objective.hpp>

#include "support/candidates.hpp"

using namespace qlroute;
using namespace qlroute::eval;
using namespace qlroute::test;

static_assert(cost::expression<seed_latency_single<>> && cost::expression<seed_latency_multi<>>);
static_assert(selection_rule<fused_score<seed_latency_multi<>>, listed>);
static_assert(selection_rule<seed_multi_turn<>, listed>);

namespace {

const session fresh = dialogue_at(2, {});

/// The reconstruction in plain numbers, small and large written separately.
struct plain {
    double n_q, n_o, history, cached, bits_up, bits_unseen, bits_per_answer_token, up, down, rtt, queue, read, write;

    explicit plain(const scenario<>& s)
        : n_q(s.new_tokens.value()),
          n_o(s.output_tokens.value()),
          history(s.prefix_tokens.value()),
          cached(s.prefix_hit.value()),
          bits_up(s.prompt_size.value()),
          bits_unseen(s.unseen_history.value()),
          bits_per_answer_token(s.token_size.value()),
          up(s.uplink_rate.value()),
          down(s.downlink_rate.value()),
          rtt(s.rtt.value()),
          queue(s.queue_delay.value()),
          read(s.prefill_rate.value()),
          write(s.tpot.value()) {}

    double single_small() const { return n_q / read + n_o * write + queue; }
    double single_large() const {
        return bits_up / up + n_q / read + n_o * write + bits_per_answer_token * n_o / down + rtt + queue;
    }
    double multi_small() const { return (history - cached + n_q) / read + n_o * write + queue; }
    double multi_large() const {
        return (bits_unseen + bits_up) / up + (history - cached + n_q) / read + n_o * write +
               bits_per_answer_token * n_o / down + rtt + queue;
    }
};

/// Random facts of a device and of a server behind a link.
listed device_and_edge(random_facts& random) {
    scenario<> here = random();
    here.rtt = 0_s;
    here.prompt_size = here.unseen_history = 0_bit;
    here.token_size = 0_bit / 1_tok;
    here.quality_loss = random.between(0, 1);
    return candidates_of({here, random()});
}

/// An engine that takes 1 s for a batch besides, so that it is not additive.
struct with_overhead {
    constexpr auto prefill_time(const auto& s, const auto& /*cached*/, const auto& count) const {
        return seconds(1) + count / s.prefill_rate;
    }
    constexpr auto decode_time(const auto& s, const auto& /*context*/, const auto& count) const {
        return count * s.tpot;
    }
};

}  // namespace

TEST_CASE_TEMPLATE("the latency of a single question, by hand", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    // 40 kbit / 2 Mbit/s + 100 / 1000 + 50 * 20 ms + 50 * 2400 bit / 1.2 Mbit/s + 40 ms + 30 ms
    CHECK(equals<Rep>(seed_latency_single<>{}(s), 20_ms + 100_ms + 1_s + 100_ms + 40_ms + 30_ms));
    CHECK(equals<Rep>(seed_latency_single<>{.count_rtt = false}(s), 1250_ms));
    CHECK(equals<Rep>(seed_latency_single<>{.count_queue = false}(s), 1260_ms));
    CHECK(equals<Rep>(seed_latency_single<with_overhead>{}(s), 2290_ms));
}

TEST_CASE_TEMPLATE("the latency of a turn of a dialogue, by hand", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    // (200 + 40) kbit / 2 Mbit/s + (1000 - 600 + 100) / 1000 + 1 s + 100 ms + 40 ms + 30 ms
    CHECK(equals<Rep>(seed_latency_multi<>{}(s), 120_ms + 500_ms + 1_s + 100_ms + 40_ms + 30_ms));
    CHECK(equals<Rep>(seed_latency_multi<>{.count_rtt = false, .count_queue = false}(s), 1720_ms));
    CHECK(equals<Rep>(seed_latency_multi<with_overhead>{}(s), 2790_ms));
}

TEST_CASE("a hit that is longer than the history misses nothing") {
    auto s = round_facts();
    s.prefix_hit = 2000_tok;
    CHECK(seed_latency_multi<>{.count_rtt = false, .count_queue = false}(s).value() ==
          doctest::Approx(0.120 + 0.1 + 1 + 0.1));
}

TEST_CASE("the latencies are terms of a cost") {
    const auto objective = 6_s * cost::quality_loss{} + seed_latency_multi<>{};
    CHECK(explain(objective, round_facts()).find("seed_latency_multi")->value() == doctest::Approx(1.79));
    CHECK(objective(round_facts()).value() == doctest::Approx(1.5 + 1.79));
}

TEST_CASE("the latencies agree with the formulas of both sides on random facts") {
    random_facts random(21);
    for (int k = 0; k < 500; ++k) {
        const listed two = device_and_edge(random);
        const plain device(two[0].facts), edge(two[1].facts);
        REQUIRE(seed_latency_single<>{}(two[0].facts).value() == doctest::Approx(device.single_small()));
        REQUIRE(seed_latency_single<>{}(two[1].facts).value() == doctest::Approx(edge.single_large()));
        REQUIRE(seed_latency_multi<>{}(two[0].facts).value() == doctest::Approx(device.multi_small()));
        REQUIRE(seed_latency_multi<>{}(two[1].facts).value() == doctest::Approx(edge.multi_large()));
    }
}

TEST_CASE("fused_score with these latencies is Eqs. 11-12") {
    random_facts random(22);
    std::array<int, 2> chosen{};
    for (int k = 0; k < 1000; ++k) {
        const listed two = device_and_edge(random);
        const plain device(two[0].facts), edge(two[1].facts);
        const double alpha = random.between(0, 0.05);
        const double theta = random.between(0, 1);
        const double p = two[0].facts.quality_loss.value();
        const double single = p - alpha * (edge.single_large() - device.single_small());
        const double multi = p - alpha * (edge.multi_large() - device.multi_small());
        const fused_score<seed_latency_single<>> by_question{.alpha = hertz(alpha), .theta = theta, .latency = {}};
        const fused_score<seed_latency_multi<>> by_dialogue{.alpha = hertz(alpha), .theta = theta, .latency = {}};
        REQUIRE(by_question(two, fresh).where == (single > theta ? 1u : 0u));
        REQUIRE(by_dialogue(two, fresh).where == (multi > theta ? 1u : 0u));
        ++chosen[multi > theta ? 1 : 0];
    }
    CHECK(chosen[0] > 100);
    CHECK(chosen[1] > 100);
}

TEST_CASE("seed_multi_turn is by default fused_score over the multi-turn latency") {
    random_facts random(23);
    for (int k = 0; k < 500; ++k) {
        listed two = device_and_edge(random);
        for (auto& one : two.all) one.can_serve = random.between(0, 6) >= 1;
        const hertz alpha(random.between(0, 0.05));
        const double theta = random.between(0, 1);
        const session chat = dialogue_at(2, random_answers(random, 2));
        const fused_score<seed_latency_multi<>> fused{.alpha = alpha, .theta = theta, .latency = {}};
        REQUIRE(seed_multi_turn<>{.alpha = alpha, .theta = theta}(two, chat).where == fused(two, chat).where);
    }
}

TEST_CASE("an inactive cache that does not survive is read again, and a way back is paid ahead") {
    // Both alike but for what is set here; T is 0 s where nothing is read.
    scenario<> s{.new_tokens = 100_tok,
                 .prefix_tokens = 1000_tok,
                 .prefix_hit = 1000_tok,
                 .output_tokens = 100_tok,
                 .uplink_rate = 1_Mbps,
                 .downlink_rate = 1_Mbps,
                 .prefill_rate = 100_tok_s};
    s.quality_loss = 0.5;
    const listed two = candidates_of({s, s});
    const session at_small = dialogue_at(2, {0});
    const session at_large = dialogue_at(2, {1});
    // p - alpha (T_large - T_small) = 0.5 - 0.01 (T_large - T_small)
    const auto threshold_passed = [&](const seed_multi_turn<>& options, double score, const session& chat) {
        seed_multi_turn<> below = options;
        seed_multi_turn<> above = options;
        below.alpha = above.alpha = 0.01 / 1_s;
        below.theta = score - 1e-9;
        above.theta = score + 1e-9;
        return below(two, chat).where == 1 && above(two, chat).where == 0;
    };
    CHECK(threshold_passed({}, 0.5, at_small));
    // large has to read 1000 tokens more: 10 s
    CHECK(threshold_passed({.inactive_cache_survives = false}, 0.4, at_small));
    CHECK(threshold_passed({.inactive_cache_survives = false}, 0.6, at_large));
    // small will have to read 100 + 100 tokens when the dialogue comes back: 2 s
    CHECK(threshold_passed({.switch_back = 1}, 0.48, at_small));
    CHECK(threshold_passed({.switch_back = 0.5}, 0.49, at_small));
    CHECK(threshold_passed({.switch_back = 1}, 0.52, at_large));
    // or 1000 + 100 + 100, besides the 1000 that large reads now
    CHECK(threshold_passed({.inactive_cache_survives = false, .switch_back = 1}, 0.5 - 0.1 - 0.12, at_small));
    // where nobody has answered, nothing is inactive
    CHECK(threshold_passed({.inactive_cache_survives = false, .switch_back = 1}, 0.5, fresh));
}

TEST_CASE("seed_multi_turn with its options agrees with them written out") {
    random_facts random(24);
    std::array<int, 2> chosen{};
    for (int k = 0; k < 500; ++k) {
        const listed two = device_and_edge(random);
        const std::vector<std::size_t> answers = random_answers(random, 2);
        const session chat = dialogue_at(2, answers);
        const bool survives = random.between(0, 1) < 0.5;
        const double back = random.between(0, 1);
        const double alpha = random.between(0, 0.05);
        const double theta = random.between(0, 1);
        plain device(two[0].facts), edge(two[1].facts);
        double extra_small = 0, extra_large = 0;
        if (!answers.empty()) {
            plain& left = answers.back() == 0 ? device : edge;
            plain& entered = answers.back() == 0 ? edge : device;
            if (!survives) entered.cached = 0;
            const double lacks = left.n_q + left.n_o + (survives ? 0 : left.history);
            (answers.back() == 0 ? extra_large : extra_small) = back * lacks / left.read;
        }
        const double score = two[0].facts.quality_loss.value() -
                             alpha * (edge.multi_large() + extra_large - device.multi_small() - extra_small);
        const seed_multi_turn<> rule{
            .alpha = hertz(alpha), .theta = theta, .inactive_cache_survives = survives, .switch_back = back};
        REQUIRE(rule(two, chat).where == (score > theta ? 1u : 0u));
        ++chosen[score > theta ? 1 : 0];
    }
    CHECK(chosen[0] > 100);
    CHECK(chosen[1] > 100);
}
