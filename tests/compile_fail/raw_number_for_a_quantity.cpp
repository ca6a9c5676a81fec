// expect: from 'double' to
#include <qlroute/core/literals.hpp>

using namespace qlroute;

seconds twice(seconds t) { return 2 * t; }

#ifdef QLROUTE_BAD
auto wait = twice(0.05);
#else
auto wait = twice(50_ms);
#endif
