#include <qlroute/eval/replay_measures.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

using namespace qlroute;
using eval::dialogue_totals;
using eval::operating_point;
using eval::turn_record;

namespace {

/// Three dialogues: 7 with two turns, 3 and 9 with one.
std::vector<turn_record> four_turns() {
    return {{.dialogue = 7,
             .ttft = 1_s,
             .latency = 2_s,
             .score = 1,
             .remote_calls = 2,
             .read = 50_tok,
             .reread = 10_tok,
             .energy = 3_J},
            {.dialogue = 3, .ttft = 2_s, .latency = 10_s, .score = 0.5, .switched = true, .energy = 5_J},
            {.dialogue = 7,
             .ttft = 3_s,
             .latency = 4_s,
             .score = 0,
             .reread = 30_tok,
             .switched = true,
             .gave_up = true,
             .energy = 1_J},
            {.dialogue = 9, .ttft = 4_s, .latency = 8_s, .score = 1, .remote_calls = 1, .energy = 7_J}};
}

/// Dialogues of one turn each, of these latencies and scores; every one calls a remote place.
std::vector<dialogue_totals> single_turns(const std::vector<double>& latency, const std::vector<double>& score,
                                          double remote = 1) {
    std::vector<dialogue_totals> all;
    for (std::size_t k = 0; k < latency.size(); ++k)
        all.push_back({.dialogue = k, .turns = 1, .latency = latency[k], .score = score[k], .remote = remote});
    return all;
}

}  // namespace

TEST_CASE("totals are sums over the turns of a dialogue, in the order of the dialogues") {
    const auto records = four_turns();
    const auto all = eval::totals_of(records, 8_s);
    REQUIRE(all.size() == 3);
    CHECK(all[0].dialogue == 3);
    CHECK(all[2].dialogue == 9);
    const auto& seven = all[1];
    CHECK(seven.dialogue == 7);
    CHECK(seven.turns == 2);
    CHECK(seven.latency == 6);
    CHECK(seven.ttft == 4);
    CHECK(seven.score == 1);
    CHECK(seven.remote == 1);  // a turn that calls twice is one turn that calls
    CHECK(seven.switches == 1);
    CHECK(seven.reread == 40);
    CHECK(seven.energy == 4);
    CHECK(seven.gave_up == 1);
    CHECK(seven.late == 0);
    CHECK(all[0].late == 1);  // 10 s
    CHECK(all[2].late == 0);  // 8 s are in time
    CHECK(eval::totals_of(records)[0].late == 0);
    CHECK(eval::totals_of({}).empty());
}

TEST_CASE("a summary's means are of turns, not of dialogues") {
    const auto records = four_turns();
    const auto s = eval::summary_of(records, 8_s, 100);
    CHECK(s.dialogues == 3);
    CHECK(s.turns == 4);
    CHECK(s.quality.value == doctest::Approx(2.5 / 4));
    CHECK(s.latency.value == doctest::Approx(6));
    CHECK(s.ttft.value == doctest::Approx(2.5));
    CHECK(s.remote.value == doctest::Approx(0.5));
    CHECK(s.switches == doctest::Approx(0.5));
    CHECK(s.reread == doctest::Approx(10));
    CHECK(s.energy == doctest::Approx(4));
    CHECK(s.late == doctest::Approx(0.25));
    CHECK(s.gave_up == doctest::Approx(0.25));
}

TEST_CASE("percentiles are observed values: the smallest that so many turns do not exceed") {
    const auto s = eval::summary_of(four_turns(), 8_s, 0);
    CHECK(s.latency_p50 == 4);  // of 2, 4, 8, 10
    CHECK(s.latency_p95 == 10);
    CHECK(s.latency_p99 == 10);
    CHECK(s.ttft_p50 == 2);
    CHECK(s.ttft_p95 == 4);
    std::vector<turn_record> hundred;
    for (int k = 100; k >= 1; --k)
        hundred.push_back(
            {.dialogue = static_cast<std::size_t>(k), .ttft = seconds(k / 10.0), .latency = seconds(double(k))});
    const auto t = eval::summary_of(hundred, 1000_s, 0);
    CHECK(t.latency_p50 == 50);
    CHECK(t.latency_p95 == 95);
    CHECK(t.latency_p99 == 99);
    CHECK(t.ttft_p95 == 9.5);
    CHECK(std::isnan(eval::summary_of({}, 1_s, 0).latency_p50));
}

TEST_CASE("an interval contains its mean, and that of four times as many dialogues is half as wide") {
    std::vector<double> latency, score;
    const auto width = [&](std::size_t dialogues) {
        latency.clear();
        score.clear();
        for (std::size_t k = 0; k < dialogues; ++k) {
            latency.push_back(static_cast<double>(k * 7919 % 100) / 10);
            score.push_back(k % 3 == 0 ? 1 : 0);
        }
        const auto mean = eval::mean_over_turns(single_turns(latency, score), &dialogue_totals::latency, 400);
        CHECK(mean.low < mean.value);
        CHECK(mean.value < mean.high);
        return mean.high - mean.low;
    };
    const double of_100 = width(100), of_400 = width(400);
    // deviation 2.89, so 2 * 1.96 * 2.89 / 10
    CHECK(of_100 == doctest::Approx(1.13).epsilon(0.15));
    CHECK(of_400 == doctest::Approx(of_100 / 2).epsilon(0.2));
}

TEST_CASE("dialogues are drawn as a whole: long ones weigh by their turns") {
    // one dialogue of three turns of 1 s, one of a turn of 5 s: 2 s a turn; all draws of one dialogue are 1 or 5 s
    const std::vector<dialogue_totals> all{{.dialogue = 0, .turns = 3, .latency = 3},
                                           {.dialogue = 1, .turns = 1, .latency = 5}};
    const auto mean = eval::mean_over_turns(all, &dialogue_totals::latency, 500);
    CHECK(mean.value == doctest::Approx(2));
    CHECK(mean.low == 1);
    CHECK(mean.high == 5);
}

TEST_CASE("the same seed gives the same interval") {
    const auto all = single_turns({1, 2, 3, 4, 8}, {0, 1, 0, 1, 1});
    const auto one = eval::mean_over_turns(all, &dialogue_totals::latency, 200, 3);
    const auto again = eval::mean_over_turns(all, &dialogue_totals::latency, 200, 3);
    CHECK(one.low == again.low);
    CHECK(one.high == again.high);
}

TEST_CASE("a change is that of the means, in relation to the rival's") {
    auto ours = single_turns({1, 3}, {1, 0.5});
    auto rival = single_turns({4, 4}, {0.5, 0.5});
    ours[1].remote = 0;  // one call instead of two
    const auto change = eval::change_between(ours, rival, 200);
    CHECK(change.latency.value == doctest::Approx((2.0 - 4.0) / 4.0));
    CHECK(change.remote_calls.value == doctest::Approx(-0.5));
    CHECK(change.quality.value == doctest::Approx(0.25));  // a difference
}

TEST_CASE("a change is paired: what makes a dialogue slow for both does not blur it") {
    const auto rival = single_turns({1, 10, 100, 1000}, {0, 1, 0, 1});
    const auto ours = single_turns({0.9, 9, 90, 900}, {0.1, 0.9, 0.1, 0.9}, 0.5);
    const auto change = eval::change_between(ours, rival, 300);
    for (const auto& each : {change.latency.low, change.latency.value, change.latency.high})
        CHECK(each == doctest::Approx(-0.1));
    CHECK(change.remote_calls.high == doctest::Approx(-0.5));
    CHECK(change.quality.value == doctest::Approx(0));
    CHECK(change.quality.low < 0);
    CHECK(change.quality.high > 0);
}

TEST_CASE("where the rival makes no calls their change is not a number") {
    const auto rival = single_turns({4, 4}, {0, 1}, 0);
    CHECK(std::isnan(eval::change_between(single_turns({1, 3}, {1, 1}, 0), rival, 50).remote_calls.value));
    const auto some = eval::change_between(single_turns({1, 3}, {1, 1}), rival, 50).remote_calls;
    CHECK(std::isnan(some.value));
    CHECK(std::isnan(some.high));
}

TEST_CASE("quality costs what drawing lots between two settings costs: the lower hull") {
    const std::vector<operating_point> points{{.quality = 0.4, .latency = 2},
                                              {.quality = 0.6, .latency = 8},  // above the line between its neighbours
                                              {.quality = 0.8, .latency = 4}};
    CHECK(eval::latency_at_quality(points, 0.4) == 2);
    CHECK(eval::latency_at_quality(points, 0.3) == 2);  // less is not cheaper than the cheapest
    CHECK(eval::latency_at_quality(points, 0.6) == doctest::Approx(3));
    CHECK(eval::latency_at_quality(points, 0.7) == doctest::Approx(3.5));
    CHECK(eval::latency_at_quality(points, 0.8) == 4);
    CHECK(std::isnan(eval::latency_at_quality(points, 0.81)));
    CHECK(std::isnan(eval::latency_at_quality({}, 0.5)));
    // a better setting that is faster as well is taken alone
    const std::vector<operating_point> dominated{{.quality = 0.4, .latency = 9}, {.quality = 0.8, .latency = 4}};
    CHECK(eval::latency_at_quality(dominated, 0.5) == 4);
}

TEST_CASE("the area under a straight line is its middle") {
    const std::vector<operating_point> line{{.quality = 0.4, .latency = 2}, {.quality = 0.8, .latency = 4}};
    CHECK(eval::curve_area(line, 0.4, 0.8) == doctest::Approx(3));
    CHECK(eval::curve_area(line, 0.6, 0.8) == doctest::Approx(3.5));
    CHECK(eval::curve_area(line, 0.0, 0.4) == doctest::Approx(2));
    CHECK(eval::curve_area(line, 0.4, 0.8, 3) == doctest::Approx(3));
    CHECK(std::isnan(eval::curve_area(line, 0.4, 0.9)));
}

TEST_CASE("an area ends at the highest quality, not a rounding beyond it") {
    // 0.3 + (0.9 - 0.3) > 0.9 in double
    const std::vector<operating_point> line{{.quality = 0.3, .latency = 2}, {.quality = 0.9, .latency = 4}};
    CHECK(eval::curve_area(line, 0.3, 0.9) == doctest::Approx(3));
}

TEST_CASE("a policy that picks by lot recovers half of the gap") {
    CHECK(eval::apgr_of_points({}, 0.4, 0.8) == doctest::Approx(0.5));
    const std::vector<operating_point> diagonal{{.remote = 0.75, .quality = 0.7}, {.remote = 0.25, .quality = 0.5}};
    CHECK(eval::apgr_of_points(diagonal, 0.4, 0.8) == doctest::Approx(0.5));
}

TEST_CASE("the gap recovered is an area over the share of calls") {
    // all of it with half of the calls: 0.5 * 0.5 + 0.5 * 1
    const std::vector<operating_point> good{{.remote = 0.5, .quality = 0.8}};
    CHECK(eval::apgr_of_points(good, 0.4, 0.8) == doctest::Approx(0.75));
    const std::vector<operating_point> useless{{.remote = 0.5, .quality = 0.4}};
    CHECK(eval::apgr_of_points(useless, 0.4, 0.8) == doctest::Approx(0.25));
    CHECK(std::isnan(eval::apgr_of_points(good, 0.8, 0.8)));
    CHECK(std::isnan(eval::apgr_of_points(good, 0.8, 0.4)));
}

TEST_CASE("the least share of calls that recovers so much lies on the line between two settings") {
    const std::vector<operating_point> points{{.remote = 0.5, .quality = 0.8}, {.remote = 0.25, .quality = 0.5}};
    CHECK(eval::cpt_of_points({}, 0.4, 0.8, 0.5) == doctest::Approx(0.5));
    CHECK(eval::cpt_of_points(points, 0.4, 0.8, 0) == 0);
    CHECK(eval::cpt_of_points(points, 0.4, 0.8, 0.25) == doctest::Approx(0.25));
    CHECK(eval::cpt_of_points(points, 0.4, 0.8, 0.625) == doctest::Approx(0.375));
    CHECK(eval::cpt_of_points(points, 0.4, 0.8, 1) == doctest::Approx(0.5));
    CHECK(eval::cpt_of_points(points, 0.4, 0.8, 1.5) == 1);  // more than there is
    CHECK(std::isnan(eval::cpt_of_points(points, 0.8, 0.4, 0.5)));
    // a setting without calls that is better already
    const std::vector<operating_point> free{{.remote = 0, .quality = 0.625}};
    CHECK(eval::cpt_of_points(free, 0.25, 0.75, 0.75) == 0);
}
