// expect: qlroute: terms of one cost must share a unit
#include <qlroute/core/literals.hpp>
#include <qlroute/cost/communication.hpp>
#include <qlroute/cost/quality.hpp>

using namespace qlroute;

#ifdef QLROUTE_BAD
auto objective = cost::quality_loss{} + cost::uplink{};
#else
auto objective = 6_s * cost::quality_loss{} + cost::uplink{};
#endif
