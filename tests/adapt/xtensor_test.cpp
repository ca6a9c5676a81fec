#include <qlroute/adapt/xtensor.hpp>

#include <doctest/doctest.h>

#include <concepts>
#include <cstddef>
#include <vector>

#include <qlroute/cost/objective.hpp>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

using grid_seconds = quantity<dim::time, grid>;

constexpr auto objective =
    6_s * cost::quality_loss{} + cost::end_to_end(cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}});

// Results are kept, never lazy.
static_assert(std::same_as<decltype(objective(scenario<grid>{})), grid_seconds>);
static_assert(std::same_as<decltype(cost::uplink{}(scenario<grid>{})), grid_seconds>);
static_assert(std::same_as<decltype(grid_seconds{} + grid_seconds{}), grid_seconds>);
static_assert(std::same_as<decltype(2 * grid_seconds{} - 3_s), grid_seconds>);
static_assert(std::same_as<decltype(smaller(grid_seconds{}, 3_s)), grid_seconds>);
static_assert(std::same_as<decltype(in_units<dim::time>(grid{} + 2 * grid{})), grid_seconds>);
static_assert(std::same_as<evaluated_t<decltype(xt::xarray<double>{} + 1.0)>, xt::xarray<double>>);
static_assert(std::same_as<decltype(explain(objective, scenario<grid>{}).total()), grid_seconds>);

/// Every field one number, as a grid of 1 x 1.
scenario<grid> one_by_one(const scenario<>& s) {
    return {.new_tokens = s.new_tokens,
            .prefix_tokens = s.prefix_tokens,
            .prefix_hit = s.prefix_hit,
            .output_tokens = s.output_tokens,
            .prompt_size = s.prompt_size,
            .unseen_history = s.unseen_history,
            .token_size = s.token_size,
            .rtt = s.rtt,
            .uplink_rate = s.uplink_rate,
            .downlink_rate = s.downlink_rate,
            .prefill_rate = s.prefill_rate,
            .tpot = s.tpot,
            .kv_size = s.kv_size,
            .kv_rate = s.kv_rate,
            .queue_delay = s.queue_delay,
            .quality_loss = s.quality_loss};
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

TEST_CASE("rows and columns make the grid that scalars give one by one") {
    random_facts random(9);
    for (int i = 0; i < 20; ++i) {
        const auto base = random();
        const std::vector<double> rates{1e4, 1e6, 1e8};
        const std::vector<double> hits{0, 1, 500, 9000};

        auto what_if = one_by_one(base);
        grid rows(grid::shape_type{3, 1}), columns(grid::shape_type{1, 4});
        for (std::size_t r = 0; r < 3; ++r) rows(r, 0) = rates[r];
        for (std::size_t c = 0; c < 4; ++c) columns(0, c) = hits[c];
        what_if.uplink_rate = quantity<dim::data_rate, grid>(rows);
        what_if.prefix_hit = quantity<dim::token, grid>(columns);

        const auto totals = objective(what_if).value();
        const auto lines = explain(objective, what_if);
        CHECK(totals.shape(0) == 3);
        CHECK(totals.shape(1) == 4);
        CHECK(lines.total().value() == totals);
        for (std::size_t r = 0; r < 3; ++r)
            for (std::size_t c = 0; c < 4; ++c) {
                auto s = base;
                s.uplink_rate = bits_per_second(rates[r]);
                s.prefix_hit = tokens(hits[c]);
                CAPTURE(r);
                CAPTURE(c);
                CHECK(totals(r, c) == doctest::Approx(objective(s).value()).epsilon(1e-14));
                CHECK(lines.find("switching")->value()(r, c) ==
                      doctest::Approx(explain(objective, s).find("switching")->value()).epsilon(1e-14));
            }
    }
}

TEST_CASE("a line of a breakdown has the shape of what its term reads") {
    auto what_if = one_by_one(round_facts());
    what_if.rtt = quantity<dim::time, grid>(grid{{0.01, 0.02, 0.04}});
    const auto lines = explain(objective, what_if);
    CHECK(lines.find("uplink")->value().size() == 3);
    CHECK(lines.find("prefill")->value().size() == 1);
    CHECK(lines.total().value().size() == 3);
}

TEST_CASE("tensors of three axes broadcast against each other as xtensor does it") {
    using cube = xt::xtensor<double, 3>;
    std::vector<cube> all;
    double next = 1;
    for (const auto shape : {cube::shape_type{2, 3, 4}, cube::shape_type{1, 3, 1}, cube::shape_type{2, 1, 1},
                             cube::shape_type{1, 1, 4}, cube::shape_type{2, 1, 4}, cube::shape_type{1, 1, 1}}) {
        all.emplace_back(shape);
        for (double& x : all.back()) x = (next = 7 * next - 10 * std::floor(0.7 * next)) + 0.125;  // in no order
    }
    for (const cube& a : all)
        for (const cube& b : all) {
            quantity<dim::time, cube> x(a), y(b);
            CHECK((x + y).value() == cube(a + b));
            CHECK((x - y).value() == cube(a - b));
            CHECK((x * y).value() == cube(a * b));
            CHECK((x / y).value() == cube(a / b));
            CHECK(smaller(x, y).value() == cube(xt::minimum(a, b)));
            CHECK(larger(x, y).value() == cube(xt::maximum(a, b)));
            // a temporary may lend its memory to the result, whatever its shape; a variable does not
            CHECK(((x + x) - y).value() == cube((a + a) - b));
            CHECK((y - (x + x)).value() == cube(b - (a + a)));
            CHECK(((x + x) / (y + y)).value() == cube((a + a) / (b + b)));
            CHECK((2 / (x - y * 2) * 3).value() == cube(2 / (a - b * 2) * 3));
            CHECK(x.value() == a);
            CHECK(y.value() == b);
        }
}

TEST_CASE("step and log2 of a grid are those of its elements") {
    const quantity<dim::none, grid> a(grid{{-1.0, 0.0, 8.0}});
    CHECK(elements(step(a)) == std::vector<double>{0, 1, 1});
    CHECK(elements(log2(a + ratio(2))) == std::vector<double>{0, 1, std::log2(10.0)});
}

TEST_CASE("an array whose number of axes is set at run time works too") {
    using flexible = quantity<dim::time, xt::xarray<double>>;
    const flexible a(xt::xarray<double>{{1.0, 2.0}, {3.0, 4.0}});
    const flexible b = 10_s;
    static_assert(std::same_as<decltype(a + b), flexible>);
    CHECK(elements(a + b) == std::vector<double>{11, 12, 13, 14});
    CHECK(elements(positive_part(a - 2_s)) == std::vector<double>{0, 0, 1, 2});
}

TEST_CASE("an objective and its results outlive the variables that they were made from") {
    const auto kept = made_from_locals();
    const auto result = [&] {
        const auto s = filled<grid>(round_facts());
        const auto lines = explain(kept, s);
        return *lines.find("delay") + lines.total();
    }();
    // 4 * 30 ms twice, 6 s * 0.25 and 2 * 40 ms
    CHECK(equals<grid>(result, 1.82_s));
}
