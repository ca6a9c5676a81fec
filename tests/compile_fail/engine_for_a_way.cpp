// expect: qlroute: a way to bring the history needs a const operator() that takes a scenario and returns seconds
#include <qlroute/cost/objective.hpp>

using namespace qlroute;

#ifdef QLROUTE_BAD
auto objective = cost::end_to_end(cost::linear_rate{});
#else
auto objective = cost::end_to_end(cost::kv_recompute{}, cost::linear_rate{});
#endif
