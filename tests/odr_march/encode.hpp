// The same encoder, compiled several times with different flags and linked into one program.
#pragma once

#include <qlroute/encoder/bert_weights.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

struct encoded {
    std::string kernels;
    std::vector<float> values;  // hidden states, pooled vector and logits
};

/// By every kernel_set that runs here, of some beginnings of `ids`; empty if the encoder refuses its own weights.
using encode_function = std::vector<encoded>(const qlroute::bert_weights& weights, std::span<const std::int32_t> ids);

encode_function encode_plain, encode_optimised, encode_haswell, encode_avx512;
