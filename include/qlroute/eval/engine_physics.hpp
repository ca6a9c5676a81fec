// How long an engine really takes, for simulations: not what a router believes of it.
//
//   const engine_physics phone = engine_physics::of(card, 44_tok_s, 1 / 19.8_tok_s);   // from two published figures
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/serving/model_card.hpp>

#include <cmath>
#include <cstddef>

namespace qlroute::eval {

/// An engine that reads in batches and writes token by token, with attention.
///
///   reading n tokens after c:  start + read n + attention n (c + n / 2)
///   a step of decoding for requests whose contexts sum to S:  step + beside (requests - 1) + context S     [s]
///
/// What of it a router knows is its own affair: it may hold two rates, a fitted profile, or a wrong one.
struct engine_physics {
    seconds start{};                                         ///< of a prompt: scheduling, tokenizing, kernels
    seconds_per_token read{};                                ///< weights
    quantity<dim::time_per_token - dim::token> attention{};  ///< for each pair of a new token and one before it
    seconds_per_token step{};                                ///< reading all weights once
    seconds_per_token beside{};                              ///< a step's computation for each further request
    quantity<dim::time_per_token - dim::token> context{};    ///< reading one token of KV cache

    seconds prefill_time(tokens cached, tokens count) const noexcept {
        return start + read * count + attention * count * (cached + 0.5 * count);
    }

    /// `steps` steps of `requests` requests, whose contexts sum to `contexts` before the first of them; each step adds
    /// a token to each of them.
    seconds decode_time(double requests, tokens contexts, tokens steps) const noexcept {
        const double k = steps.value();
        return steps * (step + (requests - 1) * beside) + context * contexts * steps +
               context * tokens(1) * tokens(requests * k * (k - 1) / 2);
    }

    /// From a model's shape and its published speeds: `prefill_rate` with prompts of `measured` tokens, and `tpot` with
    /// contexts of about the same length. Attention costs what its operations are to those of the weights,
    ///   4 layers heads head_width / (2 non_embedding)  of reading a token, for each token before it
    /// times `attention_slowdown`, since its kernels are slower than those of the weights; a token of KV cache is read
    /// at the bandwidth that the weights are read at, weight_size / tpot.
    static engine_physics of(const model_card& card, tokens_per_second prefill_rate, seconds_per_token tpot,
                             bits weight_size, tokens measured = 128_tok, double attention_slowdown = 2) {
        const double pair = attention_slowdown * 4 * static_cast<double>(card.layers * card.heads * card.head_width) /
                            (2 * card.non_embedding);
        engine_physics e;
        // read n + attention n^2 / 2 = n / prefill_rate at n = measured
        e.read = 1 / (prefill_rate * (1 + pair * measured.value() / 2));
        e.attention = pair / tokens(1) * e.read;
        const double held = (card.kv_size() * measured / weight_size).value();
        e.step = tpot / (1 + held);
        e.context = e.step * (card.kv_size() * tokens(1) / weight_size) / tokens(1);
        return e;
    }
};

}  // namespace qlroute::eval
