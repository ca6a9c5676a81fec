// NEON with the dot product of Armv8.2: four signed bytes with four, in each of four lanes.
#pragma once

#include <qlroute/simd/kernel_set.hpp>

// Before version 16, Clang hides the intrinsics unless the whole file is compiled for such a processor.
#if defined(__aarch64__) && (!defined(__clang__) || __clang_major__ >= 16 || defined(__ARM_FEATURE_DOTPROD))
#define QLROUTE_HAS_NEON_DOTPROD 1

#include <arm_neon.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__clang__)
#define QLROUTE_NEON_TARGET target("dotprod")
#else
#define QLROUTE_NEON_TARGET target("arch=armv8.2-a+dotprod")
#endif
#define QLROUTE_KERNEL __attribute__((QLROUTE_NEON_TARGET)) inline
#define QLROUTE_LANE __attribute__((always_inline, QLROUTE_NEON_TARGET)) inline

namespace qlroute::simd::neon_dotprod {

struct f32 {
    float32x4_t at[4];
};
struct i32 {
    int32x4_t at[4];
};

QLROUTE_LANE f32 load_at(const void* at) {
    f32 out;
    std::memcpy(out.at, at, sizeof out.at);
    return out;
}
QLROUTE_LANE f32 load(const float* at) { return load_at(at); }
QLROUTE_LANE void store_at(void* at, f32 x) { std::memcpy(at, x.at, sizeof x.at); }
QLROUTE_LANE void store(float* at, f32 x) { store_at(at, x); }
QLROUTE_LANE i32 load_sums_at(const void* at) {
    i32 out;
    std::memcpy(out.at, at, sizeof out.at);
    return out;
}
QLROUTE_LANE i32 load_sums(const std::int32_t* at) { return load_sums_at(at); }
QLROUTE_LANE f32 load_int8(const std::int8_t* at) {
    const int8x16_t bytes = vld1q_s8(at);
    const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_s8(vget_high_s8(bytes));
    return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
             vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}
QLROUTE_LANE f32 splat(float x) { return {{vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)}}; }
QLROUTE_LANE f32 zero() { return splat(0); }
QLROUTE_LANE f32 to_float(i32 x) {
    return {{vcvtq_f32_s32(x.at[0]), vcvtq_f32_s32(x.at[1]), vcvtq_f32_s32(x.at[2]), vcvtq_f32_s32(x.at[3])}};
}
QLROUTE_LANE f32 add(f32 a, f32 b) {
    return {{vaddq_f32(a.at[0], b.at[0]), vaddq_f32(a.at[1], b.at[1]), vaddq_f32(a.at[2], b.at[2]),
             vaddq_f32(a.at[3], b.at[3])}};
}
QLROUTE_LANE f32 sub(f32 a, f32 b) {
    return {{vsubq_f32(a.at[0], b.at[0]), vsubq_f32(a.at[1], b.at[1]), vsubq_f32(a.at[2], b.at[2]),
             vsubq_f32(a.at[3], b.at[3])}};
}
QLROUTE_LANE f32 mul(f32 a, f32 b) {
    return {{vmulq_f32(a.at[0], b.at[0]), vmulq_f32(a.at[1], b.at[1]), vmulq_f32(a.at[2], b.at[2]),
             vmulq_f32(a.at[3], b.at[3])}};
}
QLROUTE_LANE f32 divide(f32 a, f32 b) {
    return {{vdivq_f32(a.at[0], b.at[0]), vdivq_f32(a.at[1], b.at[1]), vdivq_f32(a.at[2], b.at[2]),
             vdivq_f32(a.at[3], b.at[3])}};
}
QLROUTE_LANE f32 fma(f32 a, f32 b, f32 c) {
    return {{vfmaq_f32(c.at[0], a.at[0], b.at[0]), vfmaq_f32(c.at[1], a.at[1], b.at[1]),
             vfmaq_f32(c.at[2], a.at[2], b.at[2]), vfmaq_f32(c.at[3], a.at[3], b.at[3])}};
}
/// a * b - c
QLROUTE_LANE f32 multiply_less(f32 a, f32 b, f32 c) {
    return {{vfmaq_f32(vnegq_f32(c.at[0]), a.at[0], b.at[0]), vfmaq_f32(vnegq_f32(c.at[1]), a.at[1], b.at[1]),
             vfmaq_f32(vnegq_f32(c.at[2]), a.at[2], b.at[2]), vfmaq_f32(vnegq_f32(c.at[3]), a.at[3], b.at[3])}};
}
/// c - a * b
QLROUTE_LANE f32 minus_product(f32 c, f32 a, f32 b) {
    return {{vfmsq_f32(c.at[0], a.at[0], b.at[0]), vfmsq_f32(c.at[1], a.at[1], b.at[1]),
             vfmsq_f32(c.at[2], a.at[2], b.at[2]), vfmsq_f32(c.at[3], a.at[3], b.at[3])}};
}
QLROUTE_LANE f32 larger(f32 a, f32 b) {
    return {{vmaxq_f32(a.at[0], b.at[0]), vmaxq_f32(a.at[1], b.at[1]), vmaxq_f32(a.at[2], b.at[2]),
             vmaxq_f32(a.at[3], b.at[3])}};
}
QLROUTE_LANE f32 absolute(f32 x) {
    return {{vabsq_f32(x.at[0]), vabsq_f32(x.at[1]), vabsq_f32(x.at[2]), vabsq_f32(x.at[3])}};
}
QLROUTE_LANE f32 smaller_magnitude(f32 x, f32 limit) {
    const f32 magnitude = absolute(x);
    return {{vminq_f32(magnitude.at[0], limit.at[0]), vminq_f32(magnitude.at[1], limit.at[1]),
             vminq_f32(magnitude.at[2], limit.at[2]), vminq_f32(magnitude.at[3], limit.at[3])}};
}
QLROUTE_LANE f32 with_sign_of(f32 magnitude, f32 sign) {
    const uint32x4_t mask = vdupq_n_u32(0x80000000u);
    return {{vbslq_f32(mask, sign.at[0], magnitude.at[0]), vbslq_f32(mask, sign.at[1], magnitude.at[1]),
             vbslq_f32(mask, sign.at[2], magnitude.at[2]), vbslq_f32(mask, sign.at[3], magnitude.at[3])}};
}
/// The first `count` lanes of x, the others of `otherwise`.
QLROUTE_LANE f32 first(std::size_t count, f32 x, f32 otherwise) {
    const std::uint32_t numbers[4] = {0, 1, 2, 3};
    const uint32x4_t lane = vld1q_u32(numbers);
    f32 out;
    QLROUTE_UNROLL
    for (std::size_t k = 0; k < 4; ++k) {
        const auto number = static_cast<std::uint32_t>(4 * k);
        const uint32x4_t kept =
            vcltq_u32(vaddq_u32(lane, vdupq_n_u32(number)), vdupq_n_u32(static_cast<std::uint32_t>(count)));
        out.at[k] = vbslq_f32(kept, x.at[k], otherwise.at[k]);
    }
    return out;
}
/// x - floor(x)
QLROUTE_LANE f32 fraction(f32 x) {
    return sub(x, {{vrndmq_f32(x.at[0]), vrndmq_f32(x.at[1]), vrndmq_f32(x.at[2]), vrndmq_f32(x.at[3])}});
}
/// p * 2^floor(x), for 1 <= p <= 2, -126 <= x < 1 and f = fraction(x)
QLROUTE_LANE f32 scaled(f32 p, f32 x, f32 f) {
    f32 out;
    QLROUTE_UNROLL
    for (std::size_t k = 0; k < 4; ++k) {
        const int32x4_t exponent = vcvtq_s32_f32(vsubq_f32(x.at[k], f.at[k]));
        const int32x4_t power = vshlq_n_s32(vaddq_s32(exponent, vdupq_n_s32(127)), 23);
        out.at[k] = vmulq_f32(p.at[k], vreinterpretq_f32_s32(power));
    }
    return out;
}
/// The integer that `rounder` has left in the lowest bits, less `minus`.
QLROUTE_LANE i32 integer_in(f32 rounded, int minus) {
    const int32x4_t offset = vdupq_n_s32(0x4B400000 + minus);
    return {{vsubq_s32(vreinterpretq_s32_f32(rounded.at[0]), offset),
             vsubq_s32(vreinterpretq_s32_f32(rounded.at[1]), offset),
             vsubq_s32(vreinterpretq_s32_f32(rounded.at[2]), offset),
             vsubq_s32(vreinterpretq_s32_f32(rounded.at[3]), offset)}};
}
/// Of each vector: neighbours are added, then pairs, then the four quarters as (0 + 2) + (1 + 3).
QLROUTE_LANE void sums_of_four(f32 a, f32 b, f32 c, f32 d, float (&out)[4]) {
    float32x4_t quarter[4];
    QLROUTE_UNROLL
    for (std::size_t k = 0; k < 4; ++k)
        quarter[k] = vpaddq_f32(vpaddq_f32(a.at[k], b.at[k]), vpaddq_f32(c.at[k], d.at[k]));
    vst1q_f32(out, vaddq_f32(vaddq_f32(quarter[0], quarter[2]), vaddq_f32(quarter[1], quarter[3])));
}
QLROUTE_LANE void largest_of_four(f32 a, f32 b, f32 c, f32 d, float (&out)[4]) {
    float32x4_t quarter[4];
    QLROUTE_UNROLL
    for (std::size_t k = 0; k < 4; ++k)
        quarter[k] = vpmaxq_f32(vpmaxq_f32(a.at[k], b.at[k]), vpmaxq_f32(c.at[k], d.at[k]));
    vst1q_f32(out, vmaxq_f32(vmaxq_f32(quarter[0], quarter[2]), vmaxq_f32(quarter[1], quarter[3])));
}

/// 127 / x, for x above 1e-30.
QLROUTE_LANE void quantizers_of_four(const float (&x)[4], float (&out)[4]) {
    vst1q_f32(out, vdivq_f32(vdupq_n_f32(127.0f), vmaxq_f32(vld1q_f32(x), vdupq_n_f32(1e-30f))));
}
/// 1 / sqrt(square * share + epsilon), and that times the mean, sum * share.
QLROUTE_LANE void norms_of_four(const float (&sum)[4], const float (&square)[4], float share, float epsilon,
                                float (&by_deviation)[4], float (&mean_by_deviation)[4]) {
    const float32x4_t part = vdupq_n_f32(share);
    const float32x4_t variance = vfmaq_f32(vdupq_n_f32(epsilon), vld1q_f32(square), part);
    const float32x4_t inverse = vdivq_f32(vdupq_n_f32(1.0f), vsqrtq_f32(variance));
    vst1q_f32(by_deviation, inverse);
    vst1q_f32(mean_by_deviation, vmulq_f32(vmulq_f32(vld1q_f32(sum), part), inverse));
}

QLROUTE_LANE void store_quarter(std::uint8_t* at, i32 x, std::uint8_t zero_point) {
    const int16x8_t low = vcombine_s16(vqmovn_s32(x.at[0]), vqmovn_s32(x.at[1]));
    const int16x8_t high = vcombine_s16(vqmovn_s32(x.at[2]), vqmovn_s32(x.at[3]));
    const uint8x16_t bytes = vreinterpretq_u8_s8(vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
    vst1q_u8(at, veorq_u8(bytes, vdupq_n_u8(zero_point)));
}
/// 64 integers as bytes, those beyond [-128, 127] as the nearest of them.
QLROUTE_LANE void store_bytes(std::uint8_t* at, i32 a, i32 b, i32 c, i32 d, std::uint8_t zero_point) {
    store_quarter(at, a, zero_point);
    store_quarter(at + 16, b, zero_point);
    store_quarter(at + 32, c, zero_point);
    store_quarter(at + 48, d, zero_point);
}

#include <qlroute/simd/row_kernels.inl>

/// Rows x 16 columns of sums, the whole depth, which is a multiple of 16.
template <int Rows>
QLROUTE_KERNEL void gemm_tile(const gemm_call& call, std::size_t row, std::size_t column) noexcept {
    int32x4_t sums[Rows][4];
    QLROUTE_UNROLL
    for (int q = 0; q < 4; ++q) {
        const int32x4_t init = vld1q_s32(call.init + column + static_cast<std::size_t>(q) * 4);
        QLROUTE_UNROLL
        for (int r = 0; r < Rows; ++r) sums[r][q] = init;
    }
    const std::int8_t* b = call.b + column / lanes * call.b_stride;
    const auto* a = reinterpret_cast<const std::int8_t*>(call.a) + row * call.a_stride;
    for (std::size_t k = 0; k < call.depth; k += 16, b += 256) {
        int8x16_t values[Rows];
        QLROUTE_UNROLL
        for (int r = 0; r < Rows; ++r) values[r] = vld1q_s8(a + static_cast<std::size_t>(r) * call.a_stride + k);
        QLROUTE_UNROLL
        for (int q = 0; q < 4; ++q) {
            const std::int8_t* four_columns = b + q * 16;
            const int8x16_t w0 = vld1q_s8(four_columns), w1 = vld1q_s8(four_columns + 64);
            const int8x16_t w2 = vld1q_s8(four_columns + 128), w3 = vld1q_s8(four_columns + 192);
            QLROUTE_UNROLL
            for (int r = 0; r < Rows; ++r) {
                sums[r][q] = vdotq_laneq_s32(sums[r][q], w0, values[r], 0);
                sums[r][q] = vdotq_laneq_s32(sums[r][q], w1, values[r], 1);
                sums[r][q] = vdotq_laneq_s32(sums[r][q], w2, values[r], 2);
                sums[r][q] = vdotq_laneq_s32(sums[r][q], w3, values[r], 3);
            }
        }
    }
    QLROUTE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        QLROUTE_UNROLL
        for (int q = 0; q < 4; ++q)
            vst1q_s32(
                call.c + (row + static_cast<std::size_t>(r)) * call.c_stride + column + static_cast<std::size_t>(q) * 4,
                sums[r][q]);
    }
}

QLROUTE_KERNEL void gemm(const gemm_call& call) noexcept {
    for (std::size_t column = 0; column < call.columns; column += 16) {
        std::size_t row = 0;
        for (; row + 4 <= call.rows; row += 4) gemm_tile<4>(call, row, column);
        for (; row < call.rows; ++row) gemm_tile<1>(call, row, column);
    }
}

}  // namespace qlroute::simd::neon_dotprod

#undef QLROUTE_KERNEL
#undef QLROUTE_LANE
#undef QLROUTE_NEON_TARGET

namespace qlroute::simd {

inline constexpr kernel_set neon_dotprod_kernels{
    .isa = instruction_set::neon_dotprod,
    .name = "neon_dotprod",
    .zero_point = 0,
    .row_tile = 1,
    .row_block = 16,
    .depth_tile = 16,
    .enter = nothing,
    .leave = nothing,
    .gemm = neon_dotprod::gemm,
    .rows = neon_dotprod::row_set,
};

}  // namespace qlroute::simd

#endif
