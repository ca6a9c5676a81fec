// Many dialogues over shared endpoints: who is remembered, and whose caches have been pushed out.
#pragma once

#include <qlroute/serving/endpoint.hpp>
#include <qlroute/serving/session.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace qlroute {

/// At most `max_sessions` dialogues, by the host's id. Two least-recently-used rules bound everything:
/// the dialogue unused for longest makes room for a new one; and where the dialogues' caches together exceed
/// an endpoint's kv_capacity, those unused there for longest are taken to be evicted.
///
///   session_table chats(1'000'000, places);
///   turn question = chats.next_turn(id, dialogue, now);
///   auto choice = route(chats.at(id), question, places, link);
///   chats.commit(id, choice.where, reply, now);
///
/// Memory: about 0.75 kB + 48 B an endpoint for each dialogue ever held at once, and no more than
/// max_sessions of them. Every call takes constant time on average. Not thread-safe: a host with many threads
/// keeps one table a shard of ids. Allocates only while the number of dialogues grows.
class session_table {
public:
    session_table(std::size_t max_sessions, std::span<const endpoint> places)
        : max_sessions_(max_sessions), recency_(1 + places.size()), pools_(places.size()) {
        QLROUTE_EXPECTS(max_sessions > 0);
        for (std::size_t where = 0; where < places.size(); ++where) pools_[where].capacity = places[where].kv_capacity;
        buckets_.assign(16, none);
    }

    /// As session::next_turn, for the dialogue `id`, which is begun if it is new.
    turn next_turn(std::uint64_t id, std::span<const message> dialogue, seconds now = {}) {
        const slot_index slot = open(id);
        session& chat = slots_[slot].chat;
        const turn t = chat.next_turn(dialogue, now);
        for (std::size_t where = 0; where < pools_.size(); ++where) account(slot, where);
        return t;
    }

    /// As session::commit. The dialogue's cache at `where` is now the most recent one there. Precondition: the
    /// table holds `id`.
    void commit(std::uint64_t id, std::size_t where, const message& reply, seconds now = {}) noexcept {
        const slot_index slot = find(id);
        QLROUTE_EXPECTS(slot != none && where < pools_.size());
        slots_[slot].chat.commit(where, reply, now);
        account(slot, where);
        list& cached = recency_[1 + where];
        if (linked(cached, slot)) unlink(cached, slot);
        link(cached, slot);
        evict(where);
    }

    /// The host says that `where` dropped the cache of one dialogue, or, without an id, of all of them.
    void cache_dropped(std::size_t where, std::optional<std::uint64_t> id = {}) noexcept {
        QLROUTE_EXPECTS(where < pools_.size());
        if (!id) {
            while (recency_[1 + where].oldest != none) drop(recency_[1 + where].oldest, where);
        } else if (const slot_index slot = find(*id); slot != none) {
            drop(slot, where);
        }
    }

    /// The host says how much of the dialogue `id` is cached at `where`, as session::cache_observed. A dialogue that
    /// the table does not hold is none of its business.
    void cache_observed(std::uint64_t id, std::size_t where, tokens cached, seconds now) noexcept {
        QLROUTE_EXPECTS(where < pools_.size());
        const slot_index slot = find(id);
        if (slot == none) return;
        slots_[slot].chat.cache_observed(where, cached, now);
        account(slot, where);
    }

    /// The dialogue of that id, or null.
    const session* find_session(std::uint64_t id) const noexcept {
        const slot_index slot = find(id);
        return slot == none ? nullptr : &slots_[slot].chat;
    }
    /// Precondition: the table holds `id`. Valid until the next next_turn().
    const session& at(std::uint64_t id) const noexcept {
        const slot_index slot = find(id);
        QLROUTE_EXPECTS(slot != none);
        return slots_[slot].chat;
    }

    std::size_t size() const noexcept { return slots_.size(); }
    /// Tokens of all dialogues that are taken to be in the endpoint's cache.
    tokens cached_at(std::size_t where) const noexcept {
        QLROUTE_EXPECTS(where < pools_.size());
        return pools_[where].used;
    }

private:
    using slot_index = std::uint32_t;
    static constexpr slot_index none = ~slot_index{0};

    struct neighbours {
        slot_index older = none;
        slot_index newer = none;
    };
    struct entry {
        std::uint64_t id;
        slot_index next_in_bucket = none;
        session chat;
    };
    /// One order of use. `of[slot]` are the slot's neighbours in it.
    struct list {
        std::vector<neighbours> of;
        slot_index oldest = none;
        slot_index newest = none;
    };
    struct pool {
        tokens capacity;
        tokens used{};
        std::vector<tokens> share;  // of each slot
    };

    std::size_t bucket_of(std::uint64_t id) const noexcept {
        const std::uint64_t mixed = (id ^ (id >> 32)) * 0x9E3779B97F4A7C15;
        return static_cast<std::size_t>((mixed ^ (mixed >> 29)) & (buckets_.size() - 1));
    }

    slot_index find(std::uint64_t id) const noexcept {
        slot_index slot = buckets_[bucket_of(id)];
        while (slot != none && slots_[slot].id != id) slot = slots_[slot].next_in_bucket;
        return slot;
    }

    slot_index open(std::uint64_t id) {
        slot_index slot = find(id);
        if (slot != none) {
            unlink(recency_[0], slot);
        } else if (slots_.size() < max_sessions_) {
            slot = grow(id);
        } else {
            slot = recency_[0].oldest;
            for (std::size_t where = 0; where < pools_.size(); ++where) drop(slot, where);
            unlink(recency_[0], slot);
            remove_from_bucket(slot);
            slots_[slot].chat.reset();
            slots_[slot].id = id;
            add_to_bucket(slot);
        }
        link(recency_[0], slot);
        return slot;
    }

    /// All or nothing: what may throw comes first, since lists that differ in length are no table.
    slot_index grow(std::uint64_t id) {
        const auto slot = static_cast<slot_index>(slots_.size());
        const auto make_room = [&](auto& all) {
            if (all.size() == all.capacity())
                all.reserve(std::min(max_sessions_, std::max<std::size_t>(16, 2 * all.size())));
        };
        session chat(pools_.size());
        make_room(slots_);
        for (list& each : recency_) make_room(each.of);
        for (pool& each : pools_) make_room(each.share);
        const bool is_crowded = slots_.size() == buckets_.size();
        std::vector<slot_index> wider(is_crowded ? 2 * buckets_.size() : 0, none);

        slots_.push_back({id, none, std::move(chat)});
        for (list& each : recency_) each.of.emplace_back();
        for (pool& each : pools_) each.share.emplace_back();
        if (is_crowded) {
            buckets_.swap(wider);
            for (slot_index each = 0; each < slot; ++each) add_to_bucket(each);
        }
        add_to_bucket(slot);
        return slot;
    }

    void add_to_bucket(slot_index slot) noexcept {
        slot_index& head = buckets_[bucket_of(slots_[slot].id)];
        slots_[slot].next_in_bucket = head;
        head = slot;
    }

    void remove_from_bucket(slot_index slot) noexcept {
        slot_index* at = &buckets_[bucket_of(slots_[slot].id)];
        while (*at != slot) at = &slots_[*at].next_in_bucket;
        *at = slots_[slot].next_in_bucket;
    }

    static bool linked(const list& order, slot_index slot) noexcept {
        return order.oldest == slot || order.of[slot].older != none;
    }

    static void link(list& order, slot_index slot) noexcept {
        order.of[slot] = {.older = order.newest, .newer = none};
        (order.newest == none ? order.oldest : order.of[order.newest].newer) = slot;
        order.newest = slot;
    }

    static void unlink(list& order, slot_index slot) noexcept {
        const neighbours beside = order.of[slot];
        (beside.older == none ? order.oldest : order.of[beside.older].newer) = beside.newer;
        (beside.newer == none ? order.newest : order.of[beside.newer].older) = beside.older;
        order.of[slot] = {};
    }

    /// Brings the pool's sum up to date with what the dialogue now holds there.
    void account(slot_index slot, std::size_t where) noexcept {
        pool& there = pools_[where];
        const tokens held = slots_[slot].chat.held_by(where).cached.size;
        there.used += held - there.share[slot];
        there.share[slot] = held;
    }

    void drop(slot_index slot, std::size_t where) noexcept {
        slots_[slot].chat.cache_dropped(where);
        account(slot, where);
        if (linked(recency_[1 + where], slot)) unlink(recency_[1 + where], slot);
    }

    void evict(std::size_t where) noexcept {
        const pool& there = pools_[where];
        if (there.capacity == tokens(0)) return;
        // The newest stays even when it alone is too large: the engine keeps the part that fits.
        list& cached = recency_[1 + where];
        while (there.used > there.capacity && cached.oldest != cached.newest) drop(cached.oldest, where);
    }

    std::size_t max_sessions_;
    std::vector<entry> slots_;
    std::vector<slot_index> buckets_;
    std::vector<list> recency_;  // [0] of the dialogues, [1 + where] of their caches there
    std::vector<pool> pools_;
};

}  // namespace qlroute
