// Compiled with -DENCODE=encode_plain and with others, see CMakeLists.txt.
#include "encode.hpp"

#include <qlroute/encoder/bert_encoder.hpp>

#include <cstddef>

using namespace qlroute;

std::vector<encoded> ENCODE(const bert_weights& weights, std::span<const std::int32_t> ids) {
    std::vector<encoded> out;
    for (const simd::kernel_set* kernels : simd::kernel_sets) {
        if (!simd::runs_here(kernels->isa)) continue;
        const auto encoder = bert_encoder::quantized(weights, *kernels);
        if (!encoder) return {};
        bert_encoder::workspace memory(*encoder);
        encoded& one = out.emplace_back(encoded{std::string(kernels->name), {}});
        const auto keep = [&one](std::span<const float> values) {
            one.values.insert(one.values.end(), values.begin(), values.end());
        };
        for (const std::size_t length : {std::size_t{1}, std::size_t{5}, std::size_t{37}, ids.size()}) {
            keep(encoder->hidden_states(ids.first(length), memory));
            keep(encoder->encode(ids.first(length), memory));
            keep(encoder->pooled(memory));
            keep(encoder->logits(memory));
        }
    }
    return out;
}
