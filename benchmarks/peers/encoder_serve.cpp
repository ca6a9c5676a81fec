// The encoder of this library as a contender of `encoders`.
//
// encoder_serve --model=DIR [--isa=NAME] [--pruned]
// --isa: kernels by their name in qlroute/simd/, otherwise the best that the machine has.
// --pruned: the last layer for the row of [CLS] alone, which is all that a classifier reads.

#include <qlroute/adapt/bert_config_json.hpp>
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/encoder/bert_weights.hpp>
#include <qlroute/io/safetensors.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "forward_server.hpp"

namespace {

template <class T>
T valid(qlroute::result<T> value) {
    if (!value) peers::fail(value.error().message);
    return *std::move(value);
}

qlroute::bert_encoder load(const std::string& folder) {
    const auto config = valid(qlroute::load_bert_config(folder + "/config.json"));
    const auto file = valid(qlroute::safetensors::open(folder + "/model.safetensors"));
    return valid(qlroute::bert_encoder::quantized(valid(qlroute::bert_weights::from(file, config))));
}

}  // namespace

int main(int count, char** words) {
    const std::string isa = peers::option(count, words, "--isa");
    if (!isa.empty()) setenv("QLROUTE_SIMD", isa.c_str(), 1);
    const auto encoder = load(peers::option(count, words, "--model"));
    std::fprintf(stderr, "kernels: %s\n", std::string(encoder.kernels().name).c_str());
    if (!isa.empty() && encoder.kernels().name != isa) peers::fail("this machine has no " + isa);
    if (encoder.classes() == 0) peers::fail("the model has no classifier");

    const bool pruned = peers::has_flag(count, words, "--pruned");
    qlroute::bert_encoder::workspace memory(encoder);
    std::vector<std::int32_t> ids, types;
    peers::serve(
        [&](std::vector<std::int32_t> input) {
            ids = std::move(input);
            types.assign(ids.size(), 0);
        },
        [&] {
            pruned ? encoder.encode(ids, types, memory) : encoder.hidden_states(ids, types, memory);
            return encoder.logits(memory)[0];
        });
}
