// The weights of a BERT encoder as floats, from a file in Hugging Face's naming.
//
//   auto file = safetensors::open("model.safetensors");
//   auto weights = bert_weights::from(*file, config);
//   if (!weights) return complain(weights.error().message);
#pragma once

#include <qlroute/core/half.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/encoder/bert_config.hpp>
#include <qlroute/io/number.hpp>
#include <qlroute/io/safetensors.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

/// All matrices are row-major. H, F, V, P, Y: see bert_config; C: the number of classes.
struct bert_weights {
    /// y = weight x + bias
    struct linear {
        std::vector<float> weight;  ///< [out, in]
        std::vector<float> bias;    ///< [out]

        std::size_t out() const noexcept { return bias.size(); }
        std::size_t in() const noexcept { return bias.empty() ? 0 : weight.size() / bias.size(); }
    };

    /// y = gamma * (x - mean) / sqrt(variance + epsilon) + beta
    struct norm {
        std::vector<float> gamma;  ///< [H]
        std::vector<float> beta;   ///< [H]
    };

    struct layer {
        linear query, key, value;  ///< [H, H]
        linear attention_output;   ///< [H, H]
        norm attention_norm;
        linear intermediate;  ///< [F, H]
        linear output;        ///< [H, F]
        norm output_norm;
    };

    bert_config config;
    std::vector<float> word_embeddings;        ///< [V, H]
    std::vector<float> position_embeddings;    ///< [P, H]
    std::vector<float> token_type_embeddings;  ///< [Y, H]
    norm embedding_norm;
    std::vector<layer> layers;
    std::optional<linear> pooler;      ///< [H, H], before a tanh, of the first token
    std::optional<linear> classifier;  ///< [C, H], of the pooled vector

    /// The tensors of a BertModel, or of a model that has one as "bert.": their names are those of Hugging Face. F16
    /// and BF16 become floats. Heads other than "classifier" are not read, but a tensor inside the encoder that this
    /// architecture does not have is an error, because without it the results would be those of another model.
    /// Errors: those of check(); `missing`, `malformed` (a shape), `unsupported` (a dtype, an unknown tensor) or
    /// `out_of_range` (a value that is not finite); each names the tensor.
    static result<bert_weights> from(const safetensors& file, const bert_config& config);
};

namespace detail {

/// Reads tensors one after the other; after the first error all that follow are empty.
class bert_reader {
public:
    bert_reader(const safetensors& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

    const std::optional<error>& why() const noexcept { return why_; }

    /// The tensors of the encoder itself stand behind this.
    const std::string& prefix() const noexcept { return prefix_; }

    std::vector<float> tensor(const std::string& name, std::initializer_list<std::size_t> shape) {
        std::vector<float> values;
        if (why_) return values;
        const std::vector<std::uint64_t> wanted(shape.begin(), shape.end());
        const std::string expected =
            "expected F32, F16 or BF16 " + shape_text(wanted) + " for the tensor " + detail::quoted(name) + ", found ";
        const tensor_view* found = file_.find(name);
        if (found == nullptr) {
            why_ = error{errc::missing, expected + "no tensor of that name"};
            return values;
        }
        const std::string what = std::string(name_of(found->dtype)) + ' ' + shape_text(found->shape);
        const bool readable = found->dtype == tensor_dtype::f32 || found->dtype == tensor_dtype::f16 ||
                              found->dtype == tensor_dtype::bf16;
        if (!readable || !std::ranges::equal(found->shape, wanted)) {
            why_ = error{readable ? errc::malformed : errc::unsupported, expected + what};
            return values;
        }
        read_.push_back(found->name);
        values.resize(found->data.size() / static_cast<std::size_t>(size_of(found->dtype)));
        // The file may put the data at any address.
        if (found->dtype == tensor_dtype::f32) {
            if (!values.empty()) std::memcpy(values.data(), found->data.data(), found->data.size());
        } else {
            for (std::size_t i = 0; i < values.size(); ++i) {
                std::uint16_t bits = 0;
                std::memcpy(&bits, found->data.data() + i * sizeof(bits), sizeof(bits));
                values[i] = found->dtype == tensor_dtype::f16 ? from_f16(bits) : from_bf16(bits);
            }
        }
        const auto odd = std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
        if (odd != values.end())
            why_ = error{errc::out_of_range,
                         expected + what + " whose element " + std::to_string(odd - values.begin()) + " is not finite"};
        return values;
    }

    bert_weights::linear linear(const std::string& name, std::size_t out, std::size_t in) {
        bert_weights::linear both;
        both.weight = tensor(name + ".weight", {out, in});
        both.bias = tensor(name + ".bias", {out});
        return both;
    }

    /// Old files call them gamma and beta.
    bert_weights::norm norm(const std::string& name, std::size_t size) {
        const bool old = file_.find(name + ".weight") == nullptr && file_.find(name + ".gamma") != nullptr;
        bert_weights::norm both;
        both.gamma = tensor(name + (old ? ".gamma" : ".weight"), {size});
        both.beta = tensor(name + (old ? ".beta" : ".bias"), {size});
        return both;
    }

    bool has(const std::string& name) const { return file_.find(name) != nullptr; }

    /// Rows of a matrix, if there is one; 0 without.
    std::size_t rows(const std::string& name) const {
        const tensor_view* found = file_.find(name);
        return found == nullptr || found->shape.empty() ? 0 : static_cast<std::size_t>(found->shape.front());
    }

    /// Whether all of the encoder has been read.
    void finish() {
        if (why_) return;
        std::sort(read_.begin(), read_.end());
        for (const auto& one : file_.tensors()) {
            if (!one.name.starts_with(prefix_)) continue;
            const std::string_view name = one.name.substr(prefix_.size());
            const bool of_encoder =
                name.starts_with("embeddings.") || name.starts_with("encoder.") || name.starts_with("pooler.");
            // Numbers from 0 on and zeros, which some versions of PyTorch models store.
            const bool constant = name == "embeddings.position_ids" || name == "embeddings.token_type_ids";
            if (!of_encoder || constant || std::binary_search(read_.begin(), read_.end(), one.name)) continue;
            why_ = error{errc::unsupported, "the tensor " + detail::quoted(one.name) +
                                                " has no place in a BERT encoder of these sizes; is there another "
                                                "config.json for this file, or is it of another architecture?"};
            return;
        }
    }

private:
    const safetensors& file_;
    std::string prefix_;
    std::vector<std::string_view> read_;  // names of tensors
    std::optional<error> why_;
};

}  // namespace detail

inline result<bert_weights> bert_weights::from(const safetensors& file, const bert_config& config) {
    if (auto why = check(config)) return *std::move(why);
    const std::size_t hidden = config.hidden;
    const bool inside =
        std::ranges::any_of(file.tensors(), [](const auto& one) { return one.name.starts_with("bert."); });
    detail::bert_reader read(file, inside ? "bert." : "");
    const std::string embeddings = read.prefix() + "embeddings.";

    bert_weights out;
    out.config = config;
    out.word_embeddings = read.tensor(embeddings + "word_embeddings.weight", {config.vocabulary, hidden});
    out.position_embeddings = read.tensor(embeddings + "position_embeddings.weight", {config.positions, hidden});
    out.token_type_embeddings = read.tensor(embeddings + "token_type_embeddings.weight", {config.token_types, hidden});
    out.embedding_norm = read.norm(embeddings + "LayerNorm", hidden);
    for (std::size_t i = 0; i < config.layers && !read.why(); ++i) {
        const std::string name = read.prefix() + "encoder.layer." + std::to_string(i) + '.';
        layer& one = out.layers.emplace_back();
        one.query = read.linear(name + "attention.self.query", hidden, hidden);
        one.key = read.linear(name + "attention.self.key", hidden, hidden);
        one.value = read.linear(name + "attention.self.value", hidden, hidden);
        one.attention_output = read.linear(name + "attention.output.dense", hidden, hidden);
        one.attention_norm = read.norm(name + "attention.output.LayerNorm", hidden);
        one.intermediate = read.linear(name + "intermediate.dense", config.feed_forward, hidden);
        one.output = read.linear(name + "output.dense", hidden, config.feed_forward);
        one.output_norm = read.norm(name + "output.LayerNorm", hidden);
    }
    const std::string pooler = read.prefix() + "pooler.dense";
    if (read.has(pooler + ".weight") || read.has(pooler + ".bias")) out.pooler = read.linear(pooler, hidden, hidden);
    if (read.has("classifier.weight") || read.has("classifier.bias")) {
        // At least one class, so that a matrix without rows, or none at all, is not what was expected.
        const std::size_t classes = std::max<std::size_t>(1, read.rows("classifier.weight"));
        out.classifier = read.linear("classifier", classes, hidden);
        if (!out.pooler && !read.why())
            return error{errc::unsupported,
                         "the file has the tensor \"classifier.weight\", but no \"" + pooler +
                             ".weight\"; only a classifier of the pooled vector can be used, not one of every token"};
    }
    read.finish();
    if (read.why()) return *read.why();
    return out;
}

}  // namespace qlroute
