// What a worse answer costs.
#pragma once

#include <qlroute/cost/expression.hpp>

namespace qlroute::cost {

/// Expected loss of quality, between 0 and 1.
///   1 - P(good answer)                                                       [no unit]
/// Reads quality_loss. To add it to a latency, say what quality is worth: `6_s * quality_loss{}` takes a
/// certainly bad answer to be as annoying as six seconds of waiting.
struct quality_loss {
    static constexpr std::string_view name = "quality_loss";
    constexpr auto operator()(const auto& s) const { return s.quality_loss; }
};

}  // namespace qlroute::cost
