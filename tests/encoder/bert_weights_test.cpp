#include <qlroute/encoder/bert_weights.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

constexpr bert_config tiny{
    .layers = 2, .hidden = 64, .heads = 4, .feed_forward = 128, .vocabulary = 5, .positions = 3, .token_types = 2};

/// One tensor of a file to be written.
struct tensor {
    std::vector<std::size_t> shape;
    std::vector<float> values;
    std::string dtype = "F32";
};

/// The bits of a float that F16 holds exactly.
std::uint16_t f16_of(float x) {
    static const auto table = [] {
        std::map<float, std::uint16_t> all;
        for (unsigned bits = 0; bits < 0x7C00; ++bits) {
            all[from_f16(static_cast<std::uint16_t>(bits))] = static_cast<std::uint16_t>(bits);
            if (bits != 0)
                all[-from_f16(static_cast<std::uint16_t>(bits))] = static_cast<std::uint16_t>(bits | 0x8000u);
        }
        return all;
    }();
    if (std::isinf(x)) return x > 0 ? 0x7C00 : 0xFC00;
    return table.at(x);
}

/// A model, tensor by tensor: what a test changes is all that is wrong with it.
struct model_file {
    std::map<std::string, tensor> tensors;

    /// Different values everywhere, which F16 and BF16 hold exactly.
    void add(const std::string& name, std::vector<std::size_t> shape) {
        std::size_t size = 1;
        for (const auto n : shape) size *= n;
        tensor& made = tensors[name];
        made.shape = std::move(shape);
        for (std::size_t i = 0; i < size; ++i)
            made.values.push_back(static_cast<float>((i * 37 + name.size() * 11) % 255) / 128 - 1);
    }

    explicit model_file(const std::string& prefix = "", bool old_norms = false, const bert_config& c = tiny) {
        const auto linear = [&](const std::string& name, std::size_t out, std::size_t in) {
            add(name + ".weight", {out, in});
            add(name + ".bias", {out});
        };
        const auto norm = [&](const std::string& name) {
            add(name + (old_norms ? ".gamma" : ".weight"), {c.hidden});
            add(name + (old_norms ? ".beta" : ".bias"), {c.hidden});
        };
        add(prefix + "embeddings.word_embeddings.weight", {c.vocabulary, c.hidden});
        add(prefix + "embeddings.position_embeddings.weight", {c.positions, c.hidden});
        add(prefix + "embeddings.token_type_embeddings.weight", {c.token_types, c.hidden});
        norm(prefix + "embeddings.LayerNorm");
        for (std::size_t i = 0; i < c.layers; ++i) {
            const std::string layer = prefix + "encoder.layer." + std::to_string(i) + ".";
            linear(layer + "attention.self.query", c.hidden, c.hidden);
            linear(layer + "attention.self.key", c.hidden, c.hidden);
            linear(layer + "attention.self.value", c.hidden, c.hidden);
            linear(layer + "attention.output.dense", c.hidden, c.hidden);
            norm(layer + "attention.output.LayerNorm");
            linear(layer + "intermediate.dense", c.feed_forward, c.hidden);
            linear(layer + "output.dense", c.hidden, c.feed_forward);
            norm(layer + "output.LayerNorm");
        }
    }

    std::vector<std::byte> bytes(std::size_t blanks = 0) const {
        std::string header = "{";
        std::string data;
        for (const auto& [name, one] : tensors) {
            const std::size_t begin = data.size();
            const auto append = [&data](auto number) {
                char raw[sizeof(number)];
                std::memcpy(raw, &number, sizeof(number));
                data.append(raw, sizeof(number));
            };
            for (const float x : one.values) {
                if (one.dtype == "F16") append(f16_of(x));
                else if (one.dtype == "BF16") append(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16));
                else if (one.dtype == "I64") append(static_cast<std::int64_t>(x));
                else append(x);
            }
            std::string shape;
            for (const auto n : one.shape) (shape += shape.empty() ? "" : ",") += std::to_string(n);
            header += (header.size() > 1 ? ",\"" : "\"") + name + R"(":{"dtype":")" + one.dtype + R"(","shape":[)" +
                      shape + R"(],"data_offsets":[)" + std::to_string(begin) + "," + std::to_string(data.size()) +
                      "]}";
        }
        header += "}" + std::string(blanks, ' ');
        const std::uint64_t length = header.size();
        std::vector<std::byte> file(sizeof(length) + header.size() + data.size());
        std::memcpy(file.data(), &length, sizeof(length));
        std::memcpy(file.data() + sizeof(length), header.data(), header.size());
        std::memcpy(file.data() + sizeof(length) + header.size(), data.data(), data.size());
        return file;
    }

    result<bert_weights> read(const bert_config& config = tiny, std::size_t blanks = 0) const {
        const auto file = bytes(blanks);
        const auto parsed = safetensors::parse(file);
        REQUIRE(parsed);
        return bert_weights::from(*parsed, config);
    }

    void expect_error(errc code, const std::string& message, const bert_config& config = tiny) const {
        const auto weights = read(config);
        REQUIRE_FALSE(weights);
        CHECK(weights.error().message == message);
        CHECK(weights.error().code == code);
    }
};

/// Every array of the weights by its name without prefix, in today's names.
std::map<std::string, std::vector<float>> all_of(const bert_weights& w) {
    std::map<std::string, std::vector<float>> all;
    const auto linear = [&all](const std::string& name, const bert_weights::linear& one) {
        all[name + ".weight"] = one.weight;
        all[name + ".bias"] = one.bias;
    };
    const auto norm = [&all](const std::string& name, const bert_weights::norm& one) {
        all[name + ".weight"] = one.gamma;
        all[name + ".bias"] = one.beta;
    };
    all["embeddings.word_embeddings.weight"] = w.word_embeddings;
    all["embeddings.position_embeddings.weight"] = w.position_embeddings;
    all["embeddings.token_type_embeddings.weight"] = w.token_type_embeddings;
    norm("embeddings.LayerNorm", w.embedding_norm);
    for (std::size_t i = 0; i < w.layers.size(); ++i) {
        const std::string layer = "encoder.layer." + std::to_string(i) + ".";
        linear(layer + "attention.self.query", w.layers[i].query);
        linear(layer + "attention.self.key", w.layers[i].key);
        linear(layer + "attention.self.value", w.layers[i].value);
        linear(layer + "attention.output.dense", w.layers[i].attention_output);
        norm(layer + "attention.output.LayerNorm", w.layers[i].attention_norm);
        linear(layer + "intermediate.dense", w.layers[i].intermediate);
        linear(layer + "output.dense", w.layers[i].output);
        norm(layer + "output.LayerNorm", w.layers[i].output_norm);
    }
    if (w.pooler) linear("pooler.dense", *w.pooler);
    if (w.classifier) linear("classifier", *w.classifier);
    return all;
}

/// Those of the file.
std::map<std::string, std::vector<float>> all_of(const model_file& file) {
    std::map<std::string, std::vector<float>> all;
    for (const auto& [name, one] : file.tensors) all[name] = one.values;
    return all;
}

}  // namespace

TEST_CASE("every tensor goes to its place") {
    model_file file;
    file.add("pooler.dense.weight", {64, 64});
    file.add("pooler.dense.bias", {64});
    const auto weights = file.read();
    REQUIRE(weights);
    CHECK(weights->config == tiny);
    CHECK(all_of(*weights) == all_of(file));
    CHECK(weights->layers[1].intermediate.out() == 128);
    CHECK(weights->layers[1].intermediate.in() == 64);
    CHECK(weights->pooler);
    CHECK_FALSE(weights->classifier);
    CHECK(bert_weights::linear{}.in() == 0);
}

TEST_CASE("an encoder without a pooler can be used") {
    const auto weights = model_file().read();
    REQUIRE(weights);
    CHECK_FALSE(weights->pooler);
}

TEST_CASE("an encoder inside a classifier is found behind its prefix") {
    model_file file("bert.");
    file.add("bert.pooler.dense.weight", {64, 64});
    file.add("bert.pooler.dense.bias", {64});
    file.add("classifier.weight", {7, 64});
    file.add("classifier.bias", {7});
    const auto weights = file.read();
    REQUIRE(weights);
    REQUIRE(weights->classifier);
    CHECK(weights->classifier->out() == 7);
    CHECK(weights->classifier->in() == 64);
    CHECK(weights->classifier->weight == file.tensors["classifier.weight"].values);
    CHECK(weights->layers[1].value.weight == file.tensors["bert.encoder.layer.1.attention.self.value.weight"].values);
    CHECK(weights->pooler->bias == file.tensors["bert.pooler.dense.bias"].values);
}

TEST_CASE("heads of a language model and buffers are not read") {
    model_file file("bert.");
    file.add("cls.predictions.bias", {5});
    file.add("cls.predictions.transform.LayerNorm.weight", {64});
    file.add("cls.seq_relationship.weight", {2, 64});
    file.add("bert.embeddings.position_ids", {1, 3});
    file.tensors["bert.embeddings.position_ids"].dtype = "I64";
    file.add("bert.embeddings.token_type_ids", {1, 3});
    file.tensors["bert.embeddings.token_type_ids"].dtype = "I64";
    CHECK(file.read());
}

TEST_CASE("layer norms have gamma and beta in old files") {
    model_file old("", true);
    const auto weights = old.read();
    REQUIRE(weights);
    CHECK(weights->embedding_norm.gamma == old.tensors["embeddings.LayerNorm.gamma"].values);
    CHECK(weights->embedding_norm.beta == old.tensors["embeddings.LayerNorm.beta"].values);
    CHECK(weights->layers[1].output_norm.gamma == old.tensors["encoder.layer.1.output.LayerNorm.gamma"].values);
    old.tensors.erase("encoder.layer.1.output.LayerNorm.beta");
    old.expect_error(errc::missing,
                     "expected F32, F16 or BF16 [64] for the tensor \"encoder.layer.1.output.LayerNorm.beta\", found "
                     "no tensor of that name");
}

TEST_CASE("16-bit numbers become the same floats") {
    const model_file plain;
    for (const char* dtype : {"F16", "BF16"}) {
        model_file file;
        for (auto& [name, one] : file.tensors) one.dtype = dtype;
        const auto weights = file.read();
        REQUIRE(weights);
        CHECK(all_of(*weights) == all_of(plain));
    }
}

TEST_CASE("dtypes can be mixed, and data can begin at any byte") {
    model_file file;
    std::size_t turn = 0;
    for (auto& [name, one] : file.tensors) one.dtype = std::vector<std::string>{"F32", "F16", "BF16"}[turn++ % 3];
    for (std::size_t blanks = 0; blanks < 4; ++blanks) {
        const auto weights = file.read(tiny, blanks);
        REQUIRE(weights);
        CHECK(all_of(*weights) == all_of(file));
    }
}

TEST_CASE("without any one of its tensors a file is refused, by the tensor's name") {
    const model_file complete;
    for (const auto& [name, one] : complete.tensors) {
        model_file file = complete;
        file.tensors.erase(name);
        const auto weights = file.read();
        REQUIRE_FALSE(weights);
        CHECK(weights.error().code == errc::missing);
        CHECK(weights.error().message.find("for the tensor \"" + name + "\", found no tensor of that name") !=
              std::string::npos);
    }
    model_file inside("bert.");
    inside.tensors.erase("bert.embeddings.word_embeddings.weight");
    inside.expect_error(errc::missing,
                        "expected F32, F16 or BF16 [5, 64] for the tensor "
                        "\"bert.embeddings.word_embeddings.weight\", found no tensor of that name");
    CHECK_FALSE(bert_weights::from(safetensors(), tiny));
}

TEST_CASE("a wrong shape is named with the right one") {
    model_file file;
    file.add("other", {128, 64});
    file.tensors["encoder.layer.0.output.dense.weight"] = file.tensors["other"];
    file.expect_error(errc::malformed,
                      "expected F32, F16 or BF16 [64, 128] for the tensor \"encoder.layer.0.output.dense.weight\", "
                      "found F32 [128, 64]");
    model_file().expect_error(errc::malformed,
                              "expected F32, F16 or BF16 [6, 64] for the tensor \"embeddings.word_embeddings.weight\", "
                              "found F32 [5, 64]",
                              {.layers = 2, .hidden = 64, .heads = 4, .feed_forward = 128, .vocabulary = 6});
}

TEST_CASE("a dtype that is no float is refused") {
    model_file file;
    file.tensors["embeddings.position_embeddings.weight"].dtype = "I64";
    file.expect_error(errc::unsupported,
                      "expected F32, F16 or BF16 [3, 64] for the tensor \"embeddings.position_embeddings.weight\", "
                      "found I64 [3, 64]");
}

TEST_CASE("a value that is not finite is refused") {
    for (const char* dtype : {"F32", "F16", "BF16"}) {
        model_file file;
        tensor& bias = file.tensors["encoder.layer.1.intermediate.dense.bias"];
        bias.dtype = dtype;
        bias.values[100] = -std::numeric_limits<float>::infinity();
        file.expect_error(errc::out_of_range,
                          "expected F32, F16 or BF16 [128] for the tensor "
                          "\"encoder.layer.1.intermediate.dense.bias\", found " +
                              std::string(dtype) + " [128] whose element 100 is not finite");
    }
    model_file file;
    file.tensors["embeddings.LayerNorm.bias"].values[0] = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(file.read());
}

TEST_CASE("a file with more layers than the config is refused") {
    bert_config one_layer = tiny;
    one_layer.layers = 1;
    model_file().expect_error(
        errc::unsupported,
        "the tensor \"encoder.layer.1.attention.output.LayerNorm.bias\" has no place in a BERT encoder of these sizes; "
        "is there another config.json for this file, or is it of another architecture?",
        one_layer);
}

TEST_CASE("a tensor of another architecture is refused, but not one of another head") {
    model_file file;
    file.add("qa_outputs.weight", {2, 64});
    CHECK(file.read());
    file.add("encoder.layer.0.attention.self.distance_embedding.weight", {5, 16});
    file.expect_error(errc::unsupported,
                      "the tensor \"encoder.layer.0.attention.self.distance_embedding.weight\" has no place in a BERT "
                      "encoder of these sizes; is there another config.json for this file, or is it of another "
                      "architecture?");
}

TEST_CASE("a classifier needs a pooler") {
    model_file file("bert.");
    file.add("classifier.weight", {2, 64});
    file.add("classifier.bias", {2});
    file.expect_error(errc::unsupported,
                      "the file has the tensor \"classifier.weight\", but no \"bert.pooler.dense.weight\"; only a "
                      "classifier of the pooled vector can be used, not one of every token");
}

TEST_CASE("a head is complete or not there") {
    model_file file;
    file.add("pooler.dense.bias", {64});
    file.expect_error(errc::missing,
                      "expected F32, F16 or BF16 [64, 64] for the tensor \"pooler.dense.weight\", found no tensor of "
                      "that name");
    file.add("pooler.dense.weight", {64, 64});
    file.add("classifier.weight", {2, 64});
    file.expect_error(errc::missing,
                      "expected F32, F16 or BF16 [2] for the tensor \"classifier.bias\", found no tensor of that name");
    file.add("classifier.bias", {3});
    file.expect_error(errc::malformed,
                      "expected F32, F16 or BF16 [2] for the tensor \"classifier.bias\", found F32 [3]");
    file.tensors["classifier.weight"] = {{0, 64}, {}, "F32"};
    file.tensors["classifier.bias"] = {{0}, {}, "F32"};
    file.expect_error(errc::malformed,
                      "expected F32, F16 or BF16 [1, 64] for the tensor \"classifier.weight\", found F32 [0, 64]");
    file.tensors["classifier.weight"] = {{}, {1.0f}, "F32"};
    CHECK_FALSE(file.read());
}

TEST_CASE("sizes that no encoder can have are refused before the file is read") {
    const auto weights = bert_weights::from(safetensors(), {.hidden = 100});
    REQUIRE_FALSE(weights);
    CHECK(weights.error().message == "hidden_size is 100; this build needs a multiple of 64");
}

TEST_CASE("a file of PyTorch's with matrices of 16 bits is read") {
    const auto file = safetensors::open(QLROUTE_SOURCE_DIR "/tests/golden/bert_small.safetensors");
    REQUIRE(file);
    CHECK(file->find("bert.embeddings.position_ids") != nullptr);
    CHECK(file->find("bert.encoder.layer.1.output.dense.weight")->dtype == tensor_dtype::f16);
    const bert_config sizes{
        .layers = 2, .hidden = 64, .heads = 2, .feed_forward = 128, .vocabulary = 150, .positions = 40};
    const auto weights = bert_weights::from(*file, sizes);
    REQUIRE(weights);
    CHECK(weights->layers.size() == 2);
    CHECK(weights->classifier->out() == 3);
}
