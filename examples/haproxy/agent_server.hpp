// Connections of HAProxy, over TCP or a Unix socket: Linux.
#pragma once

#include "spop_connection.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/// A descriptor that closes itself.
class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(descriptor&& from) noexcept : fd_(from.release()) {}
    descriptor& operator=(descriptor&& from) noexcept;
    ~descriptor();

    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

struct server_options {
    std::string listen = "127.0.0.1:9731";       // or the path of a Unix socket
    unsigned threads = 2;                        // each decides one request at a time
    std::size_t max_connections = 256;           // more are closed at once
    std::uint32_t max_frame_size = 1u << 20;     // offered; HAProxy's is tune.bufsize - 4
    std::chrono::milliseconds patience{10'000};  // for HELLO, for the rest of a frame, for answers to be read
};

struct server_counts {
    std::atomic<std::uint64_t> connections{};  // taken
    std::atomic<std::uint64_t> refused{};      // of more than max_connections
    std::atomic<std::uint64_t> faults{};       // that ended a connection
};

/// Listens from its construction on, and serves until it is destroyed.
class agent_server {
public:
    /// Throws usage_error if it cannot listen there.
    agent_server(const server_options& options, spop::connection::answer answer);
    agent_server(const agent_server&) = delete;
    agent_server& operator=(const agent_server&) = delete;
    /// Takes leave of every HAProxy with DISCONNECT.
    ~agent_server();

    /// With the port that the system chose where it was to choose one.
    const std::string& address() const { return address_; }
    const server_counts& counts() const { return counts_; }

private:
    class loop;

    server_options options_;
    spop::connection::answer answer_;
    server_counts counts_;
    std::atomic<std::size_t> open_{0};
    std::string address_;
    std::string unix_path_;  // to be removed
    descriptor listener_;
    descriptor stop_;
    std::vector<std::jthread> threads_;
};
