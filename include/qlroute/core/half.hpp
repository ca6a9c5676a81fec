// Numbers of 16 bits, read as floats. Every one of them is a float exactly.
#pragma once

#include <bit>
#include <cstdint>

namespace qlroute {

/// IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction. A NaN keeps its sign and payload.
constexpr float from_f16(std::uint16_t pattern) noexcept {
    const std::uint32_t sign = (pattern & 0x8000u) << 16;
    const std::uint32_t exponent = (pattern >> 10) & 0x1Fu;
    const std::uint32_t fraction = pattern & 0x3FFu;
    constexpr std::uint32_t rebias = 127 - 15;
    if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | (fraction << 13));
    if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + rebias) << 23) | (fraction << 13));
    // Zero, or a number below the normal ones: fraction * 2^-24, which is a normal float.
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

/// bfloat16: the upper half of a float.
constexpr float from_bf16(std::uint16_t pattern) noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(pattern) << 16);
}

}  // namespace qlroute
