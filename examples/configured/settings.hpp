// What a configuration file says: endpoints, link, weights, rule.
#pragma once

#include "endpoints.hpp"
#include "section.hpp"

#include <qlroute/qlroute.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

struct settings;

/// Seconds until the answer is complete, as the terms of the cost count them, without weights: for fused_score.
struct expected_latency {
    const settings* config = nullptr;  // that bound_to() names

    qlroute::seconds operator()(const qlroute::scenario<>& s) const noexcept;
};

/// One of the rules, chosen at run time.
struct any_rule {
    std::variant<qlroute::lowest_cost<>, qlroute::fused_score<expected_latency>, qlroute::score_threshold,
                 qlroute::always, qlroute::random_rate>
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
    difficulty operator()(std::span<const qlroute::message> dialogue) const noexcept;

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

/// One of the transports, chosen at run time.
struct any_transport {
    std::variant<qlroute::cost::serialised, qlroute::cost::tcp> how;

    qlroute::seconds request_time(const qlroute::scenario<>& s, qlroute::bits size) const {
        return std::visit([&](const auto& one) -> qlroute::seconds { return one.request_time(s, size); }, how);
    }
};

/// Defaults are those of a run without a configuration file: see docs/program.md for where the figures come from.
struct settings {
    std::deque<std::string> names;  // what endpoint::name views
    std::vector<qlroute::endpoint> places;
    std::vector<qlroute::cost::any_engine> engines;  // one a place; linear_rate where none was measured
    calibrated_endpoints calibrated;                 // those of `places` whose ability is an endpoint file
    qlroute::link_state link{.uplink_rate = qlroute::bits_per_second(10e6),
                             .downlink_rate = qlroute::bits_per_second(40e6),
                             .rtt = qlroute::seconds(0.05)};
    any_transport transport;
    any_estimator estimator = qlroute::last_value{};
    term_weights weights;
    any_rule rule{qlroute::lowest_cost<>{qlroute::seconds(0.15)}};
    any_predictor predictor;
    qlroute::tokens expected_output{200};
    qlroute::seconds turn_interval{30};
};

/// How long the endpoints read and write. `config` must stay where it is, as for all that follows.
using program_engines = qlroute::cost::by_endpoint<std::span<const qlroute::cost::any_engine>>;
inline program_engines engines_of(const settings& config) {
    return program_engines(std::span<const qlroute::cost::any_engine>(config.engines));
}

/// How the history gets to an endpoint: recomputed, or moved where it has a kv_rate and that is faster.
struct way_for_history {
    qlroute::cost::kv_recompute<program_engines, any_transport> recompute;

    qlroute::seconds operator()(const qlroute::scenario<>& s) const {
        return moves(s) ? qlroute::cost::kv_transfer{}(s) : recompute(s);
    }
    bool moves(const qlroute::scenario<>& s) const {
        return s.kv_rate > qlroute::bits_per_second(0) && qlroute::cost::kv_transfer{}(s) < recompute(s);
    }
};
inline way_for_history way_of(const settings& config) { return {{engines_of(config), config.transport}}; }

/// The objective of the program.
inline auto objective_of(const settings& config) {
    using namespace qlroute::cost;
    const term_weights& w = config.weights;
    const program_engines engines = engines_of(config);
    return w.quality_loss * quality_loss{} + w.uplink * uplink{config.transport} + w.queueing * queueing{} +
           w.switching * switching{way_of(config)} + w.prefill * prefill{engines} + w.decode * decode{engines} +
           w.downlink * downlink{engines};
}
auto objective_of(settings&&) = delete;
using program_objective = decltype(objective_of(std::declval<const settings&>()));

/// The rule with what it reads of the configuration.
any_rule bound_to(const settings& config, any_rule rule);

/// `chosen` instead of the endpoints: their names and abilities, and nothing else that a decision needs. Throws
/// usage_error if two have one name, or if the predictor is not `response`.
void replace_endpoints(settings& config, const std::vector<std::string>& chosen);

/// The defaults: a phone and an edge server.
settings default_settings();

/// What a program knows of a configuration beyond what a decision needs.
struct more_keys {
    /// Asks for further keys of an endpoint, and may set what is not configured. Called in the endpoints' order.
    std::function<void(section&, qlroute::endpoint&)> of_endpoint{};
    /// The same for the whole file, after everything else.
    std::function<void(section&, const settings&)> of_file{};
    /// Where the configuration has none: for programs that learn them.
    qlroute::tokens_per_second usual_prefill_rate{};
    qlroute::seconds_per_token usual_tpot{};
};

/// From parse_config(). `path`: what messages name, and where relative paths begin. Throws usage_error naming the file,
/// the key and what was expected.
settings settings_from(const nlohmann::json& all, const std::string& path, const more_keys& more = {});

/// From a JSON file.
settings read_settings(const std::string& path, const more_keys& more = {});
