// What each endpoint still holds of one dialogue.
//
//   session chat(places.size());
//   turn question = chat.next_turn(dialogue, now);      // what is new, by content
//   ...                                                  // decide, run the model
//   chat.commit(where, reply, now);                      // that endpoint now holds it all
//
// The dialogue is remembered as digests at a bounded number of positions, never as text: an edited,
// regenerated or shortened dialogue is recognised wherever it differs, and what every endpoint holds is cut
// back to what still stands.
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/serving/turn.hpp>
#include <qlroute/text/content_hash.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace qlroute {

/// A prefix of a dialogue: how many tokens, and how much text (with 2 bytes for the border of a message).
struct dialogue_prefix {
    tokens size{};
    bits text{};
};

/// What one endpoint holds of one dialogue.
struct kv_residency {
    dialogue_prefix cached{};        ///< in its KV cache
    bits text_seen{};                ///< the prefix whose text it has, cached or not
    seconds last_used{};             ///< by the host's clock
    dialogue_prefix before_reply{};  ///< of `cached`, what it read: all but the reply that it wrote last
    dialogue_prefix saved{};         ///< on its disk
    bool cut_back = false;           ///< an edit took away the end of what it held
};

/// The state of one dialogue. Not thread-safe: one thread at a time. Allocates when constructed, never
/// afterwards. Size: about 0.7 kB + 72 B an endpoint, however long the dialogue grows.
class session {
public:
    /// Positions at which the dialogue's content is remembered. After more than these, the closest ones are
    /// merged: a change is then found at the last position before it, so a hit is never overestimated.
    static constexpr std::size_t max_checkpoints = 32;
    /// Long messages are also remembered inside, once in so many bytes.
    static constexpr std::size_t checkpoint_distance = 512;
    /// What where() says before the first commit.
    static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

    explicit session(std::size_t endpoints) : held_(endpoints) {}

    /// Compares the dialogue with what is remembered of it and measures what is new.
    /// `dialogue`: all messages in order, the ones to be answered last. The history is everything up to the
    /// last answer of the assistant. Cost: one pass over the text, about 4 bytes a nanosecond.
    turn next_turn(std::span<const message> dialogue, seconds now = {}) noexcept {
        reader at = common_prefix(dialogue);
        forget_after(at.prefix());
        remember_rest(dialogue, at);
        end_ = at;

        turn t{.dialogue = dialogue, .now = now};
        const std::size_t history = history_length(dialogue);
        for (std::size_t i = 0; i < dialogue.size(); ++i) {
            (i < history ? t.prefix_tokens : t.new_tokens) += token_count(dialogue[i]);
            (i < history ? t.history_size : t.prompt_size) += text_of(byte_count(dialogue[i]) + framing.size());
        }
        return t;
    }

    /// The turn was answered by endpoint `where` with `reply`: that endpoint now holds the whole dialogue.
    void commit(std::size_t where, const message& reply, seconds now = {}) noexcept {
        QLROUTE_EXPECTS(where < held_.size());
        const dialogue_prefix question = end_.prefix();
        read_message(end_, reply, [&](const reader& at) { remember(at); });
        const dialogue_prefix all = end_.prefix();
        held_[where] = {.cached = all,
                        .text_seen = all.text,
                        .last_used = now,
                        .before_reply = question,
                        .saved = held_[where].saved};
        where_ = where;
        ++turns_;
    }

    /// The host says that the endpoint dropped its KV cache. The text it has seen it still has.
    void cache_dropped(std::size_t where) noexcept {
        QLROUTE_EXPECTS(where < held_.size());
        held_[where].cached = held_[where].before_reply = {};
    }

    /// The host says that the endpoint was restarted: neither cache nor text is left, only what was saved.
    void restarted(std::size_t where) noexcept {
        QLROUTE_EXPECTS(where < held_.size());
        held_[where] = {.saved = held_[where].saved};
    }

    /// The host says that the endpoint saved its KV cache of this dialogue to disk, or (`false`) deleted what it saved.
    void cache_saved(std::size_t where, bool is_there = true) noexcept {
        QLROUTE_EXPECTS(where < held_.size());
        held_[where].saved = is_there ? held_[where].cached : dialogue_prefix{};
    }

    /// The host says how much of the dialogue is cached there, in tokens from its start.
    void cache_observed(std::size_t where, tokens cached, seconds now) noexcept {
        QLROUTE_EXPECTS(where < held_.size());
        held_[where].cached = held_[where].before_reply = prefix_of(cached);
        held_[where].cut_back = false;
        held_[where].last_used = now;
    }

    /// Back to an empty dialogue; keeps its memory.
    void reset() noexcept {
        std::fill(held_.begin(), held_.end(), kv_residency{});
        count_ = 0;
        end_ = {};
        where_ = nowhere;
        turns_ = 0;
    }

    const kv_residency& held_by(std::size_t where) const noexcept {
        QLROUTE_EXPECTS(where < held_.size());
        return held_[where];
    }
    std::size_t endpoints() const noexcept { return held_.size(); }

    /// The endpoint that answered last, or `nowhere`.
    std::size_t where() const noexcept { return where_; }
    /// How many turns were committed.
    std::uint64_t turns() const noexcept { return turns_; }
    /// A digest of the dialogue so far, the current turn included.
    std::uint64_t digest() const noexcept { return end_.hash.digest(); }

private:
    struct checkpoint {
        std::uint64_t digest = 0;
        std::uint32_t bytes = 0;
        std::uint32_t size = 0;  // tokens
    };

    static constexpr bits text_of(std::size_t bytes) noexcept { return bits(8.0 * static_cast<double>(bytes)); }

    /// Walks over messages; a copy is a bookmark.
    struct reader {
        content_hash hash;
        std::size_t bytes = 0;    // read so far, with the borders
        tokens size{};            // read so far
        std::size_t message = 0;  // index of the next message to enter or to leave
        std::size_t byte = 0;     // read of that message
        bool inside = false;      // it was entered and not left
        tokens size_before{};     // when it was entered

        dialogue_prefix prefix() const noexcept { return {size, text_of(bytes)}; }
    };

    // 0xFF is in no UTF-8 text, so that no text can look like the start of a message.
    static constexpr std::string_view framing{"\xFF\x00", 2};

    static std::size_t history_length(std::span<const message> dialogue) noexcept {
        std::size_t n = dialogue.size();
        while (n > 0 && dialogue[n - 1].from != role::assistant) --n;
        return n;
    }

    static void enter(reader& at, const message& m) noexcept {
        const char header[] = {framing[0], static_cast<char>(m.from)};
        at.hash.feed({header, sizeof header});
        at.bytes += sizeof header;
        at.size_before = at.size;
        at.byte = 0;
        at.inside = true;
        if (m.text.empty()) {  // known by its length alone
            const auto count = static_cast<std::uint64_t>(token_count(m).value());
            char digits[8];
            for (int k = 0; k < 8; ++k) digits[k] = static_cast<char>(count >> (8 * k));
            at.hash.feed({digits, sizeof digits});
        }
    }

    static void read_to(reader& at, const message& m, std::size_t byte) noexcept {
        at.hash.feed(m.text.substr(at.byte, byte - at.byte));
        at.bytes += byte - at.byte;
        at.byte = byte;
        const double share = static_cast<double>(byte) / static_cast<double>(m.text.size());
        at.size = at.size_before + tokens(std::floor(share * token_count(m).value()));
    }

    static void leave(reader& at, const message& m) noexcept {
        at.hash.feed(m.text.substr(at.byte));
        at.bytes += byte_count(m) - at.byte;
        at.size = at.size_before + token_count(m);
        at.inside = false;
        at.byte = 0;
        ++at.message;
    }

    /// From where `at` stands to the end of the message `m`, calling `visit` at each place to remember.
    static void read_message(reader& at, const message& m, auto&& visit) noexcept {
        if (!at.inside) enter(at, m);
        constexpr std::size_t step = checkpoint_distance;
        for (std::size_t byte = (at.byte / step + 1) * step; byte < m.text.size(); byte += step) {
            read_to(at, m, byte);
            visit(at);
        }
        leave(at, m);
        visit(at);
    }

    /// The last remembered position up to which `dialogue` is what it was.
    reader common_prefix(std::span<const message> dialogue) noexcept {
        reader at;
        reader common;
        std::size_t next = 0;
        const auto agrees = [&] {
            if (checkpoints_[next].digest != at.hash.digest()) return false;
            common = at;
            ++next;
            return true;
        };
        for (const message& m : dialogue) {
            if (next == count_) break;
            enter(at, m);
            const std::size_t start = at.bytes;
            const std::size_t end = start + byte_count(m);
            while (next < count_ && checkpoints_[next].bytes < end) {
                if (m.text.empty() || checkpoints_[next].bytes < start) return truncated(common, next);
                read_to(at, m, checkpoints_[next].bytes - start);
                if (!agrees()) return truncated(common, next);
            }
            leave(at, m);
            if (next < count_ && checkpoints_[next].bytes == end && !agrees()) return truncated(common, next);
        }
        return truncated(common, next);
    }

    reader truncated(const reader& common, std::size_t checkpoints) noexcept {
        count_ = checkpoints;
        return common;
    }

    void forget_after(const dialogue_prefix& end) noexcept {
        for (kv_residency& held : held_) {
            if (held.cached.text > end.text) {
                held.cached = end;
                held.cut_back = true;
            }
            if (held.before_reply.text > end.text) held.before_reply = end;
            if (held.saved.text > end.text) held.saved = end;
            held.text_seen = smaller(held.text_seen, end.text);
        }
    }

    void remember_rest(std::span<const message> dialogue, reader& at) noexcept {
        // A bookmark inside a message continues there; `message` still counts it as not left.
        while (at.message < dialogue.size())
            read_message(at, dialogue[at.message], [&](const reader& here) { remember(here); });
    }

    void remember(const reader& at) noexcept {
        if (count_ == max_checkpoints) forget_the_least_useful();
        checkpoints_[count_++] = {at.hash.digest(), static_cast<std::uint32_t>(at.bytes),
                                  static_cast<std::uint32_t>(at.size.value())};
    }

    /// Drops the checkpoint whose loss leaves the smallest gap; never the last one.
    void forget_the_least_useful() noexcept {
        std::size_t least = 0;
        std::uint32_t smallest = std::numeric_limits<std::uint32_t>::max();
        for (std::size_t i = 0; i + 1 < count_; ++i) {
            const std::uint32_t gap = checkpoints_[i + 1].bytes - (i == 0 ? 0 : checkpoints_[i - 1].bytes);
            if (gap < smallest) {
                smallest = gap;
                least = i;
            }
        }
        std::copy(checkpoints_.begin() + static_cast<std::ptrdiff_t>(least) + 1,
                  checkpoints_.begin() + static_cast<std::ptrdiff_t>(count_),
                  checkpoints_.begin() + static_cast<std::ptrdiff_t>(least));
        --count_;
    }

    /// The prefix of so many tokens: its text by proportion between remembered positions.
    dialogue_prefix prefix_of(tokens size) const noexcept {
        dialogue_prefix before;
        for (std::size_t i = 0; i < count_; ++i) {
            const dialogue_prefix after{tokens(checkpoints_[i].size), text_of(checkpoints_[i].bytes)};
            if (after.size >= size) {
                const tokens width = after.size - before.size;
                const ratio share = width > tokens(0) ? (size - before.size) / width : ratio(1);
                return {size, before.text + share * (after.text - before.text)};
            }
            before = after;
        }
        return before;
    }

    std::array<checkpoint, max_checkpoints> checkpoints_{};
    std::size_t count_ = 0;
    reader end_;
    std::vector<kv_residency> held_;
    std::size_t where_ = nowhere;
    std::uint64_t turns_ = 0;
};

}  // namespace qlroute
