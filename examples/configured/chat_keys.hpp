// Which dialogue a request belongs to, where nobody says.
#pragma once

#include "recent.hpp"

#include <qlroute/text/content_hash.hpp>
#include <qlroute/text/message.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// One more message of a dialogue: whose it is counts, and where it ends.
inline void feed(qlroute::content_hash& hash, const qlroute::message& one) {
    const char header[] = {'\xFF', static_cast<char>(one.from)};
    hash.feed({header, sizeof header});
    hash.feed(one.text);
}

/// Finds a dialogue by what was said in it. A client that keeps no session sends the whole dialogue each turn, so that
/// an earlier request of the same dialogue is a prefix of this one, whatever its answer looked like when it came back.
///   key of a request = that of the longest earlier request which is a prefix of it, or a new one
/// Two dialogues that begin with the same requests share a key until they part, and the later one then has it: what is
/// said to be cached for the other is then too little, never too much. `apart` keeps users from being taken for one
/// another. Remembers the last `most` requests. Not thread-safe.
class chat_keys {
public:
    explicit chat_keys(std::size_t most) : by_digest_(most) {}

    std::uint64_t key_of(std::span<const qlroute::message> messages, std::string_view apart = {}) {
        qlroute::content_hash hash;
        hash.feed(apart);
        std::uint64_t key = 0;
        bool found = false;
        for (const qlroute::message& one : messages) {
            feed(hash, one);
            if (const std::uint64_t* known = by_digest_.find(hash.digest())) {
                key = *known;
                found = true;
            }
        }
        if (!found) key = ++last_;
        return by_digest_.use(hash.digest()) = key;
    }

    std::size_t size() const noexcept { return by_digest_.size(); }

private:
    recent<std::uint64_t> by_digest_;
    std::uint64_t last_ = 0;
};
