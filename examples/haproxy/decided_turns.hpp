// Which backend was chosen for a request whose answer has not been seen yet.
#pragma once

#include <configured/chat_keys.hpp>
#include <configured/recent.hpp>

#include <qlroute/core/units.hpp>
#include <qlroute/text/message.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

struct decided_turn {
    std::size_t where = 0;
    qlroute::seconds when{};
};

/// An agent sees requests only. That a turn was answered, and what was said, it learns when the dialogue comes back: an
/// earlier request is then a prefix, and the answer follows. Remembers the last `most` requests by what they say, so
/// that an edited or forked dialogue finds the turn that it goes on from. Not thread-safe.
class decided_turns {
public:
    explicit decided_turns(std::size_t most) : by_digest_(most) {}

    struct answered_turn {
        decided_turn decision;
        std::size_t messages = 0;  // of the request that was answered; the answer is the next one
    };

    /// `apart` as for chat_keys. Returns what the request is found by in correct() and forget().
    std::uint64_t remember(std::span<const qlroute::message> request, std::string_view apart,
                           const decided_turn& decision) {
        qlroute::content_hash hash;
        hash.feed(apart);
        for (const qlroute::message& one : request) feed(hash, one);
        const std::uint64_t digest = hash.digest();
        by_digest_.use(digest) = decision;
        return digest;
    }

    /// The longest remembered request that `request` goes on from with an answer. It is then known, and no longer
    /// remembered.
    std::optional<answered_turn> take_answered(std::span<const qlroute::message> request, std::string_view apart) {
        qlroute::content_hash hash;
        hash.feed(apart);
        std::optional<answered_turn> found;
        std::uint64_t digest = 0;
        for (std::size_t i = 0; i + 1 < request.size(); ++i) {
            feed(hash, request[i]);
            if (request[i + 1].from != qlroute::role::assistant) continue;
            if (const decided_turn* known = by_digest_.find(hash.digest())) {
                digest = hash.digest();
                found = {*known, i + 1};
            }
        }
        if (found) forget(digest);
        return found;
    }

    /// It was answered elsewhere.
    void correct(std::uint64_t digest, std::size_t where) {
        if (decided_turn* known = by_digest_.find(digest)) known->where = where;
    }
    /// It was not answered.
    void forget(std::uint64_t digest) { by_digest_.erase(digest); }

    std::size_t size() const noexcept { return by_digest_.size(); }

private:
    recent<decided_turn> by_digest_;
};
