#include <gateway/answer_reader.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace qlroute;

TEST_CASE("usage and timings of the last chunk are read") {
    answer_reader answer;
    CHECK_FALSE(answer.take_chunk(R"({"choices":[{"delta":{"role":"assistant","content":null}}]})").is_content);
    CHECK_FALSE(answer.take_chunk(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})").is_content);
    CHECK(answer.take_chunk(R"({"choices":[{"delta":{"content":"a"}}],"usage":null})").is_content);
    CHECK(answer.take_chunk(R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})").is_content);
    CHECK(answer.take_chunk(R"({"choices":[{"delta":{},"finish_reason":"length"}]})").is_content);
    const auto last = answer.take_chunk(
        R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":5}},
            "timings":{"cache_n":5,"prompt_n":6,"prompt_ms":12.5,"predicted_n":4,"predicted_ms":80}})");
    CHECK(last.is_usage);
    CHECK_FALSE(last.is_content);
    CHECK(answer.take_chunk("[DONE]").is_last);
    CHECK(answer.finish_reason() == "length");
    CHECK(*answer.figures().prompt_tokens == 11);  // timings count what was read
    CHECK(*answer.figures().cached_tokens == 5);
    CHECK(*answer.figures().output_tokens == 4);
    CHECK(*answer.figures().prompt_ms == 12.5);
    CHECK(*answer.figures().predicted_ms == 80);
    CHECK(answer.reply({}).view().front().text == "a");
}

TEST_CASE("what makes no sense is not said") {
    answer_figures figures;
    read_figures(nlohmann::json::parse(R"({"usage":{"prompt_tokens":-1,"completion_tokens":"4"},"timings":[1]})"),
                 figures);
    CHECK_FALSE(figures.prompt_tokens);
    CHECK_FALSE(figures.output_tokens);
    answer_reader answer;
    for (const char* odd :
         {"", "null", "[]", "{", "{\"choices\":3}", "{\"choices\":[null]}", "{\"choices\":[{\"delta\":3}]}",
          "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1e9}]}}]}"})
        CHECK_FALSE(answer.take_chunk(odd).is_error);
}

TEST_CASE("a reply of a stream is the one that a later request brings back") {
    answer_reader streamed;
    streamed.take_chunk(
        R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"1","function":{"name":"look","arguments":"{\"at\":"}}]}}]})");
    streamed.take_chunk(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]})");
    answer_reader whole;
    CHECK(whole.take_whole(
        R"({"choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"look","arguments":"{\"at\":1}"}}]}}]})"));
    CHECK(streamed.reply({}).view().front().text == "look\n{\"at\":1}");
    CHECK(whole.reply({}).view().front().text == streamed.reply({}).view().front().text);
}

TEST_CASE("errors are told from answers") {
    answer_reader answer;
    CHECK(answer.take_chunk(R"({"error":{"message":"out of memory"}})").is_error);
    CHECK(answer.error() == "out of memory");
    for (const char* bad : {"", "<html>", "{}", "{\"choices\":[]}", "{\"error\":\"no\"}"})
        CHECK_FALSE(answer_reader().take_whole(bad));
    CHECK(error_in(nlohmann::json::parse(R"({"error":"no"})")) == "no");
    CHECK(error_in(nlohmann::json::parse(R"({"choices":[]})")).empty());
}
