// Where a turn may run: a model on a machine.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/result.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace qlroute {

using seconds_per_bit = quantity<dim::time - dim::data>;

/// What a model can do, against the difficulty vector of a prompt, theta [size]: the logit of P(good answer) is
/// weights . theta + bias. One of the models that a predictor knows, or fitted by fit_ability(). Empty: not known.
struct ability_vector {
    static constexpr std::size_t most = 16;

    std::array<float, most> weights{};
    float bias = 0;
    std::size_t size = 0;

    constexpr bool empty() const noexcept { return size == 0; }
};

/// A model on a machine, as the router knows it. Fill in what you know by name:
///
///   endpoint edge{.name = "edge", .remote = true, .ability = 2, .prefill_rate = 4000_tok_s,
///                 .tpot = 14_ms / 1_tok};
///
/// `name` is a view: its characters must outlive the endpoint.
struct endpoint {
    std::string_view name;
    bool remote = false;    ///< behind the link; otherwise on the device itself
    bool available = true;  ///< false while it is known to be down

    double ability = 0;          ///< what the model can do, on the scale of the difficulty predictor
    ability_vector abilities{};  ///< the same, in full, where it is known: for response_difficulty
    double usual_success = 0.5;  ///< share of prompts that it answers well, for constant_difficulty

    tokens_per_second prefill_rate{};  ///< prompt tokens read a second; > 0
    seconds_per_token tpot{};          ///< time per output token; > 0
    seconds queue_delay{};             ///< wait before it starts, as last reported
    double requests_running = 0;       ///< that share it, by its own counters
    double requests_waiting = 0;       ///< in its queue, by its own counters
    tokens context_window{};           ///< longest context with the answer; 0 = no limit

    bits_per_token kv_size{};                                      ///< KV cache of one token
    tokens kv_capacity{};                                          ///< that its cache holds; 0 = no limit
    seconds kv_lifetime{std::numeric_limits<double>::infinity()};  ///< unused caches are dropped after this
    bits_per_second kv_rate{};   ///< at which a cache can be moved to it; 0 = it cannot
    tokens kv_rollback = 1_tok;  ///< a cache is cut back to a multiple of this; 0 = any cut loses it all
    ratio reply_kept = 1;        ///< share of the last reply that is found in the cache; 0: all is tokenized again

    ratio tokenizer_ratio = 1;                ///< its tokens to those that the dialogue is counted in
    ratio reply_ratio = 1;                    ///< length of its answers to that which is expected of a turn
    seconds request_time{};                   ///< of its server for a request, outside of reading and writing
    seconds_per_bit request_time_per_size{};  ///< and for what is sent: its tokenizer and parser

    // For remote endpoints only.
    seconds extra_rtt{};                        ///< beyond the link's own, from the base station to the server
    bits request_overhead = 600_B;              ///< headers of a request, about 0.5-0.8 kB
    bits_per_token token_size = 297_B / 1_tok;  ///< of a streamed token: an OpenAI-style SSE chunk on the wire
    bool resends_history = false;               ///< stateless protocol: the whole dialogue goes up each turn
};

/// What is wrong with an endpoint, if anything: to be asked once, when it is made.
inline std::optional<error> fault_in(const endpoint& e) {
    const auto complaint = [&](std::string_view member, std::string_view expected, double got) {
        return error{errc::out_of_range, "endpoint \"" + std::string(e.name) + "\": " + std::string(member) +
                                             " must be " + std::string(expected) + ", got " + std::to_string(got)};
    };
    struct requirement {
        std::string_view member;
        double value;
        bool zero_allowed;
        bool infinity_allowed;
    };
    const requirement all[] = {
        {"prefill_rate", e.prefill_rate.value(), false, false},
        {"tpot", e.tpot.value(), false, false},
        {"queue_delay", e.queue_delay.value(), true, false},
        {"requests_running", e.requests_running, true, false},
        {"requests_waiting", e.requests_waiting, true, false},
        {"context_window", e.context_window.value(), true, false},
        {"kv_size", e.kv_size.value(), true, false},
        {"kv_capacity", e.kv_capacity.value(), true, false},
        {"kv_lifetime", e.kv_lifetime.value(), false, true},
        {"kv_rate", e.kv_rate.value(), true, false},
        {"kv_rollback", e.kv_rollback.value(), true, false},
        {"tokenizer_ratio", e.tokenizer_ratio.value(), false, false},
        {"reply_ratio", e.reply_ratio.value(), false, false},
        {"request_time", e.request_time.value(), true, false},
        {"request_time_per_size", e.request_time_per_size.value(), true, false},
        {"extra_rtt", e.extra_rtt.value(), true, false},
        {"request_overhead", e.request_overhead.value(), true, false},
        {"token_size", e.token_size.value(), true, false},
    };
    if (e.name.empty()) return error{errc::out_of_range, "an endpoint needs a name"};
    for (const auto& [member, value, zero_allowed, infinity_allowed] : all) {
        const bool in_range = zero_allowed ? value >= 0 : value > 0;
        if (!in_range) return complaint(member, zero_allowed ? "0 or more" : "more than 0", value);
        if (!infinity_allowed && std::isinf(value)) return complaint(member, "finite", value);
    }
    if (e.kv_rate > bits_per_second(0) && e.kv_size == bits_per_token(0))
        return complaint("kv_size", "more than 0 where kv_rate is", 0);
    if (!std::isfinite(e.ability)) return complaint("ability", "finite", e.ability);
    if (e.abilities.size > ability_vector::most)
        return complaint("abilities.size", "at most 16", static_cast<double>(e.abilities.size));
    for (std::size_t k = 0; k < e.abilities.size; ++k)
        if (!std::isfinite(e.abilities.weights[k])) return complaint("abilities", "finite", e.abilities.weights[k]);
    if (!std::isfinite(e.abilities.bias)) return complaint("abilities.bias", "finite", e.abilities.bias);
    if (!(e.reply_kept >= ratio(0) && e.reply_kept <= ratio(1)))
        return complaint("reply_kept", "between 0 and 1", e.reply_kept.value());
    if (!(e.usual_success >= 0 && e.usual_success <= 1))
        return complaint("usual_success", "between 0 and 1", e.usual_success);
    return std::nullopt;
}

/// What is wrong with a set of endpoints: none, or two of one name, or a fault in one.
inline std::optional<error> fault_in(std::span<const endpoint> places) {
    if (places.empty()) return error{errc::out_of_range, "there must be at least one endpoint"};
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (auto fault = fault_in(places[i])) return fault;
        for (std::size_t j = 0; j < i; ++j)
            if (places[i].name == places[j].name)
                return error{errc::out_of_range, "two endpoints are named \"" + std::string(places[i].name) + "\""};
    }
    return std::nullopt;
}

}  // namespace qlroute
