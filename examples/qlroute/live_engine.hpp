// A server that answers over HTTP, measured request by request.
#pragma once

#include <qlroute/qlroute.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// What one request took.
struct live_answer {
    std::vector<qlroute::engine_observation> seen;  // reading and writing apart where the server times them
    qlroute::seconds elapsed{};                     // from sending to having the answer
    qlroute::seconds outside{};                     // of these, in neither
    std::size_t bytes = 0;                          // sent
};

/// llama-server (POST /completion, with token ids) or any server of the OpenAI API (POST /v1/completions or
/// /v1/chat/completions). Prompts are words by chance, so that nothing of them is cached but what was sent before.
class live_engine {
public:
    /// Connects. Throws usage_error saying what to do where nobody answers or the answer is not understood.
    live_engine(const std::string& url, const std::string& model, qlroute::seconds patience);
    ~live_engine();
    live_engine(const live_engine&) = delete;
    live_engine& operator=(const live_engine&) = delete;

    const std::string& kind() const { return kind_; }    // "llama-server" or "OpenAI API"
    const std::string& model() const { return model_; }  // as the server calls it
    /// Tokens of prompt and answer together, or 0 where the server does not say.
    std::size_t context() const { return context_; }

    /// Sends the first `past` pieces of the history, then `fresh` new ones, and has `output` tokens written. A piece is
    /// a token, or for the OpenAI API a word. Nullopt where the server fails or runs out of time: the reason is in
    /// failure().
    std::optional<live_answer> ask(std::size_t past, std::size_t fresh, std::size_t output);
    const std::string& failure() const { return failure_; }

private:
    struct connection;

    std::optional<live_answer> ask_llama(std::size_t past, std::size_t fresh, std::size_t output);
    std::optional<live_answer> ask_openai(std::size_t past, std::size_t fresh, std::size_t output);
    void extend_history(std::size_t pieces);

    std::unique_ptr<connection> connection_;
    std::string kind_;
    std::string model_;
    std::size_t context_ = 0;
    std::string failure_;
    std::vector<int> vocabulary_;  // ids that may be sent
    std::vector<int> history_;
};
