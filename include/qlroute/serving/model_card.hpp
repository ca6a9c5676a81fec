// The shape of a language model, and what follows from it: the size of its weights and of its KV cache.
//
//   constexpr model_card mine{.name = "mine", .parameters = 1.54e9, .layers = 28, .kv_heads = 2, .head_width = 128};
//   bits_per_token kv = mine.kv_size();                       // 28 KiB a token in f16
#pragma once

#include <qlroute/core/literals.hpp>

#include <cstddef>
#include <string_view>

namespace qlroute {

/// How a value of a KV cache is kept. The names are llama.cpp's; its blocks are of 32 values.
enum class cache_type {
    f16,   ///< 16 bits
    q8_0,  ///< 34 bytes a block
    q4_0   ///< 18 bytes a block
};

/// How a weight is kept.
enum class weight_type {
    f16,    ///< 16 bits, BF16 too
    q8_0,   ///< 34 bytes a block of 32
    q4_0,   ///< 18 bytes a block of 32
    q4_k_m  ///< a mixture: 4.89 bits on average in Llama-3.1-8B, as commonly given, not re-read here; small models take
            ///< more
};

/// Bits of one value.
constexpr double bits_a_value(cache_type type) {
    switch (type) {
        case cache_type::q8_0:
            return 8 * 34 / 32.0;
        case cache_type::q4_0:
            return 8 * 18 / 32.0;
        case cache_type::f16:
            break;
    }
    return 16;
}
constexpr double bits_a_value(weight_type type) {
    switch (type) {
        case weight_type::q8_0:
            return 8 * 34 / 32.0;
        case weight_type::q4_0:
            return 8 * 18 / 32.0;
        case weight_type::q4_k_m:
            return 4.89;
        case weight_type::f16:
            break;
    }
    return 16;
}

/// A decoder with grouped-query attention, as its configuration file says. A plain value; what is not known is 0.
struct model_card {
    std::string_view name{};
    double parameters = 0;
    double non_embedding = 0;  ///< parameters that take part in computing every token
    std::size_t layers = 0;
    std::size_t width = 0;       ///< of the hidden state
    std::size_t heads = 0;       ///< of queries
    std::size_t kv_heads = 0;    ///< of keys and values
    std::size_t head_width = 0;  ///< of one head
    std::string_view source{};

    /// KV cache of one token.
    ///   2 layers kv_heads head_width bits_a_value(type)                      [bit/tok]
    constexpr bits_per_token kv_size(cache_type type = cache_type::f16) const {
        return bits_per_token(2 * static_cast<double>(layers * kv_heads * head_width) * bits_a_value(type));
    }

    /// All weights, were each kept in that way.
    ///   parameters bits_a_value(type)                                        [bit]
    constexpr bits weight_size(weight_type type = weight_type::f16) const {
        return bits(parameters * bits_a_value(type));
    }
};

}  // namespace qlroute
