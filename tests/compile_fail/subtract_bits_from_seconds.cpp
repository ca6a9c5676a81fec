// expect: qlroute: only quantities of one unit can be subtracted
#include <qlroute/core/literals.hpp>

using namespace qlroute;

#ifdef QLROUTE_BAD
auto rest = 2_s - 1_Mbit;
#else
auto rest = 2_s - 1_Mbit / 1_Mbps;
#endif
