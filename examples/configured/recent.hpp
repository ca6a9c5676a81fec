// The entries of a table that were used last.
#pragma once

#include <qlroute/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>

/// At most `most` entries, found by a number; the one unused for longest makes room. Not thread-safe.
template <class Entry>
class recent {
public:
    explicit recent(std::size_t most) : most_(most) { QLROUTE_EXPECTS(most > 0); }

    /// Null where there is none. Does not count as use.
    const Entry* find(std::uint64_t key) const {
        const auto at = by_key_.find(key);
        return at == by_key_.end() ? nullptr : &at->second->entry;
    }
    Entry* find(std::uint64_t key) {
        const auto at = by_key_.find(key);
        return at == by_key_.end() ? nullptr : &at->second->entry;
    }

    /// The entry, an empty one where there was none. Where memory runs out, nothing has changed.
    Entry& use(std::uint64_t key) {
        if (const auto at = by_key_.find(key); at != by_key_.end()) {
            by_age_.splice(by_age_.end(), by_age_, at->second);
            return at->second->entry;
        }
        std::list<keyed> newest(1, {.key = key, .entry = {}});
        by_key_.emplace(key, newest.begin());
        by_age_.splice(by_age_.end(), newest);
        if (by_key_.size() > most_) erase(by_age_.front().key);
        return by_age_.back().entry;
    }

    void erase(std::uint64_t key) {
        const auto at = by_key_.find(key);
        if (at == by_key_.end()) return;
        by_age_.erase(at->second);
        by_key_.erase(at);
    }

    std::size_t size() const noexcept { return by_key_.size(); }

private:
    struct keyed {
        std::uint64_t key;
        Entry entry;
    };

    std::size_t most_;
    std::list<keyed> by_age_;
    std::unordered_map<std::uint64_t, typename std::list<keyed>::iterator> by_key_;
};
