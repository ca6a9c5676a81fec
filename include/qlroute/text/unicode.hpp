// Characters as BERT's tokenizer sees them: UTF-8, kinds, lower case, letters without their accents.
//
// The answers are those of Hugging Face's `tokenizers`, which follow no single version of Unicode:
// scripts/unicode-tables says which version each has. Nothing here allocates, throws or depends on a locale.
#pragma once

#include <qlroute/text/unicode_tables.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qlroute::unicode {

inline constexpr char32_t last_character = 0x10FFFF;
inline constexpr char32_t replacement = 0xFFFD;  ///< stands for bytes that are not UTF-8

struct decoded {
    char32_t code = replacement;
    std::size_t length = 1;  ///< bytes
};

/// The first character of `text`. Bytes that are not UTF-8 become one U+FFFD for each maximal subpart: the longest
/// beginning of a well-formed sequence, or one byte (Unicode 15, section 3.9, "U+FFFD Substitution").
/// Precondition: `text` is not empty.
constexpr decoded decode(std::string_view text) noexcept {
    const auto byte = [text](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(text[i])); };
    const unsigned lead = byte(0);
    if (lead < 0x80) return {lead, 1};
    if (lead < 0xC2 || lead > 0xF4) return {};
    const std::size_t length = lead < 0xE0 ? 2u : lead < 0xF0 ? 3u : 4u;
    // the narrower ranges keep out overlong forms, surrogates, and everything above U+10FFFF
    unsigned low = lead == 0xE0 ? 0xA0u : lead == 0xF0 ? 0x90u : 0x80u;
    unsigned high = lead == 0xED ? 0x9Fu : lead == 0xF4 ? 0x8Fu : 0xBFu;
    char32_t code = lead & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if (i == text.size() || byte(i) < low || byte(i) > high) return {replacement, i};
        code = code << 6 | (byte(i) & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    return {code, length};
}

/// Writes `code` as UTF-8; returns how many of the 4 bytes at `out` it takes.
/// Precondition: a code point that is no surrogate.
constexpr std::size_t encode(char32_t code, char* out) noexcept {
    const auto put = [out](std::size_t i, char32_t byte) {
        out[i] = static_cast<char>(static_cast<unsigned char>(byte));
    };
    if (code < 0x80) return put(0, code), 1;
    if (code < 0x800) return put(0, 0xC0 | code >> 6), put(1, 0x80 | (code & 0x3F)), 2;
    if (code < 0x10000)
        return put(0, 0xE0 | code >> 12), put(1, 0x80 | (code >> 6 & 0x3F)), put(2, 0x80 | (code & 0x3F)), 3;
    put(0, 0xF0 | code >> 18);
    put(1, 0x80 | (code >> 12 & 0x3F));
    put(2, 0x80 | (code >> 6 & 0x3F));
    put(3, 0x80 | (code & 0x3F));
    return 4;
}

enum class kind : std::uint8_t {
    word,           ///< letters, digits, symbols, and everything that is not below
    punctuation,    ///< P*, and all of ASCII that is neither letter, digit, control nor blank
    space,          ///< Z*, and tab, newline, carriage return
    control,        ///< Cc, Cf, Co, and none of these two
    mark,           ///< Mn: accents, vowel signs
    blank_control,  ///< U+000B, U+000C, U+0085: controls, and white space
};

struct properties {
    unicode::kind kind = kind::word;
    std::uint8_t combining = 0;  ///< canonical combining class; of marks only whether it is 0
};

/// Precondition: code <= last_character.
constexpr properties properties_of(char32_t code) noexcept {
    using namespace detail;
    std::size_t at = code;
    if (at >= 0x20000) {
        if (at >= 0xF0000) return {(at & 0xFFFE) == 0xFFFE ? kind::word : kind::control, 0};  // private use
        if (at - 0xE0000 >= 0x200) return {};  // ideographs, and nothing; the difference wraps round below
        at -= 0xE0000 - 0x20000;               // tags and variation selectors stand behind the others
    }
    const std::size_t piece = record_pieces[record_blocks[at >> 8] * 16u + (at >> 4 & 15)];
    const character_record& one = records[record_values[piece * 16 + (at & 15)]];
    return {static_cast<kind>(one.kind), one.combining};
}

/// The blocks of Chinese characters that BERT sets apart, and no others: kana and hangul are letters.
constexpr bool is_cjk(char32_t code) noexcept {
    const auto within = [code](char32_t first, char32_t last) { return code - first <= last - first; };
    return code >= 0x3400 && (within(0x3400, 0x4DBF) || within(0x4E00, 0x9FFF) || within(0xF900, 0xFAFF) ||
                              within(0x20000, 0x2A6DF) || within(0x2A700, 0x2B73F) || within(0x2B740, 0x2B81F) ||
                              within(0x2B920, 0x2CEAF) || within(0x2F800, 0x2FA1F));
}

/// A few characters that stand for one.
struct characters {
    char32_t at[4]{};
    std::size_t count = 0;

    constexpr const char32_t* begin() const noexcept { return at; }
    constexpr const char32_t* end() const noexcept { return at + count; }
};

/// Its lower case without regard to language or neighbours. Only U+0130, the I with a dot, becomes two characters.
constexpr characters lower(char32_t code) noexcept {
    if (code < 0x80) return {{code - U'A' < 26 ? code + 32 : code}, 1};
    if (code == 0x130) return {{U'i', 0x307}, 2};
    const auto& runs = detail::case_runs;
    const auto wanted = static_cast<std::int32_t>(code);
    std::size_t first = 0;
    std::size_t last = runs.size();
    while (first < last) {
        const std::size_t middle = (first + last) / 2;
        if (runs[middle].last < wanted) first = middle + 1;
        else last = middle;
    }
    if (first == runs.size() || wanted < runs[first].first || (wanted - runs[first].first) % runs[first].step != 0)
        return {{code}, 1};
    return {{static_cast<char32_t>(wanted + runs[first].distance)}, 1};
}

/// Its canonical decomposition (NFD) without nonspacing marks: e of é, nothing of a mark, three jamo of a syllable of
/// Hangul. Characters whose combining class is not 0 have still to be put in order with their neighbours.
constexpr characters without_marks(char32_t code) noexcept {
    if (code < 0xC0) return {{code}, 1};
    if (properties_of(code).kind == kind::mark) return {};
    if (code - 0xAC00 < 11172) {
        const char32_t syllable = code - 0xAC00;
        const char32_t tail = syllable % 28;
        return {{0x1100 + syllable / 588, 0x1161 + syllable % 588 / 28, 0x11A7 + tail}, tail == 0 ? 2u : 3u};
    }
    if (code - 0x3400 < 0xAC00 - 0x3400) return {{code}, 1};  // most ideographs, without a search
    const auto& runs = detail::bare_runs;
    std::size_t first = 0;
    std::size_t last = runs.size();
    while (first < last) {
        const std::size_t middle = (first + last) / 2;
        if (runs[middle].first + runs[middle].count <= code) first = middle + 1;
        else last = middle;
    }
    if (first == runs.size() || code < runs[first].first) return {{code}, 1};
    const char32_t target = detail::bare_targets[runs[first].target + (code - runs[first].first)];
    if (target <= last_character) return {{target}, 1};
    const std::uint32_t* sequence = detail::bare_sequences.data() + (target - last_character - 1);
    characters out;
    out.count = sequence[0];
    for (std::size_t i = 0; i < out.count; ++i) out.at[i] = sequence[1 + i];
    return out;
}

/// Whether all of `text` is UTF-8.
constexpr bool is_valid(std::string_view text) noexcept {
    while (!text.empty()) {
        const decoded one = decode(text);
        if (one.code == replacement && text.substr(0, 3) != "\xEF\xBF\xBD") return false;
        text.remove_prefix(one.length);
    }
    return true;
}

}  // namespace qlroute::unicode
