// What does it cost to encode a text?
//
//   encode/ISA/full/TOKENS     hidden_states(): every token through every layer
//   encode/ISA/pruned/TOKENS   encode(): of the last layer only what the first token's vector needs
//   text_to_score/ISA/64       tokenizer, encode() and classifier: text in, score out; only with a vocabulary
//
// ISA is a kernel_set that runs here. Plain loops are measured up to 64 tokens, unless the filter names them.
//
//   us             of one text
//   GMAC/s         multiply-adds that the sizes of the model need, padding not counted, per second
//   share_of_peak  of what the instruction set's gemm reaches on operands in the first cache, see peak_of()
//   allocations    of one text
//
//   --model=DIR    config.json and model.safetensors; otherwise random weights of BERT-tiny's sizes
//   --vocab=FILE   vocab.txt; otherwise what QLROUTE_VOCAB says
//   --profile      instead of all that: where the time goes, for the names that the filter lets pass
#include "support/allocations.hpp"
#include "support/bert.hpp"

#include <qlroute/adapt/bert_config_json.hpp>
#include <qlroute/core/aligned.hpp>
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/text/wordpiece.hpp>

#include <benchmark/benchmark.h>

#include <regex.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace qlroute;

namespace {

constexpr std::size_t lengths[] = {16, 32, 64, 128, 256, 512};
constexpr std::size_t prompt_length = 64;
constexpr std::size_t longest_for_scalar = 64;

[[noreturn]] void fail(const std::string& why) {
    std::fprintf(stderr, "encoder_bench: %s\n", why.c_str());
    std::exit(2);
}

template <class T>
T valid(result<T> value) {
    if (!value) fail(value.error().message);
    return *std::move(value);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// --- work and peak -------------------------------------------------------------------------------

struct model_under_test {
    bert_config config;
    aligned_bytes image;  // quantised
};

bert_weights weights_of(const std::string& folder) {
    if (folder.empty()) return testing::random_bert({}, 1);
    const auto config = valid(load_bert_config(folder + "/config.json"));
    auto weights = valid(bert_weights::from(valid(safetensors::open(folder + "/model.safetensors")), config));
    // Zeros take as long as any other weights.
    const std::size_t hidden = config.hidden;
    const auto zeros = [hidden](std::size_t out) {
        return bert_weights::linear{std::vector<float>(out * hidden), std::vector<float>(out)};
    };
    if (!weights.pooler) weights.pooler = zeros(hidden);
    if (!weights.classifier) weights.classifier = zeros(1);
    return weights;
}

model_under_test load_model(const std::string& folder) {
    const bert_weights weights = weights_of(folder);
    return {weights.config, quantize(weights)};
}

bert_encoder encoder_of(const model_under_test& model, const simd::kernel_set& kernels) {
    return valid(bert_encoder::view(model.image.bytes(), kernels));
}

/// Queries, keys, values and attention's output take 4 H^2 for each token, the feed-forward part 2 H F; scores and
/// weighted sums take T H each.
double macs_of(const bert_config& config, std::size_t tokens, bool pruned) {
    const auto t = static_cast<double>(tokens), h = static_cast<double>(config.hidden);
    const auto f = static_cast<double>(config.feed_forward), layers = static_cast<double>(config.layers);
    const double whole_layer = t * (4 * h * h + 2 * h * f) + 2 * t * t * h;
    if (!pruned) return layers * whole_layer;
    const double keys_and_values = t * 2 * h * h;
    const double first_token = 2 * h * h + 2 * h * f + 2 * t * h;
    return (layers - 1) * whole_layer + keys_and_values + first_token;
}

/// Multiply-adds per second of this kernel_set's own gemm at its best: operands in the first cache, the best of many
/// repetitions and of some depths. This is no figure of a data sheet, which no kernel has to reach.
double peak_of(const simd::kernel_set& kernels) {
    constexpr std::size_t rows = 48, columns = 64, deepest = 512;
    aligned_bytes a(rows * deepest), b(columns * deepest), init(columns * 4), c(rows * columns * 4);
    std::fill(a.bytes().begin(), a.bytes().end(), std::byte{3});
    std::fill(b.bytes().begin(), b.bytes().end(), std::byte{5});
    double peak = 0;
    kernels.enter();
    for (const std::size_t depth : {deepest / 4, deepest / 2, deepest}) {
        const simd::gemm_call call{.a = reinterpret_cast<const std::uint8_t*>(a.data()),
                                   .a_stride = depth,
                                   .b = reinterpret_cast<const std::int8_t*>(b.data()),
                                   .b_stride = depth * simd::lanes,
                                   .init = reinterpret_cast<const std::int32_t*>(init.data()),
                                   .c = reinterpret_cast<std::int32_t*>(c.data()),
                                   .c_stride = columns,
                                   .rows = rows,
                                   .columns = columns,
                                   .depth = depth};
        const auto start = std::chrono::steady_clock::now();
        for (int repetition = 0; repetition < 20 || seconds_since(start) < 0.01; ++repetition) {
            constexpr int calls = 8;  // so that reading the clock costs nothing beside them
            const auto began = std::chrono::steady_clock::now();
            for (int k = 0; k < calls; ++k) {
                kernels.gemm(call);
                benchmark::ClobberMemory();
            }
            peak = std::max(peak, static_cast<double>(calls * rows * columns * depth) / seconds_since(began));
        }
    }
    kernels.leave();
    return peak;
}

// --- benchmarks ----------------------------------------------------------------------------------

/// A program's benchmarks of one instruction set share its peak and its encoder.
struct subject {
    const simd::kernel_set* kernels;
    bert_encoder encoder;
    double peak;
};

/// The same counters for every benchmark, or there could be no CSV of them. Time is the processor's, because others may
/// use the machine as well.
template <class Work>
void measure(benchmark::State& state, const subject& one, double macs, Work work) {
    work();  // once for the caches
    const std::size_t before = allocations;
    const std::clock_t start = std::clock();
    for (auto _ : state) work();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    const auto allocated = static_cast<double>(allocations - before);
    const auto texts = static_cast<double>(state.iterations());
    state.counters["us"] = seconds / texts * 1e6;
    state.counters["GMAC/s"] = texts * macs / seconds * 1e-9;
    state.counters["share_of_peak"] = texts * macs / seconds / one.peak;
    state.counters["allocations"] = allocated / texts;
}

std::vector<std::int32_t> some_ids(std::size_t tokens, std::size_t vocabulary) {
    std::vector<std::int32_t> out(tokens);
    for (std::size_t t = 0; t < tokens; ++t) out[t] = static_cast<std::int32_t>((t * 7919 + 13) % vocabulary);
    return out;
}

void run(const bert_encoder& encoder, std::span<const std::int32_t> ids, bool pruned, bert_encoder::workspace& memory) {
    const auto vectors = pruned ? encoder.encode(ids, memory) : encoder.hidden_states(ids, memory);
    benchmark::DoNotOptimize(vectors.data());
    benchmark::ClobberMemory();
}

void encode(benchmark::State& state, const subject& one, std::size_t tokens, bool pruned) {
    const bert_config& config = one.encoder.config();
    const auto ids = some_ids(tokens, config.vocabulary);
    bert_encoder::workspace memory(one.encoder);
    measure(state, one, macs_of(config, tokens, pruned), [&] { run(one.encoder, ids, pruned, memory); });
}

/// English of so many tokens: as many words as fit, then full stops, which are one token each.
std::string prompt_of(const wordpiece& words, std::size_t tokens) {
    constexpr std::string_view text =
        "My grandmother left me her recipe for plum cake, but it is written for a wood stove and in old measures. "
        "Please turn it into grams and degrees, explain how I can tell without a thermometer that the oven is ready, "
        "and say what I should change if the plums are very ripe. I have two baking tins, one round and one square, "
        "and would like to know which of them is better and for how long the cake will keep.";
    std::vector<std::int32_t> room(16 * text.size());
    const auto length = [&](std::string_view of) { return words.encode(of, room).ids.size(); };
    std::string out;
    for (std::size_t end = text.find(' '); end != text.npos && length(text.substr(0, end)) <= tokens;
         end = text.find(' ', end + 1))
        out = text.substr(0, end);
    while (length(out) < tokens) out += '.';
    return out;
}

void text_to_score(benchmark::State& state, const subject& one, const wordpiece& words, const std::string& prompt) {
    const bert_config& config = one.encoder.config();
    bert_encoder::workspace memory(one.encoder);
    std::array<std::int32_t, 512> room{};
    const auto hidden = static_cast<double>(config.hidden), classes = static_cast<double>(one.encoder.classes());
    const double head = hidden * hidden + hidden * classes;
    measure(state, one, macs_of(config, prompt_length, true) + head, [&] {
        (void)one.encoder.encode(words.encode(prompt, room).ids, memory);
        benchmark::DoNotOptimize(one.encoder.logits(memory)[0]);
        benchmark::ClobberMemory();
    });
}

std::string name_of(const simd::kernel_set& kernels, bool pruned, std::size_t tokens) {
    return "encode/" + std::string(kernels.name) + (pruned ? "/pruned/" : "/full/") + std::to_string(tokens);
}

std::vector<std::size_t> lengths_for(const simd::kernel_set& kernels, const bert_config& config) {
    const bool asked_for = benchmark::GetBenchmarkFilter().find("scalar") != std::string::npos;
    const std::size_t longest =
        kernels.isa == instruction_set::scalar && !asked_for ? longest_for_scalar : config.positions;
    std::vector<std::size_t> out;
    std::ranges::copy_if(lengths, std::back_inserter(out), [&](std::size_t one) { return one <= longest; });
    return out;
}

void register_benchmarks(const model_under_test& model, const std::string& vocabulary) {
    std::shared_ptr<const wordpiece> words;
    std::string prompt;
    if (!vocabulary.empty()) {
        words = std::make_shared<wordpiece>(valid(wordpiece::load(vocabulary)));
        if (words->size() > model.config.vocabulary)
            fail("\"" + vocabulary + "\" has " + std::to_string(words->size()) + " tokens, the model knows " +
                 std::to_string(model.config.vocabulary));
        prompt = prompt_of(*words, prompt_length);
    }
    const auto add = [](const std::string& name, auto what) {
        benchmark::RegisterBenchmark(name.c_str(), what)->Unit(benchmark::kMicrosecond);
    };
    for (const simd::kernel_set* kernels : simd::kernel_sets) {
        if (!simd::runs_here(kernels->isa)) continue;
        const auto one = std::make_shared<subject>(subject{kernels, encoder_of(model, *kernels), peak_of(*kernels)});
        std::fprintf(stderr, "%s: at most %.4g GMAC/s\n", std::string(kernels->name).c_str(), one->peak * 1e-9);
        for (const bool pruned : {false, true})
            for (const std::size_t tokens : lengths_for(*kernels, model.config))
                add(name_of(*kernels, pruned, tokens),
                    [one, tokens, pruned](benchmark::State& state) { encode(state, *one, tokens, pruned); });
        if (words != nullptr && prompt_length <= model.config.positions)
            add("text_to_score/" + std::string(kernels->name) + "/" + std::to_string(prompt_length),
                [one, words, prompt](benchmark::State& state) { text_to_score(state, *one, *words, prompt); });
    }
}

// --- profile -------------------------------------------------------------------------------------

enum class part : std::size_t {
    embedding,
    qkv,
    split_heads,
    scores,
    softmax,
    weighted_sum,
    context,
    attention_output,
    norm,
    feed_forward_in,
    gelu,
    feed_forward_out,
    rest,  // also: not measured by itself
};
constexpr std::size_t parts = static_cast<std::size_t>(part::rest) + 1;
constexpr const char* part_names[parts] = {"embedding, norm",
                                           "QKV",
                                           "heads to bytes",
                                           "attention: scores",
                                           "attention: softmax",
                                           "attention: sums",
                                           "sums to bytes",
                                           "attention output",
                                           "layer norms",
                                           "FFN1",
                                           "GELU",
                                           "FFN2",
                                           "packing and rest"};

/// Ticks of a clock that is read in order: what was begun before has ended.
std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
    _mm_lfence();
    const std::uint64_t now = __builtin_ia32_rdtsc();
    _mm_lfence();
    return now;
#else
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

struct clock_facts {
    double ticks_per_us;
    std::uint64_t overhead;  // ticks between two readings with nothing between them
};

clock_facts measured_clock() {
    const auto start = std::chrono::steady_clock::now();
    const std::uint64_t began = ticks();
    std::vector<std::uint64_t> gaps;
    while (seconds_since(start) < 0.02) {
        const std::uint64_t first = ticks();
        gaps.push_back(ticks() - first);
    }
    const double per_us = static_cast<double>(ticks() - began) / (seconds_since(start) * 1e6);
    const auto middle = gaps.begin() + static_cast<std::ptrdiff_t>(gaps.size() / 2);
    std::nth_element(gaps.begin(), middle, gaps.end());
    return {per_us, *middle};
}

/// Time by parts of one pass, and how often the clock was asked.
struct sample {
    std::array<std::uint64_t, parts> spent{};
    std::uint64_t total = 0;
    std::uint64_t calls = 0;
};

/// What the kernels below share: they are plain functions, so it cannot be an object that they are members of.
struct {
    const simd::kernel_set* inner;
    std::uint64_t overhead;
    const std::int32_t* sums;  // where products go, unless they are sums of columns
    part next_product;
    sample now;
} profiled;

template <class Work>
void timed(part where, Work work) noexcept {
    const std::uint64_t start = ticks();
    work();
    const std::uint64_t spent = ticks() - start;
    profiled.now.spent[static_cast<std::size_t>(where)] += spent - std::min(spent, profiled.overhead);
    ++profiled.now.calls;
}

/// Products are told apart by what ran before them: their shapes can be the same, if one head has all of H, say.
part product_after(part where) noexcept {
    switch (where) {
        case part::split_heads:
        case part::weighted_sum:
            return part::scores;
        case part::softmax:
            return part::weighted_sum;
        case part::context:
            return part::attention_output;
        case part::norm:
            return profiled.next_product == part::attention_output ? part::feed_forward_in : part::qkv;
        case part::gelu:
            return part::feed_forward_out;
        default:
            return part::qkv;
    }
}

template <auto Kernel, part Where, class Call>
void timed_kernel(const Call& call) noexcept {
    timed(Where, [&] { (profiled.inner->rows.*Kernel)(call); });
    profiled.next_product = product_after(Where);
}

void timed_split_heads(const simd::split_heads_call& call) noexcept {
    profiled.sums = call.in.sums;
    timed_kernel<&simd::row_kernels::split_heads, part::split_heads>(call);
}

void timed_gemm(const simd::gemm_call& call) noexcept {
    const part where = profiled.next_product;
    if (where == part::scores && call.c != profiled.sums) return profiled.inner->gemm(call);  // sums of columns: rest
    timed(where, [&] { profiled.inner->gemm(call); });
    if (where == part::weighted_sum) profiled.next_product = product_after(where);
}

simd::kernel_set with_clock(const simd::kernel_set& kernels) {
    simd::kernel_set out = kernels;
    out.gemm = timed_gemm;
    out.rows.split_heads = timed_split_heads;
    out.rows.embed = timed_kernel<&simd::row_kernels::embed, part::embedding, simd::embed_call>;
    out.rows.add_norm = timed_kernel<&simd::row_kernels::add_norm, part::norm, simd::add_norm_call>;
    out.rows.softmax = timed_kernel<&simd::row_kernels::softmax, part::softmax, simd::softmax_call>;
    out.rows.context = timed_kernel<&simd::row_kernels::context, part::context, simd::context_call>;
    out.rows.gelu = timed_kernel<&simd::row_kernels::gelu, part::gelu, simd::gelu_call>;
    return out;
}

template <class Pass>
std::vector<sample> samples_of(Pass pass) {
    std::vector<sample> all;
    pass();  // once for the caches
    const auto start = std::chrono::steady_clock::now();
    while (all.size() < 20 || seconds_since(start) < 0.25) {
        profiled.now = {};
        const std::uint64_t began = ticks();
        pass();
        profiled.now.total = ticks() - began;
        all.push_back(profiled.now);
    }
    return all;
}

/// The lower quartile, because where something else ran, too, time was only added.
template <class Value>
double typical(const std::vector<sample>& samples, Value value) {
    std::vector<std::uint64_t> all;
    std::ranges::transform(samples, std::back_inserter(all), value);
    const auto quartile = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 4);
    std::ranges::nth_element(all, quartile);
    return static_cast<double>(*quartile);
}

/// One column of a table, in microseconds.
struct column {
    std::size_t tokens;
    std::array<double, parts> spent{};
    double total = 0, with_clock = 0, without_clock = 0;
};

column column_of(const model_under_test& model, const simd::kernel_set& kernels, std::size_t tokens, bool pruned,
                 const clock_facts& clock) {
    profiled.inner = &kernels;
    profiled.overhead = clock.overhead;
    const auto ids = some_ids(tokens, model.config.vocabulary);
    const auto samples_with = [&](const simd::kernel_set& used) {
        const bert_encoder encoder = encoder_of(model, used);
        bert_encoder::workspace memory(encoder);
        return samples_of([&] { run(encoder, ids, pruned, memory); });
    };
    const auto plain = samples_with(kernels);
    const simd::kernel_set wrapped = with_clock(kernels);
    auto samples = samples_with(wrapped);
    // Two readings a kernel: one is within what they measure and has been taken off there, one is outside.
    for (sample& one : samples) {
        std::uint64_t known = one.calls * 2 * clock.overhead;
        for (const std::uint64_t each : one.spent) known += each;
        one.spent[parts - 1] = one.total - std::min(one.total, known);
    }

    column out{.tokens = tokens};
    for (std::size_t k = 0; k < parts; ++k) {
        out.spent[k] = typical(samples, [k](const sample& one) { return one.spent[k]; }) / clock.ticks_per_us;
        out.total += out.spent[k];
    }
    const auto total_of = [](const sample& one) { return one.total; };
    out.with_clock = typical(samples, total_of) / clock.ticks_per_us;
    out.without_clock = typical(plain, total_of) / clock.ticks_per_us;
    return out;
}

void print_table(const std::vector<column>& columns) {
    std::printf("  %-20s", "tokens");
    for (const column& one : columns) std::printf("%9zu       ", one.tokens);
    std::printf("\n");
    for (std::size_t k = 0; k < parts; ++k) {
        std::printf("  %-20s", part_names[k]);
        for (const column& one : columns) std::printf("%9.2f %4.1f %%", one.spent[k], 100 * one.spent[k] / one.total);
        std::printf("\n");
    }
    const auto line = [&](const char* name, double column::*value) {
        std::printf("  %-20s", name);
        for (const column& one : columns) std::printf("%9.2f us    ", one.*value);
        std::printf("\n");
    };
    line("sum", &column::total);
    line("with the clock", &column::with_clock);
    line("not profiled", &column::without_clock);
}

/// False if the filter is no regular expression.
bool print_profile(const model_under_test& model) {
    const clock_facts clock = measured_clock();
    std::printf(
        "us and %% of each part, lower quartiles of many passes. Profiling costs something: before and after every\n"
        "kernel the clock is read, once all that was begun has ended. The %.0f ns of a reading are taken off, but "
        "kernels\n"
        "can no longer overlap; the last two lines tell how much that is.\n",
        static_cast<double>(clock.overhead) / clock.ticks_per_us * 1e3);
    const std::string filter = benchmark::GetBenchmarkFilter();
    regex_t wanted;  // as in Google Benchmark's own filter
    if (regcomp(&wanted, filter.empty() || filter == "all" ? "." : filter.c_str(), REG_EXTENDED | REG_NOSUB) != 0) {
        std::fprintf(stderr, "not a regular expression: %s\n", filter.c_str());
        return false;
    }
    for (const simd::kernel_set* kernels : simd::kernel_sets) {
        if (!simd::runs_here(kernels->isa)) continue;
        for (const bool pruned : {false, true}) {
            std::vector<column> columns;
            for (const std::size_t tokens : lengths_for(*kernels, model.config))
                if (regexec(&wanted, name_of(*kernels, pruned, tokens).c_str(), 0, nullptr, 0) == 0)
                    columns.push_back(column_of(model, *kernels, tokens, pruned, clock));
            if (columns.empty()) continue;
            std::printf("\n%s, %s\n", std::string(kernels->name).c_str(), pruned ? "pruned" : "full");
            print_table(columns);
        }
    }
    regfree(&wanted);
    return true;
}

// --- options -------------------------------------------------------------------------------------

struct options {
    std::string model, vocabulary;
    bool profile = false;
};

/// Takes what is ours out of the arguments, so that the rest is Google Benchmark's.
options taken_from(int& count, char** words) {
    options out;
    if (const char* path = std::getenv("QLROUTE_VOCAB"); path != nullptr) out.vocabulary = path;
    const auto is_ours = [&out](std::string_view word) {
        const auto value_of = [word](std::string_view key, std::string& into) {
            if (word.starts_with(key)) into = word.substr(key.size());
            return word.starts_with(key);
        };
        if (word == "--profile") return out.profile = true;
        return value_of("--model=", out.model) || value_of("--vocab=", out.vocabulary);
    };
    char** const end = std::remove_if(words + 1, words + count, is_ours);
    count = static_cast<int>(end - words);
    *end = nullptr;
    return out;
}

}  // namespace

int main(int count, char** words) {
    const options chosen = taken_from(count, words);
    benchmark::Initialize(&count, words);
    if (benchmark::ReportUnrecognizedArguments(count, words)) return 2;
    const model_under_test model = load_model(chosen.model);
    if (chosen.profile) return print_profile(model) ? 0 : 2;
    register_benchmarks(model, chosen.vocabulary);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
}
