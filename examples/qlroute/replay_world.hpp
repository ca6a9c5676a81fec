// From a prepared workload and recorded networks to the world it is replayed in, and to what a router knows of it.
#pragma once

#include "networks.hpp"
#include "workloads.hpp"

#include <qlroute/cost/any_engine.hpp>
#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/continuous_batching.hpp>
#include <qlroute/eval/replay.hpp>
#include <qlroute/link/radio_state.hpp>

#include <cstdint>
#include <span>
#include <vector>

struct world_options {
    double load = 0.7;  // of the edge's throughput, if every turn went there
    std::uint64_t seed = 1;
};

using busy_engine = qlroute::cost::continuous_batching<qlroute::cost::any_engine>;
using busy_engines = qlroute::cost::by_endpoint<std::span<const busy_engine>>;

/// What a router knows of the places: profiled, with the noise of a profile, while nobody else used them.
struct profiled_places {
    std::vector<qlroute::endpoint> endpoints;
    std::vector<busy_engine> engines;
    std::vector<qlroute::rrc> radios;     // one a network
    qlroute::seconds usual_departure{1};  // between two answers of a busy edge
};

/// `networks` and `prepared` must outlive it.
qlroute::eval::world world_of(const prepared_workload& prepared, std::span<const network> networks,
                              const world_options& options);

/// `wrong`: factors on every time that was measured, one an endpoint; for profiles that are off.
profiled_places profile_of(const qlroute::eval::world& world, const prepared_workload& prepared,
                           std::span<const network> networks, std::array<double, endpoint_count> wrong = {1, 1});
