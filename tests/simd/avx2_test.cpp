#include <qlroute/simd/avx2.hpp>

#include <doctest/doctest.h>

#include <support/kernels.hpp>

#if defined(__x86_64__)
TEST_CASE("avx2 gives the bits that plain loops give") { qlroute::testing::check_kernels(qlroute::simd::avx2_kernels); }
#endif
