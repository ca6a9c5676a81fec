// AMX: tiles of 16 rows of 64 bytes. One instruction multiplies a tile of activations, 16 rows x 64 of the depth, with
// a tile of weights, 64 of the depth x 16 columns: 1 KB of a panel, as it lies. Rows as in avx512_vnni.hpp.
#pragma once

#include <qlroute/simd/avx512_vnni.hpp>

#if defined(__x86_64__)

#define QLROUTE_KERNEL __attribute__((target("avx512f,amx-tile,amx-int8"))) inline

namespace qlroute::simd::amx {

struct alignas(64) tile_configuration {
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
inline constexpr tile_configuration eight_whole_tiles{};

QLROUTE_KERNEL void enter() noexcept { _tile_loadconfig(&eight_whole_tiles); }
QLROUTE_KERNEL void leave() noexcept { _tile_release(); }

/// 32 rows x 32 columns: sums in tiles 0-3, activations in 4 and 5, weights in 6 and 7.
QLROUTE_KERNEL void tiles_2x2(const gemm_call& call, std::size_t row, std::size_t column) noexcept {
    const std::uint8_t* a0 = call.a + row * call.a_stride;
    const std::uint8_t* a1 = a0 + 16 * call.a_stride;
    const std::int8_t* b0 = call.b + column / lanes * call.b_stride;
    const std::int8_t* b1 = b0 + call.b_stride;
    // A stride of 0 loads the same row sixteen times.
    _tile_loadd(0, call.init + column, 0);
    _tile_loadd(1, call.init + column + 16, 0);
    _tile_loadd(2, call.init + column, 0);
    _tile_loadd(3, call.init + column + 16, 0);
    for (std::size_t k = 0; k < call.depth; k += 64) {
        _tile_loadd(4, a0 + k, call.a_stride);
        _tile_loadd(6, b0 + k * lanes, 64);
        _tile_dpbusd(0, 4, 6);
        _tile_loadd(7, b1 + k * lanes, 64);
        _tile_dpbusd(1, 4, 7);
        _tile_loadd(5, a1 + k, call.a_stride);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    std::int32_t* c = call.c + row * call.c_stride + column;
    const std::size_t stride = call.c_stride * sizeof(std::int32_t);
    _tile_stored(0, c, stride);
    _tile_stored(1, c + 16, stride);
    _tile_stored(2, c + 16 * call.c_stride, stride);
    _tile_stored(3, c + 16 * call.c_stride + 16, stride);
}

/// 16 rows x 48 columns: sums in tiles 0-2, activations in 4, weights in 5-7.
QLROUTE_KERNEL void tiles_1x3(const gemm_call& call, std::size_t row, std::size_t column) noexcept {
    const std::uint8_t* a = call.a + row * call.a_stride;
    const std::int8_t* b = call.b + column / lanes * call.b_stride;
    _tile_loadd(0, call.init + column, 0);
    _tile_loadd(1, call.init + column + 16, 0);
    _tile_loadd(2, call.init + column + 32, 0);
    for (std::size_t k = 0; k < call.depth; k += 64) {
        _tile_loadd(4, a + k, call.a_stride);
        _tile_loadd(5, b + k * lanes, 64);
        _tile_dpbusd(0, 4, 5);
        _tile_loadd(6, b + call.b_stride + k * lanes, 64);
        _tile_dpbusd(1, 4, 6);
        _tile_loadd(7, b + 2 * call.b_stride + k * lanes, 64);
        _tile_dpbusd(2, 4, 7);
    }
    std::int32_t* c = call.c + row * call.c_stride + column;
    const std::size_t stride = call.c_stride * sizeof(std::int32_t);
    _tile_stored(0, c, stride);
    _tile_stored(1, c + 16, stride);
    _tile_stored(2, c + 32, stride);
}

/// 16 rows x 16 columns.
QLROUTE_KERNEL void tiles_1x1(const gemm_call& call, std::size_t row, std::size_t column) noexcept {
    const std::uint8_t* a = call.a + row * call.a_stride;
    const std::int8_t* b = call.b + column / lanes * call.b_stride;
    _tile_loadd(0, call.init + column, 0);
    for (std::size_t k = 0; k < call.depth; k += 64) {
        _tile_loadd(4, a + k, call.a_stride);
        _tile_loadd(5, b + k * lanes, 64);
        _tile_dpbusd(0, 4, 5);
    }
    _tile_stored(0, call.c + row * call.c_stride + column, call.c_stride * sizeof(std::int32_t));
}

/// Reads and writes whole tiles of 16 rows; a few rows are not worth a tile. Columns outside, so that the weights of
/// two panels stay in the first cache while all rows pass by.
QLROUTE_KERNEL void gemm(const gemm_call& call) noexcept {
    if (call.rows < 4) return avx512_vnni::gemm(call);
    asm volatile("" ::: "memory");  // the tile instructions do not tell the compiler that they read and write memory
    const std::size_t paired = call.rows % 32 > 16 ? call.rows / 32 * 32 + 32 : call.rows / 32 * 32;
    std::size_t column = 0;
    for (; column + 32 <= call.columns; column += 32)
        for (std::size_t row = 0; row < paired; row += 32) tiles_2x2(call, row, column);
    for (; column < call.columns; column += 16)
        for (std::size_t row = 0; row < paired; row += 16) tiles_1x1(call, row, column);
    if (paired < call.rows) {
        column = 0;
        for (; column + 48 <= call.columns; column += 48) tiles_1x3(call, paired, column);
        for (; column < call.columns; column += 16) tiles_1x1(call, paired, column);
    }
    asm volatile("" ::: "memory");
}

}  // namespace qlroute::simd::amx

#undef QLROUTE_KERNEL

namespace qlroute::simd {

inline constexpr kernel_set amx_kernels{
    .isa = instruction_set::amx,
    .name = "amx",
    .zero_point = 128,
    .row_tile = 16,
    .row_block = 64,
    .depth_tile = 64,
    .enter = amx::enter,
    .leave = amx::leave,
    .gemm = amx::gemm,
    .rows = avx512_vnni::row_set,
};

}  // namespace qlroute::simd

#endif
