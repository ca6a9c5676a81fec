#include <qlroute/eval/replica_rules.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "support/candidates.hpp"

using namespace qlroute;
using namespace qlroute::eval;
using namespace qlroute::test;

static_assert(selection_rule<dynamo_default, listed>);
static_assert(selection_rule<dynamo_lmetric, listed>);
static_assert(selection_rule<quality_gated<dynamo_default>, listed>);

namespace {

const session fresh = dialogue_at(2, {});

/// An idle replica without a cache, in blocks of 100 tokens: 11 to read.
scenario<> idle() {
    scenario<> s = round_facts();  // 1000 of history, 100 new
    s.prefix_hit = s.prefix_saved = 0_tok;
    s.requests_running = s.requests_waiting = 0;
    return s;
}

constexpr dynamo_default by_hundreds{.block_size = 100_tok, .request_size = 500_tok};

}  // namespace

TEST_CASE("Dynamo's cost in blocks, by hand") {
    scenario<> s = idle();
    CHECK(by_hundreds.cost(s, 0) == 11 + 11);
    s.prefix_hit = 650_tok;  // 6 whole blocks
    CHECK(by_hundreds.cost(s, 0) == 5 + 11);
    s.prefix_saved = 1000_tok;  // 4 more blocks at a quarter
    CHECK(by_hundreds.cost(s, 0) == 4 + 11);
    s.requests_running = 3;  // 15 blocks
    CHECK(by_hundreds.cost(s, 0) == 4 + 26);
    s.requests_waiting = 2;  // 10 blocks to be read before
    CHECK(by_hundreds.cost(s, 0) == 14 + 26);
    dynamo_default all = by_hundreds;
    all.active_request_weight = 0.5;
    all.prefill_load_scale = 2;
    CHECK(all.cost(s, 0) == 28 + 26 + 2.5);
    // 10 blocks more than the least loaded, 11 of the request: the credit of 6 becomes 6 / (1 + 1.1 * 10 / 11) = 3
    all.device_credit_decay = 1.1;
    CHECK(all.cost(s, 0) == doctest::Approx(2 * (21 - 3 - 1) + 26 + 2.5));
    CHECK(all.cost(s, 2) == doctest::Approx(28 + 26 + 2.5));
    s = idle();
    s.new_tokens = 150_tok;  // a block that is begun is decoded whole
    CHECK(by_hundreds.cost(s, 0) == 11.5 + 12);
    s.prefix_hit = 1000_tok;
    all = by_hundreds;
    all.device_credit = 2;  // more credit than there is to read
    CHECK(all.cost(s, 0) == 12);
}

TEST_CASE("Dynamo's lmetric multiplies what is to be read with what is decoded") {
    constexpr dynamo_lmetric rule{.block_size = 100_tok, .request_size = 500_tok};
    scenario<> s = idle();
    s.prefix_hit = 600_tok;
    s.requests_running = 2;
    CHECK(rule.cost(s, 0) == 5 * (10 + 11 + 1));
}

TEST_CASE("Dynamo goes where the cache is, unless too many are there; among equals to the first") {
    CHECK(by_hundreds(candidates_of({idle(), idle()}), fresh).where == 0);
    scenario<> cached = idle();
    cached.prefix_hit = 1000_tok;  // 10 blocks fewer
    CHECK(by_hundreds(candidates_of({idle(), cached}), fresh).where == 1);
    cached.requests_running = 2;  // 10 blocks more
    CHECK(by_hundreds(candidates_of({idle(), cached}), fresh).where == 0);
    cached.requests_running = 1;
    CHECK(by_hundreds(candidates_of({idle(), cached}), fresh).where == 1);
}

TEST_CASE("Dynamo's rules agree with its published formulas") {
    random_facts random(41);
    std::map<std::size_t, int> chosen;
    for (int k = 0; k < 1000; ++k) {
        const listed all = random_candidates(random, static_cast<std::size_t>(random.whole(1, 5)));
        const double block = random.whole(1, 64);
        const double size = random.whole(1, 3000);
        const double scale = random.between(0.5, 2);
        const double device_credit = random.between(0, 1.5);
        const double k_decay = random.between(0, 1) < 0.5 ? 0 : random.between(0, 2);
        const double disk_credit = random.between(0, 1);
        const double w_act = random.between(0, 1) < 0.5 ? 0 : random.between(0, 40);

        std::vector<std::size_t> eligible;
        for (const auto& one : all.all)
            if (one.can_serve) eligible.push_back(one.where);
        if (eligible.empty())
            for (const auto& one : all.all) eligible.push_back(one.where);
        double least_active_prefill = 1e300;
        for (const std::size_t i : eligible)
            least_active_prefill = std::min(least_active_prefill, all[i].facts.requests_waiting.value() * size);

        std::map<std::size_t, double> logit, lmetric;
        for (const std::size_t i : eligible) {
            const auto& s = all[i].facts;
            const double isl = s.prefix_tokens.value() + s.new_tokens.value();
            const double active_prefill = s.requests_waiting.value() * size;
            const double request_blocks = std::ceil(isl / block);
            const double device_blocks = std::floor(s.prefix_hit.value() / block);
            const double disk_blocks = std::max(0.0, std::floor(s.prefix_saved.value() / block) - device_blocks);
            const double excess_blocks = (active_prefill - least_active_prefill) / block;
            const double delta = 1 / (1 + k_decay * excess_blocks / request_blocks);
            const double credit = device_credit * delta * device_blocks + disk_credit * disk_blocks;
            const double raw_prefill = (active_prefill + isl) / block;
            const double adjusted = std::max(0.0, raw_prefill - credit);
            const double decode_blocks = s.requests_running.value() * size / block + request_blocks;
            const double active = s.requests_running.value() + s.requests_waiting.value();
            logit[i] = scale * adjusted + decode_blocks + w_act * active;
            lmetric[i] = adjusted * (decode_blocks + 1);
        }
        const auto least = [&](const std::map<std::size_t, double>& cost) {
            std::size_t best = eligible.front();
            for (const std::size_t i : eligible)
                if (cost.at(i) < cost.at(best)) best = i;
            return best;
        };
        const dynamo_default linear{tokens(block), tokens(size), scale, device_credit, k_decay, disk_credit, w_act};
        const dynamo_lmetric product{tokens(block), tokens(size), scale, device_credit, k_decay, disk_credit, w_act};
        const auto by_linear = linear(all, fresh);
        REQUIRE(by_linear.where == least(logit));
        REQUIRE(product(all, fresh).where == least(lmetric));
        REQUIRE(linear.cost(by_linear.facts, least_active_prefill / size) ==
                doctest::Approx(logit.at(by_linear.where)));
        ++chosen[by_linear.where];
    }
    CHECK(chosen[0] > 100);
    CHECK(chosen[1] > 100);
}

TEST_CASE("the decay of credit counts from the least loaded endpoint that can serve") {
    // 4 and 10 blocks are cached where 2 requests wait, nothing where none does.
    scenario<> some = idle();
    some.prefix_hit = 400_tok;
    some.requests_waiting = 2;
    scenario<> more = some;
    more.prefix_hit = 1000_tok;
    dynamo_default rule = by_hundreds;
    rule.device_credit_decay = 1e30;  // above the least load nothing is left of the credit
    for (const std::size_t free : {std::size_t{0}, std::size_t{2}}) {
        listed three = free == 0 ? candidates_of({idle(), some, more}) : candidates_of({some, more, idle()});
        CHECK(rule(three, fresh).where == free);
        three.at(free).can_serve = false;
        CHECK(rule(three, fresh).where == (free == 0 ? 2u : 1u));  // both are at the least load now
        for (auto& one : three.all) one.can_serve = false;
        CHECK(rule(three, fresh).where == free);  // none can serve: all count
    }
}

TEST_CASE("Dynamo knows no quality; a gate gives it some") {
    scenario<> cached = idle();
    cached.prefix_hit = 1000_tok;
    listed two = candidates_of({idle(), cached});
    two.at(0).facts.quality_loss = 0.1;
    two.at(1).facts.quality_loss = 0.9;
    CHECK(by_hundreds(two, fresh).where == 1);
    const quality_gated<dynamo_default> gated{.theta = 0, .rule = by_hundreds};
    CHECK(gated(two, fresh).where == 0);
    two.at(1).facts.quality_loss = 0.05;
    CHECK(gated(two, fresh).where == 1);
}
