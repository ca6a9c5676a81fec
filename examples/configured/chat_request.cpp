#include "chat_request.hpp"

#include "shown.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <string_view>
#include <utility>

using namespace qlroute;
using nlohmann::json;

namespace {

constexpr std::pair<std::string_view, role> roles[] = {{"system", role::system}, {"developer", role::system},
                                                       {"user", role::user},     {"assistant", role::assistant},
                                                       {"tool", role::tool},     {"function", role::tool}};

const json* find(const json& object, const char* key) {
    const auto at = object.find(key);
    return at == object.end() || at->is_null() ? nullptr : &*at;
}

/// On a line of its own.
void append(std::string& text, std::string_view more) { (text += text.empty() ? "" : "\n") += more; }

void append_parts(std::string& text, const json& content, const std::string& where) {
    if (content.is_string()) return append(text, content.get_ref<const std::string&>());
    if (!content.is_array())
        throw bad_request(where + ".content: expected a text or a list of parts, got " + shown(content));
    for (const json& part : content) {
        if (!part.is_object())
            throw bad_request(where + ".content: expected parts such as {\"type\": \"text\", ...}, got " + shown(part));
        for (const char* key : {"text", "refusal"})
            if (const json* one = find(part, key); one != nullptr && one->is_string())
                append(text, one->get_ref<const std::string&>());
    }
}

void append_call(std::string& text, const json& call) {
    if (!call.is_object()) return;
    for (const char* key : {"name", "arguments"})
        if (const json* one = find(call, key); one != nullptr && one->is_string())
            append(text, one->get_ref<const std::string&>());
}

std::string text_of(const json& object, const char* key) {
    const json* value = find(object, key);
    if (value == nullptr) return {};
    if (!value->is_string()) throw bad_request(std::string(key) + ": expected a text, got " + shown(*value));
    return value->get<std::string>();
}

bool flag_in(const json& object, const char* key) {
    const json* value = find(object, key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) throw bad_request(std::string(key) + ": expected true or false, got " + shown(*value));
    return value->get<bool>();
}

}  // namespace

void owned_messages::add(role from, std::string text, tokens size) {
    texts_.push_back(std::move(text));
    views_.push_back({from, texts_.back(), size});
}

void add_message(owned_messages& to, const json& one, const std::string& where, tokens framing,
                 std::optional<role> usual) {
    if (!one.is_object())
        throw bad_request(where + ": expected an object such as {\"role\": \"user\", \"content\": \"hello\"}, got " +
                          shown(one));
    const json* name = find(one, "role");
    std::optional<role> from = name == nullptr ? usual : std::nullopt;
    for (const auto& each : roles)
        if (name != nullptr && name->is_string() && name->get_ref<const std::string&>() == each.first)
            from = each.second;
    if (!from)
        throw bad_request(where + ".role: expected system, developer, user, assistant or tool, got " +
                          (name == nullptr ? "nothing" : shown(*name)));
    std::string text;
    if (const json* content = find(one, "content")) append_parts(text, *content, where);
    if (const json* refusal = find(one, "refusal"); refusal != nullptr && refusal->is_string())
        append(text, refusal->get_ref<const std::string&>());
    if (const json* calls = find(one, "tool_calls"); calls != nullptr && calls->is_array())
        for (const json& call : *calls)
            if (call.is_object())
                if (const json* function = find(call, "function")) append_call(text, *function);
    if (const json* call = find(one, "function_call")) append_call(text, *call);
    tokens size(0);
    if (const json* count = find(one, "tokens")) {
        if (!count->is_number() || !(count->get<double>() > 0) || count->get<double>() > 1e9)
            throw bad_request(where + ".tokens: expected a number of tokens, more than 0, got " + shown(*count));
        size = tokens(count->get<double>());
    }
    if (framing > tokens(0)) size = token_count({*from, text, size}) + framing;
    to.add(*from, std::move(text), size);
}

owned_messages messages_from(const json& list, tokens framing) {
    if (!list.is_array() || list.empty())
        throw bad_request("messages: expected a list of at least one message, got " + shown(list));
    owned_messages out;
    for (std::size_t i = 0; i < list.size(); ++i)
        add_message(out, list[i], "messages[" + std::to_string(i) + "]", framing);
    return out;
}

chat_request chat_request_from(const json& body, tokens framing) {
    if (!body.is_object())
        throw bad_request("the body: expected an object such as {\"messages\": [...]}, got " + shown(body));
    const json* list = find(body, "messages");
    if (list == nullptr) throw bad_request("messages: missing; expected a list of messages");
    chat_request out{
        .messages = messages_from(*list, framing), .model = text_of(body, "model"), .user = text_of(body, "user")};
    for (const char* key : {"max_completion_tokens", "max_tokens"}) {
        const json* most = find(body, key);
        if (most == nullptr) continue;
        if (!most->is_number() || !(most->get<double>() >= 0) || most->get<double>() > 1e9)
            throw bad_request(std::string(key) + ": expected a number of tokens, got " + shown(*most));
        out.most_output = larger(tokens(most->get<double>()), tokens(1));
        break;
    }
    out.stream = flag_in(body, "stream");
    if (const json* options = find(body, "stream_options"); options != nullptr && options->is_object())
        out.include_usage = flag_in(*options, "include_usage");
    return out;
}
