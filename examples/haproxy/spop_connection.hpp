// What an agent says to HAProxy on one connection: HELLO, an ACK to every NOTIFY, DISCONNECT at last.
#pragma once

#include "spop.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace spop {

/// Bytes in, bytes out: the socket is somebody else's. Frames may be cut anywhere, and many may come at once
/// (pipelining). Whatever is malformed ends this connection, with the status that says why.
class connection {
public:
    /// Answers one NOTIFY.
    using answer = std::function<void(std::span<const message>, actions&)>;

    /// Before HELLO nobody is trusted with more.
    static constexpr std::uint32_t max_hello_size = 4096;

    connection(std::uint32_t max_frame_size, const answer& answers)
        : max_frame_size_(max_frame_size), answers_(&answers) {}
    connection(std::uint32_t, answer&&) = delete;  // it must outlive this

    void receive(std::string_view bytes);
    /// Says why, and ends the connection.
    void disconnect(status why);

    bool greeted() const { return greeted_; }
    /// Part of a frame is there, and the rest is missing.
    bool inside_frame() const { return !input_.empty(); }
    /// To be closed once output() is sent; and why.
    std::optional<status> ended() const { return ended_; }
    /// What is to be sent; whoever sent it takes it away.
    std::string& output() { return output_; }

private:
    void take(std::string_view bytes);
    void take_hello(std::string_view payload);
    void take_notify(const frame& f);

    std::uint32_t max_frame_size_;
    const answer* answers_;
    bool greeted_ = false;
    std::optional<status> ended_;
    std::string input_;
    std::string output_;
};

}  // namespace spop
