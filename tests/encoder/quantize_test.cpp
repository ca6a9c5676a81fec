#include <qlroute/encoder/quantize.hpp>

#include <doctest/doctest.h>

#include <support/bert.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace qlroute;

TEST_CASE("a row's largest magnitude becomes 127, and the others are rounded to even") {
    const std::vector<float> matrix{254, -127, 1, 3, 0, 0, 0, 0, -0.5f, 0.25f, 0.5f, 0};
    const int8_matrix q = quantize_rows(matrix, 3);
    CHECK(q.scale == std::vector<float>{2, 0, 0.5f / 127});
    CHECK(q.values == std::vector<std::int8_t>{127, -64, 0, 2, 0, 0, 0, 0, -127, 64, 127, 0});
}

TEST_CASE("values so small that their scale is no float become zeros instead of infinities") {
    const std::vector<float> matrix{1e-45f, -1e-45f};
    const int8_matrix q = quantize_rows(matrix, 1);
    CHECK(q.scale == std::vector<float>{0});
    CHECK(q.values == std::vector<std::int8_t>{0, 0});
}

TEST_CASE("a column's size is the root of its mean square, and 1 for zeros") {
    const std::vector<float> matrix{3, 0, 1, 4, 0, 7};
    CHECK(column_sizes(matrix, 3) == std::vector<float>{std::sqrt(12.5f), 1, 5});
    CHECK(column_sizes(std::vector<float>{2, 0, -2, 0}, 2) == std::vector<float>{2, 1});
}

TEST_CASE("a column that is much larger than the others does not cost the others their bits") {
    bert_weights weights = testing::random_bert(
        {.layers = 1, .hidden = 64, .heads = 1, .feed_forward = 64, .vocabulary = 50, .positions = 2});
    for (std::size_t word = 0; word < 50; ++word) weights.word_embeddings[word * 64 + 7] *= 1000;
    const aligned_bytes image = quantize(weights);
    const auto file = safetensors::parse(image.bytes());
    REQUIRE(file);
    const auto words = file->values<std::int8_t>("words", 50, 64);
    const auto scale = file->values<float>("words.scale", 50);
    const auto column = file->values<float>("words.column", 64);
    REQUIRE(words);
    REQUIRE(scale);
    REQUIRE(column);
    for (std::size_t k = 0; k < 50 * 64; ++k) {
        const float real = (*scale)[k / 64] * (*column)[k % 64] * static_cast<float>((*words)[k]);
        REQUIRE(std::abs(real - weights.word_embeddings[k]) <= 0.51f * (*scale)[k / 64] * (*column)[k % 64]);
        REQUIRE((*scale)[k / 64] < 5.0f / 127);  // a word's largest coordinate is some times its column's size
    }
}

TEST_CASE("the file names sizes and tensors, and every matrix lies on a cache line") {
    const bert_config config{.layers = 1,
                             .hidden = 64,
                             .heads = 2,
                             .feed_forward = 128,
                             .vocabulary = 10,
                             .positions = 5,
                             .layer_norm_epsilon = 1e-5f};
    const auto weights = testing::random_bert(config, 3);
    const aligned_bytes image = quantize(weights);
    const auto file = safetensors::parse(image.bytes());
    REQUIRE(file);
    CHECK(file->metadata("format") == "qlroute.bert_encoder");
    CHECK(file->metadata("hidden_size") == "64");
    CHECK(file->metadata("layer_norm_eps") == "1e-05");
    const auto panels = file->values<std::int8_t>("layer.0.qkv.panels", 12, 16, 16, 4);
    REQUIRE(panels);
    CHECK(reinterpret_cast<std::uintptr_t>(panels->data()) % 64 == 0);
    // output 64 of the three projections is output 0 of the keys
    const auto keys = quantize_rows(weights.layers[0].key.weight, 64);
    CHECK((*panels)[simd::panel_index(64, 5, 64)] == keys.values[5]);
    const auto scale = file->values<float>("layer.0.qkv.scale", 192);
    REQUIRE(scale);
    CHECK((*scale)[64] == keys.scale[0]);
    CHECK(file->values<std::int8_t>("words", 10, 64));
    CHECK(file->values<float>("words.scale", 10));
    CHECK(file->values<float>("classifier.weight", 3, 64));
}

TEST_CASE("a model without pooler and classifier has none in its file") {
    const auto weights = testing::random_bert(
        {.layers = 1, .hidden = 64, .heads = 1, .feed_forward = 64, .vocabulary = 3, .positions = 2});
    const aligned_bytes image = quantize(weights);
    const auto file = safetensors::parse(image.bytes());
    REQUIRE(file);
    CHECK(file->find("pooler.weight") == nullptr);
    CHECK(file->find("classifier.weight") == nullptr);
}
