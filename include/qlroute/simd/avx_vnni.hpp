// AVX-VNNI: the dot product of AVX512-VNNI in 256-bit registers, on processors without AVX-512. Rows as in avx2.hpp.
#pragma once

#include <qlroute/simd/avx2.hpp>

#if defined(__x86_64__)

#define QLROUTE_KERNEL __attribute__((target("avx2,fma,avxvnni"))) inline

namespace qlroute::simd::avx_vnni {

/// Rows x Halves registers of sums, the whole depth; a half is 8 columns of a panel.
template <int Rows, int Halves>
QLROUTE_KERNEL void gemm_tile(const gemm_call& call, std::size_t row, std::size_t column) noexcept {
    __m256i sums[Rows][Halves];
    QLROUTE_UNROLL
    for (int h = 0; h < Halves; ++h) {
        const __m256i init =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(call.init + column + static_cast<std::size_t>(h) * 8));
        QLROUTE_UNROLL
        for (int r = 0; r < Rows; ++r) sums[r][h] = init;
    }
    const std::int8_t* b[Halves / 2];
    QLROUTE_UNROLL
    for (int p = 0; p < Halves / 2; ++p) b[p] = call.b + (column / lanes + static_cast<std::size_t>(p)) * call.b_stride;
    const std::uint8_t* a = call.a + row * call.a_stride;
    for (std::size_t k = 0; k < call.depth; k += 4) {
        __m256i values[Rows];
        QLROUTE_UNROLL
        for (int r = 0; r < Rows; ++r) {
            std::int32_t word;
            std::memcpy(&word, a + static_cast<std::size_t>(r) * call.a_stride + k, 4);
            values[r] = _mm256_set1_epi32(word);
        }
        QLROUTE_UNROLL
        for (int h = 0; h < Halves; ++h) {
            const __m256i weights =
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b[h / 2] + k * lanes + h % 2 * 32));
            QLROUTE_UNROLL
            for (int r = 0; r < Rows; ++r) sums[r][h] = _mm256_dpbusd_avx_epi32(sums[r][h], values[r], weights);
        }
    }
    QLROUTE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        QLROUTE_UNROLL
        for (int h = 0; h < Halves; ++h)
            _mm256_storeu_si256(
                reinterpret_cast<__m256i*>(call.c + (row + static_cast<std::size_t>(r)) * call.c_stride + column +
                                           static_cast<std::size_t>(h) * 8),
                sums[r][h]);
    }
}

QLROUTE_KERNEL void gemm(const gemm_call& call) noexcept {
    std::size_t column = 0;
    for (; column + 32 <= call.columns; column += 32) {
        std::size_t row = 0;
        for (; row + 3 <= call.rows; row += 3) gemm_tile<3, 4>(call, row, column);
        if (row + 2 == call.rows) gemm_tile<2, 4>(call, row, column);
        if (row + 1 == call.rows) gemm_tile<1, 4>(call, row, column);
    }
    for (; column < call.columns; column += 16) {
        std::size_t row = 0;
        for (; row + 6 <= call.rows; row += 6) gemm_tile<6, 2>(call, row, column);
        for (; row < call.rows; ++row) gemm_tile<1, 2>(call, row, column);
    }
}

}  // namespace qlroute::simd::avx_vnni

#undef QLROUTE_KERNEL

namespace qlroute::simd {

inline constexpr kernel_set avx_vnni_kernels{
    .isa = instruction_set::avx_vnni,
    .name = "avx_vnni",
    .zero_point = 128,
    .row_tile = 1,
    .row_block = 16,
    .depth_tile = 4,
    .enter = nothing,
    .leave = nothing,
    .gemm = avx_vnni::gemm,
    .rows = avx2::row_set,
};

}  // namespace qlroute::simd

#endif
