#include <qlroute/adapt/bert_reference.hpp>

#include <doctest/doctest.h>

#include <qlroute/adapt/bert_config_json.hpp>
#include <qlroute/io/safetensors.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

static_assert(std::is_nothrow_move_constructible_v<bert_reference>);

const std::string golden = QLROUTE_SOURCE_DIR "/tests/golden/bert_small";

bert_weights stored_weights() {
    const auto config = load_bert_config(golden + ".json");
    REQUIRE(config);
    const auto file = safetensors::open(golden + ".safetensors");
    REQUIRE(file);
    auto weights = bert_weights::from(*file, *config);
    REQUIRE(weights);
    return *std::move(weights);
}

/// What PyTorch computed, by name.
class golden_outputs {
public:
    golden_outputs() : file_(open()) {}

    template <class T>
    std::vector<T> values(const std::string& name) const {
        const tensor_view* found = file_.find(name);
        REQUIRE_MESSAGE(found != nullptr, name);
        REQUIRE(found->dtype == *detail::dtype_of<T>);
        const std::span data(reinterpret_cast<const T*>(found->data.data()), found->data.size() / sizeof(T));
        return {data.begin(), data.end()};
    }

    /// Tensors of inputs of that length.
    std::size_t count(std::size_t length) const {
        const std::string prefix = "n" + std::to_string(length) + ".";
        return static_cast<std::size_t>(std::ranges::count_if(
            file_.tensors(), [&](const tensor_view& one) { return one.name.starts_with(prefix); }));
    }

private:
    static safetensors open() {
        auto file = safetensors::open(golden + "_outputs.safetensors");
        REQUIRE(file);
        return *std::move(file);
    }

    safetensors file_;
};

/// Largest difference, by the largest magnitude; infinite for different lengths.
float relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
    if (found.size() != expected.size()) return std::numeric_limits<float>::infinity();
    float difference = 0;
    float magnitude = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (!std::isfinite(found[i])) return std::numeric_limits<float>::infinity();
        difference = std::max(difference, std::abs(found[i] - expected[i]));
        magnitude = std::max(magnitude, std::abs(expected[i]));
    }
    return difference / magnitude;
}

/// One layer, all weights 0 but norms that change nothing; embeddings of words are 1, 2, 3, ... in turn.
bert_weights plain_weights() {
    const bert_config c{
        .layers = 1, .hidden = 64, .heads = 4, .feed_forward = 64, .vocabulary = 4, .positions = 3, .token_types = 2};
    const std::size_t h = c.hidden;
    const bert_weights::norm norm{std::vector<float>(h, 1.0f), std::vector<float>(h, 0.0f)};
    const bert_weights::linear zeros{std::vector<float>(h * h, 0.0f), std::vector<float>(h, 0.0f)};
    bert_weights w;
    w.config = c;
    w.word_embeddings.resize(c.vocabulary * h);
    std::iota(w.word_embeddings.begin(), w.word_embeddings.end(), 1.0f);
    w.position_embeddings.resize(c.positions * h);
    w.token_type_embeddings.resize(c.token_types * h);
    w.embedding_norm = norm;
    w.layers.push_back({.query = zeros,
                        .key = zeros,
                        .value = zeros,
                        .attention_output = zeros,
                        .attention_norm = norm,
                        .intermediate = zeros,
                        .output = zeros,
                        .output_norm = norm});
    return w;
}

}  // namespace

TEST_CASE("every array on the way is PyTorch's") {
    const bert_reference model(stored_weights());
    const golden_outputs expected;
    for (const std::size_t length : {1u, 2u, 7u, 40u}) {
        const std::string prefix = "n" + std::to_string(length) + ".";
        const auto ids = expected.values<std::int32_t>(prefix + "ids");
        const auto types = expected.values<std::int32_t>(prefix + "types");
        REQUIRE(ids.size() == length);
        std::size_t compared = 2;  // ids and types
        const auto compare = [&](const std::string& name, const std::vector<float>& found) {
            CAPTURE(prefix);
            CAPTURE(name);
            CHECK(relative_error(found, expected.values<float>(prefix + name)) <= 1e-5f);
            ++compared;
        };
        const auto taps = model.run(ids, types);
        compare("embedding", taps.embedding);
        REQUIRE(taps.layers.size() == 2);
        for (std::size_t i = 0; i < taps.layers.size(); ++i) {
            const std::string layer = "layer." + std::to_string(i) + ".";
            const auto& seen = taps.layers[i];
            compare(layer + "query", seen.query);
            compare(layer + "key", seen.key);
            compare(layer + "value", seen.value);
            compare(layer + "probabilities", seen.probabilities);
            compare(layer + "context", seen.context);
            compare(layer + "attention_output", seen.attention_output);
            compare(layer + "intermediate", seen.intermediate);
            compare(layer + "output", seen.output);
        }
        compare("pooled", model.pooled(ids, types));
        compare("logits", model.logits(ids, types));
        CHECK(compared == expected.count(length));
        CHECK(model.hidden_states(ids, types) == taps.layers.back().output);
    }
}

TEST_CASE("tokens without types are of type 0") {
    const bert_reference model(stored_weights());
    const std::vector<std::int32_t> ids{3, 141, 59, 26};
    const std::vector<std::int32_t> zeros(ids.size(), 0);
    const std::vector<std::int32_t> ones(ids.size(), 1);
    CHECK(model.hidden_states(ids) == model.hidden_states(ids, zeros));
    CHECK(model.hidden_states(ids) != model.hidden_states(ids, ones));
}

TEST_CASE("a token sees the tokens after it and where it stands") {
    const bert_reference model(stored_weights());
    const auto first = [&](std::vector<std::int32_t> ids) {
        auto states = model.hidden_states(ids);
        states.resize(model.weights().config.hidden);
        return states;
    };
    const auto usual = first({5, 6, 7});
    CHECK(relative_error(first({5, 6, 8}), usual) > 1e-3f);
    CHECK(relative_error(first({5, 7, 6}), usual) > 1e-3f);
}

TEST_CASE("attention is a probability over all tokens, and not flat in the golden model") {
    const bert_reference model(stored_weights());
    const golden_outputs expected;
    const auto ids = expected.values<std::int32_t>("n40.ids");
    for (const auto& layer : model.run(ids).layers) {
        float sharpest = 0;
        for (std::size_t row = 0; row < 2 * 40; ++row) {
            const std::span p = std::span(layer.probabilities).subspan(row * 40, 40);
            CHECK(std::accumulate(p.begin(), p.end(), 0.0f) == doctest::Approx(1));
            sharpest = std::max(sharpest, *std::ranges::max_element(p));
        }
        CHECK(sharpest > 0.25f);
    }
}

TEST_CASE("a layer that adds nothing only normalises") {
    const bert_reference model(plain_weights());
    const std::vector<std::int32_t> ids{2, 0};
    const auto states = model.hidden_states(ids);
    // Of n numbers one apart the variance is (n^2 - 1) / 12.
    const double deviation = std::sqrt((64.0 * 64.0 - 1) / 12);
    for (std::size_t i = 0; i < states.size(); ++i)
        CHECK(states[i] == doctest::Approx((static_cast<double>(i % 64) - 31.5) / deviation).epsilon(1e-5));
}

TEST_CASE("the epsilon is added to the variance, before the root") {
    bert_weights w = plain_weights();
    w.config.layer_norm_epsilon = 0.5f;
    const auto states = bert_reference(std::move(w)).hidden_states(std::vector<std::int32_t>{1});
    double variance = (64.0 * 64.0 - 1) / 12;
    double scale = 1;
    for (int norm = 0; norm < 3; ++norm) {
        const double factor = 1 / std::sqrt(variance + 0.5);
        scale *= factor;
        variance *= factor * factor;
    }
    for (std::size_t i = 0; i < states.size(); ++i)
        CHECK(states[i] == doctest::Approx((static_cast<double>(i) - 31.5) * scale).epsilon(1e-5));
}

TEST_CASE("equal scores share the attention, and the context is the mean of the values") {
    bert_weights w = plain_weights();
    for (std::size_t i = 0; i < 64; ++i) w.layers[0].value.weight[i * 64 + i] = 1;  // value = input
    w.position_embeddings[64 + 5] = 50;  // the second token differs from the first
    const auto taps = bert_reference(std::move(w)).run(std::vector<std::int32_t>{1, 1, 1});
    for (const float p : taps.layers[0].probabilities) CHECK(p == doctest::Approx(1.0 / 3));
    for (std::size_t i = 0; i < 64; ++i) {
        const double mean = (static_cast<double>(taps.embedding[i]) + static_cast<double>(taps.embedding[64 + i]) +
                             static_cast<double>(taps.embedding[128 + i])) /
                            3;
        CHECK(taps.layers[0].context[64 + i] == doctest::Approx(mean).epsilon(1e-4));
    }
}

TEST_CASE("the activation is x times the normal distribution function") {
    bert_weights w = plain_weights();
    w.layers[0].intermediate.bias = {-30, -5, -3, -1, -0.5, 0, 0.5, 1, 3, 30};
    w.layers[0].intermediate.bias.resize(64);
    const auto taps = bert_reference(std::move(w)).run(std::vector<std::int32_t>{0});
    // x Phi(x), with Phi from tables of the normal distribution
    const double expected[] = {0, -1.4332579e-6, -0.00404969, -0.15865525, -0.15426877,
                               0, 0.34573123,    0.84134475,  2.99595031,  30};
    for (std::size_t i = 0; i < std::size(expected); ++i)
        CHECK(taps.layers[0].intermediate[i] == doctest::Approx(expected[i]).epsilon(1e-5));
}

TEST_CASE("scores so large that their exponentials overflow are fine") {
    bert_weights w = plain_weights();
    for (std::size_t i = 0; i < 64; ++i) w.layers[0].query.weight[i * 64 + i] = 1000;
    w.layers[0].key.weight = w.layers[0].query.weight;
    w.layers[0].value.weight = w.layers[0].query.weight;
    for (const float x : bert_reference(std::move(w)).hidden_states(std::vector<std::int32_t>{1, 2}))
        CHECK(std::isfinite(x));
}
