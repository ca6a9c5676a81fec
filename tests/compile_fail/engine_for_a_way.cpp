// expect: qlroute: a way to bring the history needs a const operator() that takes a scenario and returns seconds
#include <qlroute/cost/switching.hpp>

using namespace qlroute;

#ifdef QLROUTE_BAD
seconds price = cost::switching{cost::linear_rate{}}(scenario<>{});
#else
seconds price = cost::switching{cost::kv_recompute{cost::linear_rate{}}}(scenario<>{});
#endif
