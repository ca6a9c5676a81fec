// What an answer says of itself: its text, what was read and written for it, and how it ended.
#pragma once

#include "configured/chat_request.hpp"
#include "configured/chat_router.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Counts and times of one answer; only what was said.
struct answer_figures {
    std::optional<double> prompt_tokens{};  // cached ones included
    std::optional<double> cached_tokens{};
    std::optional<double> output_tokens{};
    std::optional<double> prompt_ms{};  // of llama-server
    std::optional<double> predicted_ms{};
};

/// Reads `usage` and llama-server's `timings` of an answer or of a chunk of one. Numbers below 0 count as not said.
void read_figures(const nlohmann::json& answer, answer_figures& into);

/// What one event of a stream is.
struct chunk_kind {
    bool is_last = false;     // [DONE]
    bool is_error = false;    // says that something went wrong
    bool is_content = false;  // of the answer, such as a part of its text or of a call
    bool is_usage = false;    // nothing but usage
};

/// An answer, whole or chunk by chunk.
class answer_reader {
public:
    /// The data of one event.
    chunk_kind take_chunk(std::string_view data);
    /// A whole one. False where it is no answer: no JSON, no choices.
    bool take_whole(std::string_view body);

    const answer_figures& figures() const { return figures_; }
    /// "stop", "length", ... or empty.
    const std::string& finish_reason() const { return finish_reason_; }
    /// The reply as a later request will bring it back.
    owned_messages reply(qlroute::tokens framing) const;
    /// What an error said.
    const std::string& error() const { return error_; }

private:
    void take_delta(const nlohmann::json& delta);

    struct call {
        std::string name;
        std::string arguments;
    };

    answer_figures figures_;
    std::string finish_reason_;
    std::string content_;
    std::string refusal_;
    std::vector<call> calls_;
    nlohmann::json whole_;
    std::string error_;
};

/// The message of an error in an answer, at most 300 bytes of it, or empty.
std::string error_in(const nlohmann::json& answer);
