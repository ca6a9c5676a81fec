#include <qlroute/adapt/bert_directory.hpp>

#include <doctest/doctest.h>

#include <qlroute/encoder/quantize.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

namespace fs = std::filesystem;

const fs::path golden = QLROUTE_SOURCE_DIR "/tests/golden";

/// A folder for one test, gone afterwards.
class temporary_folder {
public:
    temporary_folder() {
        std::string pattern = (fs::temp_directory_path() / "qlroute-model.XXXXXX").string();
        REQUIRE(mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~temporary_folder() {
        std::error_code none;
        fs::remove_all(path_, none);
    }
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    std::string name() const { return path_.string(); }
    std::string path(const std::string& file) const { return (path_ / file).string(); }
    void write(const std::string& file, const std::string& text) const {
        std::ofstream(path_ / file, std::ios::binary) << text;
    }
    void copy(const std::string& from, const std::string& to) const { fs::copy_file(golden / from, path_ / to); }
    void remove(const std::string& file) const { fs::remove(path_ / file); }

    /// As Hugging Face stores a model.
    void write_floats() const {
        copy("bert_small.json", "config.json");
        copy("bert_small.safetensors", "model.safetensors");
    }
    /// As `qlroute quantize` does.
    void write_int8() const {
        temporary_folder floats;
        floats.write_floats();
        const auto weights = load_bert_weights(floats.name());
        REQUIRE(weights);
        const auto image = quantize(*weights);
        const auto bytes = image.bytes();
        write("encoder.safetensors", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    }

private:
    fs::path path_;
};

/// The first tokens of the recorded vocabulary, one a line. The model has 150.
std::string vocabulary(int tokens) {
    std::ifstream file(golden / "wordpiece_vocab.txt");
    std::string all;
    std::string line;
    for (int k = 0; k < tokens && std::getline(file, line); ++k) all += line + "\n";
    return all;
}

constexpr const char* small_json =
    R"({"added_tokens":[],"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},
        "post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},
        "model":{"type":"WordPiece","vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"hello":3}}})";

std::vector<float> vector_of(const bert_model& model) {
    const std::int32_t ids[] = {2, 17, 42, 149, 3};
    bert_encoder::workspace memory(model.encoder);
    const auto vector = model.encoder.encode(ids, memory);
    return {vector.begin(), vector.end()};
}

std::vector<std::int32_t> ids_of(const bert_model& model, std::string_view text) {
    REQUIRE(model.tokenizer);
    std::int32_t room[40];
    const auto ids = model.tokenizer->encode(text, room).ids;
    return {ids.begin(), ids.end()};
}

using token_ids = std::vector<std::int32_t>;

void expect_error(const result<bert_model>& model, errc code, const std::string& message) {
    REQUIRE_FALSE(model);
    CHECK(model.error().code == code);
    CHECK(model.error().message == message);
}

}  // namespace

TEST_CASE("a folder with floats and a folder with their int8 file are the same model") {
    temporary_folder floats;
    temporary_folder int8;
    floats.write_floats();
    int8.write_int8();
    const auto one = load_bert_directory(floats.name());
    const auto other = load_bert_directory(int8.name());
    REQUIRE(one);
    REQUIRE(other);
    CHECK(one->encoder.config() == other->encoder.config());
    CHECK(one->encoder.classes() == 3);
    CHECK(vector_of(*one) == vector_of(*other));
    CHECK_FALSE(one->tokenizer);
    CHECK_FALSE(other->tokenizer);
}

TEST_CASE("of a folder with both the int8 file counts") {
    temporary_folder folder;
    folder.write_int8();
    folder.write("config.json", "no");
    folder.write("model.safetensors", "no");
    CHECK(load_bert_directory(folder.name()));
    CHECK(load_bert_directory(folder.name() + "/"));
}

TEST_CASE("the instruction set is the one that was asked for") {
    temporary_folder folder;
    folder.write_int8();
    const auto model = load_bert_directory(folder.name(), simd::scalar_kernels);
    REQUIRE(model);
    CHECK(&model->encoder.kernels() == &simd::scalar_kernels);
    CHECK(vector_of(*model) == vector_of(*load_bert_directory(folder.name())));
}

TEST_CASE("the tokenizer is tokenizer.json, or else vocab.txt") {
    temporary_folder folder;
    folder.write_floats();
    folder.write("vocab.txt", vocabulary(150));
    const auto of_text = load_bert_directory(folder.name());
    REQUIRE(of_text);
    CHECK(of_text->tokenizer->size() == 150);
    folder.write("tokenizer.json", small_json);
    const auto of_json = load_bert_directory(folder.name());
    REQUIRE(of_json);
    CHECK(ids_of(*of_json, "Hello you") == token_ids{1, 3, 0, 2});
}

TEST_CASE("tokenizer_config.json says how a vocab.txt is read") {
    temporary_folder folder;
    folder.write_floats();
    folder.write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\nhello\nHello\ncaf\xC3\xA9\n");
    CHECK(ids_of(*load_bert_directory(folder.name()), "Hello caf\xC3\xA9") == token_ids{1, 3, 0, 2});
    folder.write("tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": null, "model_max_length": 40})");
    CHECK(ids_of(*load_bert_directory(folder.name()), "Hello caf\xC3\xA9") == token_ids{1, 4, 5, 2});
    folder.write("tokenizer_config.json", R"({"strip_accents": false, "tokenize_chinese_chars": false})");
    const auto model = load_bert_directory(folder.name());
    CHECK(ids_of(*model, "Hello caf\xC3\xA9") == token_ids{1, 3, 5, 2});
    CHECK_FALSE(model->tokenizer->options().isolate_cjk);

    const std::string path = folder.path("tokenizer_config.json");
    folder.write("tokenizer_config.json", R"({"do_lower_case": "no"})");
    expect_error(load_bert_directory(folder.name()), errc::malformed,
                 "cannot read \"" + path + "\": do_lower_case: expected true, false or null");
    folder.write("tokenizer_config.json", "[]");
    expect_error(load_bert_directory(folder.name()), errc::malformed,
                 "cannot read \"" + path + "\": it is not a JSON object");
    folder.write("tokenizer_config.json", "{");
    CHECK(load_bert_directory(folder.name())
              .error()
              .message.starts_with("cannot read \"" + path + "\": not valid JSON: parse error at line 1"));
    folder.write("tokenizer_config.json", "");
    CHECK_FALSE(load_bert_directory(folder.name()));
}

TEST_CASE("a tokenizer has at most as many tokens as the model") {
    temporary_folder folder;
    folder.write_floats();
    folder.write("vocab.txt", vocabulary(149));
    CHECK(load_bert_directory(folder.name()));
    folder.write("vocab.txt", vocabulary(151));
    expect_error(load_bert_directory(folder.name()), errc::out_of_range,
                 "\"" + folder.path("vocab.txt") +
                     "\" has 151 tokens, but the vocab_size of the model is 150; expected the tokenizer of this model");
    folder.remove("vocab.txt");
    folder.write("tokenizer.json", small_json);
    CHECK(load_bert_directory(folder.name()));
}

TEST_CASE("what is missing is named, with the folder and what was expected") {
    const std::string floats = "config.json and model.safetensors as Hugging Face names them";
    const std::string models = floats + ", or encoder.safetensors as `qlroute quantize` writes it";
    expect_error(load_bert_directory("no/such"), errc::missing, "there is no folder \"no/such\"; expected " + models);
    expect_error(load_bert_directory(""), errc::missing, "there is no folder \"\"; expected " + models);

    temporary_folder folder;
    const std::string has_no = "the folder \"" + folder.name() + "\" has no ";
    expect_error(load_bert_directory(folder.name()), errc::missing, has_no + "model; expected " + models);
    folder.write_floats();
    folder.remove("model.safetensors");
    expect_error(load_bert_directory(folder.name()), errc::missing, has_no + "model.safetensors; expected " + floats);
    folder.write("pytorch_model.bin", "");
    expect_error(load_bert_directory(folder.name()), errc::missing,
                 has_no +
                     "model.safetensors; store its pytorch_model.bin in this format: save_pretrained(folder, "
                     "safe_serialization=True)");
    folder.copy("bert_small.safetensors", "model.safetensors");
    folder.remove("config.json");
    expect_error(load_bert_directory(folder.name()), errc::missing,
                 has_no + "config.json; it holds the sizes of the model.safetensors that is there");
    // the floats alone are not in a folder with int8 weights
    folder.remove("model.safetensors");
    folder.remove("pytorch_model.bin");
    folder.write_int8();
    CHECK(load_bert_directory(folder.name()));
    const auto weights = load_bert_weights(folder.name());
    REQUIRE_FALSE(weights);
    CHECK(weights.error().message == has_no + "model.safetensors; expected " + floats);
}

TEST_CASE("a file that is wrong is named") {
    temporary_folder folder;
    folder.write_floats();
    const auto message = [&] {
        const auto model = load_bert_directory(folder.name());
        REQUIRE_FALSE(model);
        return model.error().message;
    };
    const auto names = [&](const std::string& file) {
        const std::string text = message();
        CAPTURE(text);
        return text.find("\"" + folder.path(file) + "\"") != std::string::npos;
    };
    folder.write("vocab.txt", "hello\n");
    CHECK(names("vocab.txt"));
    folder.write("tokenizer.json", "{}");
    CHECK(names("tokenizer.json"));
    folder.write("model.safetensors", "short");
    CHECK(names("model.safetensors"));
    folder.write("config.json", "{}");
    CHECK(names("config.json"));
    folder.write("encoder.safetensors", "short");
    CHECK(names("encoder.safetensors"));
}

TEST_CASE("sizes that are not those of the weights are an error that names the weights") {
    temporary_folder folder;
    folder.write_floats();
    std::ifstream file(folder.path("config.json"));
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const std::string size = "\"vocab_size\": 150";
    text.replace(text.find(size), size.size(), "\"vocab_size\": 151");
    folder.write("config.json", text);
    const auto model = load_bert_directory(folder.name());
    REQUIRE_FALSE(model);
    CHECK(
        model.error().message.starts_with("cannot read \"" + folder.path("model.safetensors") + "\": expected F32, "));
}
