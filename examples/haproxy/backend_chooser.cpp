#include "backend_chooser.hpp"

#include <configured/chat_request.hpp>

#include <qlroute/adapt/json_text.hpp>

#include <algorithm>
#include <exception>
#include <utility>

using namespace qlroute;

namespace {

constexpr std::string_view backend_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";

settings with_backend_names(settings config, const std::string& path) {
    for (const std::string& name : config.names)
        if (name.find_first_not_of(backend_letters) != std::string::npos)
            throw usage_error(path +
                              ": endpoints: expected names of HAProxy backends (letters, digits, - _ . :), got " +
                              shown(name));
    return config;
}

chosen_backend none(outcome what, std::string why) { return {.what = what, .why = std::move(why)}; }

}  // namespace

std::string_view to_text(outcome what) {
    switch (what) {
        case outcome::chosen:
            return "chosen";
        case outcome::other_path:
            return "other_path";
        case outcome::truncated:
            return "truncated";
        case outcome::not_json:
            return "not_json";
        case outcome::not_chat:
            return "not_chat";
        case outcome::failed:
            return "failed";
    }
    return "failed";
}

backend_chooser::backend_chooser(settings config, const std::string& path, std::size_t most_dialogues)
    : router_(with_backend_names(std::move(config), path), most_dialogues),
      keys_(most_dialogues),
      decided_(most_dialogues) {}

chosen_backend backend_chooser::choose(const forwarded_request& request, seconds now) noexcept {
    chosen_backend out;
    try {
        out = chosen_for(request, now);
    } catch (const std::exception& why) {
        out = none(outcome::failed, why.what());
    }
    counts_[static_cast<std::size_t>(out.what)].fetch_add(1, std::memory_order_relaxed);
    return out;
}

chosen_backend backend_chooser::chosen_for(const forwarded_request& request, seconds now) {
    if (request.method && *request.method != "POST") return none(outcome::other_path, "not a POST");
    if (request.path && !request.path->ends_with("/chat/completions"))
        return none(outcome::other_path, "expected .../chat/completions");
    if (request.body_size && *request.body_size > request.body.size())
        return none(outcome::truncated, std::to_string(request.body.size()) + " of " +
                                            std::to_string(*request.body_size) + " bytes; see tune.bufsize");
    if (request.content_type && request.content_type->find("json") == std::string_view::npos)
        return none(outcome::not_json, "the content type is not JSON");
    const auto body = parse_json(request.body);
    if (!body) return none(outcome::not_json, body.error().message);
    chat_request chat;
    try {
        chat = chat_request_from(*body, usual_framing);
    } catch (const bad_request& why) {
        return none(outcome::not_chat, why.what());
    }

    const auto messages = chat.messages.view();
    const std::string apart = std::string(request.session) + '\n' + chat.user;
    chat_turn turn{.messages = messages, .most_output = chat.most_output, .now = now};
    std::optional<decided_turns::answered_turn> before;
    {
        const std::lock_guard lock(guard_);
        turn.chat = keys_.key_of(messages, apart);
        before = decided_.take_answered(messages, apart);
    }
    if (before) {
        const chat_turn answered{
            .chat = turn.chat, .messages = messages.first(before->messages), .now = before->decision.when};
        router_.answered(answered, before->decision.where, messages[before->messages], before->decision.when);
    }
    chosen_backend out{.what = outcome::chosen, .routed = router_.route(turn)};
    out.where = out.routed.where;
    const std::lock_guard lock(guard_);
    out.turn = decided_.remember(messages, apart, {out.where, now});
    return out;
}

void backend_chooser::served(std::uint64_t turn, std::string_view backend, std::uint64_t http_status) noexcept {
    std::size_t where = 0;
    while (where < backends() && name_of(where) != backend) ++where;
    const bool answered = http_status >= 200 && http_status < 300 && where < backends();
    const std::lock_guard lock(guard_);
    if (answered) decided_.correct(turn, where);
    else decided_.forget(turn);
}
