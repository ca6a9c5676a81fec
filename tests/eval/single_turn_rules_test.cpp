#include <qlroute/eval/single_turn_rules.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "support/candidates.hpp"

using namespace qlroute;
using namespace qlroute::eval;
using namespace qlroute::test;

static_assert(selection_rule<length_threshold, listed>);
static_assert(selection_rule<gap_threshold, listed>);
static_assert(selection_rule<cost_sensitive_score<>, listed>);
static_assert(selection_rule<confidence_handoff, listed>);
static_assert(selection_rule<quality_gated<lowest_cost<>>, listed>);

namespace {

const session fresh = dialogue_at(2, {});
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// Where the only one of two that can serve is, or what was wanted if both or none can.
std::size_t served(const listed& two, std::size_t wanted) {
    if (two[0].can_serve && !two[1].can_serve) return 0;
    if (!two[0].can_serve && two[1].can_serve) return 1;
    return wanted;
}

}  // namespace

TEST_CASE("length_threshold sends what is longer than the limit to large; a tie goes to small") {
    // 100 new tokens behind 1000 of history
    const listed two = candidates_with({0.5, 0.5});
    CHECK(length_threshold{.longest = 99_tok}(two, fresh).where == 1);
    CHECK(length_threshold{.longest = 100_tok}(two, fresh).where == 0);
    CHECK(length_threshold{.longest = 1099_tok, .with_history = true}(two, fresh).where == 1);
    CHECK(length_threshold{.longest = 1100_tok, .with_history = true}(two, fresh).where == 0);
    CHECK(length_threshold{.longest = 99_tok, .small = 1, .large = 0}(two, fresh).where == 0);
}

TEST_CASE("length_threshold agrees with a plain comparison of the small model's tokens") {
    random_facts random(11);
    std::array<int, 2> chosen{};
    for (int k = 0; k < 500; ++k) {
        const listed two = random_candidates(random, 2);
        const double longest = random.whole(0, 8000);
        const bool with_history = random.between(0, 1) < 0.5;
        double length = two[0].facts.new_tokens.value();
        if (with_history) length += two[0].facts.prefix_tokens.value();
        const length_threshold rule{.longest = tokens(longest), .with_history = with_history};
        const std::size_t where = rule(two, fresh).where;
        REQUIRE(where == served(two, length > longest ? 1 : 0));
        ++chosen[where];
    }
    CHECK(chosen[0] > 50);
    CHECK(chosen[1] > 50);
}

TEST_CASE("gap_threshold compares the two models; a tie goes to small") {
    const listed two = candidates_with({0.5, 0.75});
    CHECK(gap_threshold{.theta = 0.24}(two, fresh).where == 1);
    CHECK(gap_threshold{.theta = 0.25}(two, fresh).where == 0);
    CHECK(gap_threshold{}(candidates_with({0.5, 0.5}), fresh).where == 0);
    CHECK(gap_threshold{.theta = -0.1}(candidates_with({0.5, 0.5}), fresh).where == 1);
    CHECK(gap_threshold{.theta = 0.1, .small = 1, .large = 0}(candidates_with({0.75, 0.5}), fresh).where == 0);
}

TEST_CASE("gap_threshold agrees with the plain difference") {
    random_facts random(12);
    std::array<int, 2> chosen{};
    for (int k = 0; k < 500; ++k) {
        const listed two = random_candidates(random, 2);
        const double theta = random.between(-0.1, 0.1);
        const double gap = two[0].facts.quality_loss.value() - two[1].facts.quality_loss.value();
        if (std::abs(gap - theta) < 1e-12) continue;
        const std::size_t where = gap_threshold{.theta = theta}(two, fresh).where;
        REQUIRE(where == served(two, gap > theta ? 1 : 0));
        ++chosen[where];
    }
    CHECK(chosen[0] > 100);
    CHECK(chosen[1] > 100);
}

TEST_CASE("score_threshold is RouteLLM's rule with the next double below its threshold") {
    // RouteLLM: strong iff win_rate >= tau. score_threshold: large iff p > theta. They differ at p = theta alone.
    listed two = candidates_with({0.5, 0.5});
    CHECK(score_threshold{.theta = 0.5}(two, fresh).where == 0);                             // RouteLLM: strong
    CHECK(score_threshold{.theta = std::nextafter(0.5, -infinity)}(two, fresh).where == 1);  // as RouteLLM
    random_facts random(13);
    for (int k = 0; k < 500; ++k) {
        const double win_rate = random.whole(0, 20) / 20;  // ties occur
        const double tau = random.whole(0, 20) / 20;
        two.at(0).facts.quality_loss = win_rate;
        const bool strong = win_rate >= tau;
        REQUIRE(score_threshold{.theta = std::nextafter(tau, -infinity)}(two, fresh).where == (strong ? 1u : 0u));
        if (win_rate != tau) REQUIRE(score_threshold{.theta = tau}(two, fresh).where == (strong ? 1u : 0u));
    }
}

TEST_CASE("fused_score agrees with Eqs. 11-12 written out over latencies of one number each") {
    random_facts random(14);
    std::array<int, 2> chosen{};
    for (int k = 0; k < 500; ++k) {
        listed two = random_candidates(random, 2);
        const double p = random.between(0, 1);
        const double alpha = random.between(0, 0.5);
        const double theta = random.between(0, 1);
        two.at(0).facts.quality_loss = p;
        const auto wait = cost::queueing{};  // T is the queue alone: what the rule does with T is tested here
        const double t_small = two[0].facts.queue_delay.value();
        const double t_large = two[1].facts.queue_delay.value();
        const double score = p - alpha * (t_large - t_small);
        const fused_score<cost::queueing<>> rule{.alpha = hertz(alpha), .theta = theta, .latency = wait};
        const std::size_t where = rule(two, fresh).where;
        if (std::abs(score - theta) > 1e-12) REQUIRE(where == served(two, score > theta ? 1 : 0));
        ++chosen[where];
    }
    CHECK(chosen[0] > 100);
    CHECK(chosen[1] > 100);
}

TEST_CASE("random_rate keeps its rate on dialogues that go on") {
    const listed two = candidates_with({0.5, 0.5});
    int large = 0;
    for (int k = 0; k < 500; ++k) {
        session chat(2);
        const std::string text = "question " + std::to_string(k);
        std::vector<message> said{{role::user, text, {}}};
        for (int turn = 0; turn < 4; ++turn) {
            chat.next_turn(said);
            const auto where = random_rate{.rate = 0.3}(two, chat).where;
            large += where == 1;
            chat.commit(where, {role::assistant, "yes", {}});
            said.push_back({role::assistant, "yes", {}});
            said.push_back({role::user, "sure?", {}});
        }
    }
    CHECK(std::abs(large / 2000.0 - 0.3) < 0.041);  // 4 sigma
}

TEST_CASE("predicted_utility prices reading everything, writing and waiting, and neither link nor cache") {
    // (1000 + 100) / 1000 + 49 * 0.02 + 0.03 = 2.11 s
    decision<> one{.facts = round_facts()};
    CHECK(predicted_utility<>{}(one) == doctest::Approx(0.75));
    CHECK(predicted_utility<>{.mu = 0.1 / 1_s}(one) == doctest::Approx(0.75 - 0.211));
    one.facts.prefix_hit = 1000_tok;
    one.facts.rtt = 9_s;
    one.facts.uplink_rate = 1_bps;
    CHECK(predicted_utility<>{.mu = 0.1 / 1_s}(one) == doctest::Approx(0.75 - 0.211));
    one.facts.output_tokens = 1_tok;
    CHECK(predicted_utility<>{.mu = 1 / 1_s}(one) == doctest::Approx(0.75 - 1.13));
}

TEST_CASE("cost_sensitive_score takes the highest utility, among equals the first") {
    const auto by_quality = cost_sensitive_score<>{};
    CHECK(by_quality(candidates_with({0.5, 0.75, 0.75}), fresh).where == 1);
    CHECK(by_quality(candidates_with({0.5}), fresh).where == 0);
    listed three = candidates_with({0.5, 0.75, 1.0});
    three.at(2).facts.queue_delay = 3_s;
    // a second is worth 0.1: the last one loses 0.297 to its queue
    CHECK(cost_sensitive_score<>{.mu = 0.1 / 1_s}(three, fresh).where == 1);
    CHECK(cost_sensitive_score<>{.mu = 0.05 / 1_s}(three, fresh).where == 2);
}

TEST_CASE("cost_sensitive_score leaves out endpoints that cannot serve, unless none can") {
    listed three = candidates_with({0.9, 0.5, 0.6});
    three.at(0).can_serve = false;
    CHECK(cost_sensitive_score<>{}(three, fresh).where == 2);
    three.at(1).can_serve = three.at(2).can_serve = false;
    CHECK(cost_sensitive_score<>{}(three, fresh).where == 0);
}

TEST_CASE("cost_sensitive_score agrees with argmax P - mu cost over any number of endpoints") {
    random_facts random(15);
    std::map<std::size_t, int> chosen;
    for (int k = 0; k < 500; ++k) {
        const listed all = random_candidates(random, static_cast<std::size_t>(random.whole(1, 6)));
        const double mu = random.between(0, 0.02);
        bool any = false;
        for (const auto& one : all.all) any = any || one.can_serve;
        std::size_t best = all.size();
        double most = 0;
        for (const auto& one : all.all) {
            if (any && !one.can_serve) continue;
            const auto& s = one.facts;
            const double reading = (s.prefix_tokens.value() + s.new_tokens.value()) / s.prefill_rate.value();
            const double writing = (s.output_tokens.value() - 1) * s.tpot.value();
            const double utility = 1 - s.quality_loss.value() - mu * (reading + writing + s.queue_delay.value());
            if (best == all.size() || utility > most) {
                best = one.where;
                most = utility;
            }
        }
        REQUIRE(cost_sensitive_score<>{.mu = hertz(mu)}(all, fresh).where == best);
        ++chosen[best];
    }
    CHECK(chosen[0] > 50);
    CHECK(chosen[1] > 50);
}

TEST_CASE("confidence_handoff asks small, and large when small is not sure") {
    const confidence_handoff rule{.least_confidence = 0.7};
    listed two = candidates_with({0.1, 0.9});
    CHECK(rule(two, fresh).where == 0);
    CHECK(rule.after(0, 0.8) == 0);
    CHECK(rule.after(0, 0.6) == 1);
    CHECK(rule.after(0, not_a_number) == 1);
    CHECK(rule.after(1, 0.1) == 1);  // what large says stands
    two.at(0).can_serve = false;
    CHECK(rule(two, fresh).where == 1);
    two.at(1).can_serve = false;
    CHECK(rule(two, fresh).where == 0);
    CHECK(confidence_handoff{.small = 2, .large = 1}.after(2, 0.1) == 1);
}

TEST_CASE("confidence_handoff is Cactus' comparison, and FrugalGPT's with the next double above") {
    random_facts random(16);
    for (int k = 0; k < 500; ++k) {
        const double confidence = random.whole(0, 16) / 16;  // ties occur
        const double tau = random.whole(0, 16) / 16;
        const bool to_cloud = confidence < tau;
        REQUIRE(confidence_handoff{.least_confidence = tau}.after(0, confidence) == (to_cloud ? 1u : 0u));
        const bool stop = confidence > 1 - tau;
        const confidence_handoff frugal{.least_confidence = std::nextafter(1 - tau, infinity)};
        REQUIRE(frugal.after(0, confidence) == (stop ? 0u : 1u));
    }
}

TEST_CASE("quality_gated asks the inner rule only where large is better by more than theta") {
    const quality_gated<always> rule{.theta = 0.25, .rule = {.where = 2}};
    CHECK(rule(candidates_with({0.5, 0.75, 0.1}), fresh).where == 0);
    CHECK(rule(candidates_with({0.5, 0.76, 0.1}), fresh).where == 2);
    CHECK(rule(candidates_with({0.9, 0.5, 0.1}), fresh).where == 0);
    listed down = candidates_with({0.5, 0.75, 0.1});
    down.at(0).can_serve = false;
    CHECK(rule(down, fresh).where == 2);
}
