// Token ids to a sentence vector: the int8 forward pass of a BERT encoder.
//
//   auto encoder = bert_encoder::load("models/encoder.safetensors");
//   if (!encoder) return complain(encoder.error().message);
//   bert_encoder::workspace memory(*encoder);                    // one per thread
//   std::span<const float> vector = encoder->encode(ids, memory);   // noexcept, allocates nothing
//
// Letters: T tokens, H hidden size, A heads, D = H / A, F feed-forward size, C classes; E = D rounded up to 64.
#pragma once

#include <qlroute/core/aligned.hpp>
#include <qlroute/encoder/bert_config.hpp>
#include <qlroute/encoder/quantize.hpp>
#include <qlroute/io/number.hpp>
#include <qlroute/io/safetensors.hpp>
#include <qlroute/simd/dispatch.hpp>
#include <qlroute/simd/panels.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

/// A BERT encoder with int8 weights. Activations are quantised on the way, each token by itself.
///
/// Immutable: any number of threads may use one encoder, each with a workspace of its own. Copies share the weights.
/// The same ids give the same floats on every instruction set, bit for bit.
class bert_encoder {
public:
    /// What a pass writes to: sized once, for the longest text. One per thread.
    class workspace;

    static constexpr std::size_t most_classes = 1024;

    /// From a file that quantize() made: mapped, not read.
    static result<bert_encoder> load(const std::string& path,
                                     const simd::kernel_set& kernels = simd::active_kernels()) {
        auto file = safetensors::open(path);
        if (!file) return file.error();
        return from(std::move(*file), {}, "\"" + path + "\"", kernels);
    }

    /// From the bytes of such a file, which must outlive every copy: for weights that are part of the program.
    static result<bert_encoder> view(std::span<const std::byte> bytes,
                                     const simd::kernel_set& kernels = simd::active_kernels()) {
        auto file = safetensors::parse(bytes);
        if (!file) return named(file.error(), "the encoder's weights");
        return from(std::move(*file), {}, "the encoder's weights", kernels);
    }

    /// From float weights, quantised here.
    static result<bert_encoder> quantized(const bert_weights& weights,
                                          const simd::kernel_set& kernels = simd::active_kernels()) {
        aligned_bytes image = quantize(weights);
        auto file = safetensors::parse(image.bytes());
        if (!file) return named(file.error(), "the quantised weights");
        return from(std::move(*file), std::move(image), "the quantised weights", kernels);
    }

    const bert_config& config() const noexcept { return model_->config; }
    const simd::kernel_set& kernels() const noexcept { return *kernels_; }

    /// C: how many logits the classifier gives; 0 without one.
    std::size_t classes() const noexcept { return model_->classifier.bias.size(); }

    /// Whether pooled() gives anything.
    bool has_pooler() const noexcept { return !model_->pooler.bias.empty(); }

    /// The vector of the first token, [CLS], after the last layer: [H]. Of that layer only what this vector needs is
    /// computed. `types` may be empty: all of type 0.
    /// Preconditions: a workspace for such an encoder; 1 <= ids.size() <= positions; ids and types within the tables.
    /// In release builds longer input is cut, and an id outside its table counts as 0. No ids: no vector. Lifetime:
    /// until the next call with `memory`.
    std::span<const float> encode(std::span<const std::int32_t> ids, std::span<const std::int32_t> types,
                                  workspace& memory) const noexcept;
    std::span<const float> encode(std::span<const std::int32_t> ids, workspace& memory) const noexcept {
        return encode(ids, {}, memory);
    }

    /// Every token's vector after the last layer: [T, H].
    std::span<const float> hidden_states(std::span<const std::int32_t> ids, std::span<const std::int32_t> types,
                                         workspace& memory) const noexcept;
    std::span<const float> hidden_states(std::span<const std::int32_t> ids, workspace& memory) const noexcept {
        return hidden_states(ids, {}, memory);
    }

    /// tanh(pooler * [CLS] vector) of the text that was last encoded: [H]; empty without a pooler.
    std::span<const float> pooled(workspace& memory) const noexcept;

    /// classifier * pooled(): [C]; empty without a classifier.
    std::span<const float> logits(workspace& memory) const noexcept;

    /// encode() of each text: out is [texts, H].
    void encode_batch(std::span<const std::span<const std::int32_t>> texts, std::span<float> out,
                      workspace& memory) const noexcept;

private:
    /// The number of tokens that were read.
    std::size_t run(std::span<const std::int32_t> ids, std::span<const std::int32_t> types, workspace& memory,
                    bool first_only) const noexcept;

    struct dense;

    /// out = weight x + bias, or its tanh; nothing without a bias.
    std::span<const float> affine(const dense& one, const float* x, float* out, bool with_tanh) const noexcept;

    struct norm {
        std::span<const float> gamma, beta;  // [H]
    };
    struct linear {
        std::span<const std::int8_t> panels;  // [out / 16, in / 4, 16, 4]
        std::span<const float> scale, bias;   // [out]
        std::vector<std::int32_t> init;       // [out] -zero_point * sum of the output's weights
        std::size_t in = 0;

        std::size_t out() const noexcept { return bias.size(); }
    };
    struct dense {
        std::span<const float> weight;  // [out, in]
        std::span<const float> bias;    // [out]
    };
    struct layer {
        linear qkv;               // H -> 3H
        linear attention_output;  // H -> H
        norm attention_norm;
        linear feed_forward_in;   // H -> F
        linear feed_forward_out;  // F -> H
        norm output_norm;
    };
    struct model {
        bert_config config;
        std::span<const std::int8_t> words, positions;        // [V, H], [P, H]
        std::span<const float> word_column, position_column;  // [H]
        std::span<const float> word_scale, position_scale;    // [V], [P]
        std::span<const float> token_types;                   // [Y, H]
        norm embedding_norm;
        std::vector<layer> layers;
        dense pooler;      // H -> H, or none
        dense classifier;  // H -> C, or none

        aligned_bytes image;  // where the spans lead to, unless `file` is mapped or the host's
        safetensors file;
    };

    class reader;
    class pass;

    bert_encoder() = default;

    static error named(const error& why, const std::string& name) {
        return {why.code, name + ": " + why.message, why.offset};
    }

    static result<bert_encoder> from(safetensors&& file, aligned_bytes&& image, const std::string& name,
                                     const simd::kernel_set& kernels);

    std::shared_ptr<const model> model_;
    const simd::kernel_set* kernels_ = nullptr;
};

class bert_encoder::workspace {
public:
    /// Allocates for the longest text that the encoder can read; about 1 MB for 512 tokens of BERT-tiny's sizes. It
    /// serves every encoder of the same sizes and kernels.
    explicit workspace(const bert_encoder& encoder) : workspace(encoder.config(), encoder.kernels()) {}

    workspace(workspace&&) noexcept = default;
    workspace& operator=(workspace&&) noexcept = default;

private:
    friend class bert_encoder;
    friend class pass;

    workspace(const bert_config& config, const simd::kernel_set& kernels)
        : hidden(config.hidden), heads(config.heads), padded_head(round_up(config.head_size(), 64)) {
        // A token's rows lie next to each other; what the kernels read beyond the last token is here, too.
        rows = round_up(config.positions, 64) + 16;
        block = round_up(std::max(kernels.row_block, std::size_t{16}), 16);
        widest = std::max({3 * hidden, config.feed_forward, rows});
        wide_bytes = std::max({hidden, config.feed_forward, rows});
        // Twice: the first lap counts, the second hands out.
        std::size_t total = 0;
        lay_out(nullptr, total);
        memory_ = aligned_bytes(total);
        total = 0;
        lay_out(memory_.data(), total);
        std::fill_n(ones, wide_bytes, std::uint8_t{1});
    }

    void lay_out(std::byte* base, std::size_t& total) {
        const auto take = [&]<class T>(T*& pointer, std::size_t count) {
            pointer = base == nullptr ? nullptr : reinterpret_cast<T*>(base + total);
            total += round_up(count * sizeof(T), sizeof(cache_line)) + sizeof(cache_line);
        };
        take(x, rows * hidden);
        take(queries, heads * rows * padded_head);
        for (auto& each : cache) {
            take(each.keys, heads * rows * padded_head);
            take(each.values, heads * rows * padded_head);
            take(each.scale, 3 * heads * rows);
            take(each.value_weight, heads * rows);
            take(each.key_init, heads * rows);
            take(each.value_init, heads * padded_head);
            take(each.value_unit, heads);
        }
        take(sums, block * widest);
        take(context, block * hidden);
        take(keys_values, block * 2 * heads * padded_head);
        take(bytes, block * wide_bytes);
        take(weights, block * rows);
        take(row_scale, block);
        take(context_scale, heads * block);
        take(zeros, std::max(rows, widest));
        take(ones, wide_bytes);
        take(ids, rows);
        take(types, rows);
        take(pooled, hidden);
        take(logits, most_classes);
    }

    /// Keys, values and their scales of one layer. There are two, because a layer writes the next one's while it still
    /// reads its own.
    struct kv {
        std::int8_t* keys;         // [A] panels of T columns and depth E
        std::int8_t* values;       // [A] panels of D columns and depth T
        float* scale;              // [3, A, T] of queries, keys, values
        float* value_weight;       // [A, T] scale of the value, the largest one being 254
        std::int32_t* key_init;    // [A, T]
        std::int32_t* value_init;  // [A, E]
        float* value_unit;         // [A] what 1 of value_weight stands for
    };

    bool fits(const bert_encoder& encoder) const noexcept {
        const bert_config& config = encoder.config();
        return hidden == config.hidden && heads == config.heads && rows >= config.positions &&
               block >= encoder.kernels().row_block && widest >= config.feed_forward;
    }

    std::size_t hidden, heads, padded_head, rows, block, widest, wide_bytes;
    aligned_bytes memory_;

    float* x;               // [T, H]
    std::uint8_t* queries;  // [A, T, E]
    kv cache[2];
    std::int32_t* sums;         // [block, widest]
    std::int32_t* context;      // [block, H]
    std::uint8_t* keys_values;  // [block, 2, A, E]
    std::uint8_t* bytes;        // [block, widest of H, F]
    std::uint8_t* weights;      // [block, T]
    float* row_scale;           // [block]
    float* context_scale;       // [A, block]
    std::int32_t* zeros;
    std::uint8_t* ones;
    std::int32_t* ids;
    std::int32_t* types;
    float* pooled;  // [H]
    float* logits;  // [C]
};

/// One forward pass, top to bottom. A block of tokens goes through a whole layer, and through the next layer's
/// projections, before the next block begins, so that what it needs stays in the first cache.
class bert_encoder::pass {
public:
    pass(const bert_encoder& encoder, workspace& memory, std::size_t length) noexcept
        : model_(*encoder.model_),
          config_(model_.config),
          kernels_(*encoder.kernels_),
          memory_(memory),
          tokens_(length),
          depth_(round_up(length, kernels_.depth_tile)) {}

    /// x: [T, H]; with `first_only` just its first row is that of the last layer.
    void run(const std::int32_t* ids, const std::int32_t* types, bool first_only) noexcept {
        kernels_.enter();
        for_blocks(tokens_, [&](std::size_t first, std::size_t rows) {
            embed(ids + first, types == nullptr ? nullptr : types + first, first, rows);
            project(0, first, rows, first_only);
        });
        finish_cache(0);
        for (std::size_t i = 0; i < config_.layers; ++i) {
            const bool last = i + 1 == config_.layers;
            for_blocks(last && first_only ? 1 : tokens_, [&](std::size_t first, std::size_t rows) {
                const layer& one = model_.layers[i];
                attend(i, first, rows);
                product(one.attention_output, rows);
                add_norm(one.attention_output, one.attention_norm, first, rows);
                product(one.feed_forward_in, rows);
                gelu(one.feed_forward_in, rows);
                product(one.feed_forward_out, rows);
                add_norm(one.feed_forward_out, one.output_norm, first, rows);
                if (!last) project(i + 1, first, rows, first_only);
            });
            if (!last) finish_cache(i + 1);
        }
        kernels_.leave();
    }

private:
    template <class Work>
    void for_blocks(std::size_t rows, Work work) const noexcept {
        const std::size_t blocks = (rows + kernels_.row_block - 1) / kernels_.row_block;
        const std::size_t size = std::min(
            kernels_.row_block, round_up((rows + blocks - 1) / blocks, std::max<std::size_t>(4, kernels_.row_tile)));
        for (std::size_t first = 0; first < rows; first += size) work(first, std::min(size, rows - first));
    }

    simd::norm_call norm_of(const norm& one, std::size_t first, std::size_t rows) const noexcept {
        return {.gamma = one.gamma.data(),
                .beta = one.beta.data(),
                .epsilon = config_.layer_norm_epsilon,
                .x = memory_.x + first * config_.hidden,
                .out = {memory_.bytes, config_.hidden, memory_.row_scale},
                .rows = rows,
                .hidden = config_.hidden,
                .zero_point = kernels_.zero_point};
    }

    simd::dequantised numbers(const linear& one) const noexcept {
        return {memory_.sums, one.out(), memory_.row_scale, one.scale.data(), one.bias.data()};
    }

    /// sums [rows, out] = bytes [rows, in] * weights
    void product(const linear& one, std::size_t rows, std::size_t skipped_columns = 0) const noexcept {
        kernels_.gemm({.a = memory_.bytes,
                       .a_stride = one.in,
                       .b = one.panels.data() + skipped_columns * one.in,
                       .b_stride = 16 * one.in,
                       .init = one.init.data() + skipped_columns,
                       .c = memory_.sums + skipped_columns,
                       .c_stride = one.out(),
                       .rows = rows,
                       .columns = one.out() - skipped_columns,
                       .depth = one.in});
    }

    void embed(const std::int32_t* ids, const std::int32_t* types, std::size_t first, std::size_t rows) const noexcept {
        kernels_.rows.embed({.norm = norm_of(model_.embedding_norm, first, rows),
                             .ids = ids,
                             .types = types,
                             .first = first,
                             .words = model_.words.data(),
                             .word_scale = model_.word_scale.data(),
                             .word_column = model_.word_column.data(),
                             .positions = model_.positions.data(),
                             .position_scale = model_.position_scale.data(),
                             .position_column = model_.position_column.data(),
                             .token_types = model_.token_types.data()});
    }

    void add_norm(const linear& one, const norm& after, std::size_t first, std::size_t rows) const noexcept {
        kernels_.rows.add_norm({.norm = norm_of(after, first, rows), .in = numbers(one)});
    }

    void gelu(const linear& one, std::size_t rows) const noexcept {
        kernels_.rows.gelu({.in = numbers(one),
                            .rows = rows,
                            .columns = one.out(),
                            .out = {memory_.bytes, one.out(), memory_.row_scale},
                            .zero_point = kernels_.zero_point});
    }

    /// Queries, keys and values of layer `i`, for the tokens whose quantised vectors are in `bytes`.
    void project(std::size_t i, std::size_t first, std::size_t rows, bool first_only) const noexcept {
        const std::size_t heads = config_.heads;
        const std::size_t padded = memory_.padded_head;
        const bool needs_queries = !(first_only && i + 1 == config_.layers) || first == 0;
        const linear& one = model_.layers[i].qkv;
        product(one, rows, needs_queries ? 0 : config_.hidden);
        workspace::kv& cache = memory_.cache[i % 2];
        const std::size_t head_bytes = memory_.rows * padded;
        kernels_.rows.split_heads({.in = numbers(one),
                                   .rows = rows,
                                   .heads = heads,
                                   .head_size = config_.head_size(),
                                   .queries = needs_queries ? memory_.queries + first * padded : nullptr,
                                   .query_stride = head_bytes,
                                   .keys_values = memory_.keys_values,
                                   .scale = cache.scale + first,
                                   .scale_stride = memory_.rows,
                                   .zero_point = kernels_.zero_point});
        const std::size_t stride = 2 * heads * padded;
        for (std::size_t head = 0; head < heads; ++head) {
            const std::uint8_t* keys = memory_.keys_values + head * padded;
            for (std::size_t r = 0; r < rows; ++r)
                simd::pack_column(keys + r * stride, first + r, padded, cache.keys + head * head_bytes);
            const std::uint8_t* values = memory_.keys_values + (heads + head) * padded;
            for (std::size_t r = 0; r < rows; r += 4)
                for (std::size_t column = 0; column < config_.head_size(); column += 16) {
                    const auto row = [&](std::size_t k) {
                        return r + k < rows ? values + (r + k) * stride + column
                                            : reinterpret_cast<const std::uint8_t*>(memory_.zeros);
                    };
                    simd::pack_depth({row(0), row(1), row(2), row(3)},
                                     values_of(cache, head) + column * memory_.rows + (first + r) * 16);
                }
        }
    }

    std::int8_t* values_of(const workspace::kv& cache, std::size_t head) const noexcept {
        return cache.values + head * memory_.rows * memory_.padded_head;
    }

    /// What needs all tokens of layer `i`: padding, sums for the zero point, the scale of the values.
    void finish_cache(std::size_t i) const noexcept {
        workspace::kv& cache = memory_.cache[i % 2];
        const std::size_t padded = memory_.padded_head;
        const std::size_t capacity = memory_.rows;
        for (std::size_t head = 0; head < config_.heads; ++head) {
            std::int8_t* values = values_of(cache, head);
            const std::size_t filled = round_up(tokens_, 4);
            for (std::size_t column = 0; column < config_.head_size() && filled < depth_; column += 16)
                std::fill_n(values + column * capacity + filled * 16, (depth_ - filled) * 16, std::int8_t{0});

            const float* scale = cache.scale + (2 * config_.heads + head) * capacity;
            float largest = 0;
            for (std::size_t t = 0; t < tokens_; ++t) largest = std::max(largest, scale[t]);
            // 254 and not 255: with the carried rounding error it is still a byte.
            const float factor = largest > 0 ? 254.0f / largest : 0.0f;
            float* weight = cache.value_weight + head * capacity;
            for (std::size_t t = 0; t < tokens_; ++t) weight[t] = scale[t] * factor;
            cache.value_unit[head] = largest / 254.0f;

            // Products with rows of ones are the sums that correct for the zero point.
            const int zero_point = kernels_.zero_point;
            const std::size_t columns = round_up(tokens_, 16);
            std::int32_t* key_init = cache.key_init + head * capacity;
            std::int32_t* value_init = cache.value_init + head * padded;
            if (zero_point != 0) {
                column_sums(cache.keys + head * capacity * padded, padded * 16, columns, padded, key_init);
                for (std::size_t t = 0; t < columns; ++t) key_init[t] *= -zero_point;
                std::fill_n(value_init, config_.head_size(), 0);
            } else {
                column_sums(values, capacity * 16, config_.head_size(), depth_, value_init);
                for (std::size_t d = 0; d < config_.head_size(); ++d) value_init[d] *= 128;
                std::fill_n(key_init, columns, 0);
            }
        }
    }

    void column_sums(const std::int8_t* panels, std::size_t stride, std::size_t columns, std::size_t depth,
                     std::int32_t* out) const noexcept {
        kernels_.gemm({.a = memory_.ones,
                       .a_stride = depth,
                       .b = panels,
                       .b_stride = stride,
                       .init = memory_.zeros,
                       .c = out,
                       .c_stride = columns,
                       .rows = 1,
                       .columns = columns,
                       .depth = depth});
    }

    /// bytes [rows, H] = softmax(Q K' / sqrt(D)) V, quantised.
    void attend(std::size_t i, std::size_t first, std::size_t rows) const noexcept {
        const workspace::kv& cache = memory_.cache[i % 2];
        const std::size_t padded = memory_.padded_head;
        const std::size_t capacity = memory_.rows;
        const std::size_t columns = round_up(tokens_, 16);
        const std::size_t weights_stride = round_up(tokens_, 64);
        const float log2e_by_root = 1.44269504f / std::sqrt(static_cast<float>(config_.head_size()));
        for (std::size_t head = 0; head < config_.heads; ++head) {
            kernels_.gemm({.a = memory_.queries + (head * capacity + first) * padded,
                           .a_stride = padded,
                           .b = cache.keys + head * capacity * padded,
                           .b_stride = padded * 16,
                           .init = cache.key_init + head * capacity,
                           .c = memory_.sums,
                           .c_stride = columns,
                           .rows = rows,
                           .columns = columns,
                           .depth = padded});
            const float* query_scale = cache.scale + head * capacity + first;
            for (std::size_t r = 0; r < rows; ++r) memory_.row_scale[r] = query_scale[r] * log2e_by_root;
            kernels_.rows.softmax(
                {.scores = memory_.sums,
                 .stride = columns,
                 .rows = rows,
                 .tokens = tokens_,
                 .q_scale = memory_.row_scale,
                 .k_scale = cache.scale + (config_.heads + head) * capacity,
                 .v_weight = cache.value_weight + head * capacity,
                 .unit = cache.value_unit[head],
                 .out = {memory_.weights, weights_stride, memory_.context_scale + head * memory_.block},
                 .zero_point = kernels_.zero_point});
            kernels_.gemm({.a = memory_.weights,
                           .a_stride = weights_stride,
                           .b = values_of(cache, head),
                           .b_stride = capacity * 16,
                           .init = cache.value_init + head * padded,
                           .c = memory_.context + head * config_.head_size(),
                           .c_stride = config_.hidden,
                           .rows = rows,
                           .columns = config_.head_size(),
                           .depth = depth_});
        }
        kernels_.rows.context({.sums = memory_.context,
                               .scale = memory_.context_scale,
                               .scale_stride = memory_.block,
                               .rows = rows,
                               .heads = config_.heads,
                               .head_size = config_.head_size(),
                               .out = {memory_.bytes, config_.hidden, memory_.row_scale},
                               .zero_point = kernels_.zero_point});
    }

    const model& model_;
    const bert_config& config_;
    const simd::kernel_set& kernels_;
    workspace& memory_;
    std::size_t tokens_;  // T
    std::size_t depth_;   // T, rounded up to what gemm can sum over
};

/// Takes the tensors of a file one after the other; after the first error all that follow are empty.
class bert_encoder::reader {
public:
    reader(const safetensors& file, const simd::kernel_set& kernels) : file_(file), kernels_(kernels) {}

    bert_config config() {
        bert_config out;
        if (file_.metadata("format") != "qlroute.bert_encoder") {
            fail({errc::malformed, "this is not a quantised encoder; expected a file that `qlroute quantize` made"});
            return out;
        }
        if (file_.metadata("version") != "1") {
            fail({errc::unsupported, "its version is not 1; expected a file of this version's `qlroute quantize`"});
            return out;
        }
        out.layers = whole("num_hidden_layers");
        out.hidden = whole("hidden_size");
        out.heads = whole("num_attention_heads");
        out.feed_forward = whole("intermediate_size");
        out.vocabulary = whole("vocab_size");
        out.positions = whole("max_position_embeddings");
        out.token_types = whole("type_vocab_size");
        out.layer_norm_epsilon = static_cast<float>(number("layer_norm_eps"));
        if (!why_)
            if (auto why = check(out)) fail(*why);
        return out;
    }

    template <class... Dimensions>
    std::span<const float> floats(const std::string& name, Dimensions... shape) {
        const auto out = take<float>(name, shape...);
        for (const float x : out)
            if (!std::isfinite(x)) {
                fail({errc::out_of_range, "the tensor \"" + name + "\" has a value that is not finite"});
                break;
            }
        return out;
    }

    template <class... Dimensions>
    std::span<const std::int8_t> bytes(const std::string& name, Dimensions... shape) {
        const auto out = take<std::int8_t>(name, shape...);
        // The smallest int8 has no negative, which some kernels need; quantize() never makes it.
        if (std::find(out.begin(), out.end(), std::int8_t{-128}) != out.end())
            fail({errc::out_of_range, "the tensor \"" + name + "\" has the value -128; expected -127 to 127"});
        return out;
    }

    bert_encoder::norm norm(const std::string& name, std::size_t hidden) {
        return {floats(name + ".gamma", hidden), floats(name + ".beta", hidden)};
    }

    bert_encoder::dense dense(const std::string& name, std::size_t out, std::size_t in) {
        return {floats(name + ".weight", out, in), floats(name + ".bias", out)};
    }

    bert_encoder::linear linear(const std::string& name, std::size_t out, std::size_t in) {
        bert_encoder::linear one;
        one.panels = bytes(name + ".panels", out / 16, in / 4, 16, 4);
        one.scale = floats(name + ".scale", out);
        one.bias = floats(name + ".bias", out);
        one.in = in;
        one.init.resize(out);
        if (why_ || kernels_.zero_point == 0) return one;
        for (std::size_t panel = 0; panel < out / 16; ++panel)
            for (std::size_t k = 0; k < in * 16; ++k)
                one.init[panel * 16 + k / 4 % 16] -= kernels_.zero_point * one.panels[panel * in * 16 + k];
        return one;
    }

    const tensor_view* find(std::string_view name) const { return file_.find(name); }
    const std::optional<error>& why() const { return why_; }

private:
    void fail(error why) {
        if (!why_) why_ = std::move(why);
    }

    template <class T, class... Dimensions>
    std::span<const T> take(const std::string& name, Dimensions... shape) {
        if (why_) return {};
        auto out = file_.values<T>(name, shape...);
        if (out) return *out;
        fail(out.error());
        return {};
    }

    double number(const std::string& key) {
        const auto text = file_.metadata(key);
        const auto value = text ? parse_number(*text) : std::nullopt;
        if (!value) fail({errc::malformed, "its metadata has no number \"" + key + "\""});
        return value.value_or(0);
    }

    std::size_t whole(const std::string& key) {
        const double value = number(key);
        if (value >= 0 && value <= 1e9 && value == std::floor(value)) return static_cast<std::size_t>(value);
        fail({errc::out_of_range, "its metadata \"" + key + "\" is not a whole number that is possible"});
        return 0;
    }

    const safetensors& file_;
    const simd::kernel_set& kernels_;
    std::optional<error> why_;
};

inline result<bert_encoder> bert_encoder::from(safetensors&& file, aligned_bytes&& image, const std::string& name,
                                               const simd::kernel_set& kernels) {
    auto made = std::make_shared<model>();
    made->file = std::move(file);
    made->image = std::move(image);
    reader read(made->file, kernels);
    made->config = read.config();
    if (read.why()) return named(*read.why(), name);
    const bert_config& config = made->config;
    const std::size_t hidden = config.hidden;
    made->words = read.bytes("words", config.vocabulary, hidden);
    made->word_scale = read.floats("words.scale", config.vocabulary);
    made->word_column = read.floats("words.column", hidden);
    made->positions = read.bytes("positions", config.positions, hidden);
    made->position_scale = read.floats("positions.scale", config.positions);
    made->position_column = read.floats("positions.column", hidden);
    made->token_types = read.floats("token_types", config.token_types, hidden);
    made->embedding_norm = read.norm("embedding_norm", hidden);
    for (std::size_t i = 0; i < config.layers && !read.why(); ++i) {
        const std::string prefix = "layer." + std::to_string(i) + '.';
        layer& one = made->layers.emplace_back();
        one.qkv = read.linear(prefix + "qkv", 3 * hidden, hidden);
        one.attention_output = read.linear(prefix + "attention_output", hidden, hidden);
        one.attention_norm = read.norm(prefix + "attention_norm", hidden);
        one.feed_forward_in = read.linear(prefix + "feed_forward_in", config.feed_forward, hidden);
        one.feed_forward_out = read.linear(prefix + "feed_forward_out", hidden, config.feed_forward);
        one.output_norm = read.norm(prefix + "output_norm", hidden);
    }
    if (read.find("pooler.bias") != nullptr) made->pooler = read.dense("pooler", hidden, hidden);
    if (const auto* bias = read.find("classifier.bias"); bias != nullptr && !read.why()) {
        const std::uint64_t classes = bias->shape.size() == 1 ? bias->shape[0] : 0;
        if (classes == 0 || classes > most_classes)
            return named({errc::out_of_range, "the tensor \"classifier.bias\" has " + std::to_string(classes) +
                                                  " classes; expected 1 to " + std::to_string(most_classes)},
                         name);
        if (made->pooler.bias.empty())
            return named({errc::missing, "there is a classifier, but no tensor \"pooler.bias\""}, name);
        made->classifier = read.dense("classifier", classes, hidden);
    }
    if (read.why()) return named(*read.why(), name);
    bert_encoder out;
    out.model_ = std::move(made);
    out.kernels_ = &kernels;
    return out;
}

inline std::size_t bert_encoder::run(std::span<const std::int32_t> ids, std::span<const std::int32_t> types,
                                     workspace& memory, bool first_only) const noexcept {
    const bert_config& config = model_->config;
    QLROUTE_EXPECTS(memory.fits(*this));
    QLROUTE_EXPECTS(!ids.empty() && ids.size() <= config.positions);
    QLROUTE_EXPECTS(types.empty() || types.size() == ids.size());
    const std::size_t length = std::min(ids.size(), config.positions);
    if (length == 0) return 0;
    const auto checked = [length](std::span<const std::int32_t> from, std::size_t size, std::int32_t* to) {
        for (std::size_t t = 0; t < std::min(length, from.size()); ++t) {
            const bool known = static_cast<std::size_t>(static_cast<std::uint32_t>(from[t])) < size;
            QLROUTE_EXPECTS(known);
            to[t] = known ? from[t] : 0;
        }
    };
    checked(ids, config.vocabulary, memory.ids);
    if (!types.empty()) {
        checked(types, config.token_types, memory.types);
        std::fill(memory.types + std::min(length, types.size()), memory.types + length, 0);
    }
    pass(*this, memory, length).run(memory.ids, types.empty() ? nullptr : memory.types, first_only);
    return length;
}

inline std::span<const float> bert_encoder::encode(std::span<const std::int32_t> ids,
                                                   std::span<const std::int32_t> types,
                                                   workspace& memory) const noexcept {
    return {memory.x, run(ids, types, memory, true) == 0 ? 0 : memory.hidden};
}

inline std::span<const float> bert_encoder::hidden_states(std::span<const std::int32_t> ids,
                                                          std::span<const std::int32_t> types,
                                                          workspace& memory) const noexcept {
    return {memory.x, run(ids, types, memory, false) * memory.hidden};
}

inline std::span<const float> bert_encoder::affine(const dense& one, const float* x, float* out,
                                                   bool with_tanh) const noexcept {
    if (one.bias.empty()) return {};
    kernels_->rows.dense({.x = x,
                          .weight = one.weight.data(),
                          .bias = one.bias.data(),
                          .out = out,
                          .columns = one.bias.size(),
                          .hidden = model_->config.hidden,
                          .with_tanh = with_tanh});
    return {out, one.bias.size()};
}

inline std::span<const float> bert_encoder::pooled(workspace& memory) const noexcept {
    return affine(model_->pooler, memory.x, memory.pooled, true);
}

inline std::span<const float> bert_encoder::logits(workspace& memory) const noexcept {
    return classes() == 0 ? std::span<const float>()
                          : affine(model_->classifier, pooled(memory).data(), memory.logits, false);
}

inline void bert_encoder::encode_batch(std::span<const std::span<const std::int32_t>> texts, std::span<float> out,
                                       workspace& memory) const noexcept {
    QLROUTE_EXPECTS(out.size() == texts.size() * memory.hidden);
    for (std::size_t i = 0; i < texts.size() && (i + 1) * memory.hidden <= out.size(); ++i) {
        const auto vector = encode(texts[i], memory);
        std::copy(vector.begin(), vector.end(), out.begin() + static_cast<std::ptrdiff_t>(i * memory.hidden));
    }
}

}  // namespace qlroute
