#include <gateway/header_text.hpp>

#include <doctest/doctest.h>

#include <string>

TEST_CASE("no text can end a header or begin another") {
    CHECK(header_text("edge") == "edge");
    CHECK(header_text("a\r\nSet-Cookie: x") == "a??Set-Cookie: x");
    CHECK(header_text("\xC3\xA4") == "??");
    CHECK(header_text(std::string(5000, 'x')).size() == 1024);
    std::uint32_t state = 3;
    for (int round = 0; round < 1000; ++round) {
        std::string any;
        for (int i = 0; i < 50; ++i) any += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
        const std::string text = header_text(any);
        REQUIRE(text.size() == any.size());
        for (const char c : text) REQUIRE((c >= ' ' && c <= '~'));
    }
}
