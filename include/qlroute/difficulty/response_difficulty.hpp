// The bundled predictor: a prompt's difficulty vector, and P(good answer) of any endpoint from its ability vector.
//
//   auto predictor = response_difficulty::load("models/difficulty");
//   if (!predictor) return complain(predictor.error().message);
//   endpoint phone{.name = "phone", .abilities = *predictor->known("phi-3-mini-4k-instruct"), ...};
//   const router route{*predictor, objective, lowest_cost{}};
#pragma once

#include <qlroute/difficulty/predictor.hpp>
#include <qlroute/difficulty/text_encoder.hpp>
#include <qlroute/io/number.hpp>
#include <qlroute/io/safetensors.hpp>
#include <qlroute/text/prompt_features.hpp>
#include <qlroute/text/scored_text.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

struct response_difficulty_options {
    std::size_t most_tokens = 128;  ///< of a text for the encoder; never more than it has positions
    std::size_t threads = 1;        ///< so many may predict at the same time; others wait for one of them
    scored_text_options text{};     ///< which words of a dialogue are read
};

/// The pieces of a scored text as one text, each on lines of its own: what the predictor and its training read.
struct joined_text {
    static constexpr std::size_t capacity = prompt_window_bytes + scored_text::most_pieces;

    std::array<char, capacity> bytes;

    /// A view of `chosen` where it is one piece, else of `bytes`.
    std::string_view of(const scored_text& chosen) noexcept {
        if (chosen.count == 1) return chosen.pieces[0].substr(0, capacity);
        std::size_t size = 0;
        for (const std::string_view piece : chosen) {
            if (size > 0 && size < capacity) bytes[size++] = '\n';
            const std::size_t taken = std::min(piece.size(), capacity - size);
            std::copy_n(piece.data(), taken, bytes.data() + size);
            size += taken;
        }
        return {bytes.data(), size};
    }
};

/// A model that answered the questions the weights were trained on.
struct known_model {
    std::string_view name;  ///< "gemma-2-2b-it", or "gemma-2-2b-it@gsm8k_test" for how it did on one benchmark
    ability_vector abilities;
};

/// Multidimensional item response theory over an int8 BERT, hashed words and layout features. With
///
///   n      = sum over words and pairs of ngram.table[hash] * ngram.scale / sqrt(occurrences)    [D + E]
///   v      = tanh(pooler of the [CLS] vector)                                                   [H]
///   x      = (prompt features - mean) * inverse deviation, within -4 and 4                      [F]
///   topic  = softmax(topic.weight' n[D..D+E] + encoder.topic' v + topic.bias)                   [K]
///   theta  = n[0..D] + encoder.difficulty' v + topic.difficulty' topic
///            + layout.linear' x + layout.output' max(0, layout.hidden' x + layout.hidden_bias)  [D]
///
/// theta is the prompt's difficulty vector, and P(good answer) = 1 / (1 + exp(-(weights . theta + bias))) of the
/// endpoint's `abilities`; where these are empty, of the four tiers of ability 0 to 3, interpolated at its `ability`.
/// Definition and measurements: docs/response-difficulty.md. Copies share the weights.
/// Thread-safe; a prediction takes one of `threads` workspaces, and waits only while all of them are taken.
class response_difficulty {
public:
    static constexpr std::size_t most_dimensions = ability_vector::most;
    static constexpr std::size_t tiers = 4;

    /// theta of one prompt.
    struct difficulty {
        std::array<float, most_dimensions> theta{};
        const std::array<ability_vector, tiers>* scale = nullptr;  ///< the predictor's; it must outlive this

        double operator()(const endpoint& place) const noexcept {
            if (!place.abilities.empty()) return success(place.abilities);
            const double where = std::clamp(place.ability, 0.0, static_cast<double>(tiers - 1));
            const auto below = std::min(static_cast<std::size_t>(where), tiers - 2);
            const double share = where - static_cast<double>(below);
            return logistic((1 - share) * logit((*scale)[below]) + share * logit((*scale)[below + 1]));
        }

        double success(const ability_vector& abilities) const noexcept { return logistic(logit(abilities)); }
        double logit(const ability_vector& abilities) const noexcept {
            double sum = static_cast<double>(abilities.bias);
            for (std::size_t d = 0; d < std::min(abilities.size, most_dimensions); ++d)
                sum += static_cast<double>(abilities.weights[d]) * static_cast<double>(theta[d]);
            return sum;
        }

    private:
        static double logistic(double logit) noexcept { return 1 / (1 + std::exp(-logit)); }
    };

    /// From a folder with encoder.safetensors, vocab.txt and response.safetensors.
    /// Errors: those of bert_encoder::load(), wordpiece::load(), safetensors::open() and from().
    static result<response_difficulty> load(const std::string& folder, response_difficulty_options options = {}) {
        auto encoder = bert_encoder::load(folder + "/encoder.safetensors");
        if (!encoder) return encoder.error();
        auto tokenizer = wordpiece::load(folder + "/vocab.txt");
        if (!tokenizer) return tokenizer.error();
        const std::string name = folder + "/response.safetensors";
        auto file = safetensors::open(name);
        if (!file) return file.error();
        return from(*std::move(encoder), *std::move(tokenizer), *std::move(file), '"' + name + '"', options);
    }

    /// From the bytes of these files, which must outlive every copy: for weights that are part of the program.
    static result<response_difficulty> view(std::span<const std::byte> encoder_bytes, std::string_view vocabulary,
                                            std::span<const std::byte> response_bytes,
                                            response_difficulty_options options = {}) {
        auto encoder = bert_encoder::view(encoder_bytes);
        if (!encoder) return encoder.error();
        auto tokenizer = wordpiece::from_lines(vocabulary);
        if (!tokenizer) return tokenizer.error();
        auto file = safetensors::parse(response_bytes);
        if (!file) return error{file.error().code, "the response weights: " + file.error().message};
        return from(*std::move(encoder), *std::move(tokenizer), *std::move(file), "the response weights", options);
    }

    /// Errors: `malformed`, `unsupported`, `missing`, `out_of_range` (a tensor of another shape or a value that is not
    /// finite; an encoder without pooler or of another hidden size; a tokenizer with ids that the encoder does not
    /// know; options of 0), with the name of the file.
    static result<response_difficulty> from(bert_encoder encoder, wordpiece tokenizer, safetensors&& file,
                                            const std::string& name, response_difficulty_options options = {}) {
        const auto fault = [&](errc code, const std::string& what) {
            return error{code, name + ": " + what + "; expected a file that training/run wrote"};
        };
        if (file.metadata("format") != "qlroute.response_difficulty")
            return fault(errc::malformed, "these are not response weights");
        if (file.metadata("version") != "1") return fault(errc::unsupported, "its version is not 1");
        if (tokenizer.size() > encoder.config().vocabulary)
            return error{errc::out_of_range,
                         "the tokenizer has " + std::to_string(tokenizer.size()) + " tokens, but the encoder only " +
                             std::to_string(encoder.config().vocabulary) + "; do they belong together?"};
        if (!encoder.has_pooler())
            return error{errc::missing, "the encoder has no pooler; expected the encoder.safetensors beside " + name};
        if (options.most_tokens < 2 || options.threads == 0)
            return error{errc::out_of_range, "most_tokens must be 2 or more and threads 1 or more, got " +
                                                 std::to_string(options.most_tokens) + " and " +
                                                 std::to_string(options.threads)};

        auto made = std::make_shared<model>(std::move(encoder), std::move(tokenizer), options);
        made->file = std::move(file);
        tensors read{made->file, {}};
        model& m = *made;
        m.D = read.size("layout.linear", 1);
        m.E = read.size("topic.weight", 0);
        m.K = read.size("topic.weight", 1);
        m.W = read.size("layout.hidden", 1);
        const std::size_t table = read.size("ngram.table", 0);
        const std::size_t models = read.size("abilities.weights", 0);
        if (!read.why && (m.D == 0 || m.D > most_dimensions || m.E > most_topic_words || m.K > most_topics ||
                          m.W > most_hidden || table < 2 || (table & (table - 1)) != 0))
            return fault(errc::unsupported, "its sizes are not those of this build");
        constexpr std::size_t F = prompt_feature_count;
        const std::size_t H = m.text.encoder().config().hidden;
        m.table = read.bytes("ngram.table", table, m.D + m.E);
        m.scale = read.floats("ngram.scale", m.D + m.E);
        m.mean = read.floats("layout.mean", F);
        m.inverse_deviation = read.floats("layout.inverse_deviation", F);
        m.linear = read.floats("layout.linear", F, m.D);
        m.hidden = read.floats("layout.hidden", F, m.W);
        m.hidden_bias = read.floats("layout.hidden_bias", m.W);
        m.output = read.floats("layout.output", m.W, m.D);
        m.encoder_difficulty = read.floats("encoder.difficulty", H, m.D);
        m.encoder_topic = read.floats("encoder.topic", H, m.K);
        m.topic_weight = read.floats("topic.weight", m.E, m.K);
        m.topic_bias = read.floats("topic.bias", m.K);
        m.topic_difficulty = read.floats("topic.difficulty", m.K, m.D);
        const auto tier_weights = read.floats("tiers.weights", tiers, m.D);
        const auto tier_bias = read.floats("tiers.bias", tiers);
        const auto weights = read.floats("abilities.weights", models, m.D);
        const auto bias = read.floats("abilities.bias", models);
        m.prior_mean = read.floats("prior.mean", m.D + 1);
        m.prior_precision = read.floats("prior.precision", m.D + 1, m.D + 1);
        if (read.why) return fault(read.why->code, read.why->message);
        for (m.shift = 64; (std::size_t{1} << (64 - m.shift)) < table; --m.shift) {
        }
        for (std::size_t t = 0; t < tiers; ++t) m.scale_of_tiers[t] = row(tier_weights, tier_bias, t, m.D);
        std::string_view names = m.file.metadata("names").value_or("");
        for (std::size_t k = 0; k < models; ++k) {
            const std::size_t end = std::min(names.find('\n'), names.size());
            if (names.empty()) return fault(errc::malformed, "it has fewer names than abilities");
            m.known.push_back({names.substr(0, end), row(weights, bias, k, m.D)});
            names.remove_prefix(std::min(end + 1, names.size()));
        }
        response_difficulty out;
        out.model_ = std::move(made);
        return out;
    }

    std::size_t dimensions() const noexcept { return model_->D; }
    const bert_encoder& encoder() const noexcept { return model_->text.encoder(); }
    const wordpiece& tokenizer() const noexcept { return model_->text.tokenizer(); }

    /// All models whose abilities are part of the weights.
    std::span<const known_model> known() const noexcept { return model_->known; }
    /// The abilities of one of them.
    std::optional<ability_vector> known(std::string_view name) const noexcept {
        for (const auto& each : model_->known)
            if (each.name == name) return each.abilities;
        return std::nullopt;
    }
    /// What abilities, weights and then bias, are like before anything is known of an endpoint: mean [D + 1] and
    /// precision [D + 1, D + 1] over the known models, for fit_ability().
    std::span<const float> prior_mean() const noexcept { return model_->prior_mean; }
    std::span<const float> prior_precision() const noexcept { return model_->prior_precision; }

    difficulty operator()(std::span<const message> dialogue) const noexcept {
        return of(text_to_score(dialogue, model_->options.text));
    }

    /// Of one text, as the only message of a user.
    difficulty of(std::string_view text) const noexcept {
        const message only[] = {{role::user, text}};
        return (*this)(only);
    }

private:
    static constexpr std::size_t most_topic_words = 64;
    static constexpr std::size_t most_topics = 128;
    static constexpr std::size_t most_hidden = 128;

    struct model {
        model(bert_encoder encoder, wordpiece tokenizer, const response_difficulty_options& how)
            : options(how),
              text(std::move(encoder), std::move(tokenizer), how.most_tokens, how.threads, cut::middle,
                   joined_text::capacity) {}

        response_difficulty_options options;
        text_encoder text;
        safetensors file;
        std::size_t D = 0, E = 0, K = 0, W = 0;
        int shift = 0;
        std::span<const std::int8_t> table;
        std::span<const float> scale, mean, inverse_deviation, linear, hidden, hidden_bias, output, encoder_difficulty,
            encoder_topic, topic_weight, topic_bias, topic_difficulty, prior_mean, prior_precision;
        std::array<ability_vector, tiers> scale_of_tiers;
        std::vector<known_model> known;
    };

    struct tensors {
        const safetensors& file;
        std::optional<error> why;

        std::size_t size(std::string_view name, std::size_t dimension) {
            const auto* found = file.find(name);
            if (found != nullptr && found->shape.size() == 2) return static_cast<std::size_t>(found->shape[dimension]);
            if (!why) why = error{errc::missing, "it has no tensor \"" + std::string(name) + "\" of two dimensions"};
            return 0;
        }
        template <class T, class... Dimensions>
        std::span<const T> values(std::string_view name, Dimensions... shape) {
            if (why) return {};
            const auto out = file.values<T>(name, shape...);
            if (out) return *out;
            why = out.error();
            return {};
        }
        template <class... Dimensions>
        std::span<const std::int8_t> bytes(std::string_view name, Dimensions... shape) {
            return values<std::int8_t>(name, shape...);
        }
        template <class... Dimensions>
        std::span<const float> floats(std::string_view name, Dimensions... shape) {
            const auto out = values<float>(name, shape...);
            for (const float x : out)
                if (!std::isfinite(x)) {
                    why = error{errc::out_of_range, "a value of \"" + std::string(name) + "\" is not finite"};
                    return {};
                }
            return out;
        }
    };

    static ability_vector row(std::span<const float> weights, std::span<const float> bias, std::size_t k,
                              std::size_t dimensions) {
        ability_vector out;
        out.size = dimensions;
        std::copy_n(weights.begin() + static_cast<std::ptrdiff_t>(k * dimensions), dimensions, out.weights.begin());
        out.bias = bias[k];
        return out;
    }

    /// out [columns] += x [rows] * matrix [rows, columns]
    template <class T>
    static void add_product(const T* x, std::size_t rows, std::span<const float> matrix, std::size_t columns,
                            float* out) noexcept {
        for (std::size_t r = 0; r < rows; ++r) {
            const float factor = static_cast<float>(x[r]);
            const float* line = matrix.data() + r * columns;
            for (std::size_t c = 0; c < columns; ++c) out[c] += factor * line[c];
        }
    }

    difficulty of(const scored_text& chosen) const noexcept {
        const model& m = *model_;
        joined_text joined;
        const std::string_view text = joined.of(chosen);

        // Words and pairs: exact sums of bytes.
        std::array<std::int32_t, most_dimensions + most_topic_words> sums{};
        const std::size_t width = m.D + m.E;
        prompt_reader reader([&](std::uint64_t hash, prompt_ngram) noexcept {
            const std::int8_t* line = m.table.data() + (hash >> m.shift) * width;
            for (std::size_t d = 0; d < width; ++d) sums[d] += line[d];
        });
        reader.read(text);
        reader.finish();
        const float norm = 1 / std::sqrt(static_cast<float>(std::max<std::size_t>(1, reader.ngrams())));
        std::array<float, most_dimensions + most_topic_words> words{};
        for (std::size_t d = 0; d < width; ++d) words[d] = static_cast<float>(sums[d]) * m.scale[d] * norm;

        difficulty out;
        out.scale = &m.scale_of_tiers;
        std::copy_n(words.begin(), m.D, out.theta.begin());

        // Meaning.
        std::array<float, most_topics> topic{};
        std::copy(m.topic_bias.begin(), m.topic_bias.end(), topic.begin());
        m.text.encode(text, [&](const bert_encoder& encoder, bert_encoder::workspace& memory) noexcept {
            const auto pooled = encoder.pooled(memory);
            add_product(pooled.data(), pooled.size(), m.encoder_difficulty, m.D, out.theta.data());
            add_product(pooled.data(), pooled.size(), m.encoder_topic, m.K, topic.data());
        });
        add_product(words.data() + m.D, m.E, m.topic_weight, m.K, topic.data());
        const float largest = *std::max_element(topic.begin(), topic.begin() + static_cast<std::ptrdiff_t>(m.K));
        float total = 0;
        for (std::size_t k = 0; k < m.K; ++k) total += topic[k] = std::exp(topic[k] - largest);
        for (std::size_t k = 0; k < m.K; ++k) topic[k] /= total;
        add_product(topic.data(), m.K, m.topic_difficulty, m.D, out.theta.data());

        // Layout.
        const auto features = reader.features(text.size());
        std::array<float, prompt_feature_count> x{};
        for (std::size_t f = 0; f < x.size(); ++f)
            x[f] = std::clamp((static_cast<float>(features[f]) - m.mean[f]) * m.inverse_deviation[f], -4.0f, 4.0f);
        std::array<float, most_hidden> hidden{};
        std::copy(m.hidden_bias.begin(), m.hidden_bias.end(), hidden.begin());
        add_product(x.data(), x.size(), m.hidden, m.W, hidden.data());
        for (std::size_t w = 0; w < m.W; ++w) hidden[w] = std::max(0.0f, hidden[w]);
        add_product(x.data(), x.size(), m.linear, m.D, out.theta.data());
        add_product(hidden.data(), m.W, m.output, m.D, out.theta.data());
        return out;
    }

    response_difficulty() = default;

    std::shared_ptr<const model> model_;
};

}  // namespace qlroute
