#include <qlroute/simd/neon_dotprod.hpp>

#include <doctest/doctest.h>

#include <support/kernels.hpp>

#if defined(QLROUTE_HAS_NEON_DOTPROD)
TEST_CASE("neon_dotprod gives the bits that plain loops give") {
    qlroute::testing::check_kernels(qlroute::simd::neon_dotprod_kernels);
}
#endif
