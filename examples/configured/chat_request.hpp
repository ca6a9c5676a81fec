// A request of the OpenAI API, as far as routing needs it.
#pragma once

#include <qlroute/text/message.hpp>

#include <nlohmann/json_fwd.hpp>

#include <deque>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

/// What is wrong with a request; the message names the key.
struct bad_request : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Messages whose text is their own.
class owned_messages {
public:
    void add(qlroute::role from, std::string text, qlroute::tokens size = {});
    std::span<const qlroute::message> view() const { return views_; }

private:
    std::deque<std::string> texts_;  // does not move what is in it
    std::vector<qlroute::message> views_;
};

/// What of POST /v1/chat/completions matters for a decision.
struct chat_request {
    owned_messages messages{};
    std::string model{};
    std::string user{};                            // or empty
    std::optional<qlroute::tokens> most_output{};  // max_completion_tokens or max_tokens
    bool stream = false;
    bool include_usage = false;  // stream_options
};

/// What a chat template puts around a message, in tokens: role, delimiters, line breaks. Four in ChatML.
inline constexpr qlroute::tokens usual_framing{4};

/// Adds one {"role", "content"} object, content a text, null or a list of parts. A message's text is all that the model
/// will read of it: its parts, its tool calls' names and arguments, its refusal. Parts that are no text (images, audio)
/// count as nothing. "tokens", which is ours, is its size by the model's own tokenizer, and all that is known of it
/// where it has no text; without it the size is estimated. `framing` is added to the size. `usual`: where it has no
/// role. Throws bad_request that begins with `where`.
void add_message(owned_messages& to, const nlohmann::json& one, const std::string& where, qlroute::tokens framing = {},
                 std::optional<qlroute::role> usual = {});

/// `messages` alone, as a list of what add_message() takes. Throws bad_request.
owned_messages messages_from(const nlohmann::json& list, qlroute::tokens framing = {});

/// The whole request. Throws bad_request.
chat_request chat_request_from(const nlohmann::json& body, qlroute::tokens framing = {});
