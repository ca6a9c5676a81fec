#include <qlroute/simd/dispatch.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

using namespace qlroute;

TEST_CASE("plain loops run everywhere and come last") {
    CHECK(simd::runs_here(instruction_set::scalar));
    CHECK(std::size(simd::kernel_sets) >= 1);
    CHECK(simd::kernel_sets[std::size(simd::kernel_sets) - 1] == &simd::scalar_kernels);
}

TEST_CASE("each kind of processor has its own sets, and no other's") {
#if defined(__x86_64__)
    constexpr std::string_view mine[] = {"amx", "avx512_vnni", "avx_vnni", "avx2", "scalar"};
#elif defined(QLROUTE_HAS_NEON_DOTPROD)
    constexpr std::string_view mine[] = {"neon_dotprod", "scalar"};
#else
    constexpr std::string_view mine[] = {"scalar"};
#endif
    REQUIRE(std::size(simd::kernel_sets) == std::size(mine));
    for (std::size_t k = 0; k < std::size(mine); ++k) CHECK(simd::kernel_sets[k]->name == mine[k]);
}

TEST_CASE("a name finds the set of that name, if it runs here, and nothing else") {
    for (const simd::kernel_set* each : simd::kernel_sets)
        CHECK(simd::find_kernels(each->name) == (simd::runs_here(each->isa) ? each : nullptr));
    CHECK(simd::find_kernels("") == nullptr);
    CHECK(simd::find_kernels("AVX2") == nullptr);
    CHECK(simd::find_kernels("quantum") == nullptr);
}

TEST_CASE("the active set is the one that QLROUTE_SIMD names, or else the best that runs here") {
    const simd::kernel_set* expected = nullptr;
    if (const char* name = std::getenv("QLROUTE_SIMD")) expected = simd::find_kernels(name);
    for (const simd::kernel_set* each : simd::kernel_sets)
        if (expected == nullptr && simd::runs_here(each->isa)) expected = each;
    CHECK(&simd::active_kernels() == expected);
    CHECK(&simd::active_kernels() == &simd::active_kernels());
}
