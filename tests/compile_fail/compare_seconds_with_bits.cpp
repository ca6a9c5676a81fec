// expect: qlroute: only quantities of one unit can be compared
#include <qlroute/core/literals.hpp>

using namespace qlroute;

#ifdef QLROUTE_BAD
bool shorter = 2_s < 1_Mbit;
#else
bool shorter = 2_s < 1_Mbit / 1_Mbps;
#endif
