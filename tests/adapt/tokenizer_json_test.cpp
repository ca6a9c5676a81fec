#include <qlroute/adapt/tokenizer_json.hpp>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

using namespace qlroute;
using nlohmann::json;

namespace {

/// What BERT's uncased models come with, in small.
json good() {
    json added = json::array();
    int id = 0;
    for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
        added.push_back({{"id", id++},
                         {"content", token},
                         {"single_word", false},
                         {"lstrip", false},
                         {"rstrip", false},
                         {"normalized", false},
                         {"special", true}});
    json vocab = json::object();
    int next = 0;
    for (const char* token :
         {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "cafe", "##s", "!", "[", "]", "sep"})
        vocab[token] = next++;
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", added},
            {"normalizer",
             {{"type", "BertNormalizer"},
              {"clean_text", true},
              {"handle_chinese_chars", true},
              {"strip_accents", nullptr},
              {"lowercase", true}}},
            {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
            {"post_processor", {{"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}}},
            {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
            {"model",
             {{"type", "WordPiece"},
              {"unk_token", "[UNK]"},
              {"continuing_subword_prefix", "##"},
              {"max_input_chars_per_word", 100},
              {"vocab", vocab}}}};
}

json special(const char* token, int type) { return {{"SpecialToken", {{"id", token}, {"type_id", type}}}}; }
json sequence(const char* name, int type) { return {{"Sequence", {{"id", name}, {"type_id", type}}}}; }

json good_template() {
    json out = {{"type", "TemplateProcessing"}};
    out["single"] = json::array({special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)});
    out["pair"] = json::array(
        {special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1), special("[SEP]", 1)});
    out["special_tokens"]["[CLS]"] = {{"id", "[CLS]"}, {"ids", json::array({2})}, {"tokens", json::array({"[CLS]"})}};
    out["special_tokens"]["[SEP]"] = {{"id", "[SEP]"}, {"ids", json::array({3})}, {"tokens", json::array({"[SEP]"})}};
    return out;
}

std::vector<std::int32_t> ids_of(const result<wordpiece>& words, std::string_view text) {
    REQUIRE(words);
    std::int32_t room[64];
    const auto ids = words->encode(text, room).ids;
    return {ids.begin(), ids.end()};
}

using ids = std::vector<std::int32_t>;

/// What is wrong once the member at `where` is `value`.
void expect_error(const char* where, const json& value, errc code, std::string_view message) {
    json file = good();
    file[json::json_pointer(where)] = value;
    const auto words = parse_tokenizer_json(file.dump());
    CAPTURE(where);
    REQUIRE_FALSE(words);
    CHECK(words.error().code == code);
    CHECK(words.error().message == message);
}

}  // namespace

TEST_CASE("a file of BERT's pipeline is a wordpiece") {
    const auto words = parse_tokenizer_json(good().dump());
    CHECK(ids_of(words, "Caf\xC3\xA9s, hello!") == ids{2, 6, 7, 1, 5, 8, 3});
    CHECK(words->size() == 12);
    CHECK(words->token(5) == "hello");
    CHECK(words->options().longest_word == 100);
}

TEST_CASE("added tokens are those of the file, and no others") {
    CHECK(ids_of(parse_tokenizer_json(good().dump()), "[SEP] [sep]") == ids{2, 3, 9, 11, 10, 3});
    json none = good();
    none["added_tokens"] = json::array();
    CHECK(ids_of(parse_tokenizer_json(none.dump()), "[SEP]") == ids{2, 9, 11, 10, 3});
    json more = good();
    more["added_tokens"].push_back({{"id", 12}, {"content", "hellos"}, {"normalized", false}});
    const auto words = parse_tokenizer_json(more.dump());
    CHECK(words->size() == 13);
    // an added token is not one of the model: it counts as it is spelt, and not in lower case
    CHECK(ids_of(words, "hellos Hellos") == ids{2, 12, 5, 7, 3});
}

TEST_CASE("options of the normaliser and the model are those of the file") {
    json file = good();
    file["normalizer"]["lowercase"] = false;
    CHECK(ids_of(parse_tokenizer_json(file.dump()), "Hello hello caf\xC3\xA9") == ids{2, 1, 5, 1, 3});
    file["normalizer"]["strip_accents"] = true;
    CHECK(ids_of(parse_tokenizer_json(file.dump()), "Hello hello caf\xC3\xA9") == ids{2, 1, 5, 6, 3});
    file["model"]["max_input_chars_per_word"] = 4;
    CHECK(ids_of(parse_tokenizer_json(file.dump()), "hello caf\xC3\xA9") == ids{2, 1, 6, 3});
    file["normalizer"] = {{"type", "BertNormalizer"}, {"clean_text", false}, {"handle_chinese_chars", false}};
    const auto words = parse_tokenizer_json(file.dump());
    REQUIRE(words);
    CHECK_FALSE(words->options().clean_text);
    CHECK_FALSE(words->options().isolate_cjk);
    CHECK(words->options().lowercase);
}

TEST_CASE("a template that says what BertProcessing says is as good") {
    json file = good();
    file["post_processor"] = good_template();
    CHECK(ids_of(parse_tokenizer_json(file.dump()), "hello!") == ids{2, 5, 8, 3});
    file["post_processor"]["pair"][4] = special("[SEP]", 0);
    const auto other = parse_tokenizer_json(file.dump());
    REQUIRE_FALSE(other);
    CHECK(other.error().message ==
          "post_processor.pair: expected [CLS] A [SEP] B [SEP], the last two of type 1, found a list of 5");
    file["post_processor"] = good_template();
    file["post_processor"]["special_tokens"]["[SEP]"]["ids"] = {3, 3};
    CHECK(parse_tokenizer_json(file.dump()).error().message ==
          "post_processor.special_tokens.[SEP].ids: expected one id, found a list of 2");
    file["post_processor"]["special_tokens"]["[SEP]"]["ids"] = json::array({4});
    CHECK(parse_tokenizer_json(file.dump()).error().message ==
          "post_processor: the token \"[SEP]\" has not the id 4 in the vocabulary");
}

TEST_CASE("another pipeline is an error that names the field") {
    const auto code = errc::unsupported;
    expect_error("/model/type", "BPE", code, "model.type: expected \"WordPiece\", found \"BPE\"");
    expect_error("/model", nullptr, code, "model: expected \"WordPiece\", found nothing");
    expect_error("/normalizer/type", "NFC", code, "normalizer.type: expected \"BertNormalizer\", found \"NFC\"");
    expect_error("/normalizer", nullptr, code, "normalizer: expected \"BertNormalizer\", found nothing");
    expect_error("/pre_tokenizer/type", "Whitespace", code,
                 "pre_tokenizer.type: expected \"BertPreTokenizer\", found \"Whitespace\"");
    expect_error(
        "/post_processor/type", "RobertaProcessing", code,
        "post_processor.type: expected \"BertProcessing\" or \"TemplateProcessing\", found \"RobertaProcessing\"");
    expect_error("/post_processor", nullptr, code,
                 "post_processor: expected \"BertProcessing\" or \"TemplateProcessing\", found nothing");
    expect_error("/truncation", {{"direction", "Left"}, {"strategy", "LongestFirst"}}, code,
                 "truncation.direction: expected \"Right\", found \"Left\"");
    expect_error("/truncation", {{"strategy", "OnlyFirst"}}, code,
                 "truncation.strategy: expected \"LongestFirst\", found \"OnlyFirst\"");
    expect_error("/added_tokens/1/lstrip", true, code, "added_tokens[1].lstrip: expected false, found true");
    expect_error("/added_tokens/0/normalized", true, code, "added_tokens[0].normalized: expected false, found true");
}

TEST_CASE("a field of another kind is an error that names it") {
    const auto code = errc::malformed;
    expect_error("/normalizer/lowercase", 1, code, "normalizer.lowercase: expected true or false, found 1");
    expect_error("/model/unk_token", 7, code, "model.unk_token: expected a text, found 7");
    expect_error("/model/max_input_chars_per_word", -1, code,
                 "model.max_input_chars_per_word: expected a whole number, found -1");
    expect_error("/model/vocab", json::array(), code, "model.vocab: expected an object, found a list of 0");
    expect_error("/model/vocab/hello", "5", code, "model.vocab: expected a whole number for \"hello\", found \"5\"");
    expect_error("/post_processor/sep", "[SEP]", code, "post_processor.sep: expected [token, id], found \"[SEP]\"");
    expect_error("/added_tokens", true, code, "added_tokens: expected a list, found true");
    expect_error("/added_tokens/0", 3, code, "added_tokens[0]: expected \"content\" and \"id\", found 3");
}

TEST_CASE("ids are 0 to n - 1, each once") {
    expect_error("/model/vocab/hello", 12, errc::out_of_range, "model.vocab has 12 tokens, but none with the id 5");
    expect_error("/model/vocab/hello", 100, errc::out_of_range,
                 "the token \"hello\" has the id 100; expected the ids of all tokens to be 0, 1, 2, ... without a gap");
    expect_error("/model/vocab/hello", 8, errc::malformed, "the tokens \"!\" and \"hello\" have both the id 8");
    expect_error("/added_tokens/0/id", 1, errc::malformed, "the tokens \"[UNK]\" and \"[PAD]\" have both the id 1");
    expect_error("/post_processor/cls", json::array({"[CLS]", 3}), errc::malformed,
                 "post_processor: the token \"[CLS]\" has not the id 3 in the vocabulary");
    expect_error("/model/max_input_chars_per_word", 5000, errc::out_of_range,
                 "longest_word is 5000; expected 1 to 1000 characters");
}

TEST_CASE("what is no JSON is an error that says where") {
    const auto cut = parse_tokenizer_json("{\"model\": ");
    REQUIRE_FALSE(cut);
    CHECK(cut.error().code == errc::malformed);
    CHECK(cut.error().message.starts_with("not valid JSON: parse error at line 1, column 11"));
    CHECK(parse_tokenizer_json("[1]").error().message == "expected a JSON object, found a list of 1");
    CHECK_FALSE(parse_tokenizer_json(""));
    CHECK_FALSE(parse_tokenizer_json("{}"));
    CHECK_FALSE(parse_tokenizer_json("{\"model\":" + std::string(200'000, '[')));
    CHECK_FALSE(parse_tokenizer_json("{\"model\":" + std::string(200'000, '[') + std::string(200'000, ']') + "}"));
}

TEST_CASE("a file is read, and an error names it") {
    const std::string path = "qlroute_tokenizer_json_test.json";
    std::ofstream(path) << good().dump();
    CHECK(ids_of(load_tokenizer_json(path), "hello") == ids{2, 5, 3});
    std::ofstream(path) << "{}";
    CHECK(load_tokenizer_json(path).error().message ==
          "cannot read \"" + path + "\": model: expected \"WordPiece\", found nothing");
    std::remove(path.c_str());
    CHECK(load_tokenizer_json(path).error().code == errc::missing);
}
