// A model that llama.cpp runs in this process, and what its KV cache holds.
#pragma once

#include <qlroute/qlroute.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct llama_context;
struct llama_model;
struct llama_sampler;
struct llama_vocab;

/// A turn that cannot be answered; the next one may.
struct turn_failed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The user wants to stop.
struct interrupted {};

/// How a model is run.
struct llama_settings {
    std::uint32_t context = 4096;  ///< tokens of prompt and answer together
    std::uint32_t batch = 512;     ///< most tokens that are read at once
    std::int32_t threads = 1;
    double temperature = 0;  ///< 0: always the likeliest token
    std::uint32_t seed = 1;
    std::string fallback_template = "chatml";  ///< for a model without a template that llama.cpp knows
};

/// Loads the backends of llama.cpp: those in `folder` or, where that is empty, those beside libllama. To be called
/// once, first. Throws usage_error if there is none.
void load_backends(const std::string& folder);

/// The chat templates that llama.cpp knows by name.
std::vector<std::string> known_templates();

/// A dialogue as one model reads it.
struct prompt {
    std::string text;
    std::vector<std::int32_t> ids;
};

/// What a model made of a prompt.
struct reply {
    enum class stop { end, length, context };

    std::string text;
    qlroute::token_mirror::expectation found;  ///< of the prompt: what was held, what had to be read
    std::size_t sampled = 0;                   ///< tokens, with the one that ended it
    stop why = stop::end;
    qlroute::seconds reading{};  ///< until the first token was sampled
    qlroute::seconds writing{};  ///< of the others, without what was done with their text
};

/// A model, its context, and the ids of the tokens in its KV cache (sequence 0). One dialogue at a time: the longest
/// common prefix of what is held and what is asked stays, whichever dialogue it came from. Not thread-safe.
class llama_engine {
public:
    /// `option` begins the message of what is thrown: usage_error where the file is no model that can chat.
    llama_engine(std::string option, const std::string& path, const llama_settings& settings);

    /// The dialogue in the model's own template and tokens. Replies that it wrote itself keep the ids that it wrote;
    /// all else is tokenized from its text. Throws turn_failed.
    prompt prompt_of(std::span<const qlroute::message> dialogue) const;

    /// Tokens of a text by itself. Throws turn_failed.
    std::size_t count(std::string_view text) const { return tokenized(text, false).size(); }

    /// What answering this prompt would find in the cache. Nothing, if the cache does not hold as many positions as it
    /// should.
    qlroute::token_mirror::expectation expect(const prompt& asked) const;

    /// Cuts the cache back to the common prefix, reads the rest, and writes at most `most` tokens. `show` gets the text
    /// as it comes. Throws turn_failed and interrupted; the cache is then empty.
    reply answer(const prompt& asked, std::size_t most, const std::function<void(std::string_view)>& show);

    /// Reads ids behind the first `keep` positions, and writes `output` tokens behind them: for measuring. Appends what
    /// was seen.
    void measure(std::size_t keep, std::span<const std::int32_t> ids, std::size_t output,
                 std::vector<qlroute::engine_observation>& seen);

    /// Empties the cache.
    void clear();

    /// Positions in the cache, as llama.cpp counts them.
    std::size_t positions() const;
    /// Tokens that should be there.
    std::size_t mirrored() const { return mirror_.size(); }
    /// Tokens evaluated since the last answer() began, as llama.cpp counts them.
    std::size_t evaluated() const;

    const std::string& name() const { return name_; }  ///< as the model calls itself
    const std::string& note() const { return note_; }  ///< what the user should know, or empty
    std::size_t context() const { return context_size_; }
    std::size_t batch() const { return batch_size_; }
    qlroute::tokens rollback() const { return qlroute::tokens(cuts_anywhere_ ? 1 : 0); }
    /// Ordinary tokens: no controls, none that is unused.
    std::vector<std::int32_t> ordinary_tokens() const;

private:
    struct free_model {
        void operator()(llama_model* it) const;
    };
    struct free_context {
        void operator()(llama_context* it) const;
    };
    struct free_sampler {
        void operator()(llama_sampler* it) const;
    };

    std::string rendered(std::span<const qlroute::message> dialogue) const;
    std::vector<std::int32_t> tokenized(std::string_view text, bool is_beginning) const;
    std::string piece(std::int32_t id) const;
    bool keep(std::size_t positions);
    void read(std::span<const std::int32_t> ids);
    [[noreturn]] void fail(int status);

    std::string option_;
    std::unique_ptr<llama_model, free_model> model_;
    std::unique_ptr<llama_context, free_context> context_;
    std::unique_ptr<llama_sampler, free_sampler> sampler_;
    const llama_vocab* vocab_ = nullptr;
    std::string name_;
    std::string note_;
    std::string template_;
    std::size_t context_size_ = 0;
    std::size_t batch_size_ = 0;
    bool cuts_anywhere_ = true;
    qlroute::token_mirror mirror_;
    prompt known_;  // the last prompt with its reply, as text and as ids
};

/// True from the first Ctrl-C on; a second one ends the program at once.
bool is_interrupted();
void watch_for_interrupts();
