// expect: qlroute: terms of one cost need distinct names
#include <qlroute/core/literals.hpp>
#include <qlroute/cost/communication.hpp>

using namespace qlroute;

constexpr auto tax = [](const auto& s) { return s.rtt; };

#ifdef QLROUTE_BAD
auto objective = cost::uplink{} + cost::term<"uplink">(tax);
#else
auto objective = cost::uplink{} + cost::term<"tax">(tax);
#endif
