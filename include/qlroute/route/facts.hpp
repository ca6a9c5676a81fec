// One candidate's facts: from what the endpoint, the session, the turn and the link say to a scenario.
//
// These functions are inlined by force: a decision prices every endpoint, and what its rule does not look at is then
// not computed. GCC 12 and Clang 14 stop inlining one call short of it.
#pragma once

#include <qlroute/cost/scenario.hpp>
#include <qlroute/link/link_state.hpp>
#include <qlroute/serving/endpoint.hpp>
#include <qlroute/serving/session.hpp>

#include <cmath>
#include <cstddef>
#include <limits>

namespace qlroute {

/// May this endpoint answer the turn at all?
///   available, and prefix + new + expected output, in its own tokens, fit its context window
[[gnu::always_inline]] constexpr bool can_serve(const endpoint& place, const turn& t) noexcept {
    const tokens context =
        place.tokenizer_ratio * (t.prefix_tokens + t.new_tokens + place.reply_ratio * t.expected_output);
    return place.available && (place.context_window == tokens(0) || context <= place.context_window);
}

namespace detail {

/// What is left of a cache that was cut back to `size` tokens.
constexpr tokens after_cut(tokens size, tokens rollback) noexcept {
    if (rollback == tokens(1)) return size;
    if (rollback == tokens(0)) return tokens(0);
    return std::floor((size / rollback).value()) * rollback;
}

}  // namespace detail

/// The prefix of the dialogue that the endpoint's KV cache still has at `now`: what it held, unless its
/// lifetime is over, and no more than its capacity. Of the reply that it wrote last the share reply_kept: where replies
/// are tokenized again from their text, none of it or its beginning is found. Down to a multiple of kv_rollback where
/// the end of it was edited away. In the dialogue's tokens.
[[gnu::always_inline]] constexpr dialogue_prefix still_cached(const endpoint& place, const kv_residency& held,
                                                              seconds now) noexcept {
    if (now - held.last_used > place.kv_lifetime) return {};
    const dialogue_prefix& read = held.before_reply;
    dialogue_prefix cached = {read.size + place.reply_kept * (held.cached.size - read.size),
                              read.text + place.reply_kept * (held.cached.text - read.text)};
    tokens left = cached.size;
    if (held.cut_back) left = detail::after_cut(left, place.kv_rollback / place.tokenizer_ratio);
    if (place.kv_capacity != tokens(0)) left = smaller(left, place.kv_capacity / place.tokenizer_ratio);
    if (left < cached.size) cached = {left, left / cached.size * cached.text};
    return cached;
}

/// What answering `t` at `place` would involve. Counts are in the endpoint's own tokens (tokenizer_ratio).
///   prefix_hit     = the history that is cached there
///   new_tokens     = this turn's, less those cached there (a regenerated answer); at least 1 is evaluated
///   unseen_history = the history's text that a remote endpoint has not seen
///   connection_idle = since the endpoint was last used; infinite if it never was
///   output_tokens  = the expected answer, by reply_ratio as long as its answers are; at least 1
///   prompt_size    = this turn's text and the request's headers; a stateless protocol adds the seen history
///   queue_delay    = the endpoint's, and what its server takes for the request: fixed, and by what is sent
/// A local endpoint has nothing on the link. Precondition: the link is usable().
[[gnu::always_inline]] constexpr scenario<> facts_for(const endpoint& place, const kv_residency& held, const turn& t,
                                                      const link_state& link, double p_success,
                                                      std::size_t where = 0) noexcept {
    constexpr seconds never(std::numeric_limits<double>::infinity());
    const ratio per_token = place.tokenizer_ratio;
    const dialogue_prefix cached = still_cached(place, held, t.now);
    const bool whole_history = cached.text >= t.history_size;
    const tokens beyond = whole_history ? positive_part(cached.size - t.prefix_tokens) : tokens(0);

    const bits seen_history = smaller(held.text_seen, t.history_size);
    const bits resent = place.resends_history ? seen_history : bits(0);
    const bits unseen = place.remote ? t.history_size - seen_history : bits(0);
    return {
        .new_tokens = larger(per_token * (t.new_tokens - beyond), tokens(1)),
        .prefix_tokens = per_token * t.prefix_tokens,
        .prefix_hit = per_token * (whole_history ? t.prefix_tokens : smaller(cached.size, t.prefix_tokens)),
        .prefix_saved = per_token * smaller(held.saved.size, t.prefix_tokens),
        .output_tokens = larger(per_token * place.reply_ratio * t.expected_output, tokens(1)),
        .prompt_size = place.remote ? t.prompt_size + place.request_overhead + resent : bits(0),
        .unseen_history = unseen,
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
        .queue_delay =
            place.queue_delay + place.request_time + place.request_time_per_size * (t.prompt_size + unseen + resent),
        .requests_running = place.requests_running,
        .requests_waiting = place.requests_waiting,
        .quality_loss = 1 - p_success,
        .where = where,
    };
}

}  // namespace qlroute
