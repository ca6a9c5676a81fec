#include <qlroute/adapt/bert_config_json.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

using namespace qlroute;

namespace {

const std::string sizes =
    R"("num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 8, "intermediate_size": 1024,
       "vocab_size": 1000, "max_position_embeddings": 128, "type_vocab_size": 3)";

/// Read from a file of that content; the path in messages becomes PATH.
result<bert_config> read(const std::string& content) {
    const std::string name = "qlroute_bert_config_" + std::to_string(std::random_device{}()) + ".json";
    const auto path = (std::filesystem::temp_directory_path() / name).string();
    std::ofstream(path, std::ios::binary) << content;
    auto config = load_bert_config(path);
    std::filesystem::remove(path);
    if (config) return config;
    error why = config.error();
    const auto at = why.message.find(path);
    if (at != std::string::npos) why.message.replace(at, path.size(), "PATH");
    return why;
}

std::string with(const std::string& more) { return "{" + sizes + ", " + more + "}"; }

void expect_error(const std::string& content, errc code, const std::string& what) {
    CAPTURE(content);
    const auto config = read(content);
    REQUIRE_FALSE(config);
    CHECK(config.error().message == "cannot read \"PATH\": " + what);
    CHECK(config.error().code == code);
}

}  // namespace

TEST_CASE("the sizes are read under their names in config.json") {
    const auto config = read(with(R"("layer_norm_eps": 1e-5)"));
    REQUIRE(config);
    CHECK(*config == bert_config{.layers = 4,
                                 .hidden = 256,
                                 .heads = 8,
                                 .feed_forward = 1024,
                                 .vocabulary = 1000,
                                 .positions = 128,
                                 .token_types = 3,
                                 .layer_norm_epsilon = 1e-5f});
}

TEST_CASE("what Hugging Face assumes of absent keys is assumed here") {
    const auto config = read("{" + sizes + "}");
    REQUIRE(config);
    CHECK(config->layer_norm_epsilon == 1e-12f);
    CHECK(read(with(R"("model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute",
                       "is_decoder": false, "hidden_dropout_prob": 0.1, "id2label": {"0": "easy"})")));
}

TEST_CASE("the stored golden config is read") {
    const auto config = load_bert_config(QLROUTE_SOURCE_DIR "/tests/golden/bert_small.json");
    REQUIRE(config);
    CHECK(config->hidden == 64);
    CHECK(config->positions == 40);
}

TEST_CASE("every size must be there") {
    for (const std::string key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size",
                                  "vocab_size", "max_position_embeddings", "type_vocab_size"}) {
        std::string text = "{" + sizes + "}";
        text.replace(text.find(key), key.size(), "x");
        expect_error(text, errc::missing, key + ": missing; expected a whole number");
    }
}

TEST_CASE("a size is a whole number") {
    const auto hidden = [](const std::string& value) {
        std::string text = "{" + sizes + "}";
        return text.replace(text.find("256"), 3, value);
    };
    const std::string expected = "hidden_size: expected a whole number above 0, got ";
    for (const char* value : {"-256", "256.0", "true", "null"})
        expect_error(hidden(value), errc::malformed, expected + value);
    expect_error(hidden("\"256\""), errc::malformed, expected + "\"256\"");
    expect_error(hidden("[256]"), errc::malformed, expected + "a list");
    expect_error(hidden("{}"), errc::malformed, expected + "an object");
    expect_error(hidden("0"), errc::out_of_range, "hidden_size is 0; expected a whole number from 1 to 16384");
    expect_error(hidden("18446744073709551615"), errc::out_of_range,
                 "hidden_size is 18446744073709551615; expected a whole number from 1 to 16384");
    CHECK_FALSE(read(hidden("99999999999999999999999")));
    expect_error(hidden("100"), errc::unsupported, "hidden_size is 100; this build needs a multiple of 64");
}

TEST_CASE("the epsilon is a small positive number") {
    const std::string expected = "layer_norm_eps: expected a number above 0, at most 1, got ";
    expect_error(with(R"("layer_norm_eps": 0)"), errc::out_of_range, expected + "0");
    expect_error(with(R"("layer_norm_eps": -1e-12)"), errc::out_of_range, expected + "-1e-12");
    expect_error(with(R"("layer_norm_eps": 1e-60)"), errc::out_of_range, expected + "1e-60");
    expect_error(with(R"("layer_norm_eps": "1e-12")"), errc::malformed, expected + "\"1e-12\"");
    const auto one = read(with(R"("layer_norm_eps": 1)"));
    REQUIRE(one);
    CHECK(one->layer_norm_epsilon == 1.0f);
}

TEST_CASE("another architecture is refused by what makes it another") {
    expect_error(with(R"("hidden_act": "gelu_new")"), errc::unsupported,
                 "hidden_act: only \"gelu\" is supported, got \"gelu_new\"");
    expect_error(with(R"("hidden_act": ["gelu"])"), errc::unsupported,
                 "hidden_act: only \"gelu\" is supported, got a list");
    expect_error(R"({"model_type": "distilbert", "n_layers": 6})", errc::unsupported,
                 "model_type: only \"bert\" is supported, got \"distilbert\"");
    expect_error(with(R"("position_embedding_type": "relative_key")"), errc::unsupported,
                 "position_embedding_type: only \"absolute\" is supported, got \"relative_key\"");
    expect_error(with(R"("is_decoder": true)"), errc::unsupported, "is_decoder: only false is supported, got true");
}

TEST_CASE("what is no JSON object is refused with its place") {
    const auto broken = read("{\"hidden_size\": 256,\n \"layers\": }");
    REQUIRE_FALSE(broken);
    CHECK(broken.error().code == errc::malformed);
    CHECK(broken.error().message.starts_with(
        "cannot read \"PATH\": not valid JSON: parse error at line 2, column 12: syntax error"));
    CHECK(broken.error().offset == 33);
    for (const char* text : {"", "{", "\xFF\xFE", "{\"a\": \"\xC3\"}", "{} {}"}) CHECK_FALSE(read(text));
    expect_error("[1, 2]", errc::malformed, "expected one object, such as {...}");
    CHECK_FALSE(read(std::string(100'000, '[')));
    CHECK_FALSE(read(with("\"hidden_act\": " + std::string(100'000, '[') + std::string(100'000, ']'))));
}

TEST_CASE("a missing file is named") {
    const auto config = load_bert_config("/nowhere/config.json");
    REQUIRE_FALSE(config);
    CHECK(config.error().code == errc::missing);
    CHECK(config.error().message.find("/nowhere/config.json") != std::string::npos);
}
