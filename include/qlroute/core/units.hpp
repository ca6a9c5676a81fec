// Quantities with units.
//
//   seconds upload = 4_KiB / 5_Mbps;            // bits / (bits per second) = seconds
//   auto    wrong  = upload + 3_tok;            // does not compile: "quantities of one unit"
//
// One canonical unit a dimension: second, bit, token, joule, US dollar. Literals (literals.hpp) scale
// once, at the edge; nothing is converted afterwards. Bytes exist only as literals.
//
// A quantity holds a double by default, or a float, or an array (see rep.hpp). Results are always
// evaluated, so that `auto` never holds a lazy expression.
#pragma once

#include <qlroute/core/rep.hpp>

#include <cmath>
#include <compare>
#include <concepts>
#include <type_traits>
#include <utility>

namespace qlroute {

/// Exponents of the base units; `{.time = -1, .data = 1}` is bit/s.
struct dimension {
    int time = 0;
    int data = 0;
    int token = 0;
    int energy = 0;
    int money = 0;

    friend constexpr bool operator==(const dimension&, const dimension&) = default;
    friend constexpr dimension operator+(dimension a, dimension b) {
        return {a.time + b.time, a.data + b.data, a.token + b.token, a.energy + b.energy, a.money + b.money};
    }
    friend constexpr dimension operator-(dimension a, dimension b) {
        return {a.time - b.time, a.data - b.data, a.token - b.token, a.energy - b.energy, a.money - b.money};
    }
};

namespace dim {
inline constexpr dimension none{};
inline constexpr dimension time{.time = 1};
inline constexpr dimension data{.data = 1};
inline constexpr dimension token{.token = 1};
inline constexpr dimension energy{.energy = 1};
inline constexpr dimension money{.money = 1};
inline constexpr dimension frequency = none - time;
inline constexpr dimension data_rate = data - time;
inline constexpr dimension token_rate = token - time;
inline constexpr dimension time_per_token = time - token;
inline constexpr dimension data_per_token = data - token;
inline constexpr dimension energy_per_token = energy - token;
inline constexpr dimension money_per_token = money - token;
inline constexpr dimension power = energy - time;
}  // namespace dim

template <dimension A, dimension B>
concept same_unit = A == B;

template <dimension D, representation Rep = double>
class quantity;

template <class T>
inline constexpr bool is_quantity = false;
template <dimension D, class Rep>
inline constexpr bool is_quantity<quantity<D, Rep>> = true;

template <class T>
concept any_quantity = is_quantity<std::remove_cvref_t<T>>;

/// A number with a unit. Thread-safety: that of its representation.
template <dimension D, representation Rep>
class quantity {
public:
    static constexpr dimension unit = D;
    using rep = Rep;

    constexpr quantity() = default;

    /// From the number of canonical units; implicit only where there is no unit.
    constexpr explicit(D != dim::none) quantity(Rep value) : value_(std::move(value)) {}

    /// double <-> float, and a scalar to an array that broadcasts it.
    template <class Scalar>
        requires(std::is_arithmetic_v<Scalar> && !std::same_as<Scalar, Rep> && fillable<Rep>)
    constexpr quantity(const quantity<D, Scalar>& other)
        : value_(rep_traits<Rep>::fill(static_cast<double>(other.value()))) {}

    // clang-format off: what is deleted explains itself at the end of its line, because compilers quote that line.
    template <dimension OfAnotherUnit, class OtherRep>
        requires(!same_unit<OfAnotherUnit, D>)
    quantity(const quantity<OfAnotherUnit, OtherRep>&) = delete;  // one unit cannot become another: use a rate
    template <class Number>
        requires(std::is_arithmetic_v<Number> && D != dim::none)
    quantity& operator=(Number) = delete;  // a number has no unit: write 50_ms or seconds(0.05)
    // clang-format on

    /// The number of canonical units (seconds, bits, tokens, joules, dollars and their products).
    constexpr const Rep& value() const& { return value_; }
    constexpr Rep value() && { return std::move(value_); }

    constexpr quantity& operator+=(const quantity& other) {
        value_ += other.value_;
        return *this;
    }
    constexpr quantity& operator-=(const quantity& other) {
        value_ -= other.value_;
        return *this;
    }

private:
    Rep value_{};
};

using ratio = quantity<dim::none>;
using seconds = quantity<dim::time>;
using bits = quantity<dim::data>;
using tokens = quantity<dim::token>;
using joules = quantity<dim::energy>;
using dollars = quantity<dim::money>;
using hertz = quantity<dim::frequency>;
using watts = quantity<dim::power>;
using bits_per_second = quantity<dim::data_rate>;
using tokens_per_second = quantity<dim::token_rate>;
using seconds_per_token = quantity<dim::time_per_token>;
using bits_per_token = quantity<dim::data_per_token>;
using joules_per_token = quantity<dim::energy_per_token>;
using dollars_per_token = quantity<dim::money_per_token>;

/// A quantity of unit D with the evaluated value of an expression.
template <dimension D, representation Expression>
constexpr auto in_units(Expression&& value) {
    return quantity<D, evaluated_t<Expression>>(evaluated_t<Expression>(std::forward<Expression>(value)));
}

// --- sums: one unit only -------------------------------------------------------------------------

template <any_quantity A>
inline constexpr dimension unit_of = std::remove_cvref_t<A>::unit;

template <any_quantity A, any_quantity B>
    requires same_unit<unit_of<A>, unit_of<B>>
constexpr auto operator+(A&& a, B&& b) {
    return in_units<unit_of<A>>(combined(plus{}, std::forward<A>(a).value(), std::forward<B>(b).value()));
}
template <any_quantity A, any_quantity B>
    requires same_unit<unit_of<A>, unit_of<B>>
constexpr auto operator-(A&& a, B&& b) {
    return in_units<unit_of<A>>(combined(minus{}, std::forward<A>(a).value(), std::forward<B>(b).value()));
}
template <dimension D, class A>
constexpr auto operator-(const quantity<D, A>& a) {
    return in_units<D>(-a.value());
}

template <any_quantity A, any_quantity B>
    requires(!same_unit<unit_of<A>, unit_of<B>>)
constexpr auto operator+(const A& a, const B&) {
    static_assert(same_unit<unit_of<A>, unit_of<B>>,
                  "qlroute: only quantities of one unit can be added; "
                  "multiply one of them by a rate or a weight that converts it");
    return a;  // so that the assertion is the first error
}
template <any_quantity A, any_quantity B>
    requires(!same_unit<unit_of<A>, unit_of<B>>)
constexpr auto operator-(const A& a, const B&) {
    static_assert(same_unit<unit_of<A>, unit_of<B>>,
                  "qlroute: only quantities of one unit can be subtracted; "
                  "multiply one of them by a rate or a weight that converts it");
    return a;  // so that the assertion is the first error
}

// --- comparisons: scalars of one unit ------------------------------------------------------------

template <dimension D, class A, class B>
    requires(std::is_arithmetic_v<A> && std::is_arithmetic_v<B>)
constexpr bool operator==(const quantity<D, A>& a, const quantity<D, B>& b) {
    return a.value() == b.value();
}
template <dimension D, class A, class B>
    requires(std::is_arithmetic_v<A> && std::is_arithmetic_v<B>)
constexpr std::partial_ordering operator<=>(const quantity<D, A>& a, const quantity<D, B>& b) {
    return a.value() <=> b.value();
}
template <dimension D, dimension E, class A, class B>
    requires(!same_unit<D, E>)
constexpr bool operator==(const quantity<D, A>&, const quantity<E, B>&) {
    static_assert(same_unit<D, E>, "qlroute: only quantities of one unit can be compared");
    return false;
}
template <dimension D, dimension E, class A, class B>
    requires(!same_unit<D, E>)
constexpr std::partial_ordering operator<=>(const quantity<D, A>&, const quantity<E, B>&) {
    static_assert(same_unit<D, E>, "qlroute: only quantities of one unit can be compared");
    return std::partial_ordering::unordered;
}

// --- products: units multiply --------------------------------------------------------------------

template <any_quantity A, any_quantity B>
constexpr auto operator*(A&& a, B&& b) {
    return in_units<unit_of<A> + unit_of<B>>(combined(times{}, std::forward<A>(a).value(), std::forward<B>(b).value()));
}
template <any_quantity A, any_quantity B>
constexpr auto operator/(A&& a, B&& b) {
    return in_units<unit_of<A> - unit_of<B>>(combined(over{}, std::forward<A>(a).value(), std::forward<B>(b).value()));
}

/// A plain number takes the precision of the quantity: 0.5 * quantity<D, float> is a float.
template <class Number, any_quantity A>
    requires std::is_arithmetic_v<Number>
constexpr auto operator*(Number k, A&& a) {
    using scalar = scalar_t<typename std::remove_cvref_t<A>::rep>;
    return in_units<unit_of<A>>(combined(times{}, static_cast<scalar>(k), std::forward<A>(a).value()));
}
template <any_quantity A, class Number>
    requires std::is_arithmetic_v<Number>
constexpr auto operator*(A&& a, Number k) {
    using scalar = scalar_t<typename std::remove_cvref_t<A>::rep>;
    return in_units<unit_of<A>>(combined(times{}, std::forward<A>(a).value(), static_cast<scalar>(k)));
}
template <any_quantity A, class Number>
    requires std::is_arithmetic_v<Number>
constexpr auto operator/(A&& a, Number k) {
    using scalar = scalar_t<typename std::remove_cvref_t<A>::rep>;
    return in_units<unit_of<A>>(combined(over{}, std::forward<A>(a).value(), static_cast<scalar>(k)));
}
template <class Number, any_quantity A>
    requires std::is_arithmetic_v<Number>
constexpr auto operator/(Number k, A&& a) {
    using scalar = scalar_t<typename std::remove_cvref_t<A>::rep>;
    return in_units<dim::none - unit_of<A>>(combined(over{}, static_cast<scalar>(k), std::forward<A>(a).value()));
}

// --- functions for terms, element by element -----------------------------------------------------

/// The lesser of two quantities of one unit.
template <any_quantity A, any_quantity B>
    requires same_unit<unit_of<A>, unit_of<B>>
constexpr auto smaller(A&& a, B&& b) {
    using traits = common_rep_traits<typename std::remove_cvref_t<A>::rep, typename std::remove_cvref_t<B>::rep>;
    return in_units<unit_of<A>>(traits::smaller(std::forward<A>(a).value(), std::forward<B>(b).value()));
}

/// The greater of two quantities of one unit.
template <any_quantity A, any_quantity B>
    requires same_unit<unit_of<A>, unit_of<B>>
constexpr auto larger(A&& a, B&& b) {
    using traits = common_rep_traits<typename std::remove_cvref_t<A>::rep, typename std::remove_cvref_t<B>::rep>;
    return in_units<unit_of<A>>(traits::larger(std::forward<A>(a).value(), std::forward<B>(b).value()));
}

/// max(a, 0).
template <any_quantity A>
constexpr auto positive_part(A&& a) {
    using rep = typename std::remove_cvref_t<A>::rep;
    return in_units<unit_of<A>>(rep_traits<rep>::larger(std::forward<A>(a).value(), scalar_t<rep>(0)));
}

/// A function of plain numbers over quantities, element by element: f gets numbers of canonical units and returns one
/// of unit D. For what operators cannot say; arrays broadcast as they do in operators.
///   elementwise<dim::time>([](auto d, auto r) { return d / r; }, size, rate)
template <dimension D, class Function, any_quantity... Each>
constexpr auto elementwise(Function f, const Each&... each) {
    return in_units<D>(common_rep_traits<typename Each::rep...>::map(f, each.value()...));
}

/// 1 where a >= 0, else 0: a comparison that arrays can make.
template <dimension D, class A>
constexpr auto step(const quantity<D, A>& a) {
    return elementwise<dim::none>([](auto x) { return x >= 0 ? decltype(x)(1) : decltype(x)(0); }, a);
}

/// log2 of a number without a unit.
template <class A>
auto log2(const quantity<dim::none, A>& a) {
    return elementwise<dim::none>([](auto x) { return std::log2(x); }, a);
}

}  // namespace qlroute
