#include <qlroute/simd/avx512_vnni.hpp>

#include <doctest/doctest.h>

#include <support/kernels.hpp>

#if defined(__x86_64__)
TEST_CASE("avx512_vnni gives the bits that plain loops give") {
    qlroute::testing::check_kernels(qlroute::simd::avx512_vnni_kernels);
}
#else
TEST_CASE("avx512_vnni is not among the sets of another kind of processor") {
    CHECK(qlroute::simd::find_kernels("avx512_vnni") == nullptr);
}
#endif
