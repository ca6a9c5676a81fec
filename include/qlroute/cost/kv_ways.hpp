// More ways to bring the history: from the target's own disk, and half by reading, half by moving.
//
//   switching{cheapest_of{kv_recompute{engine}, kv_transfer{}, kv_restore{engine}, kv_split{engine}}}
#pragma once

#include <qlroute/cost/switching.hpp>

namespace qlroute::cost {

/// Load what the target saved of the dialogue, read the rest.
///   restored kv_size / rate + what sending and reading the rest add, as in kv_recompute                  [s]
/// restored = min(prefix_saved, prefix_tokens) - prefix_hit, at least 0. Saving and restoring run at memory speed, on
/// llama-server 46 MB in 12 ms where recomputing took 5.6 s (docs/cost/switching.md): what is kept costs space, not
/// time. Reads prefix_saved, kv_size and what kv_recompute reads. A rate of 0 means that there is no way.
template <class Engine = linear_rate, class Transport = serialised>
struct kv_restore {
    static_assert(detail::is_computation<Engine>());
    static_assert(detail::is_transport<Transport>());
    static constexpr std::string_view name = "kv_restore";
    Engine engine{};
    bits_per_second rate = 8_Gbps;
    Transport how{};

    constexpr auto operator()(const auto& s) const {
        const auto restored = positive_part(smaller(s.prefix_saved, s.prefix_tokens) - s.prefix_hit);
        return detail::moving(restored, s.kv_size, rate) + detail::sending_history(s, how) +
               detail::reading_history(s, engine, s.prefix_hit + restored);
    }
};
template <class Engine>
kv_restore(Engine) -> kv_restore<Engine>;
template <class Engine>
kv_restore(Engine, bits_per_second) -> kv_restore<Engine>;
template <class Engine, class Transport>
kv_restore(Engine, bits_per_second, Transport) -> kv_restore<Engine, Transport>;

/// Read the first part of what is missing while the rest of the cache is moved: the split at which both end together.
///   min over x of max(T(prefix_hit, x), (missing - x) kv_size / kv_rate) + what sending the text adds      [s]
/// T = prefill_time, which must not fall as x grows; found to 2^-24 of the missing tokens by halving. Never slower than
/// the faster one of reading all and moving all, but that it reads the new tokens in a batch of their own. Only between
/// copies of one model. Source: the overlapped split of ctHO (arXiv 2603.28018), after a translation of it.
/// Reads what kv_recompute and kv_transfer read.
template <class Engine = linear_rate, class Transport = serialised>
struct kv_split {
    static_assert(detail::is_computation<Engine>());
    static_assert(detail::is_transport<Transport>());
    static constexpr std::string_view name = "kv_split";
    Engine engine{};
    Transport how{};

    /// How many of the missing tokens are read; the others are moved. [tok]
    constexpr auto tokens_read(const auto& s) const {
        auto high = detail::missing_prefix(s);
        auto low = 0.0 * high;
        for (int halving = 0; halving < 24; ++halving) {
            const auto middle = 0.5 * (low + high);
            const auto reads_longer = step(reading(s, middle) - moving(s, middle));
            high = high + reads_longer * (middle - high);
            low = low + (ratio(1) - reads_longer) * (middle - low);
        }
        return high;
    }

    constexpr auto operator()(const auto& s) const {
        const auto read = tokens_read(s);
        return larger(reading(s, read), moving(s, read)) + detail::sending_history(s, how);
    }

private:
    constexpr auto reading(const auto& s, const auto& read) const { return engine.prefill_time(s, s.prefix_hit, read); }
    constexpr auto moving(const auto& s, const auto& read) const {
        return detail::moving(detail::missing_prefix(s) - read, s.kv_size, s.kv_rate);
    }
};
template <class Engine>
kv_split(Engine) -> kv_split<Engine>;
template <class Engine, class Transport>
kv_split(Engine, Transport) -> kv_split<Engine, Transport>;

/// What adding tokens to a turn would save.
struct padding {
    tokens added{};   ///< 0 where nothing is saved
    seconds saved{};  ///< of prefill
};

/// Whether more tokens are read faster than these: an engine with a dear kernel for small batches reads 64 tokens
/// before 32 of them. Pad the turn, or merge it with the next, where this says so.
///   min over k = 0 ... most of prefill_time(cached, count + k)
/// Whole tokens are tried one by one. Allocates nothing.
template <computation Engine>
constexpr padding cheapest_padding(const Engine& engine, const scenario<>& s, tokens cached, tokens count,
                                   tokens most = 64_tok) {
    const seconds as_it_is = engine.prefill_time(s, cached, count);
    padding best;
    for (tokens added(1); added <= most; added += tokens(1)) {
        const seconds saved = as_it_is - engine.prefill_time(s, cached, count + added);
        if (saved > best.saved) best = {added, saved};
    }
    return best;
}

}  // namespace qlroute::cost
