// SPOP 2.0, which HAProxy speaks with its agents: frames, typed data, messages and actions, as bytes. Without sockets
// and without a state; HAProxy's doc/SPOE.txt has the format.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace spop {

enum class frame_type : std::uint8_t {
    unset = 0,  // a further fragment
    haproxy_hello = 1,
    haproxy_disconnect = 2,
    notify = 3,
    agent_hello = 101,
    agent_disconnect = 102,
    ack = 103,
};

/// Why a connection ends.
enum class status : std::uint32_t {
    normal = 0,
    io = 1,
    timeout = 2,
    too_big = 3,
    invalid = 4,
    no_version = 5,
    no_max_frame_size = 6,
    no_capabilities = 7,
    unsupported_version = 8,
    bad_max_frame_size = 9,
    fragmented = 10,
    out_of_resources = 13,
};
std::string_view to_text(status why);

inline constexpr std::uint32_t flag_fin = 1;
inline constexpr std::uint32_t least_frame_size = 256;  // that a peer may ask for

/// What follows a frame's length. Views the bytes that it was read from.
struct frame {
    frame_type type = frame_type::unset;
    std::uint32_t flags = flag_fin;
    std::uint64_t stream_id = 0;
    std::uint64_t frame_id = 0;
    std::string_view payload{};
};

struct null {
    bool operator==(const null&) const = default;
};
struct ipv4 {
    std::array<std::uint8_t, 4> bytes{};
    bool operator==(const ipv4&) const = default;
};
struct ipv6 {
    std::array<std::uint8_t, 16> bytes{};
    bool operator==(const ipv6&) const = default;
};
struct binary {
    std::string_view bytes{};
    bool operator==(const binary&) const = default;
};
/// In the order of their numbers on the wire: NULL, BOOL, INT32, UINT32, INT64, UINT64, IPV4, IPV6, STRING, BINARY.
using value = std::variant<null, bool, std::int32_t, std::uint32_t, std::int64_t, std::uint64_t, ipv4, ipv6,
                           std::string_view, binary>;

/// A text or bytes; HAProxy sends a request's body as bytes.
std::optional<std::string_view> text_in(const value& v);
/// Any of the integers, if it is not negative.
std::optional<std::uint64_t> count_in(const value& v);

using named_values = std::vector<std::pair<std::string_view, value>>;

struct message {
    std::string_view name{};
    named_values args{};

    /// NULL if there is none of that name.
    value arg(std::string_view name_of_it) const;
};

/// Takes typed pieces off the front of bytes. Everything is empty where the bytes end too early or are none of these;
/// what is then left is unspecified.
class reader {
public:
    explicit reader(std::string_view bytes) : left_(bytes) {}

    bool done() const { return left_.empty(); }
    std::string_view rest() const { return left_; }

    std::optional<std::uint8_t> byte();
    std::optional<std::uint32_t> uint32();  // big-endian
    std::optional<std::uint64_t> varint();
    std::optional<std::string_view> bytes(std::uint64_t count);
    std::optional<std::string_view> string();
    std::optional<value> data();

private:
    std::string_view left_;
};

void put_varint(std::string& out, std::uint64_t number);
void put_string(std::string& out, std::string_view text);
void put_data(std::string& out, const value& v);
void put_named(std::string& out, std::string_view name, const value& v);
/// With its length in front.
void put_frame(std::string& out, const frame& f);

/// Of the bytes after the length.
std::optional<frame> frame_from(std::string_view bytes);
/// The payload of HELLO and DISCONNECT.
std::optional<named_values> named_values_from(std::string_view payload);
/// The payload of NOTIFY. More than `most_messages` are nothing that HAProxy sends.
inline constexpr std::size_t most_messages = 64;
std::optional<std::vector<message>> messages_from(std::string_view payload);

enum class scope : std::uint8_t { process = 0, session = 1, transaction = 2, request = 3, response = 4 };

/// The payload of ACK, action by action; at most `most` bytes.
class actions {
public:
    explicit actions(std::size_t most) : most_(most) {}

    /// False: there is no room for it, and it was left out.
    bool set(scope where, std::string_view name, const value& v);
    const std::string& payload() const { return payload_; }

private:
    std::size_t most_;
    std::string payload_;
};

}  // namespace spop
