#include <qlroute/difficulty/text_encoder.hpp>

#include <doctest/doctest.h>

#include <support/bert.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

using namespace qlroute;

namespace {

std::vector<float> first_vector(const text_encoder& text, std::string_view prompt) {
    std::vector<float> out;
    text.encode(prompt, [&](const bert_encoder& encoder, bert_encoder::workspace& memory) {
        const auto pooled = encoder.pooled(memory);
        out.assign(pooled.begin(), pooled.end());
    });
    return out;
}

text_encoder made(std::size_t most_tokens, cut where, std::size_t window = 0) {
    auto encoder = bert_encoder::quantized(testing::random_bert(
        {.layers = 1, .hidden = 64, .heads = 2, .feed_forward = 128, .vocabulary = 9, .positions = 12}, 1));
    auto tokenizer = wordpiece::from_lines("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\n");
    REQUIRE(encoder);
    REQUIRE(tokenizer);
    return {*encoder, *tokenizer, most_tokens, 1, where, window};
}

}  // namespace

TEST_CASE("a text is tokenized and encoded") {
    const auto text = made(12, cut::end);
    const std::int32_t ids[] = {2, 5, 6, 3};
    bert_encoder::workspace memory(text.encoder());
    (void)text.encoder().encode(ids, memory);
    const auto pooled = text.encoder().pooled(memory);
    CHECK(first_vector(text, "a b") == std::vector<float>(pooled.begin(), pooled.end()));
}

TEST_CASE("never more tokens are read than the encoder has positions") {
    CHECK(made(100, cut::end).most_tokens() == 12);
    CHECK(made(5, cut::end).most_tokens() == 5);
}

TEST_CASE("a long text loses its end, or its middle") {
    const auto end = made(5, cut::end);
    CHECK(first_vector(end, "a b c d a b") == first_vector(end, "a b c"));
    const auto middle = made(5, cut::middle, 100);  // [CLS] a | b c [SEP]
    CHECK(first_vector(middle, "a d d d d d d b c") == first_vector(middle, "a b c"));
    CHECK(first_vector(middle, "a d d b d") != first_vector(middle, "a b c"));
}
