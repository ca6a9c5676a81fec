// One turn's facts as plain numbers, in the order of qlroute::scenario, and the two functions that are compared.
#pragma once

#include <qlroute/cost/scenario.hpp>

#include <cstddef>

struct plain_facts {
    double new_tokens, prefix_tokens, prefix_hit, prefix_saved, output_tokens;
    double prompt_size, unseen_history, token_size, rtt, uplink_rate, downlink_rate, radio_idle, connection_idle;
    double prefill_rate, tpot, kv_size, kv_rate, queue_delay, requests_running, requests_waiting;
    double quality_loss;
    std::size_t where;
};

double cost_by_hand(const plain_facts& s);
double cost_by_expression(const qlroute::scenario<>& s);
