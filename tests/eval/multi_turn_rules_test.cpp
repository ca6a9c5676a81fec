#include <qlroute/eval/multi_turn_rules.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include <qlroute/eval/replica_rules.hpp>
#include <qlroute/eval/seed_rules.hpp>
#include <qlroute/route/router.hpp>

#include "support/allocations.hpp"
#include "support/candidates.hpp"

using namespace qlroute;
using namespace qlroute::eval;
using namespace qlroute::test;

static_assert(selection_rule<session_sticky<always>, listed>);
static_assert(selection_rule<sr_cache_affinity<>, listed>);
static_assert(selection_rule<sr_switch_gate<>, listed>);
static_assert(selection_rule<sr_session_aware<>, listed>);

namespace {

/// The indices that a selector of the source would be given: all that can serve, or all.
std::vector<std::size_t> eligible(const listed& all) {
    std::vector<std::size_t> out;
    for (const auto& one : all.all)
        if (one.can_serve) out.push_back(one.where);
    if (out.empty())
        for (const auto& one : all.all) out.push_back(one.where);
    return out;
}

bool among(const std::vector<std::size_t>& all, std::size_t i) {
    return std::find(all.begin(), all.end(), i) != all.end();
}

/// The first of the greatest.
std::size_t argmax(const std::vector<std::size_t>& candidates, const std::map<std::size_t, double>& score) {
    std::size_t best = candidates.front();
    for (const std::size_t i : candidates)
        if (score.at(i) > score.at(best)) best = i;
    return best;
}

std::map<std::size_t, double> p_success(const listed& all) {
    std::map<std::size_t, double> out;
    for (const auto& one : all.all) out[one.where] = 1 - one.facts.quality_loss.value();
    return out;
}

double clamp01(double x) { return std::max(0.0, std::min(1.0, x)); }

/// round_facts() has 1000 tokens of history, 600 of them cached, and 100 new ones.
listed two_with(double small, double large) { return candidates_with({small, large}); }

}  // namespace

TEST_CASE("session_sticky decides the first turn and then stays") {
    const session_sticky<always> rule{.first = {.where = 1}};
    const listed three = candidates_with({0.9, 0.5, 0.7});
    CHECK(rule(three, dialogue_at(3, {})).where == 1);
    CHECK(rule(three, dialogue_at(3, {2})).where == 2);
    CHECK(rule(three, dialogue_at(3, {2, 0})).where == 0);
    CHECK(session_sticky<gap_threshold>{.first = {.theta = 0.2}}(two_with(0.5, 0.9), dialogue_at(2, {})).where == 1);
    CHECK(session_sticky<gap_threshold>{.first = {.theta = 0.2}}(two_with(0.5, 0.9), dialogue_at(2, {0})).where == 0);
}

TEST_CASE("session_sticky asks again where the dialogue cannot stay") {
    const session_sticky<always> rule{.first = {.where = 1}};
    listed three = candidates_with({0.9, 0.5, 0.7});
    three.at(2).can_serve = false;
    CHECK(rule(three, dialogue_at(3, {2})).where == 1);
    three.at(1).can_serve = false;
    CHECK(rule(three, dialogue_at(3, {2})).where == 2);  // the answer cannot serve either
}

TEST_CASE("cache affinity is a tie-breaker for the endpoint of the last turn") {
    // reuse = 1000 / 1100, mass = 1000 / 4096, turn = 1 / 4: W = 0.5448, lambda = 0.0763, E = 0.8557 and -0.1907,
    // C = 0.7795: +0.0413 here, -0.0112 there, both times 1 - gap / 0.20
    const sr_cache_affinity<> rule{};
    const session chat = dialogue_at(2, {0});
    CHECK(rule(two_with(0.5, 0.5), chat).where == 0);
    CHECK(rule(two_with(0.5, 0.5415), chat).where == 0);  // 0.0525 * 0.7925 = 0.0416
    CHECK(rule(two_with(0.5, 0.5417), chat).where == 1);  // 0.0525 * 0.7915 = 0.0415
    CHECK(rule(two_with(0.5, 0.5), dialogue_at(2, {1})).where == 1);
    CHECK(rule(two_with(0.5, 0.8), chat).where == 1);  // a gap of 0.20 or more is clear
}

TEST_CASE("cache affinity has no say in a first turn, nor with one candidate") {
    scenario<> first = round_facts();
    first.prefix_tokens = first.prefix_hit = 0_tok;
    CHECK(sr_cache_affinity<>{}(candidates_with({0.5, 0.5001}, first), dialogue_at(2, {})).where == 1);
    CHECK(sr_cache_affinity<>{}(candidates_with({0.5}), dialogue_at(1, {0})).where == 0);
    listed two = two_with(0.5, 0.5001);
    two.at(1).can_serve = false;
    CHECK(sr_cache_affinity<>{}(two, dialogue_at(2, {1})).where == 0);
}

TEST_CASE("cache affinity prefers the window that the context fits") {
    // 1100 tokens; nobody has answered, so that nothing but the fit differs
    const auto larger_fit = [](double first, double second) {
        const tokens windows[] = {tokens(first), tokens(second)};
        return sr_cache_affinity<>{.score = {}, .context_windows = windows}(two_with(0.5, 0.5), dialogue_at(2, {}))
            .where;
    };
    CHECK(larger_fit(2199, 2200) == 1);  // 0.7 and 1
    CHECK(larger_fit(2199, 1467) == 0);  // both 0.7
    CHECK(larger_fit(1466, 1467) == 1);  // 0.3 and 0.7
    CHECK(larger_fit(1466, 1100) == 0);  // both 0.3
    CHECK(larger_fit(1099, 1100) == 1);  // 0 and 0.3
    CHECK(larger_fit(1100, 0) == 1);     // 0.3 and 0.5, not known
    CHECK(larger_fit(0, 1467) == 1);     // 0.5 and 0.7
}

TEST_CASE("cache affinity trusts less where it does not know who answered") {
    // W = 0.4823, lambda = 0.0675, E = -0.0938 and -0.2438, C = 0.6 * 0.6670 and 0.6 * 0.5170: a difference of 0.0025
    const tokens windows[] = {2200_tok, 1000_tok};
    const sr_cache_affinity<> rule{.score = {}, .context_windows = windows};
    CHECK(rule(two_with(0.5, 0.502), dialogue_at(2, {})).where == 0);
    CHECK(rule(two_with(0.5, 0.503), dialogue_at(2, {})).where == 1);
}

TEST_CASE("cache affinity agrees with the source's formulas") {
    random_facts random(31);
    int moved = 0;
    for (int k = 0; k < 1000; ++k) {
        const auto count = static_cast<std::size_t>(random.whole(1, 5));
        const listed all = random_candidates(random, count);
        const auto answers = random_answers(random, count);
        const session chat = dialogue_at(count, answers);
        std::vector<tokens> windows;
        if (random.between(0, 1) < 0.5)
            for (std::size_t i = 0; i < count; ++i) windows.push_back(tokens(random.whole(-2, 8) * 2000));

        const auto candidates = eligible(all);
        const auto base = p_success(all);
        const double history = all[0].facts.prefix_tokens.value();
        const double context = history + all[0].facts.new_tokens.value();
        const auto turns = static_cast<double>(answers.size());
        auto adjusted = base;
        if (candidates.size() >= 2 && (turns > 0 || history > 0)) {
            const double reuse = clamp01(history / std::max(context, 1.0));
            const double mass = clamp01(history / 4096);
            const double turn = clamp01(turns / 4);
            const double w = clamp01(0.45 * reuse + 0.30 * mass + 0.25 * turn);
            std::vector<double> sorted;
            for (const std::size_t i : candidates) sorted.push_back(base.at(i));
            std::sort(sorted.rbegin(), sorted.rend());
            const double lambda = 0.14 * w * clamp01(1 - (sorted[0] - sorted[1]) / 0.20);
            for (const std::size_t i : candidates) {
                const double same = !answers.empty() && answers.back() == i ? 1 : 0;
                double fit = 0.5;
                if (!windows.empty() && windows[i].value() > 0) {
                    const double own = all[i].facts.prefix_tokens.value() + all[i].facts.new_tokens.value();
                    const double window = windows[i].value();
                    fit = own <= 0.5 * window ? 1.0 : own <= 0.75 * window ? 0.7 : own <= window ? 0.3 : 0.0;
                }
                const double e =
                    0.50 * same + 0.35 * same * reuse + 0.15 * same * turn - 0.35 * (1 - same) * w + 0.15 * (fit - 0.5);
                const double known = answers.empty() ? 0 : 1;
                double c = clamp01(0.15 + 0.35 * reuse + 0.20 * mass + 0.15 * turn + 0.15 * fit + 0.15 * known);
                if (answers.empty()) c *= 0.6;
                adjusted[i] += lambda * c * std::tanh(e);
            }
        }
        const std::size_t expected = argmax(candidates, adjusted);
        REQUIRE(sr_cache_affinity<>{.score = {}, .context_windows = windows}(all, chat).where == expected);
        moved += expected != argmax(candidates, base);
    }
    CHECK(moved > 50);
}

TEST_CASE("the switch gate leaves only for an advantage beyond hand-off and warm cache") {
    // warmth 0.6: 0.05 + 0.1 * 0.6 = 0.11
    const sr_switch_gate<> rule{};
    CHECK(rule(two_with(0.5, 0.609), dialogue_at(2, {0})).where == 0);
    CHECK(rule(two_with(0.5, 0.611), dialogue_at(2, {0})).where == 1);
    CHECK(rule(two_with(0.611, 0.5), dialogue_at(2, {1})).where == 0);
    CHECK(rule(two_with(0.5, 0.501), dialogue_at(2, {1})).where == 1);
    CHECK(rule(two_with(0.5, 0.501), dialogue_at(2, {})).where == 1);  // no one to stay with
    const sr_switch_gate<> strict{.min_advantage = 0.25};
    CHECK(strict(two_with(0.5, 0.85), dialogue_at(2, {0})).where == 0);
    CHECK(strict(two_with(0.5, 0.87), dialogue_at(2, {0})).where == 1);
    const sr_switch_gate<> exact{.cache_warmth_weight = 0, .handoff = 0.25};
    CHECK(exact(two_with(0.5, 0.75), dialogue_at(2, {0})).where == 0);  // no advantage is not more than none
    listed down = two_with(0.5, 0.501);
    down.at(0).can_serve = false;
    CHECK(rule(down, dialogue_at(2, {0})).where == 1);
}

TEST_CASE("the switch gate agrees with the source's test case") {
    // scores 0.70 and 0.72, hand-off 0.05, warmth 0.8 weighed 0.1: 0.02 - 0.05 - 0.08 is no advantage
    scenario<> s = round_facts();
    s.prefix_hit = 800_tok;
    CHECK(sr_switch_gate<>{}(candidates_with({0.70, 0.72}, s), dialogue_at(2, {0})).where == 0);
    CHECK(sr_switch_gate<>{}(candidates_with({0.70, 0.829}, s), dialogue_at(2, {0})).where == 0);
    CHECK(sr_switch_gate<>{}(candidates_with({0.70, 0.831}, s), dialogue_at(2, {0})).where == 1);
}

TEST_CASE("the switch gate agrees with the source's formulas") {
    random_facts random(32);
    int stayed = 0, left = 0;
    for (int k = 0; k < 1000; ++k) {
        const auto count = static_cast<std::size_t>(random.whole(1, 5));
        const listed all = random_candidates(random, count);
        const auto answers = random_answers(random, count);
        const double weight = random.between(0, 0.2);
        const double handoff = random.between(0, 0.1);
        const double least = random.between(0, 0.05);

        const auto candidates = eligible(all);
        const auto score = p_success(all);
        const std::size_t candidate = argmax(candidates, score);
        std::size_t expected = candidate;
        if (!answers.empty() && answers.back() != candidate && among(candidates, answers.back())) {
            const std::size_t current = answers.back();
            const double prefix = all[current].facts.prefix_tokens.value();
            const double warmth = prefix > 0 ? clamp01(all[current].facts.prefix_hit.value() / prefix) : 0;
            const double net = (score.at(candidate) - score.at(current)) - handoff - weight * warmth;
            if (!(net > least)) expected = current;
            (net > least ? left : stayed) += 1;
        }
        const sr_switch_gate<> rule{.cache_warmth_weight = weight, .handoff = handoff, .min_advantage = least};
        REQUIRE(rule(all, dialogue_at(count, answers)).where == expected);
    }
    CHECK(stayed > 50);
    CHECK(left > 50);
}

TEST_CASE("session-aware selection weighs what a switch gains against what it puts at stake") {
    // mass = 0.45 * 1000 / 1100 + 0.35 * 1000 / 8192 + 0.20 / 8 = 0.47681, prefix = 0.20 * mass * 0.6 * 1.75 = 0.10013
    // here + 0.10 + 0.10013; there + gap - 0.05 - 0.10013 - 0.05: 2 gap > 0.40026
    const sr_session_aware<> rule{};
    const session chat = dialogue_at(2, {0});
    CHECK(rule(two_with(0.5, 0.7), chat).where == 0);
    CHECK(rule(two_with(0.5, 0.7005), chat).where == 1);
    CHECK(rule(two_with(0.5, 0.501), dialogue_at(2, {})).where == 1);  // no one to stay with
    // without a table of gaps: gap > 0.40026
    const sr_session_aware<> no_table{.quality_gap_multiplier = 0};
    CHECK(no_table(two_with(0.5, 0.9), chat).where == 0);
    CHECK(no_table(two_with(0.5, 0.9005), chat).where == 1);
    // one switch in the past: 0.04 / 8 more, and mass is larger by 0.025, prefix by 0.00525
    CHECK(rule(two_with(0.5, 0.7), dialogue_at(2, {1, 0})).where == 0);
    CHECK(rule(two_with(0.5, 0.7075), dialogue_at(2, {1, 0})).where == 0);
    CHECK(rule(two_with(0.5, 0.708), dialogue_at(2, {1, 0})).where == 1);
}

TEST_CASE("session-aware selection takes an unknown cache to be half warm") {
    // 8 turns without a history: mass = 0.20, prefix = 0.20 * 0.20 * 0.5 * 1.75 = 0.035: 2 gap > 0.27
    scenario<> s = round_facts();
    s.prefix_tokens = s.prefix_hit = 0_tok;
    const session chat = dialogue_at(2, {0, 0, 0, 0, 0, 0, 0, 0});
    CHECK(sr_session_aware<>{}(candidates_with({0.5, 0.634}, s), chat).where == 0);
    CHECK(sr_session_aware<>{}(candidates_with({0.5, 0.636}, s), chat).where == 1);
}

TEST_CASE("session-aware selection forgets the dialogue when it was idle") {
    scenario<> s = round_facts();
    s.connection_idle = 300_s;
    CHECK(sr_session_aware<>{}(candidates_with({0.5, 0.501}, s), dialogue_at(2, {0})).where == 1);
    CHECK(sr_session_aware<>{}(candidates_with({0.5, 0.5}, s), dialogue_at(2, {1})).where == 0);  // first of equals
    const sr_session_aware<> never{.idle_timeout = 0_s};
    CHECK(never(candidates_with({0.5, 0.501}, s), dialogue_at(2, {0})).where == 0);
    s.connection_idle = 299_s;
    CHECK(sr_session_aware<>{}(candidates_with({0.5, 0.501}, s), dialogue_at(2, {0})).where == 0);
}

TEST_CASE("session-aware selection stays for its least number of turns, and never where it cannot serve") {
    const sr_session_aware<> rule{.min_turns_before_switch = 2};
    CHECK(rule(two_with(0.1, 0.9), dialogue_at(2, {0})).where == 0);
    CHECK(rule(two_with(0.1, 0.9), dialogue_at(2, {0, 0})).where == 1);
    listed down = two_with(0.9, 0.1);
    down.at(0).can_serve = false;
    CHECK(rule(down, dialogue_at(2, {0})).where == 1);
}

TEST_CASE("session-aware selection agrees with the source's formulas") {
    random_facts random(33);
    int stayed = 0, left = 0;
    for (int k = 0; k < 2000; ++k) {
        const auto count = static_cast<std::size_t>(random.whole(1, 4));
        listed all = random_candidates(random, count);
        for (auto& one : all.all) one.facts.quality_loss = random.between(0, 1);
        const auto answers = random_answers(random, count);
        std::vector<double> pressures;
        if (random.between(0, 1) < 0.5)
            for (std::size_t i = 0; i < count; ++i) pressures.push_back(random.between(0, 1));
        const double multiplier = random.between(0, 1) < 0.5 ? 1 : 0;
        const auto least_turns = static_cast<std::size_t>(random.whole(1, 3));

        const auto candidates = eligible(all);
        const auto base = p_success(all);
        std::size_t expected = argmax(candidates, base);
        if (!answers.empty() && among(candidates, answers.back())) {
            const std::size_t current = answers.back();
            const auto& s = all[current].facts;
            const bool idle = s.connection_idle.value() >= 300;
            const double history = s.prefix_tokens.value();
            const double context = std::max(history + s.new_tokens.value(), 1.0);
            const double mass = clamp01(0.45 * clamp01(history / context) + 0.35 * clamp01(history / 8192) +
                                        0.20 * clamp01(static_cast<double>(answers.size()) / 8));
            const double warmth = history > 0 ? clamp01(s.prefix_hit.value() / history) : 0.5;
            const auto cost_multiplier = [&](std::size_t a, std::size_t b) {
                const double of_a = pressures.empty() ? 0.5 : pressures[a];
                const double of_b = pressures.empty() ? 0.5 : pressures[b];
                return 1 + (2.5 - 1) * std::max(of_a, of_b);
            };
            // every endpoint that has answered, less the first
            const auto switches = static_cast<double>(std::set(answers.begin(), answers.end()).size()) - 1;
            if (answers.size() < least_turns && !idle) {
                expected = current;
            } else {
                std::map<std::size_t, double> adjusted;
                for (const std::size_t i : candidates) {
                    double score = base.at(i);
                    if (i == current) {
                        if (!idle) score += 0.10 + 0.20 * mass * warmth * cost_multiplier(current, current);
                    } else {
                        const double delta = base.at(i) - base.at(current);
                        const double gap = multiplier * delta;
                        score += gap;
                        if (!idle) {
                            score -= 0.05;                                                // hand-off
                            score -= 0.20 * mass * warmth * cost_multiplier(current, i);  // prefix cache
                            score -= switches > 0 ? 0.04 * clamp01(switches / 8) : 0;     // history of switches
                            score -= 0.05;                                                // margin
                            if (delta <= 0 && gap <= 0) score -= 0.10;                    // nothing for it
                        }
                    }
                    adjusted[i] = score;
                }
                expected = argmax(candidates, adjusted);
            }
            (expected == current ? stayed : left) += 1;
        }
        const sr_session_aware<> rule{
            .quality_gap_multiplier = multiplier, .min_turns_before_switch = least_turns, .cost_pressures = pressures};
        REQUIRE(rule(all, dialogue_at(count, answers)).where == expected);
    }
    CHECK(stayed > 200);
    CHECK(left > 200);
}

TEST_CASE("the rules of the semantic router take another score") {
    // large is better by 0.3, and a second is worth 0.1: it waits for 5 s
    listed two = two_with(0.5, 0.8);
    two.at(1).facts.queue_delay = 5_s;
    const predicted_utility<> with_time{.mu = 0.1 / 1_s};
    const session chat = dialogue_at(2, {0});
    CHECK(sr_switch_gate<>{}(two, chat).where == 1);
    CHECK(sr_switch_gate<>{.score = with_time}(two, chat).where == 0);
    CHECK(sr_cache_affinity<>{}(two, chat).where == 1);
    CHECK(sr_cache_affinity<>{.score = with_time, .context_windows = {}}(two, chat).where == 0);
    CHECK(sr_session_aware<>{}(two, chat).where == 1);
    CHECK(sr_session_aware<>{.score = with_time}(two, chat).where == 0);
}

TEST_CASE("every rule decides in a router, allocates nothing and cannot throw") {
    const endpoint places[] = {
        {.name = "phone", .usual_success = 0.6, .prefill_rate = 100_tok_s, .tpot = 50_ms / 1_tok},
        {.name = "edge", .remote = true, .usual_success = 0.9, .prefill_rate = 5000_tok_s, .tpot = 10_ms / 1_tok}};
    const link_state link{.uplink_rate = 10_Mbps, .downlink_rate = 40_Mbps, .rtt = 30_ms};
    const auto rules =
        std::tuple(length_threshold{}, gap_threshold{}, cost_sensitive_score<>{}, confidence_handoff{},
                   quality_gated<dynamo_default>{}, session_sticky<gap_threshold>{}, sr_cache_affinity<>{},
                   sr_switch_gate<>{}, sr_session_aware<>{}, dynamo_default{}, dynamo_lmetric{}, seed_multi_turn<>{},
                   fused_score<seed_latency_single<>>{.latency = {}});
    const message question{role::user, "why is the sky blue?", {}};
    const message reply{role::assistant, "because", {}};
    const message dialogue[] = {question, reply, question, reply, question};
    const auto play = [&](const auto& rule) {
        const router route{constant_difficulty{}, cost::end_to_end(), rule};
        session chat(2);
        const std::size_t before = allocations;
        for (std::size_t said = 1; said <= 5; said += 2) {
            const turn t = chat.next_turn(std::span(dialogue).first(said));
            static_assert(noexcept(route(chat, t, places, link)));
            const auto choice = route(chat, t, places, link);
            REQUIRE(choice.where < 2);
            chat.commit(choice.where, reply);
        }
        CHECK(allocations == before);
    };
    std::apply([&](const auto&... rule) { (play(rule), ...); }, rules);
}
