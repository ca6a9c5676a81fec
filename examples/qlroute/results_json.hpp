// Results of evaluations as reports have them.
#pragma once

#include <qlroute/eval/metrics.hpp>
#include <qlroute/eval/replay_measures.hpp>

#include <nlohmann/json.hpp>

/// [value, low, high], null where there is none.
inline nlohmann::ordered_json json_of(const qlroute::eval::estimate& e) {
    return nlohmann::ordered_json::array({e.value, e.low, e.high});
}

inline nlohmann::ordered_json json_of(const qlroute::eval::operating_point& p) {
    return {{"large_calls", p.remote}, {"quality", p.quality}, {"latency_s", p.latency}};
}
