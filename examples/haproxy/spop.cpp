#include "spop.hpp"

#include <bit>
#include <limits>
#include <type_traits>

namespace spop {

namespace {

constexpr std::uint8_t type_mask = 0x0F;
constexpr std::uint8_t flag_true = 0x10;

template <typename Address>
std::optional<value> address_in(reader& from) {
    Address out;
    const auto bytes = from.bytes(out.bytes.size());
    if (!bytes) return std::nullopt;
    for (std::size_t i = 0; i < out.bytes.size(); ++i) out.bytes[i] = static_cast<std::uint8_t>((*bytes)[i]);
    return out;
}

/// Integers are varints of 64 bits; negative ones by their two's complement.
template <typename Integer>
std::optional<value> integer_in(reader& from) {
    const auto bits = from.varint();
    if (!bits) return std::nullopt;
    if constexpr (std::is_signed_v<Integer>) {
        const auto number = std::bit_cast<std::int64_t>(*bits);
        if (number < std::numeric_limits<Integer>::min() || number > std::numeric_limits<Integer>::max())
            return std::nullopt;
        return static_cast<Integer>(number);
    } else {
        if (*bits > std::numeric_limits<Integer>::max()) return std::nullopt;
        return static_cast<Integer>(*bits);
    }
}

void put_byte(std::string& out, std::uint64_t byte) { out += static_cast<char>(byte & 0xFF); }

void put_uint32(std::string& out, std::uint32_t number) {
    for (const int shift : {24, 16, 8, 0}) put_byte(out, number >> shift);
}

template <typename... Cases>
struct overloaded : Cases... {
    using Cases::operator()...;
};
template <typename... Cases>
overloaded(Cases...) -> overloaded<Cases...>;  // Clang does without from 17 on

}  // namespace

std::string_view to_text(status why) {
    switch (why) {
        case status::normal:
            return "normal";
        case status::io:
            return "I/O error";
        case status::timeout:
            return "a timeout occurred";
        case status::too_big:
            return "frame is too big";
        case status::invalid:
            return "invalid frame received";
        case status::no_version:
            return "version value not found";
        case status::no_max_frame_size:
            return "max-frame-size value not found";
        case status::no_capabilities:
            return "capabilities value not found";
        case status::unsupported_version:
            return "unsupported version";
        case status::bad_max_frame_size:
            return "max-frame-size too big or too small";
        case status::fragmented:
            return "payload fragmentation is not supported";
        case status::out_of_resources:
            return "resource allocation error";
    }
    return "unknown error";
}

std::optional<std::string_view> text_in(const value& v) {
    if (const auto* text = std::get_if<std::string_view>(&v)) return *text;
    if (const auto* bytes = std::get_if<binary>(&v)) return bytes->bytes;
    return std::nullopt;
}

std::optional<std::uint64_t> count_in(const value& v) {
    return std::visit(
        [](const auto& one) -> std::optional<std::uint64_t> {
            using type = std::remove_cvref_t<decltype(one)>;
            if constexpr (std::is_integral_v<type> && !std::is_same_v<type, bool>) {
                if (std::is_signed_v<type> && std::int64_t(one) < 0) return std::nullopt;
                return static_cast<std::uint64_t>(one);
            } else {
                return std::nullopt;
            }
        },
        v);
}

value message::arg(std::string_view name_of_it) const {
    for (const auto& [key, each] : args)
        if (key == name_of_it) return each;
    return null{};
}

std::optional<std::uint8_t> reader::byte() {
    if (left_.empty()) return std::nullopt;
    const auto first = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return first;
}

std::optional<std::uint32_t> reader::uint32() {
    std::uint32_t number = 0;
    for (int i = 0; i < 4; ++i) {
        const auto next = byte();
        if (!next) return std::nullopt;
        number = number << 8 | *next;
    }
    return number;
}

std::optional<std::uint64_t> reader::varint() {
    const auto first = byte();
    if (!first || *first < 240) return first;
    std::uint64_t number = *first;
    for (unsigned shift = 4; shift < 64; shift += 7) {
        const auto next = byte();
        if (!next) return std::nullopt;
        const std::uint64_t more = std::uint64_t{*next} << shift;
        if (more >> shift != *next || number + more < number) return std::nullopt;  // beyond 64 bits
        number += more;
        if (*next < 128) return number;
    }
    return std::nullopt;
}

std::optional<std::string_view> reader::bytes(std::uint64_t count) {
    if (count > left_.size()) return std::nullopt;
    const std::string_view out = left_.substr(0, static_cast<std::size_t>(count));
    left_.remove_prefix(out.size());
    return out;
}

std::optional<std::string_view> reader::string() {
    const auto length = varint();
    return length ? bytes(*length) : std::nullopt;
}

std::optional<value> reader::data() {
    const auto type = byte();
    if (!type) return std::nullopt;
    switch (*type & type_mask) {
        case 0:
            return null{};
        case 1:
            return (*type & flag_true) != 0;
        case 2:
            return integer_in<std::int32_t>(*this);
        case 3:
            return integer_in<std::uint32_t>(*this);
        case 4:
            return integer_in<std::int64_t>(*this);
        case 5:
            return integer_in<std::uint64_t>(*this);
        case 6:
            return address_in<ipv4>(*this);
        case 7:
            return address_in<ipv6>(*this);
        case 8:
            return string();
        case 9:
            if (const auto all = string()) return binary{*all};
            return std::nullopt;
        default:
            return std::nullopt;
    }
}

void put_varint(std::string& out, std::uint64_t number) {
    if (number < 240) return put_byte(out, number);
    put_byte(out, number | 0xF0);
    number = (number - 240) >> 4;
    while (number >= 128) {
        put_byte(out, number | 0x80);
        number = (number - 128) >> 7;
    }
    put_byte(out, number);
}

void put_string(std::string& out, std::string_view text) {
    put_varint(out, text.size());
    out += text;
}

void put_data(std::string& out, const value& v) {
    const bool* truth = std::get_if<bool>(&v);
    put_byte(out, v.index() | (truth != nullptr && *truth ? flag_true : 0u));
    const auto put_address = [&](const auto& address) {
        for (const std::uint8_t each : address.bytes) put_byte(out, each);
    };
    std::visit(overloaded{[](null) {}, [](bool) {}, [&](const ipv4& address) { put_address(address); },
                          [&](const ipv6& address) { put_address(address); },
                          [&](std::string_view text) { put_string(out, text); },
                          [&](const binary& all) { put_string(out, all.bytes); },
                          [&](auto number) { put_varint(out, static_cast<std::uint64_t>(number)); }},
               v);
}

void put_named(std::string& out, std::string_view name, const value& v) {
    put_string(out, name);
    put_data(out, v);
}

void put_frame(std::string& out, const frame& f) {
    std::string ids;
    put_varint(ids, f.stream_id);
    put_varint(ids, f.frame_id);
    put_uint32(out, static_cast<std::uint32_t>(1 + 4 + ids.size() + f.payload.size()));
    put_byte(out, static_cast<std::uint8_t>(f.type));
    put_uint32(out, f.flags);
    out += ids;
    out += f.payload;
}

std::optional<frame> frame_from(std::string_view bytes) {
    reader in(bytes);
    const auto type = in.byte();
    const auto flags = in.uint32();
    const auto stream_id = in.varint();
    const auto frame_id = in.varint();
    if (!type || !flags || !stream_id || !frame_id) return std::nullopt;
    return frame{static_cast<frame_type>(*type), *flags, *stream_id, *frame_id, in.rest()};
}

std::optional<named_values> named_values_from(std::string_view payload) {
    named_values out;
    for (reader in(payload); !in.done();) {
        const auto name = in.string();
        if (!name) return std::nullopt;
        const auto each = in.data();
        if (!each) return std::nullopt;
        out.emplace_back(*name, *each);
    }
    return out;
}

std::optional<std::vector<message>> messages_from(std::string_view payload) {
    std::vector<message> out;
    for (reader in(payload); !in.done();) {
        if (out.size() == most_messages) return std::nullopt;
        message one;
        const auto name = in.string();
        const auto count = name ? in.byte() : std::nullopt;
        if (!count) return std::nullopt;
        one.name = *name;
        for (std::uint8_t i = 0; i < *count; ++i) {
            const auto key = in.string();
            if (!key) return std::nullopt;
            const auto each = in.data();
            if (!each) return std::nullopt;
            one.args.emplace_back(*key, *each);
        }
        out.push_back(std::move(one));
    }
    return out;
}

bool actions::set(scope where, std::string_view name, const value& v) {
    constexpr std::uint8_t set_var = 1, arguments = 3;
    const std::size_t before = payload_.size();
    put_byte(payload_, set_var);
    put_byte(payload_, arguments);
    put_byte(payload_, static_cast<std::uint8_t>(where));
    put_named(payload_, name, v);
    if (payload_.size() <= most_) return true;
    payload_.resize(before);
    return false;
}

}  // namespace spop
