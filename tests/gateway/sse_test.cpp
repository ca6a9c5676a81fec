#include <gateway/sse.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace {

struct pieces {
    std::vector<std::string> raw;
    std::vector<std::string> data;
    std::string rest;
};

/// Fed `at_once` bytes at a time.
pieces split(const std::string& bytes, std::size_t at_once) {
    pieces out;
    sse_splitter events;
    for (std::size_t at = 0; at < bytes.size(); at += at_once)
        events.feed(std::string_view(bytes).substr(at, at_once), [&](const sse_event& event) {
            out.raw.emplace_back(event.raw);
            out.data.emplace_back(event.data);
            return true;
        });
    out.rest = events.rest();
    return out;
}

}  // namespace

TEST_CASE("events are the same whatever the borders of the chunks, and no byte is lost") {
    const std::string stream =
        "data: one\n\n: a comment\n\nevent: x\ndata: a\ndata:b\n\ndata: two\r\n\r\ndata: three\r\rdata: {\"x\": "
        "\"\xC3\xA4\"}\n\nda";
    for (std::size_t at_once = 1; at_once <= stream.size(); ++at_once) {
        const pieces got = split(stream, at_once);
        CHECK(got.data == std::vector<std::string>{"one", "", "a\nb", "two", "three", "{\"x\": \"\xC3\xA4\"}"});
        std::string all;
        for (const auto& one : got.raw) all += one;
        CHECK(all + got.rest == stream);
        CHECK(got.rest == "da");
    }
}

TEST_CASE("an event that is refused ends the feeding") {
    sse_splitter events;
    int seen = 0;
    CHECK_FALSE(events.feed("data: 1\n\ndata: 2\n\n", [&](const sse_event&) { return ++seen < 1; }));
    CHECK(seen == 1);
}

TEST_CASE("any bytes come through") {
    std::uint32_t state = 1;
    for (int round = 0; round < 300; ++round) {
        std::string bytes;
        for (int i = 0; i < 200; ++i) {
            state = state * 1664525 + 1013904223;
            bytes += "\r\n\n: datx"[(state >> 16) % 9];
        }
        const pieces whole = split(bytes, bytes.size());
        const pieces single = split(bytes, 1);
        std::string all;
        for (const auto& one : single.raw) all += one;
        REQUIRE(all + single.rest == bytes);
        REQUIRE(whole.data == single.data);
    }
}
