#include <haproxy/spop_connection.hpp>

#include "recorded_session.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace std::string_literals;
using namespace std::string_view_literals;
using spop::status;

namespace {

/// Answers as it was recorded.
const spop::connection::answer answers = [](std::span<const spop::message> messages, spop::actions& out) {
    if (messages.empty() || spop::text_in(messages.front().arg("session")) != "s1") return;
    out.set(spop::scope::transaction, "backend", "device"sv);
    out.set(spop::scope::transaction, "turn", recorded::turn);
    out.set(spop::scope::transaction, "cost", "5.4490"sv);
};

constexpr std::uint32_t usual_size = 1u << 20;

std::string frame_of(spop::frame_type type, std::string_view payload, std::uint32_t flags = spop::flag_fin) {
    std::string out;
    spop::put_frame(out, {.type = type, .flags = flags, .payload = payload});
    return out;
}

std::string hello_with(const spop::named_values& items) {
    std::string payload;
    for (const auto& [name, each] : items) spop::put_named(payload, name, each);
    return frame_of(spop::frame_type::haproxy_hello, payload);
}

/// Why the connection ended; it says so, in its last frame.
status end_of(const std::string& bytes, bool greeted = false, std::uint32_t size = usual_size) {
    spop::connection one(size, answers);
    if (greeted) one.receive(recorded::hello);
    one.output().clear();
    one.receive(bytes);
    REQUIRE(one.ended());
    const auto f = spop::frame_from(std::string_view(one.output()).substr(4));
    REQUIRE(f);
    CHECK(f->type == spop::frame_type::agent_disconnect);
    const auto said = spop::named_values_from(f->payload);
    REQUIRE(said);
    CHECK(spop::count_in(said->at(0).second) == static_cast<std::uint64_t>(*one.ended()));
    CHECK(spop::text_in(said->at(1).second) == spop::to_text(*one.ended()));
    return *one.ended();
}

const spop::value versions = "2.0"sv;
const spop::value size = std::uint32_t{16380};
const spop::value capabilities = "pipelining"sv;

}  // namespace

TEST_CASE("a recorded session is answered as it was") {
    spop::connection one(usual_size, answers);
    const auto says = [&](const std::string& bytes) {
        one.receive(bytes);
        return std::exchange(one.output(), {});
    };
    CHECK(says(recorded::hello) == recorded::hello_answer);
    CHECK(says(recorded::request) == recorded::request_answer);
    CHECK(says(recorded::second_request) == recorded::second_request_answer);
    CHECK_FALSE(one.ended());
    CHECK(says(recorded::disconnect) == recorded::disconnect_answer);
    CHECK(one.ended() == status::normal);
    CHECK(says(recorded::request).empty());
}

TEST_CASE("a session is answered the same however its bytes are cut, or all at once") {
    const std::string all = recorded::hello + recorded::request + recorded::second_request + recorded::request;
    const std::string expected =
        recorded::hello_answer + recorded::request_answer + recorded::second_request_answer + recorded::request_answer;
    for (std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{100}, all.size()}) {
        spop::connection one(usual_size, answers);
        for (std::size_t at = 0; at < all.size(); at += step) one.receive(std::string_view(all).substr(at, step));
        CHECK(one.output() == expected);
        CHECK_FALSE(one.inside_frame());
    }
}

TEST_CASE("a health check is answered and closed") {
    spop::connection one(usual_size, answers);
    one.receive(recorded::check);
    CHECK(one.output() == recorded::hello_answer);
    CHECK(one.ended() == status::normal);
}

TEST_CASE("the smaller of two frame sizes holds") {
    spop::connection one(1000, answers);
    one.receive(recorded::hello);
    const auto f = spop::frame_from(std::string_view(one.output()).substr(4));
    const auto said = spop::named_values_from(f->payload);
    CHECK((said->at(1) == std::pair<std::string_view, spop::value>("max-frame-size", std::uint32_t{1000})));
    one.receive("\0\0\x03\xE8"s);  // as long as that: the rest may come
    CHECK_FALSE(one.ended());
    CHECK(end_of("\0\x03\xFF\xFD"s, true) == status::too_big);  // 262141: one more than HAProxy offered
    CHECK(end_of("\0\0\x10\x01"s) == status::too_big);          // before HELLO, 4 KiB are enough
    CHECK(end_of("\xFF\xFF\xFF\xFF"s) == status::too_big);
}

TEST_CASE("variables that do not fit into a frame are left out, not the answer") {
    const spop::connection::answer talks = [](std::span<const spop::message>, spop::actions& out) {
        const std::string short_one(60, 'x'), long_one(250, 'x');
        out.set(spop::scope::transaction, "explain", std::string_view(short_one));
        out.set(spop::scope::transaction, "explain", std::string_view(long_one));
    };
    spop::connection one(256, talks);
    one.receive(recorded::hello);
    one.output().clear();
    one.receive(frame_of(spop::frame_type::notify, "\x01m\x00"sv));
    const auto f = spop::frame_from(std::string_view(one.output()).substr(4));
    REQUIRE(f);
    CHECK(f->type == spop::frame_type::ack);
    CHECK(f->payload.size() == 3 + 8 + 2 + 60);
}

TEST_CASE("a HELLO that lacks something is told what") {
    using spop::named_values;
    CHECK(end_of(hello_with({{"max-frame-size", size}, {"capabilities", capabilities}})) == status::no_version);
    CHECK(end_of(hello_with({{"supported-versions", versions}, {"capabilities", capabilities}})) ==
          status::no_max_frame_size);
    CHECK(end_of(hello_with({{"supported-versions", versions}, {"max-frame-size", size}})) == status::no_capabilities);
    CHECK(end_of(hello_with(
              {{"supported-versions", "1.0, 3.0"sv}, {"max-frame-size", size}, {"capabilities", capabilities}})) ==
          status::unsupported_version);
    CHECK(end_of(hello_with({{"supported-versions", versions},
                             {"max-frame-size", std::uint32_t{255}},
                             {"capabilities", capabilities}})) == status::bad_max_frame_size);
    spop::connection one(usual_size, answers);
    one.receive(
        hello_with({{"supported-versions", "3.0 , 2.4"sv}, {"max-frame-size", size}, {"capabilities", capabilities}}));
    CHECK(one.greeted());
    CHECK_FALSE(one.ended());
}

TEST_CASE("what is out of place, cut or malformed ends the connection") {
    CHECK(end_of(recorded::request) == status::invalid);             // before HELLO
    CHECK(end_of(recorded::hello, true) == status::invalid);         // twice
    CHECK(end_of(recorded::hello_answer, true) == status::invalid);  // only agents say so
    CHECK(end_of("\0\0\0\0"s, true) == status::invalid);
    CHECK(end_of(frame_of(spop::frame_type::notify, "\x05mess"sv), true) == status::invalid);
    CHECK(end_of(frame_of(spop::frame_type::notify, "\x01m\x00"sv, 0), true) == status::fragmented);
    CHECK(end_of(frame_of(spop::frame_type::unset, ""sv), true) == status::fragmented);
    CHECK(end_of(frame_of(spop::frame_type::haproxy_hello, "\x03"sv)) == status::invalid);
    CHECK(end_of("GET / HTTP/1.1\r\n\r\n"s) == status::too_big);
}

TEST_CASE("a frame of an unknown type is skipped") {
    spop::connection one(usual_size, answers);
    one.receive(recorded::hello);
    one.output().clear();
    one.receive(frame_of(static_cast<spop::frame_type>(50), "whatever"sv) + recorded::request);
    CHECK(one.output() == recorded::request_answer);
}

TEST_CASE("sessions with random faults end, or go on, within their bounds") {
    std::mt19937 chance(20240607);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes = recorded::hello + recorded::request + recorded::second_request + recorded::disconnect;
        for (auto faults = 1 + chance() % 4; faults > 0; --faults)
            bytes[chance() % bytes.size()] = static_cast<char>(chance());
        spop::connection one(usual_size, answers);
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t step = 1 + chance() % 200;
            one.receive(std::string(bytes, at, step));
            at += step;
        }
        CHECK(one.output().size() < 400);
    }
}
