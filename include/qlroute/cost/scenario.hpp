// Every fact that a cost term may read: one turn, at one endpoint, over one link.
#pragma once

#include <qlroute/core/units.hpp>

#include <cstddef>

namespace qlroute {

/// Facts of one candidate. `Rep` is double for a decision, an array for a what-if grid: every field may
/// then hold many values, and fields broadcast against each other.
///
/// A term needs only the fields that it reads, so an engine may pass a struct of its own instead.
template <representation Rep = double>
struct scenario {
    // The context, in tokens of the target's model.
    quantity<dim::token, Rep> new_tokens{};     ///< this turn's, not yet in the target's KV cache
    quantity<dim::token, Rep> prefix_tokens{};  ///< the history before this turn
    quantity<dim::token, Rep> prefix_hit{};     ///< of these, already in the target's KV cache
    quantity<dim::token, Rep> prefix_saved{};   ///< of these, on the target's disk
    quantity<dim::token, Rep> output_tokens{};  ///< expected length of the answer, at least 1

    // What crosses the link. Sizes and rtt are zero when the target is the device itself; rates stay above it.
    quantity<dim::data, Rep> prompt_size{};           ///< text that goes up even when the dialogue stays
    quantity<dim::data, Rep> unseen_history{};        ///< text of the history that the target has not seen
    quantity<dim::data_per_token, Rep> token_size{};  ///< of a streamed token on the wire, with framing
    quantity<dim::time, Rep> rtt{};
    quantity<dim::data_rate, Rep> uplink_rate{};    ///< > 0
    quantity<dim::data_rate, Rep> downlink_rate{};  ///< > 0
    quantity<dim::time, Rep> radio_idle{};          ///< since the radio's last packet; 0 = awake
    quantity<dim::time, Rep> connection_idle{};  ///< since the last exchange with the target; infinite = there was none

    // The target.
    quantity<dim::token_rate, Rep> prefill_rate{};  ///< > 0
    quantity<dim::time_per_token, Rep> tpot{};      ///< time per output token
    quantity<dim::data_per_token, Rep> kv_size{};   ///< KV cache of one token
    quantity<dim::data_rate, Rep> kv_rate{};        ///< at which a KV cache can be moved here; 0 = it cannot
    quantity<dim::time, Rep> queue_delay{};         ///< until the target starts on this turn
    quantity<dim::none, Rep> requests_running{};    ///< that share the target now
    quantity<dim::none, Rep> requests_waiting{};    ///< before this one

    // The answer.
    quantity<dim::none, Rep> quality_loss{};  ///< 1 - P(good answer)

    std::size_t where = 0;  ///< index of the endpoint, for policies that differ between endpoints
};

/// The scenario of f(field) for every field: from one representation to another.
template <representation To, representation From>
constexpr scenario<To> map_fields(const scenario<From>& s, auto f) {
    return {f(s.new_tokens),
            f(s.prefix_tokens),
            f(s.prefix_hit),
            f(s.prefix_saved),
            f(s.output_tokens),
            f(s.prompt_size),
            f(s.unseen_history),
            f(s.token_size),
            f(s.rtt),
            f(s.uplink_rate),
            f(s.downlink_rate),
            f(s.radio_idle),
            f(s.connection_idle),
            f(s.prefill_rate),
            f(s.tpot),
            f(s.kv_size),
            f(s.kv_rate),
            f(s.queue_delay),
            f(s.requests_running),
            f(s.requests_waiting),
            f(s.quality_loss),
            s.where};
}

}  // namespace qlroute
