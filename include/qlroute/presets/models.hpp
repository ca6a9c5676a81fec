// Published language models.
//
//   const model_card* qwen = presets::find_model("qwen2.5-1.5b");     // null if there is none of that name
//   if (qwen) place.kv_size = qwen->kv_size();
#pragma once

#include <qlroute/serving/model_card.hpp>

#include <array>
#include <string_view>

namespace qlroute::presets {

namespace detail {

inline constexpr std::string_view model_configuration = "the model's published configuration, not re-read here";

}  // namespace detail

/// Dense decoders with grouped-query attention.
inline constexpr std::array models{model_card{.name = "qwen2.5-0.5b",
                                              .parameters = 0.49e9,
                                              .non_embedding = 0.36e9,
                                              .layers = 24,
                                              .width = 896,
                                              .heads = 14,
                                              .kv_heads = 2,
                                              .head_width = 64,
                                              .source = detail::model_configuration},
                                   model_card{.name = "qwen2.5-1.5b",
                                              .parameters = 1.54e9,
                                              .non_embedding = 1.31e9,
                                              .layers = 28,
                                              .width = 1536,
                                              .heads = 12,
                                              .kv_heads = 2,
                                              .head_width = 128,
                                              .source = detail::model_configuration},
                                   model_card{.name = "qwen2.5-3b",
                                              .parameters = 3.09e9,
                                              .non_embedding = 2.77e9,
                                              .layers = 36,
                                              .width = 2048,
                                              .heads = 16,
                                              .kv_heads = 2,
                                              .head_width = 128,
                                              .source = detail::model_configuration},
                                   model_card{.name = "qwen2.5-7b",
                                              .parameters = 7.61e9,
                                              .non_embedding = 6.53e9,
                                              .layers = 28,
                                              .width = 3584,
                                              .heads = 28,
                                              .kv_heads = 4,
                                              .head_width = 128,
                                              .source = detail::model_configuration},
                                   model_card{.name = "qwen2.5-14b",
                                              .parameters = 14.7e9,
                                              .non_embedding = 13.1e9,
                                              .layers = 48,
                                              .width = 5120,
                                              .heads = 40,
                                              .kv_heads = 8,
                                              .head_width = 128,
                                              .source = detail::model_configuration},
                                   model_card{.name = "qwen2.5-32b",
                                              .parameters = 32.5e9,
                                              .non_embedding = 31.0e9,
                                              .layers = 64,
                                              .width = 5120,
                                              .heads = 40,
                                              .kv_heads = 8,
                                              .head_width = 128,
                                              .source = detail::model_configuration},
                                   model_card{.name = "qwen2.5-72b",
                                              .parameters = 72.7e9,
                                              .non_embedding = 70.0e9,
                                              .layers = 80,
                                              .width = 8192,
                                              .heads = 64,
                                              .kv_heads = 8,
                                              .head_width = 128,
                                              .source = detail::model_configuration},
                                   model_card{.name = "llama-3.2-1b",
                                              .parameters = 1.24e9,
                                              .non_embedding = 0.97e9,
                                              .layers = 16,
                                              .width = 2048,
                                              .heads = 32,
                                              .kv_heads = 8,
                                              .head_width = 64,
                                              .source = detail::model_configuration},
                                   model_card{.name = "llama-3.2-3b",
                                              .parameters = 3.21e9,
                                              .non_embedding = 2.82e9,
                                              .layers = 28,
                                              .width = 3072,
                                              .heads = 24,
                                              .kv_heads = 8,
                                              .head_width = 128,
                                              .source = detail::model_configuration},
                                   model_card{.name = "llama-3.1-8b",
                                              .parameters = 8.03e9,
                                              .non_embedding = 6.98e9,
                                              .layers = 32,
                                              .width = 4096,
                                              .heads = 32,
                                              .kv_heads = 8,
                                              .head_width = 128,
                                              .source = detail::model_configuration},
                                   model_card{.name = "llama-3.1-70b",
                                              .parameters = 70.6e9,
                                              .non_embedding = 68.5e9,
                                              .layers = 80,
                                              .width = 8192,
                                              .heads = 64,
                                              .kv_heads = 8,
                                              .head_width = 128,
                                              .source = detail::model_configuration}};

/// The model of that name, or null.
constexpr const model_card* find_model(std::string_view name) {
    for (const model_card& each : models)
        if (each.name == name) return &each;
    return nullptr;
}

}  // namespace qlroute::presets
