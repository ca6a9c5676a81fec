// expect: one unit cannot become another
#include <qlroute/core/literals.hpp>

using namespace qlroute;

void set(seconds& upload) {
#ifdef QLROUTE_BAD
    upload = 1_Mbit;
#else
    upload = 1_Mbit / 1_Mbps;
#endif
}
