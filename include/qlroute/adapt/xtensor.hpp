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

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

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

namespace detail {

/// out[i] = op(a[i], b[i]); a side that does not step stays at its first element.
template <bool StepA, bool StepB, class Operation, class T>
void combine_row(Operation op, const T* a, const T* b, T* out, std::size_t size) {
    const T first_a = a[0];
    const T first_b = b[0];
    for (std::size_t i = 0; i < size; ++i) out[i] = op(StepA ? a[i] : first_a, StepB ? b[i] : first_b);
}

/// op over two row-major tensors that broadcast against each other, the result in `out`, which has the full shape and
/// may be one of them. xtensor's own broadcasting walks element by element through iterators, which is several times
/// slower; this one walks rows.
template <class Operation, class T, std::size_t Rank>
void combine_into(xt::xtensor<T, Rank>& out, Operation op, const xt::xtensor<T, Rank>& a,
                  const xt::xtensor<T, Rank>& b) {
    if (out.size() == 0) return;
    std::array<std::size_t, Rank> step_a{};  // 0 where a has one element along an axis
    std::array<std::size_t, Rank> step_b{};
    std::size_t size_a = 1;
    std::size_t size_b = 1;
    for (std::size_t axis = Rank; axis-- > 0;) {
        step_a[axis] = a.shape()[axis] == 1 ? 0 : size_a;
        step_b[axis] = b.shape()[axis] == 1 ? 0 : size_b;
        size_a *= a.shape()[axis];
        size_b *= b.shape()[axis];
    }
    const std::size_t row = out.shape()[Rank - 1];
    const bool steps_a = step_a[Rank - 1] != 0;
    const bool steps_b = step_b[Rank - 1] != 0;
    std::array<std::size_t, Rank> at{};
    std::size_t offset_a = 0;
    std::size_t offset_b = 0;
    for (T* to = out.data(); to != out.data() + out.size(); to += row) {
        const T* from_a = a.data() + offset_a;
        const T* from_b = b.data() + offset_b;
        if (steps_a && steps_b) combine_row<true, true>(op, from_a, from_b, to, row);
        else if (steps_a) combine_row<true, false>(op, from_a, from_b, to, row);
        else if (steps_b) combine_row<false, true>(op, from_a, from_b, to, row);
        else combine_row<false, false>(op, from_a, from_b, to, row);

        for (std::size_t axis = Rank - 1; axis-- > 0;) {
            offset_a += step_a[axis];
            offset_b += step_b[axis];
            if (++at[axis] < out.shape()[axis]) break;
            offset_a -= step_a[axis] * at[axis];
            offset_b -= step_b[axis] * at[axis];
            at[axis] = 0;
        }
    }
}

/// op over two tensors; one that is given up and has the full shape becomes the result.
template <class A, class B, class T = typename std::remove_cvref_t<A>::value_type,
          std::size_t Rank = std::tuple_size<typename std::remove_cvref_t<A>::shape_type>::value>
    requires std::same_as<std::remove_cvref_t<A>, xt::xtensor<T, Rank>> &&
             std::same_as<std::remove_cvref_t<B>, xt::xtensor<T, Rank>>
xt::xtensor<T, Rank> combine(auto op, A&& a, B&& b) {
    std::array<std::size_t, Rank> shape{};
    for (std::size_t axis = 0; axis < Rank; ++axis) {
        const std::size_t length_a = a.shape()[axis];
        const std::size_t length_b = b.shape()[axis];
        if (length_a != length_b && length_a != 1 && length_b != 1) return op(a, b);  // xtensor's own error
        shape[axis] = length_a == 1 ? length_b : length_a;
    }
    const auto take = [&](auto&& given_up) {
        combine_into(given_up, op, a, b);
        return xt::xtensor<T, Rank>(std::move(given_up));
    };
    if constexpr (!std::is_reference_v<A>)
        if (std::equal(shape.begin(), shape.end(), a.shape().begin())) return take(a);
    if constexpr (!std::is_reference_v<B>)
        if (std::equal(shape.begin(), shape.end(), b.shape().begin())) return take(b);
    return take(xt::xtensor<T, Rank>::from_shape(shape));
}

struct lesser {
    template <class A, class B>
    constexpr auto operator()(const A& a, const B& b) const {
        if constexpr (std::is_arithmetic_v<A> && std::is_arithmetic_v<B>) return b < a ? b : a;
        else return xt::minimum(a, b);
    }
};
struct greater {
    template <class A, class B>
    constexpr auto operator()(const A& a, const B& b) const {
        if constexpr (std::is_arithmetic_v<A> && std::is_arithmetic_v<B>) return a < b ? b : a;
        else return xt::maximum(a, b);
    }
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
    template <class Function, class... Each>
    static auto map(Function f, const Each&... each) {
        const auto lazy = xt::make_lambda_xfunction(
            [f](auto... x) { return static_cast<scalar>(f(static_cast<scalar>(x)...)); }, each...);
        return typename detail::evaluated_xtensor<std::remove_cvref_t<decltype(lazy)>>::type(lazy);
    }
    static auto smaller(auto&& a, auto&& b) {
        return combined(detail::lesser{}, std::forward<decltype(a)>(a), std::forward<decltype(b)>(b));
    }
    static auto larger(auto&& a, auto&& b) {
        return combined(detail::greater{}, std::forward<decltype(a)>(a), std::forward<decltype(b)>(b));
    }

    template <class A, class B>
    static auto combined(auto op, A&& a, B&& b) {
        if constexpr (std::is_arithmetic_v<std::remove_cvref_t<A>>)
            return elementwise([x = static_cast<scalar>(a), op](scalar y) { return op(x, y); }, std::forward<B>(b));
        else if constexpr (std::is_arithmetic_v<std::remove_cvref_t<B>>)
            return elementwise([y = static_cast<scalar>(b), op](scalar x) { return op(x, y); }, std::forward<A>(a));
        else if constexpr (requires { detail::combine(op, std::forward<A>(a), std::forward<B>(b)); })
            return detail::combine(op, std::forward<A>(a), std::forward<B>(b));
        else return typename detail::evaluated_xtensor<decltype(op(a, b))>::type(op(a, b));
    }

private:
    static evaluated elementwise(auto op, evaluated&& a) {
        std::transform(a.data(), a.data() + a.size(), a.data(), op);
        return std::move(a);
    }
    static evaluated elementwise(auto op, const evaluated& a) {
        evaluated out = evaluated::from_shape(a.shape());
        std::transform(a.data(), a.data() + a.size(), out.data(), op);
        return out;
    }
};

}  // namespace qlroute
