#include "by_hand.hpp"

#include <qlroute/core/literals.hpp>
#include <qlroute/cost/objective.hpp>

double cost_by_expression(const qlroute::scenario<>& s) {
    using namespace qlroute;
    constexpr auto objective = 6_s * cost::quality_loss{} + cost::end_to_end();
    return objective(s).value();
}
