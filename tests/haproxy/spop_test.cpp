#include <haproxy/spop.hpp>

#include "recorded_session.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

std::string varint(std::uint64_t number) {
    std::string out;
    spop::put_varint(out, number);
    return out;
}

const std::vector<spop::value> one_of_each{
    spop::null{},
    true,
    false,
    std::int32_t{-5},
    std::uint32_t{4'000'000'000},
    std::int64_t{-300},
    std::uint64_t{1} << 63,
    spop::ipv4{{127, 0, 0, 1}},
    spop::ipv6{{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
    "a text"sv,
    ""sv,
    spop::binary{"\0\xFF"sv},
};

std::string payload_of(const std::string& frame_with_length) { return frame_with_length.substr(4); }

/// All that can be made of bytes, as an agent would.
void read_all_of(std::string_view bytes) {
    if (const auto f = spop::frame_from(bytes)) {
        (void)spop::named_values_from(f->payload);
        if (const auto messages = spop::messages_from(f->payload))
            for (const spop::message& one : *messages)
                for (const auto& [name, each] : one.args) {
                    (void)spop::text_in(one.arg(name));
                    (void)spop::count_in(each);
                }
    }
}

}  // namespace

TEST_CASE("varints take one more byte at the borders of the format") {
    const struct {
        std::uint64_t first;
        std::size_t bytes;
    } steps[] = {{0, 1}, {240, 2}, {2288, 3}, {264432, 4}, {33818864, 5}, {4328786160, 6}};
    for (const auto& step : steps) {
        CAPTURE(step.first);
        CHECK(varint(step.first).size() == step.bytes);
        if (step.first > 0) CHECK(varint(step.first - 1).size() == step.bytes - 1);
        for (const std::uint64_t number : {step.first, step.first + 1, step.first - (step.first > 0)}) {
            const std::string bytes = varint(number);
            spop::reader in(bytes);
            CHECK(in.varint() == number);
            CHECK(in.done());
        }
    }
    CHECK(varint(239) == "\xEF"sv);
    CHECK(varint(240) == "\xF0\x00"sv);
    CHECK(varint(2287) == "\xFF\x7F"sv);
    CHECK(varint(2288) == "\xF0\x80\x00"sv);
    CHECK(varint(262140) == "\xFC\xF0\x7E"sv);  // as HAProxy writes it
}

TEST_CASE("varints of 64 bits come back, and longer ones are none") {
    for (const std::uint64_t number : {std::numeric_limits<std::uint64_t>::max(), std::uint64_t{1} << 63,
                                       (std::uint64_t{1} << 63) - 1, std::uint64_t{1} << 60}) {
        const std::string bytes = varint(number);
        CHECK(spop::reader(bytes).varint() == number);
    }
    std::string above = varint(std::numeric_limits<std::uint64_t>::max());
    above.back() = static_cast<char>(above.back() + 1);
    CHECK_FALSE(spop::reader(above).varint());
    CHECK_FALSE(spop::reader(std::string(64, '\xFF')).varint());
    CHECK_FALSE(spop::reader(std::string(10, '\xFF') + '\x01').varint());
}

TEST_CASE("typed data of every type comes back") {
    for (const spop::value& each : one_of_each) {
        CAPTURE(each.index());
        std::string bytes;
        spop::put_data(bytes, each);
        CHECK((static_cast<unsigned char>(bytes[0]) & 0x0F) == each.index());
        spop::reader in(bytes);
        const auto read = in.data();
        REQUIRE(read);
        CHECK((*read == each));
        CHECK(in.done());
        for (std::size_t n = 0; n < bytes.size(); ++n) {
            CAPTURE(n);
            spop::reader cut(std::string_view(bytes).substr(0, n));
            CHECK_FALSE(cut.data());
        }
    }
}

TEST_CASE("data of no known type, and integers that their type cannot hold, are none") {
    for (int type = 10; type < 16; ++type) {
        const std::string bytes(8, static_cast<char>(type));
        CHECK_FALSE(spop::reader(bytes).data());
    }
    for (const char type : {'\x02', '\x03'}) {
        const std::string bytes = type + varint(std::uint64_t{1} << 32);
        CHECK_FALSE(spop::reader(bytes).data());
    }
    const std::string longer = '\x08' + varint(std::numeric_limits<std::uint64_t>::max()) + "text";
    CHECK_FALSE(spop::reader(longer).data());
}

TEST_CASE("texts and counts are read whatever their exact type is") {
    CHECK(spop::text_in("x"sv) == "x"sv);
    CHECK(spop::text_in(spop::binary{"x"sv}) == "x"sv);
    CHECK_FALSE(spop::text_in(spop::null{}));
    CHECK(spop::count_in(std::int64_t{5}) == 5u);
    CHECK(spop::count_in(std::uint32_t{5}) == 5u);
    CHECK_FALSE(spop::count_in(std::int64_t{-5}));
    CHECK_FALSE(spop::count_in(true));
    CHECK_FALSE(spop::count_in("5"sv));
}

TEST_CASE("HAProxy's frames are what they were recorded as") {
    const std::string bytes = payload_of(recorded::request);
    const auto f = spop::frame_from(bytes);
    REQUIRE(f);
    CHECK(f->type == spop::frame_type::notify);
    CHECK(f->flags == spop::flag_fin);
    CHECK(f->stream_id == 0);
    CHECK(f->frame_id == 1);
    const auto messages = spop::messages_from(f->payload);
    REQUIRE(messages);
    REQUIRE(messages->size() == 1);
    const spop::message& asked = messages->front();
    CHECK(asked.name == "qlroute-request");
    CHECK(asked.args.size() == 12);
    CHECK(spop::text_in(asked.arg("method")) == "POST");
    CHECK(spop::text_in(asked.arg("path")) == "/v1/chat/completions");
    CHECK(spop::text_in(asked.arg("session")) == "s1");
    CHECK((asked.arg("explain") == spop::value(spop::null{})));
    CHECK((asked.arg("servers.edge") == spop::value(std::int64_t{1})));
    CHECK((asked.arg("nothing") == spop::value(spop::null{})));
    const std::string_view body = R"({"messages": [{"role": "user", "content": "What is 2 + 3?"}]})";
    CHECK((asked.arg("body") == spop::value(spop::binary{body})));
    CHECK(spop::count_in(asked.arg("body-size")) == body.size());

    const std::string second = payload_of(recorded::second_request);
    const auto again = spop::messages_from(spop::frame_from(second)->payload);
    REQUIRE(again);
    CHECK((again->front().arg("last-turn") == spop::value(static_cast<std::int64_t>(recorded::turn))));
    CHECK(spop::text_in(again->front().arg("last-backend")) == "device");
    CHECK(spop::count_in(again->front().arg("last-status")) == 200u);

    const std::string hello = payload_of(recorded::hello);
    const auto said = spop::named_values_from(spop::frame_from(hello)->payload);
    REQUIRE(said);
    CHECK((said->at(1) == std::pair<std::string_view, spop::value>("max-frame-size", std::uint32_t{262140})));
}

TEST_CASE("frames and actions are written as they were recorded") {
    spop::actions out(1000);
    CHECK(out.set(spop::scope::transaction, "backend", "device"sv));
    CHECK(out.set(spop::scope::transaction, "turn", recorded::turn));
    CHECK(out.set(spop::scope::transaction, "cost", "5.4490"sv));
    std::string chosen;
    spop::put_frame(chosen, {.type = spop::frame_type::ack, .stream_id = 0, .frame_id = 1, .payload = out.payload()});
    CHECK(chosen == recorded::request_answer);
    spop::actions small(16);
    CHECK_FALSE(small.set(spop::scope::transaction, "backend", "device"sv));
    CHECK(small.payload().empty());
    std::string bytes;
    spop::put_frame(bytes, {.type = spop::frame_type::ack, .stream_id = 2, .frame_id = 1});
    CHECK(bytes == recorded::second_request_answer);
}

TEST_CASE("a recorded frame that ends too early at any byte is no frame, or one without its last messages") {
    for (const std::string* each : {&recorded::request, &recorded::second_request}) {
        const std::string bytes = payload_of(*each);
        for (std::size_t n = 0; n < bytes.size(); ++n) {
            CAPTURE(n);
            const std::string cut = bytes.substr(0, n);  // its own memory, so that a read past it is seen
            const auto f = spop::frame_from(cut);
            const auto messages = f ? spop::messages_from(f->payload) : std::nullopt;
            CHECK((!messages || (messages->empty() && n == 7)));
        }
    }
    const std::string bytes = payload_of(recorded::hello);
    for (std::size_t n = 0; n < bytes.size(); ++n) read_all_of(std::string(bytes, 0, n));
}

TEST_CASE("more messages than HAProxy can send are refused") {
    std::string payload;
    for (std::size_t i = 0; i < spop::most_messages; ++i) payload += "\x01m\x00"sv;
    CHECK(spop::messages_from(payload)->size() == spop::most_messages);
    CHECK_FALSE(spop::messages_from(payload + std::string("\x01m\x00"sv)));
}

TEST_CASE("frames with random faults are read without reading past them") {
    std::mt19937 chance(20240607);
    for (int round = 0; round < 100'000; ++round) {
        const std::string* const from[] = {&recorded::check, &recorded::hello, &recorded::request,
                                           &recorded::second_request, &recorded::disconnect};
        std::string bytes = payload_of(*from[chance() % 5]);
        for (auto faults = 1 + chance() % 4; faults > 0; --faults) {
            const std::size_t at = chance() % bytes.size();
            switch (chance() % 4) {
                case 0:
                    bytes[at] = static_cast<char>(chance());
                    break;
                case 1:
                    bytes[at] = static_cast<char>(bytes[at] ^ (1 << chance() % 8));
                    break;
                case 2:
                    bytes.erase(at, 1 + chance() % 8);
                    break;
                default:
                    bytes.insert(at, 1 + chance() % 8, static_cast<char>(chance()));
                    break;
            }
            if (bytes.empty()) bytes = "\x03"s;
        }
        bytes.shrink_to_fit();
        read_all_of(bytes);
    }
}
