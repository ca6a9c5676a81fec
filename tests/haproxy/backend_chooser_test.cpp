#include <haproxy/agent.hpp>
#include <haproxy/backend_chooser.hpp>

#include <qlroute/core/literals.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace qlroute;
using namespace std::string_view_literals;
using nlohmann::json;

namespace {

/// The device reads fast, the edge writes well: without a cache, long dialogues go to the device.
settings two_places(const std::string& names = R"("device","edge")") {
    const auto list = json::parse("[" + names + "]");
    json config = json::parse(R"({"predictor": {"type": "constant"}, "expected_output": "50 tok",
        "link": {"uplink_rate": "1 Gbit/s", "downlink_rate": "1 Gbit/s", "rtt": "0 s"},
        "rule": {"type": "lowest_cost", "hysteresis": "0 s"},
        "endpoints": [
          {"usual_success": 0.5, "prefill_rate": "200 tok/s", "tpot": "100 ms/tok"},
          {"usual_success": 0.9, "prefill_rate": "100 tok/s", "tpot": "100 ms/tok"}]})");
    config["endpoints"][0]["name"] = list[0];
    config["endpoints"][1]["name"] = list[1];
    return settings_from(config, "test");
}

std::string body_of(const std::vector<std::string>& texts) {
    json list = json::array();
    for (std::size_t i = 0; i < texts.size(); ++i)
        list.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", texts[i]}});
    return json{{"messages", list}}.dump();
}

forwarded_request request(const std::string& body) { return {.body = body}; }

const std::string question(400, 'q');
const std::string reply(4000, 'r');  // 1000 tokens: 5 s on the device, 10 s at the edge, 2.4 s for a better answer
const std::string first = body_of({question});
const std::string second = body_of({question, reply, "more"});

constexpr std::size_t device = 0, edge = 1;

outcome outcome_of(const forwarded_request& r) {
    backend_chooser chooser(two_places(), "test", 10);
    const chosen_backend chosen = chooser.choose(r, {});
    CHECK(chosen.why.empty() == (chosen.what == outcome::chosen));
    for (std::size_t i = 0; i < outcomes; ++i)
        CHECK(chooser.count(static_cast<outcome>(i)) == (static_cast<outcome>(i) == chosen.what ? 1 : 0));
    return chosen.what;
}

/// The variables that one message gets.
std::vector<std::pair<std::string, spop::value>> set_by(const std::string& payload) {
    std::vector<std::pair<std::string, spop::value>> out;
    for (spop::reader in(payload); !in.done();) {
        CHECK(in.byte() == 1);
        CHECK(in.byte() == 3);
        CHECK(in.byte() == 2);
        const auto name = in.string();
        REQUIRE(name);
        out.emplace_back(*name, *in.data());
    }
    return out;
}

}  // namespace

TEST_CASE("a dialogue stays where its answer was read, once it comes back with it") {
    backend_chooser chooser(two_places(), "test", 10);
    CHECK(chooser.choose(request(first), 0_s).where == edge);
    const auto then = chooser.choose(request(second), 30_s);
    CHECK(then.where == edge);
    CHECK(then.routed.chosen().expected.cached > 1000_tok);
    // The same dialogue where nobody knows of its first turn.
    backend_chooser other(two_places(), "test", 10);
    CHECK(other.choose(request(second), 30_s).where == device);
}

TEST_CASE("who really answered is believed, and what was not answered is forgotten") {
    const auto second_goes_to = [](std::string_view backend, std::uint64_t status) {
        backend_chooser chooser(two_places(), "test", 10);
        chooser.served(chooser.choose(request(first), 0_s).turn, backend, status);
        return chooser.choose(request(second), 30_s).where;
    };
    CHECK(second_goes_to("edge", 200) == edge);
    CHECK(second_goes_to("device", 200) == device);
    CHECK(second_goes_to("edge", 503) == device);
    CHECK(second_goes_to("static", 200) == device);  // no endpoint
}

TEST_CASE("another user's dialogue is another one") {
    backend_chooser chooser(two_places(), "test", 10);
    chooser.choose({.session = "alice", .body = first}, 0_s);
    CHECK(chooser.choose({.session = "bob", .body = second}, 0_s).where == device);
    CHECK(chooser.choose({.session = "alice", .body = second}, 0_s).where == edge);
}

TEST_CASE("a backend whose servers are all down is left alone") {
    backend_chooser chooser(two_places(), "test", 10);
    chooser.servers_up(edge, 0);
    CHECK(chooser.choose(request(first), 0_s).where == device);
    chooser.servers_up(edge, 2);
    CHECK(chooser.choose(request(first), 0_s).where == edge);
}

TEST_CASE("what cannot be routed is counted by its reason, and nothing is chosen") {
    CHECK(outcome_of({.method = "POST",
                      .path = "/v1/chat/completions",
                      .content_type = "application/json; charset=utf-8",
                      .body_size = first.size(),
                      .body = first}) == outcome::chosen);
    CHECK(outcome_of({.method = "GET", .body = first}) == outcome::other_path);
    CHECK(outcome_of({.path = "/v1/embeddings", .body = first}) == outcome::other_path);
    CHECK(outcome_of({.body_size = first.size() + 1, .body = first}) == outcome::truncated);
    CHECK(outcome_of({.content_type = "text/plain", .body = first}) == outcome::not_json);
    CHECK(outcome_of(request(first.substr(0, 30))) == outcome::not_json);
    CHECK(outcome_of(request("")) == outcome::not_json);
    CHECK(outcome_of(request("{}")) == outcome::not_chat);
    CHECK(outcome_of(request(R"({"messages": []})")) == outcome::not_chat);
    const std::string deep = R"({"messages": )" + std::string(200'000, '[') + std::string(200'000, ']') + "}";
    CHECK(outcome_of(request(deep)) == outcome::not_chat);
}

TEST_CASE("endpoints must be named as backends can be") {
    const settings odd = two_places(R"("a device","edge")");
    const auto complaint = [&]() -> std::string {
        try {
            backend_chooser(odd, "c.json", 10);
        } catch (const usage_error& why) {
            return why.what();
        }
        return "none";
    };
    CHECK(complaint() ==
          "c.json: endpoints: expected names of HAProxy backends (letters, digits, - _ . :), got \"a device\"");
}

TEST_CASE("a choice becomes variables, and the reason only for whoever asks") {
    backend_chooser chooser(two_places(), "test", 10);
    json_lines no_log("");
    agent answers(chooser, no_log);
    std::string payload;  // what the values view
    const auto ask = [&](spop::value explain) {
        const spop::message asked{.name = "qlroute-request",
                                  .args = {{"body", spop::binary{first}}, {"explain", explain}}};
        spop::actions out(16'000);
        answers.answer({&asked, 1}, out);
        payload = out.payload();
        return set_by(payload);
    };
    const auto plain = ask(spop::null{});
    REQUIRE(plain.size() == 3);
    CHECK(plain[0].first == "backend");
    CHECK((plain[0].second == spop::value("edge"sv)));
    CHECK(plain[1].first == "turn");
    CHECK(plain[2].first == "cost");
    const auto explained = ask("1"sv);
    REQUIRE(explained.size() == 4);
    CHECK(explained[3].first == "explain");
    const json row = json::parse(*spop::text_in(explained[3].second));
    CHECK(row["endpoint"] == "edge");
    CHECK(row["breakdown"].size() == 7);
}

TEST_CASE("HAProxy's report names the turn by a number with a sign") {
    for (const auto& [backend, then] : {std::pair{"edge"sv, edge}, std::pair{"device"sv, device}}) {
        backend_chooser chooser(two_places(), "test", 10);
        json_lines no_log("");
        agent answers(chooser, no_log);
        const auto turn = static_cast<std::int64_t>(chooser.choose(request(first), 0_s).turn);
        const spop::message asked{.name = "qlroute-request",
                                  .args = {{"last-turn", turn},
                                           {"last-backend", backend},
                                           {"last-status", std::int64_t{200}},
                                           {"body", "no chat"sv}}};
        spop::actions out(1000);
        answers.answer({&asked, 1}, out);
        CHECK(out.payload().empty());
        CHECK(chooser.choose(request(second), 1_s).where == then);
    }
}

TEST_CASE("many threads may ask at once") {
    backend_chooser chooser(two_places(), "test", 50);
    std::vector<std::jthread> all;
    for (int t = 0; t < 4; ++t)
        all.emplace_back([&chooser, t] {
            for (int i = 0; i < 200; ++i) {
                const std::string text = "question " + std::to_string(t * 1000 + i % 20);
                const auto asked = chooser.choose(request(body_of({text})), seconds(i));
                chooser.served(asked.turn, "edge", i % 3 == 0 ? 500 : 200);
                chooser.choose(request(body_of({text, "answer", "more"})), seconds(i));
            }
        });
    all.clear();
    CHECK(chooser.count(outcome::chosen) == 4 * 200 * 2);
}
