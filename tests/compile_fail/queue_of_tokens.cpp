// expect: qlroute: a queueing policy needs a const operator() that takes a scenario and returns seconds
#include <qlroute/cost/queueing.hpp>

using namespace qlroute;

struct tokens_before_us {
    constexpr auto operator()(const auto& s) const { return s.prefix_tokens; }
};

#ifdef QLROUTE_BAD
auto price = cost::queueing{tokens_before_us{}}(scenario<>{});
#else
auto price = cost::queueing{cost::announced{}}(scenario<>{});
#endif
