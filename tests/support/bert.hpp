// Float weights of a BERT encoder of any size, at random.
#pragma once

#include <qlroute/encoder/bert_weights.hpp>

#include <cstddef>
#include <random>
#include <vector>

namespace qlroute::testing {

/// Spread so that attention is not flat and the GELU sees both of its sides. `loudness` multiplies all matrices.
inline bert_weights random_bert(const bert_config& config, std::size_t classes = 0, float loudness = 1) {
    std::mt19937 random(7);
    const auto draw = [&](std::size_t count, float mean, float spread) {
        std::normal_distribution<float> normal(mean, spread);
        std::vector<float> out(count);
        for (float& x : out) x = normal(random);
        return out;
    };
    const std::size_t hidden = config.hidden;
    const auto linear = [&](std::size_t out, std::size_t in, float gain) {
        const float spread = loudness * gain / std::sqrt(static_cast<float>(in));
        return bert_weights::linear{draw(out * in, 0, spread), draw(out, 0, 0.1f)};
    };
    const auto norm = [&] { return bert_weights::norm{draw(hidden, 1, 0.1f), draw(hidden, 0, 0.1f)}; };
    bert_weights out;
    out.config = config;
    out.word_embeddings = draw(config.vocabulary * hidden, 0, 0.05f);
    out.position_embeddings = draw(config.positions * hidden, 0, 0.02f);
    out.token_type_embeddings = draw(config.token_types * hidden, 0, 0.02f);
    out.embedding_norm = norm();
    for (std::size_t i = 0; i < config.layers; ++i)
        out.layers.push_back({.query = linear(hidden, hidden, 1.5f),
                              .key = linear(hidden, hidden, 1.5f),
                              .value = linear(hidden, hidden, 1),
                              .attention_output = linear(hidden, hidden, 1),
                              .attention_norm = norm(),
                              .intermediate = linear(config.feed_forward, hidden, 1),
                              .output = linear(hidden, config.feed_forward, 1),
                              .output_norm = norm()});
    if (classes > 0) {
        out.pooler = linear(hidden, hidden, 1);
        out.classifier = linear(classes, hidden, 1);
    }
    return out;
}

}  // namespace qlroute::testing
