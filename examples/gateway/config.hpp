// What a configuration of the gateway says: docs/gateway.md.
#pragma once

#include "configured/settings.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

/// A server of the OpenAI API behind the gateway.
struct upstream_config {
    std::string name{};
    std::string origin{};   // "http://127.0.0.1:8081"
    std::string prefix{};   // of its paths, without the "/v1": "" or "/api"
    std::string api_key{};  // from the environment; never shown
    std::string served_model{};
    std::optional<std::size_t> parallel{};
    bool verify_tls = true;
    std::string ca_file{};
    bool include_usage = true;  // may be asked for what a stream took
    bool remote = false;
};

struct gateway_timeouts {
    qlroute::seconds request{30};  // for a client to send one
    qlroute::seconds idle{60};     // between two requests on a connection
    qlroute::seconds connect{2};
    qlroute::seconds first_byte{120};  // of a stream
    qlroute::seconds between_bytes{30};
    qlroute::seconds total{600};
    qlroute::seconds drain{10};  // for answers on their way when the program is told to end
};

struct gateway_config {
    settings routing{};
    std::vector<upstream_config> upstreams{};  // one an endpoint, in their order
    std::string host = "127.0.0.1";
    int port = 8080;
    std::string log{};  // path, "-" for standard output, or empty
    gateway_timeouts timeouts;
    std::size_t max_body = std::size_t{16} << 20;
    std::size_t max_header = 16 << 10;
    std::size_t max_concurrent = 128;
    std::size_t max_queue = 128;
    std::size_t max_connections = 512;
    std::size_t most_chats = 100'000;
    std::size_t breaker_failures = 3;
    bool learn = true;
    std::string session_header = "x-qlroute-session";
};

/// Throws usage_error naming the file, the key and what was expected.
gateway_config gateway_config_from(const std::string& text, const std::string& path);

bool is_loopback(const std::string& host);
