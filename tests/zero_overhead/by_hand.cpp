#include "by_hand.hpp"

#include <algorithm>

double cost_by_hand(const plain_facts& s) {
    const double uplink = 0.5 * s.rtt + s.prompt_size / s.uplink_rate;
    const double missing = std::max(s.prefix_tokens - s.prefix_hit, 0.0);
    const double switching = s.unseen_history / s.uplink_rate + missing / s.prefill_rate;
    const double prefill = s.new_tokens / s.prefill_rate;
    const double decode = std::max(s.output_tokens - 1, 0.0) * s.tpot;
    const double one_token = s.token_size / s.downlink_rate;
    const double rest = std::max(s.output_tokens - 1, 0.0);
    const double downlink = 0.5 * s.rtt + one_token + std::max(rest * one_token - rest * s.tpot, 0.0);
    return 6 * s.quality_loss + uplink + s.queue_delay + switching + prefill + decode + downlink;
}
