// xtensor arrays as numbers: quantity<dim::time, xt::xtensor<double, 2>>. Shapes broadcast, so that a
// field on rows and another on columns make a grid (see qlroute/eval/sweep.hpp).
#pragma once

#include <qlroute/core/rep.hpp>

#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/core/xmath.hpp>
#else
#include <xtensor/xarray.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xtensor.hpp>
#endif

#include <array>
#include <concepts>
#include <cstddef>
#include <tuple>

namespace qlroute {

namespace detail {

template <class Expression, class Shape = typename Expression::shape_type>
struct evaluated_xtensor {
    using type = xt::xarray<typename Expression::value_type>;
};
template <class Expression, class Shape>
    requires requires { std::tuple_size<Shape>::value; }
struct evaluated_xtensor<Expression, Shape> {
    using type = xt::xtensor<typename Expression::value_type, std::tuple_size<Shape>::value>;
};

}  // namespace detail

template <class Expression>
    requires xt::is_xexpression<Expression>::value
struct rep_traits<Expression> {
    using evaluated = typename detail::evaluated_xtensor<Expression>::type;
    using scalar = typename Expression::value_type;

    static evaluated fill(double x) {
        evaluated one;
        if constexpr (requires { std::tuple_size<typename evaluated::shape_type>::value; }) {
            typename evaluated::shape_type shape;
            shape.fill(1);
            one.resize(shape);
        }
        one.fill(static_cast<scalar>(x));
        return one;
    }
    static evaluated log2(const Expression& a) { return xt::log2(a); }
    static evaluated step(const Expression& a) { return xt::cast<scalar>(xt::greater_equal(a, scalar(0))); }
    static auto smaller(const auto& a, const auto& b) { return xt::eval(xt::minimum(a, b)); }
    static auto larger(const auto& a, const auto& b) { return xt::eval(xt::maximum(a, b)); }
};

}  // namespace qlroute
