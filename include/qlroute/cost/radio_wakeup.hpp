// What a radio that has slept costs.
#pragma once

#include <qlroute/cost/expression.hpp>
#include <qlroute/link/radio_state.hpp>

namespace qlroute::cost {

/// Time until the device's radio can send the first packet of this turn.
///   radio.uplink_wakeup(radio_idle) where prompt_size > 0, else 0             [s]
/// Nothing goes up to a target that is the device itself: its prompt_size is 0. Goes beside uplink, which prices a
/// radio that is awake. Reads radio_idle, prompt_size.
template <class Radio = rrc>
struct radio_wakeup {
    static_assert(radio_policy<Radio>,
                  "qlroute: a radio policy needs a const uplink_wakeup(idle) that takes and returns seconds");
    static constexpr std::string_view name = "radio_wakeup";
    Radio radio{};
    constexpr auto operator()(const auto& s) const {
        return elementwise<dim::time>([](auto wait, auto size) { return size > 0 ? wait : decltype(wait)(0); },
                                      radio.uplink_wakeup(s.radio_idle), s.prompt_size);
    }
};
template <class Radio>
radio_wakeup(Radio) -> radio_wakeup<Radio>;

}  // namespace qlroute::cost
