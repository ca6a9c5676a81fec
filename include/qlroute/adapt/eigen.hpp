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
    template <class Function, class... Each>
    static evaluated map(Function f, const Each&... each) {
        Eigen::Index rows = 0;
        Eigen::Index columns = 0;
        const auto measure = [&](const auto& one) {
            if constexpr (!std::is_arithmetic_v<std::remove_cvref_t<decltype(one)>>) {
                rows = one.rows();
                columns = one.cols();
            }
        };
        (measure(each), ...);
        evaluated out(rows, columns);
        for (Eigen::Index j = 0; j < columns; ++j)
            for (Eigen::Index i = 0; i < rows; ++i) out.coeffRef(i, j) = f(element(each, i, j)...);
        return out;
    }
    static evaluated smaller(const auto& a, const auto& b) { return least(a, b); }
    static evaluated larger(const auto& a, const auto& b) { return greatest(a, b); }

private:
    template <class T>
    static scalar element(const T& one, Eigen::Index i, Eigen::Index j) {
        if constexpr (std::is_arithmetic_v<T>) return static_cast<scalar>(one);
        else return one.coeff(i, j);
    }
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
