// Policies that differ between endpoints.
//
//   const cost::by_endpoint engines{cost::roofline{...}, cost::linear_rate{}, measured};   // endpoints 0, 1 and 2
//   const auto objective = 6_s * cost::quality_loss{} + cost::end_to_end(engines);
//
// scenario::where says which one counts. Any policy can be chosen like this: an engine, a way to bring the history, a
// transport, a tariff. Policies of one type, as many as are known at run time, are given as a span.
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/cost/computation.hpp>

#include <cstddef>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

namespace qlroute::cost {

/// The policy at index scenario::where. Precondition: there is one.
/// Thread-safety: that of the policies.
template <class... Policies>
class by_endpoint {
    static_assert(sizeof...(Policies) >= 1, "qlroute: by_endpoint needs one policy for each endpoint");

public:
    static constexpr bool additive = (additive_computation<Policies> && ...);

    constexpr explicit by_endpoint(Policies... each) : each_(std::move(each)...) {}

    constexpr auto prefill_time(const auto& s, const auto& cached, const auto& count) const
        requires(has_prefill_time<Policies> && ...)
    {
        return chosen<0>(s.where, [&](const auto& one) { return one.prefill_time(s, cached, count); });
    }
    constexpr auto decode_time(const auto& s, const auto& context, const auto& count) const
        requires(has_decode_time<Policies> && ...)
    {
        return chosen<0>(s.where, [&](const auto& one) { return one.decode_time(s, context, count); });
    }
    template <class Facts>
        requires(std::is_invocable_v<const Policies&, const Facts&> && ...)
    constexpr auto operator()(const Facts& s) const {
        return chosen<0>(s.where, [&](const auto& one) { return one(s); });
    }

private:
    /// In the precision of all of them: a policy may return a double where another returns a float, or an array.
    template <class Use>
    using priced = std::remove_cvref_t<decltype((... + std::declval<Use>()(std::declval<const Policies&>())))>;

    template <std::size_t I, class Use>
    constexpr priced<Use> chosen(std::size_t where, const Use& use) const {
        if constexpr (I + 1 == sizeof...(Policies)) {
            QLROUTE_EXPECTS(where == I);
            return priced<Use>(use(std::get<I>(each_)));
        } else return where == I ? priced<Use>(use(std::get<I>(each_))) : chosen<I + 1>(where, use);
    }

    std::tuple<Policies...> each_;
};

/// Of policies that live elsewhere: `by_endpoint{std::span<const cost::batched>(fitted)}`. They may be changed between
/// decisions, by the thread that decides.
template <class Policy>
class by_endpoint<std::span<const Policy>> {
public:
    static constexpr bool additive = additive_computation<Policy>;

    constexpr explicit by_endpoint(std::span<const Policy> each) : each_(each) {}

    constexpr auto prefill_time(const auto& s, const auto& cached, const auto& count) const
        requires has_prefill_time<Policy>
    {
        return at(s.where).prefill_time(s, cached, count);
    }
    constexpr auto decode_time(const auto& s, const auto& context, const auto& count) const
        requires has_decode_time<Policy>
    {
        return at(s.where).decode_time(s, context, count);
    }
    template <class Facts>
        requires std::is_invocable_v<const Policy&, const Facts&>
    constexpr auto operator()(const Facts& s) const {
        return at(s.where)(s);
    }

private:
    constexpr const Policy& at(std::size_t where) const {
        QLROUTE_EXPECTS(where < each_.size());
        return each_[where];
    }

    std::span<const Policy> each_;
};

template <class... Policies>
by_endpoint(Policies...) -> by_endpoint<Policies...>;

}  // namespace qlroute::cost
