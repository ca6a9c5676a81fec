// What a number may be: double, float, or an array of them.
//
// Terms are written "as if every value were one number". The few functions that scalars and arrays
// spell differently go through rep_traits; qlroute/adapt/eigen.hpp and qlroute/adapt/xtensor.hpp
// specialise it for arrays.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

namespace qlroute {

/// How a number type behaves. To add one, specialise with these members:
///   evaluated      the type in which results are kept (never a lazy expression)
///   scalar         the type of one element
///   fill(x)        a value that broadcasts the scalar x; left out where there is none
///   map(f, a...)   the scalar function f, element by element; some of a... may be scalars
///   smaller(a, b), larger(a, b)   element by element; a or b may be a scalar
/// and, only where the type's own operators are slow:
///   combined(op, a, b)   op(a, b) element by element
template <class T>
struct rep_traits;

template <class T>
    requires std::is_arithmetic_v<T>
struct rep_traits<T> {
    using evaluated = std::conditional_t<std::integral<T>, double, T>;
    using scalar = evaluated;

    static constexpr evaluated fill(double x) { return static_cast<evaluated>(x); }
    template <class Function, class... Numbers>
    static constexpr auto map(Function f, Numbers... each) {
        return f(static_cast<typename rep_traits<Numbers>::evaluated>(each)...);
    }
    template <class A, class B>
    static constexpr auto smaller(A a, B b) {
        return b < a ? b : a;
    }
    template <class A, class B>
    static constexpr auto larger(A a, B b) {
        return a < b ? b : a;
    }
};

/// A number type that rep_traits knows.
template <class T>
concept representation = requires { typename rep_traits<std::remove_cvref_t<T>>::evaluated; };

/// A number type that a scalar can become.
template <class T>
concept fillable = requires { rep_traits<T>::fill(0.0); };

template <representation T>
using evaluated_t = typename rep_traits<std::remove_cvref_t<T>>::evaluated;

template <representation T>
using scalar_t = typename rep_traits<std::remove_cvref_t<T>>::scalar;

namespace detail {

template <class A, class... Others>
struct first_array {
    using type = std::remove_cvref_t<A>;
};
template <class A, class B, class... Others>
    requires std::is_arithmetic_v<std::remove_cvref_t<A>>
struct first_array<A, B, Others...> : first_array<B, Others...> {};

}  // namespace detail

/// The traits that decide for several: those of the first array, if there is one.
template <representation... Each>
using common_rep_traits = rep_traits<typename detail::first_array<Each...>::type>;

/// Arithmetic as objects, so that rep_traits can be given an operation.
struct plus {
    constexpr auto operator()(const auto& a, const auto& b) const { return a + b; }
};
struct minus {
    constexpr auto operator()(const auto& a, const auto& b) const { return a - b; }
};
struct times {
    constexpr auto operator()(const auto& a, const auto& b) const { return a * b; }
};
struct over {
    constexpr auto operator()(const auto& a, const auto& b) const { return a / b; }
};

/// op(a, b), evaluated. An array that is given up (an rvalue) may be used for the result.
template <class Operation, representation A, representation B>
constexpr auto combined(Operation op, A&& a, B&& b) {
    using traits = common_rep_traits<A, B>;
    if constexpr (requires { traits::combined(op, std::forward<A>(a), std::forward<B>(b)); })
        return traits::combined(op, std::forward<A>(a), std::forward<B>(b));
    else return evaluated_t<decltype(op(a, b))>(op(a, b));
}

}  // namespace qlroute
