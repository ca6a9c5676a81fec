#include "answer_reader.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <initializer_list>

using namespace qlroute;
using nlohmann::json;

namespace {

const json* member(const json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto at = object.find(key);
    return at == object.end() || at->is_null() ? nullptr : &*at;
}

std::optional<double> number_at(const json& object, const char* key) {
    const json* value = member(object, key);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    const double number = value->get<double>();
    return number >= 0 && number < 1e12 ? std::optional(number) : std::nullopt;
}

void set_if(std::optional<double>& to, const std::optional<double>& value) {
    if (value) to = value;
}

bool append_text(std::string& to, const json& object, const char* key) {
    const json* text = member(object, key);
    if (text == nullptr || !text->is_string()) return false;
    to += text->get_ref<const std::string&>();
    return !text->get_ref<const std::string&>().empty();
}

constexpr std::size_t most_calls = 128;

}  // namespace

std::string error_in(const json& answer) {
    const json* error = member(answer, "error");
    if (error == nullptr) return {};
    std::string text;
    if (!append_text(text, *error, "message"))
        text = error->is_string() ? error->get<std::string>()
                                  : error->dump(-1, ' ', false, json::error_handler_t::replace);
    return text.substr(0, 300);
}

void read_figures(const json& answer, answer_figures& into) {
    if (const json* usage = member(answer, "usage")) {
        set_if(into.prompt_tokens, number_at(*usage, "prompt_tokens"));
        set_if(into.output_tokens, number_at(*usage, "completion_tokens"));
        if (const json* details = member(*usage, "prompt_tokens_details"))
            set_if(into.cached_tokens, number_at(*details, "cached_tokens"));
    }
    if (const json* timings = member(answer, "timings")) {
        const auto read = number_at(*timings, "prompt_n");
        const auto cached = number_at(*timings, "cache_n");
        set_if(into.cached_tokens, cached);
        if (read && cached) into.prompt_tokens = *read + *cached;
        set_if(into.output_tokens, number_at(*timings, "predicted_n"));
        set_if(into.prompt_ms, number_at(*timings, "prompt_ms"));
        set_if(into.predicted_ms, number_at(*timings, "predicted_ms"));
    }
}

void answer_reader::take_delta(const json& delta) {
    const json* list = member(delta, "tool_calls");
    if (list == nullptr || !list->is_array()) return;
    for (const json& one : *list) {
        const auto index = static_cast<std::size_t>(number_at(one, "index").value_or(0));
        if (index >= most_calls) continue;
        if (calls_.size() <= index) calls_.resize(index + 1);
        if (const json* function = member(one, "function")) {
            append_text(calls_[index].name, *function, "name");
            append_text(calls_[index].arguments, *function, "arguments");
        }
    }
}

chunk_kind answer_reader::take_chunk(std::string_view data) {
    if (data.empty()) return {};
    if (data == "[DONE]") return {.is_last = true};
    const json chunk = json::parse(data, nullptr, false);
    if (!chunk.is_object()) return {};
    if (member(chunk, "error") != nullptr) {
        error_ = error_in(chunk);
        return {.is_error = true};
    }
    read_figures(chunk, figures_);
    chunk_kind kind;
    const json* choices = member(chunk, "choices");
    if (choices == nullptr || !choices->is_array() || choices->empty()) {
        kind.is_usage = choices != nullptr && member(chunk, "usage") != nullptr;
        return kind;
    }
    for (const json& choice : *choices) {
        const json* delta = member(choice, "delta");
        const bool first = &choice == &choices->front();
        if (const json* why = member(choice, "finish_reason"); why != nullptr && why->is_string()) {
            if (first) finish_reason_ = why->get<std::string>();
            kind.is_content = true;  // an answer without any text is one, too
        }
        if (delta == nullptr) continue;
        for (const auto& [key, value] : delta->items()) {
            if (key == "role" || value.is_null()) continue;
            const bool is_empty = (value.is_string() && value.get_ref<const std::string&>().empty()) ||
                                  (value.is_array() && value.empty());
            if (!is_empty) kind.is_content = true;
        }
        if (!first) continue;
        append_text(content_, *delta, "content");
        append_text(refusal_, *delta, "refusal");
        take_delta(*delta);
    }
    return kind;
}

bool answer_reader::take_whole(std::string_view body) {
    const json all = json::parse(body, nullptr, false);
    if (!all.is_object()) {
        error_ = "the answer is no JSON object";
        return false;
    }
    const json* choices = member(all, "choices");
    if (choices == nullptr || !choices->is_array() || choices->empty()) {
        error_ = error_in(all);
        if (error_.empty()) error_ = "the answer has no choices";
        return false;
    }
    read_figures(all, figures_);
    const json& first = choices->front();
    if (const json* why = member(first, "finish_reason"); why != nullptr && why->is_string())
        finish_reason_ = why->get<std::string>();
    if (const json* message = member(first, "message")) whole_ = *message;
    return true;
}

owned_messages answer_reader::reply(tokens framing) const {
    json message = whole_;
    if (!message.is_object()) {
        message = {{"content", content_}, {"refusal", refusal_}};
        if (refusal_.empty()) message.erase("refusal");
        for (const call& one : calls_)
            message["tool_calls"].push_back({{"function", {{"name", one.name}, {"arguments", one.arguments}}}});
    }
    message["role"] = "assistant";
    try {
        return messages_from(json::array({message}), framing);
    } catch (const bad_request&) {  // a content that no request may have
        owned_messages nothing;
        nothing.add(role::assistant, "", framing);
        return nothing;
    }
}
