// JSON text without exceptions: the value, or why and where it is none. Needs nlohmann/json 3.
#pragma once

#include <qlroute/core/result.hpp>
#include <qlroute/io/number.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace qlroute {

namespace detail {

/// Keeps nothing but why and where a text is no JSON: nlohmann::json tells either by an exception or not at all.
struct json_fault : nlohmann::json_sax<nlohmann::json> {
    std::string reason;
    std::size_t position = 0;

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_object(std::size_t) override { return true; }
    bool key(string_t&) override { return true; }
    bool end_object() override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool parse_error(std::size_t at, const std::string&, const nlohmann::json::exception& why) override {
        position = at;
        const std::string_view all(why.what());  // "[json.exception.parse_error.101] parse error at line 3, ..."
        const auto label = all.find("] ");
        reason = all.substr(label == std::string_view::npos ? 0 : label + 2);
        return false;
    }
};

/// A value, as a message shows it. Numbers, words and texts as they are, cut where they are long; a list or an object
/// by its kind alone: dump() would recurse into it, however deep it is.
inline std::string shown(const nlohmann::json& value) {
    if (value.is_array()) return value.empty() ? "an empty list" : "a list";
    if (value.is_object()) return "an object";
    if (value.is_string()) return detail::quoted(value.get_ref<const std::string&>());
    return value.dump();
}

}  // namespace detail

/// Errors: `malformed`, with line and column in the message.
inline result<nlohmann::json> parse_json(std::string_view text) {
    nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
    if (!value.is_discarded()) return value;
    detail::json_fault fault;
    nlohmann::json::sax_parse(text, &fault);
    return error{errc::malformed, "not valid JSON: " + fault.reason, fault.position};
}

}  // namespace qlroute
