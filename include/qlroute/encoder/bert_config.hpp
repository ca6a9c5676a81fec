// The sizes of a BERT encoder.
//
//   const bert_config tiny{.layers = 2, .hidden = 128, .heads = 2, .feed_forward = 512};
//   if (auto why = check(tiny)) return complain(why->message);
#pragma once

#include <qlroute/core/result.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace qlroute {

/// The defaults are those of the smallest BERT that is in use, with two layers. Beside each member: its key in the
/// config.json of a model, by which messages call it.
struct bert_config {
    std::size_t layers = 2;             ///< num_hidden_layers
    std::size_t hidden = 128;           ///< hidden_size: H, the length of a token's vector
    std::size_t heads = 2;              ///< num_attention_heads: A
    std::size_t feed_forward = 512;     ///< intermediate_size: F
    std::size_t vocabulary = 30522;     ///< vocab_size: V
    std::size_t positions = 512;        ///< max_position_embeddings: P, the most tokens of one input
    std::size_t token_types = 2;        ///< type_vocab_size: Y
    float layer_norm_epsilon = 1e-12f;  ///< layer_norm_eps

    /// D = H / A. Precondition: heads > 0.
    constexpr std::size_t head_size() const noexcept { return hidden / heads; }

    friend constexpr bool operator==(const bert_config&, const bert_config&) = default;
};

/// Why no encoder of this library can have these sizes, or nothing.
/// Errors: `out_of_range` for a size of 0, one beyond its limit, and heads that do not divide the hidden size;
/// `unsupported` for sizes that are no multiple of what the kernels read at once. Each names the key and its value.
inline std::optional<error> check(const bert_config& config) {
    // With these limits every product of two sizes, in bytes, fits into 48 bits, and a sum of feed_forward products of
    // an unsigned and a signed byte into a signed number of 32.
    struct size {
        std::string_view key;
        std::size_t value;
        std::size_t limit;
        std::size_t multiple;
    };
    const size sizes[] = {
        {"num_hidden_layers", config.layers, 1024, 1},    {"hidden_size", config.hidden, 16'384, 64},
        {"num_attention_heads", config.heads, 1024, 1},   {"intermediate_size", config.feed_forward, 65'536, 64},
        {"vocab_size", config.vocabulary, 4'194'304, 1},  {"max_position_embeddings", config.positions, 32'768, 1},
        {"type_vocab_size", config.token_types, 1024, 1},
    };
    for (const auto& [key, value, limit, multiple] : sizes) {
        const std::string is = std::string(key) + " is " + std::to_string(value) + "; ";
        if (value == 0 || value > limit)
            return error{errc::out_of_range, is + "expected a whole number from 1 to " + std::to_string(limit)};
        if (value % multiple != 0)
            return error{errc::unsupported, is + "this build needs a multiple of " + std::to_string(multiple)};
    }
    const std::string per_head =
        "hidden_size / num_attention_heads is " + std::to_string(config.hidden) + " / " + std::to_string(config.heads);
    if (config.hidden % config.heads != 0)
        return error{errc::out_of_range, per_head + "; expected a hidden_size that is a multiple of the heads"};
    if (config.head_size() % 16 != 0)
        return error{errc::unsupported,
                     per_head + " = " + std::to_string(config.head_size()) + "; this build needs a multiple of 16"};
    // Not a number fails the comparisons as well.
    if (!(config.layer_norm_epsilon > 0 && config.layer_norm_epsilon <= 1))
        return error{errc::out_of_range, "layer_norm_eps is " + std::to_string(config.layer_norm_epsilon) +
                                             "; expected a number above 0, at most 1"};
    return std::nullopt;
}

}  // namespace qlroute
