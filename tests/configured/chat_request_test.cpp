#include <configured/chat_request.hpp>

#include <qlroute/core/literals.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>

using namespace qlroute;
using nlohmann::json;

namespace {

std::string complaint(const char* body) {
    try {
        chat_request_from(json::parse(body));
    } catch (const bad_request& why) {
        return why.what();
    }
    return "none";
}

}  // namespace

TEST_CASE("a request says what was said, how long the answer may be, and how it is sent") {
    const auto r = chat_request_from(json::parse(R"({"model": "auto", "user": "alice", "stream": true, "max_tokens": 64,
        "stream_options": {"include_usage": true}, "temperature": 0.5,
        "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hello"}]})"));
    REQUIRE(r.messages.view().size() == 2);
    CHECK(r.messages.view()[0].from == role::system);
    CHECK(r.messages.view()[0].text == "Be brief.");
    CHECK(r.messages.view()[1].from == role::user);
    CHECK(r.messages.view()[1].text == "hello");
    CHECK(r.messages.view()[1].size == 0_tok);
    CHECK(r.model == "auto");
    CHECK(r.user == "alice");
    CHECK(r.stream);
    CHECK(r.include_usage);
    REQUIRE(r.most_output);
    CHECK(*r.most_output == 64_tok);
}

TEST_CASE("max_completion_tokens counts where both are given, and null is nothing") {
    const auto r = chat_request_from(json::parse(
        R"({"messages": [{"role": "user", "content": "x"}], "max_tokens": 64, "max_completion_tokens": 32, "user": null})"));
    CHECK(*r.most_output == 32_tok);
    CHECK(!chat_request_from(json::parse(R"({"messages": [{"role": "user", "content": "x"}], "max_tokens": null})"))
               .most_output);
}

TEST_CASE("parts, tool calls and their results are text that a model reads") {
    const auto r = chat_request_from(json::parse(R"({"messages": [
        {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "image_url", "image_url": {"url": "data:"}},
                                     {"type": "text", "text": "this?"}]},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
            "function": {"name": "look_up", "arguments": "{\"of\":\"it\"}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "a cat"},
        {"role": "assistant", "refusal": "No."}]})"));
    REQUIRE(r.messages.view().size() == 4);
    CHECK(r.messages.view()[0].text == "What is\nthis?");
    CHECK(r.messages.view()[1].text == "look_up\n{\"of\":\"it\"}");
    CHECK(r.messages.view()[2].from == role::tool);
    CHECK(r.messages.view()[2].text == "a cat");
    CHECK(r.messages.view()[3].text == "No.");
}

TEST_CASE("the framing of a template is part of every message's size") {
    const auto list = json::parse(R"([{"role": "user", "content": "12345678"}, {"role": "assistant", "content": ""}])");
    const auto framed = messages_from(list, usual_framing);
    CHECK(framed.view()[0].size == 6_tok);  // 8 bytes / 4 + 4
    CHECK(framed.view()[1].size == 4_tok);
}

TEST_CASE("a message that says its own size has that size, with a text or without") {
    const auto list = json::parse(R"([{"role": "user", "content": "12345678", "tokens": 3},
                                      {"role": "assistant", "tokens": 200}, {"role": "user", "tokens": null}])");
    const auto plain = messages_from(list);
    CHECK(token_count(plain.view()[0]) == 3_tok);
    CHECK(plain.view()[1].text.empty());
    CHECK(token_count(plain.view()[1]) == 200_tok);
    CHECK(token_count(plain.view()[2]) == 0_tok);
    CHECK(messages_from(list, usual_framing).view()[1].size == 204_tok);
}

TEST_CASE("a message without a role has the usual one, where there is one") {
    owned_messages all;
    add_message(all, json::parse(R"({"content": "hello"})"), "reply", {}, role::assistant);
    add_message(all, json::parse(R"({"role": "tool", "content": "hello"})"), "reply", {}, role::assistant);
    CHECK(all.view()[0].from == role::assistant);
    CHECK(all.view()[1].from == role::tool);
}

TEST_CASE("a bad request is told what, where and what to do") {
    CHECK(complaint("[]") == R"(the body: expected an object such as {"messages": [...]}, got an empty list)");
    CHECK(complaint("{}") == "messages: missing; expected a list of messages");
    CHECK(complaint(R"({"messages": []})") == "messages: expected a list of at least one message, got an empty list");
    CHECK(complaint(R"({"messages": ["hello"]})").starts_with("messages[0]: expected an object such as"));
    CHECK(complaint(R"({"messages": [{"role": "user", "content": "x"}, {"content": "x"}]})") ==
          "messages[1].role: expected system, developer, user, assistant or tool, got nothing");
    CHECK(complaint(R"({"messages": [{"role": "robot", "content": "x"}]})").find("got \"robot\"") != std::string::npos);
    CHECK(complaint(R"({"messages": [{"role": "user", "content": 5}]})") ==
          "messages[0].content: expected a text or a list of parts, got 5");
    CHECK(complaint(R"({"messages": [{"role": "user", "content": [5]}]})")
              .starts_with("messages[0].content: expected parts"));
    for (const char* count : {"0", "-1", "1e10", "\"5\""})
        CHECK(complaint((R"({"messages": [{"role": "user", "tokens": )" + std::string(count) + "}]}").c_str())
                  .starts_with("messages[0].tokens: expected a number of tokens, more than 0, got "));
    const std::string good = R"("messages": [{"role": "user", "content": "x"}])";
    CHECK(complaint(("{" + good + R"(, "stream": "yes"})").c_str()) == "stream: expected true or false, got \"yes\"");
    CHECK(complaint(("{" + good + R"(, "max_tokens": -1})").c_str()) ==
          "max_tokens: expected a number of tokens, got -1");
    CHECK(complaint(("{" + good + R"(, "model": 5})").c_str()) == "model: expected a text, got 5");
}
