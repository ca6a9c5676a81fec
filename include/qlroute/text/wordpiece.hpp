// BERT's tokenizer: text to the ids of its WordPiece vocabulary.
//
//   auto words = wordpiece::load("vocab.txt");
//   if (!words) return complain(words.error().message);
//   std::int32_t room[512];
//   auto [ids, first, truncated] = words->encode("How are you?", room);      // [CLS] how are you ? [SEP]
//
// The ids are those of Hugging Face's `tokenizers` with BertNormalizer, BertPreTokenizer, WordPiece and BertProcessing;
// bytes that are not UTF-8 count as U+FFFD. The rules are written out in docs/tokenizer.md.
#pragma once

#include <qlroute/core/result.hpp>
#include <qlroute/io/mapped_file.hpp>
#include <qlroute/io/number.hpp>
#include <qlroute/text/unicode.hpp>
#include <qlroute/text/word_split.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

struct wordpiece_options {
    bool lowercase = true;
    std::optional<bool> strip_accents;  ///< as `lowercase` says, if not given
    bool clean_text = true;             ///< drop control characters, and make every white space a blank
    bool isolate_cjk = true;            ///< every Chinese character is a word
    std::size_t longest_word = 100;     ///< in characters, at most 1000; a longer one is unknown
    std::string unknown = "[UNK]";
    std::string classify = "[CLS]";
    std::string separate = "[SEP]";
    std::string pad = "[PAD]";
    std::string mask = "[MASK]";
    std::string continuation = "##";
    /// Tokens that count as themselves where text spells them out, before anything else is done with it. If not given:
    /// the five above, as far as the vocabulary has them, which is what BertTokenizerFast does. Give an empty list
    /// where text is not trusted: then no text can forge a [SEP].
    std::optional<std::vector<std::string>> added_tokens;
};

namespace detail {

static_assert(std::endian::native == std::endian::little, "qlroute: words are compared as little-endian numbers");

/// Where ids go, and how many of them there were.
struct id_sink {
    std::int32_t* out;
    std::size_t capacity;
    std::size_t limit;  ///< stop when so many were counted
    std::size_t count = 0;

    void push(std::int32_t id) noexcept {
        if (count < capacity) out[count] = id;
        ++count;
    }
    bool is_done() const noexcept { return count >= limit; }
};

/// A word of up to 16 bytes, zeros behind it.
struct short_word {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool operator==(const short_word&) const = default;
};

/// Of a short word: all bits of it decide about all of the upper ones.
constexpr std::uint64_t hash_of(short_word word) noexcept {
    std::uint64_t h = word.low ^ word.high * 0x9E3779B97F4A7C15;
    h ^= h >> 32;
    return h * 0xD6E8FEB86659FD93;
}

/// Short words to ids, each found at the first look: a word's bucket says how far it is displaced, so that no two words
/// share a slot (Fox et al. 1992, "hash and displace").
class short_word_table {
public:
    struct entry {
        short_word word;
        std::int32_t id = -1;
    };

    /// Takes words of which none is empty and none is there twice. Those for which no slot was found are left out; at()
    /// does not find them.
    void build(std::span<const entry> words) {
        const std::size_t size = std::bit_ceil(std::max<std::size_t>(16, words.size() + words.size() / 3));
        const std::size_t buckets = size / 4;
        bucket_shift_ = 64 - std::countr_zero(buckets);
        mask_ = size - 1;
        displacement_.assign(buckets, 0);
        slots_.assign(size, {});

        std::vector<std::vector<std::uint32_t>> in_bucket(buckets);
        for (std::uint32_t i = 0; i < words.size(); ++i) in_bucket[bucket_of(hash_of(words[i].word))].push_back(i);
        // the fullest first, while there is most room
        std::stable_sort(in_bucket.begin(), in_bucket.end(),
                         [](const auto& a, const auto& b) { return a.size() > b.size(); });
        for (const auto& together : in_bucket) {
            if (together.empty()) break;
            std::uint16_t& displacement = displacement_[bucket_of(hash_of(words[together[0]].word))];
            for (std::size_t tried = 0; tried < size && tried < 65536; ++tried) {
                displacement = static_cast<std::uint16_t>(tried);
                std::size_t placed = 0;
                for (; placed < together.size(); ++placed) {
                    entry& slot = slots_[slot_of(hash_of(words[together[placed]].word))];
                    if (slot.id >= 0) break;
                    slot = words[together[placed]];
                }
                if (placed == together.size()) break;
                while (placed > 0) slots_[slot_of(hash_of(words[together[--placed]].word))] = {};
            }
        }
    }

    /// The id, or a negative number. Precondition: `word` is not empty.
    std::int32_t at(short_word word) const noexcept {
        const entry& found = slots_[slot_of(hash_of(word))];
        return found.word == word ? found.id : -1;
    }

private:
    std::size_t bucket_of(std::uint64_t hash) const noexcept { return static_cast<std::size_t>(hash >> bucket_shift_); }
    std::size_t slot_of(std::uint64_t hash) const noexcept {
        // other bits than those of the bucket, so that words of one bucket differ
        const auto bits = static_cast<std::size_t>(hash >> 20);
        return (bits ^ displacement_[bucket_of(hash)]) & mask_;
    }

    int bucket_shift_ = 62;
    std::size_t mask_ = 0;  // of a place in slots_
    std::vector<std::uint16_t> displacement_;
    std::vector<entry> slots_;
};

/// Splits a word into the longest pieces of the vocabulary, from the left, in time linear in its length: LinMaxMatch of
/// Song et al. 2021, "Fast WordPiece Tokenization". A trie of the tokens; where it ends, a node says which pieces the
/// text so far begins with and at which node the rest of it is.
class piece_trie {
public:
    struct token {
        std::string_view text;
        std::int32_t id;
    };

    /// `starts` may begin a word, `rests` may follow; both sorted by text, none twice, none empty.
    /// False if they are too many for this structure.
    bool build(std::span<const token> starts, std::span<const token> rests) {
        cells_.assign(256, free_cell);  // of no parent; cell 0 and 1 are the roots
        base_is_used_.assign(256, false);
        fails_.clear();
        pool_.clear();
        struct range {
            std::span<const token> all;
            std::size_t depth;
            std::uint32_t cell, parent;
            unsigned char label;
        };
        std::vector<range> nodes{{starts, 0, word_root, none, 0}, {rests, 0, rest_root, none, 0}};
        std::vector<unsigned char> labels;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            auto [all, depth, cell, parent, label] = nodes[i];
            const auto first_longer = static_cast<std::size_t>(!all.empty() && all[0].text.size() == depth);
            const auto below = all.subspan(first_longer);
            labels.clear();
            const auto label_of = [at = depth](const token& one) { return static_cast<unsigned char>(one.text[at]); };
            for (const auto& one : below)
                if (labels.empty() || labels.back() != label_of(one)) labels.push_back(label_of(one));
            if (labels.empty()) continue;  // base 0: no cell of the first block has a parent
            const std::size_t base = base_for(labels);
            if (base >= base_limit) return false;
            cells_[cell] = (cells_[cell] & 0xFF) | static_cast<std::uint32_t>(base << 8);
            base_is_used_[base] = true;
            std::size_t begin = 0;
            for (const unsigned char child : labels) {
                std::size_t end = begin;
                while (end < below.size() && label_of(below[end]) == child) ++end;
                const std::size_t at = base ^ child;
                cells_[at] = child;
                --free_[at / 256];
                nodes.push_back(
                    {below.subspan(begin, end - begin), depth + 1, static_cast<std::uint32_t>(at), cell, child});
                begin = end;
            }
        }
        // Nodes are in the order of their depth, and a failure leads to one that is less deep.
        fails_.assign(cells_.size(), {});
        for (const auto& [all, depth, cell, parent, label] : nodes) {
            if (parent == none) continue;
            failure& mine = fails_[cell];
            mine.first = static_cast<std::uint32_t>(pool_.size());
            if (all[0].text.size() == depth) {
                pool_.push_back(all[0].id);
                mine.next = rest_root;
            } else {
                append(fails_[parent]);
                std::uint32_t node = fails_[parent].next;
                while (node != none && step(node, label) == none) {
                    append(fails_[node]);
                    node = fails_[node].next;
                }
                if (node != none) mine.next = step(node, label);
                else pool_.resize(mine.first);
            }
            mine.count = static_cast<std::uint32_t>(pool_.size()) - mine.first;
        }
        if (pool_.size() > std::numeric_limits<std::uint32_t>::max()) return false;
        base_is_used_ = {};
        free_ = {};
        return true;
    }

    /// False, with nothing pushed, if `word` cannot be made of tokens.
    bool split(std::string_view word, id_sink& sink) const noexcept {
        const std::size_t before = sink.count;
        std::uint32_t node = word_root;
        std::uint32_t cell = cells_[node];
        for (const char c : word) {
            const auto label = static_cast<unsigned char>(c);
            while (true) {
                const std::uint32_t at = cell >> 8 ^ label;
                const std::uint32_t next = cells_[at];
                if ((next & 0xFF) == label) {
                    node = at;
                    cell = next;
                    break;
                }
                if (!fail(node, sink)) return sink.count = before, false;
                cell = cells_[node];
            }
        }
        while (node != rest_root)
            if (!fail(node, sink)) return sink.count = before, false;
        return true;
    }

private:
    static constexpr std::uint32_t none = 0xFFFFFFFF;
    static constexpr std::uint32_t word_root = 0;
    static constexpr std::uint32_t rest_root = 1;
    static constexpr std::uint32_t free_cell = 0xFF;  // a label that no UTF-8 has
    static constexpr std::size_t base_limit = std::size_t{1} << 24;

    struct failure {
        std::uint32_t next = none;
        std::uint32_t first = 0;  // in pool_
        std::uint32_t count = 0;
    };

    /// A double array: the child of `node` by `label` is in the cell (base of node) xor label, if that cell has this
    /// label; no two nodes have one base.
    std::uint32_t step(std::uint32_t node, unsigned char label) const noexcept {
        const std::uint32_t at = cells_[node] >> 8 ^ label;
        return (cells_[at] & 0xFF) == label ? at : none;
    }

    bool fail(std::uint32_t& node, id_sink& sink) const noexcept {
        const failure& from = fails_[node];
        if (from.next == none) return false;
        for (std::uint32_t i = 0; i < from.count; ++i) sink.push(pool_[from.first + i]);
        node = from.next;
        return true;
    }

    void append(const failure& other) {
        for (std::uint32_t i = 0; i < other.count; ++i) pool_.push_back(pool_[other.first + i]);
    }

    /// A base whose cells for all `labels` are free.
    std::size_t base_for(std::span<const unsigned char> labels) {
        free_.resize(cells_.size() / 256, 0);
        constexpr std::size_t blocks_to_try = 16;  // older ones are nearly full
        constexpr std::size_t spare = 8;           // the last cells of a block are not worth the search
        const std::size_t blocks = free_.size();
        for (std::size_t block = blocks > blocks_to_try ? blocks - blocks_to_try : 1; block < blocks; ++block) {
            if (free_[block] < labels.size() + spare) continue;
            for (std::size_t base = block * 256; base < block * 256 + 256; ++base) {
                const auto is_free = [&](unsigned char label) { return cells_[base ^ label] == free_cell; };
                if (!base_is_used_[base] && std::all_of(labels.begin(), labels.end(), is_free)) return base;
            }
        }
        cells_.resize(cells_.size() + 256, free_cell);
        base_is_used_.resize(cells_.size(), false);
        free_.push_back(256);
        return blocks * 256;
    }

    std::vector<std::uint32_t> cells_;  // base of the node << 8 | label that leads to it
    std::vector<failure> fails_;        // of the same node
    std::vector<std::int32_t> pool_;
    std::vector<bool> base_is_used_;  // while it is built
    std::vector<std::size_t> free_;   // cells of each block, while it is built
};

/// What becomes of one character.
struct folded_character {
    enum class action : std::uint8_t {
        add,      ///< to the word
        isolate,  ///< it is a word
        blank,    ///< the word ends
        drop,     ///< as if it were not there
        part,     ///< drop a mark that characters do not change places across
        several,  ///< see wordpiece_tables::fold()
    };
    action what = action::add;
    unicode::characters as{};
    bool is_in_order = true;  ///< of class 0, all of them
};

/// Everything that a vocabulary and its options say. Immutable once built.
struct wordpiece_tables {
    using action = folded_character::action;

    /// Characters below this are folded by looking them up.
    static constexpr char32_t looked_up = 0x3400;
    static constexpr std::size_t longest_word = 1000;

    wordpiece_options options;
    bool strips_accents = true;
    std::string text;                   // of all tokens
    std::vector<std::size_t> ends;      // of token k in text
    std::vector<std::int32_t> by_text;  // ids, sorted by their text
    std::vector<std::uint32_t> folds;   // UTF-8 bytes, 2 bits of length at 24, action at 28
    short_word_table short_words;
    piece_trie pieces;
    std::int32_t unknown = 0;
    std::int32_t classify = 0;
    std::int32_t separate = 0;
    std::vector<std::pair<std::string, std::int32_t>> added;  // longest first
    std::array<bool, 256> begins_added{};                     // by the first byte
    int only_beginning = -1;                                  // the first byte of them all, if they share it
    split_function split = nullptr;

    std::string_view token(std::size_t id) const noexcept {
        const std::size_t begin = id == 0 ? 0 : ends[id - 1];
        return std::string_view(text).substr(begin, ends[id] - begin);
    }

    std::optional<std::int32_t> id_of(std::string_view wanted) const noexcept {
        const auto found = std::lower_bound(by_text.begin(), by_text.end(), wanted, [this](std::int32_t id, auto key) {
            return token(static_cast<std::size_t>(id)) < key;
        });
        if (found == by_text.end() || token(static_cast<std::size_t>(*found)) != wanted) return std::nullopt;
        return *found;
    }

    /// The definition of the normaliser, for one character.
    folded_character fold(char32_t code) const noexcept {
        using unicode::kind;
        folded_character out;
        const auto is = unicode::properties_of(code);
        if (options.clean_text) {
            if (code == 0 || code == unicode::replacement || is.kind == kind::control || is.kind == kind::blank_control)
                return {action::drop};
            if (is.kind == kind::space) return {action::blank};
        }
        out.as = strips_accents ? unicode::without_marks(code) : unicode::characters{{code}, 1};
        if (out.as.count == 0) return {is.combining == 0 ? action::part : action::drop};
        if (strips_accents)
            for (const char32_t one : out.as)
                out.is_in_order = out.is_in_order && unicode::properties_of(one).combining == 0;
        if (options.lowercase) {
            unicode::characters lowered;
            for (const char32_t one : out.as)
                for (const char32_t each : unicode::lower(one)) lowered.at[lowered.count++] = each;
            out.as = lowered;
        }
        if (out.as.count > 1 || !out.is_in_order) out.what = action::several;
        else out.what = action_of(out.as.at[0]);
        if (options.isolate_cjk && unicode::is_cjk(code)) out.what = action::isolate;
        return out;
    }

    /// Of a character that is normal already.
    static action action_of(char32_t code) noexcept {
        using unicode::kind;
        const auto is = unicode::properties_of(code).kind;
        if (is == kind::space || is == kind::blank_control) return action::blank;
        return is == kind::punctuation ? action::isolate : action::add;
    }

    std::uint32_t packed_fold(char32_t code) const noexcept {
        const folded_character one = fold(code);
        std::uint32_t out = static_cast<std::uint32_t>(one.what) << 28;
        if (one.what != action::add && one.what != action::isolate) return out;
        char bytes[4];
        const std::size_t length = unicode::encode(one.as.at[0], bytes);
        if (length > 3) return static_cast<std::uint32_t>(action::several) << 28;
        for (std::size_t i = 0; i < length; ++i)
            out |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
        return out | static_cast<std::uint32_t>(length) << 24;
    }
};

/// `bytes`, of which 16 can be read, cut off after `size` <= 16.
inline short_word short_word_at(const char* bytes, std::size_t size) noexcept {
    short_word out;
    std::memcpy(&out.low, bytes, 8);
    std::memcpy(&out.high, bytes + 8, 8);
    constexpr std::uint64_t all = ~std::uint64_t{0};
    // two shifts by less than 64 each: one by 64 means nothing
    out.low &= size >= 8 ? all : ~(all << 8 * size);
    out.high &= size >= 16 ? all : size <= 8 ? 0 : ~(all << (8 * (size - 8)));
    return out;
}

/// Reads text character by character.
class wordpiece_reader {
public:
    wordpiece_reader(const wordpiece_tables& tables, id_sink& sink) noexcept : tables_(tables), sink_(sink) {}

    /// Any text; words do not go on across calls.
    void read(std::string_view text) noexcept {
        while (!text.empty() && !sink_.is_done()) {
            const auto [code, length] = unicode::decode(text);
            text.remove_prefix(length);
            if (code >= wordpiece_tables::looked_up) {
                add_folded(code);
                continue;
            }
            const std::uint32_t fold = tables_.folds[code];
            switch (static_cast<action>(fold >> 28)) {
                case action::add:
                    add(fold);
                    break;
                case action::isolate:
                    end_word();
                    add(fold);
                    end_word();
                    break;
                case action::blank:
                    end_word();
                    break;
                case action::drop:
                    break;
                case action::part:
                    movable_ = size_;
                    break;
                case action::several:
                    add_folded(code);
                    break;
            }
        }
        end_word();
    }

    /// One word of the vocabulary's characters, whose length in bytes is that in characters; 16 bytes can be read.
    void add_word(std::string_view word, std::size_t characters) noexcept {
        if (characters > tables_.options.longest_word) return sink_.push(tables_.unknown);
        // a NUL would count as the end; clean text has none
        if (word.size() <= 16 && (tables_.options.clean_text || word.find('\0') == std::string_view::npos)) {
            const std::int32_t id = tables_.short_words.at(short_word_at(word.data(), word.size()));
            if (id >= 0) return sink_.push(id);
        }
        add_pieces(word);
    }

    void add_pieces(std::string_view word) noexcept {
        if (!tables_.pieces.split(word, sink_)) sink_.push(tables_.unknown);
    }

private:
    using action = folded_character::action;

    void add(std::uint32_t fold) noexcept {
        if (++characters_ > tables_.options.longest_word) return;  // an unknown word, whatever it is
        const std::uint32_t bytes = fold & 0xFFFFFF;
        std::memcpy(word_ + size_, &bytes, 4);
        size_ += fold >> 24 & 3;
    }

    void add_one(char32_t code) noexcept {
        if (++characters_ > tables_.options.longest_word) return;
        size_ += unicode::encode(code, word_ + size_);
    }

    void add_folded(char32_t code) noexcept {
        const folded_character one = tables_.fold(code);
        switch (one.what) {
            case action::add:
                return add_one(one.as.at[0]);
            case action::isolate:
                end_word();
                for (const char32_t each : one.as) add_one(each);
                return end_word();
            case action::blank:
                return end_word();
            case action::drop:
                return;
            case action::part:
                movable_ = size_;
                return;
            case action::several:
                break;
        }
        for (const char32_t each : one.as) switch (wordpiece_tables::action_of(each)) {
                case action::blank:
                    end_word();
                    break;
                case action::isolate:
                    end_word();
                    add_one(each);
                    end_word();
                    break;
                default: {
                    const unsigned combining = tables_.strips_accents ? unicode::properties_of(each).combining : 0;
                    if (combining == 0) add_one(each);
                    else insert(each, combining);
                }
            }
    }

    /// Canonical order: before the characters since the last one of class 0 that have a larger class.
    void insert(char32_t code, unsigned combining) noexcept {
        if (++characters_ > tables_.options.longest_word) return;
        std::size_t at = size_;
        while (at > movable_) {
            std::size_t before = at - 1;
            while ((static_cast<unsigned char>(word_[before]) & 0xC0) == 0x80) --before;
            const char32_t other = unicode::decode({word_ + before, at - before}).code;
            if (unicode::properties_of(other).combining <= combining) break;
            at = before;
        }
        char bytes[4];
        const std::size_t length = unicode::encode(code, bytes);
        std::memmove(word_ + at + length, word_ + at, size_ - at);
        std::memcpy(word_ + at, bytes, length);
        size_ += length;
    }

    void end_word() noexcept {
        if (characters_ > 0 && !sink_.is_done()) add_word({word_, size_}, characters_);
        characters_ = 0;
        size_ = 0;
        movable_ = 0;
    }

    const wordpiece_tables& tables_;
    id_sink& sink_;
    std::size_t characters_ = 0;  // of the word so far, also those that were not kept
    std::size_t size_ = 0;        // bytes of word_
    std::size_t movable_ = 0;     // what stands before does not change places with what comes
    char word_[4 * wordpiece_tables::longest_word + 16];
};

/// The ids of text without added tokens.
inline void tokenize_plain(const wordpiece_tables& tables, std::string_view text, id_sink& sink) noexcept {
    wordpiece_reader reader(tables, sink);
    if (tables.split == nullptr) return reader.read(text);
    split_pieces pieces;
    while (!text.empty() && !sink.is_done()) {
        const std::string_view window = text.substr(0, split_pieces::window);
        tables.split(window, tables.options.lowercase, pieces);
        std::size_t count = pieces.count;
        std::size_t used = window.size();
        if (pieces.is_open && window.size() < text.size()) {  // the last word goes on: it comes with the next window
            used = pieces.begins[--count];
            if (used == 0) {  // it fills all of this one
                used = window.size();
                while (used < text.size() && !is_ascii_blank(text[used]) && !is_ascii_punctuation(text[used])) ++used;
                reader.read(text.substr(0, used));
                text.remove_prefix(used);
                continue;
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t begin = pieces.begins[i];
            const std::size_t size = pieces.ends[i] - begin;
            const char* word = pieces.folded + begin;
            bool is_strange;
            if (size <= 16) {
                const short_word key = short_word_at(word, size);
                // A strange byte is in no word of the table. Nor does a word of up to 16 bytes exceed the longest,
                // unless somebody wants it so.
                const std::int32_t id = tables.short_words.at(key);
                if (id >= 0 && size <= tables.options.longest_word) {
                    sink.push(id);
                    if (sink.is_done()) return;
                    continue;
                }
                is_strange = ((key.low | key.high) & 0x8080808080808080) != 0;
            } else {
                is_strange = std::memchr(word, split_pieces::strange, size) != nullptr;
            }
            if (is_strange) reader.read(window.substr(begin, size));
            else if (size > tables.options.longest_word) sink.push(tables.unknown);
            else reader.add_pieces({word, size});
            if (sink.is_done()) return;
        }
        text.remove_prefix(used);
    }
}

/// Where the first of the added tokens is in `text`; an empty view with a negative id if there is none.
struct added_token {
    std::size_t begin = std::string_view::npos;
    std::size_t size = 0;
    std::int32_t id = -1;
};
inline added_token find_added(const wordpiece_tables& tables, std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (tables.only_beginning >= 0) {
            at = text.find(static_cast<char>(tables.only_beginning), at);
            if (at == std::string_view::npos) break;
        } else if (!tables.begins_added[static_cast<unsigned char>(text[at])]) {
            continue;
        }
        for (const auto& [token, id] : tables.added)
            if (text.substr(at).starts_with(token)) return {at, token.size(), id};
    }
    return {};
}

inline void tokenize_all(const wordpiece_tables& tables, std::string_view text, id_sink& sink) noexcept {
    if (tables.added.empty()) return tokenize_plain(tables, text, sink);
    while (!sink.is_done()) {
        const added_token next = find_added(tables, text);
        tokenize_plain(tables, text.substr(0, next.begin), sink);
        if (next.id < 0 || sink.is_done()) return;
        sink.push(next.id);
        text.remove_prefix(next.begin + next.size);
    }
}

}  // namespace detail

/// A vocabulary, and the rules to read text with it.
///
/// Copies share what they know. Thread-safety: nothing of it changes, so any number of threads may use one.
/// No call on text fails, throws or allocates; each takes about 15 KB of stack.
class wordpiece {
public:
    /// The vocabulary in the file `vocab_txt_path`, one token a line; a token's id is its line, from 0.
    /// Errors: those of mapped_file::open() and from_lines(), with the path.
    static result<wordpiece> load(const std::string& vocab_txt_path, wordpiece_options options = {}) {
        auto file = mapped_file::open(vocab_txt_path);
        if (!file) return file.error();
        const auto bytes = file->bytes();
        auto out = from_lines({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, std::move(options));
        if (out) return out;
        error why = out.error();
        why.message = "cannot read \"" + vocab_txt_path + "\": " + why.message;
        return why;
    }

    /// The text of such a file. White space at the end of a line does not count. Of a token that stands twice the last
    /// line counts.
    /// Errors: `malformed` (not UTF-8), and those of from_tokens().
    static result<wordpiece> from_lines(std::string_view vocab_text, wordpiece_options options = {}) {
        std::vector<std::string_view> vocabulary;
        for (std::size_t at = 0; at < vocab_text.size();) {
            const std::string_view line = vocab_text.substr(at, vocab_text.find('\n', at) - at);
            if (!unicode::is_valid(line))
                return error{.code = errc::malformed,
                             .message = "line " + std::to_string(vocabulary.size() + 1) + ": " + detail::quoted(line) +
                                        " is not UTF-8; is this a vocabulary, one token a line?",
                             .offset = at};
            vocabulary.push_back(without_blanks_behind(line));
            at += line.size() + 1;
        }
        return from_tokens(std::span<const std::string_view>(vocabulary), std::move(options));
    }

    /// Token k has the id k. Precondition of the error-free case: UTF-8, and the options' unknown, classify and
    /// separate among them. Errors: `missing`, `malformed`, `out_of_range` (longest_word), `unsupported` (too many
    /// tokens).
    static result<wordpiece> from_tokens(std::span<const std::string_view> vocabulary, wordpiece_options options = {}) {
        return make(vocabulary, vocabulary.size(), std::move(options));
    }
    static result<wordpiece> from_tokens(std::span<const std::string> vocabulary, wordpiece_options options = {}) {
        const std::vector<std::string_view> views(vocabulary.begin(), vocabulary.end());
        return make(views, views.size(), std::move(options));
    }
    /// Tokens from `words` on are not of the model: they count only where `added_tokens` names them.
    static result<wordpiece> from_tokens(std::span<const std::string_view> vocabulary, std::size_t words,
                                         wordpiece_options options) {
        return make(vocabulary, words, std::move(options));
    }

    struct encoding {
        std::span<const std::int32_t> ids;
        std::size_t first = 0;   ///< so many ids are of the first text: [CLS] a [SEP]; the rest has token type 1
        bool truncated = false;  ///< the text was longer than there was room
    };

    /// [CLS] text [SEP], in the front of `out`, which decides about the greatest length. Nothing, and `truncated`, if
    /// `out` has no room for the two.
    encoding encode(std::string_view text, std::span<std::int32_t> out) const noexcept {
        if (out.size() < 2) return {out.first(0), 0, true};
        const std::size_t room = out.size() - 2;
        detail::id_sink sink{out.data() + 1, room, room + 1};
        detail::tokenize_all(*tables_, text, sink);
        const std::size_t count = std::min(sink.count, room);
        out[0] = tables_->classify;
        out[count + 1] = tables_->separate;
        return {out.first(count + 2), count + 2, sink.count > room};
    }

    /// [CLS] a [SEP] b [SEP]. If that is too long, the longer text is cut at its end to the length of the other one,
    /// then both (Hugging Face's "longest_first"). Nothing, and `truncated`, if `out` has no room for the three.
    encoding encode(std::string_view a, std::string_view b, std::span<std::int32_t> out) const noexcept {
        if (out.size() < 3) return {out.first(0), 0, true};
        const std::size_t room = out.size() - 3;
        // Which is longer decides who gets an odd id, so both are counted beyond the room that there is: to the end of
        // the word that reaches out.size(), where Hugging Face's tokenizers stop too.
        detail::id_sink first{out.data() + 1, room, out.size()};
        detail::tokenize_all(*tables_, a, first);
        const std::size_t left = room - std::min(first.count, room);
        std::int32_t* const behind = out.data() + 2 + std::min(first.count, room);
        detail::id_sink second{behind, left, out.size()};
        detail::tokenize_all(*tables_, b, second);
        auto [count_a, count_b] = longest_first(first.count, second.count, room);
        if (count_a < std::min(first.count, room) && count_b > 0) {  // b moves to the front, and there is more of it
            second = {out.data() + 2 + count_a, count_b, count_b};
            detail::tokenize_all(*tables_, b, second);
        }
        out[0] = tables_->classify;
        out[count_a + 1] = tables_->separate;
        out[count_a + count_b + 2] = tables_->separate;
        return {out.first(count_a + count_b + 3), count_a + 2, count_a < first.count || count_b < second.count};
    }

    /// The ids of `text` alone, until `out` is full; returns how many.
    std::size_t tokenize(std::string_view text, std::span<std::int32_t> out) const noexcept {
        detail::id_sink sink{out.data(), out.size(), out.size()};
        detail::tokenize_all(*tables_, text, sink);
        return std::min(sink.count, out.size());
    }

    /// Tokens of the vocabulary.
    std::size_t size() const noexcept { return tables_->ends.size(); }

    /// Precondition: 0 <= id < size(). Lifetime: that of this object and its copies.
    std::string_view token(std::int32_t id) const noexcept {
        QLROUTE_EXPECTS(id >= 0 && static_cast<std::size_t>(id) < size());
        return tables_->token(static_cast<std::size_t>(id));
    }

    std::optional<std::int32_t> id_of(std::string_view token) const noexcept { return tables_->id_of(token); }

    const wordpiece_options& options() const noexcept { return tables_->options; }

    /// The same, reading text this way: for tests and measurements. Precondition: one of text_paths().
    wordpiece by(text_path path) const {
        auto copy = std::make_shared<detail::wordpiece_tables>(*tables_);
        copy->split = detail::split_by(path);
        return wordpiece(std::move(copy));
    }

private:
    explicit wordpiece(std::shared_ptr<const detail::wordpiece_tables> tables) : tables_(std::move(tables)) {}

    static std::string_view without_blanks_behind(std::string_view line) {
        using unicode::kind;
        while (!line.empty()) {
            std::size_t last = line.size() - 1;
            while (last > 0 && (static_cast<unsigned char>(line[last]) & 0xC0) == 0x80) --last;
            const auto is = unicode::properties_of(unicode::decode(line.substr(last)).code).kind;
            if (is != kind::space && is != kind::blank_control) break;
            line = line.substr(0, last);
        }
        return line;
    }

    /// How much of each of two texts is kept.
    static std::pair<std::size_t, std::size_t> longest_first(std::size_t a, std::size_t b, std::size_t room) noexcept {
        if (a <= room && b <= room - a) return {a, b};
        const bool swapped = a > b;
        std::size_t shorter = swapped ? b : a;
        std::size_t longer = shorter > room ? shorter : std::max(shorter, room - shorter);
        if (shorter > room || longer > room - shorter) {
            shorter = room / 2;
            longer = shorter + room % 2;
        }
        return swapped ? std::pair(longer, shorter) : std::pair(shorter, longer);
    }

    /// Whether text can hold this as a word, or as the rest of one: of several characters none may be alone.
    static bool can_match(std::string_view text) {
        const bool is_one = unicode::decode(text).length == text.size();
        for (bool is_first = true; !text.empty(); is_first = false) {
            const auto [code, length] = unicode::decode(text);
            const auto action = detail::wordpiece_tables::action_of(code);
            if (action == detail::folded_character::action::blank) return false;
            if (action == detail::folded_character::action::isolate && !(is_one && is_first)) return false;
            text.remove_prefix(length);
        }
        return true;
    }

    static result<wordpiece> make(std::span<const std::string_view> vocabulary, std::size_t words,
                                  wordpiece_options options) {
        constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
        auto tables = std::make_shared<detail::wordpiece_tables>();
        tables->options = std::move(options);
        const auto& chosen = tables->options;
        if (chosen.longest_word < 1 || chosen.longest_word > detail::wordpiece_tables::longest_word)
            return error{.code = errc::out_of_range,
                         .message = "longest_word is " + std::to_string(chosen.longest_word) + "; expected 1 to " +
                                    std::to_string(detail::wordpiece_tables::longest_word) + " characters"};
        if (vocabulary.size() > most)
            return error{.code = errc::unsupported, .message = "a vocabulary has at most 2147483647 tokens"};
        tables->strips_accents = chosen.strip_accents.value_or(chosen.lowercase);
        for (std::size_t id = 0; id < vocabulary.size(); ++id) {
            if (!unicode::is_valid(vocabulary[id]))
                return error{.code = errc::malformed,
                             .message = "token " + std::to_string(id) + ", " + detail::quoted(vocabulary[id]) +
                                        ", is not UTF-8"};
            tables->text += vocabulary[id];
            tables->ends.push_back(tables->text.size());
            tables->by_text.push_back(static_cast<std::int32_t>(id));
        }
        auto& by_text = tables->by_text;
        const auto text_of = [&](std::int32_t id) { return tables->token(static_cast<std::size_t>(id)); };
        // the last of equals first, since it is the one that counts
        std::sort(by_text.begin(), by_text.end(),
                  [&](auto a, auto b) { return std::pair(text_of(a), b) < std::pair(text_of(b), a); });
        by_text.erase(
            std::unique(by_text.begin(), by_text.end(), [&](auto a, auto b) { return text_of(a) == text_of(b); }),
            by_text.end());

        struct special {
            const std::string& name;
            std::int32_t& id;
            std::string_view purpose;
        };
        for (const auto& [name, id, purpose] : {special{chosen.unknown, tables->unknown, "unknown words"},
                                                special{chosen.classify, tables->classify, "the beginning of text"},
                                                special{chosen.separate, tables->separate, "the end of text"}}) {
            const auto found = tables->id_of(name);
            if (!found)
                return error{.code = errc::missing,
                             .message = "the vocabulary of " + std::to_string(vocabulary.size()) + " tokens has no " +
                                        detail::quoted(name) + ", which stands for " + std::string(purpose) +
                                        "; name the right token in the options, or take another vocabulary"};
            id = *found;
        }
        if (auto why = add_added(*tables)) return *std::move(why);

        std::vector<detail::short_word_table::entry> short_words;
        std::vector<detail::piece_trie::token> starts;
        std::vector<detail::piece_trie::token> rests;
        const std::size_t most_bytes = 4 * chosen.longest_word;
        for (const std::int32_t id : by_text) {
            if (static_cast<std::size_t>(id) >= words) continue;
            std::string_view text = text_of(id);
            if (text.size() > most_bytes + chosen.continuation.size()) continue;
            if (!text.empty() && can_match(text)) {
                starts.push_back({text, id});
                if (text.size() <= 16 && text.find('\0') == std::string_view::npos) {
                    char bytes[16]{};
                    std::memcpy(bytes, text.data(), text.size());
                    short_words.push_back({detail::short_word_at(bytes, text.size()), id});
                }
            }
            if (!text.starts_with(chosen.continuation)) continue;
            text.remove_prefix(chosen.continuation.size());
            if (!text.empty() && can_match(text)) rests.push_back({text, id});
        }
        if (!tables->pieces.build(starts, rests))
            return error{.code = errc::unsupported,
                         .message = "the vocabulary is too large: its tokens have more than 16 million beginnings"};
        tables->short_words.build(short_words);
        tables->folds.resize(detail::wordpiece_tables::looked_up);
        for (char32_t code = 0; code < tables->folds.size(); ++code) tables->folds[code] = tables->packed_fold(code);
        tables->split = detail::split_by(text_paths().back());
        return wordpiece(std::move(tables));
    }

    static std::optional<error> add_added(detail::wordpiece_tables& tables) {
        const auto& chosen = tables.options;
        const bool is_given = chosen.added_tokens.has_value();
        const std::vector<std::string> names =
            is_given ? *chosen.added_tokens
                     : std::vector{chosen.unknown, chosen.classify, chosen.separate, chosen.pad, chosen.mask};
        for (const auto& name : names) {
            const auto id = tables.id_of(name);
            if (name.empty() || (!id && is_given))
                return error{.code = errc::missing,
                             .message = "the added token " + detail::quoted(name) +
                                        (name.empty() ? " is empty" : " is not in the vocabulary")};
            if (!id) continue;
            const auto first = static_cast<unsigned char>(name[0]);
            tables.only_beginning =
                tables.added.empty() || tables.only_beginning == static_cast<int>(first) ? static_cast<int>(first) : -1;
            tables.begins_added[first] = true;
            tables.added.emplace_back(name, *id);
        }
        // the longest that matches is meant
        std::stable_sort(tables.added.begin(), tables.added.end(),
                         [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
        return std::nullopt;
    }

    std::shared_ptr<const detail::wordpiece_tables> tables_;
};

}  // namespace qlroute
