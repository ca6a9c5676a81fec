#include <qlroute/eval/sweep.hpp>

#include <doctest/doctest.h>

#include <qlroute/cost/objective.hpp>

#include "support/filled.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

using namespace qlroute;
using test::random_facts;
using test::round_facts;

namespace {

constexpr auto objective =
    6_s * cost::quality_loss{} + cost::end_to_end(cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}});

static_assert(std::same_as<decltype(sweep(objective, scenario<grid>{})), quantity<dim::time, grid>>);
static_assert(
    std::same_as<decltype(sweep(0.01_USD * cost::quality_loss{}, scenario<grid>{})), quantity<dim::money, grid>>);
static_assert(std::same_as<decltype(rows({1_Mbps, 2_Mbps})), quantity<dim::data_rate, grid>>);
static_assert(std::same_as<decltype(columns({1_tok, 2_tok})), quantity<dim::token, grid>>);

using sides = std::array<std::size_t, 2>;

sides shape_of(const grid& g) { return {g.shape()[0], g.shape()[1]}; }

/// The numbers of all fields.
std::vector<double> numbers(const scenario<>& s) {
    std::vector<double> all;
    map_fields<double>(s, [&]<dimension D>(const quantity<D>& field) {
        all.push_back(field.value());
        return field;
    });
    return all;
}

/// Every field a grid of its own: each element has the next of random_facts(seed).
scenario<grid> dense(const sides& shape, std::uint32_t seed) {
    random_facts facts(seed);
    std::vector<std::vector<double>> elements(shape[0] * shape[1]);
    for (auto& element : elements) element = numbers(facts());
    std::size_t k = 0;
    return map_fields<grid>(scenario<>{}, [&]<dimension D>(const quantity<D>&) {
        grid values(shape);
        std::transform(elements.begin(), elements.end(), values.begin(), [k](const auto& one) { return one[k]; });
        ++k;
        return quantity<D, grid>(std::move(values));
    });
}

/// To the last bit: the same numbers from the sweep, from arrays and from scalars.
void check_against_scalars(const scenario<grid>& s, const sides& shape) {
    const grid swept = sweep(objective, s).value();
    const grid at_once = objective(s).value();
    REQUIRE(shape_of(swept) == shape);
    REQUIRE(shape_of(at_once) == shape);
    for (std::size_t row = 0; row < shape[0]; ++row)
        for (std::size_t column = 0; column < shape[1]; ++column) {
            CAPTURE(row);
            CAPTURE(column);
            CHECK(swept(row, column) == at_once(row, column));
            CHECK(swept(row, column) == objective(element(s, row, column)).value());
        }
}

}  // namespace

TEST_CASE("a broadcast scenario is one by one, and costs what the scenario costs") {
    const auto s = broadcast(round_facts());
    std::size_t fields = 0;
    map_fields<grid>(s, [&]<dimension D>(const quantity<D, grid>& field) {
        CHECK(shape_of(field.value()) == sides{1, 1});
        ++fields;
        return field;
    });
    CHECK(fields == 21);
    CHECK(numbers(element(s, 0, 0)) == numbers(round_facts()));
    const grid cost = sweep(objective, s).value();
    CHECK(shape_of(cost) == sides{1, 1});
    CHECK(cost(0, 0) == objective(round_facts()).value());
}

TEST_CASE("rows go down, columns go across") {
    const grid down = rows({1_Mbps, 5_Mbps, 20_Mbps}).value();
    CHECK(shape_of(down) == sides{3, 1});
    CHECK(down(0, 0) == 1e6);
    CHECK(down(2, 0) == 20e6);
    const grid across = columns({0_tok, 512_tok}).value();
    CHECK(shape_of(across) == sides{1, 2});
    CHECK(across(0, 1) == 512);
    const std::vector<tokens> many(1000, 7_tok);
    CHECK(shape_of(rows(std::span<const tokens>(many)).value()) == sides{1000, 1});
    CHECK(shape_of(columns(std::span<const tokens>(many)).value()) == sides{1, 1000});
}

TEST_CASE("rates down and cache hits across give the grid that two loops over scalars give") {
    const std::vector<bits_per_second> rates{1_Mbps, 2_Mbps, 5_Mbps, 20_Mbps};
    const std::vector<tokens> hits{0_tok, 600_tok, 1000_tok};
    auto s = broadcast(round_facts());
    s.uplink_rate = rows(std::span<const bits_per_second>(rates));
    s.prefix_hit = columns(std::span<const tokens>(hits));
    const grid cost = sweep(objective, s).value();
    REQUIRE(shape_of(cost) == sides{4, 3});
    for (std::size_t row = 0; row < rates.size(); ++row)
        for (std::size_t column = 0; column < hits.size(); ++column) {
            scenario<> one = round_facts();
            one.uplink_rate = rates[row];
            one.prefix_hit = hits[column];
            CHECK(cost(row, column) == objective(one).value());
        }
    check_against_scalars(s, {4, 3});
}

TEST_CASE("a sum that can be done in the head") {
    constexpr auto upload = cost::term<"upload">([](const auto& s) { return s.prompt_size / s.uplink_rate; });
    auto s = broadcast(round_facts());
    s.prompt_size = rows({2_Mbit, 4_Mbit});
    s.uplink_rate = columns({1_Mbps, 2_Mbps, 4_Mbps});
    CHECK(sweep(upload, s).value() == grid{{2, 1, 0.5}, {4, 2, 1}});
}

TEST_CASE("a sweep equals the arrays and the scalars element by element, whichever fields vary") {
    const sides shape{3, 5};
    auto s = dense(shape, 1);
    check_against_scalars(s, shape);
    // some fields along one side only, some not at all
    s.rtt = rows({10_ms, 20_ms, 40_ms});
    s.tpot = columns({10_ms / 1_tok, 20_ms / 1_tok, 30_ms / 1_tok, 40_ms / 1_tok, 50_ms / 1_tok});
    s.kv_rate = 0_bps;
    check_against_scalars(s, shape);
    CHECK(element(s, 2, 4).rtt == 40_ms);
    CHECK(element(s, 2, 4).tpot == 50_ms / 1_tok);
    CHECK(element(s, 2, 4).kv_rate == 0_bps);
}

TEST_CASE("random grids of many shapes equal their scalars") {
    for (const sides& shape : {sides{2, 2}, sides{7, 3}, sides{3, 7}, sides{16, 1}, sides{1, 16}, sides{16, 16}})
        check_against_scalars(dense(shape, 2), shape);
}

TEST_CASE("an element is the scenario of its row and column") {
    const auto s = dense({3, 4}, 5);
    random_facts facts(5);
    for (std::size_t row = 0; row < 3; ++row)
        for (std::size_t column = 0; column < 4; ++column) CHECK(numbers(element(s, row, column)) == numbers(facts()));
}

TEST_CASE("a sweep has the shape of all fields, also of those that the objective does not read") {
    constexpr auto waiting = cost::queueing{} + 6_s * cost::quality_loss{};
    auto s = broadcast(round_facts());
    s.uplink_rate = rows({1_Mbps, 5_Mbps});
    s.kv_size = columns({1_kbit / 1_tok, 2_kbit / 1_tok, 3_kbit / 1_tok});
    const grid cost = sweep(waiting, s).value();
    REQUIRE(shape_of(cost) == sides{2, 3});
    for (const double each : cost) CHECK(each == waiting(round_facts()).value());
    CHECK(shape_of(waiting(s).value()) == sides{1, 1});
}

TEST_CASE("a side of length one is no special case") {
    check_against_scalars(broadcast(round_facts()), {1, 1});
    check_against_scalars(dense({1, 1}, 3), {1, 1});

    auto one_row = broadcast(round_facts());
    one_row.uplink_rate = rows({3_Mbps});
    one_row.prefix_hit = columns({0_tok, 500_tok, 1000_tok});
    check_against_scalars(one_row, {1, 3});

    auto one_column = broadcast(round_facts());
    one_column.uplink_rate = rows({1_Mbps, 2_Mbps, 3_Mbps});
    one_column.prefix_hit = columns({500_tok});
    check_against_scalars(one_column, {3, 1});
}
