#include <qlroute/cost/expression.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <string_view>
#include <tuple>
#include <vector>

#include <qlroute/cost/objective.hpp>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// A term of an engine's own, outside of the library's namespace.
struct patience {
    static constexpr std::string_view name = "patience";
    seconds per_token = 1_ms;
    constexpr auto operator()(const auto& s) const { return per_token * (s.output_tokens / 1_tok); }
};

struct impatience {
    static constexpr std::string_view name = "impatience";
    constexpr auto operator()(const auto& s) const { return s.rtt; }
};

struct nameless {
    constexpr auto operator()(const auto& s) const { return s.rtt; }
};

struct number {
    static constexpr std::string_view name = "number";
    constexpr auto operator()(const auto&) const { return 1.0; }
};

static_assert(cost::term_of_a_cost<patience> && cost::expression<patience>);
static_assert(!cost::term_of_a_cost<nameless> && !cost::term_of_a_cost<number> && !cost::term_of_a_cost<int>);

constexpr auto tax = cost::term<"tax">([](const auto& s) { return 10_ms * (s.prompt_size / 1_kbit); });
constexpr auto fee = cost::term<"fee">([](const auto&) { return 50_ms; });

constexpr auto full = 6_s * cost::quality_loss{} +
                      cost::end_to_end(cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}}) + tax +
                      2 * cost::term<"half">([](const auto& s) { return s.rtt / 3; });

std::vector<std::string_view> names(const auto& objective) {
    std::vector<std::string_view> all;
    for (const auto& [name, value] : explain(objective, round_facts())) all.push_back(name);
    return all;
}

template <class Objective>
constexpr std::size_t terms_of = std::tuple_size_v<std::remove_cvref_t<decltype(std::declval<Objective>().terms())>>;

}  // namespace

TEST_CASE_TEMPLATE("a cost is the sum of its lines, exactly", Rep, QLROUTE_TEST_REPS) {
    random_facts random(7);
    for (int i = 0; i < 200; ++i) {
        const auto s = filled<Rep>(random());
        const patience patient{.per_token = seconds(random.between(0, 0.1))};
        const auto weighted = random.between(0, 10) * full + random.between(0, 1) * fee + patient;
        CHECK(elements(explain(full, s).total()) == elements(full(s)));
        CHECK(elements(explain(weighted, s).total()) == elements(weighted(s)));
        CHECK(elements(explain(cost::ttft(), s).total()) == elements(cost::ttft()(s)));
    }
}

TEST_CASE("the lines of a cost stand as written") {
    CHECK(names(cost::downlink{} + tax + cost::uplink{}) == std::vector<std::string_view>{"downlink", "tax", "uplink"});
    CHECK(names(2 * (tax + fee) + cost::uplink{}) == std::vector<std::string_view>{"tax", "fee", "uplink"});
    CHECK(names(cost::uplink{} + (fee + tax)) == std::vector<std::string_view>{"uplink", "fee", "tax"});
    CHECK(names(3 * tax) == std::vector<std::string_view>{"tax"});
}

TEST_CASE_TEMPLATE("terms add up", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    // uplink 40 ms, downlink 22 ms, tax 40 * 10 ms
    CHECK(equals<Rep>((cost::uplink{} + cost::downlink{})(s), 62_ms));
    CHECK(equals<Rep>((cost::uplink{} + cost::downlink{} + tax)(s), 462_ms));
}

TEST_CASE_TEMPLATE("a weight is a number or an exchange rate", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    CHECK(equals<Rep>((2 * cost::uplink{})(s), 80_ms));
    CHECK(equals<Rep>((0.5 * cost::uplink{})(s), 20_ms));
    CHECK(equals<Rep>((0.5 * (2 * cost::uplink{}))(s), 40_ms));
    CHECK(equals<Rep>((6_s * cost::quality_loss{} + cost::uplink{})(s), 1540_ms));
    CHECK(equals<Rep>((100_W * cost::uplink{} + 4_J * cost::quality_loss{})(s), 5_J));
}

TEST_CASE_TEMPLATE("weights distribute over sums", Rep, QLROUTE_TEST_REPS) {
    constexpr auto together = 3 * (cost::uplink{} + cost::downlink{} + tax);
    constexpr auto apart = 3 * cost::uplink{} + 3 * cost::downlink{} + 3 * tax;
    static_assert(std::same_as<decltype(together), decltype(apart)>);
    const auto s = filled<Rep>(round_facts());
    CHECK(elements(together(s)) == elements(apart(s)));
    CHECK(equals<Rep>(together(s), 1386_ms));
    CHECK(equals<Rep>(*explain(together, s).find("downlink"), 66_ms));
}

TEST_CASE("nested sums are flat") {
    using cost::downlink, cost::uplink, cost::queueing;
    static_assert(std::same_as<decltype((uplink{} + downlink{}) + (queueing{} + tax)),
                               decltype(uplink{} + (downlink{} + (queueing{} + tax)))>);
    static_assert(terms_of<decltype(2 * (uplink{} + 3 * (downlink{} + queueing{})) + tax)> == 4);
    CHECK((2 * (uplink{} + 3 * (downlink{} + queueing{})))(round_facts()).value() == doctest::Approx(0.392));
}

TEST_CASE("a term can be a named function") {
    static_assert(std::same_as<cost::cost_of<decltype(tax)>, seconds>);
    static_assert(decltype(tax)::name == "tax");
    CHECK(tax(round_facts()) == 400_ms);
    const seconds limit = 70_ms;
    const auto late =
        cost::term<"late">([limit](const auto& s) { return positive_part(s.rtt + s.queue_delay - limit); });
    CHECK(late(round_facts()) == 0_ms);
}

TEST_CASE_TEMPLATE("a term can be a struct of the engine's own", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    CHECK(equals<Rep>((cost::uplink{} + patience{})(s), 90_ms));
    CHECK(equals<Rep>((patience{.per_token = 2_ms} + cost::uplink{})(s), 140_ms));
    CHECK(equals<Rep>(cost::explain(patience{}, s).total(), 50_ms));
}

TEST_CASE("two structs of the engine's own add up where the operators are in sight") {
    using namespace qlroute::cost;
    CHECK((patience{} + impatience{})(round_facts()) == 90_ms);
    CHECK((2 * patience{})(round_facts()) == 100_ms);
}

TEST_CASE("facts can be a struct of the engine's own with the fields that the terms read") {
    struct {
        seconds rtt = 40_ms;
        bits prompt_size = 40_kbit;
        bits_per_second uplink_rate = 2_Mbps;
    } facts;
    CHECK((cost::uplink{} + tax)(facts) == 440_ms);
    CHECK(explain(cost::uplink{} + tax, facts).total() == 440_ms);
}

TEST_CASE("a cost and its breakdown can be computed while compiling") {
    constexpr auto objective = 6_s * cost::quality_loss{} + cost::uplink{};
    static_assert(objective(round_facts()) == 1.5_s + 40_ms);
    constexpr auto lines = explain(objective, round_facts());
    static_assert(lines.size() == 2 && lines.total() == objective(round_facts()));
    static_assert(lines.lines[0].name == "quality_loss" && lines.lines[0].value == 1.5_s);
    static_assert(*lines.find("uplink") == 40_ms);
    CHECK(lines.find("quality_loss") == &lines.lines[0].value);
}

TEST_CASE("a breakdown has no line for a name that the cost lacks") {
    const auto lines = explain(cost::uplink{} + tax, round_facts());
    CHECK(lines.find("switching") == nullptr);
    CHECK(lines.find("") == nullptr);
    CHECK(lines.find("tax") != nullptr);
}

TEST_CASE_TEMPLATE("a term that is one number counts in every element", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    for (const auto& lines : {explain(fee + cost::uplink{}, s), explain(cost::uplink{} + fee, s)}) {
        CHECK(equals<Rep>(*lines.find("fee"), 50_ms));
        CHECK(equals<Rep>(lines.total(), 90_ms));
    }
    const auto two_numbers_first = fee + 2 * cost::term<"stamp">([](const auto&) { return 5_ms; }) + cost::uplink{};
    CHECK(equals<Rep>(explain(two_numbers_first, s).total(), 100_ms));
}
