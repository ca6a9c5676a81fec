// AVX-512 with VNNI: one instruction multiplies 64 unsigned bytes with 64 signed ones and adds them up by fours.
#pragma once

#include <qlroute/simd/kernel_set.hpp>

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#define QLROUTE_KERNEL __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))) inline
#define QLROUTE_LANE \
    __attribute__((always_inline, target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma"))) inline

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 warns inside its own avx512fintrin.h
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qlroute::simd::avx512_vnni {

using f32 = __m512;
using i32 = __m512i;

QLROUTE_LANE f32 load(const float* at) { return _mm512_loadu_ps(at); }
QLROUTE_LANE f32 load_at(const void* at) { return _mm512_loadu_ps(at); }
QLROUTE_LANE void store(float* at, f32 x) { _mm512_storeu_ps(at, x); }
QLROUTE_LANE void store_at(void* at, f32 x) { _mm512_storeu_ps(at, x); }
QLROUTE_LANE i32 load_sums(const std::int32_t* at) { return _mm512_loadu_si512(at); }
QLROUTE_LANE i32 load_sums_at(const void* at) { return _mm512_loadu_si512(at); }
QLROUTE_LANE f32 load_int8(const std::int8_t* at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
}
QLROUTE_LANE f32 splat(float x) { return _mm512_set1_ps(x); }
QLROUTE_LANE f32 zero() { return _mm512_setzero_ps(); }
QLROUTE_LANE f32 to_float(i32 x) { return _mm512_cvtepi32_ps(x); }
QLROUTE_LANE f32 add(f32 a, f32 b) { return _mm512_add_ps(a, b); }
QLROUTE_LANE f32 sub(f32 a, f32 b) { return _mm512_sub_ps(a, b); }
QLROUTE_LANE f32 mul(f32 a, f32 b) { return _mm512_mul_ps(a, b); }
QLROUTE_LANE f32 divide(f32 a, f32 b) { return _mm512_div_ps(a, b); }
QLROUTE_LANE f32 fma(f32 a, f32 b, f32 c) { return _mm512_fmadd_ps(a, b, c); }
QLROUTE_LANE f32 minus_product(f32 c, f32 a, f32 b) { return _mm512_fnmadd_ps(a, b, c); }
QLROUTE_LANE f32 multiply_less(f32 a, f32 b, f32 c) { return _mm512_fmsub_ps(a, b, c); }
QLROUTE_LANE f32 larger(f32 a, f32 b) { return _mm512_max_ps(a, b); }
QLROUTE_LANE f32 absolute(f32 x) { return _mm512_abs_ps(x); }
QLROUTE_LANE f32 smaller_magnitude(f32 x, f32 limit) { return _mm512_range_ps(x, limit, 0b1010); }
QLROUTE_LANE f32 with_sign_of(f32 magnitude, f32 sign) {
    const __m512i mask = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(
        _mm512_ternarylogic_epi32(mask, _mm512_castps_si512(sign), _mm512_castps_si512(magnitude), 0xCA));
}
QLROUTE_LANE f32 first(std::size_t count, f32 x, f32 otherwise) {
    return _mm512_mask_blend_ps(static_cast<__mmask16>((1u << count) - 1), otherwise, x);
}
/// x - floor(x). VREDUCEPS would do it at once, but rounds its result down, too.
QLROUTE_LANE f32 fraction(f32 x) { return _mm512_sub_ps(x, _mm512_roundscale_ps(x, 0x09)); }
/// p * 2^floor(x)
QLROUTE_LANE f32 scaled(f32 p, f32 x, f32) { return _mm512_scalef_ps(p, x); }
QLROUTE_LANE i32 integer_in(f32 rounded, int minus) {
    return _mm512_sub_epi32(_mm512_castps_si512(rounded), _mm512_set1_epi32(0x4B400000 + minus));
}
QLROUTE_LANE f32 even(f32 a, f32 b) { return _mm512_shuffle_ps(a, b, 0x88); }
QLROUTE_LANE f32 odd(f32 a, f32 b) { return _mm512_shuffle_ps(a, b, 0xDD); }
/// Of each vector: neighbours are added, then pairs, then the four quarters as (0 + 2) + (1 + 3).
QLROUTE_LANE void sums_of_four(f32 a, f32 b, f32 c, f32 d, float (&out)[4]) {
    const f32 ab = add(even(a, b), odd(a, b)), cd = add(even(c, d), odd(c, d));
    const f32 all = add(even(ab, cd), odd(ab, cd));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}
QLROUTE_LANE void largest_of_four(f32 a, f32 b, f32 c, f32 d, float (&out)[4]) {
    const f32 ab = larger(even(a, b), odd(a, b)), cd = larger(even(c, d), odd(c, d));
    const f32 all = larger(even(ab, cd), odd(ab, cd));
    const __m256 half = _mm256_max_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    _mm_storeu_ps(out, _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}

/// 127 / x, for x above 1e-30.
QLROUTE_LANE void quantizers_of_four(const float (&x)[4], float (&out)[4]) {
    _mm_storeu_ps(out, _mm_div_ps(_mm_set1_ps(127.0f), _mm_max_ps(_mm_loadu_ps(x), _mm_set1_ps(1e-30f))));
}
/// 1 / sqrt(square * share + epsilon), and that times the mean, sum * share.
QLROUTE_LANE void norms_of_four(const float (&sum)[4], const float (&square)[4], float share, float epsilon,
                                float (&by_deviation)[4], float (&mean_by_deviation)[4]) {
    const __m128 part = _mm_set1_ps(share);
    const __m128 variance = _mm_fmadd_ps(_mm_loadu_ps(square), part, _mm_set1_ps(epsilon));
    const __m128 inverse = _mm_div_ps(_mm_set1_ps(1.0f), _mm_sqrt_ps(variance));
    _mm_storeu_ps(by_deviation, inverse);
    _mm_storeu_ps(mean_by_deviation, _mm_mul_ps(_mm_mul_ps(_mm_loadu_ps(sum), part), inverse));
}

/// 64 integers in [-128, 127] as bytes.
QLROUTE_LANE void store_bytes(std::uint8_t* at, i32 a, i32 b, i32 c, i32 d, std::uint8_t zero_point) {
    const __m512i mixed = _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i bytes = _mm512_permutexvar_epi32(order, mixed);
    _mm512_storeu_si512(at, _mm512_xor_si512(bytes, _mm512_set1_epi8(static_cast<char>(zero_point))));
}

#include <qlroute/simd/row_kernels.inl>

/// Rows x Panels registers of sums, the whole depth.
template <int Rows, int Panels>
QLROUTE_KERNEL void gemm_tile(const gemm_call& call, std::size_t row, std::size_t column) noexcept {
    __m512i sums[Rows][Panels];
    const std::int8_t* b[Panels];
    QLROUTE_UNROLL
    for (int p = 0; p < Panels; ++p) {
        b[p] = call.b + (column / lanes + static_cast<std::size_t>(p)) * call.b_stride;
        const __m512i init = _mm512_loadu_si512(call.init + column + static_cast<std::size_t>(p) * lanes);
        QLROUTE_UNROLL
        for (int r = 0; r < Rows; ++r) sums[r][p] = init;
    }
    const std::uint8_t* a = call.a + row * call.a_stride;
    for (std::size_t k = 0; k < call.depth; k += 4) {
        __m512i weights[Panels];
        QLROUTE_UNROLL
        for (int p = 0; p < Panels; ++p) weights[p] = _mm512_loadu_si512(b[p] + k * lanes);
        QLROUTE_UNROLL
        for (int r = 0; r < Rows; ++r) {
            std::int32_t word;
            std::memcpy(&word, a + static_cast<std::size_t>(r) * call.a_stride + k, 4);
            const __m512i value = _mm512_set1_epi32(word);
            QLROUTE_UNROLL
            for (int p = 0; p < Panels; ++p) sums[r][p] = _mm512_dpbusd_epi32(sums[r][p], value, weights[p]);
        }
    }
    QLROUTE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        QLROUTE_UNROLL
        for (int p = 0; p < Panels; ++p)
            _mm512_storeu_si512(call.c + (row + static_cast<std::size_t>(r)) * call.c_stride + column +
                                    static_cast<std::size_t>(p) * lanes,
                                sums[r][p]);
    }
}

template <int Panels>
QLROUTE_KERNEL void gemm_columns(const gemm_call& call, std::size_t column) noexcept {
    std::size_t row = 0;
    for (; row + 6 <= call.rows; row += 6) gemm_tile<6, Panels>(call, row, column);
    switch (call.rows - row) {
        case 5:
            return gemm_tile<5, Panels>(call, row, column);
        case 4:
            return gemm_tile<4, Panels>(call, row, column);
        case 3:
            return gemm_tile<3, Panels>(call, row, column);
        case 2:
            return gemm_tile<2, Panels>(call, row, column);
        case 1:
            return gemm_tile<1, Panels>(call, row, column);
        default:
            return;
    }
}

QLROUTE_KERNEL void gemm(const gemm_call& call) noexcept {
    std::size_t column = 0;
    for (; column + 64 <= call.columns; column += 64) gemm_columns<4>(call, column);
    for (; column + 32 <= call.columns; column += 32) gemm_columns<2>(call, column);
    for (; column < call.columns; column += 16) gemm_columns<1>(call, column);
}

}  // namespace qlroute::simd::avx512_vnni

namespace qlroute::simd {

inline constexpr kernel_set avx512_vnni_kernels{
    .isa = instruction_set::avx512_vnni,
    .name = "avx512_vnni",
    .zero_point = 128,
    .row_tile = 1,
    .row_block = 24,
    .depth_tile = 4,
    .enter = nothing,
    .leave = nothing,
    .gemm = avx512_vnni::gemm,
    .rows = avx512_vnni::row_set,
};

}  // namespace qlroute::simd

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#undef QLROUTE_KERNEL
#undef QLROUTE_LANE

#endif
