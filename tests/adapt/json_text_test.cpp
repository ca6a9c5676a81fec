#include <qlroute/adapt/json_text.hpp>

#include <doctest/doctest.h>

using namespace qlroute;

TEST_CASE("text that is JSON becomes a value") {
    const auto value = parse_json(R"({"a": [1, 2.5, "x"]})");
    REQUIRE(value);
    CHECK((*value)["a"][2] == "x");
    CHECK(parse_json("null"));
}

TEST_CASE("text that is none is refused with line and column, and throws nothing") {
    const auto broken = parse_json("{\n  \"a\": oops}");
    REQUIRE(!broken);
    CHECK(broken.error().code == errc::malformed);
    CHECK(broken.error().message.find("line 2, column 8") != std::string::npos);
    CHECK(broken.error().offset > 0);
    CHECK(!parse_json(""));
    CHECK(!parse_json("{} {}"));
}

TEST_CASE("a message shows short values as they are, and long or deep ones by their kind") {
    const auto shown = [](const char* text) { return detail::shown(*parse_json(text)); };
    CHECK(shown("1.5") == "1.5");
    CHECK(shown("null") == "null");
    CHECK(shown("\"x\"") == "\"x\"");
    CHECK(shown("[]") == "an empty list");
    CHECK(shown("[[[1]]]") == "a list");
    CHECK(shown("{\"a\": 1}") == "an object");
}
