// What a predictor reads off a prompt besides its meaning: words and pairs of words as hashes, and its layout.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace qlroute {

/// The numbers that describe a prompt's layout, in the order in which weights expect them. docs/prompt-features.md
/// defines each. The first twelve are what lexical_difficulty reads.
enum class prompt_feature : std::size_t {
    log_bytes,
    log_tokens,
    digit_share,
    non_ascii_share,
    upper_share,
    has_options,
    log_option_lines,
    has_question,
    log_newlines,
    math_share,
    code_share,
    mean_word_bytes,
    log_stem_bytes,
    stem_digit_share,
    log_mean_option_bytes,
    log_longest_option_bytes,
    log_shortest_option_bytes,
    option_spread,
    option_digit_share,
    mean_option_overlap,
    largest_option_overlap,
    distinct_word_share,
    long_word_share,
    log_numbers,
    log_commas,
    log_full_stops,
    log_questions,
    log_blanks,
    log_quotes,
    log_dollars,
    log_equals,
    log_parentheses,
    stem_ends_asking,
    stem_ends_with_colon,
    count
};

/// What a hash that prompt_reader hands out stands for.
enum class prompt_ngram : std::uint8_t {
    word,          ///< lower-cased; of a number only how many digits it has; punctuation is a word of its own
    pair,          ///< of neighbours
    prefix,        ///< the first five bytes of a longer word
    suffix,        ///< the last four bytes of it
    stem_start,    ///< the first, the first two, the first three words before the options
    stem_end,      ///< the last one, two, three of them
    option_word,   ///< in an option
    option_start,  ///< the first word of an option
};

inline constexpr std::size_t prompt_feature_count = static_cast<std::size_t>(prompt_feature::count);

/// Of a longer text the first and the last half are read.
inline constexpr std::size_t prompt_window_bytes = 4096;

namespace detail {

/// What each byte is to prompt_reader.
struct prompt_bytes {
    /// Counts of four kinds of bytes in one number, 16 bits each, so that a byte costs one addition.
    enum lane { digit = 0, upper = 16, math = 32, code = 48 };
    static constexpr std::size_t count(std::uint64_t lanes, lane which) { return (lanes >> which) & 0xFFFF; }

    std::array<bool, 256> in_word{};
    std::array<bool, 256> is_space{};
    std::array<unsigned char, 256> lower{};
    std::array<std::uint64_t, 256> lanes{};

    constexpr prompt_bytes() {
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

/// The answers that a prompt offers: lines that begin with a letter, a full stop and a blank.
class option_lines {
public:
    /// A window in pieces: what comes before the first option is the stem.
    void read(std::string_view piece) noexcept {
        std::size_t at = 0;
        while (true) {
            const std::size_t end = std::min(piece.find('\n', at), piece.size());
            const std::string_view line = piece.substr(at, end - at);
            if (at > 0 && is_option(line)) add(line.substr(3));
            else if (lines_ == 0) add_to_stem(line);
            if (end == piece.size()) return;
            at = end + 1;
        }
    }

    static bool is_option(std::string_view line) noexcept {
        return line.size() >= 3 && line[0] >= 'A' && line[0] <= 'P' && line[1] == '.' && line[2] == ' ';
    }

    std::size_t stem_bytes() const noexcept { return stem_bytes_; }
    std::size_t stem_digits() const noexcept { return stem_digits_; }
    char stem_end() const noexcept { return stem_end_; }
    std::size_t count() const noexcept { return lines_; }
    std::size_t longest() const noexcept { return longest_; }
    std::size_t shortest() const noexcept { return lines_ == 0 ? 0 : shortest_; }
    double mean() const noexcept {
        return static_cast<double>(bytes_) / static_cast<double>(std::max<std::size_t>(1, lines_));
    }
    double digit_share() const noexcept {
        return static_cast<double>(digits_) / static_cast<double>(std::max<std::size_t>(1, bytes_));
    }
    /// Standard deviation of the lengths over their mean.
    double spread() const noexcept {
        if (bytes_ == 0) return 0;
        const double n = static_cast<double>(lines_);
        const double variance = static_cast<double>(squares_) / n - mean() * mean();
        return std::sqrt(std::max(0.0, variance)) / mean();
    }
    double mean_overlap() const noexcept { return pairs_ == 0 ? 0 : overlaps_ / static_cast<double>(pairs_); }
    double largest_overlap() const noexcept { return largest_overlap_; }

private:
    static constexpr std::size_t most_compared = 16;
    static bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

    void add_to_stem(std::string_view line) noexcept {
        stem_bytes_ += line.size();
        for (const char c : line) {
            stem_digits_ += is_digit(c);
            if (c != ' ' && c != '\r' && c != '\t') stem_end_ = c;
        }
    }

    void add(std::string_view option) noexcept {
        ++lines_;
        bytes_ += option.size();
        squares_ += option.size() * option.size();
        longest_ = std::max(longest_, option.size());
        shortest_ = std::min(shortest_, option.size());
        for (const char c : option) digits_ += is_digit(c);
        const std::uint64_t mine = words_in(option);
        const std::size_t before = std::min(lines_ - 1, most_compared);
        for (std::size_t i = 0; i < before; ++i) {
            const int all = std::popcount(mine | masks_[i]);
            const double overlap = all == 0 ? 0 : static_cast<double>(std::popcount(mine & masks_[i])) / all;
            overlaps_ += overlap;
            largest_overlap_ = std::max(largest_overlap_, overlap);
            ++pairs_;
        }
        if (lines_ <= most_compared) masks_[lines_ - 1] = mine;
    }

    /// The set of words between blanks, as one bit of 64 each.
    static std::uint64_t words_in(std::string_view text) noexcept {
        std::uint64_t mask = 0;
        std::uint64_t h = 0;
        for (const char c : text) {
            if (c == ' ') {
                if (h != 0) mask |= std::uint64_t{1} << (h >> 58);
                h = 0;
                continue;
            }
            const auto b = static_cast<unsigned char>(c);
            h = (h ^ (b >= 'A' && b <= 'Z' ? static_cast<std::uint64_t>(b - 'A' + 'a') : b)) * 0x9E3779B97F4A7C15;
        }
        if (h != 0) mask |= std::uint64_t{1} << (h >> 58);
        return mask;
    }

    std::array<std::uint64_t, most_compared> masks_{};
    std::size_t lines_ = 0, bytes_ = 0, squares_ = 0, digits_ = 0, longest_ = 0, pairs_ = 0;
    std::size_t shortest_ = std::numeric_limits<std::size_t>::max();
    std::size_t stem_bytes_ = 0, stem_digits_ = 0;
    char stem_end_ = 0;
    double overlaps_ = 0, largest_overlap_ = 0;
};

}  // namespace detail

/// Reads one prompt in pieces of at most 65,535 bytes together, and hands the 64-bit hashes of what it finds to
/// `OnNgram`, called as on_ngram(hash, prompt_ngram). No pair spans two pieces. Allocates nothing.
/// Definition: docs/prompt-features.md.
template <class OnNgram>
class prompt_reader {
public:
    static constexpr std::size_t lexical_features = 12;

    explicit prompt_reader(OnNgram on_ngram) noexcept : on_ngram_(on_ngram) {}

    /// The whole of a text: what fits into the window, or the first and the last half of it.
    void read_window(std::string_view text) noexcept {
        if (text.size() <= prompt_window_bytes) {
            read(text);
        } else {
            read(text.substr(0, prompt_window_bytes / 2));
            read(text.substr(text.size() - prompt_window_bytes / 2));
        }
        finish();
    }

    /// After the last piece: the end of a stem that no option follows.
    void finish() noexcept {
        if (!stem_over_) end_stem();
    }

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
            if (byte < 0x80) ++ascii_[byte];
            if (byte == '\n') read_line_start(piece.substr(at));
            if (!table_.is_space[byte]) add_token(hash_of(fnv(fnv_start, byte)));
            ++at;
        }
        bytes_ += piece.size();
        for (const char byte : piece) non_ascii_ += static_cast<unsigned char>(byte) >= 0x80;
        options_.read(piece);
    }

    /// Words and pairs so far.
    std::size_t words_and_pairs() const noexcept { return words_and_pairs_; }
    /// Hashes of all kinds so far.
    std::size_t ngrams() const noexcept { return words_and_pairs_ + others_; }

    /// Those features that lexical_difficulty reads.
    std::array<double, lexical_features> lexical(std::size_t text_bytes) const noexcept {
        return {log_of(text_bytes),
                log_of(tokens_),
                share(detail::prompt_bytes::count(lanes_, detail::prompt_bytes::digit)),
                share(non_ascii_),
                share(detail::prompt_bytes::count(lanes_, detail::prompt_bytes::upper)),
                has_options_ ? 1.0 : 0.0,
                log_of(option_lines_),
                ascii_['?'] > 0 ? 1.0 : 0.0,
                log_of(ascii_['\n']),
                share(detail::prompt_bytes::count(lanes_, detail::prompt_bytes::math)),
                share(detail::prompt_bytes::count(lanes_, detail::prompt_bytes::code)),
                per_word(word_bytes_)};
    }

    /// All of prompt_feature.
    std::array<double, prompt_feature_count> features(std::size_t text_bytes) const noexcept {
        std::array<double, prompt_feature_count> out{};
        const auto first = lexical(text_bytes);
        std::copy(first.begin(), first.end(), out.begin());
        std::size_t distinct = 0;
        for (const std::uint64_t word : seen_) distinct += static_cast<std::size_t>(std::popcount(word));
        const double rest[] = {
            log_of(options_.stem_bytes()),
            static_cast<double>(options_.stem_digits()) /
                static_cast<double>(std::max<std::size_t>(1, options_.stem_bytes())),
            std::log(1 + options_.mean()),
            log_of(options_.longest()),
            log_of(options_.shortest()),
            options_.spread(),
            options_.digit_share(),
            options_.mean_overlap(),
            options_.largest_overlap(),
            per_word(distinct),
            per_word(long_words_),
            log_of(numbers_),
            log_of(ascii_[',']),
            log_of(ascii_['.']),
            log_of(ascii_['?']),
            log_of(ascii_['_']),
            log_of(ascii_['"']),
            log_of(ascii_['$']),
            log_of(ascii_['=']),
            log_of(ascii_['(']),
            options_.stem_end() == '?' ? 1.0 : 0.0,
            options_.stem_end() == ':' ? 1.0 : 0.0,
        };
        static_assert(lexical_features + std::size(rest) == prompt_feature_count);
        std::copy(std::begin(rest), std::end(rest), out.begin() + lexical_features);
        return out;
    }

private:
    static constexpr detail::prompt_bytes table_{};
    static constexpr std::uint64_t fnv_start = 0xCBF29CE484222325;
    static constexpr std::size_t most_digits = 6;
    static constexpr std::size_t long_word = 9;   // bytes
    static constexpr std::size_t affix_word = 6;  // bytes
    static constexpr std::size_t prefix_bytes = 5;
    static constexpr std::size_t suffix_bytes = 4;
    static constexpr std::size_t edge_words = 3;

    static constexpr std::uint64_t fnv(std::uint64_t h, unsigned char byte) noexcept {
        return (h ^ byte) * 0x100000001B3;
    }
    static constexpr std::uint64_t hash_of(std::uint64_t z) noexcept {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
    static constexpr std::uint64_t joined(std::uint64_t first, std::uint64_t second) noexcept {
        return hash_of(first * 0x9E3779B97F4A7C15 + second);
    }
    static double log_of(std::size_t n) noexcept { return std::log(1 + static_cast<double>(n)); }
    double share(std::size_t n) const noexcept {
        return static_cast<double>(n) / static_cast<double>(std::max<std::size_t>(1, bytes_));
    }
    double per_word(std::size_t n) const noexcept {
        return static_cast<double>(n) / static_cast<double>(std::max<std::size_t>(1, words_));
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
        // Only how many digits a number has matters. Lanes hold 16 bits, so of longer words they say nothing.
        if (length < 0x10000 && detail::prompt_bytes::count(lanes, detail::prompt_bytes::digit) == length) {
            h = fnv_start;
            for (std::size_t k = 0; k < std::min(length, most_digits); ++k) h = fnv(h, '0');
            ++numbers_;
        } else if (length >= affix_word) {
            add(prompt_ngram::prefix, hash_of_bytes(piece.substr(start, prefix_bytes)));
            add(prompt_ngram::suffix, hash_of_bytes(piece.substr(at - suffix_bytes, suffix_bytes)));
        }
        ++words_;
        word_bytes_ += length;
        long_words_ += length >= long_word;
        const std::uint64_t hash = hash_of(h);
        seen_[hash >> 60] |= std::uint64_t{1} << ((hash >> 54) & 63);
        add_token(hash);
        add_place(hash);
        return at;
    }

    std::uint64_t hash_of_bytes(std::string_view bytes) const noexcept {
        std::uint64_t h = fnv_start;
        for (const char c : bytes) h = fnv(h, table_.lower[static_cast<unsigned char>(c)]);
        return hash_of(h);
    }

    /// Where a word stands: at the edges of the stem, or in an option.
    void add_place(std::uint64_t hash) noexcept {
        if (in_label_) {
            in_label_ = false;
        } else if (in_option_) {
            add(prompt_ngram::option_word, hash);
            if (option_starts_) add(prompt_ngram::option_start, hash);
            option_starts_ = false;
        } else if (!stem_over_) {
            if (stem_words_ < edge_words) {
                start_ = stem_words_ == 0 ? hash : joined(start_, hash);
                add(prompt_ngram::stem_start, start_);
            }
            last_[stem_words_ % edge_words] = hash;
            ++stem_words_;
        }
    }

    void end_stem() noexcept {
        stem_over_ = true;
        std::uint64_t end = 0;
        for (std::size_t k = 0; k < std::min(stem_words_, edge_words); ++k) {
            const std::uint64_t word = last_[(stem_words_ - 1 - k) % edge_words];
            end = k == 0 ? word : joined(end, word);
            add(prompt_ngram::stem_end, end);
        }
    }

    void read_line_start(std::string_view rest) noexcept {
        in_option_ = in_label_ = option_starts_ = detail::option_lines::is_option(rest.substr(1));
        if (!in_option_) return;
        if (!stem_over_) end_stem();
        ++option_lines_;
        has_options_ = has_options_ || rest[1] == 'A';
    }

    void add_token(std::uint64_t hash) noexcept {
        ++tokens_;
        ++words_and_pairs_;
        on_ngram_(hash, prompt_ngram::word);
        if (has_previous_) {
            on_ngram_(joined(previous_, hash), prompt_ngram::pair);
            ++words_and_pairs_;
        }
        previous_ = hash;
        has_previous_ = true;
    }

    void add(prompt_ngram kind, std::uint64_t hash) noexcept {
        on_ngram_(hash_of(hash + static_cast<std::uint64_t>(kind)), kind);
        ++others_;
    }

    OnNgram on_ngram_;
    std::uint64_t previous_ = 0;
    bool has_previous_ = false;
    bool has_options_ = false;
    bool in_option_ = false;
    bool in_label_ = false;       // the next word is the letter before an option
    bool option_starts_ = false;  // the next word but that is an option's first
    bool stem_over_ = false;
    std::uint64_t start_ = 0;
    std::array<std::uint64_t, edge_words> last_{};
    std::size_t stem_words_ = 0;
    std::uint64_t lanes_ = 0;
    std::array<std::uint16_t, 128> ascii_{};  // of the bytes outside words
    std::array<std::uint64_t, 16> seen_{};    // words, as one bit of 1024 each
    detail::option_lines options_;
    std::size_t bytes_ = 0, tokens_ = 0, words_and_pairs_ = 0, others_ = 0, words_ = 0, word_bytes_ = 0,
                long_words_ = 0, numbers_ = 0, non_ascii_ = 0, option_lines_ = 0;
};

}  // namespace qlroute
