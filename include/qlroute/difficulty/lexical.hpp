// The fast fallback: what the words of a prompt say about its difficulty.
//
//   auto predictor = lexical_difficulty::load("models/lexical.safetensors");
//   if (!predictor) return complain(predictor.error().message);
//   const router route{*predictor, objective, lowest_cost{}};
#pragma once

#include <qlroute/difficulty/ability.hpp>
#include <qlroute/difficulty/predictor.hpp>
#include <qlroute/io/safetensors.hpp>
#include <qlroute/text/prompt_features.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace qlroute {

/// Hashed words and pairs of words with a logistic head per ability, over the last message of the user.
/// P(good answer) is success_at() of the endpoint's ability: 0 small (up to about 4 B parameters), 1 medium (7-14 B),
/// 2 large (27 B and up), 3 frontier. At most 4 kB of the message are read: 2 kB from each end. Definition and
/// measurements: docs/lexical-difficulty.md. Copies share the weights; thread-safe.
class lexical_difficulty {
public:
    static constexpr std::size_t heads = 4;
    static constexpr std::size_t buckets = std::size_t{1} << 15;

    /// The logits of one prompt.
    struct difficulty {
        std::array<double, heads> logits{};

        double operator()(const endpoint& place) const noexcept { return success_at(place.ability, logits); }
    };

    /// From a file written by training/lexical.py.
    static result<lexical_difficulty> load(const std::string& path) {
        auto file = safetensors::open(path);
        if (!file) return file.error();
        return from(std::move(*file), path);
    }

    /// From the bytes of such a file, which must outlive every copy: for weights that are part of the program.
    static result<lexical_difficulty> view(std::span<const std::byte> bytes) {
        const std::string name = "the lexical weights";
        auto file = safetensors::parse(bytes);
        if (!file) {
            error why = file.error();
            why.message = name + ": " + why.message;
            return why;
        }
        return from(std::move(*file), name);
    }

    difficulty operator()(std::span<const message> dialogue) const noexcept {
        return of(last_text(dialogue, role::user));
    }

    /// Of one text.
    difficulty of(std::string_view text) const noexcept {
        std::array<std::int32_t, heads> sums{};
        const std::int8_t* weights = ngram_weights_.data();
        prompt_reader reader([&](std::uint64_t hash, prompt_ngram kind) noexcept {
            if (kind > prompt_ngram::pair) return;
            const std::int8_t* row = weights + (hash >> 49) * heads;
            for (std::size_t h = 0; h < heads; ++h) sums[h] += row[h];
        });
        reader.read_window(text);
        const auto dense = reader.lexical(text.size());
        const double norm = std::sqrt(static_cast<double>(std::max<std::size_t>(1, reader.words_and_pairs())));
        difficulty d;
        for (std::size_t h = 0; h < heads; ++h) {
            double logit = static_cast<double>(bias_[h]);
            for (std::size_t f = 0; f < dense.size(); ++f)
                logit += dense[f] * static_cast<double>(dense_weights_[f * heads + h]);
            d.logits[h] = logit + static_cast<double>(ngram_scale_[h]) * (static_cast<double>(sums[h]) / norm);
        }
        return d;
    }

private:
    lexical_difficulty() = default;

    static result<lexical_difficulty> from(safetensors&& file, const std::string& name) {
        const auto fault = [&](errc code, const std::string& what) {
            return error{code, name + ": " + what + "; expected a file written by training/lexical.py"};
        };
        const auto says = [&](std::string_view key, std::string_view value) { return file.metadata(key) == value; };
        if (!says("format", "qlroute.lexical_difficulty"))
            return fault(errc::malformed, "these are not lexical weights");
        if (!says("version", "1")) return fault(errc::unsupported, "its version is not 1");
        if (!says("bucket_bits", "15") || !says("window_bytes", "4096") || !says("max_digits", "6"))
            return fault(errc::unsupported, "its features are not those of this build");

        lexical_difficulty predictor;
        predictor.file_ = std::make_shared<const safetensors>(std::move(file));
        const safetensors& weights = *predictor.file_;
        constexpr std::size_t features = 12;  // the first of prompt_feature
        const auto ngram_weights = weights.values<std::int8_t>("ngram_weights", buckets, heads);
        const auto ngram_scale = weights.values<float>("ngram_scale", heads);
        const auto dense_weights = weights.values<float>("dense_weights", features, heads);
        const auto bias = weights.values<float>("bias", heads);
        if (!ngram_weights) return fault(ngram_weights.error().code, ngram_weights.error().message);
        for (const auto* each : {&ngram_scale, &dense_weights, &bias}) {
            if (!*each) return fault(each->error().code, each->error().message);
            for (const float value : **each)
                if (!std::isfinite(value)) return fault(errc::out_of_range, "a weight is not finite");
        }
        predictor.ngram_weights_ = *ngram_weights;
        predictor.ngram_scale_ = *ngram_scale;
        predictor.dense_weights_ = *dense_weights;
        predictor.bias_ = *bias;
        return predictor;
    }

    std::shared_ptr<const safetensors> file_;
    std::span<const std::int8_t> ngram_weights_;  // [buckets, heads]
    std::span<const float> ngram_scale_;          // [heads]
    std::span<const float> dense_weights_;        // [features, heads]
    std::span<const float> bias_;                 // [heads]
};

}  // namespace qlroute
