// Rules of others for replicas of one model: they look at load and caches, and know no quality. Between a small model
// on the device and a large one at the edge they need quality_gated. What the sources leave open and how it is set
// here: docs/reference-rules.md.
#pragma once

#include <qlroute/eval/single_turn_rules.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace qlroute::eval {

enum class dynamo_cost {
    linear,   ///< prefill_load_scale adjusted_prefill + decode_blocks + active_request_weight active_requests
    lmetric,  ///< adjusted_prefill (decode_blocks + 1)
};

/// The endpoint of the least cost by NVIDIA Dynamo's KV router at temperature 0, among equals the first. In blocks:
///   raw_prefill      = (active_prefill + prefix_tokens + new_tokens) / block_size
///   credit           = device_credit decay device + disk_credit disk
///   decay            = 1 / (1 + device_credit_decay (active_prefill - least active_prefill) / block_size /
///                      request_blocks)
///   adjusted_prefill = max(raw_prefill - credit, 0)
///   decode_blocks    = requests_running request_size / block_size + request_blocks
/// device = whole blocks of prefix_hit, disk = those of prefix_saved beyond them, request_blocks = blocks of the whole
/// prompt, the last one begun; active_prefill = requests_waiting request_size; active_requests = those running and
/// waiting. Tokens are the endpoint's own. It has no host tier and no shared cache.
/// Source: ai-dynamo/dynamo lib/kv-router/src/scheduling/selector.rs@01690d4,
/// docs/components/router/router-concepts.md and router-configuration.md (the defaults).
template <dynamo_cost Cost>
struct dynamo_rule {
    tokens block_size = 16_tok;
    tokens request_size = 1000_tok;  ///< KV of a request that runs or waits there; its counters only say how many
    double prefill_load_scale = 1;
    double device_credit = 1;
    double device_credit_decay = 0;
    double disk_credit = 0.25;
    double active_request_weight = 0;

    template <class Candidates>
    constexpr auto operator()(const Candidates& candidates, const session&) const noexcept ->
        typename Candidates::value_type {
        double least_waiting = std::numeric_limits<double>::infinity();
        bool can_serve = false;
        if (device_credit_decay > 0)
            for (std::size_t i = 0; i < candidates.size(); ++i) {
                const auto one = candidates[i];
                if (can_serve && !one.can_serve) continue;
                const double waiting = one.facts.requests_waiting.value();
                least_waiting = can_serve == one.can_serve ? std::min(least_waiting, waiting) : waiting;
                can_serve = one.can_serve;
            }
        return detail::highest(candidates, [&](const auto& one) { return -cost(one.facts, least_waiting); });
    }

    /// In blocks. `least_waiting`: the least number of requests that wait at an endpoint which can serve; it is read
    /// only where device_credit_decay is above 0.
    constexpr double cost(const auto& s, double least_waiting) const noexcept {
        const auto blocks = [&](const tokens& size) { return (size / block_size).value(); };
        const tokens prompt = s.prefix_tokens + s.new_tokens;
        const double waiting = s.requests_waiting.value();
        const double request_blocks = std::ceil(blocks(prompt));
        const double device = std::floor(blocks(smaller(s.prefix_hit, s.prefix_tokens)));
        const double disk = std::max(std::floor(blocks(s.prefix_saved)) - device, 0.0);
        double decay = 1;
        if (device_credit_decay > 0) {
            const double excess = blocks((waiting - least_waiting) * request_size);
            decay = 1 / (1 + device_credit_decay * excess / request_blocks);
        }
        const double credit = device_credit * decay * device + disk_credit * disk;
        const double adjusted = std::max(blocks(waiting * request_size + prompt) - credit, 0.0);
        const double decode_blocks = blocks(s.requests_running.value() * request_size) + request_blocks;
        if constexpr (Cost == dynamo_cost::lmetric) return adjusted * (decode_blocks + 1);
        else
            return prefill_load_scale * adjusted + decode_blocks +
                   active_request_weight * (s.requests_running.value() + waiting);
    }
};
using dynamo_default = dynamo_rule<dynamo_cost::linear>;
using dynamo_lmetric = dynamo_rule<dynamo_cost::lmetric>;

}  // namespace qlroute::eval
