// What if? The same objective over a grid of scenarios.
//
//   auto what_if = broadcast(choice.facts);
//   what_if.uplink_rate = rows({1_Mbps, 5_Mbps, 20_Mbps});
//   what_if.prefix_hit = columns({0_tok, 512_tok, 1080_tok});
//   const grid seconds = sweep(objective, what_if).value();   // 3 x 3
//
// A field may vary along rows, along columns, along both (a whole grid), or not at all. Needs xtensor.
#pragma once

#include <qlroute/adapt/xtensor.hpp>
#include <qlroute/core/config.hpp>
#include <qlroute/cost/expression.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <utility>

namespace qlroute {

/// Values over rows and columns; a side of length 1 broadcasts.
using grid = xt::xtensor<double, 2>;

/// The same scenario with grids for numbers: every field is 1 x 1.
inline scenario<grid> broadcast(const scenario<>& s) {
    return map_fields<grid>(s, []<dimension D>(const quantity<D>& field) { return quantity<D, grid>(field); });
}

/// One value a row. `values` must not be empty.
template <dimension D>
quantity<D, grid> rows(std::span<const quantity<D>> values) {
    QLROUTE_EXPECTS(!values.empty());
    grid all(std::array<std::size_t, 2>{values.size(), 1});
    std::transform(values.begin(), values.end(), all.begin(), [](const auto& one) { return one.value(); });
    return quantity<D, grid>(std::move(all));
}

/// One value a column. `values` must not be empty.
template <dimension D>
quantity<D, grid> columns(std::span<const quantity<D>> values) {
    auto down = rows(values).value();
    down.reshape(std::array<std::size_t, 2>{1, values.size()});
    return quantity<D, grid>(std::move(down));
}

template <dimension D>
quantity<D, grid> rows(std::initializer_list<quantity<D>> values) {
    return rows(std::span<const quantity<D>>(values.begin(), values.size()));
}
template <dimension D>
quantity<D, grid> columns(std::initializer_list<quantity<D>> values) {
    return columns(std::span<const quantity<D>>(values.begin(), values.size()));
}

namespace detail {

/// One row of a field: `step` is 0 where all columns share one value.
template <dimension D>
struct row_of_field {
    const double* first = nullptr;
    std::size_t step = 0;

    row_of_field() = default;
    row_of_field(const quantity<D, grid>& field, std::size_t row)
        : first(field.value().data() + (field.value().shape()[0] == 1 ? 0 : row * field.value().shape()[1])),
          step(field.value().shape()[1] == 1 ? 0 : 1) {}

    quantity<D> operator[](std::size_t column) const { return quantity<D>(first[column * step]); }
};

/// Whether every field has one element along each axis, or shape[axis] of them.
inline bool all_broadcast_to(const std::array<std::size_t, 2>& shape, const scenario<grid>& s) {
    bool all = true;
    map_fields<grid>(s, [&]<dimension D>(const quantity<D, grid>& field) {
        for (const std::size_t axis : {0u, 1u})
            all = all && (field.value().shape()[axis] == 1 || field.value().shape()[axis] == shape[axis]);
        return quantity<D, grid>();
    });
    return all;
}

}  // namespace detail

/// Element (row, column) of a scenario of grids.
inline scenario<> element(const scenario<grid>& s, std::size_t row, std::size_t column) {
    return map_fields<double>(
        s, [&]<dimension D>(const quantity<D, grid>& field) { return detail::row_of_field<D>(field, row)[column]; });
}

/// The same numbers as objective(what_if), element by element, without arrays in between: memory is that of the result.
/// Shape: the broadcast of all fields, also of those that the objective does not read. Precondition: they do
/// broadcast, so none is empty.
template <cost::expression Objective>
auto sweep(const Objective& objective, const scenario<grid>& what_if) {
    std::array<std::size_t, 2> shape{1, 1};
    map_fields<grid>(what_if, [&]<dimension D>(const quantity<D, grid>& field) {
        for (const std::size_t axis : {0u, 1u}) shape[axis] = std::max(shape[axis], field.value().shape()[axis]);
        return quantity<D, grid>();
    });
    QLROUTE_EXPECTS(detail::all_broadcast_to(shape, what_if));
    grid all(shape);
    double* to = all.data();
    for (std::size_t row = 0; row < shape[0]; ++row)
        for (std::size_t column = 0; column < shape[1]; ++column)
            *to++ = objective(element(what_if, row, column)).value();
    return quantity<cost::cost_of<Objective>::unit, grid>(std::move(all));
}

}  // namespace qlroute
