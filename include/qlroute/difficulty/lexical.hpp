// The fast fallback: what the words of a prompt say about its difficulty.
//
//   auto predictor = lexical_difficulty::load("models/lexical.safetensors");
//   if (!predictor) return complain(predictor.error().message);
//   const router route{*predictor, objective, lowest_cost{}};
#pragma once

#include <qlroute/difficulty/ability.hpp>
#include <qlroute/difficulty/predictor.hpp>
#include <qlroute/io/safetensors.hpp>

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

namespace detail {

/// What each byte is to lexical_difficulty.
struct lexical_bytes {
    /// Counts of four kinds of bytes in one number, 16 bits each, so that a byte costs one addition.
    enum lane { digit = 0, upper = 16, math = 32, code = 48 };
    static constexpr std::size_t count(std::uint64_t lanes, lane which) { return (lanes >> which) & 0xFFFF; }

    std::array<bool, 256> in_word{};
    std::array<bool, 256> is_space{};
    std::array<unsigned char, 256> lower{};
    std::array<std::uint64_t, 256> lanes{};

    constexpr lexical_bytes() {
        for (unsigned b = 0; b < 256; ++b) {
            const bool is_digit = b >= '0' && b <= '9';
            const bool is_upper = b >= 'A' && b <= 'Z';
            in_word[b] = is_digit || is_upper || (b >= 'a' && b <= 'z') || b >= 0x80;
            is_space[b] = b == ' ' || (b >= 0x09 && b <= 0x0D);
            lower[b] = static_cast<unsigned char>(is_upper ? b - 'A' + 'a' : b);
            lanes[b] = (std::uint64_t{is_digit} << digit) | (std::uint64_t{is_upper} << upper);
        }
        for (const char b : std::string_view("$%*+/<=>\\^_|"))
            lanes[static_cast<unsigned char>(b)] |= std::uint64_t{1} << math;
        for (const char b : std::string_view("#&()@;[]{}~`"))
            lanes[static_cast<unsigned char>(b)] |= std::uint64_t{1} << code;
    }
};

/// Adds up one text, byte by byte. docs/lexical-difficulty.md defines every feature.
template <std::size_t Heads>
class lexical_reader {
public:
    explicit lexical_reader(const std::int8_t* weights) noexcept : weights_(weights) {}

    /// At most 65,535 bytes in all pieces together.
    void read(std::string_view piece) noexcept {
        has_previous_ = false;
        std::size_t at = 0;
        while (at < piece.size()) {
            const auto byte = static_cast<unsigned char>(piece[at]);
            if (table_.in_word[byte]) {
                at = read_word(piece, at);
                continue;
            }
            lanes_ += table_.lanes[byte];
            if (byte == '?') question_ = true;
            if (byte == '\n') read_line_start(piece.substr(at));
            if (!table_.is_space[byte]) add_token(hash_of(fnv(fnv_start, byte)));
            ++at;
        }
        bytes_ += piece.size();
        for (const char byte : piece) non_ascii_ += static_cast<unsigned char>(byte) >= 0x80;
    }

    static constexpr std::size_t features = 12;

    std::array<double, features> dense(std::size_t text_bytes) const noexcept {
        const auto share = [&](std::size_t n) {
            return static_cast<double>(n) / static_cast<double>(std::max<std::size_t>(1, bytes_));
        };
        const auto log_of = [](std::size_t n) { return std::log(1 + static_cast<double>(n)); };
        return {log_of(text_bytes),
                log_of(tokens_),
                share(lexical_bytes::count(lanes_, lexical_bytes::digit)),
                share(non_ascii_),
                share(lexical_bytes::count(lanes_, lexical_bytes::upper)),
                has_options_ ? 1.0 : 0.0,
                log_of(option_lines_),
                question_ ? 1.0 : 0.0,
                log_of(newlines_),
                share(lexical_bytes::count(lanes_, lexical_bytes::math)),
                share(lexical_bytes::count(lanes_, lexical_bytes::code)),
                static_cast<double>(word_bytes_) / static_cast<double>(std::max<std::size_t>(1, words_))};
    }

    /// (sum over occurrences of weights[bucket][head]) / sqrt(occurrences)
    std::array<double, Heads> ngrams() const noexcept {
        std::array<double, Heads> sums{};
        const double norm = std::sqrt(static_cast<double>(std::max<std::size_t>(1, occurrences_)));
        for (std::size_t h = 0; h < Heads; ++h) sums[h] = static_cast<double>(sums_[h]) / norm;
        return sums;
    }

private:
    static constexpr lexical_bytes table_{};
    static constexpr std::uint64_t fnv_start = 0xCBF29CE484222325;
    static constexpr std::size_t most_digits = 6;

    static constexpr std::uint64_t fnv(std::uint64_t h, unsigned char byte) noexcept {
        return (h ^ byte) * 0x100000001B3;
    }
    static constexpr std::uint64_t hash_of(std::uint64_t z) noexcept {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    std::size_t read_word(std::string_view piece, std::size_t at) noexcept {
        const std::size_t start = at;
        std::uint64_t h = fnv_start;
        std::uint64_t lanes = 0;
        for (; at < piece.size() && table_.in_word[static_cast<unsigned char>(piece[at])]; ++at) {
            const auto byte = static_cast<unsigned char>(piece[at]);
            h = fnv(h, table_.lower[byte]);
            lanes += table_.lanes[byte];
        }
        lanes_ += lanes;
        const std::size_t length = at - start;
        if (lexical_bytes::count(lanes, lexical_bytes::digit) == length) {  // only how many digits matters
            h = fnv_start;
            for (std::size_t k = 0; k < std::min(length, most_digits); ++k) h = fnv(h, '0');
        }
        ++words_;
        word_bytes_ += length;
        add_token(hash_of(h));
        return at;
    }

    void read_line_start(std::string_view rest) noexcept {
        ++newlines_;
        if (rest.size() < 4 || rest[1] < 'A' || rest[1] > 'P' || rest[2] != '.' || rest[3] != ' ') return;
        ++option_lines_;
        has_options_ = has_options_ || rest[1] == 'A';
    }

    void add_token(std::uint64_t hash) noexcept {
        ++tokens_;
        add(hash);
        if (has_previous_) add(hash_of(previous_ * 0x9E3779B97F4A7C15 + hash));
        previous_ = hash;
        has_previous_ = true;
    }

    void add(std::uint64_t hash) noexcept {
        const std::int8_t* row = weights_ + (hash >> 49) * Heads;
        for (std::size_t h = 0; h < Heads; ++h) sums_[h] += row[h];
        ++occurrences_;
    }

    const std::int8_t* weights_;  // [2^15, Heads]
    std::array<std::int32_t, Heads> sums_{};
    std::uint64_t previous_ = 0;
    bool has_previous_ = false;
    bool has_options_ = false;
    bool question_ = false;
    std::uint64_t lanes_ = 0;
    std::size_t bytes_ = 0, tokens_ = 0, occurrences_ = 0, words_ = 0, word_bytes_ = 0, non_ascii_ = 0, newlines_ = 0,
                option_lines_ = 0;
};

}  // namespace detail

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
        constexpr std::size_t window = 4096;
        detail::lexical_reader<heads> reader(ngram_weights_.data());
        if (text.size() <= window) {
            reader.read(text);
        } else {
            reader.read(text.substr(0, window / 2));
            reader.read(text.substr(text.size() - window / 2));
        }
        const auto dense = reader.dense(text.size());
        const auto ngrams = reader.ngrams();
        difficulty d;
        for (std::size_t h = 0; h < heads; ++h) {
            double logit = static_cast<double>(bias_[h]);
            for (std::size_t f = 0; f < dense.size(); ++f)
                logit += dense[f] * static_cast<double>(dense_weights_[f * heads + h]);
            d.logits[h] = logit + static_cast<double>(ngram_scale_[h]) * ngrams[h];
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
        constexpr std::size_t features = detail::lexical_reader<heads>::features;
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
