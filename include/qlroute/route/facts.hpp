// One candidate's facts: from what the endpoint, the session, the turn and the link say to a scenario.
//
// These functions are inlined by force: a decision prices every endpoint, and what its rule does not look at is then
// not computed. GCC 12 and Clang 14 stop inlining one call short of it.
#pragma once

#include <qlroute/cost/scenario.hpp>
#include <qlroute/link/link_state.hpp>
#include <qlroute/serving/endpoint.hpp>
#include <qlroute/serving/session.hpp>

#include <cstddef>
#include <limits>

namespace qlroute {

/// May this endpoint answer the turn at all?
///   available, and prefix + new + expected output fit its context window
[[gnu::always_inline]] constexpr bool can_serve(const endpoint& place, const turn& t) noexcept {
    const tokens context = t.prefix_tokens + t.new_tokens + t.expected_output;
    return place.available && (place.context_window == tokens(0) || context <= place.context_window);
}

/// The prefix of the dialogue that the endpoint's KV cache still has at `now`: what it held, unless its
/// lifetime is over, and no more than its capacity.
[[gnu::always_inline]] constexpr dialogue_prefix still_cached(const endpoint& place, const kv_residency& held,
                                                              seconds now) noexcept {
    if (now - held.last_used > place.kv_lifetime) return {};
    if (place.kv_capacity == tokens(0) || held.cached.size <= place.kv_capacity) return held.cached;
    return {place.kv_capacity, place.kv_capacity / held.cached.size * held.cached.text};
}

/// What answering `t` at `place` would involve.
///   prefix_hit     = the history that is cached there
///   new_tokens     = this turn's, less those cached there (a regenerated answer); at least 1 is evaluated
///   unseen_history = the history's text that a remote endpoint has not seen
///   connection_idle = since the endpoint was last used; infinite if it never was
///   prompt_size    = this turn's text and the request's headers; a stateless protocol adds the seen history
/// A local endpoint has nothing on the link. Precondition: the link is usable().
[[gnu::always_inline]] constexpr scenario<> facts_for(const endpoint& place, const kv_residency& held, const turn& t,
                                                      const link_state& link, double p_success,
                                                      std::size_t where = 0) noexcept {
    constexpr seconds never(std::numeric_limits<double>::infinity());
    const dialogue_prefix cached = still_cached(place, held, t.now);
    const bool whole_history = cached.text >= t.history_size;
    const tokens beyond = whole_history ? positive_part(cached.size - t.prefix_tokens) : tokens(0);

    const bits seen_history = smaller(held.text_seen, t.history_size);
    const bits resent = place.resends_history ? seen_history : bits(0);
    return {
        .new_tokens = larger(t.new_tokens - beyond, tokens(1)),
        .prefix_tokens = t.prefix_tokens,
        .prefix_hit = whole_history ? t.prefix_tokens : smaller(cached.size, t.prefix_tokens),
        .output_tokens = larger(t.expected_output, tokens(1)),
        .prompt_size = place.remote ? t.prompt_size + place.request_overhead + resent : bits(0),
        .unseen_history = place.remote ? t.history_size - seen_history : bits(0),
        .token_size = place.remote ? place.token_size : bits_per_token(0),
        .rtt = place.remote ? link.rtt + place.extra_rtt : seconds(0),
        .uplink_rate = link.uplink_rate,
        .downlink_rate = link.downlink_rate,
        .radio_idle = link.radio_idle,
        .connection_idle = held.text_seen > bits(0) ? t.now - held.last_used : never,
        .prefill_rate = place.prefill_rate,
        .tpot = place.tpot,
        .kv_size = place.kv_size,
        .kv_rate = place.kv_rate,
        .queue_delay = place.queue_delay,
        .requests_running = place.requests_running,
        .requests_waiting = place.requests_waiting,
        .quality_loss = 1 - p_success,
        .where = where,
    };
}

}  // namespace qlroute
