#include <qlroute/route/selection.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;

namespace {

/// Candidates given by their costs.
struct priced {
    using value_type = decision<>;
    std::vector<decision<>> all;
    std::size_t size() const noexcept { return all.size(); }
    decision<> operator[](std::size_t i) const noexcept { return all[i]; }
};

priced costing(std::vector<double> costs) {
    priced p;
    for (std::size_t i = 0; i < costs.size(); ++i) p.all.push_back({.where = i, .cost = seconds(costs[i])});
    return p;
}

session chat_that_was_at(std::size_t where, std::size_t endpoints = 3) {
    session chat(endpoints);
    const message hello{role::user, "hello", {}};
    chat.next_turn({&hello, 1});
    if (where != session::nowhere) chat.commit(where, {role::assistant, "hi", {}});
    return chat;
}

const session fresh = chat_that_was_at(session::nowhere);

}  // namespace

TEST_CASE("lowest_cost takes the cheapest, among equals the first") {
    CHECK(lowest_cost{}(costing({3, 1, 2}), fresh).where == 1);
    CHECK(lowest_cost{}(costing({2, 1, 1}), fresh).where == 1);
    CHECK(lowest_cost{}(costing({5}), fresh).where == 0);
}

TEST_CASE("lowest_cost stays where the dialogue is unless leaving saves more than the hysteresis") {
    const lowest_cost<> rule{.hysteresis = 500_ms};
    CHECK(rule(costing({1.0, 1.5, 9}), chat_that_was_at(1)).where == 1);
    CHECK(rule(costing({1.0, 1.6, 9}), chat_that_was_at(1)).where == 0);
    CHECK(rule(costing({1.0, 1.4, 9}), chat_that_was_at(2)).where == 0);
    CHECK(rule(costing({1.4, 1.0, 9}), chat_that_was_at(0)).where == 0);
    CHECK(lowest_cost{}(costing({1, 1, 9}), chat_that_was_at(1)).where == 1);  // a tie is no reason to leave
}

TEST_CASE("lowest_cost leaves out endpoints that cannot serve, unless none can") {
    priced p = costing({1, 2, 3});
    p.all[0].can_serve = false;
    CHECK(lowest_cost{}(p, fresh).where == 1);
    CHECK(lowest_cost{10_s}(p, chat_that_was_at(0)).where == 1);
    p.all[1].can_serve = p.all[2].can_serve = false;
    CHECK(lowest_cost{}(p, fresh).where == 0);
    CHECK(!lowest_cost{}(p, fresh).can_serve);
}

TEST_CASE("always is always the same") {
    CHECK(always{2}(costing({1, 2, 3}), fresh).where == 2);
    CHECK(always{}(costing({9, 2, 3}), chat_that_was_at(1)).where == 0);
}

TEST_CASE("score_threshold looks at the small model's chance of failing alone; a tie goes to small") {
    priced p = costing({0, 100});
    p.all[0].facts.quality_loss = 0.5;
    CHECK(score_threshold{.theta = 0.49}(p, fresh).where == 1);
    CHECK(score_threshold{.theta = 0.5}(p, fresh).where == 0);
    CHECK(score_threshold{.theta = 0.4, .small = 1, .large = 0}(p, fresh).where == 1);
}

TEST_CASE("random_rate sends the wished share to the large model, and the same dialogue the same way") {
    const priced p = costing({1, 2});
    for (const double rate : {0.0, 0.2, 0.5, 1.0}) {
        int large = 0;
        for (int k = 0; k < 4000; ++k) {
            session chat(2);
            const std::string text = "dialogue " + std::to_string(k);
            const message said{role::user, text, {}};
            chat.next_turn({&said, 1});
            const auto where = random_rate{.rate = rate}(p, chat).where;
            CHECK(where == random_rate{.rate = rate}(p, chat).where);
            large += where == 1;
        }
        CHECK(large / 4000.0 == doctest::Approx(rate).epsilon(0.0).scale(1).epsilon(0.03));  // 4 sigma
    }
    int differ = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) differ += random_rate{.seed = seed}(p, fresh).where == 1;
    CHECK(differ > 25);
    CHECK(differ < 75);
}

namespace {

/// Two endpoints with random facts: the small one local, the large one remote.
priced random_pair(test::random_facts& random) {
    scenario<> here = random();
    here.rtt = 0_s;
    here.prompt_size = here.unseen_history = 0_bit;
    here.token_size = 0_bit / 1_tok;
    scenario<> there = random();
    there.output_tokens = here.output_tokens;
    there.new_tokens = here.new_tokens;
    return {{{.where = 0, .facts = here}, {.where = 1, .facts = there}}};
}

}  // namespace

TEST_CASE("fused_score computes p - alpha (T_large - T_small) > theta, a tie going to small") {
    priced p;
    scenario<> s{.new_tokens = 100_tok,
                 .output_tokens = 1_tok,
                 .uplink_rate = 1_Mbps,
                 .downlink_rate = 1_Mbps,
                 .prefill_rate = 100_tok_s};  // 1 s
    s.quality_loss = 0.75;
    p.all.push_back({.where = 0, .facts = s});
    s.new_tokens = 300_tok;  // 3 s
    p.all.push_back({.where = 1, .facts = s});
    // 0.75 - 0.125 / s * 2 s = 0.5
    CHECK(fused_score{0.125 / 1_s, 0.499}(p, fresh).where == 1);
    CHECK(fused_score<>{.alpha = 0.125 / 1_s, .theta = 0.5}(p, fresh).where == 0);
    CHECK(fused_score<>{.alpha = 0.125 / 1_s, .theta = 0.501}(p, fresh).where == 0);
    p.all[0].can_serve = false;
    CHECK(fused_score<>{.alpha = 0.125 / 1_s, .theta = 0.9}(p, fresh).where == 1);
}

TEST_CASE("fused_score is our objective with the weight 1 / alpha and the loss of the large model set to theta") {
    test::random_facts random(3);
    int large = 0;
    for (int k = 0; k < 20'000; ++k) {
        const priced p = random_pair(random);
        const double theta = random.between(0, 1);
        const hertz alpha(random.between(0.001, 0.1));
        const auto by_seed = fused_score<>{.alpha = alpha, .theta = theta}(p, fresh).where;

        const auto objective = (1 / alpha) * cost::quality_loss{} + cost::end_to_end();
        priced ours = p;
        ours.all[1].facts.quality_loss = theta;
        for (auto& each : ours.all) each.cost = objective(each.facts);
        REQUIRE(lowest_cost{}(ours, fresh).where == by_seed);
        large += by_seed == 1;
    }
    CHECK(large > 2000);  // both answers occur
    CHECK(large < 18'000);
}
