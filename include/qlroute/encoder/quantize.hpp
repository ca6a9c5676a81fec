// From float weights to the int8 file that bert_encoder reads.
//
//   const aligned_bytes file = quantize(*weights);            // write it to disk, or
//   auto encoder = bert_encoder::view(file.bytes());          // use it
#pragma once

#include <qlroute/core/aligned.hpp>
#include <qlroute/encoder/bert_weights.hpp>
#include <qlroute/io/safetensors_writer.hpp>
#include <qlroute/simd/panels.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qlroute {

/// A matrix of bytes with a scale for each row: real = scale[row] * value, |value| <= 127.
struct int8_matrix {
    std::vector<std::int8_t> values;  ///< [rows, columns]
    std::vector<float> scale;         ///< [rows]
};

/// scale[row] = (largest magnitude of the row) / 127; value = real / scale, rounded to even. A row of zeros has scale
/// 0.
inline int8_matrix quantize_rows(std::span<const float> matrix, std::size_t rows) {
    int8_matrix out{std::vector<std::int8_t>(matrix.size()), std::vector<float>(rows)};
    const std::size_t columns = rows == 0 ? 0 : matrix.size() / rows;
    for (std::size_t r = 0; r < rows; ++r) {
        const auto row = matrix.subspan(r * columns, columns);
        float largest = 0;
        for (const float x : row) largest = std::max(largest, std::abs(x));
        out.scale[r] = largest / 127;
        if (out.scale[r] == 0) continue;  // zeros, or so small that the scale is not a float
        for (std::size_t k = 0; k < columns; ++k) {
            const double value = std::nearbyint(static_cast<double>(row[k]) / static_cast<double>(out.scale[r]));
            out.values[r * columns + k] = static_cast<std::int8_t>(std::clamp(value, -127.0, 127.0));
        }
    }
    return out;
}

/// The typical size of each column: the root of its mean square, or 1 for a column of zeros.
inline std::vector<float> column_sizes(std::span<const float> matrix, std::size_t columns) {
    std::vector<double> squares(columns, 0.0);
    for (std::size_t k = 0; k < matrix.size(); ++k)
        squares[k % columns] += static_cast<double>(matrix[k]) * static_cast<double>(matrix[k]);
    std::vector<float> out(columns);
    const double rows = static_cast<double>(matrix.size() / columns);
    for (std::size_t k = 0; k < columns; ++k) {
        const auto size = static_cast<float>(std::sqrt(squares[k] / rows));
        out[k] = size > 0 ? size : 1.0f;
    }
    return out;
}

/// The int8 file of a model. Sizes must have passed check(bert_config), as those of every loaded bert_weights have.
/// Matrices get one scale per output. Embeddings get one per row and one per column: some of their columns are far
/// larger than the others, and would take all the bits. Norms, biases, pooler and classifier stay floats.
/// Layout: docs/encoder.md.
inline aligned_bytes quantize(const bert_weights& weights) {
    const bert_config& config = weights.config;
    const std::size_t hidden = config.hidden;
    safetensors_writer file;
    const auto number = [&](std::string_view key, std::size_t value) {
        file.metadata(std::string(key), std::to_string(value));
    };
    file.metadata("format", "qlroute.bert_encoder");
    file.metadata("version", "1");
    number("num_hidden_layers", config.layers);
    number("hidden_size", hidden);
    number("num_attention_heads", config.heads);
    number("intermediate_size", config.feed_forward);
    number("vocab_size", config.vocabulary);
    number("max_position_embeddings", config.positions);
    number("type_vocab_size", config.token_types);
    char epsilon[32];
    const auto end = std::to_chars(epsilon, epsilon + sizeof epsilon, config.layer_norm_epsilon).ptr;
    file.metadata("layer_norm_eps", std::string(epsilon, end));

    const auto floats = [&](const std::string& name, std::span<const float> values) {
        file.tensor<float>(name, {values.size()}, values);
    };
    const auto norm = [&](const std::string& name, const bert_weights::norm& one) {
        floats(name + ".gamma", one.gamma);
        floats(name + ".beta", one.beta);
    };
    const auto embedding = [&](const std::string& name, std::span<const float> table) {
        const std::vector<float> column = column_sizes(table, hidden);
        std::vector<float> even(table.begin(), table.end());
        for (std::size_t k = 0; k < even.size(); ++k) even[k] /= column[k % hidden];
        const auto rows = quantize_rows(even, table.size() / hidden);
        file.tensor<std::int8_t>(name, {rows.scale.size(), hidden}, rows.values);
        floats(name + ".scale", rows.scale);
        floats(name + ".column", column);
    };
    const auto linear = [&](const std::string& name, std::span<const float> weight, std::span<const float> bias) {
        const std::size_t out = bias.size();
        const std::size_t in = weight.size() / out;
        const auto rows = quantize_rows(weight, out);
        std::vector<std::int8_t> panels(rows.values.size());
        simd::pack_panels(rows.values.data(), out, in, panels.data());
        file.tensor<std::int8_t>(name + ".panels", {out / 16, in / 4, 16, 4}, panels);
        floats(name + ".scale", rows.scale);
        floats(name + ".bias", bias);
    };

    embedding("words", weights.word_embeddings);
    embedding("positions", weights.position_embeddings);
    file.tensor<float>("token_types", {config.token_types, hidden}, weights.token_type_embeddings);
    norm("embedding_norm", weights.embedding_norm);
    for (std::size_t i = 0; i < weights.layers.size(); ++i) {
        const auto& layer = weights.layers[i];
        const std::string name = "layer." + std::to_string(i) + '.';
        std::vector<float> weight, bias;
        for (const auto* part : {&layer.query, &layer.key, &layer.value}) {
            weight.insert(weight.end(), part->weight.begin(), part->weight.end());
            bias.insert(bias.end(), part->bias.begin(), part->bias.end());
        }
        linear(name + "qkv", weight, bias);
        linear(name + "attention_output", layer.attention_output.weight, layer.attention_output.bias);
        norm(name + "attention_norm", layer.attention_norm);
        linear(name + "feed_forward_in", layer.intermediate.weight, layer.intermediate.bias);
        linear(name + "feed_forward_out", layer.output.weight, layer.output.bias);
        norm(name + "output_norm", layer.output_norm);
    }
    const auto dense = [&](const std::string& name, const bert_weights::linear& one) {
        file.tensor<float>(name + ".weight", {one.out(), hidden}, one.weight);
        floats(name + ".bias", one.bias);
    };
    if (weights.pooler) dense("pooler", *weights.pooler);
    if (weights.classifier) dense("classifier", *weights.classifier);
    return file.image();
}

}  // namespace qlroute
