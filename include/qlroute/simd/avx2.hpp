// AVX2 without VNNI. Its product of unsigned and signed bytes adds pairs into 16 bits, where 255 * 127 * 2 does not
// fit. So bytes are widened to 16 bits first, whose products it adds into 32.
#pragma once

#include <qlroute/simd/kernel_set.hpp>

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#define QLROUTE_KERNEL __attribute__((target("avx2,fma"))) inline
#define QLROUTE_LANE __attribute__((always_inline, target("avx2,fma"))) inline

namespace qlroute::simd::avx2 {

struct f32 {
    __m256 low, high;
};
struct i32 {
    __m256i low, high;
};

QLROUTE_LANE f32 load_at(const void* at) {
    return {_mm256_loadu_ps(static_cast<const float*>(at)), _mm256_loadu_ps(static_cast<const float*>(at) + 8)};
}
QLROUTE_LANE f32 load(const float* at) { return load_at(at); }
QLROUTE_LANE void store_at(void* at, f32 x) {
    _mm256_storeu_ps(static_cast<float*>(at), x.low);
    _mm256_storeu_ps(static_cast<float*>(at) + 8, x.high);
}
QLROUTE_LANE void store(float* at, f32 x) { store_at(at, x); }
QLROUTE_LANE i32 load_sums_at(const void* at) {
    const auto* words = static_cast<const __m256i*>(at);
    return {_mm256_loadu_si256(words), _mm256_loadu_si256(words + 1)};
}
QLROUTE_LANE i32 load_sums(const std::int32_t* at) { return load_sums_at(at); }
QLROUTE_LANE f32 load_int8(const std::int8_t* at) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}
QLROUTE_LANE f32 splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
QLROUTE_LANE f32 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
QLROUTE_LANE f32 to_float(i32 x) { return {_mm256_cvtepi32_ps(x.low), _mm256_cvtepi32_ps(x.high)}; }
QLROUTE_LANE f32 add(f32 a, f32 b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
QLROUTE_LANE f32 sub(f32 a, f32 b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
QLROUTE_LANE f32 mul(f32 a, f32 b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
QLROUTE_LANE f32 divide(f32 a, f32 b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
QLROUTE_LANE f32 fma(f32 a, f32 b, f32 c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}
/// a * b - c
QLROUTE_LANE f32 multiply_less(f32 a, f32 b, f32 c) {
    return {_mm256_fmsub_ps(a.low, b.low, c.low), _mm256_fmsub_ps(a.high, b.high, c.high)};
}
/// c - a * b
QLROUTE_LANE f32 minus_product(f32 c, f32 a, f32 b) {
    return {_mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high)};
}
QLROUTE_LANE f32 larger(f32 a, f32 b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
QLROUTE_LANE __m256 magnitude_of(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }
QLROUTE_LANE f32 absolute(f32 x) { return {magnitude_of(x.low), magnitude_of(x.high)}; }
QLROUTE_LANE f32 smaller_magnitude(f32 x, f32 limit) {
    return {_mm256_min_ps(magnitude_of(x.low), limit.low), _mm256_min_ps(magnitude_of(x.high), limit.high)};
}
QLROUTE_LANE f32 with_sign_of(f32 magnitude, f32 sign) {
    const __m256 mask = _mm256_set1_ps(-0.0f);
    return {_mm256_or_ps(magnitude.low, _mm256_and_ps(mask, sign.low)),
            _mm256_or_ps(magnitude.high, _mm256_and_ps(mask, sign.high))};
}
/// The first `count` lanes of x, the others of `otherwise`.
QLROUTE_LANE f32 first(std::size_t count, f32 x, f32 otherwise) {
    const __m256i limit = _mm256_set1_epi32(static_cast<int>(count));
    const __m256i low = _mm256_cmpgt_epi32(limit, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    const __m256i high = _mm256_cmpgt_epi32(limit, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15));
    return {_mm256_blendv_ps(otherwise.low, x.low, _mm256_castsi256_ps(low)),
            _mm256_blendv_ps(otherwise.high, x.high, _mm256_castsi256_ps(high))};
}
/// x - floor(x)
QLROUTE_LANE f32 fraction(f32 x) {
    return {_mm256_sub_ps(x.low, _mm256_floor_ps(x.low)), _mm256_sub_ps(x.high, _mm256_floor_ps(x.high))};
}
QLROUTE_LANE __m256 scaled_half(__m256 p, __m256 x, __m256 f) {
    const __m256i exponent = _mm256_cvtps_epi32(_mm256_sub_ps(x, f));
    const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(exponent, _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(p, _mm256_castsi256_ps(power));
}
/// p * 2^floor(x), for 1 <= p <= 2, -126 <= x < 1 and f = fraction(x)
QLROUTE_LANE f32 scaled(f32 p, f32 x, f32 f) {
    return {scaled_half(p.low, x.low, f.low), scaled_half(p.high, x.high, f.high)};
}
/// The integer that `rounder` has left in the lowest bits, less `minus`.
QLROUTE_LANE i32 integer_in(f32 rounded, int minus) {
    const __m256i offset = _mm256_set1_epi32(0x4B400000 + minus);
    return {_mm256_sub_epi32(_mm256_castps_si256(rounded.low), offset),
            _mm256_sub_epi32(_mm256_castps_si256(rounded.high), offset)};
}
QLROUTE_LANE f32 even(f32 a, f32 b) {
    return {_mm256_shuffle_ps(a.low, b.low, 0x88), _mm256_shuffle_ps(a.high, b.high, 0x88)};
}
QLROUTE_LANE f32 odd(f32 a, f32 b) {
    return {_mm256_shuffle_ps(a.low, b.low, 0xDD), _mm256_shuffle_ps(a.high, b.high, 0xDD)};
}
/// Of each vector: neighbours are added, then pairs, then the four quarters as (0 + 2) + (1 + 3).
QLROUTE_LANE void sums_of_four(f32 a, f32 b, f32 c, f32 d, float (&out)[4]) {
    const f32 ab = add(even(a, b), odd(a, b)), cd = add(even(c, d), odd(c, d));
    const f32 all = add(even(ab, cd), odd(ab, cd));
    const __m256 half = _mm256_add_ps(all.low, all.high);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}
QLROUTE_LANE void largest_of_four(f32 a, f32 b, f32 c, f32 d, float (&out)[4]) {
    const f32 ab = larger(even(a, b), odd(a, b)), cd = larger(even(c, d), odd(c, d));
    const f32 all = larger(even(ab, cd), odd(ab, cd));
    const __m256 half = _mm256_max_ps(all.low, all.high);
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

QLROUTE_LANE void store_half(std::uint8_t* at, i32 a, i32 b, std::uint8_t zero_point) {
    const __m256i mixed = _mm256_packs_epi16(_mm256_packs_epi32(a.low, a.high), _mm256_packs_epi32(b.low, b.high));
    const __m256i bytes = _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at),
                        _mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(zero_point))));
}
/// 64 integers as bytes, those beyond [-128, 127] as the nearest of them.
QLROUTE_LANE void store_bytes(std::uint8_t* at, i32 a, i32 b, i32 c, i32 d, std::uint8_t zero_point) {
    store_half(at, a, b, zero_point);
    store_half(at + 32, c, d, zero_point);
}

#include <qlroute/simd/row_kernels.inl>

/// Bytes as words. count: a multiple of 4.
QLROUTE_LANE void widen(const void* bytes, std::size_t count, std::int16_t* words) {
    const auto* from = static_cast<const std::uint8_t*>(bytes);
    std::size_t k = 0;
    for (; k + 16 <= count; k += 16) {
        const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + k));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + k), _mm256_cvtepi8_epi16(narrow));
    }
    for (; k < count; k += 4) {
        std::int32_t four;
        std::memcpy(&four, from + k, 4);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(words + k), _mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
    }
}

/// to = from + the products of some rows and a panel, widened; depth: a multiple of 8. Each register holds, for four
/// columns, the sums of the even and of the odd pairs of the depth.
template <int Rows>
QLROUTE_KERNEL void gemm_tile(const std::int16_t* a, std::size_t a_stride, const std::int16_t* b, std::size_t depth,
                              const std::int32_t* from, std::size_t from_stride, std::int32_t* to,
                              std::size_t to_stride) noexcept {
    __m256i sums[Rows][4];
    QLROUTE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        QLROUTE_UNROLL
        for (int q = 0; q < 4; ++q) sums[r][q] = _mm256_setzero_si256();
    }
    for (std::size_t k = 0; k < depth; k += 8, b += 8 * lanes) {
        QLROUTE_UNROLL
        for (int half = 0; half < 2; ++half) {
            __m256i values[Rows];
            QLROUTE_UNROLL
            for (int r = 0; r < Rows; ++r) {
                long long four;
                std::memcpy(&four, a + static_cast<std::size_t>(r) * a_stride + k + half * 4, 8);
                values[r] = _mm256_set1_epi64x(four);
            }
            QLROUTE_UNROLL
            for (int q = 0; q < 4; ++q) {
                const __m256i weights = _mm256_load_si256(reinterpret_cast<const __m256i*>(b + half * 64 + q * 16));
                QLROUTE_UNROLL
                for (int r = 0; r < Rows; ++r) {
                    sums[r][q] = _mm256_add_epi32(sums[r][q], _mm256_madd_epi16(values[r], weights));
                    asm("" : "+x"(sums[r][q]));  // stays where it is: GCC would reorder the sums and copy registers
                }
            }
        }
    }
    QLROUTE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        QLROUTE_UNROLL
        for (int q = 0; q < 4; q += 2) {
            const __m256i mixed = _mm256_hadd_epi32(sums[r][q], sums[r][q + 1]);  // columns 0 1 4 5 2 3 6 7 of eight
            const __m256i before = _mm256_loadu_si256(
                reinterpret_cast<const __m256i*>(from + static_cast<std::size_t>(r) * from_stride + q * 4));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + static_cast<std::size_t>(r) * to_stride + q * 4),
                                _mm256_add_epi32(before, _mm256_permute4x64_epi64(mixed, 0b11011000)));
        }
    }
}

QLROUTE_KERNEL void gemm(const gemm_call& call) noexcept {
    constexpr std::size_t most_rows = 32, most_depth = 128;
    alignas(32) std::int16_t a[most_rows * most_depth];
    alignas(32) std::int16_t b[lanes * most_depth];
    for (std::size_t first = 0; first < call.depth; first += most_depth) {
        const std::size_t depth = call.depth - first < most_depth ? call.depth - first : most_depth;
        for (std::size_t row = 0; row < call.rows; row += most_rows) {
            const std::size_t rows = call.rows - row < most_rows ? call.rows - row : most_rows;
            for (std::size_t r = 0; r < rows; ++r)
                widen(call.a + (row + r) * call.a_stride + first, depth, a + r * depth);
            for (std::size_t column = 0; column < call.columns; column += lanes) {
                widen(call.b + column / lanes * call.b_stride + first * lanes, depth * lanes, b);
                std::int32_t* to = call.c + row * call.c_stride + column;
                const std::int32_t* from = first == 0 ? call.init + column : to;
                const std::size_t from_stride = first == 0 ? 0 : call.c_stride;
                std::size_t r = 0;
                for (; r + 2 <= rows; r += 2)
                    gemm_tile<2>(a + r * depth, depth, b, depth, from + r * from_stride, from_stride,
                                 to + r * call.c_stride, call.c_stride);
                if (r < rows)
                    gemm_tile<1>(a + r * depth, depth, b, depth, from + r * from_stride, from_stride,
                                 to + r * call.c_stride, call.c_stride);
            }
        }
    }
}

}  // namespace qlroute::simd::avx2

#undef QLROUTE_KERNEL
#undef QLROUTE_LANE

namespace qlroute::simd {

inline constexpr kernel_set avx2_kernels{
    .isa = instruction_set::avx2,
    .name = "avx2",
    .zero_point = 0,
    .row_tile = 1,
    .row_block = 32,
    .depth_tile = 8,
    .enter = nothing,
    .leave = nothing,
    .gemm = avx2::gemm,
    .rows = avx2::row_set,
};

}  // namespace qlroute::simd

#endif
