// From the logits of a predictor to the success of one endpoint.
#pragma once

#include <qlroute/core/config.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

namespace qlroute {

/// P(good answer) = 1 / (1 + exp(-logit)), where logits[k] is that of an endpoint of ability k. Between two abilities
/// the logit is interpolated; abilities beyond the first and the last count as these. Precondition: there is a logit.
inline double success_at(double ability, std::span<const double> logits) noexcept {
    QLROUTE_EXPECTS(!logits.empty());
    const double last = static_cast<double>(logits.size() - 1);
    const double place = std::clamp(ability, 0.0, last);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, logits.size() - 1);
    const double share = place - static_cast<double>(below);
    return 1 / (1 + std::exp(-((1 - share) * logits[below] + share * logits[above])));
}

}  // namespace qlroute
