#include <qlroute/simd/neon_dotprod.hpp>

#include <doctest/doctest.h>

#include <support/kernels.hpp>

#if defined(QLROUTE_HAS_NEON_DOTPROD)
TEST_CASE("neon_dotprod gives the bits that plain loops give") {
    qlroute::testing::check_kernels(qlroute::simd::neon_dotprod_kernels);
}
#else
TEST_CASE("neon_dotprod is not among the sets of another kind of processor") {
    CHECK(qlroute::simd::find_kernels("neon_dotprod") == nullptr);
}
#endif
