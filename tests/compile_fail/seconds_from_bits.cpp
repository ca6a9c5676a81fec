// expect: one unit cannot become another
#include <qlroute/core/literals.hpp>

using namespace qlroute;

#ifdef QLROUTE_BAD
seconds upload = 1_Mbit;
#else
seconds upload = 1_Mbit / 1_Mbps;
#endif
