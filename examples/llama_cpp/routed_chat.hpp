// A chat in which every turn goes to one of two models in this process.
#pragma once

#include "llama_engine.hpp"

#include <qlroute/eval/outcome_rows.hpp>
#include <qlroute/qlroute.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A turn's index of these: 0 is the device, 1 the edge.
inline constexpr std::array<std::string_view, 2> endpoint_names{"device", "edge"};

/// What both models share.
struct chat_settings {
    std::array<qlroute::ability_vector, 2> abilities{};
    qlroute::seconds quality_price{6};
    qlroute::seconds hysteresis{0.15};
    std::size_t most_written = 64;              ///< tokens of a reply
    std::optional<qlroute::link_state> link{};  ///< assumed between device and edge; its seconds are slept
};

/// Seconds that a turn was predicted to take, or took.
struct turn_times {
    qlroute::seconds ttft{};
    qlroute::seconds decode{};
    qlroute::seconds total{};
};

/// One answered turn.
struct turn_report {
    std::size_t where = 0;
    bool switched = false;
    std::array<std::size_t, 2> prompt_tokens{};  ///< by each model's own count
    reply answer;
    qlroute::seconds cost{};                                       ///< as the rule compared it
    std::vector<qlroute::cost::line<qlroute::seconds>> breakdown;  ///< of it
    double p_success = 0;
    qlroute::tokens to_evaluate{};  ///< that the decision counted with
    qlroute::seconds deciding{};    ///< both tokenizers, the predictor and the rule
    turn_times predicted;           ///< by what was believed before the turn, for as many tokens as were written
    turn_times measured;
    std::size_t positions = 0;  ///< in the KV cache afterwards, by the engine
    std::size_t mirrored = 0;   ///< the same, by the mirror
    std::size_t evaluated = 0;  ///< prompt and answer, by the engine
};

/// Two loaded models, what is believed of their speed, and one dialogue. Not thread-safe.
class routed_chat {
public:
    using show_text = std::function<void(std::size_t where, std::string_view text)>;

    routed_chat(std::array<llama_engine*, 2> models, const std::array<qlroute::cost::batched, 2>& believed,
                const chat_settings& settings);
    routed_chat(const routed_chat&) = delete;  // the router looks at the engines in here
    routed_chat& operator=(const routed_chat&) = delete;

    /// A new dialogue. What the caches hold stays there, in case it is of use.
    void begin();

    /// Decides, runs the model, learns from its times. `forced`: this endpoint, whatever it costs. Throws turn_failed,
    /// after which the dialogue is as it was, and interrupted.
    turn_report answer(const qlroute::eval::user_turn& said, std::optional<std::size_t> forced, const show_text& show);

    /// What is believed of an endpoint's speed now.
    const qlroute::online_engine& engine(std::size_t where) const { return engines_[where]; }

private:
    struct spoken {
        qlroute::role from;
        std::string text;
        qlroute::tokens size;
    };

    turn_report run(std::vector<spoken>& after, std::optional<std::size_t> forced, const show_text& show);

    std::array<llama_engine*, 2> models_;
    std::array<qlroute::online_engine, 2> engines_;
    chat_settings settings_;
    std::array<qlroute::endpoint, 2> places_;
    std::vector<spoken> said_;
    qlroute::session chat_{2};
};
