#include <haproxy/agent_server.hpp>

#include "recorded_session.hpp"

#include <configured/files.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>

using namespace std::chrono_literals;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

const spop::connection::answer nothing = [](std::span<const spop::message>, spop::actions&) {};

server_options on_loopback() {
    server_options out;
    out.listen = "127.0.0.1:0";
    return out;
}

/// HAProxy's end.
class client {
public:
    explicit client(const std::string& address) {
        timeval patience{.tv_sec = 10, .tv_usec = 0};
        if (address.find('/') != std::string::npos) {
            sockaddr_un there{};
            there.sun_family = AF_UNIX;
            address.copy(there.sun_path, sizeof there.sun_path - 1);
            socket_ = descriptor(::socket(AF_UNIX, SOCK_STREAM, 0));
            REQUIRE(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&there), sizeof there) == 0);
        } else {
            sockaddr_in there{};
            there.sin_family = AF_INET;
            there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            there.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
            socket_ = descriptor(::socket(AF_INET, SOCK_STREAM, 0));
            REQUIRE(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&there), sizeof there) == 0);
        }
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }

    /// False: it was closed.
    bool send(std::string_view bytes) const {
        return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
    }
    /// As much as does not block.
    ssize_t send_some(std::string_view bytes) const {
        return ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    /// That many bytes, or all until it was closed.
    std::string receive(std::size_t most = std::string::npos) const {
        std::string out;
        char buffer[4096];
        while (out.size() < most) {
            const ssize_t got = ::recv(socket_.get(), buffer, std::min(sizeof buffer, most - out.size()), 0);
            if (got <= 0) break;
            out.append(buffer, static_cast<std::size_t>(got));
        }
        return out;
    }

private:
    descriptor socket_;
};

/// Of the DISCONNECT at the end of bytes.
std::uint64_t last_status(const std::string& bytes) {
    const std::size_t at = bytes.rfind("\x0bstatus-code\x03"s);
    REQUIRE(at != std::string::npos);
    return *spop::reader(std::string_view(bytes).substr(at + 13)).varint();
}

std::string complaint(const std::string& address) {
    server_options options;
    options.listen = address;
    try {
        agent_server server(options, nothing);
    } catch (const usage_error& why) {
        return why.what();
    }
    return "none";
}

}  // namespace

TEST_CASE("a recorded session is served over TCP and over a Unix socket") {
    const auto folder = std::filesystem::temp_directory_path() / ("qlroute-spoa-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    const std::string path = folder / "agent.sock";
    for (const std::string& address : {"127.0.0.1:0"s, path}) {
        server_options options;
        options.listen = address;
        {
            agent_server server(options, nothing);
            const client haproxy(server.address());
            CHECK(haproxy.send(recorded::hello));
            CHECK(haproxy.receive(recorded::hello_answer.size()) == recorded::hello_answer);
            CHECK(haproxy.send(recorded::second_request));
            CHECK(haproxy.receive(recorded::second_request_answer.size()) == recorded::second_request_answer);
            CHECK(haproxy.send(recorded::disconnect));
            CHECK(haproxy.receive() == recorded::disconnect_answer);
            CHECK(server.counts().connections == 1);
            CHECK(server.counts().faults == 0);
        }
        CHECK_FALSE(std::filesystem::exists(path));
    }
    std::filesystem::remove_all(folder);
}

TEST_CASE("a socket that a killed agent left behind is taken over, and one that is in use is not") {
    const std::string path = std::filesystem::temp_directory_path() / ("qlroute-left-" + std::to_string(::getpid()));
    sockaddr_un there{};
    there.sun_family = AF_UNIX;
    path.copy(there.sun_path, sizeof there.sun_path - 1);
    {
        const descriptor left(::socket(AF_UNIX, SOCK_STREAM, 0));
        REQUIRE(::bind(left.get(), reinterpret_cast<sockaddr*>(&there), sizeof there) == 0);
    }
    server_options options;
    options.listen = path;
    {
        agent_server server(options, nothing);
        CHECK(complaint(path).starts_with("--listen: cannot listen at \"" + path));
        const client haproxy(path);
        CHECK(haproxy.send(recorded::check));
        CHECK(haproxy.receive() == recorded::hello_answer);
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("an address that is none is told what was expected") {
    CHECK(complaint("9731").find("expected host:port") != std::string::npos);
    CHECK(complaint("127.0.0.1:port").starts_with("--listen: cannot listen at \"127.0.0.1:port\": "));
    CHECK(complaint("/nowhere/agent.sock").find("No such file") != std::string::npos);
    CHECK(complaint("/" + std::string(200, 'x')).find("too long") != std::string::npos);
    agent_server server(on_loopback(), nothing);
    CHECK(complaint(server.address()).find("in use") != std::string::npos);
}

TEST_CASE("who says nothing, trickles or does not read is left after a while") {
    server_options options = on_loopback();
    options.patience = 300ms;
    agent_server server(options, nothing);
    const auto timeout = static_cast<std::uint64_t>(spop::status::timeout);
    SUBCASE("nothing") { CHECK(last_status(client(server.address()).receive()) == timeout); }
    SUBCASE("a byte now and then") {
        const client haproxy(server.address());
        CHECK(haproxy.send(recorded::hello));
        CHECK(haproxy.receive(recorded::hello_answer.size()) == recorded::hello_answer);
        std::size_t sent = 0;
        while (sent < 100 && haproxy.send(recorded::request.substr(sent, 1))) {
            ++sent;
            std::this_thread::sleep_for(50ms);
        }
        CHECK(sent < 100);
        CHECK(last_status(haproxy.receive()) == timeout);
    }
    SUBCASE("it does not read") {
        const client haproxy(server.address());
        CHECK(haproxy.send(recorded::hello));
        std::string frame, many;
        spop::put_frame(frame, {.type = spop::frame_type::notify, .payload = "\x01m\x00"sv});
        for (int i = 0; i < 10'000; ++i) many += frame;
        // What the two systems keep, and the agent's own bound, take some; then nothing moves until it is closed.
        std::size_t sent = 0;
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (server.counts().faults == 0 && std::chrono::steady_clock::now() < end) {
            const ssize_t some = haproxy.send_some(std::string_view(many).substr(sent % frame.size()));
            if (some < 0) std::this_thread::sleep_for(10ms);
            if (some > 0) sent += static_cast<std::size_t>(some);
        }
        CHECK(server.counts().faults == 1);
    }
    SUBCASE("silence after HELLO is no fault") {
        const client haproxy(server.address());
        CHECK(haproxy.send(recorded::hello));
        CHECK(haproxy.receive(recorded::hello_answer.size()) == recorded::hello_answer);
        std::this_thread::sleep_for(1200ms);
        CHECK(haproxy.send(recorded::second_request));
        CHECK(haproxy.receive(recorded::second_request_answer.size()) == recorded::second_request_answer);
    }
}

TEST_CASE("a fault ends its connection and no other") {
    agent_server server(on_loopback(), nothing);
    const client good(server.address());
    CHECK(good.send(recorded::hello));
    CHECK(good.receive(recorded::hello_answer.size()) == recorded::hello_answer);
    const client bad(server.address());
    CHECK(bad.send(recorded::hello + "\0\0\0\x01\x03"s));
    CHECK(last_status(bad.receive()) == static_cast<std::uint64_t>(spop::status::invalid));
    CHECK(good.send(recorded::second_request));
    CHECK(good.receive(recorded::second_request_answer.size()) == recorded::second_request_answer);
}

TEST_CASE("more connections than allowed are closed, until there is room") {
    server_options options = on_loopback();
    options.max_connections = 2;
    agent_server server(options, nothing);
    {
        const client one(server.address()), two(server.address());
        for (const client* each : {&one, &two}) {
            CHECK(each->send(recorded::hello));
            CHECK(each->receive(recorded::hello_answer.size()) == recorded::hello_answer);
        }
        CHECK(client(server.address()).receive().empty());
        CHECK(server.counts().refused == 1);
    }
    bool served = false;
    for (int i = 0; i < 100 && !served; ++i) {
        const client three(server.address());
        served = three.send(recorded::check) && three.receive() == recorded::hello_answer;
        if (!served) std::this_thread::sleep_for(20ms);
    }
    CHECK(served);
}

TEST_CASE("who is still connected at the end is told so") {
    std::string said;
    {
        auto server = std::make_unique<agent_server>(on_loopback(), nothing);
        const client haproxy(server->address());
        CHECK(haproxy.send(recorded::hello));
        CHECK(haproxy.receive(recorded::hello_answer.size()) == recorded::hello_answer);
        server.reset();
        said = haproxy.receive();
    }
    CHECK(last_status(said) == static_cast<std::uint64_t>(spop::status::normal));
}
