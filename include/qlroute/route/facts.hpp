// One candidate's facts: from what the endpoint, the session, the turn and the link say to a scenario.
#pragma once

#include <qlroute/cost/scenario.hpp>
#include <qlroute/link/link_state.hpp>
#include <qlroute/serving/endpoint.hpp>
#include <qlroute/serving/session.hpp>

namespace qlroute {

/// May this endpoint answer the turn at all?
///   available, and prefix + new + expected output fit its context window
constexpr bool can_serve(const endpoint& place, const turn& t) noexcept {
    const tokens context = t.prefix_tokens + t.new_tokens + t.expected_output;
    return place.available && (place.context_window == tokens(0) || context <= place.context_window);
}

/// The prefix of the dialogue that the endpoint's KV cache still has at `now`: what it held, unless its
/// lifetime is over, and no more than its capacity.
constexpr dialogue_prefix still_cached(const endpoint& place, const kv_residency& held, seconds now) noexcept {
    if (now - held.last_used > place.kv_lifetime) return {};
    if (place.kv_capacity == tokens(0) || held.cached.size <= place.kv_capacity) return held.cached;
    return {place.kv_capacity, place.kv_capacity / held.cached.size * held.cached.text};
}

/// What answering `t` at `place` would involve.
///   prefix_hit     = the history that is cached there
///   new_tokens     = this turn's, less those cached there (a regenerated answer); at least 1 is evaluated
///   unseen_history = the history's text that a remote endpoint has not seen
///   prompt_size    = this turn's text and the request's headers; a stateless protocol adds the seen history
/// A local endpoint has nothing on the link. Precondition: the link is usable().
constexpr scenario<> facts_for(const endpoint& place, const kv_residency& held, const turn& t, const link_state& link,
                               double p_success) noexcept {
    const dialogue_prefix cached = still_cached(place, held, t.now);
    const bool whole_history = cached.text >= t.history_size;
    const tokens beyond = whole_history ? positive_part(cached.size - t.prefix_tokens) : tokens(0);

    scenario<> s;
    s.prefix_tokens = t.prefix_tokens;
    s.prefix_hit = whole_history ? t.prefix_tokens : smaller(cached.size, t.prefix_tokens);
    s.new_tokens = larger(t.new_tokens - beyond, tokens(1));
    s.output_tokens = larger(t.expected_output, tokens(1));
    s.prefill_rate = place.prefill_rate;
    s.tpot = place.tpot;
    s.kv_size = place.kv_size;
    s.kv_rate = place.kv_rate;
    s.queue_delay = place.queue_delay;
    s.quality_loss = 1 - p_success;

    s.uplink_rate = link.uplink_rate;
    s.downlink_rate = link.downlink_rate;
    if (place.remote) {
        const bits seen_history = smaller(held.text_seen, t.history_size);
        s.rtt = link.rtt + place.extra_rtt;
        s.unseen_history = t.history_size - seen_history;
        s.prompt_size = t.prompt_size + place.request_overhead;
        if (place.resends_history) s.prompt_size += seen_history;
        s.token_size = place.token_size;
    }
    return s;
}

}  // namespace qlroute
