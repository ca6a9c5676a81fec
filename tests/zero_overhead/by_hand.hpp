// One turn's facts as plain numbers, in the order of qlroute::scenario, and the two functions that are compared.
#pragma once

#include <qlroute/cost/scenario.hpp>

struct plain_facts {
    double new_tokens, prefix_tokens, prefix_hit, output_tokens;
    double prompt_size, unseen_history, token_size, rtt, uplink_rate, downlink_rate;
    double prefill_rate, tpot, kv_size, kv_rate, queue_delay;
    double quality_loss;
};

double cost_by_hand(const plain_facts& s);
double cost_by_expression(const qlroute::scenario<>& s);
