#include "commands.hpp"
#include "configured/encoder.hpp"
#include "configured/files.hpp"
#include "configured/shown.hpp"

#include <qlroute/adapt/bert_directory.hpp>
#if defined(QLROUTE_PROGRAM_HAS_EIGEN)
#include <qlroute/adapt/bert_reference.hpp>
#endif
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/text/wordpiece.hpp>

#include <nlohmann/json.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using nlohmann::json;

namespace {

using ids_view = std::span<const std::int32_t>;

/// What is wrong with one line.
struct bad_line : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What is printed of a text.
enum class output { first, pooled, logits, tokens };

/// A model in one of its arithmetics.
struct model {
    std::optional<qlroute::wordpiece> tokenizer;

    virtual ~model() = default;
    virtual const qlroute::bert_config& config() const = 0;
    virtual bool has_pooler() const = 0;
    virtual bool has_classifier() const = 0;
    /// Valid until the next call.
    virtual std::span<const float> run(ids_view ids, output of) = 0;
};

class int8_model final : public model {
public:
    explicit int8_model(qlroute::bert_model loaded) : encoder_(std::move(loaded.encoder)), memory_(encoder_) {
        tokenizer = std::move(loaded.tokenizer);
    }

    const qlroute::bert_config& config() const override { return encoder_.config(); }
    bool has_pooler() const override { return encoder_.has_pooler(); }
    bool has_classifier() const override { return encoder_.classes() > 0; }

    std::span<const float> run(ids_view ids, output of) override {
        if (of == output::tokens) return encoder_.hidden_states(ids, memory_);
        const auto first = encoder_.encode(ids, memory_);
        if (of == output::pooled) return encoder_.pooled(memory_);
        return of == output::logits ? encoder_.logits(memory_) : first;
    }

private:
    qlroute::bert_encoder encoder_;
    qlroute::bert_encoder::workspace memory_;
};

#if defined(QLROUTE_PROGRAM_HAS_EIGEN)
class float_model final : public model {
public:
    explicit float_model(qlroute::bert_weights weights) : reference_(std::move(weights)) {}

    const qlroute::bert_config& config() const override { return reference_.weights().config; }
    bool has_pooler() const override { return reference_.weights().pooler.has_value(); }
    bool has_classifier() const override { return reference_.weights().classifier.has_value(); }

    std::span<const float> run(ids_view ids, output of) override {
        if (of == output::pooled) values_ = reference_.pooled(ids);
        else if (of == output::logits) values_ = reference_.logits(ids);
        else values_ = reference_.hidden_states(ids);
        if (of == output::first) values_.resize(config().hidden);
        return values_;
    }

private:
    qlroute::bert_reference reference_;
    std::vector<float> values_;
};
#endif

template <class T>
T value_of(qlroute::result<T> loaded) {
    if (!loaded) throw usage_error(loaded.error().message);
    return *std::move(loaded);
}

std::unique_ptr<model> load_model(const encode_options& options) {
    if (options.model.empty())
        throw usage_error(
            "encode needs --model: a folder with config.json and model.safetensors, or with encoder.safetensors");
    if (!options.floats)
        return std::make_unique<int8_model>(
            value_of(qlroute::load_bert_directory(options.model, chosen_kernels(options.simd, "--simd"))));
#if defined(QLROUTE_PROGRAM_HAS_EIGEN)
    auto loaded = std::make_unique<float_model>(value_of(qlroute::load_bert_weights(options.model)));
    if (!options.ids) loaded->tokenizer = value_of(qlroute::load_bert_tokenizer(options.model, loaded->config()));
    return loaded;
#else
    throw usage_error("--float: this program was built without Eigen");
#endif
}

output chosen_output(const encode_options& options, const model& encoder) {
    const std::string& of = options.of;
    if (of.empty()) return encoder.has_classifier() ? output::logits : output::first;
    if (of == "logits" && !encoder.has_classifier())
        throw usage_error(options.model +
                          ": --of logits: the model has no classifier; expected first, pooled or tokens");
    if (of == "pooled" && !encoder.has_pooler())
        throw usage_error(options.model + ": --of pooled: the model has no pooler; expected first or tokens");
    return of == "first"    ? output::first
           : of == "pooled" ? output::pooled
           : of == "logits" ? output::logits
                            : output::tokens;
}

/// How many tokens of a text are read.
std::size_t chosen_limit(const encode_options& options, const model& encoder) {
    const std::size_t most = encoder.config().positions;
    if (options.max_tokens > most)
        throw usage_error("--max-tokens is " + std::to_string(options.max_tokens) + ", but " + options.model +
                          " reads at most " + std::to_string(most) + " tokens");
    if (options.ids) return options.max_tokens == 0 ? most : options.max_tokens;
    if (!encoder.tokenizer)
        throw usage_error("the folder " + qlroute::detail::quoted(options.model) +
                          " has no tokenizer.json and no vocab.txt; add one of them, or give token ids with --ids");
    if (most < 2) throw usage_error(options.model + " reads at most 1 token, but text begins and ends with one");
    return options.max_tokens == 0 ? most : options.max_tokens;
}

std::vector<std::int32_t> parse_ids(const std::string& line, std::size_t vocabulary, std::size_t limit) {
    const std::string example = "; expected token ids such as [101, 7592, 102]";
    json row;
    try {
        row = json::parse(line);
    } catch (const json::parse_error& why) {
        throw bad_line("not JSON at byte " + std::to_string(why.byte) + example);
    } catch (const json::out_of_range&) {
        throw bad_line("a number is too large" + example);
    }
    if (!row.is_array() || row.empty()) throw bad_line("not a list of ids but " + shown(row) + example);
    if (row.size() > limit)
        throw bad_line(std::to_string(row.size()) + " ids; expected at most " + std::to_string(limit));
    std::vector<std::int32_t> ids;
    for (const json& id : row) {
        // One that is negative is not unsigned.
        if (!id.is_number_unsigned() || id.get_ref<const std::uint64_t&>() >= vocabulary)
            throw bad_line("[" + std::to_string(ids.size()) + "]: expected a whole number from 0 to " +
                           std::to_string(vocabulary - 1) + ", got " + shown(id));
        ids.push_back(id.get<std::int32_t>());
    }
    return ids;
}

void append(std::string& row, float x) {
    char text[32];
    if (std::isfinite(x)) row.append(text, std::to_chars(text, text + sizeof text, x).ptr);
    else row += "null";  // JSON has no other word for it
}

void append(std::string& row, std::span<const float> numbers) {
    row += '[';
    for (std::size_t k = 0; k < numbers.size(); ++k) {
        if (k > 0) row += ',';
        append(row, numbers[k]);
    }
    row += ']';
}

/// One list a text, or of each token one.
std::string printed(std::span<const float> numbers, output of, std::size_t hidden) {
    std::string row;
    if (of != output::tokens) {
        append(row, numbers);
        return row;
    }
    for (std::size_t at = 0; at < numbers.size(); at += hidden) {
        row += at == 0 ? '[' : ',';
        append(row, numbers.subspan(at, hidden));
    }
    return row + ']';
}

}  // namespace

int run_encode(const encode_options& options) {
    const auto encoder = load_model(options);
    const output of = chosen_output(options, *encoder);
    const std::size_t limit = chosen_limit(options, *encoder);
    const std::string name = options.input == "-" ? "stdin" : options.input;
    std::istringstream file(options.input == "-" ? "" : read_file(options.input));
    std::istream& lines = options.input == "-" ? std::cin : file;

    std::vector<std::int32_t> room(limit);
    std::vector<std::int32_t> parsed;
    bool cut = false;
    bool bad = false;
    std::string line;
    for (std::size_t number = 1; std::getline(lines, line); ++number) {
        if (number == 1 && line.starts_with("\x1f\x8b"))
            throw usage_error(name + ": it is gzipped; pipe it through zcat");
        ids_view ids;
        try {
            if (options.ids) {
                ids = parsed = parse_ids(line, encoder->config().vocabulary, limit);
            } else {
                const auto read = encoder->tokenizer->encode(line, room);
                ids = read.ids;
                if (read.truncated && !std::exchange(cut, true))
                    std::cerr << name << ":" << number << ": more than " << limit
                              << " tokens; the end is not read, here and in what follows\n";
            }
        } catch (const bad_line& why) {
            std::cerr << name << ":" << number << ": " << why.what() << "; its result is null\n";
            std::cout << "null\n";  // so that line k of the output belongs to line k of the input
            bad = true;
            continue;
        }
        std::cout << printed(encoder->run(ids, of), of, encoder->config().hidden) << '\n';
    }
    if (lines.bad()) throw usage_error("cannot read standard input");
    return bad ? 1 : 0;
}
