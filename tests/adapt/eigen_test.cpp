#include <qlroute/adapt/eigen.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <cstddef>
#include <vector>

#include <qlroute/cost/objective.hpp>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

using array = Eigen::ArrayXd;
using array_seconds = quantity<dim::time, array>;

constexpr auto objective =
    6_s * cost::quality_loss{} + cost::end_to_end(cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}});

// Results are kept, never lazy.
static_assert(std::same_as<decltype(objective(scenario<array>{})), array_seconds>);
static_assert(std::same_as<decltype(cost::uplink{}(scenario<array>{})), array_seconds>);
static_assert(std::same_as<decltype(array_seconds{} + array_seconds{}), array_seconds>);
static_assert(std::same_as<decltype(2 * array_seconds{} - 3_s), array_seconds>);
static_assert(std::same_as<decltype(smaller(array_seconds{}, 3_s)), array_seconds>);
static_assert(std::same_as<decltype(array_seconds{}.value().sqrt()), decltype(array{}.sqrt())>);
static_assert(std::same_as<decltype(in_units<dim::time>(array{} + 2 * array{})), array_seconds>);
static_assert(std::same_as<decltype(explain(objective, scenario<array>{}).total()), array_seconds>);

/// One array a field, of one element a scenario.
scenario<array> side_by_side(const std::vector<scenario<>>& all) {
    const auto column = [&](auto field) {
        array values(static_cast<Eigen::Index>(all.size()));
        for (std::size_t i = 0; i < all.size(); ++i) values[static_cast<Eigen::Index>(i)] = (all[i].*field).value();
        using unit_of_field = std::remove_cvref_t<decltype(all[0].*field)>;
        return quantity<unit_of_field::unit, array>(values);
    };
    return {.new_tokens = column(&scenario<>::new_tokens),
            .prefix_tokens = column(&scenario<>::prefix_tokens),
            .prefix_hit = column(&scenario<>::prefix_hit),
            .output_tokens = column(&scenario<>::output_tokens),
            .prompt_size = column(&scenario<>::prompt_size),
            .unseen_history = column(&scenario<>::unseen_history),
            .token_size = column(&scenario<>::token_size),
            .rtt = column(&scenario<>::rtt),
            .uplink_rate = column(&scenario<>::uplink_rate),
            .downlink_rate = column(&scenario<>::downlink_rate),
            .prefill_rate = column(&scenario<>::prefill_rate),
            .tpot = column(&scenario<>::tpot),
            .kv_size = column(&scenario<>::kv_size),
            .kv_rate = column(&scenario<>::kv_rate),
            .queue_delay = column(&scenario<>::queue_delay),
            .quality_loss = column(&scenario<>::quality_loss)};
}

/// An objective from local variables that are gone when it is used.
auto made_from_locals() {
    const seconds worth = 6_s;
    const double factor = 2;
    const auto loss = cost::quality_loss{};
    const auto delay = cost::term<"delay">([factor](const auto& s) { return factor * s.queue_delay; });
    const auto way = cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}};
    const auto sum = delay + cost::switching{way};
    return worth * loss + factor * sum;
}

}  // namespace

TEST_CASE("an array of scenarios costs what each of them costs") {
    random_facts random(8);
    std::vector<scenario<>> all;
    for (int i = 0; i < 101; ++i) all.push_back(random());  // odd, so that vector instructions have a rest

    const auto together = side_by_side(all);
    const auto totals = elements(objective(together));
    const auto lines = explain(objective, together);
    CHECK(totals.size() == all.size());
    CHECK(elements(lines.total()) == totals);
    for (std::size_t i = 0; i < all.size(); ++i) {
        CAPTURE(i);
        CHECK(totals[i] == doctest::Approx(objective(all[i]).value()).epsilon(1e-14));
        const auto alone = explain(objective, all[i]);
        for (std::size_t k = 0; k < alone.size(); ++k)
            CHECK(elements(lines.lines[k].value)[i] == doctest::Approx(alone.lines[k].value.value()).epsilon(1e-14));
    }
}

TEST_CASE("step and log2 of an array are those of its elements") {
    const quantity<dim::none, array> a(array{{-1.0, 0.0, 8.0}});
    CHECK(elements(step(a)) == std::vector<double>{0, 1, 1});
    CHECK(elements(log2(a + ratio(2))) == std::vector<double>{0, 1, std::log2(10.0)});
}

TEST_CASE("a temporary may lend its memory to the result, a variable does not") {
    array_seconds a(array{{1.0, 2.0, 4.0}});
    array_seconds b(array{{8.0, 16.0, 32.0}});
    CHECK(elements((a + a) - b) == std::vector<double>{-6, -12, -24});
    CHECK(elements(b - (a + a)) == std::vector<double>{6, 12, 24});
    CHECK(elements((b + b) / (a + a)) == std::vector<double>{8, 8, 8});
    CHECK(elements(3 * (a - 1_s) + 2 * b * ratio(2)) == std::vector<double>{32, 67, 137});
    CHECK(elements(a) == std::vector<double>{1, 2, 4});
    CHECK(elements(b) == std::vector<double>{8, 16, 32});
}

TEST_CASE("an array of fixed length fills itself from one number") {
    scenario<Eigen::Array3d> s = filled<Eigen::Array3d>(round_facts());
    s.rtt = 100_ms;
    // 100 ms / 2 + 40 kbit / 2 Mbit/s
    CHECK(elements(cost::uplink{}(s)) == std::vector<double>(3, 0.07));
}

TEST_CASE("arrays of floats stay floats") {
    const auto s = filled<Eigen::ArrayXf>(round_facts());
    static_assert(std::same_as<decltype(cost::uplink{}(s)), quantity<dim::time, Eigen::ArrayXf>>);
    for (double x : elements(cost::uplink{}(s))) CHECK(x == doctest::Approx(0.04));
}

TEST_CASE("an objective and its results outlive the variables that they were made from") {
    const auto kept = made_from_locals();
    const auto result = [&] {
        const auto s = filled<array>(round_facts());
        const auto lines = explain(kept, s);
        return *lines.find("delay") + lines.total();
    }();
    // 4 * 30 ms twice, 6 s * 0.25 and 2 * 40 ms
    CHECK(equals<array>(result, 1.82_s));
}
