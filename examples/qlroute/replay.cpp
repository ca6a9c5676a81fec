#include "commands.hpp"
#include "configured/files.hpp"
#include "configured/nearest.hpp"
#include "networks.hpp"
#include "replay_policies.hpp"
#include "replay_world.hpp"
#include "results_json.hpp"
#include "table_text.hpp"
#include "workloads.hpp"

#include <qlroute/eval/replay.hpp>
#include <qlroute/eval/replay_measures.hpp>
#include <qlroute/eval/static_split.hpp>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

using namespace qlroute;
using eval::turn_record;
using nlohmann::ordered_json;

namespace {

using records = std::vector<turn_record>;

/// How a setting did where it was tuned.
struct trial {
    const policy_setting* setting = nullptr;
    eval::operating_point at;
    std::vector<float> scores;  // mean of a dialogue's turns, one a calibration dialogue
};

/// "12 of 300 runs, 3.1e5 turns/s, 40 s left", on a terminal alone.
class progress {
public:
    explicit progress(std::size_t runs) : runs_(runs), shown_(isatty(2) != 0) {}
    void ran(std::size_t turns) {
        ++done_;
        turns_ += turns;
        if (!shown_) return;
        const auto now = std::chrono::steady_clock::now();
        if (now - last_ < std::chrono::milliseconds(250) && done_ < runs_) return;
        last_ = now;
        const double passed = std::chrono::duration<double>(now - begun_).count();
        const double left = passed / static_cast<double>(done_) * static_cast<double>(runs_ - std::min(done_, runs_));
        std::fprintf(stderr, "\r%zu of %zu runs, %.2g turns/s, %.0f s left \x1b[K", done_, runs_,
                     static_cast<double>(turns_) / std::max(passed, 1e-9), left);
    }
    void more(std::size_t runs) { runs_ += runs; }
    void end() const {
        if (shown_) std::fprintf(stderr, "\r\x1b[K");
    }

private:
    std::size_t runs_;
    bool shown_;
    std::size_t done_ = 0;
    std::size_t turns_ = 0;
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
    std::chrono::steady_clock::time_point last_{};
};

eval::operating_point point_of(const records& all) {
    eval::operating_point p;
    for (const turn_record& r : all) {
        p.latency += r.latency.value();
        p.quality += r.score;
        p.remote += r.remote_calls > 0 ? 1 : 0;
    }
    const auto n = static_cast<double>(std::max<std::size_t>(1, all.size()));
    return {p.remote / n, p.quality / n, p.latency / n};
}

std::string percent(const eval::estimate& e) {
    if (std::isnan(e.value)) return "-";
    return fixed(100 * e.value, 1) + " % [" + fixed(100 * e.low, 1) + ", " + fixed(100 * e.high, 1) + "]";
}

/// One workload, replayed by all policies.
class study {
public:
    study(const prepared_workload& prepared, std::span<const network> networks, const replay_options& options,
          progress& shown)
        : prepared_(prepared),
          networks_(networks),
          options_(options),
          shown_(shown),
          world_(world_of(prepared, networks, {.load = options.load, .seed = options.seed})),
          places_(profile_of(world_, prepared, networks)),
          off_(profile_of(world_, prepared, networks, {0.5, 2})) {
        std::size_t turn = 0;
        for (std::size_t d = 0; d < prepared.work.dialogues.size(); ++d) {
            const auto& one = prepared.work.dialogues[d];
            (one.calibration ? calibration_ : test_).push_back(d);
            for (std::size_t k = 0; k < one.turns.size(); ++k, ++turn)
                if (one.calibration) calibration_turns_.push_back(turn);
        }
        if (calibration_.empty() || test_.empty())
            throw usage_error("replay: workload " + prepared.work.name + ": no dialogue is left to " +
                              (test_.empty() ? "measure" : "tune") + " on; expected more rows");
        if (auto fault = eval::fault_in(prepared.work, endpoint_count)) throw usage_error("replay: " + fault->message);
    }

    ordered_json run() {
        auto families = policies_for(prepared_, places_, world_, calibration_turns_);
        const auto known = known_policies();
        for (const auto& f : families)
            if (std::find(known.begin(), known.end(), f.name) == known.end())
                throw usage_error("replay: policy " + f.name + " is not among the known ones; add it there");
        if (!options_.policies.empty())
            std::erase_if(families, [&](const policy_family& f) {
                const bool needed = f.kind == policy_kind::ours || f.kind == policy_kind::oracle ||
                                    f.name == "always_device" || f.name == "always_edge";
                return !needed &&
                       std::find(options_.policies.begin(), options_.policies.end(), f.name) == options_.policies.end();
            });
        const auto ablated = options_.ablations ? ablations_for(prepared_, places_, off_, world_, calibration_turns_)
                                                : std::vector<policy_family>{};
        for (const auto& f : families) shown_.more(f.settings.size());
        for (const auto& f : ablated) shown_.more(f.settings.size());

        for (const auto& f : families) tuned_.push_back(tune(f));
        const policy_family* ours = nullptr;
        for (std::size_t k = 0; k < families.size(); ++k) {
            tested_.push_back(test(families[k], *best_of(tuned_[k])->setting));
            if (families[k].kind == policy_kind::ours) ours = &families[k];
        }
        const std::size_t our_place = static_cast<std::size_t>(ours - families.data());
        const std::size_t device = place_of(families, "always_device"), edge = place_of(families, "always_edge");
        const std::size_t oracle = place_of(families, "oracle");
        const double weak = point_of(tested_[device]).quality, strong = point_of(tested_[edge]).quality;

        ordered_json out;
        out["workload"] = prepared_.work.name;
        out["score"] = prepared_.score_unit;
        for (std::size_t i = 0; i < endpoint_count; ++i) {
            const model_speed& s = prepared_.speeds[i];
            out["places"].push_back({{"name", places_.endpoints[i].name},
                                     {"model", prepared_.work.models[i]},
                                     {"device", s.device},
                                     {"speeds_of", s.preset},
                                     {"stand_in", s.is_stand_in},
                                     {"prefill_tok_s", s.prefill_rate.value()},
                                     {"decode_tok_s", s.decode_rate.value()}});
        }
        out["edge"] = {{"slots", world_.places[large_endpoint].slots},
                       {"kv_capacity_tokens", world_.places[large_endpoint].kv_capacity.value()},
                       {"load", options_.load},
                       {"dialogues_per_s", world_.dialogue_rate.value()}};
        for (const network& each : networks_)
            out["links"].push_back({{"name", each.name}, {"recordings", each.links.size()}, {"notes", each.notes}});
        out["n"] = {{"calibration_dialogues", calibration_.size()},
                    {"test_dialogues", test_.size()},
                    {"test_turns", tested_[device].size() / options_.rounds},
                    {"rounds", options_.rounds}};
        out["predictions"] = prepared_.given_predictions ? "given" : "bundled";
        out["notes"] = prepared_.notes;

        // Every policy as it was tuned.
        const auto oracle_totals = eval::totals_of(tested_[oracle], world_.deadline);
        for (std::size_t k = 0; k < families.size(); ++k) {
            const auto curve = curve_of(families[k], tuned_[k]);
            std::vector<eval::operating_point> ended = curve;
            ended.push_back(point_of(tested_[device]));
            ended.push_back(point_of(tested_[edge]));
            ordered_json p = json_of_policy(families[k], *best_of(tuned_[k]), tested_[k]);
            p["regret_s"] = json_of(regret(eval::totals_of(tested_[k], world_.deadline), oracle_totals));
            const bool has_a_dial = families[k].settings.size() > 1;
            const double none = std::nan("");
            p["apgr"] = has_a_dial ? eval::apgr_of_points(curve, weak, strong) : none;
            p["cpt50"] = has_a_dial ? eval::cpt_of_points(curve, weak, strong, 0.5) : none;
            p["cpt80"] = has_a_dial ? eval::cpt_of_points(curve, weak, strong, 0.8) : none;
            p["curve_area_s"] = eval::curve_area(ended, std::min(weak, strong), std::max(weak, strong));
            for (const auto& point : curve) p["curve"].push_back(json_of(point));
            out["policies"].push_back(std::move(p));
        }

        // Ours against each competitor, at its quality.
        std::size_t best = families.size();
        for (std::size_t k = 0; k < families.size(); ++k)
            if (families[k].kind == policy_kind::competitor &&
                (best == families.size() || price(best_of(tuned_[k])->at) < price(best_of(tuned_[best])->at)))
                best = k;
        std::map<std::string, records> ours_matched;
        for (std::size_t k = 0; k < families.size(); ++k) {
            if (families[k].kind != policy_kind::competitor) continue;
            const trial& mine = matched(tuned_[our_place], *best_of(tuned_[k]));
            if (!ours_matched.contains(mine.setting->dials))
                ours_matched[mine.setting->dials] = test(*ours, *mine.setting);
            const records& with = ours_matched[mine.setting->dials];
            const trial& foreseen = matched(tuned_[oracle], *best_of(tuned_[k]));
            const records with_oracle = test(families[oracle], *foreseen.setting);
            ordered_json m;
            m["competitor"] = families[k].name;
            m["dials"] = mine.setting->dials;
            add_change(m, with, tested_[k]);
            ordered_json h;
            add_change(h, with_oracle, tested_[k]);
            m["oracle"] = std::move(h);
            if (k == best) {
                out["headline"] = {{"workload", prepared_.work.name}, {"best_competitor", families[k].name}};
                for (const char* key : {"latency_change", "large_calls_change", "quality_change"})
                    out["headline"][key] = m[key];
                out["headline"]["oracle"] = m["oracle"];
                out["headline"]["dials"] = m["dials"];
                out["headline"]["n_dialogues"] = test_.size();
                best_matched_ = with;
            }
            out["matched"].push_back(std::move(m));
        }
        std::vector<std::size_t> shown{device, edge, our_place};
        if (best != device && best != edge) shown.push_back(best);
        out["by_network"] = by_network(families, shown);
        out["headline"]["by_network"] = changes_by_network(best_matched_, tested_[best]);

        const auto split = static_split_in_hindsight(tested_[device], tested_[edge]);
        out["static_split_in_hindsight"] = {{"large_calls", split.share},
                                            {"quality", split.score},
                                            {"latency_s", split.latency.value()},
                                            {"regret_s", split.cost.value() - price(point_of(tested_[oracle]))}};
        if (prepared_.work.turns() > prepared_.work.dialogues.size())
            out["timeline"] = timeline(*ours, *best_of(tuned_[our_place])->setting);

        // What each part of ours is worth, at the quality of the best competitor.
        for (const auto& f : ablated) {
            const auto trials = tune(f);
            const trial& without = matched(trials, *best_of(tuned_[best]));
            const records then = test(f, *without.setting);
            ordered_json a;
            a["ablation"] = f.name;
            a["dials"] = without.setting->dials;
            a["at"] = json_of(point_of(then));
            a["tuned"] = json_of(best_of(trials)->at);
            add_change(a, then, best_matched_);
            out["ablations"].push_back(std::move(a));
        }
        print(out);
        return out;
    }

private:
    records replayed(const policy_family& family, const policy_setting& setting, std::span<const std::size_t> which) {
        eval::world w = world_;
        w.known = family.known;
        records out;
        eval::replay(
            w, prepared_.work,
            {.places = places_.endpoints,
             .expected_output = prepared_.expected_output,
             .p_success = prepared_.prediction(family.predictions).p},
            which, setting.policy, [&](const turn_record& r) { out.push_back(r); }, options_.rounds);
        shown_.ran(out.size());
        return out;
    }
    records test(const policy_family& f, const policy_setting& s) { return replayed(f, s, test_); }

    std::vector<trial> tune(const policy_family& family) {
        std::vector<trial> out;
        for (const auto& setting : family.settings) {
            const records all = replayed(family, setting, calibration_);
            trial one{&setting, point_of(all), {}};
            for (const auto& d : eval::totals_of(all)) one.scores.push_back(static_cast<float>(d.score / d.turns));
            out.push_back(std::move(one));
        }
        return out;
    }
    double price(const eval::operating_point& p) const { return p.latency + options_.quality_price * (1 - p.quality); }
    const trial* best_of(const std::vector<trial>& trials) const {
        const trial* best = &trials[0];
        for (const trial& each : trials)
            if (price(each.at) < price(best->at)) best = &each;
        return best;
    }
    /// The least product of both ratios that are reported, at no less quality on the calibration dialogues: by half a
    /// standard error of the paired difference, since the best of many settings owes something to luck.
    static const trial& matched(const std::vector<trial>& trials, const trial& rival) {
        const auto ratios = [&](const eval::operating_point& p) {
            return p.latency / rival.at.latency * (rival.at.remote > 0 ? p.remote / rival.at.remote : 1 + p.remote);
        };
        const trial* best = nullptr;
        const trial* nearest = &trials[0];
        for (const trial& each : trials) {
            if (each.at.quality > nearest->at.quality) nearest = &each;
            double sum = 0, squares = 0;
            for (std::size_t d = 0; d < rival.scores.size(); ++d) {
                const double gain = static_cast<double>(each.scores[d]) - static_cast<double>(rival.scores[d]);
                sum += gain;
                squares += gain * gain;
            }
            const auto n = static_cast<double>(rival.scores.size());
            const double error = std::sqrt(std::max(squares / n - sum / n * (sum / n), 0.0) / n);
            if (sum / n < 0.5 * error) continue;
            if (best == nullptr || ratios(each.at) < ratios(best->at)) best = &each;
        }
        return best != nullptr ? *best : *nearest;
    }

    static std::size_t place_of(const std::vector<policy_family>& families, std::string_view name) {
        std::size_t k = 0;
        while (families[k].name != name) ++k;
        return k;
    }

    /// On the test dialogues, the settings that were worth choosing on the calibration dialogues.
    std::vector<eval::operating_point> curve_of(const policy_family& family, std::vector<trial> trials) {
        constexpr std::size_t most = 12;
        std::sort(trials.begin(), trials.end(), [](const trial& a, const trial& b) {
            return a.at.quality != b.at.quality ? a.at.quality > b.at.quality : a.at.latency < b.at.latency;
        });
        std::vector<const trial*> front;
        for (const trial& each : trials)
            if (front.empty() || each.at.latency < front.back()->at.latency - 1e-9) front.push_back(&each);
        // Policies without regard to latency are not monotone in it: their dial is shown as it is.
        if (front.size() < 3) {
            front.clear();
            for (const trial& each : trials) front.push_back(&each);
        }
        std::vector<eval::operating_point> out;
        const std::size_t count = std::min(most, front.size());
        for (std::size_t k = 0; k < count; ++k) {
            const std::size_t at = count == 1 ? 0 : k * (front.size() - 1) / (count - 1);
            out.push_back(point_of(test(family, *front[at]->setting)));
        }
        return out;
    }

    ordered_json json_of_policy(const policy_family& f, const trial& t, const records& tested) {
        const auto s = eval::summary_of(tested, world_.deadline, options_.resamples, options_.seed);
        ordered_json p;
        p["policy"] = f.name;
        p["kind"] = f.kind == policy_kind::ours ? "ours" : f.kind == policy_kind::oracle ? "oracle" : "competitor";
        p["predictions"] = f.predictions;
        p["dials"] = t.setting->dials;
        p["calibration"] = json_of(t.at);
        p["quality"] = json_of(s.quality);
        p["latency_s"] = json_of(s.latency);
        p["ttft_s"] = json_of(s.ttft);
        p["large_calls"] = json_of(s.remote);
        p["latency_p50_s"] = s.latency_p50;
        p["latency_p95_s"] = s.latency_p95;
        p["latency_p99_s"] = s.latency_p99;
        p["ttft_p50_s"] = s.ttft_p50;
        p["ttft_p95_s"] = s.ttft_p95;
        p["switches_per_turn"] = s.switches;
        p["reprefilled_tokens_per_turn"] = s.reread;
        p["joules_per_turn"] = s.energy;
        p["deadline_misses"] = s.late;
        p["gave_up"] = s.gave_up;
        return p;
    }

    /// How much more a turn costs than the oracle's, at the price of quality.
    eval::estimate regret(const std::vector<eval::dialogue_totals>& ours,
                          const std::vector<eval::dialogue_totals>& oracle) const {
        return eval::bootstrap(
            ours.size(),
            [&](std::span<const std::size_t> picked) {
                const auto cost = [&](const std::vector<eval::dialogue_totals>& of) {
                    const double latency = eval::detail::ratio_of(of, picked, &eval::dialogue_totals::latency,
                                                                  &eval::dialogue_totals::turns);
                    const double score = eval::detail::ratio_of(of, picked, &eval::dialogue_totals::score,
                                                                &eval::dialogue_totals::turns);
                    return latency + options_.quality_price * (1 - score);
                };
                return cost(ours) - cost(oracle);
            },
            options_.resamples, options_.seed);
    }

    void add_change(ordered_json& out, const records& ours, const records& rival) const {
        const auto change =
            eval::change_between(eval::totals_of(ours), eval::totals_of(rival), options_.resamples, options_.seed);
        out["latency_change"] = json_of(change.latency);
        out["large_calls_change"] =
            std::isnan(change.remote_calls.value) ? ordered_json() : json_of(change.remote_calls);
        out["quality_change"] = json_of(change.quality);
    }

    static records of_network(const records& all, std::size_t network) {
        records out;
        for (const turn_record& r : all)
            if (r.network == network) out.push_back(r);
        return out;
    }
    ordered_json changes_by_network(const records& ours, const records& rival) const {
        ordered_json out;
        for (std::size_t n = 0; n < networks_.size(); ++n) {
            ordered_json one;
            one["network"] = networks_[n].name;
            add_change(one, of_network(ours, n), of_network(rival, n));
            out.push_back(std::move(one));
        }
        return out;
    }
    /// Latencies by network, as quantiles from 0 to 100 %.
    ordered_json by_network(const std::vector<policy_family>& families, const std::vector<std::size_t>& which) const {
        ordered_json out;
        for (std::size_t n = 0; n < networks_.size(); ++n)
            for (std::size_t w = 0; w <= which.size(); ++w) {
                const bool at_best = w == which.size();
                const records all = of_network(at_best ? best_matched_ : tested_[which[w]], n);
                if (all.empty()) continue;
                std::vector<double> latencies;
                for (const turn_record& r : all) latencies.push_back(r.latency.value());
                std::sort(latencies.begin(), latencies.end());
                ordered_json one;
                one["network"] = networks_[n].name;
                one["policy"] = at_best ? "qlroute, at the best competitor's quality" : families[which[w]].name;
                const auto p = point_of(all);
                one["turns"] = all.size();
                one["at"] = json_of(p);
                for (int k = 0; k <= 100; k += 2)
                    one["latency_quantiles_s"].push_back(
                        latencies[static_cast<std::size_t>(k) * (latencies.size() - 1) / 100]);
                out.push_back(std::move(one));
            }
        return out;
    }

    /// The share of random turns that would have been best, had one known what comes of it.
    eval::static_split static_split_in_hindsight(const records& device, const records& edge) const {
        std::array<std::vector<double>, 4> columns;
        const auto fill = [&](const records& all, std::size_t score, std::size_t latency) {
            for (const turn_record& r : all) {
                columns[score].push_back(r.score);
                columns[latency].push_back(r.latency.value());
            }
        };
        fill(device, 0, 1);
        fill(edge, 2, 3);
        const auto split =
            eval::best_static_split(columns[0], columns[1], columns[2], columns[3], seconds(options_.quality_price));
        if (!split) throw usage_error("replay: " + split.error().message);
        return *split;
    }

    /// One dialogue of many changes: its link, second by second, and what both places would have cost at every turn.
    ordered_json timeline(const policy_family& family, const policy_setting& setting) {
        eval::world w = world_;
        w.known = family.known;
        const eval::router_view view{.places = places_.endpoints,
                                     .expected_output = prepared_.expected_output,
                                     .p_success = prepared_.prediction(family.predictions).p};
        std::map<std::size_t, std::pair<std::size_t, double>> changes;  // of places, and of the link
        eval::replay(w, prepared_.work, view, test_, setting.policy, [&](const turn_record& r) {
            auto& [switches, worst] = changes[r.dialogue];
            switches += (r.switched ? 1u : 0u) + (r.gave_up ? 1u : 0u);
            worst = std::max(worst, r.latency.value());
        });
        std::size_t shown = test_[0];
        for (const auto& [dialogue, change] : changes)
            if (change > changes[shown]) shown = dialogue;

        std::map<std::size_t, ordered_json> costs;  // by the turn's number
        any_policy watching = setting.policy;
        watching.decide = [&](const eval::situation& s) {
            ordered_json both;
            for (std::size_t i = 0; i < s.places.size(); ++i)
                for (const auto& [name, value] : setting.policy.lines(s, i))
                    both[std::string(s.places[i].name)][name] = value.value();
            costs[s.number] = std::move(both);
            return setting.policy.decide(s);
        };
        ordered_json out;
        records turns;
        eval::replay(w, prepared_.work, view, test_, watching, [&](const turn_record& r) {
            if (r.dialogue == shown) turns.push_back(r);
        });
        const eval::met_link met = eval::link_of(w, shown);
        out["dialogue"] = prepared_.work.dialogues[shown].id;
        out["network"] = w.networks[met.network].name;
        const double begun = turns.front().decided.value();
        const double ended = (turns.back().decided + turns.back().latency).value();
        for (double t = -10; t <= std::min(ended - begun + 10, 900.0); t += 1) {
            const auto at = [&](const trace& of) {
                return of.at(of.samples()[0].at + met.share * of.duration() + seconds(t));
            };
            const auto rate = [](const std::optional<bits_per_second>& r) {
                return r ? ordered_json(r->value()) : ordered_json();
            };
            out["link"].push_back({{"t_s", t},
                                   {"uplink_bps", rate(at(*met.link.up).uplink_rate)},
                                   {"downlink_bps", rate(at(*met.link.down).downlink_rate)}});
        }
        for (const turn_record& r : turns)
            out["turns"].push_back({{"decided_s", r.decided.value() - begun},
                                    {"answered_s", (r.decided + r.latency).value() - begun},
                                    {"endpoint", places_.endpoints[r.chosen].name},
                                    {"answered_by", places_.endpoints[r.answered].name},
                                    {"gave_up", r.gave_up},
                                    {"latency_s", r.latency.value()},
                                    {"costs", costs[r.number]}});
        return out;
    }

    void print(const ordered_json& out) {
        const auto value = [](const ordered_json& e) { return e[0].get<double>(); };
        const auto interval = [](const ordered_json& e, int decimals) {
            return fixed(e[0].get<double>(), decimals) + " [" + fixed(e[1].get<double>(), decimals) + ", " +
                   fixed(e[2].get<double>(), decimals) + "]";
        };
        std::ostringstream t;
        t << "\n"
          << prepared_.work.name << ": " << prepared_.work.models[0] << " on " << prepared_.speeds[0].device << ", "
          << prepared_.work.models[1] << " on " << prepared_.speeds[1].device << "; " << test_.size() << " dialogues, "
          << tested_[0].size() / options_.rounds << " turns, " << options_.rounds << " rounds\n\n";
        t << "  " << padded("policy", 26) << padded("quality", 24, true) << padded("latency s", 24, true)
          << padded("p95", 8, true) << padded("ttft", 8, true) << padded("large %", 9, true)
          << padded("switch %", 10, true) << padded("J", 8, true) << padded("late %", 8, true)
          << padded("regret s", 10, true) << '\n';
        for (const auto& p : out["policies"])
            t << "  " << padded(p["policy"], 26) << padded(interval(p["quality"], 3), 24, true)
              << padded(interval(p["latency_s"], 2), 24, true) << padded(fixed(p["latency_p95_s"], 1), 8, true)
              << padded(fixed(value(p["ttft_s"]), 2), 8, true)
              << padded(fixed(100 * value(p["large_calls"]), 1), 9, true)
              << padded(fixed(100 * p["switches_per_turn"].get<double>(), 1), 10, true)
              << padded(fixed(p["joules_per_turn"], 1), 8, true)
              << padded(fixed(100 * p["deadline_misses"].get<double>(), 1), 8, true)
              << padded(fixed(value(p["regret_s"]), 2), 10, true) << '\n';
        const auto line = [&](const ordered_json& c) {
            const auto read = [&](const char* key) {
                const auto& e = c[key];
                if (e.is_null()) return std::string("-");
                return percent({e[0].is_null() ? std::nan("") : e[0].get<double>(),
                                e[1].is_null() ? 0 : e[1].get<double>(), e[2].is_null() ? 0 : e[2].get<double>()});
            };
            return "latency " + read("latency_change") + ", large calls " + read("large_calls_change") + ", quality " +
                   read("quality_change");
        };
        const auto& split = out["static_split_in_hindsight"];
        t << "  " << padded("static split in hindsight", 26) << padded(fixed(split["quality"], 3), 24, true)
          << padded(fixed(split["latency_s"], 2), 24, true) << padded("", 16, true)
          << padded(fixed(100 * split["large_calls"].get<double>(), 1), 9, true) << padded("", 26, true)
          << padded(fixed(split["regret_s"], 2), 10, true) << '\n';
        t << "\n  at the quality of each competitor\n";
        for (const auto& m : out["matched"]) t << "    " << padded(m["competitor"], 26) << line(m) << '\n';
        t << "\n  best competitor: " << out["headline"]["best_competitor"].get<std::string>() << ": "
          << line(out["headline"]) << "\n  the oracle there: " << line(out["headline"]["oracle"]) << '\n';
        for (const auto& n : out["headline"]["by_network"]) t << "    " << padded(n["network"], 14) << line(n) << '\n';
        if (out.contains("ablations")) {
            t << "\n  against qlroute, at the same quality\n";
            for (const auto& a : out["ablations"]) t << "    " << padded(a["ablation"], 28) << line(a) << '\n';
        }
        text_ = t.str();
    }

public:
    const std::string& text() const { return text_; }

private:
    const prepared_workload& prepared_;
    std::span<const network> networks_;
    const replay_options& options_;
    progress& shown_;
    eval::world world_;
    profiled_places places_;
    profiled_places off_;
    std::vector<std::size_t> calibration_, test_, calibration_turns_;
    std::vector<std::vector<trial>> tuned_;
    std::vector<records> tested_;
    records best_matched_;
    std::string text_;
};

template <class Names>
std::vector<std::string> chosen(const std::vector<std::string>& asked, const Names& known, const std::string& option,
                                const std::string& what) {
    std::vector<std::string> out;
    for (const std::string& name : asked) {
        if (name == "all") return {known.begin(), known.end()};
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            std::string all;
            for (const auto each : known) (all += all.empty() ? "" : ", ") += each;
            throw usage_error(option + ": unknown " + what + " \"" + name + "\"; known are " + all);
        }
        if (std::find(out.begin(), out.end(), name) == out.end()) out.push_back(name);
    }
    return out;
}

}  // namespace

int run_replay(const replay_options& asked) {
    replay_options options = asked;
    const auto workloads = chosen(options.workloads, known_workloads(), "--workload", "workload");
    const auto links = chosen(options.links, known_networks(), "--links", "network");
    options.policies = chosen(options.policies, known_policies(), "--policies", "policy");
    const auto write = [&](const std::string& name, const std::string& content) {
        const std::string path = options.out + "/" + name;
        std::ofstream file(path, std::ios::binary);
        file << content;
        if (!file.flush()) throw usage_error("--out: cannot write " + path);
    };
    // Whatever may be wrong with files is said before anything is replayed.
    if (!options.out.empty()) {
        std::error_code failed;
        std::filesystem::create_directories(options.out, failed);
        if (failed) throw usage_error("--out: cannot make the folder " + options.out + ": " + failed.message());
        write("report.txt", "");
    }
    std::vector<network> networks;
    for (const std::string& name : links) networks.push_back(read_network(options.data, name));
    std::vector<prepared_workload> all;
    for (const std::string& name : workloads)
        all.push_back(prepare_workload(name, {.data = options.data,
                                              .predictions = options.predictions,
                                              .speeds = options.speeds,
                                              .calibration = options.calibration,
                                              .most_dialogues = options.most_dialogues,
                                              .seed = options.seed}));

    progress shown(0);
    ordered_json report;
    report["schema"] = "qlroute.replay/1";
    report["seed"] = options.seed;
    report["quality_price_s"] = options.quality_price;
    report["resamples"] = options.resamples;
    report["calibration_share"] = options.calibration;
    report["most_dialogues"] = options.most_dialogues;
    report["headline"] = ordered_json::array();
    report["workloads"] = ordered_json::array();
    std::string text;
    std::size_t bad = 0;
    for (const prepared_workload& prepared : all) {
        bad += prepared.bad;
        study one(prepared, networks, options, shown);
        auto result = one.run();
        shown.end();
        std::cout << one.text() << std::flush;
        text += one.text();
        ordered_json headline;
        for (const char* key : {"workload", "best_competitor", "latency_change", "large_calls_change", "quality_change",
                                "oracle", "n_dialogues"})
            headline[key] = result["headline"][key];
        report["headline"].push_back(std::move(headline));
        report["workloads"].push_back(std::move(result));
    }
    if (!options.out.empty()) {
        write("report.json", report.dump(1) + "\n");
        write("report.txt", text);
    }
    return bad == 0 ? 0 : 1;
}
