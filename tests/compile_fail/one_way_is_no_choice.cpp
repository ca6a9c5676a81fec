// expect: qlroute: cheapest_of chooses among at least two ways
#include <qlroute/cost/switching.hpp>

using namespace qlroute;

#ifdef QLROUTE_BAD
auto way = cost::cheapest_of{cost::kv_recompute{}};
#else
auto way = cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}};
#endif
