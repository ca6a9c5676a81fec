// What the kernel knows of a connection.
#pragma once

#include <qlroute/core/literals.hpp>

#include <optional>

struct tcp_measured {
    qlroute::seconds rtt{};                                 // the shortest lately
    std::optional<qlroute::bits_per_second> uplink_rate{};  // where the connection was the limit, not the program
};

/// Nothing where the kernel says nothing.
std::optional<tcp_measured> tcp_probe(int socket);
