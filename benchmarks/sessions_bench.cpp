// What does it cost to know what is cached where, and to read the prompt?
//
//   next_turn/BYTES      session::next_turn over a dialogue of so many bytes, one message of 64 bytes being new
//   lexical/BYTES        lexical_difficulty over a prompt of so many bytes
//   session_table/N      one exchange in a table that holds N dialogues over 3 endpoints; bytes/session of memory
#include "support/allocations.hpp"

#include <qlroute/difficulty/lexical.hpp>
#include <qlroute/serving/session_table.hpp>

#include <benchmark/benchmark.h>

#include <sys/resource.h>

#include <cstddef>
#include <random>
#include <string>
#include <vector>

using namespace qlroute;

namespace {

std::string some_text(std::size_t bytes) {
    static const std::vector<std::string> words{"the",     "of",   "average", "train", "42",         "leaves",
                                                "station", "at",   "what",    "is",    "x",          "+",
                                                "prove",   "that", "there",   "are",   "infinitely", "many"};
    std::mt19937 random(5);
    std::string text;
    while (text.size() < bytes) text += words[random() % words.size()] + " ";
    text.resize(bytes);
    return text;
}

void next_turn(benchmark::State& state) {
    const auto bytes = static_cast<std::size_t>(state.range(0));
    const std::string question = some_text(bytes / 2 - 32);
    const std::string answer = some_text(bytes / 2 - 32);
    const std::string follow_up = some_text(64);
    const std::vector<message> said{
        {role::user, question, {}}, {role::assistant, answer, {}}, {role::user, follow_up, {}}};
    session chat(3);
    chat.next_turn({said.data(), 1});
    chat.commit(1, said[1]);
    const std::size_t before = allocations;
    for (auto _ : state) {
        turn t = chat.next_turn(said);
        benchmark::DoNotOptimize(t);
    }
    const auto counted = static_cast<double>(allocations - before);
    state.SetBytesProcessed(state.iterations() * state.range(0));
    state.counters["allocations/turn"] = benchmark::Counter(counted, benchmark::Counter::kAvgIterations);
}

void lexical(benchmark::State& state) {
    const auto predictor = lexical_difficulty::load(QLROUTE_SOURCE_DIR "/models/lexical.safetensors");
    if (!predictor) return state.SkipWithError(predictor.error().message.c_str());
    const std::string text = some_text(static_cast<std::size_t>(state.range(0)));
    const std::size_t before = allocations;
    for (auto _ : state) {
        auto difficulty = predictor->of(text);
        benchmark::DoNotOptimize(difficulty);
    }
    const auto counted = static_cast<double>(allocations - before);
    state.SetBytesProcessed(state.iterations() * state.range(0));
    state.counters["allocations/prompt"] = benchmark::Counter(counted, benchmark::Counter::kAvgIterations);
}

double resident_bytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return 1024.0 * static_cast<double>(usage.ru_maxrss);
}

void session_table_exchange(benchmark::State& state) {
    const auto count = static_cast<std::size_t>(state.range(0));
    const std::vector<endpoint> places(3, endpoint{.name = "edge", .kv_capacity = 50'000'000_tok});
    const double before = resident_bytes();
    session_table chats(count, places);
    const message question{role::user, "why is the sky blue?", {}};
    const message reply{role::assistant, "", 180_tok};
    const auto exchange = [&](std::uint64_t id) {
        benchmark::DoNotOptimize(chats.next_turn(id, {&question, 1}));
        chats.commit(id, id % 3, reply);
    };
    for (std::uint64_t id = 0; id < count; ++id) exchange(id);
    const double bytes = resident_bytes() - before;
    std::mt19937_64 random(1);
    for (auto _ : state) exchange(random() % (count + count / 8));  // some are new and push others out
    state.counters["bytes/session"] = bytes / static_cast<double>(count);
}

BENCHMARK(next_turn)->Arg(1 << 10)->Arg(1 << 12)->Arg(1 << 16);
BENCHMARK(lexical)->Arg(64)->Arg(256)->Arg(1024)->Arg(4096)->Arg(65536);
BENCHMARK(session_table_exchange)->Name("session_table")->Arg(1'000'000)->Iterations(1'000'000);

}  // namespace
