// Plain loops: the specification of every other instruction set, and what runs where there is none.
#pragma once

#include <qlroute/simd/kernel_set.hpp>
#include <qlroute/simd/panels.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define QLROUTE_KERNEL inline
#define QLROUTE_LANE inline

namespace qlroute::simd::scalar {

struct f32 {
    float at[lanes];
};
struct i32 {
    std::int32_t at[lanes];
};

/// a * b + c, rounded once. On AArch64 that is an instruction. Elsewhere it may be a slow call, so: the product of two
/// floats is exact as a double, the sum in doubles is rounded, and rounding that to a float can only go wrong where it
/// lies half-way between two floats. There the lost part of the sum, which is exact as well, says which one is nearer.
inline float fused(float a, float b, float c) {
#if defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
#else
    const double product = static_cast<double>(a) * static_cast<double>(b);
    const double addend = static_cast<double>(c);
    double total = product + addend;
    auto bits = std::bit_cast<std::uint64_t>(total);
    if ((bits & 0x1FFFFFFF) == 0x10000000) {
        const double part = total - product;
        const double lost = (product - (total - part)) + (addend - part);
        if (lost != 0) {
            const bool away_from_zero = (lost > 0) == (total > 0);
            bits += away_from_zero ? 1 : ~std::uint64_t{0};
            total = std::bit_cast<double>(bits);
        }
    }
    return static_cast<float>(total);
#endif
}

template <class Operation>
inline f32 each(Operation operation) {
    f32 out;
    for (std::size_t k = 0; k < lanes; ++k) out.at[k] = operation(k);
    return out;
}

inline f32 load_at(const void* at) {
    f32 out;
    std::memcpy(out.at, at, sizeof out.at);
    return out;
}
inline f32 load(const float* at) { return load_at(at); }
inline void store_at(void* at, const f32& x) { std::memcpy(at, x.at, sizeof x.at); }
inline void store(float* at, const f32& x) { store_at(at, x); }
inline i32 load_sums_at(const void* at) {
    i32 out;
    std::memcpy(out.at, at, sizeof out.at);
    return out;
}
inline i32 load_sums(const std::int32_t* at) { return load_sums_at(at); }
inline f32 load_int8(const std::int8_t* at) {
    return each([&](std::size_t k) { return static_cast<float>(at[k]); });
}
inline f32 splat(float x) {
    return each([&](std::size_t) { return x; });
}
inline f32 zero() { return splat(0); }
inline f32 to_float(const i32& x) {
    return each([&](std::size_t k) { return static_cast<float>(x.at[k]); });
}
inline f32 add(const f32& a, const f32& b) {
    return each([&](std::size_t k) { return a.at[k] + b.at[k]; });
}
inline f32 sub(const f32& a, const f32& b) {
    return each([&](std::size_t k) { return a.at[k] - b.at[k]; });
}
inline f32 mul(const f32& a, const f32& b) {
    return each([&](std::size_t k) { return a.at[k] * b.at[k]; });
}
inline f32 divide(const f32& a, const f32& b) {
    return each([&](std::size_t k) { return a.at[k] / b.at[k]; });
}
inline f32 fma(const f32& a, const f32& b, const f32& c) {
    return each([&](std::size_t k) { return fused(a.at[k], b.at[k], c.at[k]); });
}
/// a * b - c
inline f32 multiply_less(const f32& a, const f32& b, const f32& c) {
    return each([&](std::size_t k) { return fused(a.at[k], b.at[k], -c.at[k]); });
}
/// c - a * b
inline f32 minus_product(const f32& c, const f32& a, const f32& b) {
    return each([&](std::size_t k) { return fused(-a.at[k], b.at[k], c.at[k]); });
}
inline f32 larger(const f32& a, const f32& b) {
    return each([&](std::size_t k) { return a.at[k] > b.at[k] ? a.at[k] : b.at[k]; });
}
inline f32 absolute(const f32& x) {
    return each([&](std::size_t k) { return std::abs(x.at[k]); });
}
inline f32 smaller_magnitude(const f32& x, const f32& limit) {
    return each([&](std::size_t k) { return std::abs(x.at[k]) < limit.at[k] ? std::abs(x.at[k]) : limit.at[k]; });
}
inline f32 with_sign_of(const f32& magnitude, const f32& sign) {
    return each([&](std::size_t k) { return std::copysign(magnitude.at[k], sign.at[k]); });
}
/// The first `count` lanes of x, the others of `otherwise`.
inline f32 first(std::size_t count, const f32& x, const f32& otherwise) {
    return each([&](std::size_t k) { return k < count ? x.at[k] : otherwise.at[k]; });
}
/// x - floor(x)
inline f32 fraction(const f32& x) {
    return each([&](std::size_t k) { return x.at[k] - std::floor(x.at[k]); });
}
/// p * 2^floor(x), for 1 <= p <= 2, -126 <= x < 1 and f = fraction(x)
inline f32 scaled(const f32& p, const f32& x, const f32& f) {
    return each([&](std::size_t k) {
        const auto exponent = static_cast<std::int32_t>(x.at[k] - f.at[k]);
        return p.at[k] * std::bit_cast<float>((exponent + 127) << 23);
    });
}
/// The integer that `rounder` has left in the lowest bits, less `minus`.
inline i32 integer_in(const f32& rounded, int minus) {
    i32 out;
    for (std::size_t k = 0; k < lanes; ++k)
        out.at[k] = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(rounded.at[k]) - 0x4B400000u -
                                              static_cast<std::uint32_t>(minus));
    return out;
}
/// Of each vector: neighbours are added, then pairs, then the four quarters as (0 + 2) + (1 + 3).
inline void sums_of_four(const f32& a, const f32& b, const f32& c, const f32& d, float (&out)[4]) {
    const f32* const all[] = {&a, &b, &c, &d};
    for (std::size_t r = 0; r < 4; ++r) {
        const float* x = all[r]->at;
        const auto quarter = [x](std::size_t q) { return (x[4 * q] + x[4 * q + 1]) + (x[4 * q + 2] + x[4 * q + 3]); };
        out[r] = (quarter(0) + quarter(2)) + (quarter(1) + quarter(3));
    }
}
inline void largest_of_four(const f32& a, const f32& b, const f32& c, const f32& d, float (&out)[4]) {
    const f32* const all[] = {&a, &b, &c, &d};
    for (std::size_t r = 0; r < 4; ++r) {
        out[r] = all[r]->at[0];
        for (const float x : all[r]->at) out[r] = x > out[r] ? x : out[r];
    }
}

/// 127 / x, for x above 1e-30.
inline void quantizers_of_four(const float (&x)[4], float (&out)[4]) {
    for (std::size_t r = 0; r < 4; ++r) out[r] = 127.0f / (x[r] > 1e-30f ? x[r] : 1e-30f);
}
/// 1 / sqrt(square * share + epsilon), and that times the mean, sum * share.
inline void norms_of_four(const float (&sum)[4], const float (&square)[4], float share, float epsilon,
                          float (&by_deviation)[4], float (&mean_by_deviation)[4]) {
    for (std::size_t r = 0; r < 4; ++r) {
        by_deviation[r] = 1.0f / std::sqrt(fused(square[r], share, epsilon));
        mean_by_deviation[r] = sum[r] * share * by_deviation[r];
    }
}

/// 64 integers as bytes, those beyond [-128, 127] as the nearest of them.
inline void store_bytes(std::uint8_t* at, const i32& a, const i32& b, const i32& c, const i32& d,
                        std::uint8_t zero_point) {
    for (const i32* four : {&a, &b, &c, &d})
        for (const std::int32_t value : four->at)
            *at++ = static_cast<std::uint8_t>((value < -128 ? -128 : value > 127 ? 127 : value) ^ zero_point);
}

#include <qlroute/simd/row_kernels.inl>

inline void gemm(const gemm_call& call) noexcept {
    for (std::size_t i = 0; i < call.rows; ++i)
        for (std::size_t j = 0; j < call.columns; ++j) {
            const std::int8_t* panel = call.b + j / lanes * call.b_stride;
            std::int32_t total = call.init[j];
            for (std::size_t k = 0; k < call.depth; ++k)
                total += static_cast<std::int8_t>(call.a[i * call.a_stride + k]) *
                         panel[panel_index(j % lanes, k, call.depth)];
            call.c[i * call.c_stride + j] = total;
        }
}

}  // namespace qlroute::simd::scalar

#undef QLROUTE_KERNEL
#undef QLROUTE_LANE

namespace qlroute::simd {

inline constexpr kernel_set scalar_kernels{
    .isa = instruction_set::scalar,
    .name = "scalar",
    .zero_point = 0,
    .row_tile = 1,
    .row_block = 16,
    .depth_tile = 4,
    .enter = nothing,
    .leave = nothing,
    .gemm = scalar::gemm,
    .rows = scalar::row_set,
};

}  // namespace qlroute::simd
