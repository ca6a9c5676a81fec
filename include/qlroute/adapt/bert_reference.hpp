// BERT as its formulas say it, in floats: the definition that faster encoders are measured against.
//
//   const bert_reference model(*std::move(weights));
//   const std::vector<float> logits = model.logits(ids);
//
// Needs Eigen 3. It is written to be read, not to be fast.
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/encoder/bert_config.hpp>
#include <qlroute/encoder/bert_weights.hpp>

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace qlroute {

namespace detail::bert {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using row = Eigen::Matrix<float, 1, Eigen::Dynamic>;

inline Eigen::Map<const row> row_of(const std::vector<float>& values) {
    return {values.data(), static_cast<Eigen::Index>(values.size())};
}

/// Row i of a matrix whose rows have `width` elements.
inline Eigen::Map<const row> row_of(const std::vector<float>& values, std::size_t i, std::size_t width) {
    return {values.data() + i * width, static_cast<Eigen::Index>(width)};
}

inline std::vector<float> values_of(const matrix& x) { return {x.data(), x.data() + x.size()}; }

/// x W^T + b for every row x: [T, in] -> [T, out]
inline matrix affine(const matrix& x, const bert_weights::linear& layer) {
    const auto out = static_cast<Eigen::Index>(layer.out());
    const Eigen::Map<const matrix> weight(layer.weight.data(), out, x.cols());  // [out, in]
    return (x * weight.transpose()).rowwise() + row_of(layer.bias);             // [T, out]
}

/// gamma * (x - mean) / sqrt(variance + epsilon) + beta for every row x, variance being the mean square: [T, H]
inline matrix normalised(const matrix& x, const bert_weights::norm& layer, float epsilon) {
    const matrix centred = x.colwise() - x.rowwise().mean();                      // [T, H]
    const Eigen::VectorXf variance = centred.array().square().rowwise().mean();   // [T]
    const Eigen::VectorXf scale = (variance.array() + epsilon).sqrt().inverse();  // [T]
    const matrix unit = centred.array().colwise() * scale.array();                // [T, H]
    const matrix scaled = unit.array().rowwise() * row_of(layer.gamma).array();   // [T, H]
    return scaled.rowwise() + row_of(layer.beta);                                 // [T, H]
}

/// exp(x) / sum of exp(x) of every row x; its largest element is taken off first, so that no exponential overflows.
inline matrix softmax(const matrix& x) {
    const matrix shifted = x.colwise() - x.rowwise().maxCoeff();  // [T, T]
    const matrix power = shifted.array().exp();                   // [T, T]
    const Eigen::VectorXf total = power.rowwise().sum();          // [T]
    return (power.array().colwise() / total.array()).matrix();    // [T, T]
}

/// x times the normal distribution function of x, (1 + erf(x / sqrt 2)) / 2, written with erfc, which keeps its digits
/// where 1 + erf cancels.
inline matrix gelu(const matrix& x) {
    constexpr float sqrt_half = 0.70710678118654752440f;
    return x.unaryExpr([](float e) { return 0.5f * e * std::erfc(-e * sqrt_half); });
}

}  // namespace detail::bert

/// The encoder with its pooler and classifier. T tokens, H hidden, A heads, D = H / A, F feed-forward, C classes.
/// Every token attends to every token: no padding, no mask.
/// Precondition of all calls: from 1 to config.positions ids, each from 0 to below config.vocabulary; as many types,
/// each from 0 to below config.token_types, or none, which are zeros.
/// Copies share the weights; thread-safe.
class bert_reference {
public:
    using ids = std::span<const std::int32_t>;

    struct layer_taps {
        std::vector<float> query, key, value;  ///< [T, H]
        std::vector<float> probabilities;      ///< [A, T, T]: of each head, how much a row's token attends to each
        std::vector<float> context;            ///< [T, H]: values, weighted by them
        std::vector<float> attention_output;   ///< [T, H]: projected, added to the layer's input, normalised
        std::vector<float> intermediate;       ///< [T, F]: after the GELU
        std::vector<float> output;             ///< [T, H]
    };

    /// Every array on the way.
    struct taps {
        std::vector<float> embedding;  ///< [T, H], normalised
        std::vector<layer_taps> layers;
    };

    explicit bert_reference(bert_weights weights)
        : weights_(std::make_shared<const bert_weights>(std::move(weights))) {}

    const bert_weights& weights() const noexcept { return *weights_; }

    taps run(ids input, ids types = {}) const {
        taps seen;
        forward(input, types, &seen);
        return seen;
    }

    /// The output of the last layer: [T, H]
    std::vector<float> hidden_states(ids input, ids types = {}) const {
        return detail::bert::values_of(forward(input, types, nullptr));
    }

    /// tanh(pooler of the first token): [H]. Precondition: weights().pooler.
    std::vector<float> pooled(ids input, ids types = {}) const { return detail::bert::values_of(pool(input, types)); }

    /// [C]. Precondition: weights().classifier.
    std::vector<float> logits(ids input, ids types = {}) const {
        QLROUTE_EXPECTS(weights_->classifier.has_value());
        return detail::bert::values_of(detail::bert::affine(pool(input, types), *weights_->classifier));
    }

private:
    using matrix = detail::bert::matrix;

    matrix pool(ids input, ids types) const {
        QLROUTE_EXPECTS(weights_->pooler.has_value());
        const matrix x = forward(input, types, nullptr);                             // [T, H]
        const matrix dense = detail::bert::affine(x.topRows(1), *weights_->pooler);  // [1, H]
        return dense.array().tanh().matrix();                                        // [1, H]
    }

    matrix forward(ids input, ids types, taps* seen) const {
        using namespace detail::bert;
        const bert_weights& w = *weights_;
        const bert_config& sizes = w.config;
        QLROUTE_EXPECTS(!input.empty() && input.size() <= sizes.positions);
        QLROUTE_EXPECTS(types.empty() || types.size() == input.size());
        const auto T = static_cast<Eigen::Index>(input.size());
        const auto H = static_cast<Eigen::Index>(sizes.hidden);
        const auto A = static_cast<Eigen::Index>(sizes.heads);
        const auto D = H / A;
        const float epsilon = sizes.layer_norm_epsilon;

        matrix x(T, H);  // [T, H]
        for (Eigen::Index t = 0; t < T; ++t) {
            const auto position = static_cast<std::size_t>(t);
            const auto token = static_cast<std::size_t>(input[position]);
            const auto type = types.empty() ? 0 : static_cast<std::size_t>(types[position]);
            QLROUTE_EXPECTS(token < sizes.vocabulary && type < sizes.token_types);
            x.row(t) = row_of(w.word_embeddings, token, sizes.hidden)           // [H]
                       + row_of(w.position_embeddings, position, sizes.hidden)  // [H]
                       + row_of(w.token_type_embeddings, type, sizes.hidden);   // [H]
        }
        x = normalised(x, w.embedding_norm, epsilon);  // [T, H]
        if (seen != nullptr) seen->embedding = values_of(x);

        for (const bert_weights::layer& layer : w.layers) {
            const matrix query = affine(x, layer.query);  // [T, H]
            const matrix key = affine(x, layer.key);      // [T, H]
            const matrix value = affine(x, layer.value);  // [T, H]
            matrix probabilities(A * T, T);               // [A, T, T]
            matrix context(T, H);                         // [T, H]
            for (Eigen::Index a = 0; a < A; ++a) {
                const auto q = query.middleCols(a * D, D);                                   // [T, D]
                const auto k = key.middleCols(a * D, D);                                     // [T, D]
                const auto v = value.middleCols(a * D, D);                                   // [T, D]
                const matrix scores = q * k.transpose() / std::sqrt(static_cast<float>(D));  // [T, T]
                const matrix p = softmax(scores);                                            // [T, T]
                probabilities.middleRows(a * T, T) = p;                                      // [T, T]
                context.middleCols(a * D, D) = p * v;                                        // [T, D]
            }
            const matrix mixed = affine(context, layer.attention_output);                   // [T, H]
            const matrix attention = normalised(x + mixed, layer.attention_norm, epsilon);  // [T, H]
            const matrix intermediate = gelu(affine(attention, layer.intermediate));        // [T, F]
            const matrix folded = affine(intermediate, layer.output);                       // [T, H]
            x = normalised(attention + folded, layer.output_norm, epsilon);                 // [T, H]
            if (seen != nullptr)
                seen->layers.push_back({.query = values_of(query),
                                        .key = values_of(key),
                                        .value = values_of(value),
                                        .probabilities = values_of(probabilities),
                                        .context = values_of(context),
                                        .attention_output = values_of(attention),
                                        .intermediate = values_of(intermediate),
                                        .output = values_of(x)});
        }
        return x;  // [T, H]
    }

    std::shared_ptr<const bert_weights> weights_;
};

}  // namespace qlroute
