#include <qlroute/fit/engine_fit.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

constexpr cost::batched truth{.batch = 512_tok,
                              .tile = 64_tok,
                              .tiled = {8_ms, 800_us / 1_tok, 1.7_us / 1_tok / 1_tok},
                              .untiled = {12_ms, 900_us / 1_tok, 34_us / 1_tok / 1_tok},
                              .decode = {12_ms / 1_tok, 36_us / 1_tok / 1_tok}};

/// Times of `engine`, off by up to `noise`, for histories and prompts of a grid, and for single written tokens.
std::vector<engine_observation> measured(const cost::any_engine& engine, double noise = 0) {
    random_facts random(5);
    std::vector<engine_observation> all;
    const auto add = [&](engine_observation o) {
        o.time = predicted(engine, o) * random.between(1 - noise, 1 + noise);
        all.push_back(o);
    };
    for (const double cached : {0., 128., 512., 1024., 2048., 4096.})
        for (const double count : {1., 8., 32., 64., 128., 384., 512., 1024., 1100.})
            add({.cached = tokens(cached), .new_tokens = tokens(count)});
    for (const double context : {16., 256., 1024., 4096.}) add({.cached = tokens(context), .output_tokens = 1_tok});
    return all;
}

std::string message_of(const std::vector<engine_observation>& seen) {
    const auto fitted = fit_engine(engine_form::batched, seen);
    return fitted ? "" : fitted.error().message;
}

const scored_form& of(const engine_comparison& all, engine_form form) {
    for (const auto& one : all.forms)
        if (one.form == form) return one;
    FAIL("not there");
    return all.forms.front();
}

}  // namespace

TEST_CASE("the batches of an engine, the size where it changes kernels included, are found from its times") {
    const auto fitted = fit_engine(engine_form::batched, measured(truth));
    REQUIRE(fitted);
    const auto* found = fitted->get<cost::batched>();
    REQUIRE(found != nullptr);
    CHECK(found->tile == 64_tok);
    CHECK(found->tiled.per_token.value() == doctest::Approx(0.0008).epsilon(1e-4));
    CHECK(found->tiled.per_pair.value() == doctest::Approx(1.7e-6).epsilon(1e-4));
    CHECK(found->untiled.fixed.value() == doctest::Approx(0.012).epsilon(1e-4));
    CHECK(found->untiled.per_pair.value() == doctest::Approx(34e-6).epsilon(1e-4));
    CHECK(found->decode.fixed.value() == doctest::Approx(0.012).epsilon(1e-4));
    CHECK(found->decode.per_context.value() == doctest::Approx(36e-6).epsilon(1e-4));
}

TEST_CASE("an engine of one kernel gets one") {
    cost::batched one = truth;
    one.untiled = one.tiled;
    const auto fitted = fit_engine(engine_form::batched, measured(one));
    REQUIRE(fitted);
    CHECK(fitted->get<cost::batched>()->tile == 0_tok);
}

TEST_CASE("reading and writing are told apart in requests that do both") {
    std::vector<engine_observation> seen;
    for (const double count : {100., 200., 400., 800.})
        for (const double written : {1., 50., 300.}) {
            engine_observation o{.cached = 500_tok, .new_tokens = tokens(count), .output_tokens = tokens(written)};
            o.time = predicted(truth, o);
            seen.push_back(o);
        }
    const auto fitted = fit_engine(engine_form::batched, seen, {.tile = 64_tok});
    REQUIRE(fitted);
    const engine_observation asked{.cached = 500_tok, .new_tokens = 300_tok, .output_tokens = 100_tok};
    CHECK((predicted(*fitted, asked) / predicted(truth, asked)).value() == doctest::Approx(1).epsilon(0.01));
}

TEST_CASE("a rate is the middle one of the measured rates, and leaving one out shows what it is worth") {
    // 100 tokens in 1 s three times, in 2 s once. Without one of the three, 1 s is still the middle: no error. Without
    // the fourth, it is predicted as 1 s: half of what it took.
    std::vector<engine_observation> seen(4, {.new_tokens = 100_tok, .time = 1_s});
    seen[3].time = 2_s;
    const auto scored = score_engine(engine_form::linear_rate, seen);
    REQUIRE(scored);
    CHECK(scored->reading.n == 4);
    CHECK(scored->reading.mean == doctest::Approx(0.125).epsilon(0.02));
    CHECK(scored->reading.median == doctest::Approx(0).epsilon(0.02));
    CHECK(scored->reading.max == doctest::Approx(0.5).epsilon(0.02));
    CHECK(scored->unseen_histories.n == 0);  // there is one history only
    CHECK(scored->writing.n == 0);
}

TEST_CASE("the simplest form within two percent of the best is chosen") {
    const auto kinked = compare_engines(measured(truth, 0.02));
    REQUIRE(kinked);
    CHECK(kinked->forms.size() == 4);  // no roofline without the sizes of a model
    CHECK(kinked->chosen == engine_form::batched);
    CHECK(of(*kinked, engine_form::linear_rate).reading.mean > 0.3);
    CHECK(of(*kinked, engine_form::batched).reading.mean < 0.03);
    CHECK(of(*kinked, engine_form::batched).unseen_histories.mean < 0.03);
    CHECK(of(*kinked, engine_form::profiled).fitted.max < 1e-9);  // a table knows what it was made from

    const cost::batched rate{
        .batch = 0_tok, .tile = 0_tok, .tiled = {.per_token = 1_ms / 1_tok}, .decode = {.fixed = 20_ms / 1_tok}};
    const auto linear = compare_engines(measured(rate, 0.02));
    REQUIRE(linear);
    CHECK(linear->chosen == engine_form::linear_rate);
}

TEST_CASE("a table that is better by less than two percent is not worth it") {
    // Three percent more behind long histories: a table sees it, a formula does not.
    auto seen = measured(truth);
    for (auto& o : seen)
        if (o.cached >= 1024_tok) o.time = 1.03 * o.time;
    const auto all = compare_engines(seen);
    REQUIRE(all);
    const double formula = of(*all, engine_form::batched).reading.mean;
    const double table = of(*all, engine_form::profiled).reading.mean;
    CHECK(table < formula);
    CHECK(formula < table + 0.02);
    CHECK(all->chosen == engine_form::batched);
}

TEST_CASE("a roofline gets its rates from the times, given the sizes of the model") {
    const cost::roofline machine{.parameters = 1e9,
                                 .layers = 20,
                                 .attention_width = 1024,
                                 .weights = 1_GB,
                                 .kv_size = 40_kB / 1_tok,
                                 .operations = hertz(2e11),
                                 .bandwidth = bits_per_second(8e11)};
    auto sizes = machine;
    sizes.operations = hertz(1);
    sizes.bandwidth = 1_bps;
    const auto fitted = fit_engine(engine_form::roofline, measured(machine), {.geometry = sizes});
    REQUIRE(fitted);
    CHECK(fitted->get<cost::roofline>()->operations.value() == doctest::Approx(2e11).epsilon(0.01));
    CHECK(fitted->get<cost::roofline>()->bandwidth.value() == doctest::Approx(8e11).epsilon(0.01));
    const auto without = fit_engine(engine_form::roofline, measured(machine));
    REQUIRE(!without);
    CHECK(without.error().message == "a roofline needs the sizes of the model: engine_knowledge::geometry");
}

TEST_CASE("a table of scattered observations stays small") {
    random_facts random(9);
    std::vector<engine_observation> seen;
    for (int i = 0; i < 400; ++i) {
        engine_observation o{.cached = tokens(random.whole(0, 4000)), .new_tokens = tokens(random.whole(1, 600))};
        o.time = predicted(truth, o);
        seen.push_back(o);
    }
    const auto fitted = fit_engine(engine_form::profiled, seen);
    REQUIRE(fitted);
    CHECK(fitted->get<cost::profiled>()->reading.rows().size() == 24);
    CHECK(fitted->get<cost::profiled>()->reading.columns().size() == 24);
    const engine_observation asked{.cached = 777_tok, .new_tokens = 333_tok};
    CHECK((predicted(*fitted, asked) / predicted(truth, asked)).value() == doctest::Approx(1).epsilon(1e-3));
}

TEST_CASE("an observation that makes no sense is named") {
    CHECK(message_of({}) == "no observations; an engine is fitted to at least one");
    const engine_observation good{.new_tokens = 10_tok, .time = 1_s};
    CHECK(message_of({good}).empty());
    auto bad = good;
    bad.time = 0_s;
    CHECK(message_of({good, bad}) == "observation 1: time must be more than 0 and less than 1e9 s, got 0.000000");
    bad.time = seconds(std::numeric_limits<double>::quiet_NaN());
    CHECK(message_of({bad}).starts_with("observation 0: time must be"));
    bad = good;
    bad.cached = tokens(-1);
    CHECK(message_of({bad}) == "observation 0: cached must be from 0 to 1e9, got -1.000000");
    bad.cached = tokens(std::numeric_limits<double>::quiet_NaN());
    CHECK(message_of({bad}).starts_with("observation 0: cached must be"));
    bad = good;
    bad.new_tokens = 0_tok;
    CHECK(message_of({bad}) == "observation 0: new_tokens + output_tokens must be more than 0, got 0.000000");
}

TEST_CASE("one observation is enough for a rate") {
    const auto fitted =
        fit_engine(engine_form::linear_rate, std::vector{engine_observation{.new_tokens = 50_tok, .time = 1_s}});
    REQUIRE(fitted);
    CHECK(fitted->prefill_time(scenario<>{}, 0_tok, 100_tok).value() == doctest::Approx(2));
}

TEST_CASE("an error is summarised by the middle, the mean and the worst") {
    const auto even = summarised({0.4, 0.1, 0.3, 0.2});
    CHECK(even.median == doctest::Approx(0.25));
    CHECK(even.mean == doctest::Approx(0.25));
    CHECK(even.max == 0.4);
    CHECK(summarised({0.3, 0.1, 0.2}).median == 0.2);
    CHECK(summarised({}).n == 0);
}
