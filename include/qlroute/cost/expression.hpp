// The cost algebra: a + b, and weight * a. Nothing else.
//
//   constexpr auto objective = 6_s * cost::quality_loss{} + cost::uplink{} + cost::decode{};
//   seconds total = objective(facts);
//   for (const auto& [name, value] : explain(objective, facts)) ...
//
// A term is a small struct with a name and a generic call operator:
//
//   struct prefill {
//       static constexpr std::string_view name = "prefill";
//       constexpr auto operator()(const auto& s) const { return s.new_tokens / s.prefill_rate; }
//   };
//
// Written without branches, the same term works on doubles and on arrays. An expression is a flat list
// of weighted terms, held by value in the order written: its lines always sum to its total.
#pragma once

#include <qlroute/cost/scenario.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace qlroute::cost {

template <class T>
concept has_a_name = requires {
    { T::name } -> std::convertible_to<std::string_view>;
};

template <class T>
concept returns_a_quantity = requires(const T& term, const scenario<>& facts) {
    { term(facts) } -> any_quantity;
};

/// A named price: `T::name` and a call on a scenario that returns a quantity.
template <class T>
concept term_of_a_cost = has_a_name<T> && returns_a_quantity<T>;

template <class... Terms>
class sum;

template <class T>
inline constexpr bool is_sum = false;
template <class... Terms>
inline constexpr bool is_sum<sum<Terms...>> = true;

/// A term, or several of them added up.
template <class T>
concept expression = is_sum<T> || term_of_a_cost<T>;

/// What a term can be multiplied by: a number, or a quantity, which is then an exchange rate.
template <class T>
concept weight_of_a_term = std::is_arithmetic_v<T> || any_quantity<T>;

template <class Weight, class Term>
struct weighted {
    static constexpr std::string_view name = Term::name;

    Weight weight;
    Term term;

    constexpr auto operator()(const auto& facts) const { return weight * term(facts); }
};

namespace detail {

template <class Term>
inline constexpr dimension unit_of = std::invoke_result_t<const Term&, const scenario<>&>::unit;

template <class First, class... Rest>
inline constexpr bool one_unit = ((unit_of<First> == unit_of<Rest>)&&...);

template <class... Terms>
constexpr bool distinct_names() {
    std::array<std::string_view, sizeof...(Terms)> names{Terms::name...};
    for (std::size_t i = 0; i < names.size(); ++i)
        for (std::size_t j = i + 1; j < names.size(); ++j)
            if (names[i] == names[j]) return false;
    return true;
}

/// From left to right, each in the precision of the total, as the lines of a breakdown are.
template <class... Values>
constexpr auto added(Values&&... values) {
    using total = std::remove_cvref_t<decltype((... + values))>;
    if constexpr (std::is_arithmetic_v<typename total::rep>) return (... + total(values));
    else return (... + std::forward<Values>(values));
}

}  // namespace detail

/// Terms of one unit and distinct names, added from left to right.
template <class... Terms>
class sum {
    static_assert(detail::one_unit<Terms...>,
                  "qlroute: terms of one cost must share a unit; multiply the odd one by a weight, "
                  "as in 6_s * quality_loss{}");
    static_assert(detail::distinct_names<Terms...>(),
                  "qlroute: terms of one cost need distinct names, or the breakdown could not tell them apart");

public:
    constexpr explicit sum(Terms... terms) : terms_(std::move(terms)...) {}

    constexpr auto operator()(const auto& facts) const {
        return std::apply([&](const auto&... term) { return detail::added(term(facts)...); }, terms_);
    }

    constexpr const std::tuple<Terms...>& terms() const { return terms_; }

private:
    std::tuple<Terms...> terms_;
};

namespace detail {

constexpr auto flat(const term_of_a_cost auto& term) { return std::make_tuple(term); }
template <class... Terms>
constexpr auto flat(const sum<Terms...>& terms) {
    return terms.terms();
}

constexpr auto sum_of(auto terms) {
    return std::apply([](auto&... term) { return sum(std::move(term)...); }, terms);
}

}  // namespace detail

/// a + b: the terms of a, then those of b.
template <expression A, expression B>
constexpr auto operator+(const A& a, const B& b) {
    return detail::sum_of(std::tuple_cat(detail::flat(a), detail::flat(b)));
}

/// a + b where one of them is not a term: says what it lacks.
template <class A, class B>
    requires(expression<A> != expression<B>)
constexpr auto operator+(const A& a, const B& b) {
    using other = std::conditional_t<expression<A>, B, A>;
    static_assert(has_a_name<other>,
                  "qlroute: a term of a cost needs a name, as in "
                  "`static constexpr std::string_view name = \"uplink\";`");
    static_assert(!has_a_name<other> || returns_a_quantity<other>,
                  "qlroute: a term of a cost needs a const operator() that takes a scenario and returns a quantity");
    if constexpr (expression<A>) return a;
    else return b;
}

/// weight * a: an exchange rate with a unit, or a plain factor.
template <weight_of_a_term Weight, term_of_a_cost Term>
constexpr auto operator*(const Weight& weight, const Term& term) {
    return weighted<Weight, Term>{weight, term};
}

/// weight * (a + b) = weight * a + weight * b: still a flat list.
template <weight_of_a_term Weight, class... Terms>
constexpr auto operator*(const Weight& weight, const sum<Terms...>& terms) {
    return std::apply([&](const auto&... term) { return sum(weight * term...); }, terms.terms());
}

/// A name as a template argument.
template <std::size_t Size>
struct literal_name {
    char text[Size]{};
    constexpr literal_name(const char (&from)[Size]) { std::copy_n(from, Size, text); }
};

/// A term without a struct of its own:
///   cost::term<"tax">([](const auto& s) { return 10_ms * (s.prompt_size / 1_KiB); })
template <literal_name Name, class Function>
struct named_term {
    static constexpr std::string_view name{Name.text, sizeof(Name.text) - 1};

    Function function;

    constexpr auto operator()(const auto& facts) const { return function(facts); }
};

template <literal_name Name, class Function>
constexpr auto term(Function function) {
    return named_term<Name, Function>{std::move(function)};
}

/// One line of a breakdown.
template <any_quantity Value>
struct line {
    std::string_view name;
    Value value;
};

/// Every term's name and value, in written order.
template <any_quantity Value, std::size_t Size>
struct breakdown {
    std::array<line<Value>, Size> lines;

    constexpr auto begin() const { return lines.begin(); }
    constexpr auto end() const { return lines.end(); }
    static constexpr std::size_t size() { return Size; }

    /// The line of that name, or null.
    constexpr const Value* find(std::string_view name) const {
        for (const auto& one : lines)
            if (one.name == name) return &one.value;
        return nullptr;
    }

    /// The lines added from left to right: exactly objective(facts).
    constexpr Value total() const {
        Value all = lines[0].value;
        for (std::size_t i = 1; i < Size; ++i) all = all + lines[i].value;
        return all;
    }
};

namespace detail {

template <class Value>
constexpr Value as_line(const auto& cost, const auto& objective, const auto& facts) {
    using rep = typename std::remove_cvref_t<decltype(cost)>::rep;
    if constexpr (std::is_arithmetic_v<rep> && !std::is_arithmetic_v<typename Value::rep>)
        return smaller(larger(objective(facts), cost), cost);  // `cost` everywhere
    else return Value(cost);
}

}  // namespace detail

/// What each term of `objective` costs under `facts`. Allocates nothing for scalars.
///
/// Over arrays every line has the shape of its term, or that of the total where its term is one number.
template <expression Objective>
constexpr auto explain(const Objective& objective, const auto& facts) {
    using value = std::remove_cvref_t<decltype(objective(facts))>;
    return std::apply(
        [&](const auto&... term) {
            return breakdown<value, sizeof...(term)>{{line<value>{
                std::remove_cvref_t<decltype(term)>::name, detail::as_line<value>(term(facts), objective, facts)}...}};
        },
        detail::flat(objective));
}

/// The unit of a cost expression.
template <expression Objective>
using cost_of = std::remove_cvref_t<std::invoke_result_t<const Objective&, const scenario<>&>>;

}  // namespace qlroute::cost

namespace qlroute {

// So that argument-dependent lookup finds `6_s * my_term{}` through the quantity, wherever my_term lives.
using cost::operator+;
using cost::operator*;

}  // namespace qlroute
