// What a turn costs in money, and in data.
//
//   const cost::tariff prices{.input = 1_USD / 1e6_tok, .cached_input = 0.1_USD / 1e6_tok, .output = 4_USD / 1e6_tok};
//   const auto bill = cost::term<"bill">(cost::by_endpoint{cost::tariff{}, prices});      // endpoint 0 is free
//   const auto objective = cost::end_to_end() + (1_h / 20_USD) * (bill + (5_USD / 1_GB) * cost::data_plan{});
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/cost/switching.hpp>

#include <string_view>

namespace qlroute {

using dollars_per_bit = quantity<dim::money - dim::data>;
using seconds_per_dollar = quantity<dim::time - dim::money>;

}  // namespace qlroute

namespace qlroute::cost {

/// What a provider bills for a turn.
///   (missing + new_tokens) input + prefix_hit cached_input + output_tokens output + per_request              [$]
/// missing = max(prefix_tokens - prefix_hit, 0). The whole context is billed at every turn, as by interfaces to which
/// the history is sent again; what the provider's cache holds of it is billed at cached_input. Where a server keeps
/// dialogues and bills only what is new, leave cached_input at 0. A provider without a cache price: set it to input.
/// Reads new_tokens, prefix_tokens, prefix_hit, output_tokens. The free endpoints of a set are a tariff{}.
struct tariff {
    static constexpr std::string_view name = "tariff";
    dollars_per_token input{};
    dollars_per_token cached_input{};
    dollars_per_token output{};
    dollars per_request{};

    constexpr auto operator()(const auto& s) const {
        return (detail::missing_prefix(s) + s.new_tokens) * input + s.prefix_hit * cached_input +
               s.output_tokens * output + per_request;
    }
};

/// Data that a turn takes from the user's data plan, both ways.
///   prompt_size + unseen_history + output_tokens token_size                  [bit]
/// 0 at a local endpoint, where all three are. A price makes it money: (5_USD / 1_GB) * data_plan{}.
struct data_plan {
    static constexpr std::string_view name = "data_plan";

    constexpr auto operator()(const auto& s) const {
        return s.prompt_size + s.unseen_history + s.output_tokens * s.token_size;
    }
};

}  // namespace qlroute::cost
