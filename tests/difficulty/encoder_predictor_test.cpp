#include <qlroute/difficulty/encoder_predictor.hpp>

#include <doctest/doctest.h>

#include <support/allocations.hpp>
#include <support/bert.hpp>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace qlroute;

namespace {

static_assert(difficulty_predictor<encoder_predictor>);

const std::string words_known =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwhat\nis\n2\n+\n?\nthe\ncapital\nof\nfrance\n##s\n";

wordpiece tokenizer() {
    auto out = wordpiece::from_lines(words_known);
    REQUIRE(out);
    return *std::move(out);
}

bert_encoder encoder(std::size_t classes, std::size_t words = 15) {
    auto out = bert_encoder::quantized(testing::random_bert(
        {.layers = 1, .hidden = 64, .heads = 2, .feed_forward = 128, .vocabulary = words, .positions = 12}, classes));
    REQUIRE(out);
    return *std::move(out);
}

encoder_predictor predictor(std::size_t classes, encoder_predictor_options options = {}) {
    auto out = encoder_predictor::from(encoder(classes), tokenizer(), options);
    REQUIRE(out);
    return *std::move(out);
}

}  // namespace

TEST_CASE("a prediction is tokenizer, encoder and classifier, one logit per ability") {
    const auto predict = predictor(4);
    const auto difficulty = predict.of("What is 2 + 2?");

    std::vector<std::int32_t> ids(12);
    const auto tokens = predict.tokenizer().encode("What is 2 + 2?", ids);
    bert_encoder::workspace memory(predict.encoder());
    (void)predict.encoder().encode(tokens.ids, memory);
    const auto logits = predict.encoder().logits(memory);
    REQUIRE(difficulty.abilities == 4);
    for (std::size_t k = 0; k < 4; ++k) {
        CHECK(difficulty.logits[k] == static_cast<double>(logits[k]));
        const endpoint place{.name = "x", .ability = static_cast<double>(k)};
        CHECK(difficulty(place) ==
              success_at(static_cast<double>(k), std::vector<double>{logits.begin(), logits.end()}));
    }
}

TEST_CASE("the last message of the user is read, whoever speaks after it") {
    const auto predict = predictor(1);
    const message dialogue[] = {
        {role::system, "the capital"}, {role::user, "of"}, {role::user, "what is france"}, {role::assistant, "2"}};
    CHECK(predict(dialogue).logits == predict.of("what is france").logits);
    CHECK(predict({}).logits == predict.of("").logits);
    CHECK(predict.of("2 + 2").logits != predict.of("france").logits);
}

TEST_CASE("a prompt longer than the encoder's positions, or than asked for, is cut") {
    std::string words =
        "what is 2 + 2 ? the capital of france";  // 10 tokens: with [CLS] and [SEP] as many as positions
    const auto predict = predictor(1);
    CHECK(predict.of(words + " s s s s").logits == predict.of(words).logits);
    const auto shorter = predictor(1, {.most_tokens = 4});
    CHECK(shorter.of("what is france of the").logits == shorter.of("what is").logits);
}

TEST_CASE("predicting allocates nothing") {
    const auto predict = predictor(2);
    const message dialogue[] = {{role::user, "What is the capital of France?"}};
    const endpoint place{.name = "x"};
    const std::size_t before = allocations;
    const double p = predict(dialogue)(place);
    CHECK(allocations == before);
    CHECK(p > 0);
    CHECK(p < 1);
}

TEST_CASE("more threads than workspaces get the same answers, one after the other") {
    const auto predict = predictor(1, {.threads = 2});
    const auto expected = predict.of("what is 2").logits;
    std::atomic<int> same = 0;
    {
        std::vector<std::jthread> threads;
        for (int k = 0; k < 6; ++k)
            threads.emplace_back([&, mine = predict] {
                for (int i = 0; i < 50; ++i) same += mine.of("what is 2").logits == expected;
            });
    }
    CHECK(same == 300);
}

TEST_CASE("parts that do not fit together are refused with the reason") {
    const auto complaint = [](const result<encoder_predictor>& made) { return made ? "" : made.error().message; };
    const auto mentions = [&](const result<encoder_predictor>& made, const char* what) {
        return complaint(made).find(what) != std::string::npos;
    };
    CHECK(mentions(encoder_predictor::from(encoder(0), tokenizer()), "0 classes"));
    CHECK(mentions(encoder_predictor::from(encoder(17), tokenizer()), "17 classes"));
    CHECK(mentions(encoder_predictor::from(encoder(1, 14), tokenizer()), "15 tokens, but the encoder only 14"));
    CHECK(mentions(encoder_predictor::from(encoder(1), tokenizer(), {.most_tokens = 1}), "most_tokens"));
    CHECK(mentions(encoder_predictor::from(encoder(1), tokenizer(), {.threads = 0}), "threads"));
    CHECK(mentions(encoder_predictor::load("no/such/file", "no/such/vocabulary"), "no/such/file"));
}
