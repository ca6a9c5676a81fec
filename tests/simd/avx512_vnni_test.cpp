#include <qlroute/simd/avx512_vnni.hpp>

#include <doctest/doctest.h>

#include <support/kernels.hpp>

#if defined(__x86_64__)
TEST_CASE("avx512_vnni gives the bits that plain loops give") {
    qlroute::testing::check_kernels(qlroute::simd::avx512_vnni_kernels);
}
#endif
