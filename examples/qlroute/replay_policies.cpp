#include "replay_policies.hpp"

#include <qlroute/cost/congestion.hpp>
#include <qlroute/cost/objective.hpp>
#include <qlroute/cost/queueing.hpp>
#include <qlroute/cost/radio_wakeup.hpp>
#include <qlroute/cost/switching.hpp>
#include <qlroute/cost/transport.hpp>
#include <qlroute/difficulty/ability_fit.hpp>
#include <qlroute/eval/multi_turn_rules.hpp>
#include <qlroute/eval/replica_rules.hpp>
#include <qlroute/eval/seed_rules.hpp>
#include <qlroute/eval/single_turn_rules.hpp>
#include <qlroute/route/router.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

using namespace qlroute;

namespace {

std::string said(const char* format, double a, double b = 0, double c = 0) {
    char text[96];
    std::snprintf(text, sizeof text, format, a, b, c);
    return text;
}

/// A rule that reads predictions and facts, but no cost of ours.
/// Rates are the last sample's: how a rate ages is part of our model.
template <class Rule>
any_policy by_rule(Rule rule) {
    const router route{constant_difficulty{}, cost::queueing{}, std::move(rule)};
    return {
        .decide =
            [route](const eval::situation& s) { return route(s.chat, s.question, s.places, s.link_as_sampled).where; },
        .look = {},
        .foreseeing = {}};
}

/// Evenly spaced quantiles, without repetitions, and a value below and above all.
std::vector<double> quantiles(std::vector<double> values, std::size_t count) {
    std::sort(values.begin(), values.end());
    std::vector<double> out;
    if (values.empty()) return out;
    out.push_back(values.front() - 1e-6);
    for (std::size_t k = 1; k < count; ++k) out.push_back(values[k * (values.size() - 1) / count]);
    out.push_back(values.back());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

constexpr std::size_t dial_steps = 20;

/// Of every turn of the workload, whether it is one of these.
std::vector<bool> mask_of(const prepared_workload& w, std::span<const std::size_t> turns) {
    std::vector<bool> out(w.work.turns());
    for (const std::size_t turn : turns) out[turn] = true;
    return out;
}

scenario<> facts_at(const eval::situation& s, std::size_t where) {
    return facts_for(s.places[where], s.chat.held_by(where), s.question, usable(s.link), s.places[where].usual_success,
                     where);
}

/// Where a remote call costs something, whoever answers.
struct call_price {
    static constexpr std::string_view name = "call_price";
    seconds price{};
    constexpr auto operator()(const auto& s) const {
        return elementwise<dim::time>(
            [price = price.value()](auto size) { return size > 0 ? decltype(size)(price) : decltype(size)(0); },
            s.prompt_size);
    }
};

/// Where nothing passes. How long that will last, no rate can say.
struct outage {
    static constexpr std::string_view name = "outage";
    seconds expected{};
    constexpr seconds operator()(const scenario<>& s) const {
        const bool out = s.uplink_rate <= outage_rate || s.downlink_rate <= outage_rate;
        return s.prompt_size > bits(0) && out ? expected : seconds(0);
    }
};

/// What ours costs, term by term.
auto cost_model(const cost_dials& d, const profiled_places& places, const rrc& radio) {
    const busy_engines engines{std::span<const busy_engine>(places.engines)};
    const busy_engine& edge = places.engines[large_endpoint];
    using namespace qlroute::cost;
    // The servers of the replay keep connections for as long as a dialogue lasts.
    constexpr seconds kept_open(1e9);
    const tcp transport{.keep_alive = kept_open};
    return d.quality * quality_loss{} + d.link * uplink{transport} + d.link * radio_wakeup{radio} +
           d.load * queueing{} + d.kv * switching{kv_recompute{engines, transport}} + prefill{engines} +
           decode{engines} + d.link * downlink{engines} + outage{d.outage} + call_price{d.call} +
           d.others * congestion{engines, edge.per_request, edge.slots, places.usual_departure};
}

/// P(small is right), once its confidence is known: logistic in the logits of both, fitted on calibration turns.
struct fused_confidence {
    double bias = 0, by_text = 0, by_confidence = 1;

    static double logit(double p) {
        const double q = std::clamp(p, 1e-4, 1 - 1e-4);
        return std::log(q / (1 - q));
    }
    double operator()(double text, double confidence) const {
        return 1 / (1 + std::exp(-(bias + by_text * logit(text) + by_confidence * logit(confidence))));
    }
};

std::optional<fused_confidence> fit_confidence(const prepared_workload& w, std::string_view column,
                                               std::span<const std::size_t> calibration) {
    std::vector<double> features, scores;
    std::size_t number = 0;
    const auto counts = mask_of(w, calibration);
    for (const auto& one : w.work.dialogues)
        for (const auto& turn : one.turns) {
            const std::size_t n = number++;
            const auto& answer = turn.answers[small_endpoint];
            if (!counts[n] || !answer.confidence) continue;
            features.push_back(fused_confidence::logit(w.prediction(column).of(n, small_endpoint)));
            features.push_back(fused_confidence::logit(*answer.confidence));
            scores.push_back(answer.score);
        }
    if (scores.size() < 20) return std::nullopt;
    const auto fitted = fit_ability(features, scores, ability_prior::independent({0, 0.5, 0}, 2));
    if (!fitted) return std::nullopt;
    return fused_confidence{fitted->bias, fitted->weights[0], fitted->weights[1]};
}

any_policy cost_policy(const cost_dials& dials, const profiled_places& places,
                       const std::optional<fused_confidence>& confidence) {
    using objective = decltype(cost_model(dials, places, places.radios[0]));
    using route_type = router<constant_difficulty, objective, lowest_cost<>>;
    auto routes = std::make_shared<std::vector<route_type>>();
    for (const rrc& radio : places.radios)
        routes->emplace_back(constant_difficulty{}, cost_model(dials, places, radio), lowest_cost<>{dials.hysteresis});
    const bool looks = confidence && dials.second_look > seconds(0);
    any_policy out;
    out.decide = [routes, looks, dials](const eval::situation& s) {
        const auto& route = (*routes)[s.network];
        const auto choice = route(s.chat, s.question, s.places, s.link);
        if (!looks || !s.places[choice.where].remote) return choice.where;
        // Small first, if that may save more than it costs.
        return route.objective()(facts_at(s, small_endpoint)) - choice.cost < dials.second_look ? small_endpoint
                                                                                                : choice.where;
    };
    out.lines = [routes](const eval::situation& s, std::size_t where) {
        std::vector<std::pair<std::string, seconds>> all;
        for (const auto& [name, value] : explain((*routes)[s.network].objective(), facts_at(s, where)))
            all.emplace_back(name, value);
        return all;
    };
    if (looks)
        out.look = [routes, f = *confidence, dials](const eval::situation& s, std::size_t where, double value) {
            if (where != small_endpoint) return where;
            const auto& route = (*routes)[s.network];
            const double p = f(s.places[small_endpoint].usual_success, value);
            return route.objective()(facts_at(s, large_endpoint)) < (1 - p) * dials.quality ? large_endpoint : where;
        };
    return out;
}

/// Which dials are tried. `few`: for ablations, of which there are many.
struct dial_grid {
    bool few = false;
    bool quality = true;
    bool hysteresis = true;
};

std::vector<policy_setting> cost_settings(const prepared_workload& w, const profiled_places& places,
                                          const std::optional<fused_confidence>& confidence, const cost_dials& fixed,
                                          dial_grid grid = {}) {
    using list = std::vector<double>;
    const bool dialogues = w.work.turns() > w.work.dialogues.size();
    const list qualities = grid.quality ? list{1, 2, 4, 8, 15, 22, 30, 45, 70, 110, 200, 500} : list{0};
    const list calls = grid.few ? list{0, 0.1} : list{0, 0.04, 0.1, 0.2};  // of the price of quality
    const list hystereses = !dialogues || !grid.hysteresis ? list{0} : grid.few ? list{0, 1} : list{0, 1, 8};
    // What a switch costs is spread over the turns that are still to come.
    const list spreads = dialogues && fixed.kv > 0 ? list{1, 0.4} : list{1};
    const list looks = confidence ? list{0, 2, 8, 1e6} : list{0};
    // How far reports of the load are trusted, and how far the others count. Reports are old, and all who believe them
    // do the same.
    using pair = std::pair<double, double>;
    const std::vector<pair> crowds = fixed.load == 0     ? std::vector<pair>{{0, 0}}
                                     : fixed.others == 0 ? std::vector<pair>{{0, 0}, {1, 0}}
                                     : grid.few
                                         ? std::vector<pair>{{0, 0}, {1, 0}, {1, 0.3}}
                                         : std::vector<pair>{{0, 0}, {0.3, 0}, {1, 0}, {1, 0.1}, {1, 0.3}, {1, 1}};
    std::vector<policy_setting> out;
    for (const double quality : qualities)
        for (const double call : calls)
            for (const double hysteresis : hystereses)
                for (const double look : looks)
                    for (std::size_t k = 0; k < crowds.size() * spreads.size(); ++k) {
                        const auto& [load, other] = crowds[k % crowds.size()];
                        cost_dials d = fixed;
                        d.kv *= spreads[k / crowds.size()];
                        d.quality = seconds(quality);
                        d.call = call * d.quality;
                        d.hysteresis = seconds(hysteresis);
                        d.second_look = seconds(look);
                        d.load = load;
                        d.others = other;
                        std::string text = said("quality %g s, call %g s", quality, call * quality) +
                                           said(", load %g, others %g", load, other);
                        if (dialogues) text += said(", hysteresis %g s, switching %g", hysteresis, d.kv);
                        if (confidence) text += said(", second look %g s", look);
                        out.push_back({std::move(text), cost_policy(d, places, confidence)});
                    }
    return out;
}

}  // namespace

std::vector<policy_family> policies_for(const prepared_workload& w, const profiled_places& places,
                                        const eval::world& world, std::span<const std::size_t> calibration) {
    const bool dialogues = w.work.turns() > w.work.dialogues.size();
    std::vector<policy_family> all;
    const auto add = [&](std::string name, std::string predictions,
                         policy_kind kind = policy_kind::competitor) -> auto& {
        all.push_back({std::move(name), kind, std::move(predictions), {}, world.known});
        return all.back().settings;
    };
    const auto column = [&](std::string_view name, auto&& value) {
        std::vector<double> out;
        const auto& p = w.prediction(name);
        for (const std::size_t turn : calibration)
            out.push_back(value(p.of(turn, small_endpoint), p.of(turn, large_endpoint)));
        return out;
    };
    const auto loss = [](double small, double) { return 1 - small; };
    const auto gap = [](double small, double large) { return large - small; };

    add("always_device", "constant") = {{"", by_rule(always{small_endpoint})}};
    add("always_edge", "constant") = {{"", by_rule(always{large_endpoint})}};
    {
        auto& settings = add("random", "constant");
        for (int k = 1; k < 20; ++k)
            settings.push_back({said("share %g", k / 20.0), by_rule(random_rate{.rate = k / 20.0})});
    }
    {
        auto& settings = add("length_threshold", "constant");
        std::vector<double> lengths;
        const auto counts = mask_of(w, calibration);
        std::size_t number = 0;
        for (const auto& one : w.work.dialogues)
            for (const auto& turn : one.turns)
                if (counts[number++]) lengths.push_back(token_count({role::user, turn.said, turn.said_size}).value());
        for (const double longest : quantiles(lengths, dial_steps))
            for (const bool history : {false, true})
                if (!history || dialogues)
                    settings.push_back({said(history ? "%.0f tokens with the history" : "%.0f tokens", longest),
                                        by_rule(eval::length_threshold{tokens(longest), history})});
    }
    for (const char* predictor : {"fused", "response", "tfidf"}) {
        const std::string suffix = std::string("_") + predictor;
        auto& threshold = add("score_threshold" + suffix, predictor);
        for (const double theta : quantiles(column(predictor, loss), dial_steps))
            threshold.push_back({said("theta %.4f", theta), by_rule(score_threshold{theta})});
        auto& gaps = add("gap_threshold" + suffix, predictor);
        for (const double theta : quantiles(column(predictor, gap), dial_steps))
            gaps.push_back({said("theta %.4f", theta), by_rule(eval::gap_threshold{theta})});
        for (const char* label : {"det", "prob", "trans"}) {
            const std::string name = std::string("hybrid_") + label + suffix;
            if (std::none_of(w.predictions.begin(), w.predictions.end(),
                             [&](const prediction_column& c) { return c.name == name; }))
                continue;
            auto& hybrid = add(name, name);
            for (const double theta : quantiles(column(name, loss), dial_steps))
                hybrid.push_back({said("theta %.4f", theta), by_rule(score_threshold{theta})});
        }
    }
    const std::array prices{1e9,  1000.0, 300.0, 150.0, 90.0, 60.0, 40.0, 28.0,
                            20.0, 15.0,   11.0,  8.0,   6.0,  4.0,  2.0,  1.0};
    const auto utility = [&](double price) { return eval::predicted_utility<>{.mu = 1 / seconds(price)}; };
    {
        auto& settings = add("carrot", "fused");
        for (const double price : prices)
            settings.push_back(
                {said("mu 1/%g s", price), by_rule(eval::cost_sensitive_score<>{.mu = 1 / seconds(price)})});
    }
    {
        auto& single = add("seed_single", "fused");
        for (const double price : prices)
            for (int k = 0; k < 20; ++k)
                for (const bool queue : {false, true}) {
                    const double theta = 0.05 * k;
                    single.push_back(
                        {said("alpha 1/%g s, theta %g", price, theta) + (queue ? ", with the queue" : ""),
                         by_rule(fused_score<eval::seed_latency_single<>>{
                             .alpha = 1 / seconds(price), .theta = theta, .latency = {.count_queue = queue}})});
                }
    }
    if (dialogues) {
        auto& multi = add("seed_multi", "fused");
        for (const double price : prices)
            for (int k = 0; k < 20; ++k)
                for (const double back : {0.0, 0.5}) {
                    const double theta = 0.05 * k;
                    multi.push_back(
                        {said("alpha 1/%g s, theta %g, switch_back %g", price, theta, back),
                         by_rule(eval::seed_multi_turn<eval::seed_latency_multi<>>{
                             .alpha = 1 / seconds(price), .theta = theta, .switch_back = back, .latency = {}})});
                }
        auto& sticky = add("session_sticky", "fused");
        for (const double theta : quantiles(column("fused", gap), dial_steps))
            sticky.push_back({said("theta %.4f", theta),
                              by_rule(eval::session_sticky<eval::gap_threshold>{eval::gap_threshold{theta}})});
        const auto gated = [&](std::string name, auto&& rule) {
            auto& settings = add(std::move(name), "fused");
            for (const double theta : quantiles(column("fused", gap), dial_steps))
                settings.push_back({said("theta %.4f", theta), by_rule(rule(theta))});
        };
        gated("dynamo", [](double theta) { return eval::quality_gated<eval::dynamo_default>{theta}; });
        gated("dynamo_lmetric", [](double theta) { return eval::quality_gated<eval::dynamo_lmetric>{theta}; });
        const auto sr = [&](std::string name, auto&& make) {
            auto& settings = add(std::move(name), "fused");
            for (const double price : prices) settings.push_back({said("mu 1/%g s", price), by_rule(make(price))});
        };
        using score = eval::predicted_utility<>;
        sr("sr_cache_affinity", [&](double price) { return eval::sr_cache_affinity<score>{.score = utility(price)}; });
        sr("sr_switch_gate", [&](double price) { return eval::sr_switch_gate<score>{.score = utility(price)}; });
        sr("sr_session_aware", [&](double price) { return eval::sr_session_aware<score>{.score = utility(price)}; });
    }
    std::vector<double> confidences;
    const auto counts = mask_of(w, calibration);
    for (std::size_t number = 0; const auto& one : w.work.dialogues)
        for (const auto& turn : one.turns) {
            const auto& c = turn.answers[small_endpoint].confidence;
            if (counts[number++] && c) confidences.push_back(*c);
        }
    if (!confidences.empty()) {
        auto& cascade = add("confidence_handoff", "constant");
        for (const double least : quantiles(confidences, dial_steps)) {
            const eval::confidence_handoff rule{least};
            any_policy policy = by_rule(rule);
            policy.look = [rule](const eval::situation&, std::size_t where, double confidence) {
                return rule.after(where, confidence);
            };
            cascade.push_back({said("confidence %.4f", least), std::move(policy)});
        }
    }
    add("qlroute", "fused", policy_kind::ours) = cost_settings(w, places, fit_confidence(w, "fused", calibration), {});
    auto& oracle = add("oracle", "recorded", policy_kind::oracle);
    for (const double price : {0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 1000.0, 1e6}) {
        any_policy policy;
        policy.foreseeing = seconds(price);
        oracle.push_back({said("quality %g s", price), std::move(policy)});
    }
    return all;
}

std::vector<policy_family> ablations_for(const prepared_workload& w, const profiled_places& places,
                                         const profiled_places& off, const eval::world& world,
                                         std::span<const std::size_t> calibration) {
    const bool dialogues = w.work.turns() > w.work.dialogues.size();
    const auto confidence = fit_confidence(w, "fused", calibration);
    const std::optional<fused_confidence> none;
    const dial_grid few{.few = true};
    std::vector<policy_family> all;
    const auto add = [&](std::string name, std::vector<policy_setting> settings,
                         std::string predictions = "fused") -> policy_family& {
        all.push_back(
            {std::move(name), policy_kind::ablation, std::move(predictions), std::move(settings), world.known});
        return all.back();
    };
    add("nothing left out", cost_settings(w, places, confidence, {}, few));
    add("no link terms", cost_settings(w, places, confidence, {.outage = seconds(0), .link = 0}, few));
    if (dialogues) add("no KV term", cost_settings(w, places, confidence, {.kv = 0}, few));
    add("no load terms", cost_settings(w, places, confidence, {.load = 0, .others = 0}, few));
    add("no regard for others", cost_settings(w, places, confidence, {.others = 0}, few));
    add("no quality term", cost_settings(w, places, none, {}, {.few = true, .quality = false}));
    add("constant predictor", cost_settings(w, places, none, {}, few), "constant");
    add("bundled predictor alone", cost_settings(w, places, fit_confidence(w, "response", calibration), {}, few),
        "response");
    add("TF-IDF predictor", cost_settings(w, places, fit_confidence(w, "tfidf", calibration), {}, few), "tfidf");
    add("oracle predictor", cost_settings(w, places, none, {}, few), "recorded");
    std::vector<policy_setting> foreseen;
    for (const double price : {2.0, 4.0, 8.0, 15.0, 22.0, 30.0, 45.0, 70.0, 110.0, 200.0, 500.0}) {
        any_policy policy;
        policy.foreseeing = seconds(price);
        foreseen.push_back({said("quality %g s", price), std::move(policy)});
    }
    add("oracle latencies", std::move(foreseen));
    if (dialogues) add("no hysteresis", cost_settings(w, places, confidence, {}, {.few = true, .hysteresis = false}));
    if (confidence) add("no second look", cost_settings(w, places, none, {}, few));
    auto& stale = add("link samples every 120 s", cost_settings(w, places, confidence, {}, few));
    stale.known.link_sample_every = seconds(120);
    auto& frozen = add("the same, taken as fresh", cost_settings(w, places, confidence, {}, few));
    frozen.known.link_sample_every = seconds(120);
    frozen.known.link_ages = false;
    add("profiles off by 2", cost_settings(w, off, confidence, {}, few));
    return all;
}

std::vector<std::string_view> known_policies() {
    return {"always_device",
            "always_edge",
            "random",
            "length_threshold",
            "score_threshold_fused",
            "gap_threshold_fused",
            "score_threshold_response",
            "gap_threshold_response",
            "hybrid_det_response",
            "hybrid_prob_response",
            "hybrid_trans_response",
            "score_threshold_tfidf",
            "gap_threshold_tfidf",
            "hybrid_det_tfidf",
            "hybrid_prob_tfidf",
            "hybrid_trans_tfidf",
            "carrot",
            "seed_single",
            "seed_multi",
            "session_sticky",
            "dynamo",
            "dynamo_lmetric",
            "sr_cache_affinity",
            "sr_switch_gate",
            "sr_session_aware",
            "confidence_handoff",
            "qlroute",
            "oracle"};
}
