#include <gateway/request_edit.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>

TEST_CASE("another model changes no other byte") {
    CHECK(with_model(R"( { "a" : 1.0e-5, "model" : "auto" , "b":[{"model":"x"}]} )", "m") ==
          R"( { "a" : 1.0e-5, "model" : "m" , "b":[{"model":"x"}]} )");
    CHECK(with_model(R"({"model":null})", "a\"b") == R"({"model":"a\"b"})");
    CHECK(with_model("{}", "m") == R"({"model":"m"})");
    CHECK(with_model("{ \"a\":1}", "m") == R"({"model":"m", "a":1})");
    CHECK(with_model(R"({"x":"\"model\":1","model":{"y":"}"},"z":2})", "m") ==
          R"({"x":"\"model\":1","model":"m","z":2})");
    CHECK(with_model(R"({"model":"a","model":"b"})", "m") == R"({"model":"m","model":"m"})");
    CHECK(with_model(R"({"mod\u0065l":"a"})", "m") == R"({"mod\u0065l":"m"})");
}

TEST_CASE("usage is asked for, whatever was asked before") {
    CHECK(with_usage("{}") == R"({"stream_options":{"include_usage":true}})");
    CHECK(with_usage(R"({"stream_options":null,"a":1})") == R"({"stream_options":{"include_usage":true},"a":1})");
    CHECK(with_usage(R"({"stream_options":{}})") == R"({"stream_options":{"include_usage":true}})");
    CHECK(with_usage(R"({"stream_options":{"x":[1,2]}})") == R"({"stream_options":{"include_usage":true,"x":[1,2]}})");
    CHECK(with_usage(R"({"stream_options":{"include_usage":false}})") ==
          R"({"stream_options":{"include_usage":true}})");
}

TEST_CASE("edits of any object are valid, and say the rest as it was") {
    std::uint32_t state = 7;
    const auto chance = [&](std::uint32_t n) { return ((state = state * 1664525 + 1013904223) >> 16) % n; };
    const char* values[] = {"1", "-2.50e+3", "\"a,b}\\\"{\"", "[1,[2,{}],\"]\"]", "{\"model\":\"no\"}", "null", "true"};
    for (int round = 0; round < 500; ++round) {
        std::string text = "{";
        for (std::uint32_t i = 0, n = chance(5); i < n; ++i)
            text += std::string(i == 0           ? ""
                                : chance(2) == 0 ? ","
                                                 : " ,\n ") +
                    (chance(4) == 0 ? "\"model\"" : "\"k" + std::to_string(i) + "\"") + (chance(2) == 0 ? ":" : " : ") +
                    values[chance(7)] + (chance(3) == 0 ? " " : "");
        text += "}";
        auto expected = nlohmann::json::parse(text);
        const auto got = nlohmann::json::parse(with_usage(with_model(text, "m")));
        expected["model"] = "m";
        expected["stream_options"]["include_usage"] = true;
        REQUIRE(got == expected);
    }
}

TEST_CASE("nesting is counted outside of strings") {
    CHECK(json_nesting(R"({"a":[[1]],"b":"[[[["})", 100) == 3);
    CHECK(json_nesting(std::string(1000, '['), 10) == 11);
    CHECK(json_nesting("", 10) == 0);
    CHECK(json_nesting("\"[", 10) == 0);
}
