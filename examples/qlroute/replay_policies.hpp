// The policies that a replay compares: others' rules with their dials, ours, and the ends of what is possible.
#pragma once

#include "replay_world.hpp"
#include "workloads.hpp"

#include <qlroute/eval/replay.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// One policy with its dials set.
struct any_policy {
    std::function<std::size_t(const qlroute::eval::situation&)> decide{};
    /// The endpoint that answers in the end, after the first answer's confidence; or empty.
    std::function<std::size_t(const qlroute::eval::situation&, std::size_t, double)> look{};
    /// Of one that knows all latencies to come: what an answer is worth.
    std::optional<qlroute::seconds> foreseeing{};

    /// Ours: what the endpoint would cost, line by line.
    std::function<std::vector<std::pair<std::string, qlroute::seconds>>(const qlroute::eval::situation&, std::size_t)>
        lines{};

    std::size_t operator()(const qlroute::eval::situation& s, const auto& foresight) const {
        if (!foreseeing) return decide(s);
        std::size_t best = 0;
        qlroute::seconds least{};
        for (std::size_t i = 0; i < s.places.size(); ++i) {
            const qlroute::seconds cost = foresight(i) + (1 - s.places[i].usual_success) * *foreseeing;
            if (i == 0 || cost < least) {
                best = i;
                least = cost;
            }
        }
        return best;
    }
    std::size_t second_look(const qlroute::eval::situation& s, std::size_t where, double confidence) const {
        return look ? look(s, where, confidence) : where;
    }
};

/// A policy at one place of its dials.
struct policy_setting {
    std::string dials;  // for people
    any_policy policy;
};

enum class policy_kind { competitor, ours, ablation, oracle };

/// A policy with all settings that are tried when it is tuned.
struct policy_family {
    std::string name;
    policy_kind kind = policy_kind::competitor;
    std::string predictions;  // the column it reads
    std::vector<policy_setting> settings;
    qlroute::eval::knowledge known{};  // ablations may know less
};

/// What each dial of ours is set to. Weights of 0 leave a term out.
struct cost_dials {
    qlroute::seconds quality{10};  // what a good answer is worth
    qlroute::seconds call{};       // a fixed price of a remote call: for whoever pays for the server
    qlroute::seconds hysteresis{};
    qlroute::seconds outage{20};  // what to expect of a link that lets nothing pass
    double link = 1, kv = 1, load = 1;
    double others = 1;               // their seconds, to one's own
    qlroute::seconds second_look{};  // what knowing the first answer's confidence is worth beforehand
};

/// `prepared` and `places` must outlive the policies. Quantiles of predictions are taken over `calibration`, the turns
/// of the calibration dialogues.
std::vector<policy_family> policies_for(const prepared_workload& prepared, const profiled_places& places,
                                        const qlroute::eval::world& world, std::span<const std::size_t> calibration);
/// Ours, with something left out or wrong; `off`: places profiled a factor of 2 wrong.
std::vector<policy_family> ablations_for(const prepared_workload& prepared, const profiled_places& places,
                                         const profiled_places& off, const qlroute::eval::world& world,
                                         std::span<const std::size_t> calibration);

/// All names that policies_for() can give, over all workloads.
std::vector<std::string_view> known_policies();
