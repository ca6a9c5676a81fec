// A wordpiece from the tokenizer.json that Hugging Face's tools save. Needs nlohmann/json.
//
//   auto words = load_tokenizer_json("tokenizer.json");
//   if (!words) return complain(words.error().message);
//
// Understood is BERT's pipeline: a WordPiece model, BertNormalizer, BertPreTokenizer, and BertProcessing or a template
// that says the same. The file's padding and greatest length do not matter: the room that encode() gets decides.
#pragma once

#include <qlroute/adapt/json_text.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/io/mapped_file.hpp>
#include <qlroute/io/number.hpp>
#include <qlroute/text/wordpiece.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

namespace detail {

/// Reads what a tokenizer.json says, field by field; the first thing that is wrong is kept, and what follows is
/// ignored.
class tokenizer_json_reader {
public:
    result<wordpiece> read(std::string_view text) {
        const auto read_text = parse_json(text);
        if (!read_text) return read_text.error();
        const json& root = *read_text;
        if (!root.is_object())
            return error{.code = errc::malformed, .message = "expected a JSON object, found " + shown(root)};
        model(member(root, "model"));
        normalizer(member(root, "normalizer"));
        type_is(member(root, "pre_tokenizer"), "pre_tokenizer", "BertPreTokenizer");
        processor(member(root, "post_processor"));
        truncation(member(root, "truncation"));
        const std::size_t words = vocabulary_.size();
        added(member(root, "added_tokens"));
        if (why_) return *std::move(why_);
        return in_order(words);
    }

private:
    using json = nlohmann::json;

    static const json& member(const json& object, const char* key) {
        static const json nothing;
        if (!object.is_object()) return nothing;
        const auto found = object.find(key);
        return found != object.end() ? *found : nothing;
    }

    void fail(errc code, std::string message) {
        if (!why_) why_ = error{.code = code, .message = std::move(message)};
    }

    static std::string shown(const json& value) {
        if (value.is_null()) return "nothing";
        if (value.is_string()) return detail::quoted(value.get_ref<const std::string&>());
        if (value.is_object()) return "an object";
        if (value.is_array()) return "a list of " + std::to_string(value.size());
        return value.dump();
    }

    void unsupported(const std::string& field, const json& found, const std::string& expected) {
        fail(errc::unsupported, field + ": expected " + expected + ", found " + shown(found));
    }

    bool type_is(const json& value, const std::string& field, const std::string& expected) {
        const json& type = member(value, "type");
        if (type == expected) return true;
        unsupported(value.is_object() ? field + ".type" : field, value.is_object() ? type : value,
                    '"' + expected + '"');
        return false;
    }

    bool flag(const json& value, const std::string& field, bool otherwise) {
        if (value.is_boolean()) return value.get<bool>();
        if (!value.is_null()) fail(errc::malformed, field + ": expected true or false, found " + shown(value));
        return otherwise;
    }

    void text(const json& value, const std::string& field, std::string& out) {
        if (value.is_string()) out = value.get<std::string>();
        else if (!value.is_null()) fail(errc::malformed, field + ": expected a text, found " + shown(value));
    }

    static std::optional<std::size_t> id(const json& value) {
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 0x7FFFFFFF) return std::nullopt;
        return static_cast<std::size_t>(value.get<std::uint64_t>());
    }

    void model(const json& value) {
        if (!type_is(value, "model", "WordPiece")) return;
        text(member(value, "unk_token"), "model.unk_token", options_.unknown);
        text(member(value, "continuing_subword_prefix"), "model.continuing_subword_prefix", options_.continuation);
        const json& longest = member(value, "max_input_chars_per_word");
        if (const auto characters = id(longest)) options_.longest_word = *characters;
        else if (!longest.is_null())
            fail(errc::malformed, "model.max_input_chars_per_word: expected a whole number, found " + shown(longest));
        const json& vocab = member(value, "vocab");
        if (!vocab.is_object()) return fail(errc::malformed, "model.vocab: expected an object, found " + shown(vocab));
        for (const auto& [token, number] : vocab.items()) {
            const auto which = id(number);
            if (!which)
                return fail(errc::malformed, "model.vocab: expected a whole number for " + detail::quoted(token) +
                                                 ", found " + shown(number));
            vocabulary_.emplace_back(*which, token);
        }
    }

    void normalizer(const json& value) {
        if (!type_is(value, "normalizer", "BertNormalizer")) return;
        options_.lowercase = flag(member(value, "lowercase"), "normalizer.lowercase", true);
        options_.clean_text = flag(member(value, "clean_text"), "normalizer.clean_text", true);
        options_.isolate_cjk = flag(member(value, "handle_chinese_chars"), "normalizer.handle_chinese_chars", true);
        const json& strip = member(value, "strip_accents");
        if (!strip.is_null()) options_.strip_accents = flag(strip, "normalizer.strip_accents", true);
    }

    void processor(const json& value) {
        const json& type = member(value, "type");
        if (type == "BertProcessing") {
            special(member(value, "cls"), "post_processor.cls", options_.classify);
            special(member(value, "sep"), "post_processor.sep", options_.separate);
        } else if (type == "TemplateProcessing") {
            // [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with the second text's type
            const json& single = member(value, "single");
            if (single.is_array() && single.size() == 3) {
                text(member(member(single[0], "SpecialToken"), "id"), "post_processor.single", options_.classify);
                text(member(member(single[2], "SpecialToken"), "id"), "post_processor.single", options_.separate);
            }
            const auto token = [](const std::string& name, int kind) {
                return json{{"SpecialToken", {{"id", name}, {"type_id", kind}}}};
            };
            const auto sequence = [](const char* name, int kind) {
                return json{{"Sequence", {{"id", name}, {"type_id", kind}}}};
            };
            const std::string& classify = options_.classify;
            const std::string& separate = options_.separate;
            const json one = json::array({token(classify, 0), sequence("A", 0), token(separate, 0)});
            const json two = json::array(
                {token(classify, 0), sequence("A", 0), token(separate, 0), sequence("B", 1), token(separate, 1)});
            if (single != one) unsupported("post_processor.single", single, "[CLS] A [SEP]");
            const json& pair = member(value, "pair");
            if (pair != two) unsupported("post_processor.pair", pair, "[CLS] A [SEP] B [SEP], the last two of type 1");
            for (const auto& name : {classify, separate}) {
                const json& ids = member(member(member(value, "special_tokens"), name.c_str()), "ids");
                if (!ids.is_array() || ids.size() != 1 || !id(ids[0]))
                    unsupported("post_processor.special_tokens." + name + ".ids", ids, "one id");
                else specials_.emplace_back(name, *id(ids[0]));
            }
        } else {
            unsupported(value.is_object() ? "post_processor.type" : "post_processor", value.is_object() ? type : value,
                        "\"BertProcessing\" or \"TemplateProcessing\"");
        }
    }

    void special(const json& value, const std::string& field, std::string& name) {
        if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !id(value[1]))
            return fail(errc::malformed, field + ": expected [token, id], found " + shown(value));
        name = value[0].get<std::string>();
        specials_.emplace_back(name, *id(value[1]));
    }

    void truncation(const json& value) {
        if (value.is_null()) return;
        const json& strategy = member(value, "strategy");
        if (!strategy.is_null() && strategy != "LongestFirst")
            unsupported("truncation.strategy", strategy, "\"LongestFirst\"");
        const json& direction = member(value, "direction");
        if (!direction.is_null() && direction != "Right") unsupported("truncation.direction", direction, "\"Right\"");
    }

    void added(const json& value) {
        options_.added_tokens.emplace();
        if (value.is_null()) return;
        if (!value.is_array()) return fail(errc::malformed, "added_tokens: expected a list, found " + shown(value));
        for (std::size_t i = 0; i < value.size(); ++i) {
            const json& one = value[i];
            const std::string field = "added_tokens[" + std::to_string(i) + "]";
            const json& content = member(one, "content");
            const auto which = id(member(one, "id"));
            if (!content.is_string() || !which)
                return fail(errc::malformed, field + ": expected \"content\" and \"id\", found " + shown(one));
            for (const char* key : {"single_word", "lstrip", "rstrip", "normalized"})
                if (flag(member(one, key), field + '.' + key, false))
                    return unsupported(field + '.' + key, member(one, key), "false");
            const auto name = content.get<std::string>();
            options_.added_tokens->push_back(name);
            // most are tokens of the model as well
            added_.emplace_back(*which, name);
        }
    }

    result<wordpiece> in_order(std::size_t words) {
        std::vector<std::optional<std::string_view>> at(vocabulary_.size() + added_.size());
        std::size_t count = 0;
        const auto put = [&](std::size_t which, const std::string& token) -> std::optional<error> {
            if (which >= at.size())
                return error{.code = errc::out_of_range,
                             .message = "the token " + detail::quoted(token) + " has the id " + std::to_string(which) +
                                        "; expected the ids of all tokens to be 0, 1, 2, ... without a gap"};
            if (at[which] && *at[which] != token)
                return error{.code = errc::malformed,
                             .message = "the tokens " + detail::quoted(*at[which]) + " and " + detail::quoted(token) +
                                        " have both the id " + std::to_string(which)};
            if (!at[which]) ++count;
            at[which] = token;
            return std::nullopt;
        };
        for (const auto& [which, token] : vocabulary_)
            if (auto why = put(which, token)) return *std::move(why);
        for (std::size_t i = 0; i < words; ++i)
            if (!at[i])
                return error{.code = errc::out_of_range,
                             .message = "model.vocab has " + std::to_string(words) + " tokens, but none with the id " +
                                        std::to_string(i)};
        for (const auto& [which, token] : added_)
            if (auto why = put(which, token)) return *std::move(why);
        std::vector<std::string_view> all;
        for (std::size_t i = 0; i < count; ++i) {
            if (!at[i])
                return error{.code = errc::out_of_range,
                             .message = "there are " + std::to_string(count) + " tokens, but none with the id " +
                                        std::to_string(i)};
            all.push_back(*at[i]);
        }
        for (const auto& [name, which] : specials_)
            if (which >= all.size() || all[which] != name)
                return error{.code = errc::malformed,
                             .message = "post_processor: the token " + detail::quoted(name) + " has not the id " +
                                        std::to_string(which) + " in the vocabulary"};
        return wordpiece::from_tokens(all, words, std::move(options_));
    }

    std::optional<error> why_;
    wordpiece_options options_;
    std::vector<std::pair<std::size_t, std::string>> vocabulary_;
    std::vector<std::pair<std::size_t, std::string>> added_;
    std::vector<std::pair<std::string, std::size_t>> specials_;
};

}  // namespace detail

/// The tokenizer that `text`, the content of a tokenizer.json, describes. Its `added_tokens` count where text spells
/// them out, and no others. Errors: `malformed`, `out_of_range` (ids that are not 0 to n - 1), `unsupported` for any
/// other pipeline; each names the field.
inline result<wordpiece> parse_tokenizer_json(std::string_view text) {
    return detail::tokenizer_json_reader().read(text);
}

/// The same of a file. Errors: those of mapped_file::open() and parse_tokenizer_json(), with the path.
inline result<wordpiece> load_tokenizer_json(const std::string& path) {
    const auto file = mapped_file::open(path);
    if (!file) return file.error();
    const auto bytes = file->bytes();
    auto out = parse_tokenizer_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (out) return out;
    error why = out.error();
    why.message = "cannot read \"" + path + "\": " + why.message;
    return why;
}

}  // namespace qlroute
