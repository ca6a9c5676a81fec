// The configured router over many dialogues at once, for programs that serve: it keeps what every endpoint holds of
// each dialogue, and learns from what every answer says of itself.
#pragma once

#include "decision_row.hpp"
#include "recent.hpp"
#include "settings.hpp"

#include <qlroute/fit/online_engine.hpp>
#include <qlroute/fit/output_length.hpp>
#include <qlroute/serving/session_table.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// One request of one dialogue.
struct chat_turn {
    std::uint64_t chat = 0;                        // which dialogue
    std::span<const qlroute::message> messages{};  // all of it, the ones to be answered last
    std::optional<qlroute::tokens> most_output{};  // in the answering endpoint's tokens
    std::optional<qlroute::tokens> output{};       // where the answer's length is known; likewise
    qlroute::seconds now{};
};

/// What is said of a turn before it runs.
struct forecast {
    qlroute::seconds ttft{};
    qlroute::seconds end_to_end{};
    qlroute::seconds prefill{};            // of what is not cached: what the engine itself will report
    qlroute::seconds prefill_if_cached{};  // of this turn alone, where the whole history is
    qlroute::tokens prompt{};              // all of it, in the endpoint's tokens
    qlroute::tokens cached{};              // of it
    qlroute::tokens output{};
    std::vector<std::pair<std::string, qlroute::seconds>> breakdown;  // of the cost, weighted
};

/// One way to run a turn.
struct priced_endpoint {
    configured_decision decision;
    forecast expected;
};

/// Where a turn should run.
struct routed_turn {
    std::size_t where = 0;
    std::vector<priced_endpoint> endpoints;  // all of them, in their order
    qlroute::tokens dialogue_size{};         // as counted here

    const priced_endpoint& chosen() const { return endpoints[where]; }
    /// The cheapest one but `tried` that can serve the turn.
    std::optional<std::size_t> next_best(std::size_t tried) const;
};

/// What an answer said of itself, or what was seen of it from outside; only what is known. Counts are the endpoint's
/// own.
struct observed_answer {
    std::optional<qlroute::tokens> prompt_tokens{};  // cached ones included
    std::optional<qlroute::tokens> cached_tokens{};
    std::optional<qlroute::tokens> output_tokens{};
    bool cut = false;                           // by its limit: it would have been longer
    std::optional<qlroute::seconds> prefill{};  // of the engine alone, for prompt_tokens - cached_tokens
    std::optional<qlroute::seconds> decode{};   // for output_tokens - 1
    /// What the first token took beyond the forecast, where the forecast's reading is replaced by `prefill`.
    std::optional<qlroute::seconds> beyond_forecast{};
};

/// How fast an engine is believed to be: at a new prompt of 512 tokens, and at a token behind it.
struct engine_speed {
    qlroute::tokens_per_second prefill_rate{};
    qlroute::seconds_per_token tpot{};
};

/// Thread-safe: every call is one critical section of microseconds, and the predictor runs outside of it.
class chat_router {
public:
    /// `most_chats`: dialogues that are remembered; the one unused for longest makes room.
    explicit chat_router(settings config, std::size_t most_chats = 100'000);

    /// Decides, or prices a turn whose endpoint is given. Changes nothing but what the dialogue is remembered by.
    routed_turn route(const chat_turn& turn, std::optional<std::size_t> given = {});

    /// The turn was answered there: that endpoint now holds the dialogue. `turn` is what was routed.
    void answered(const chat_turn& turn, std::size_t where, const qlroute::message& reply, qlroute::seconds now);

    /// Learns the engine's times, its tokenizer, the length of its answers, and what it had cached. Before answered().
    void observe(const chat_turn& turn, std::size_t where, const observed_answer& seen);

    /// The server was restarted, or dropped its caches.
    void caches_dropped(std::size_t where);
    void set_available(std::size_t where, bool available);
    void set_queue(std::size_t where, qlroute::seconds delay, double running, double waiting);
    void set_link(const qlroute::link_state& link);

    /// What is believed now: a copy.
    qlroute::endpoint endpoint_now(std::size_t where) const;
    engine_speed speed_now(std::size_t where) const;
    qlroute::link_state link_now() const;
    /// P(good answer) of the last message at each endpoint.
    std::vector<double> score(std::span<const qlroute::message> messages) const;

    /// As configured; names, weights and rule never change.
    const settings& configured() const { return configured_; }
    /// The decision as `qlroute route --json` says it.
    nlohmann::ordered_json row(const routed_turn& routed) const;

private:
    struct learnt {
        std::optional<qlroute::online_engine> engine;  // where the configured one can be learnt
        qlroute::output_length lengths;
        qlroute::tokens own_tokens{};      // of first prompts, by the endpoint's count, with forgetting
        qlroute::tokens counted_tokens{};  // the same prompts as counted here
        qlroute::tokens replies{};         // that came back with the next turn, with forgetting
        qlroute::tokens replies_kept{};    // of them, what its cache still had
    };

    std::vector<qlroute::endpoint> places_for(const chat_turn& turn) const;
    qlroute::ratio tokenizer_ratio(std::uint64_t chat, std::size_t where) const;
    priced_endpoint priced(configured_decision decision, const qlroute::turn& question, qlroute::ratio per_token) const;

    settings configured_;
    mutable std::mutex guard_;
    settings now_;  // as learnt; its rule and objective view it
    std::vector<learnt> learnt_;
    qlroute::session_table chats_;
    /// What endpoints said of a dialogue's tokens. Code, other scripts and odd words take more of them than the mean.
    struct token_density {
        std::vector<qlroute::ratio> own;  // by endpoint, its tokens to those counted here; 0 where it has said nothing
        /// To those that the endpoint usually takes, of the first prompt. Not of later ones: what a model wrote itself
        /// is made of its own tokens, and says nothing of another's.
        qlroute::ratio first = 1;
    };
    recent<token_density> densities_;
};
