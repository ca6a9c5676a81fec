#include <qlroute/simd/avx_vnni.hpp>

#include <doctest/doctest.h>

#include <support/kernels.hpp>

#if defined(__x86_64__)
TEST_CASE("avx_vnni gives the bits that plain loops give") {
    qlroute::testing::check_kernels(qlroute::simd::avx_vnni_kernels);
}
#endif
