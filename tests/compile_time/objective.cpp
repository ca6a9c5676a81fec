// What a file pays that prices a turn and needs nothing else.
#include <qlroute/core/literals.hpp>
#include <qlroute/cost/objective.hpp>

using namespace qlroute;

constexpr auto objective = 6_s * cost::quality_loss{} + cost::end_to_end();

seconds cost_of_a_turn(const scenario<>& facts);
seconds cost_of_a_turn(const scenario<>& facts) { return objective(facts); }
