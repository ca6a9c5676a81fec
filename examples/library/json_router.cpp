#include "json_router.hpp"

#include "configured/chat_request.hpp"

#include <qlroute/text/content_hash.hpp>

#include <nlohmann/json.hpp>

#include <utility>

using namespace qlroute;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

/// As many as chat_router remembers.
constexpr std::size_t most_chats = 100'000;
constexpr double most_tokens = 1e9;
constexpr double most_seconds = 1e12;
constexpr double most_requests = 1e9;

json object_in(std::string_view text, const std::string& call) {
    auto body = parse_json(text);
    if (!body) throw usage_error(call + ": " + body.error().message);
    if (!body->is_object())
        throw usage_error(call + ": expected an object such as {\"messages\": [...]}, got " + shown(*body));
    return *std::move(body);
}

/// `read` may throw bad_request, which does not say which call it was.
auto named(const std::string& call, auto read) {
    try {
        return read();
    } catch (const bad_request& why) {
        throw usage_error(call + ": " + why.what());
    }
}

owned_messages messages_in(section& at, const std::string& call) {
    const json& list = at.need("messages", R"(a list such as [{"role": "user", "content": "hello"}])");
    return named(call, [&] { return messages_from(list); });
}

/// Where the key is there.
std::optional<double> number_in(section& at, std::string_view key, double least, double most) {
    if (at.find(key) == nullptr) return std::nullopt;
    double value = 0;
    at.read(key, value, least, most);
    return value;
}
std::optional<tokens> tokens_in(section& at, std::string_view key) {
    const auto value = number_in(at, key, 0, most_tokens);
    return value ? std::optional(tokens(*value)) : std::nullopt;
}
std::optional<seconds> seconds_in(section& at, std::string_view key) {
    const auto value = number_in(at, key, 0, most_seconds);
    return value ? std::optional(seconds(*value)) : std::nullopt;
}

/// Apart from the keys that chat_keys counts up.
std::uint64_t key_of_id(std::string_view id) {
    content_hash hash;
    hash.feed(id);
    return hash.digest() | std::uint64_t{1} << 63;
}

}  // namespace

/// One turn of one dialogue, with what it views.
struct json_router::asked {
    owned_messages messages{};
    std::optional<std::string> chat{};
    chat_turn turn{};
};

json_router::json_router(settings config) : router_(std::move(config), most_chats), keys_(most_chats) {}

json_router::asked json_router::turn_in(section& at, const std::string& call) const {
    asked out{.messages = messages_in(at, call)};
    if (const json* id = at.find("chat")) {
        if (!id->is_string() || id->get_ref<const std::string&>().empty())
            at.fail("chat", "expected a text that is not empty, got " + shown(*id));
        out.chat = id->get<std::string>();
    }
    const std::chrono::duration<double> running = std::chrono::steady_clock::now() - started_;
    out.turn.now = seconds(number_in(at, "now_s", -most_seconds, most_seconds).value_or(running.count()));
    return out;
}

void json_router::identify(asked& one) {
    one.turn.messages = one.messages.view();
    if (one.chat) {
        one.turn.chat = key_of_id(*one.chat);
        return;
    }
    const std::lock_guard lock(guard_keys_);
    one.turn.chat = keys_.key_of(one.turn.messages);
}

std::optional<std::size_t> json_router::endpoint_in(section& at, const std::string& call) const {
    const json* name = at.find("endpoint");
    return name == nullptr ? std::nullopt : std::optional(need_endpoint(at, call));
}

std::size_t json_router::need_endpoint(section& at, const std::string& call) const {
    const json& name = at.need("endpoint", "the name of an endpoint");
    const auto& places = router_.configured().places;
    std::string all;
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (name.is_string() && name.get_ref<const std::string&>() == places[i].name) return i;
        (all += i == 0 ? "" : ", ") += places[i].name;
    }
    const std::string why = "expected the name of an endpoint (" + all + "), got " + shown(name);
    if (!name.is_string()) at.fail("endpoint", why);
    throw unknown_endpoint(call + ": endpoint: " + why);
}

std::string json_router::score(std::string_view request) const {
    const std::string call = "qlroute_score";
    const json body = object_in(request, call);
    section at(body, call, "");
    const owned_messages messages = messages_in(at, call);
    at.finish();
    const std::vector<double> p = router_.score(messages.view());
    ordered_json out;
    for (std::size_t i = 0; i < p.size(); ++i)
        out["p_success"][std::string(router_.configured().places[i].name)] = p[i];
    return one_line(out);
}

routed_turn json_router::routed(std::string_view request, const std::string& call) {
    const json body = object_in(request, call);
    section at(body, call, "");
    asked one = turn_in(at, call);
    if (const auto most = tokens_in(at, "max_tokens")) one.turn.most_output = larger(*most, tokens(1));
    if (const auto length = tokens_in(at, "output_tokens")) one.turn.output = larger(*length, tokens(1));
    const auto given = endpoint_in(at, call);
    at.finish();
    identify(one);
    return router_.route(one.turn, given);
}

ordered_json json_router::row(const routed_turn& routed) const {
    const priced_endpoint& chosen = routed.chosen();
    ordered_json row = router_.row(routed);
    row["ttft_s"] = chosen.expected.ttft.value();
    row["end_to_end_s"] = chosen.expected.end_to_end.value();
    row["can_serve"] = chosen.decision.can_serve;
    return row;
}

std::string json_router::route(std::string_view request) { return one_line(row(routed(request, "qlroute_route"))); }

std::string json_router::explain(std::string_view request) {
    routed_turn each = routed(request, "qlroute_explain");
    ordered_json table = row(each);
    for (each.where = 0; each.where < each.endpoints.size(); ++each.where) {
        ordered_json one = row(each);
        one["prompt_tokens"] = each.chosen().expected.prompt.value();
        one["cached_tokens"] = each.chosen().expected.cached.value();
        one["output_tokens"] = each.chosen().expected.output.value();
        table["endpoints"].push_back(std::move(one));
    }
    return one_line(table);
}

void json_router::observe(std::string_view request) {
    const std::string call = "qlroute_observe";
    const json body = object_in(request, call);
    section at(body, call, "");
    asked one = turn_in(at, call);
    const std::size_t where = need_endpoint(at, call);
    observed_answer seen{.prompt_tokens = tokens_in(at, "prompt_tokens"),
                         .cached_tokens = tokens_in(at, "cached_tokens"),
                         .output_tokens = tokens_in(at, "output_tokens"),
                         .prefill = seconds_in(at, "prefill_s"),
                         .decode = seconds_in(at, "decode_s")};
    at.read("cut", seen.cut);
    if (seen.cached_tokens && seen.prompt_tokens && *seen.cached_tokens > *seen.prompt_tokens)
        at.fail("cached_tokens", "expected no more than prompt_tokens, which is all of the prompt; got " +
                                     shown(*at.find("cached_tokens")));
    at.finish();
    identify(one);
    router_.observe(one.turn, where, seen);
}

void json_router::answered(std::string_view request) {
    const std::string call = "qlroute_answered";
    const json body = object_in(request, call);
    section at(body, call, "");
    asked one = turn_in(at, call);
    const std::size_t where = need_endpoint(at, call);
    const json& said = at.need("reply", R"(a text, or a message such as {"content": "hello"} or {"tokens": 200})");
    owned_messages reply;
    if (said.is_string()) reply.add(role::assistant, said.get<std::string>());
    else named(call, [&] { add_message(reply, said, "reply", {}, role::assistant); });
    if (reply.view()[0].from != role::assistant)
        at.fail("reply", "expected a message of the assistant, got one of another role");
    at.finish();
    identify(one);
    router_.answered(one.turn, where, reply.view()[0], one.turn.now);
}

void json_router::link(std::string_view request) {
    const std::string call = "qlroute_link";
    const json body = object_in(request, call);
    section at(body, call, "");
    const std::lock_guard lock(guard_updates_);
    link_state link = router_.link_now();
    at.read("uplink_rate", link.uplink_rate);
    at.read("downlink_rate", link.downlink_rate);
    at.read("rtt", link.rtt);
    at.read("radio_idle", link.radio_idle);
    at.finish();
    router_.set_link(link);
}

void json_router::endpoint(std::string_view request) {
    const std::string call = "qlroute_endpoint";
    const json body = object_in(request, call);
    section at(body, call, "");
    const std::size_t where = need_endpoint(at, call);
    const std::lock_guard lock(guard_updates_);
    qlroute::endpoint place = router_.endpoint_now(where);
    bool caches_dropped = false;
    at.read("available", place.available);
    at.read("queue_delay", place.queue_delay);
    at.read("requests_running", place.requests_running, 0, most_requests);
    at.read("requests_waiting", place.requests_waiting, 0, most_requests);
    at.read("caches_dropped", caches_dropped);
    at.finish();
    router_.set_available(where, place.available);
    router_.set_queue(where, place.queue_delay, place.requests_running, place.requests_waiting);
    if (caches_dropped) router_.caches_dropped(where);
}

std::string json_router::describe() const {
    const settings& config = router_.configured();
    ordered_json out;
    for (std::size_t i = 0; i < config.places.size(); ++i) {
        const qlroute::endpoint place = router_.endpoint_now(i);
        out["endpoints"].push_back({{"endpoint", place.name},
                                    {"remote", place.remote},
                                    {"available", place.available},
                                    {"queue_delay_s", place.queue_delay.value()},
                                    {"requests_running", place.requests_running},
                                    {"requests_waiting", place.requests_waiting},
                                    {"tokenizer_ratio", place.tokenizer_ratio.value()},
                                    {"reply_ratio", place.reply_ratio.value()},
                                    {"reply_kept", place.reply_kept.value()}});
    }
    const link_state link = router_.link_now();
    out["link"] = {{"uplink_bit_s", link.uplink_rate.value()},
                   {"downlink_bit_s", link.downlink_rate.value()},
                   {"rtt_s", link.rtt.value()}};
    out["expected_output"] = config.expected_output.value();
    out["turn_interval_s"] = config.turn_interval.value();
    return one_line(out);
}
