// What a configuration file says: endpoints, link, weights, rule.
#pragma once

#include "endpoints.hpp"

#include <qlroute/qlroute.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

/// One of the rules, chosen at run time.
struct any_rule {
    std::variant<qlroute::lowest_cost<>, qlroute::fused_score<>, qlroute::score_threshold, qlroute::always,
                 qlroute::random_rate>
        rule;

    auto operator()(const auto& candidates, const qlroute::session& chat) const noexcept {
        return std::visit([&](const auto& one) { return one(candidates, chat); }, rule);
    }
};

/// By the names of the endpoints whose probabilities they correct.
using curves_by_name = std::map<std::string, qlroute::isotonic, std::less<>>;

/// One of the predictors, chosen at run time, and what corrects its probabilities.
struct any_predictor {
    std::variant<qlroute::constant_difficulty, qlroute::lexical_difficulty, qlroute::response_difficulty> predictor;
    std::shared_ptr<const curves_by_name> curves;  // or null

    struct difficulty {
        std::variant<qlroute::constant_difficulty::difficulty, qlroute::lexical_difficulty::difficulty,
                     qlroute::response_difficulty::difficulty>
            value;
        const curves_by_name* curves = nullptr;

        double operator()(const qlroute::endpoint& place) const noexcept {
            const double p = std::visit([&](const auto& one) { return static_cast<double>(one(place)); }, value);
            if (curves == nullptr) return p;
            const auto found = curves->find(place.name);
            return found == curves->end() ? p : found->second(p);
        }
    };
    difficulty operator()(std::span<const qlroute::message> dialogue) const noexcept {
        return std::visit([&](const auto& one) { return difficulty{one(dialogue), curves.get()}; }, predictor);
    }

    /// Null if it is another one.
    const qlroute::response_difficulty* response() const noexcept {
        return std::get_if<qlroute::response_difficulty>(&predictor);
    }
};

/// One of the rate estimators, chosen at run time.
using any_estimator = std::variant<qlroute::last_value, qlroute::ewma, qlroute::harmonic_mean<>>;

/// What a line of the breakdown counts for. Quality is worth seconds; the others are factors.
struct term_weights {
    qlroute::seconds quality_loss{6};
    double uplink = 1;
    double queueing = 1;
    double switching = 1;
    double prefill = 1;
    double decode = 1;
    double downlink = 1;
};

/// The objective of the program. History is recomputed, or moved where an endpoint has a kv_rate and that is faster.
inline auto objective_of(const term_weights& w) {
    using namespace qlroute::cost;
    return w.quality_loss * quality_loss{} + w.uplink * uplink{} + w.queueing * queueing{} +
           w.switching * switching{cheapest_of{kv_recompute{}, kv_transfer{}}} + w.prefill * prefill{} +
           w.decode * decode{} + w.downlink * downlink{};
}
using program_objective = decltype(objective_of({}));

/// Defaults are those of a run without a configuration file: see docs/program.md for where the figures come from.
struct settings {
    std::deque<std::string> names;  // what endpoint::name views
    std::vector<qlroute::endpoint> places;
    calibrated_endpoints calibrated;  // those of `places` whose ability is an endpoint file
    qlroute::link_state link{.uplink_rate = qlroute::bits_per_second(10e6),
                             .downlink_rate = qlroute::bits_per_second(40e6),
                             .rtt = qlroute::seconds(0.05)};
    any_estimator estimator = qlroute::last_value{};
    term_weights weights;
    any_rule rule{qlroute::lowest_cost<>{qlroute::seconds(0.15)}};
    any_predictor predictor;
    qlroute::tokens expected_output{200};
    qlroute::seconds turn_interval{30};
};

/// `chosen` instead of the endpoints: their names and abilities, and nothing else that a decision needs. Throws
/// usage_error if two have one name, or if the predictor is not `response`.
void replace_endpoints(settings& config, const std::vector<std::string>& chosen);

/// The defaults: a phone and an edge server.
settings default_settings();

/// From a JSON file. Throws usage_error naming the file, the key and what was expected.
settings read_settings(const std::string& path);
