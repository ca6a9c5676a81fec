// expect: qlroute: only quantities of one unit can be added
#include <qlroute/core/literals.hpp>

using namespace qlroute;

#ifdef QLROUTE_BAD
auto total = 2_s + 3_tok;
#else
auto total = 2_s + 3_tok * (40_ms / 1_tok);
#endif
