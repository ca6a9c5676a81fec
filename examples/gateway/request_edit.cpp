#include "request_edit.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <vector>

namespace {

/// Where a value of an object stands in its text.
struct span_of_value {
    std::size_t begin = 0;
    std::size_t end = 0;
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::size_t behind_string(std::string_view text, std::size_t at) {
    for (++at; at < text.size() && text[at] != '"'; ++at)
        if (text[at] == '\\') ++at;
    return std::min(at + 1, text.size());
}

std::size_t behind_blanks(std::string_view text, std::size_t at) {
    while (at < text.size() && is_blank(text[at])) ++at;
    return at;
}

std::size_t behind_value(std::string_view text, std::size_t at) {
    if (at < text.size() && text[at] == '"') return behind_string(text, at);
    std::size_t depth = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (c == '"') {
            at = behind_string(text, at);
            continue;
        }
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        }
        if (depth == 0 && (c == ',' || is_blank(c))) return at;
        ++at;
    }
    return at;
}

/// All values of `key` in the object that begins at `open`: JSON does not forbid twins.
std::vector<span_of_value> values_of(std::string_view text, std::size_t open, std::string_view key) {
    std::vector<span_of_value> out;
    std::size_t at = behind_blanks(text, open + 1);
    while (at < text.size() && text[at] == '"') {
        const std::size_t name_end = behind_string(text, at);
        const std::string_view name = text.substr(at, name_end - at);
        bool same = name.size() == key.size() + 2 && name.substr(1, key.size()) == key;
        if (!same && name.find('\\') != std::string_view::npos) {
            const auto plain = nlohmann::json::parse(name, nullptr, false);
            same = plain.is_string() && plain.get_ref<const std::string&>() == key;
        }
        const std::size_t begin = behind_blanks(text, behind_blanks(text, name_end) + 1);  // behind the colon
        const std::size_t end = behind_value(text, begin);
        if (same) out.push_back({begin, end});
        at = behind_blanks(text, end);
        if (at < text.size() && text[at] == ',') at = behind_blanks(text, at + 1);
    }
    return out;
}

/// `member` as the first of an object.
void insert_member(std::string& text, std::size_t open, const std::string& member) {
    const std::size_t first = behind_blanks(text, open + 1);
    const bool is_empty = first < text.size() && text[first] == '}';
    text.insert(open + 1, member + (is_empty ? "" : ","));
}

/// All values of `key` become `value`, or one is put in.
void set_member(std::string& text, std::size_t open, const std::string& key, const std::string& value) {
    auto spans = values_of(text, open, key);
    if (spans.empty()) return insert_member(text, open, "\"" + key + "\":" + value);
    std::reverse(spans.begin(), spans.end());
    for (const auto& [begin, end] : spans) text.replace(begin, end - begin, value);
}

}  // namespace

std::size_t json_nesting(std::string_view text, std::size_t most) {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    for (std::size_t at = 0; at < text.size() && deepest <= most;) {
        const char c = text[at];
        if (c == '"') {
            at = behind_string(text, at);
            continue;
        }
        if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
        if ((c == '}' || c == ']') && depth > 0) --depth;
        ++at;
    }
    return deepest;
}

std::string with_model(std::string_view body, std::string_view model) {
    using nlohmann::json;
    std::string out(body);
    set_member(out, behind_blanks(out, 0), "model", json(model).dump(-1, ' ', false, json::error_handler_t::replace));
    return out;
}

std::string with_usage(std::string_view body) {
    std::string out(body);
    const std::size_t open = behind_blanks(out, 0);
    const auto spans = values_of(out, open, "stream_options");
    if (spans.empty() || out[spans.back().begin] != '{')
        set_member(out, open, "stream_options", "{\"include_usage\":true}");
    else set_member(out, spans.back().begin, "include_usage", "true");
    return out;
}
