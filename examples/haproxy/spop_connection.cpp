#include "spop_connection.hpp"

#include <algorithm>

namespace spop {

namespace {

constexpr std::size_t length_size = 4;
constexpr std::size_t most_ack_header = 1 + 4 + 10 + 10;  // type, flags, two varints

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of(' '), text.size());
    return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

/// "2.0, 1.5": a version says that all earlier ones of the same major number are supported, too.
bool supports_2_0(std::string_view versions) {
    while (!versions.empty()) {
        const std::size_t end = std::min(versions.find(','), versions.size());
        if (trimmed(versions.substr(0, end)).starts_with("2.")) return true;
        versions.remove_prefix(std::min(end + 1, versions.size()));
    }
    return false;
}

}  // namespace

void connection::receive(std::string_view bytes) {
    if (ended_) return;
    input_ += bytes;
    std::string_view left = input_;
    while (!ended_ && left.size() >= length_size) {
        const std::uint32_t size = *reader(left).uint32();
        if (size > (greeted_ ? max_frame_size_ : std::min(max_frame_size_, max_hello_size)))
            return disconnect(status::too_big);
        if (left.size() < length_size + size) break;
        take(left.substr(length_size, size));
        left.remove_prefix(length_size + size);
    }
    if (!ended_) input_.erase(0, input_.size() - left.size());
}

void connection::disconnect(status why) {
    if (ended_) return;
    ended_ = why;
    std::string payload;
    put_named(payload, "status-code", static_cast<std::uint32_t>(why));
    put_named(payload, "message", to_text(why));
    put_frame(output_, {.type = frame_type::agent_disconnect, .payload = payload});
}

void connection::take(std::string_view bytes) {
    const auto f = frame_from(bytes);
    if (!f) return disconnect(status::invalid);
    if (f->type == frame_type::haproxy_disconnect) return disconnect(status::normal);
    if (greeted_ == (f->type == frame_type::haproxy_hello)) return disconnect(status::invalid);
    switch (f->type) {
        case frame_type::haproxy_hello:
            if ((f->flags & flag_fin) == 0) return disconnect(status::fragmented);
            return take_hello(f->payload);
        case frame_type::notify:
            return take_notify(*f);
        case frame_type::unset:
            return disconnect(status::fragmented);
        case frame_type::agent_hello:
        case frame_type::agent_disconnect:
        case frame_type::ack:
            return disconnect(status::invalid);
        default:
            return;  // unknown frames may be skipped
    }
}

void connection::take_hello(std::string_view payload) {
    const auto items = named_values_from(payload);
    if (!items) return disconnect(status::invalid);
    const message hello{.name = "hello", .args = *items};
    const auto versions = text_in(hello.arg("supported-versions"));
    if (!versions) return disconnect(status::no_version);
    const auto offered = count_in(hello.arg("max-frame-size"));
    if (!offered) return disconnect(status::no_max_frame_size);
    if (!text_in(hello.arg("capabilities"))) return disconnect(status::no_capabilities);
    if (!supports_2_0(*versions)) return disconnect(status::unsupported_version);
    if (*offered < least_frame_size) return disconnect(status::bad_max_frame_size);

    max_frame_size_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(max_frame_size_, *offered));
    greeted_ = true;
    std::string reply;
    put_named(reply, "version", std::string_view("2.0"));
    put_named(reply, "max-frame-size", max_frame_size_);
    put_named(reply, "capabilities", std::string_view("pipelining"));
    put_frame(output_, {.type = frame_type::agent_hello, .payload = reply});
    const value check = hello.arg("healthcheck");
    if (const bool* only_a_check = std::get_if<bool>(&check); only_a_check != nullptr && *only_a_check)
        ended_ = status::normal;
}

void connection::take_notify(const frame& f) {
    if ((f.flags & flag_fin) == 0) return disconnect(status::fragmented);
    const auto messages = messages_from(f.payload);
    if (!messages) return disconnect(status::invalid);
    actions chosen(max_frame_size_ - most_ack_header);
    (*answers_)(*messages, chosen);
    put_frame(output_,
              {.type = frame_type::ack, .stream_id = f.stream_id, .frame_id = f.frame_id, .payload = chosen.payload()});
}

}  // namespace spop
