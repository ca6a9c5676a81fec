// The sizes of a BERT encoder from the config.json beside its weights.
//
//   auto config = load_bert_config("bert-tiny/config.json");
//   if (!config) return complain(config.error().message);
//
// Needs nlohmann/json 3.
#pragma once

#include <qlroute/adapt/json_text.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/encoder/bert_config.hpp>
#include <qlroute/io/mapped_file.hpp>
#include <qlroute/io/number.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace qlroute {

namespace detail {

/// Reads one key after the other; what follows the first error changes nothing.
class bert_config_reader {
public:
    explicit bert_config_reader(const nlohmann::json& object) : object_(object) {}

    const std::optional<error>& why() const noexcept { return why_; }

    void size(const char* key, std::size_t& into) {
        const auto found = object_.find(key);
        if (found == object_.end()) return fail(errc::missing, key, "missing; expected a whole number");
        if (!found->is_number_unsigned())
            return fail(errc::malformed, key, "expected a whole number above 0, got " + shown(*found));
        // Beyond every limit of check(), where no size of this machine can hold it.
        into = static_cast<std::size_t>(
            std::min<std::uint64_t>(found->get_ref<const std::uint64_t&>(), std::numeric_limits<std::size_t>::max()));
    }

    void epsilon(const char* key, float& into) {
        const auto found = object_.find(key);
        if (found == object_.end()) return;
        const double value = found->is_number() ? found->get<double>() : 0;
        if (!(static_cast<float>(value) > 0 && value <= 1))
            return fail(found->is_number() ? errc::out_of_range : errc::malformed, key,
                        "expected a number above 0, at most 1, got " + shown(*found));
        into = static_cast<float>(value);
    }

    /// The only text that this library can follow; a model without the key means the same.
    void only(const char* key, std::string_view text) {
        const auto found = object_.find(key);
        if (found == object_.end()) return;
        if (!found->is_string() || found->get_ref<const std::string&>() != text)
            fail(errc::unsupported, key, "only " + detail::quoted(text) + " is supported, got " + shown(*found));
    }

    void never(const char* key) {
        const auto found = object_.find(key);
        if (found == object_.end() || (found->is_boolean() && !found->get<bool>())) return;
        fail(errc::unsupported, key, "only false is supported, got " + shown(*found));
    }

private:
    /// A list or an object by its kind alone, because it can be of any depth and length.
    static std::string shown(const nlohmann::json& value) {
        if (value.is_array()) return "a list";
        if (value.is_object()) return "an object";
        if (value.is_string()) return detail::quoted(value.get_ref<const std::string&>());
        return value.dump();
    }

    void fail(errc code, std::string_view key, const std::string& what) {
        if (!why_) why_ = error{code, std::string(key) + ": " + what};
    }

    const nlohmann::json& object_;
    std::optional<error> why_;
};

inline result<bert_config> read_bert_config(std::string_view text) {
    const auto read_text = parse_json(text);
    if (!read_text) return read_text.error();
    const nlohmann::json& all = *read_text;
    if (!all.is_object()) return error{errc::malformed, "expected one object, such as {...}"};
    bert_config out;
    bert_config_reader read(all);
    // What makes it another architecture comes first: its sizes may have other names.
    read.only("model_type", "bert");
    read.only("hidden_act", "gelu");
    read.only("position_embedding_type", "absolute");
    read.never("is_decoder");
    read.size("num_hidden_layers", out.layers);
    read.size("hidden_size", out.hidden);
    read.size("num_attention_heads", out.heads);
    read.size("intermediate_size", out.feed_forward);
    read.size("vocab_size", out.vocabulary);
    read.size("max_position_embeddings", out.positions);
    read.size("type_vocab_size", out.token_types);
    read.epsilon("layer_norm_eps", out.layer_norm_epsilon);
    if (read.why()) return *read.why();
    if (auto why = check(out)) return *std::move(why);
    return out;
}

}  // namespace detail

/// Every size must be there; without layer_norm_eps it is 1e-12, without hidden_act "gelu" (the one with erf), as in
/// Hugging Face's BertConfig. Keys that change nothing of the encoder's results are not looked at.
/// Errors: those of mapped_file::open() and check(); `missing` (a key), `malformed` (no JSON, a value of another kind),
/// `out_of_range` or `unsupported` (another architecture); each with the path and the key. None throws.
inline result<bert_config> load_bert_config(const std::string& path) {
    const auto file = mapped_file::open(path);
    if (!file) return file.error();
    const auto bytes = file->bytes();
    auto out = detail::read_bert_config({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (out) return out;
    error why = out.error();
    why.message = "cannot read \"" + path + "\": " + why.message;
    return why;
}

}  // namespace qlroute
