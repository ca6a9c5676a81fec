// What does it cost to ask how likely a good answer is? Text in, probability out, with the bundled weights.
//
//   predict/TOKENS      response_difficulty on a prompt of so many pieces, [CLS] and [SEP] included
//   lexical/TOKENS      lexical_difficulty on the same
//   parts/...           what a prediction of 64 tokens is made of
#include "support/allocations.hpp"

#include <qlroute/difficulty/lexical.hpp>
#include <qlroute/difficulty/response_difficulty.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace qlroute;

namespace {

template <class T>
T opened(result<T> loaded) {
    if (!loaded) std::fprintf(stderr, "predict_bench: %s\n", loaded.error().message.c_str()), std::exit(2);
    return *std::move(loaded);
}

const response_difficulty& bundled() {
    static const auto predictor = opened(response_difficulty::load(QLROUTE_SOURCE_DIR "/models/difficulty"));
    return predictor;
}

/// A question of plain words.
std::string prompt(std::size_t tokens) {
    constexpr const char* words[] = {"if",   "a",   "train", "leaves", "the",  "old", "station", "at",
                                     "noon", "how", "many",  "hours",  "does", "it",  "take",    "then"};
    std::string text;
    std::array<std::int32_t, 512> ids;
    for (std::size_t k = 0; bundled().tokenizer().encode(text, ids).ids.size() < tokens; ++k)
        text += std::string(k == 0 ? "" : " ") + words[k % std::size(words)];
    return text;
}

template <class Work>
void measure(benchmark::State& state, Work&& work) {
    work();
    const std::size_t before = allocations;
    for (auto _ : state) work();
    state.counters["allocations"] = static_cast<double>(allocations - before) / static_cast<double>(state.iterations());
    state.counters["prompts/s"] =
        benchmark::Counter(static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void predict(benchmark::State& state) {
    const std::string text = prompt(static_cast<std::size_t>(state.range(0)));
    const endpoint phone{.name = "phone", .ability = 0};
    measure(state, [&] { benchmark::DoNotOptimize(bundled().of(text)(phone)); });
}
BENCHMARK(predict)->Arg(16)->Arg(64)->Arg(128);

void lexical(benchmark::State& state) {
    static const auto predictor = opened(lexical_difficulty::load(QLROUTE_SOURCE_DIR "/models/lexical.safetensors"));
    const std::string text = prompt(static_cast<std::size_t>(state.range(0)));
    const endpoint phone{.name = "phone", .ability = 0};
    measure(state, [&] { benchmark::DoNotOptimize(predictor.of(text)(phone)); });
}
BENCHMARK(lexical)->Arg(16)->Arg(64)->Arg(128);

void parts_encoder(benchmark::State& state) {
    const std::string text = prompt(64);
    std::array<std::int32_t, 128> ids;
    bert_encoder::workspace memory(bundled().encoder());
    measure(state, [&] {
        (void)bundled().encoder().encode(bundled().tokenizer().encode(text, ids).ids, memory);
        benchmark::DoNotOptimize(bundled().encoder().pooled(memory).data());
    });
}
BENCHMARK(parts_encoder)->Name("parts/tokenizer_and_encoder");

void parts_features(benchmark::State& state) {
    const std::string text = prompt(64);
    measure(state, [&] {
        std::uint64_t sum = 0;
        prompt_reader reader([&](std::uint64_t hash, prompt_ngram) noexcept { sum += hash; });
        reader.read_window(text);
        benchmark::DoNotOptimize(sum);
        benchmark::DoNotOptimize(reader.features(text.size()));
    });
}
BENCHMARK(parts_features)->Name("parts/words_and_layout");

}  // namespace
