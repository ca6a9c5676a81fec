// What does it cost to read text?
//
//   tokenize/english[/PATH]   every line of a corpus once: MB/s, tokens/s; PATH is how text is read, the best one
//   without tokenize/chat             prompts of 300 characters, [CLS] ... [SEP]: ns each, allocations each
//   tokenize/load             a vocabulary: ms
//
// QLROUTE_CORPUS is a text file, else text is made up; QLROUTE_VOCAB is a vocab.txt, else that of the tests. The corpus
// should be larger than the caches: nothing is remembered of text that was read, but the processor remembers.
#include "support/allocations.hpp"

#include <qlroute/text/wordpiece.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

std::string setting(const char* name, const std::string& otherwise) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0' ? value : otherwise;
}

const std::string vocab_path = setting("QLROUTE_VOCAB", QLROUTE_SOURCE_DIR "/tests/golden/wordpiece_vocab.txt");

const wordpiece& vocabulary() {
    static const wordpiece words = [] {
        auto loaded = wordpiece::load(vocab_path);
        if (!loaded) std::fprintf(stderr, "tokenizer_bench: %s\n", loaded.error().message.c_str()), std::exit(2);
        return *std::move(loaded);
    }();
    return words;
}

/// Lines of words of the vocabulary, the first ones most often, some with an ending that may not be known.
std::string made_up_text() {
    std::vector<std::string_view> words;
    for (std::int32_t id = 0; static_cast<std::size_t>(id) < vocabulary().size(); ++id)
        if (const auto token = vocabulary().token(id); token.size() > 1 && token[0] >= 'a' && token[0] <= 'z')
            words.push_back(token);
    std::mt19937 random(3);
    std::string text;
    while (text.size() < 8'000'000) {
        for (auto count = 5 + random() % 100; count > 0; --count) {
            const auto rank = random() % words.size() * (random() % words.size()) / words.size();
            text += words[rank];
            if (random() % 12 == 0) text += "ingly";
            text += random() % 8 == 0 ? ", " : random() % 12 == 0 ? ". " : " ";
        }
        text += '\n';
    }
    return text;
}

const std::vector<std::string_view>& documents() {
    static const std::string text = [] {
        const std::string path = setting("QLROUTE_CORPUS", "");
        if (path.empty()) return made_up_text();
        std::ifstream file(path, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    }();
    static const std::vector<std::string_view> lines = [] {
        std::vector<std::string_view> out;
        for (std::size_t at = 0; at < text.size();) {
            const auto line = std::string_view(text).substr(at, text.find('\n', at) - at);
            if (!line.empty()) out.push_back(line);
            at += line.size() + 1;
        }
        return out;
    }();
    return lines;
}

void english(benchmark::State& state, text_path path) {
    const wordpiece words = vocabulary().by(path);
    std::size_t bytes = 0;
    std::size_t longest = 0;
    for (const auto one : documents()) {
        bytes += one.size();
        longest = std::max(longest, one.size());
    }
    std::vector<std::int32_t> room(longest);
    std::size_t tokens = 0;
    const std::size_t before = allocations;
    for (auto _ : state) {
        for (const auto one : documents()) tokens += words.tokenize(one, room);
        benchmark::DoNotOptimize(room.data());
        benchmark::ClobberMemory();
    }
    const auto counted = static_cast<double>(allocations - before);
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
    state.counters["MB/s"] = benchmark::Counter(
        static_cast<double>(bytes) / 1e6 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
    state.counters["tokens/s"] = benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kIsRate);
    state.counters["allocations"] = benchmark::Counter(counted, benchmark::Counter::kAvgIterations);
}

void chat(benchmark::State& state) {
    std::vector<std::string> prompts;
    std::string text;
    for (const auto one : documents()) {
        text += one;
        text += ' ';
        for (; text.size() >= 300 && prompts.size() < 20'000; text.erase(0, 300))
            prompts.push_back(text.substr(0, 300));
        if (prompts.size() == 20'000) break;
    }
    if (prompts.empty()) return state.SkipWithError("the corpus has no 300 characters");
    std::int32_t room[512];
    std::size_t k = 0;
    std::size_t tokens = 0;
    const std::size_t before = allocations;
    for (auto _ : state) {
        const auto one = vocabulary().encode(prompts[k], room);
        tokens += one.ids.size();
        if (++k == prompts.size()) k = 0;
        benchmark::ClobberMemory();
    }
    const auto counted = static_cast<double>(allocations - before);
    state.counters["allocations/prompt"] = benchmark::Counter(counted, benchmark::Counter::kAvgIterations);
    state.counters["tokens/prompt"] =
        benchmark::Counter(static_cast<double>(tokens), benchmark::Counter::kAvgIterations);
}

void load(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(wordpiece::load(vocab_path));
}

[[maybe_unused]] const bool registered = [] {
    benchmark::RegisterBenchmark("tokenize/english", english, text_paths().back())->Unit(benchmark::kMillisecond);
    for (const auto path : text_paths())
        benchmark::RegisterBenchmark(("tokenize/english/" + std::string(name_of(path))).c_str(), english, path)
            ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark("tokenize/chat", chat);
    benchmark::RegisterBenchmark("tokenize/load", load)->Unit(benchmark::kMillisecond);
    return true;
}();

}  // namespace
