// Eigen arrays as numbers: quantity<dim::time, Eigen::ArrayXd>.
//
// All arrays of one scenario have the same length. A scalar quantity broadcasts in an expression, but cannot be
// assigned to a field of Eigen::ArrayXd, which would not know its length: use Eigen::ArrayXd::Constant(n, x).
//
// The layout of Eigen types depends on compiler flags, so do not pass such quantities between translation units built
// with different ones.
#pragma once

#include <qlroute/core/rep.hpp>

#include <Eigen/Core>

#include <cmath>
#include <type_traits>

namespace qlroute {

template <class Array>
    requires std::is_base_of_v<Eigen::ArrayBase<Array>, Array>
struct rep_traits<Array> {
    using evaluated = typename Array::PlainObject;
    using scalar = typename Array::Scalar;

    /// Not for arrays whose length is set at run time: one of length 1 would not broadcast.
    static evaluated fill(double x)
        requires(Array::SizeAtCompileTime != Eigen::Dynamic)
    {
        return evaluated::Constant(static_cast<scalar>(x));
    }
    static evaluated log2(const Array& a) {
        return a.unaryExpr([](scalar x) { return std::log2(x); });
    }
    static evaluated step(const Array& a) { return (a >= scalar(0)).template cast<scalar>(); }
    static evaluated smaller(const auto& a, const auto& b) { return least(a, b); }
    static evaluated larger(const auto& a, const auto& b) { return greatest(a, b); }

private:
    template <class A, class B>
    static evaluated least(const A& a, const B& b) {
        if constexpr (std::is_arithmetic_v<A>) return b.min(static_cast<scalar>(a));
        else if constexpr (std::is_arithmetic_v<B>) return a.min(static_cast<scalar>(b));
        else return a.min(b);
    }
    template <class A, class B>
    static evaluated greatest(const A& a, const B& b) {
        if constexpr (std::is_arithmetic_v<A>) return b.max(static_cast<scalar>(a));
        else if constexpr (std::is_arithmetic_v<B>) return a.max(static_cast<scalar>(b));
        else return a.max(b);
    }
};

}  // namespace qlroute
