// How the second operand of an integer product lies in memory: panels of 16 columns, [columns / 16, depth / 4, 16, 4].
// The four values of one column that one instruction multiplies are neighbours, and so are the sixteen columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace qlroute::simd {

/// Where the value of (column, k) lies in panels of that depth, a multiple of 4.
constexpr std::size_t panel_index(std::size_t column, std::size_t k, std::size_t depth) noexcept {
    return column / 16 * depth * 16 + k / 4 * 64 + column % 16 * 4 + k % 4;
}

/// Panels of a matrix [columns, depth]. columns: a multiple of 16; depth: of 4.
inline void pack_panels(const std::int8_t* matrix, std::size_t columns, std::size_t depth,
                        std::int8_t* panels) noexcept {
    for (std::size_t column = 0; column < columns; ++column)
        for (std::size_t k = 0; k < depth; k += 4)
            std::memcpy(panels + panel_index(column, k, depth), matrix + column * depth + k, 4);
}

/// Writes one column, `depth` values, of such panels.
inline void pack_column(const std::uint8_t* values, std::size_t column, std::size_t depth,
                        std::int8_t* panels) noexcept {
    std::int8_t* to = panels + panel_index(column, 0, depth);
    for (std::size_t k = 0; k < depth; k += 4) std::memcpy(to + k * 16, values + k, 4);
}

/// Writes four values of the depth, k .. k + 3, of 16 columns: rows[i][0..15] are those of k + i.
inline void pack_depth(const std::uint8_t* const (&rows)[4], std::int8_t* to) noexcept {
#if defined(__SSE2__)
    const auto row = [&rows](int i) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[i])); };
    const __m128i low01 = _mm_unpacklo_epi8(row(0), row(1)), high01 = _mm_unpackhi_epi8(row(0), row(1));
    const __m128i low23 = _mm_unpacklo_epi8(row(2), row(3)), high23 = _mm_unpackhi_epi8(row(2), row(3));
    auto* out = reinterpret_cast<__m128i*>(to);
    _mm_storeu_si128(out, _mm_unpacklo_epi16(low01, low23));
    _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(low01, low23));
    _mm_storeu_si128(out + 2, _mm_unpacklo_epi16(high01, high23));
    _mm_storeu_si128(out + 3, _mm_unpackhi_epi16(high01, high23));
#elif defined(__ARM_NEON)
    vst4q_u8(reinterpret_cast<std::uint8_t*>(to),
             uint8x16x4_t{{vld1q_u8(rows[0]), vld1q_u8(rows[1]), vld1q_u8(rows[2]), vld1q_u8(rows[3])}});
#else
    for (std::size_t column = 0; column < 16; ++column)
        for (std::size_t i = 0; i < 4; ++i) to[column * 4 + i] = static_cast<std::int8_t>(rows[i][column]);
#endif
}

}  // namespace qlroute::simd
