#include <qlroute/difficulty/response_difficulty.hpp>

#include <qlroute/io/safetensors_writer.hpp>
#include <qlroute/route/router.hpp>

#include <doctest/doctest.h>

#include <support/allocations.hpp>
#include <support/bert.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace qlroute;

namespace {

static_assert(difficulty_predictor<response_difficulty>);

constexpr std::size_t D = 3, E = 5, K = 4, W = 6, H = 64, M = 2, table_size = 256, F = prompt_feature_count;

/// Random weights, by the names and shapes of the file.
struct weights {
    std::map<std::string, std::vector<float>> floats;
    std::map<std::string, std::vector<std::uint64_t>> shapes;
    std::vector<std::int8_t> table;
    std::string format = "qlroute.response_difficulty", version = "1", names = "first\nsecond@set";

    weights() {
        std::mt19937 random(3);
        std::normal_distribution<float> normal(0, 0.3f);
        const auto draw = [&](const std::string& name, std::vector<std::uint64_t> shape) {
            std::size_t count = 1;
            for (const auto each : shape) count *= each;
            auto& values = floats[name];
            for (std::size_t k = 0; k < count; ++k) values.push_back(normal(random));
            shapes[name] = std::move(shape);
        };
        draw("ngram.scale", {D + E});
        draw("layout.mean", {F});
        draw("layout.inverse_deviation", {F});
        draw("layout.linear", {F, D});
        draw("layout.hidden", {F, W});
        draw("layout.hidden_bias", {W});
        draw("layout.output", {W, D});
        draw("encoder.difficulty", {H, D});
        draw("encoder.topic", {H, K});
        draw("topic.weight", {E, K});
        draw("topic.bias", {K});
        draw("topic.difficulty", {K, D});
        draw("tiers.weights", {4, D});
        draw("tiers.bias", {4});
        draw("abilities.weights", {M, D});
        draw("abilities.bias", {M});
        draw("prior.mean", {D + 1});
        draw("prior.precision", {D + 1, D + 1});
        for (std::size_t k = 0; k < table_size * (D + E); ++k)
            table.push_back(static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127));
    }

    result<response_difficulty> made(response_difficulty_options options = {}, std::size_t hidden = H,
                                     std::size_t classes = 1) const {
        safetensors_writer file;
        file.metadata("format", format);
        file.metadata("version", version);
        file.metadata("names", names);
        file.tensor<std::int8_t>("ngram.table", {table.size() / (D + E), D + E}, table);
        for (const auto& [name, values] : floats) file.tensor<float>(name, shapes.at(name), values);
        static std::vector<aligned_bytes> images;  // a view of them is read
        images.push_back(file.image());
        auto parsed = safetensors::parse(images.back().bytes());
        REQUIRE(parsed);
        auto encoder = bert_encoder::quantized(testing::random_bert(
            {.layers = 1, .hidden = hidden, .heads = 2, .feed_forward = 128, .vocabulary = 15, .positions = 12},
            classes));
        REQUIRE(encoder);
        auto tokenizer = wordpiece::from_lines(
            "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwhat\nis\n2\n+\n?\nthe\ncapital\nof\nfrance\n##s\n");
        REQUIRE(tokenizer);
        return response_difficulty::from(*encoder, *tokenizer, *std::move(parsed), "w.safetensors", options);
    }

    float at(const std::string& name, std::size_t row, std::size_t column) const {
        return floats.at(name)[row * shapes.at(name)[1] + column];
    }
};

response_difficulty predictor(response_difficulty_options options = {}) {
    auto out = weights().made(options);
    REQUIRE_MESSAGE(out, (out ? "" : out.error().message));
    return *out;
}

/// The formula of the header, step by step in double.
std::array<double, D> by_hand(const weights& w, const response_difficulty& p, std::string_view text) {
    std::vector<double> words(D + E);
    prompt_reader reader([&](std::uint64_t hash, prompt_ngram) {
        for (std::size_t d = 0; d < D + E; ++d) words[d] += w.table[(hash >> 56) * (D + E) + d];
    });
    reader.read_window(text);
    for (std::size_t d = 0; d < D + E; ++d)
        words[d] *= w.floats.at("ngram.scale")[d] / std::sqrt(static_cast<double>(reader.ngrams()));
    std::vector<std::int32_t> ids(12);
    bert_encoder::workspace memory(p.encoder());
    (void)p.encoder().encode(p.tokenizer().encode(text, ids).ids, memory);
    const auto pooled = p.encoder().pooled(memory);
    std::array<double, K> topic{};
    double total = 0;
    for (std::size_t k = 0; k < K; ++k) {
        topic[k] = w.floats.at("topic.bias")[k];
        for (std::size_t e = 0; e < E; ++e) topic[k] += words[D + e] * w.at("topic.weight", e, k);
        for (std::size_t h = 0; h < H; ++h) topic[k] += pooled[h] * w.at("encoder.topic", h, k);
        total += topic[k] = std::exp(topic[k]);
    }
    const auto features = reader.features(text.size());
    std::array<double, W> hidden{};
    std::array<double, F> x{};
    for (std::size_t f = 0; f < F; ++f)
        x[f] = std::clamp((features[f] - w.floats.at("layout.mean")[f]) * w.floats.at("layout.inverse_deviation")[f],
                          -4.0, 4.0);
    for (std::size_t u = 0; u < W; ++u) {
        hidden[u] = w.floats.at("layout.hidden_bias")[u];
        for (std::size_t f = 0; f < F; ++f) hidden[u] += x[f] * w.at("layout.hidden", f, u);
    }
    std::array<double, D> theta{};
    for (std::size_t d = 0; d < D; ++d) {
        theta[d] = words[d];
        for (std::size_t h = 0; h < H; ++h) theta[d] += pooled[h] * w.at("encoder.difficulty", h, d);
        for (std::size_t k = 0; k < K; ++k) theta[d] += topic[k] / total * w.at("topic.difficulty", k, d);
        for (std::size_t f = 0; f < F; ++f) theta[d] += x[f] * w.at("layout.linear", f, d);
        for (std::size_t u = 0; u < W; ++u) theta[d] += std::max(0.0, hidden[u]) * w.at("layout.output", u, d);
    }
    return theta;
}

void fails(const weights& w, const std::string& words, response_difficulty_options options = {}) {
    const auto out = w.made(options);
    REQUIRE(!out);
    CHECK_MESSAGE(out.error().message.find(words) != std::string::npos, out.error().message);
}

}  // namespace

TEST_CASE("theta is the formula of the header") {
    const weights w;
    const auto predict = predictor();
    for (const std::string_view text : {"What is 2 + 2?", "of france\nA. 2\nB. what", "?"}) {
        const auto theta = predict.of(text).theta;
        const auto expected = by_hand(w, predict, text);
        for (std::size_t d = 0; d < D; ++d)
            CHECK(static_cast<double>(theta[d]) == doctest::Approx(expected[d]).epsilon(1e-4));
    }
}

TEST_CASE("P(good answer) is the logistic function of abilities times difficulty plus bias") {
    response_difficulty::difficulty hard;
    hard.theta = {1, 2};
    endpoint place{.name = "x"};
    place.abilities = {.weights = {1, -1}, .bias = 1, .size = 2};  // logit 0
    CHECK(hard(place) == 0.5);
    place.abilities.bias = 1 + std::log(3.0f);
    CHECK(hard(place) == doctest::Approx(0.75));
}

TEST_CASE("an endpoint without abilities has those of its tier, and between two tiers the logit in between") {
    const weights w;
    const auto predict = predictor();
    const auto hard = predict.of("what is the capital");
    const auto logit = [&](double ability) {
        const double p = hard(endpoint{.name = "x", .ability = ability});
        return std::log(p / (1 - p));
    };
    for (std::size_t t = 0; t < 4; ++t) {
        double expected = w.floats.at("tiers.bias")[t];
        for (std::size_t d = 0; d < D; ++d) expected += hard.theta[d] * w.at("tiers.weights", t, d);
        CHECK(logit(static_cast<double>(t)) == doctest::Approx(expected));
    }
    CHECK(logit(0.25) == doctest::Approx(0.75 * logit(0) + 0.25 * logit(1)));
    CHECK(logit(2.5) == doctest::Approx(0.5 * logit(2) + 0.5 * logit(3)));
    CHECK(logit(-1) == logit(0));
    CHECK(logit(9) == logit(3));
}

TEST_CASE("models that the weights know are found by name") {
    const weights w;
    const auto predict = predictor();
    REQUIRE(predict.known().size() == 2);
    CHECK(predict.known()[1].name == "second@set");
    const auto second = predict.known("second@set");
    REQUIRE(second);
    CHECK(second->size == D);
    CHECK(second->weights[2] == w.at("abilities.weights", 1, 2));
    CHECK(second->bias == w.floats.at("abilities.bias")[1]);
    CHECK(!predict.known("third"));
}

TEST_CASE("the user's words are read, and not what programs put around them") {
    const auto predict = predictor();
    const message dialogue[] = {{role::system, "the capital"},
                                {role::user, "of"},
                                {role::assistant, "is"},
                                {role::user, "what is france"},
                                {role::tool, "2"}};
    CHECK(predict(dialogue).theta == predict.of("what is france").theta);
    CHECK(predict({}).theta == predict.of("").theta);
}

TEST_CASE("of a prompt with too many tokens the first and the last are read by the encoder") {
    weights w;
    for (auto& [name, values] : w.floats)  // the encoder alone speaks
        if (name == "ngram.scale" || name == "layout.linear" || name == "layout.output")
            std::fill(values.begin(), values.end(), 0.0f);
    const auto predict = *w.made({.most_tokens = 6});  // [CLS] and two words, two words and [SEP]
    const auto theta = predict.of("what is the capital of france of 2").theta;
    CHECK(theta == predict.of("what is + + + + + + of 2").theta);
    CHECK(theta != predict.of("what is the capital of france of +").theta);
    CHECK(theta != predict.of("what of the capital of france of 2").theta);
}

TEST_CASE("texts of any length and any bytes have a difficulty") {
    const auto predict = predictor();
    for (const auto& text : {std::string(), std::string(100'000, '?'), std::string("\xff\xfe\0x", 4)})
        for (const float x : predict.of(text).theta) CHECK(std::isfinite(x));
}

TEST_CASE("predicting allocates nothing") {
    const auto predict = predictor();
    const std::string text(5000, 'a');
    const message dialogue[] = {{role::user, text}};
    const endpoint place{.name = "x"};
    const std::size_t before = allocations;
    const double p = predict(dialogue)(place);
    CHECK(allocations == before);
    CHECK(p > 0);
}

TEST_CASE("several threads predict what one does") {
    const auto predict = predictor({.threads = 2});
    const auto alone = predict.of("what is 2 + 2 ?").theta;
    std::array<bool, 4> same{};
    std::vector<std::thread> threads;
    for (auto& mine : same)
        threads.emplace_back([&] {
            mine = true;
            for (int k = 0; k < 200; ++k) mine = mine && predict.of("what is 2 + 2 ?").theta == alone;
        });
    for (auto& each : threads) each.join();
    for (const bool mine : same) CHECK(mine);
}

TEST_CASE("a file that is not one of response weights says so") {
    weights w;
    w.format = "pt";
    fails(w, "w.safetensors: these are not response weights; expected a file that training/run wrote");
    w = {};
    w.version = "2";
    fails(w, "its version is not 1");
    w = {};
    w.names = "first";
    fails(w, "it has fewer names than abilities");
}

TEST_CASE("tensors that are missing, of another shape or not finite are named") {
    weights w;
    w.floats.erase("topic.bias");
    fails(w, "topic.bias");
    w = {};
    w.floats.erase("layout.linear");
    fails(w, "it has no tensor \"layout.linear\" of two dimensions");
    w = {};
    w.shapes["layout.mean"] = {F - 1};
    w.floats["layout.mean"].pop_back();
    fails(w, "layout.mean");
    w = {};
    w.floats["tiers.bias"][2] = std::numeric_limits<float>::quiet_NaN();
    fails(w, "a value of \"tiers.bias\" is not finite");
    w = {};
    w.table.resize(table_size * (D + E) / 2 + (D + E));
    fails(w, "its sizes are not those of this build");
}

TEST_CASE("an encoder that does not belong to the weights is refused") {
    const auto other = weights().made({}, 128);
    REQUIRE(!other);
    CHECK(other.error().message.find("encoder.difficulty") != std::string::npos);
    const auto bare = weights().made({}, H, 0);
    REQUIRE(!bare);
    CHECK(bare.error().message == "the encoder has no pooler; expected the encoder.safetensors beside w.safetensors");
}

TEST_CASE("options of nothing are refused, and files that are not there") {
    fails({}, "most_tokens must be 2 or more and threads 1 or more, got 1 and 1", {.most_tokens = 1});
    fails({}, "got 128 and 0", {.threads = 0});
    const auto none = response_difficulty::load("no-such-folder");
    REQUIRE(!none);
    CHECK(none.error().message.find("no-such-folder/encoder.safetensors") != std::string::npos);
}
