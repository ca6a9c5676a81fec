#include <qlroute/route/facts.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace qlroute;

namespace {

constexpr endpoint edge{.name = "edge",
                        .remote = true,
                        .prefill_rate = 1000_tok_s,
                        .tpot = 10_ms / 1_tok,
                        .kv_size = 100_KiB / 1_tok,
                        .kv_lifetime = 60_s,
                        .kv_rate = 1_Gbps,
                        .extra_rtt = 8_ms,
                        .request_overhead = 600_B,
                        .token_size = 300_B / 1_tok};
constexpr link_state radio{.uplink_rate = 5_Mbps, .downlink_rate = 20_Mbps, .rtt = 30_ms};
constexpr turn question{.prefix_tokens = 1000_tok,
                        .new_tokens = 50_tok,
                        .history_size = 4000_B,
                        .prompt_size = 200_B,
                        .expected_output = 100_tok,
                        .now = 100_s};

constexpr kv_residency holding(tokens cached, bits seen, seconds last_used = 90_s) {
    return {.cached = {cached, 4_B / 1_tok * cached}, .text_seen = seen, .last_used = last_used};
}

}  // namespace

TEST_CASE("an endpoint that has seen nothing misses the whole history and its text") {
    const auto s = facts_for(edge, {}, question, radio, 0.75);
    CHECK(s.prefix_tokens == 1000_tok);
    CHECK(s.prefix_hit == 0_tok);
    CHECK(s.new_tokens == 50_tok);
    CHECK(s.output_tokens == 100_tok);
    CHECK(s.unseen_history == 4000_B);
    CHECK(s.prompt_size == 800_B);
    CHECK(s.rtt == 38_ms);
    CHECK(s.uplink_rate == 5_Mbps);
    CHECK(s.downlink_rate == 20_Mbps);
    CHECK(s.token_size == 300_B / 1_tok);
    CHECK(s.prefill_rate == 1000_tok_s);
    CHECK(s.tpot == 10_ms / 1_tok);
    CHECK(s.kv_size == 100_KiB / 1_tok);
    CHECK(s.kv_rate == 1_Gbps);
    CHECK(s.quality_loss == ratio(0.25));
    CHECK(s.where == 0);
}

TEST_CASE("facts say how long the radio, and the connection to the endpoint, have been silent") {
    link_state asleep = radio;
    asleep.radio_idle = 12_s;
    CHECK(facts_for(edge, {}, question, asleep, 1).radio_idle == 12_s);
    CHECK(facts_for(edge, {}, question, asleep, 1).connection_idle == seconds(std::numeric_limits<double>::infinity()));
    CHECK(facts_for(edge, holding(600_tok, 3000_B, 90_s), question, asleep, 1).connection_idle == 10_s);
}

TEST_CASE("a server's own time for a request waits before it starts, by what it is sent") {
    endpoint slow = edge;
    slow.queue_delay = 100_ms;
    slow.request_time = 4_ms;
    slow.request_time_per_size = 10_ms / 8000_bit;
    // 100 + 4 + (200 + 4000) B * 10 ms / kB
    CHECK(facts_for(slow, {}, question, radio, 1).queue_delay.value() == doctest::Approx(0.146));
    // seen history does not go up, but for a stateless protocol
    CHECK(facts_for(slow, holding(1000_tok, 4000_B), question, radio, 1).queue_delay.value() == doctest::Approx(0.106));
    slow.resends_history = true;
    CHECK(facts_for(slow, holding(1000_tok, 4000_B), question, radio, 1).queue_delay.value() == doctest::Approx(0.146));
}

TEST_CASE("a target that makes more tokens of the same text counts in its own") {
    endpoint finer = edge;
    finer.tokenizer_ratio = 1.25;
    auto held = holding(600_tok, 3000_B);
    held.saved = {800_tok, 3200_B};
    const auto s = facts_for(finer, held, question, radio, 1);
    CHECK(s.prefix_saved == 1000_tok);
    CHECK(s.new_tokens == 62.5_tok);
    CHECK(s.prefix_tokens == 1250_tok);
    CHECK(s.prefix_hit == 750_tok);
    CHECK(s.output_tokens == 125_tok);
    CHECK(s.prompt_size == 800_B);
    finer.context_window = 1437_tok;  // 1.25 * (1000 + 50 + 100) = 1437.5
    CHECK(!can_serve(finer, question));
    finer.context_window = 1438_tok;
    CHECK(can_serve(finer, question));
}

TEST_CASE("a target that writes longer answers is expected to") {
    endpoint chatty = edge;
    chatty.reply_ratio = 1.5;
    CHECK(facts_for(chatty, {}, question, radio, 1).output_tokens == 150_tok);
    chatty.tokenizer_ratio = 2;
    CHECK(facts_for(chatty, {}, question, radio, 1).output_tokens == 300_tok);
    chatty.context_window = 2399_tok;  // 2 * (1000 + 50 + 1.5 * 100) = 2400
    CHECK(!can_serve(chatty, question));
    chatty.context_window = 2400_tok;
    CHECK(can_serve(chatty, question));
}

TEST_CASE("a reply that is tokenized again is not found in the cache") {
    endpoint chat = edge;
    chat.reply_kept = 0;
    auto held = holding(1000_tok, 4000_B);
    held.before_reply = {900_tok, 3600_B};
    CHECK(facts_for(chat, held, question, radio, 1).prefix_hit == 900_tok);
    CHECK(facts_for(edge, held, question, radio, 1).prefix_hit == 1000_tok);
    CHECK(facts_for(chat, held, question, radio, 1).unseen_history == 0_B);  // its text is there
    chat.reply_kept = 0.25;                                                  // 900 + 0.25 * 100
    CHECK(facts_for(chat, held, question, radio, 1).prefix_hit == 925_tok);
}

TEST_CASE("a cache that was cut back is cut in steps, or lost") {
    auto held = holding(700_tok, 3000_B);
    held.cut_back = true;
    endpoint stepwise = edge;
    stepwise.kv_rollback = 256_tok;
    CHECK(facts_for(edge, held, question, radio, 1).prefix_hit == 700_tok);
    CHECK(facts_for(stepwise, held, question, radio, 1).prefix_hit == 512_tok);
    stepwise.kv_rollback = 0_tok;
    CHECK(facts_for(stepwise, held, question, radio, 1).prefix_hit == 0_tok);
    held.cut_back = false;
    CHECK(facts_for(stepwise, held, question, radio, 1).prefix_hit == 700_tok);
}

TEST_CASE("what is on the target's disk is a fact of its own") {
    auto held = holding(0_tok, 4000_B);
    held.saved = {800_tok, 3200_B};
    CHECK(facts_for(edge, held, question, radio, 1).prefix_saved == 800_tok);
    held.saved = {2000_tok, 8000_B};
    CHECK(facts_for(edge, held, question, radio, 1).prefix_saved == 1000_tok);
}

TEST_CASE("facts hold the endpoint's own counters and its place in the list") {
    endpoint busy = edge;
    busy.requests_running = 7;
    busy.requests_waiting = 2;
    const auto s = facts_for(busy, {}, question, radio, 1, 3);
    CHECK(s.requests_running == ratio(7));
    CHECK(s.requests_waiting == ratio(2));
    CHECK(s.where == 3);
}

TEST_CASE("what an endpoint holds is neither read nor sent again") {
    const auto s = facts_for(edge, holding(600_tok, 3000_B), question, radio, 1);
    CHECK(s.prefix_hit == 600_tok);
    CHECK(s.unseen_history == 1000_B);
    CHECK(s.prompt_size == 800_B);
}

TEST_CASE("a stateless protocol sends the seen history with the prompt") {
    endpoint stateless = edge;
    stateless.resends_history = true;
    const auto s = facts_for(stateless, holding(1000_tok, 3000_B), question, radio, 1);
    CHECK(s.unseen_history == 1000_B);
    CHECK(s.prompt_size == 3800_B);
    CHECK(s.prefix_hit == 1000_tok);
}

TEST_CASE("on the device itself nothing crosses the link") {
    endpoint device = edge;
    device.remote = false;
    const auto s = facts_for(device, {}, question, radio, 1);
    CHECK(s.rtt == 0_s);
    CHECK(s.prompt_size == 0_bit);
    CHECK(s.unseen_history == 0_bit);
    CHECK(s.token_size == 0_bit / 1_tok);
    CHECK(s.prefix_hit == 0_tok);
}

TEST_CASE("a cache unused for longer than its lifetime is gone, its text is not") {
    CHECK(facts_for(edge, holding(600_tok, 3000_B, 40_s), question, radio, 1).prefix_hit == 600_tok);
    const auto s = facts_for(edge, holding(600_tok, 3000_B, 39_s), question, radio, 1);
    CHECK(s.prefix_hit == 0_tok);
    CHECK(s.unseen_history == 1000_B);
}

TEST_CASE("no more is cached than the cache can hold") {
    endpoint small = edge;
    small.kv_capacity = 400_tok;
    CHECK(facts_for(small, holding(600_tok, 3000_B), question, radio, 1).prefix_hit == 400_tok);
    CHECK(still_cached(small, holding(600_tok, 3000_B), 100_s).text == 1600_B);
}

TEST_CASE("a question that was read before is not new, but one token is always evaluated") {
    CHECK(facts_for(edge, holding(1020_tok, 4000_B), question, radio, 1).new_tokens == 30_tok);
    CHECK(facts_for(edge, holding(1050_tok, 4000_B), question, radio, 1).new_tokens == 1_tok);
    CHECK(facts_for(edge, holding(1050_tok, 4000_B), question, radio, 1).prefix_hit == 1000_tok);
}

TEST_CASE("an endpoint serves a turn when it is up and its context window is large enough") {
    endpoint e = edge;
    CHECK(can_serve(e, question));
    e.context_window = 1150_tok;
    CHECK(can_serve(e, question));
    e.context_window = 1149_tok;
    CHECK(!can_serve(e, question));
    e.context_window = 0_tok;
    e.available = false;
    CHECK(!can_serve(e, question));
}
