#include <qlroute/simd/amx_int8.hpp>

#include <doctest/doctest.h>

#include <support/kernels.hpp>

#if defined(__x86_64__)
TEST_CASE("amx gives the bits that plain loops give") { qlroute::testing::check_kernels(qlroute::simd::amx_kernels); }

TEST_CASE(
    "the tile configuration is the 64 bytes that LDTILECFG reads: palette 1, eight tiles of 16 rows of 64 bytes") {
    const auto& tiles = qlroute::simd::amx::eight_whole_tiles;
    static_assert(sizeof tiles == 64);
    static_assert(offsetof(qlroute::simd::amx::tile_configuration, row_bytes) == 16);
    static_assert(offsetof(qlroute::simd::amx::tile_configuration, rows) == 48);
    CHECK(tiles.palette == 1);
    CHECK(tiles.row_bytes[7] == 64);
    CHECK(tiles.row_bytes[8] == 0);
    CHECK(tiles.rows[7] == 16);
    CHECK(tiles.rows[8] == 0);
}
#endif
