#include <configured/chat_router.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

using namespace qlroute;

namespace {

/// 100 tok/s and 10 tok/s read; 100 ms a token written; no link to speak of.
settings two_places(const std::string& more = "") {
    const std::string text = R"({"predictor": {"type": "constant"}, "expected_output": "50 tok",
        "link": {"uplink_rate": "8 Mbit/s", "downlink_rate": "8 Mbit/s", "rtt": "0 s"},
        "rule": {"type": "lowest_cost", "hysteresis": "0 s"},
        "endpoints": [
          {"name": "device", "usual_success": 0.5, "prefill_rate": "10 tok/s", "tpot": "100 ms/tok"},
          {"name": "edge", "usual_success": 0.5, "remote": true, "prefill_rate": "100 tok/s", "tpot": "100 ms/tok",
           "request_overhead": "0 B", "token_size": "1 B/tok"}])" +
                             more + "}";
    return settings_from(parse_config(text, "test"), "test");
}

/// 40 tokens.
const std::string question(160, 'x');
const message asked[] = {{role::user, question}};

}  // namespace

TEST_CASE("a turn is forecast at every endpoint, and runs where it costs least") {
    chat_router route(two_places());
    const auto r = route.route({.chat = 1, .messages = asked});
    CHECK(r.where == 1);
    REQUIRE(r.endpoints.size() == 2);
    CHECK(r.endpoints[0].expected.ttft.value() == doctest::Approx(4));              // 40 tokens at 10 tok/s
    CHECK(r.endpoints[0].expected.end_to_end.value() == doctest::Approx(4 + 4.9));  // and 49 more at 100 ms
    CHECK(r.endpoints[1].expected.ttft.value() == doctest::Approx(0.4).epsilon(0.01));
    CHECK(r.endpoints[0].expected.prompt == 40_tok);
    CHECK(r.endpoints[0].expected.cached == 0_tok);
    CHECK(r.endpoints[0].expected.output == 50_tok);
    CHECK(r.dialogue_size == 40_tok);
    CHECK(r.chosen().decision.where == 1);
    CHECK(*r.next_best(1) == 0);
}

TEST_CASE("an endpoint that is given is taken, and the others are still priced") {
    chat_router route(two_places());
    const auto r = route.route({.chat = 1, .messages = asked}, 0);
    CHECK(r.where == 0);
    CHECK(r.endpoints[1].decision.cost < r.endpoints[0].decision.cost);
}

TEST_CASE("what an endpoint answered it holds, and only that dialogue's") {
    chat_router route(two_places());
    route.answered({.chat = 1, .messages = asked}, 0, {role::assistant, std::string(40, 'y')}, 1_s);
    const std::string reply(40, 'y');
    const message then[] = {asked[0], {role::assistant, reply}, {role::user, "1234"}};
    const auto r = route.route({.chat = 1, .messages = then});
    CHECK(r.endpoints[0].expected.prompt == 51_tok);
    CHECK(r.endpoints[0].expected.cached == 50_tok);
    CHECK(r.endpoints[1].expected.cached == 0_tok);
    CHECK(r.where == 0);  // 0.1 s here, 0.51 s there
    CHECK(r.endpoints[1].expected.prefill.value() == doctest::Approx(0.51));
    CHECK(r.endpoints[1].expected.prefill_if_cached.value() == doctest::Approx(0.01));
    CHECK(route.route({.chat = 2, .messages = then}).endpoints[0].expected.cached == 0_tok);
    route.caches_dropped(0);
    CHECK(route.route({.chat = 1, .messages = then}).endpoints[0].expected.cached == 0_tok);
}

TEST_CASE("another request of the same dialogue in between costs no answer its place") {
    chat_router route(two_places());
    const chat_turn first{.chat = 1, .messages = asked};
    route.route(first);
    const message other[] = {{role::user, "something else"}};
    route.route({.chat = 1, .messages = other});
    const std::string reply(40, 'y');
    route.answered(first, 0, {role::assistant, reply}, 1_s);
    const message then[] = {asked[0], {role::assistant, reply}, {role::user, "1234"}};
    CHECK(route.route({.chat = 1, .messages = then}).endpoints[0].expected.cached == 50_tok);
}

TEST_CASE("a limit on the answer shortens what is expected, at every endpoint in its own tokens") {
    chat_router route(two_places());
    const auto r = route.route({.chat = 1, .messages = asked, .most_output = 11_tok});
    CHECK(r.endpoints[0].expected.output.value() == doctest::Approx(11));
    CHECK(r.endpoints[0].expected.end_to_end.value() == doctest::Approx(4 + 1.0));
    CHECK(route.route({.chat = 1, .messages = asked, .most_output = 500_tok}).endpoints[0].expected.output == 50_tok);
}

TEST_CASE("an answer whose length is known is priced with that length") {
    chat_router route(two_places());
    const auto r = route.route({.chat = 1, .messages = asked, .output = 101_tok});
    for (const auto& each : r.endpoints) CHECK(each.expected.output.value() == doctest::Approx(101));
    CHECK(r.endpoints[0].expected.end_to_end.value() == doctest::Approx(4 + 10.0));
    route.observe({.chat = 1, .messages = asked}, 0, {.output_tokens = 20_tok});
    const chat_turn known{.chat = 1, .messages = asked, .most_output = 7_tok, .output = 101_tok};
    CHECK(route.route(known).endpoints[0].expected.output.value() == doctest::Approx(101));
}

TEST_CASE("answers teach their length, their tokenizer and their speed") {
    chat_router route(two_places());
    const chat_turn turn{.chat = 1, .messages = asked};
    for (int i = 0; i < 70; ++i)
        route.observe(turn, 0,
                      {.prompt_tokens = 80_tok,
                       .cached_tokens = 0_tok,
                       .output_tokens = 20_tok,
                       .prefill = 2_s,
                       .decode = 19 * 0.2_s});
    const auto r = route.route(turn);
    CHECK(r.endpoints[0].expected.prompt.value() == doctest::Approx(80));  // two of its tokens for one of ours
    CHECK(r.endpoints[0].expected.ttft.value() == doctest::Approx(2).epsilon(0.02));
    CHECK(r.endpoints[0].expected.output.value() == doctest::Approx(20));
    CHECK(r.endpoints[0].expected.end_to_end.value() == doctest::Approx(2 + 3.8).epsilon(0.02));
    CHECK(r.endpoints[1].expected.prompt == 40_tok);  // the other endpoint is another one
    CHECK(route.endpoint_now(0).tokenizer_ratio.value() == doctest::Approx(2));
    CHECK(route.speed_now(0).prefill_rate.value() == doctest::Approx(40).epsilon(0.05));
    CHECK(route.speed_now(0).tpot.value() == doctest::Approx(0.2).epsilon(0.02));
    CHECK(route.speed_now(1).prefill_rate.value() == doctest::Approx(100));
}

TEST_CASE("what an answer says of its cache counts for the turns after it") {
    chat_router route(two_places());
    const std::string reply(80, 'y');
    const message then[] = {asked[0], {role::assistant, reply}, {role::user, "1234"}};
    route.answered({.chat = 1, .messages = asked}, 0, {role::assistant, reply}, 1_s);
    CHECK(route.route({.chat = 1, .messages = then}).endpoints[0].expected.cached == 60_tok);
    // It read the reply again: 40 of 61 were cached.
    route.observe({.chat = 1, .messages = then, .now = 2_s}, 0, {.prompt_tokens = 61_tok, .cached_tokens = 40_tok});
    route.answered({.chat = 1, .messages = then}, 0, {role::assistant, reply}, 3_s);
    const message more[] = {then[0], then[1], then[2], {role::assistant, reply}, {role::user, "1234"}};
    const double kept = route.endpoint_now(0).reply_kept.value();
    CHECK(kept < 0.5);
    CHECK(route.route({.chat = 1, .messages = more}).endpoints[0].expected.cached.value() ==
          doctest::Approx(61 + kept * 20));
}

TEST_CASE("the share of replies that caches keep is learnt, and a lost cache says nothing of it") {
    chat_router route(two_places());
    const std::string reply(80, 'y');
    const message then[] = {asked[0], {role::assistant, reply}, {role::user, "1234"}};
    // The endpoint says that the question was 80 of its tokens, so that the reply is 40; how it was set weighs 16.
    const auto converse = [&](std::uint64_t chat, tokens cached) {
        route.observe({.chat = chat, .messages = asked}, 0, {.prompt_tokens = 80_tok});
        route.answered({.chat = chat, .messages = asked}, 0, {role::assistant, reply}, 1_s);
        route.observe({.chat = chat, .messages = then, .now = 2_s}, 0,
                      {.prompt_tokens = 122_tok, .cached_tokens = cached});
        return route.endpoint_now(0).reply_kept.value();
    };
    CHECK(route.endpoint_now(0).reply_kept == ratio(1));
    const double first = (0.95 * 16 + 10) / (0.95 * 16 + 40);
    CHECK(converse(1, 90_tok) == doctest::Approx(first));
    CHECK(converse(2, 30_tok) == doctest::Approx(first));  // less than what came before the reply
    double kept = 0;
    for (std::uint64_t chat = 3; chat < 100; ++chat) kept = converse(chat, 90_tok);
    CHECK(kept == doctest::Approx(0.25).epsilon(0.02));
    CHECK(converse(100, 300_tok) < 0.3);  // more than there is of it is all of it
    CHECK(route.endpoint_now(1).reply_kept == ratio(1));

    route.observe({.chat = 200, .messages = asked}, 0, {.prompt_tokens = 80_tok});
    route.answered({.chat = 200, .messages = asked}, 0, {role::assistant, reply}, 1_s);
    const double share = route.endpoint_now(0).reply_kept.value();
    const auto r = route.route({.chat = 200, .messages = then, .now = 2_s});
    CHECK(r.endpoints[0].expected.cached.value() == doctest::Approx(80 + share * 40));
}

TEST_CASE("an endpoint that is down is left alone, and is no fallback") {
    chat_router route(two_places());
    route.set_available(1, false);
    const auto r = route.route({.chat = 1, .messages = asked});
    CHECK(r.where == 0);
    CHECK_FALSE(r.next_best(0));
    route.set_available(1, true);
    CHECK(route.route({.chat = 1, .messages = asked}).where == 1);
}

TEST_CASE("queues and links are those reported last") {
    chat_router route(two_places());
    route.set_queue(1, 10_s, 3, 2);
    CHECK(route.route({.chat = 1, .messages = asked}).where == 0);
    CHECK(route.endpoint_now(1).requests_waiting == 2);
    route.set_queue(1, 0_s, 0, 0);
    route.set_link({.uplink_rate = 10'000_bps, .downlink_rate = 8_Mbps, .rtt = 0_s});
    CHECK(route.route({.chat = 1, .messages = asked}).endpoints[1].expected.ttft.value() ==
          doctest::Approx(0.4 + 0.128).epsilon(0.01));  // 1280 bits
    CHECK(route.link_now().uplink_rate == 10'000_bps);
}

TEST_CASE("the row is that of the program, with the numbers of the decision") {
    chat_router route(two_places());
    const auto r = route.route({.chat = 1, .messages = asked});
    route.set_queue(1, 10_s, 0, 0);
    const auto row = route.row(r);
    CHECK(row["endpoint"] == "edge");
    CHECK(row["total_s"] == r.chosen().decision.cost.value());
    double sum = 0;
    for (const auto& each : row["breakdown"]) sum += each.get<double>();
    CHECK(sum == doctest::Approx(row["total_s"].get<double>()));
    CHECK(row["switched"] == false);
    CHECK(row["switching_by"] == nullptr);
}

TEST_CASE("scores are the predictor's") {
    const chat_router route(two_places());
    CHECK(route.score(asked) == std::vector<double>{0.5, 0.5});
}

TEST_CASE("a dialogue of odd words is counted by what it took, there and elsewhere") {
    chat_router route(two_places());
    const chat_turn odd{.chat = 1, .messages = asked};
    const auto plain = [](std::uint64_t chat) { return chat_turn{.chat = chat, .messages = asked}; };
    for (std::uint64_t chat = 2; chat < 102; ++chat) route.observe(plain(chat), 0, {.prompt_tokens = 40_tok});
    route.observe(odd, 0, {.prompt_tokens = 80_tok});
    CHECK(route.route(odd).endpoints[0].expected.prompt.value() == doctest::Approx(80));
    // 40 of 20 plain prompts' weight and one of 80: the usual ratio rose to 1.05, and the other endpoint expects as
    // much more of this dialogue as this one found.
    const double usual = route.endpoint_now(0).tokenizer_ratio.value();
    CHECK(usual == doctest::Approx(1.05).epsilon(0.01));
    CHECK(route.route(odd).endpoints[1].expected.prompt.value() == doctest::Approx(40 * 2 / usual));
    CHECK(route.route(plain(2)).endpoints[0].expected.prompt.value() == doctest::Approx(40));
    CHECK(route.route(plain(500)).endpoints[0].expected.prompt.value() == doctest::Approx(40 * usual));
}

TEST_CASE("what a model wrote itself says nothing of another's tokens, nor of other dialogues") {
    chat_router route(two_places());
    const std::string reply(160, 'y');
    const message then[] = {asked[0], {role::assistant, reply}, {role::user, question}};
    route.observe({.chat = 1, .messages = asked}, 0, {.prompt_tokens = 80_tok});  // 2 for one counted here
    route.observe({.chat = 1, .messages = then}, 0, {.prompt_tokens = 180_tok});  // 120: its own words are long ones
    CHECK(route.route({.chat = 1, .messages = then}).endpoints[0].expected.prompt.value() == doctest::Approx(180));
    CHECK(route.endpoint_now(0).tokenizer_ratio == ratio(2));
    CHECK(route.route({.chat = 1, .messages = then}).endpoints[1].expected.prompt.value() == doctest::Approx(120));
    route.observe({.chat = 2, .messages = asked}, 0, {.prompt_tokens = 40_tok});
    const double usual = route.endpoint_now(0).tokenizer_ratio.value();
    CHECK(usual == doctest::Approx((0.95 * 80 + 40) / (0.95 * 40 + 40)));
    CHECK(route.route({.chat = 2, .messages = asked}).endpoints[1].expected.prompt.value() ==
          doctest::Approx(40 / usual));
}

TEST_CASE("what a server takes beside reading is learnt from what the forecast missed") {
    chat_router route(two_places());
    const chat_turn turn{.chat = 1, .messages = asked};
    for (int i = 0; i < 50; ++i) {
        const seconds forecast = route.route(turn).endpoints[0].expected.ttft;
        route.observe(turn, 0, {.beyond_forecast = 4.5_s - forecast});
    }
    CHECK(route.route(turn).endpoints[0].expected.ttft.value() == doctest::Approx(4.5).epsilon(0.001));
    CHECK(route.endpoint_now(0).request_time.value() == doctest::Approx(0.5).epsilon(0.01));
    // Too much was believed: back, and never below nothing.
    for (int i = 0; i < 50; ++i) route.observe(turn, 0, {.beyond_forecast = -1_s});
    CHECK(route.endpoint_now(0).request_time == 0_s);
}
