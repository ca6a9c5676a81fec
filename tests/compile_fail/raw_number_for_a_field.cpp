// expect: a number has no unit
#include <qlroute/core/literals.hpp>
#include <qlroute/cost/scenario.hpp>

using namespace qlroute;

void set(scenario<>& facts) {
#ifdef QLROUTE_BAD
    facts.rtt = 0.05;
#else
    facts.rtt = 50_ms;
#endif
}
