#include "commands.hpp"
#include "dialogues.hpp"
#include "configured/decision_row.hpp"
#include "configured/files.hpp"
#include "table_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

/// The link over time: what the router can know of it, and what then happens. Without a trace it never changes.
class link_history {
public:
    link_history(const std::optional<trace>& recorded, const settings& config)
        : recorded_(recorded ? &*recorded : nullptr), constant_(config.link) {
        uplink_ = downlink_ = config.estimator;
        const auto start_from = [](any_estimator& estimator, bits_per_second prior) {
            std::visit([&](auto& one) { one.prior = prior; }, estimator);
        };
        start_from(uplink_, constant_.uplink_rate);
        start_from(downlink_, constant_.downlink_rate);
        rtt_ = constant_.rtt;
    }

    /// What is known at `now`: estimates from the samples that are complete by then, and no later one.
    link_state known_at(seconds now) {
        if (recorded_ == nullptr) return constant_;
        const auto samples = recorded_->samples();
        const seconds loop = recorded_->duration();
        // A long wait on a short trace: whole loops are left out, since estimators forget what lies so far back.
        const double over = std::floor((now / loop).value()) - static_cast<double>(seen_ / samples.size());
        const double enough = std::ceil(1e7 / static_cast<double>(samples.size()));
        if (over > enough) seen_ += static_cast<std::size_t>(over - enough) * samples.size();
        while (true) {
            // Sample k of the endless loop lasts until sample k + 1 begins.
            const std::size_t next = (seen_ + 1) % samples.size();
            const double loops = static_cast<double>((seen_ + 1) / samples.size());
            const seconds ends = loops * loop + samples[next].at - samples[0].at;
            if (ends > now) break;
            const trace_sample& sample = samples[seen_ % samples.size()];
            const auto feed = [](any_estimator& estimator, const std::optional<bits_per_second>& rate) {
                if (rate) std::visit([&](auto& one) { one.observe(*rate); }, estimator);
            };
            feed(uplink_, sample.uplink_rate);
            feed(downlink_, sample.downlink_rate);
            rtt_ = sample.rtt.value_or(rtt_);
            ++seen_;
        }
        const auto estimate = [](const any_estimator& estimator) {
            return std::visit([](const auto& one) -> bits_per_second { return one.estimate(); }, estimator);
        };
        return {estimate(uplink_), estimate(downlink_), rtt_};
    }

    /// How long `size` takes from `start` on, by what was recorded.
    seconds transfer_time(seconds start, bits size, direction way) const {
        if (recorded_ != nullptr && recorded_->measures(way))
            return recorded_->transfer_time(start + recorded_->samples()[0].at, size, way);
        const link_state link = usable(constant_);
        return size / (way == direction::uplink ? link.uplink_rate : link.downlink_rate);
    }
    seconds rtt_at(seconds now) const {
        if (recorded_ == nullptr) return constant_.rtt;
        return recorded_->at(now + recorded_->samples()[0].at).rtt.value_or(constant_.rtt);
    }

    /// 0 where none was recorded.
    bits_per_second uplink_rate_at(seconds now) const {
        if (recorded_ == nullptr) return bits_per_second(0);
        return recorded_->at(now + recorded_->samples()[0].at).uplink_rate.value_or(bits_per_second(0));
    }

private:
    const trace* recorded_;
    link_state constant_;
    any_estimator uplink_;
    any_estimator downlink_;
    seconds rtt_;
    std::size_t seen_ = 0;
};

/// What the transport adds to a request of `size` that takes `sending` from `start` on, by what was recorded:
/// handshake, slow start, headers and losses, as at the rate that its last bits meet, or at the mean where that is
/// higher.
seconds beyond_serialisation(const any_transport& how, const link_history& link, scenario<> s, bits size, seconds start,
                             seconds sending) {
    if (!std::isfinite(sending.value())) return seconds(0);
    const bits_per_second mean = sending > seconds(0) ? size / sending : s.uplink_rate;
    s.uplink_rate = larger(mean, link.uplink_rate_at(start + sending));
    return how.request_time(s, size) - cost::serialised{}.request_time(s, size);
}

/// The seconds that a decision really takes when it starts at `now`: the upload meets the rates that were recorded, an
/// outage included; the answer streams while it is decoded. `moved`: the history comes as a cache.
seconds latency_on_the_recorded_link(const settings& config, const link_history& link, const scenario<>& s, bool moved,
                                     seconds now) {
    const bool remote = config.places[s.where].remote;
    const auto& engine = config.engines[s.where];
    seconds at = now;
    if (remote) {
        const bits size = s.prompt_size + (moved ? bits() : s.unseen_history);
        const seconds sending = link.transfer_time(at, size, direction::uplink);
        at += sending + 0.5 * s.rtt + beyond_serialisation(config.transport, link, s, size, at, sending);
    }
    at += s.queue_delay;
    // Missing history and new tokens are read at once.
    const tokens missing = positive_part(s.prefix_tokens - s.prefix_hit);
    if (moved) at += cost::kv_transfer{}(s) + engine.prefill_time(s, s.prefix_tokens, s.new_tokens);
    else at += engine.prefill_time(s, s.prefix_tokens - missing, missing + s.new_tokens);
    const tokens one(1);
    const seconds first = at;
    const seconds decoded =
        at + engine.decode_time(s, s.prefix_tokens + s.new_tokens, positive_part(s.output_tokens - one));
    if (!remote) return decoded - now;
    const seconds last_sent = decoded + link.transfer_time(decoded, one * s.token_size, direction::downlink);
    const seconds all_sent = first + link.transfer_time(first, s.output_tokens * s.token_size, direction::downlink);
    return larger(last_sent, all_sent) + 0.5 * s.rtt - now;
}

/// What came of routing all dialogues under one rule.
struct summary {
    std::string rule;
    std::vector<double> latencies;
    double expected_quality = 0;
    std::size_t remote = 0;
    std::size_t switches = 0;

    double mean() const {
        double all = 0;
        for (const double each : latencies) all += each;
        return all / static_cast<double>(std::max<std::size_t>(1, latencies.size()));
    }
    /// The smallest latency that 95 % of the turns do not exceed.
    double p95() const {
        if (latencies.empty()) return 0;
        std::vector<double> sorted = latencies;
        std::sort(sorted.begin(), sorted.end());
        return sorted[static_cast<std::size_t>(std::ceil(0.95 * static_cast<double>(sorted.size()))) - 1];
    }
};

/// One turn as routed.
struct routed_turn {
    const dialogue& from;
    std::size_t number;  // from 1
    seconds now;
    link_state link;
    const session& chat;
    const turn& question;
    const configured_decision& choice;
};

/// Routes dialogues one after another, a turn every turn_interval, over one link.
class simulation {
public:
    simulation(const settings& config, const std::optional<trace>& recorded, any_rule rule, std::string name)
        : config_(config),
          link_(recorded, config),
          route_(config.predictor, objective_of(config), bound_to(config, std::move(rule))) {
        summary_.rule = std::move(name);
    }

    void run(const dialogue& one, auto&& report) {
        session chat(config_.places.size());
        conversation talk;
        for (std::size_t i = 0; i < one.turns.size(); ++i) {
            talk.say(one.turns[i]);
            const link_state link = link_.known_at(now_);
            turn question = chat.next_turn(talk.messages(), now_);
            question.expected_output = config_.expected_output;
            const configured_decision choice = route_(chat, question, config_.places, link);
            report(routed_turn{one, i + 1, now_, link, chat, question, choice});

            talk.answer(one.turns[i].reply, config_.places[choice.where].reply_ratio * question.expected_output);
            const message& reply = talk.messages().back();
            const bool remote = config_.places[choice.where].remote;
            scenario<> happened = choice.facts;
            const ratio per_token = config_.places[choice.where].tokenizer_ratio;
            happened.output_tokens = larger(per_token * token_count(reply), tokens(1));
            if (remote) happened.rtt = link_.rtt_at(now_) + config_.places[choice.where].extra_rtt;
            const bool moved = way_of(config_).moves(choice.facts);  // as the objective counted on
            const seconds latency = latency_on_the_recorded_link(config_, link_, happened, moved, now_);
            chat.commit(choice.where, reply, now_ + latency);

            summary_.latencies.push_back(latency.value());
            summary_.expected_quality += choice.p_success();
            summary_.remote += remote;
            summary_.switches += choice.switched;
            now_ += config_.turn_interval;
        }
    }
    void run(const dialogue& one) {
        run(one, [](const routed_turn&) {});
    }

    const summary& result() const { return summary_; }

private:
    const settings& config_;
    link_history link_;
    configured_router route_;
    summary summary_;
    seconds now_{};
};

void print_json(const routed_turn& t, const settings& config) {
    nlohmann::ordered_json row;
    row["id"] = t.from.id;
    row["turn"] = t.number;
    row.update(decision_row(config, t.choice));
    std::cout << one_line(row) << '\n';
}

std::string rate_text(bits_per_second rate) { return rate > outage_rate ? to_text(rate) : "no link"; }

void print_line(const routed_turn& t, const settings& config, const program_objective& objective) {
    std::string reason;
    for (const auto& [name, value] : explain(objective, t.choice.facts)) {
        if (value < 0.005_s && -value < 0.005_s) continue;  // would print as 0.00
        reason += (reason.empty() ? "" : " + ") + std::string(name) + " " + fixed(value.value(), 2);
    }
    std::cout << padded(fixed(t.now.value(), 0) + " s", 7, true) << "  "
              << padded(rate_text(t.link.uplink_rate), 12, true) << "  "
              << padded(t.from.id + "/" + std::to_string(t.number), 26) << "  "
              << padded(std::string(config.places[t.choice.where].name) + (t.choice.switched ? " <-" : ""), 10)
              << padded(fixed(t.choice.cost.value(), 2), 7, true) << " s = " << reason << '\n';
}

/// Every endpoint, term by term.
void print_table(const routed_turn& t, const settings& config, const program_objective& objective) {
    const link_state link = usable(t.link);
    const auto difficulty = config.predictor(t.question.dialogue);
    std::vector<scenario<>> facts;
    std::cout << "\n    " << padded(t.from.id + "/" + std::to_string(t.number), 22);
    for (std::size_t i = 0; i < config.places.size(); ++i) {
        const endpoint& place = config.places[i];
        facts.push_back(facts_for(place, t.chat.held_by(i), t.question, link, difficulty(place), i));
        std::cout << padded(std::string(place.name), 12, true);
    }
    std::cout << '\n';
    for (const auto& line : explain(objective, facts[0])) {
        std::cout << "    " << padded(std::string(line.name), 22);
        for (const auto& each : facts)
            std::cout << padded(fixed(explain(objective, each).find(line.name)->value(), 3) + " s", 12, true);
        std::cout << '\n';
    }
    std::cout << "    " << padded("total", 22);
    for (const auto& each : facts) std::cout << padded(fixed(objective(each).value(), 3) + " s", 12, true);
    std::cout << "\n    " << padded("P(good answer)", 22);
    for (const auto& each : facts) std::cout << padded(fixed(1 - each.quality_loss.value(), 2), 12, true);
    std::cout << "\n    " << padded("history cached", 22);
    for (const auto& each : facts)
        std::cout << padded(fixed(each.prefix_hit.value(), 0) + " of " + fixed(each.prefix_tokens.value(), 0), 12,
                            true);
    std::cout << "\n\n";
}

void print_summary(std::ostream& out, const std::vector<summary>& all) {
    out << "\n  " << padded("rule", 26) << padded("turns", 8, true) << padded("mean", 10, true)
        << padded("p95", 10, true) << padded("quality", 10, true) << padded("remote", 10, true)
        << padded("switches", 10, true) << '\n';
    for (const summary& each : all) {
        const auto turns = static_cast<double>(std::max<std::size_t>(1, each.latencies.size()));
        out << "  " << padded(each.rule, 26) << padded(std::to_string(each.latencies.size()), 8, true)
            << padded(fixed(each.mean(), 2) + " s", 10, true) << padded(fixed(each.p95(), 2) + " s", 10, true)
            << padded(fixed(each.expected_quality / turns, 3), 10, true)
            << padded(fixed(100 * static_cast<double>(each.remote) / turns, 0) + " %", 10, true)
            << padded(std::to_string(each.switches), 10, true) << '\n';
    }
    out << "\n  mean and p95: seconds until the whole answer is there, on the recorded link; quality: P(good\n"
           "  answer) as predicted; remote: share of turns that left the device; switches: turns answered\n"
           "  elsewhere than the last one.\n";
}

}  // namespace

int run_route(route_options options) {
    const settings& config = options.config;
    std::optional<trace> recorded;
    if (!options.trace.empty()) {
        auto parsed = trace::parse(read_file(options.trace));
        if (!parsed) throw usage_error(options.trace + ": " + parsed.error().message);
        recorded = *std::move(parsed);
        // A loop of nothing, and round trips of which the costs overflow.
        if (recorded->duration() < 10_ms)
            throw usage_error(options.trace + ": column t_s: expected at least 10 ms in all, got " +
                              to_text(recorded->duration()));
        for (const trace_sample& sample : recorded->samples())
            if (sample.rtt > 1e6_s)
                throw usage_error(options.trace + ": column rtt_s: expected at most 1e6 s, got " +
                                  to_text(*sample.rtt) + " at t_s = " + to_text(sample.at));
    }
    const std::string name = options.input == "-" ? "stdin" : options.input;
    std::istringstream file(options.input == "-" ? "" : read_file(options.input));
    const program_objective objective = objective_of(config);

    simulation ours(config, recorded, config.rule, "this configuration");
    std::vector<dialogue> kept;  // only where they are needed again
    std::size_t explained = 0;
    bool titled = options.json;
    const std::size_t bad = read_dialogues(options.input == "-" ? std::cin : file, name, [&](const dialogue& one) {
        if (options.compare) kept.push_back(one);
        ours.run(one, [&](const routed_turn& t) {
            if (options.json) return print_json(t, config);
            if (!std::exchange(titled, true))
                std::cout << "   time        uplink  dialogue/turn               endpoint     cost   term by term\n";
            print_line(t, config, objective);
            const bool change = t.choice.switched || (explained == 0 && t.number == 1);
            if (change && explained < options.explain) {
                print_table(t, config, objective);
                ++explained;
            }
        });
    });

    if (options.compare) {
        std::vector<summary> all{ours.result()};
        const auto replay = [&](any_rule rule, std::string title) {
            simulation other(config, recorded, std::move(rule), std::move(title));
            for (const dialogue& one : kept) other.run(one);
            all.push_back(other.result());
        };
        for (std::size_t i = 0; i < config.places.size(); ++i)
            replay({always{i}}, "always " + std::string(config.places[i].name));
        if (config.places.size() == 2 && config.places[0].remote != config.places[1].remote) {
            const std::size_t remote = config.places[1].remote ? 1 : 0;
            const auto turns = static_cast<double>(std::max<std::size_t>(1, ours.result().latencies.size()));
            const double share = static_cast<double>(ours.result().remote) / turns;
            replay({random_rate{.rate = share, .small = 1 - remote, .large = remote}},
                   "random, rate " + fixed(share, 2));
        }
        print_summary(options.json ? std::cerr : std::cout, all);
    }
    return bad == 0 ? 0 : 1;
}
