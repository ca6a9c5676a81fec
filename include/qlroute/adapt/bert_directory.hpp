// A BERT model from the folder that holds it: the encoder, and the tokenizer if there is one.
//
//   auto model = load_bert_directory("models/bert-tiny");
//   if (!model) return complain(model.error().message);
//   auto ids = model->tokenizer->encode("How are you?", room).ids;
//   auto vector = model->encoder.encode(ids, memory);
//
// Needs nlohmann/json 3.
#pragma once

#include <qlroute/adapt/bert_config_json.hpp>
#include <qlroute/adapt/json_text.hpp>
#include <qlroute/adapt/tokenizer_json.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/encoder/bert_weights.hpp>
#include <qlroute/io/mapped_file.hpp>
#include <qlroute/io/number.hpp>
#include <qlroute/io/safetensors.hpp>
#include <qlroute/simd/dispatch.hpp>
#include <qlroute/text/wordpiece.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace qlroute {

/// What a folder holds.
struct bert_model {
    bert_encoder encoder;
    std::optional<wordpiece> tokenizer;  ///< none without a tokenizer.json or vocab.txt: the encoder reads ids
};

namespace detail {

/// A folder, and what its errors say.
class bert_folder {
public:
    explicit bert_folder(std::string name) : name_(std::move(name)) {}

    std::string path(std::string_view file) const { return (std::filesystem::path(name_) / file).string(); }

    bool has(std::string_view file) const {
        std::error_code none;
        return std::filesystem::exists(path(file), none);
    }

    bool exists() const {
        std::error_code none;
        return std::filesystem::is_directory(name_, none);
    }

    error no_folder() const {
        return {errc::missing, "there is no folder " + detail::quoted(name_) + "; expected " + models};
    }

    error lacks(std::string_view files, const std::string& expected) const {
        return {errc::missing,
                "the folder " + detail::quoted(name_) + " has no " + std::string(files) + "; " + expected};
    }

    error lacks_weights() const {
        if (has("pytorch_model.bin"))
            return lacks("model.safetensors",
                         "store its pytorch_model.bin in this format: save_pretrained(folder, "
                         "safe_serialization=True)");
        return lacks("model.safetensors", "expected " + std::string(weights));
    }

    static constexpr const char* weights = "config.json and model.safetensors as Hugging Face names them";
    static constexpr const char* models =
        "config.json and model.safetensors as Hugging Face names them, or encoder.safetensors as `qlroute quantize` "
        "writes it";

private:
    std::string name_;
};

inline error in_file(const std::string& path, const error& why) {
    return {why.code, "cannot read " + detail::quoted(path) + ": " + why.message, why.offset};
}

/// How a vocab.txt is to be read, from the tokenizer_config.json beside it: whether a model is cased stands nowhere
/// else.
inline result<wordpiece_options> read_vocabulary_options(const std::string& path) {
    const auto file = mapped_file::open(path);
    if (!file) return file.error();
    const auto bytes = file->bytes();
    const auto read_text = parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (!read_text) return in_file(path, read_text.error());
    const nlohmann::json& all = *read_text;
    if (!all.is_object()) return in_file(path, {errc::malformed, "it is not a JSON object"});
    wordpiece_options out;
    for (const char* key : {"do_lower_case", "strip_accents", "tokenize_chinese_chars"}) {
        const auto found = all.find(key);
        if (found == all.end() || found->is_null()) continue;
        if (!found->is_boolean())
            return in_file(path, {errc::malformed, std::string(key) + ": expected true, false or null"});
        const bool is = found->get<bool>();
        const std::string_view name(key);
        if (name == "do_lower_case") out.lowercase = is;
        if (name == "strip_accents") out.strip_accents = is;
        if (name == "tokenize_chinese_chars") out.isolate_cjk = is;
    }
    return out;
}

inline result<wordpiece> load_vocabulary(const bert_folder& folder) {
    wordpiece_options how;
    if (folder.has("tokenizer_config.json")) {
        auto options = read_vocabulary_options(folder.path("tokenizer_config.json"));
        if (!options) return options.error();
        how = *std::move(options);
    }
    return wordpiece::load(folder.path("vocab.txt"), std::move(how));
}

}  // namespace detail

/// The float weights: config.json and model.safetensors.
/// Errors: `missing` (the folder or a file; the message says which and what is expected), those of load_bert_config(),
/// safetensors::open() and bert_weights::from(), with the path.
inline result<bert_weights> load_bert_weights(const std::string& directory) {
    const detail::bert_folder folder(directory);
    if (!folder.exists()) return folder.no_folder();
    if (!folder.has("model.safetensors")) return folder.lacks_weights();
    if (!folder.has("config.json"))
        return folder.lacks("config.json", "it holds the sizes of the model.safetensors that is there");
    const auto config = load_bert_config(folder.path("config.json"));
    if (!config) return config.error();
    const std::string path = folder.path("model.safetensors");
    const auto file = safetensors::open(path);
    if (!file) return file.error();
    auto weights = bert_weights::from(*file, *config);
    if (!weights) return detail::in_file(path, weights.error());
    return weights;
}

/// The tokenizer of a model of these sizes: tokenizer.json, or else vocab.txt, read as tokenizer_config.json says if
/// that is there; nothing without either. It may have fewer tokens than the model (tables are often padded).
/// Errors: `missing` (the folder), `out_of_range` (more tokens than the model), those of load_tokenizer_json() and
/// wordpiece::load().
inline result<std::optional<wordpiece>> load_bert_tokenizer(const std::string& directory, const bert_config& config) {
    const detail::bert_folder folder(directory);
    if (!folder.exists()) return folder.no_folder();
    const bool is_json = folder.has("tokenizer.json");
    if (!is_json && !folder.has("vocab.txt")) return std::optional<wordpiece>();
    auto words = is_json ? load_tokenizer_json(folder.path("tokenizer.json")) : detail::load_vocabulary(folder);
    if (!words) return words.error();
    if (words->size() > config.vocabulary)
        return error{errc::out_of_range,
                     detail::quoted(folder.path(is_json ? "tokenizer.json" : "vocab.txt")) + " has " +
                         std::to_string(words->size()) + " tokens, but the vocab_size of the model is " +
                         std::to_string(config.vocabulary) + "; expected the tokenizer of this model"};
    return std::optional<wordpiece>(*std::move(words));
}

/// The int8 encoder and the tokenizer. encoder.safetensors if it is there, mapped; else float weights, quantised here:
/// the results are the same.
/// Errors: `missing`, and those of bert_encoder::load(), load_bert_weights() and load_bert_tokenizer().
inline result<bert_model> load_bert_directory(const std::string& directory,
                                              const simd::kernel_set& kernels = simd::active_kernels()) {
    const detail::bert_folder folder(directory);
    if (!folder.exists()) return folder.no_folder();
    const auto encoder = [&]() -> result<bert_encoder> {
        if (folder.has("encoder.safetensors")) return bert_encoder::load(folder.path("encoder.safetensors"), kernels);
        if (!folder.has("model.safetensors") && !folder.has("config.json"))
            return folder.lacks("model", std::string("expected ") + detail::bert_folder::models);
        const auto weights = load_bert_weights(directory);
        if (!weights) return weights.error();
        return bert_encoder::quantized(*weights, kernels);
    }();
    if (!encoder) return encoder.error();
    auto tokenizer = load_bert_tokenizer(directory, encoder->config());
    if (!tokenizer) return tokenizer.error();
    return bert_model{*encoder, *std::move(tokenizer)};
}

}  // namespace qlroute
