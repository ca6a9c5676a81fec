#include <qlroute/encoder/bert_encoder.hpp>

#include <doctest/doctest.h>

#include <support/allocations.hpp>
#include <support/bert.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

using namespace qlroute;

namespace {

// A copy would write into the original's memory.
static_assert(!std::is_copy_constructible_v<bert_encoder::workspace>);
static_assert(std::is_nothrow_move_constructible_v<bert_encoder::workspace>);
static_assert(std::is_copy_constructible_v<bert_encoder>);

const bert_config tiny{
    .layers = 2, .hidden = 128, .heads = 2, .feed_forward = 512, .vocabulary = 1000, .positions = 130};

std::vector<std::int32_t> ids_of(std::size_t length, std::size_t vocabulary = 1000) {
    std::vector<std::int32_t> out(length);
    for (std::size_t k = 0; k < length; ++k) out[k] = static_cast<std::int32_t>((k * 7919 + 13) % vocabulary);
    return out;
}

std::vector<std::int32_t> types_of(std::size_t length) {
    std::vector<std::int32_t> out(length);
    for (std::size_t k = 0; k < length; ++k) out[k] = k > length / 2;
    return out;
}

std::vector<float> copy(std::span<const float> from) { return {from.begin(), from.end()}; }

bert_encoder made(const bert_weights& weights, const simd::kernel_set& kernels = simd::active_kernels()) {
    auto out = bert_encoder::quantized(weights, kernels);
    REQUIRE_MESSAGE(out, (out ? "" : out.error().message));
    return *out;
}

/// Every kind of result, one after the other.
std::vector<float> everything(const bert_encoder& encoder, std::size_t length, bool with_types) {
    bert_encoder::workspace memory(encoder);
    const auto ids = ids_of(length, encoder.config().vocabulary);
    const auto types = with_types ? types_of(length) : std::vector<std::int32_t>();
    std::vector<float> out = copy(encoder.hidden_states(ids, types, memory));
    for (const auto part : {encoder.encode(ids, types, memory), encoder.pooled(memory), encoder.logits(memory)})
        out.insert(out.end(), part.begin(), part.end());
    return out;
}

template <class Change>
std::string complaint(const bert_weights& weights, Change change) {
    aligned_bytes image = quantize(weights);
    std::vector<std::byte> bytes(image.bytes().begin(), image.bytes().end());
    change(bytes);
    const auto encoder = bert_encoder::view(bytes);
    return encoder ? "" : encoder.error().message;
}

void replace(std::vector<std::byte>& bytes, std::string_view from, std::string_view to) {
    REQUIRE(from.size() == to.size());
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto at = text.find(from);
    REQUIRE(at != std::string_view::npos);
    std::memcpy(bytes.data() + at, to.data(), to.size());
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("every instruction set gives the same floats, bit for bit, at any length") {
    const auto weights = testing::random_bert(tiny, 3);
    for (const simd::kernel_set* kernels : simd::kernel_sets) {
        if (!simd::runs_here(kernels->isa) || kernels == &simd::scalar_kernels) continue;
        CAPTURE(kernels->name);
        const bert_encoder scalar = made(weights, simd::scalar_kernels), other = made(weights, *kernels);
        for (const std::size_t length :
             {1u, 2u, 3u, 4u, 5u, 15u, 16u, 17u, 23u, 24u, 25u, 31u, 33u, 48u, 64u, 65u, 100u, 129u, 130u}) {
            CAPTURE(length);
            const auto expected = everything(scalar, length, length % 2 == 0),
                       got = everything(other, length, length % 2 == 0);
            REQUIRE(expected.size() == got.size());
            CHECK(std::memcmp(expected.data(), got.data(), got.size() * sizeof(float)) == 0);
        }
    }
}

TEST_CASE("models of other sizes work on every instruction set as well") {
    for (const bert_config& config :
         {bert_config{.layers = 1,
         .hidden = 64,
         .heads = 4,
         .feed_forward = 64,
         .vocabulary = 50,
         .positions = 20,
         .token_types = 1},
          bert_config{.layers = 3,
          .hidden = 192,
          .heads = 4,
          .feed_forward = 320,
          .vocabulary = 50,
          .positions = 40,
          .token_types = 3},
          bert_config{.layers = 1, .hidden = 384, .heads = 12, .feed_forward = 1536, .vocabulary = 50, .positions = 33},
          bert_config{
              .layers = 1, .hidden = 256, .heads = 2, .feed_forward = 128, .vocabulary = 50, .positions = 17}}) {
        CAPTURE(config.hidden);
        const auto weights = testing::random_bert(config, 1);
        const auto expected = everything(made(weights, simd::scalar_kernels), config.positions, false);
        for (const simd::kernel_set* kernels : simd::kernel_sets)
            if (simd::runs_here(kernels->isa))
                CHECK(everything(made(weights, *kernels), config.positions, false) == expected);
    }
}

TEST_CASE("weights and activations of extreme size neither overflow nor leave the range of bytes") {
    bert_weights weights = testing::random_bert(tiny, 1);
    for (auto& layer : weights.layers)
        for (auto* one :
             {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.intermediate, &layer.output})
            for (float& w : one->weight) w = w > 0 ? 1e4f : -1e4f;  // every byte 127 or -127
    const auto expected = everything(made(weights, simd::scalar_kernels), 130, true);
    CHECK(std::ranges::all_of(expected, [](float x) { return std::isfinite(x); }));
    for (const simd::kernel_set* kernels : simd::kernel_sets)
        if (simd::runs_here(kernels->isa)) CHECK(everything(made(weights, *kernels), 130, true) == expected);
}

TEST_CASE("encode gives the first of the hidden states: what it leaves out changes nothing") {
    const bert_encoder encoder = made(testing::random_bert(tiny));
    bert_encoder::workspace memory(encoder);
    for (const std::size_t length : {1u, 16u, 17u, 77u, 130u}) {
        const auto ids = ids_of(length);
        const auto all = copy(encoder.hidden_states(ids, memory));
        REQUIRE(all.size() == length * 128);
        const auto one = copy(encoder.encode(ids, memory));
        CHECK(one == std::vector<float>(all.begin(), all.begin() + 128));
    }
}

TEST_CASE("what a workspace was used for before does not matter") {
    const bert_encoder encoder = made(testing::random_bert(tiny, 2));
    bert_encoder::workspace used(encoder);
    (void)encoder.hidden_states(ids_of(130), types_of(130), used);
    for (const std::size_t length : {1u, 5u, 30u, 99u}) {
        bert_encoder::workspace fresh(encoder);
        CHECK(copy(encoder.hidden_states(ids_of(length), used)) == copy(encoder.hidden_states(ids_of(length), fresh)));
        CHECK(copy(encoder.logits(used)) == copy(encoder.logits(fresh)));
    }
}

TEST_CASE("a kernel_set that sums over 64 tokens at once sees no values beyond the last one") {
    const auto weights = testing::random_bert(tiny);
    for (const simd::kernel_set* kernels : simd::kernel_sets) {
        if (!simd::runs_here(kernels->isa)) continue;
        CAPTURE(kernels->name);
        simd::kernel_set wide = *kernels;
        wide.depth_tile = 64;
        const bert_encoder encoder = made(weights, *kernels), wider = made(weights, wide);
        bert_encoder::workspace memory(encoder), used(wider);
        (void)wider.hidden_states(ids_of(130), used);  // leaves values everywhere
        for (const std::size_t length : {1u, 5u, 20u, 64u, 65u, 100u})
            CHECK(copy(wider.hidden_states(ids_of(length), used)) ==
                  copy(encoder.hidden_states(ids_of(length), memory)));
    }
}

TEST_CASE("a workspace that has moved still serves") {
    const bert_encoder encoder = made(testing::random_bert(tiny));
    bert_encoder::workspace before(encoder);
    const auto expected = copy(encoder.encode(ids_of(20), before));
    bert_encoder::workspace after(std::move(before));
    CHECK(copy(encoder.encode(ids_of(20), after)) == expected);
}

TEST_CASE("no token types are types of 0") {
    const bert_encoder encoder = made(testing::random_bert(tiny));
    bert_encoder::workspace memory(encoder);
    const auto ids = ids_of(20);
    const auto without = copy(encoder.encode(ids, memory));
    CHECK(copy(encoder.encode(ids, std::vector<std::int32_t>(20, 0), memory)) == without);
    CHECK(copy(encoder.encode(ids, std::vector<std::int32_t>(20, 1), memory)) != without);
}

TEST_CASE("encoding is noexcept and allocates nothing") {
    const bert_encoder encoder = made(testing::random_bert(tiny, 2));
    bert_encoder::workspace memory(encoder);
    const auto ids = ids_of(100), types = types_of(100);
    std::vector<float> vectors(2 * 128);
    const std::span<const std::int32_t> texts[] = {std::span(ids).first(10), ids};
    const std::size_t before = allocations;
    (void)encoder.encode(ids, types, memory);
    (void)encoder.hidden_states(ids, types, memory);
    (void)encoder.pooled(memory);
    (void)encoder.logits(memory);
    encoder.encode_batch(texts, vectors, memory);
    CHECK(allocations == before);
    static_assert(noexcept(encoder.encode(ids, types, memory)));
    static_assert(noexcept(encoder.hidden_states(ids, types, memory)));
    static_assert(noexcept(encoder.logits(memory)));
}

TEST_CASE("a batch gives what its texts give one by one") {
    const bert_encoder encoder = made(testing::random_bert(tiny));
    bert_encoder::workspace memory(encoder);
    const auto ids = ids_of(130);
    std::vector<std::span<const std::int32_t>> texts;
    for (const std::size_t length : {1u, 7u, 16u, 40u, 130u, 3u}) texts.push_back(std::span(ids).first(length));
    std::vector<float> vectors(texts.size() * 128);
    encoder.encode_batch(texts, vectors, memory);
    for (std::size_t k = 0; k < texts.size(); ++k) {
        const auto one = copy(encoder.encode(texts[k], memory));
        CHECK(std::equal(one.begin(), one.end(), vectors.begin() + static_cast<std::ptrdiff_t>(k * 128)));
    }
}

TEST_CASE("threads share an encoder, each with its own workspace") {
    const bert_encoder encoder = made(testing::random_bert(tiny));
    bert_encoder::workspace memory(encoder);
    const auto ids = ids_of(60);
    const auto expected = copy(encoder.encode(ids, memory));
    std::atomic<int> same = 0;
    {
        std::vector<std::jthread> threads;
        for (int k = 0; k < 4; ++k)
            threads.emplace_back([&, copy_of = encoder] {
                bert_encoder::workspace own(copy_of);
                for (int i = 0; i < 10; ++i) same += copy(copy_of.encode(ids, own)) == expected;
            });
    }
    CHECK(same == 40);
}

TEST_CASE("a file that quantize wrote loads and gives the same floats as the weights themselves") {
    const auto weights = testing::random_bert(tiny, 2);
    const std::string path = "bert_encoder_test.safetensors";
    {
        const aligned_bytes image = quantize(weights);
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(image.data()), static_cast<std::streamsize>(image.size()));
    }
    const auto loaded = bert_encoder::load(path);
    REQUIRE(loaded);
    CHECK(loaded->config() == tiny);
    CHECK(loaded->classes() == 2);
    CHECK(everything(*loaded, 50, true) == everything(made(weights), 50, true));
    std::remove(path.c_str());
}

TEST_CASE("without pooler or classifier there are no pooled vector and no logits") {
    const bert_encoder encoder = made(testing::random_bert(tiny));
    bert_encoder::workspace memory(encoder);
    (void)encoder.encode(ids_of(3), memory);
    CHECK(encoder.classes() == 0);
    CHECK(encoder.pooled(memory).empty());
    CHECK(encoder.logits(memory).empty());
}

#ifdef NDEBUG
TEST_CASE("in release builds ids outside the table count as 0, longer texts are cut, and no text has no vector") {
    const bert_encoder encoder = made(testing::random_bert(tiny));
    bert_encoder::workspace memory(encoder);
    const auto clean =
        copy(encoder.encode(std::vector<std::int32_t>{5, 0, 0, 0}, std::vector<std::int32_t>{1, 0, 0, 0}, memory));
    CHECK(copy(encoder.encode(std::vector<std::int32_t>{5, -1, 1000, 2'000'000'000},
                              std::vector<std::int32_t>{1, -1, 2, 77}, memory)) == clean);
    CHECK(copy(encoder.encode(ids_of(500), memory)) == copy(encoder.encode(ids_of(130), memory)));
    CHECK(encoder.encode({}, memory).empty());
    CHECK(encoder.hidden_states({}, memory).empty());
}
#endif

TEST_CASE("a file that is no encoder, or not a possible one, is refused with the place and the reason") {
    const auto weights = testing::random_bert(
        {.layers = 1, .hidden = 64, .heads = 1, .feed_forward = 64, .vocabulary = 30, .positions = 20}, 1);
    CHECK(complaint(weights, [](auto&) {}) == "");
    CHECK(contains(complaint(weights, [](auto& b) { replace(b, "qlroute.bert_encoder", "qlroute.bird_encoder"); }),
                   "not a quantised encoder"));
    CHECK(contains(complaint(weights, [](auto& b) { replace(b, "\"version\":\"1\"", "\"version\":\"2\""); }),
                   "version is not 1"));
    CHECK(contains(complaint(weights, [](auto& b) { replace(b, "\"hidden_size\":\"64\"", "\"hidden_size\":\"65\""); }),
                   "hidden_size is 65"));
    CHECK(contains(complaint(weights, [](auto& b) { replace(b, "\"hidden_size\":\"64\"", "\"hidden_size\":\"6x\""); }),
                   "no number \"hidden_size\""));
    CHECK(contains(
        complaint(weights, [](auto& b) { replace(b, "\"num_hidden_layers\":\"1\"", "\"num_hidden_layers\":\"2\""); }),
        "layer.1.qkv.panels"));
    CHECK(contains(complaint(weights, [](auto& b) { replace(b, "\"vocab_size\":\"30\"", "\"vocab_size\":\"31\""); }),
                   "\"words\""));
    CHECK(contains(complaint(weights, [](auto& b) { b.resize(b.size() - 1); }), "the encoder's weights: "));
    CHECK(contains(complaint(weights,
                             [](auto& b) {
                                 const auto file = safetensors::parse(b);
                                 const auto* panels = file->find("layer.0.feed_forward_in.panels");
                                 b[static_cast<std::size_t>(panels->data.data() - b.data()) + 5] = std::byte{0x80};
                             }),
                   "\"layer.0.feed_forward_in.panels\" has the value -128"));
    CHECK(contains(complaint(weights,
                             [](auto& b) {
                                 const auto file = safetensors::parse(b);
                                 const auto* scale = file->find("words.scale");
                                 const float infinite = INFINITY;
                                 std::memcpy(b.data() + (scale->data.data() - b.data()), &infinite, 4);
                             }),
                   "\"words.scale\" has a value that is not finite"));
    const auto absent = bert_encoder::load("no/such/file.safetensors");
    REQUIRE(!absent);
    CHECK(contains(absent.error().message, "no/such/file.safetensors"));
}
