#include <qlroute/core/half.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>

using namespace qlroute;

namespace {

static_assert(from_f16(0x3C00) == 1.0f);
static_assert(from_f16(0xC500) == -5.0f);
static_assert(from_f16(0x7BFF) == 65504.0f, "the largest");
static_assert(from_f16(0x0001) == 0x1p-24f, "the smallest");
static_assert(from_f16(0x3555) == 0x1.554p-2f, "a third, rounded");
static_assert(from_bf16(0x3F80) == 1.0f);
static_assert(from_bf16(0xC0A0) == -5.0f);
static_assert(from_bf16(0x0001) == 0x1p-133f, "the smallest");

/// Sign, exponent and fraction of 16 bits, by the definition: (1 + fraction) 2^(exponent - bias), without the 1 for
/// exponent 0, and infinite or not a number for the largest.
struct parts {
    bool negative = false;
    bool largest_exponent = false;
    bool has_fraction = false;
    double magnitude = 0;
};

parts parts_of(unsigned bits, int fraction_bits, int bias) {
    const unsigned fraction = bits & ((1u << fraction_bits) - 1);
    const int exponent_bits = 15 - fraction_bits;
    const auto exponent = static_cast<int>((bits >> fraction_bits) & ((1u << exponent_bits) - 1));
    const double part = std::ldexp(fraction, -fraction_bits);
    return {.negative = (bits >> 15) != 0,
            .largest_exponent = exponent == (1 << exponent_bits) - 1,
            .has_fraction = fraction != 0,
            .magnitude = exponent == 0 ? std::ldexp(part, 1 - bias) : std::ldexp(1 + part, exponent - bias)};
}

bool agrees(float x, const parts& wanted) {
    if (std::signbit(x) != wanted.negative) return false;
    if (wanted.largest_exponent) return wanted.has_fraction ? std::isnan(x) : std::isinf(x);
    return static_cast<double>(std::fabs(x)) == wanted.magnitude;
}

}  // namespace

TEST_CASE("every binary16 is the float that its bits define") {
    int wrong = 0;
    for (unsigned bits = 0; bits <= 0xFFFF; ++bits)
        wrong += !agrees(from_f16(static_cast<std::uint16_t>(bits)), parts_of(bits, 10, 15));
    CHECK(wrong == 0);
}

TEST_CASE("every bfloat16 is the float that its bits define") {
    int wrong = 0;
    for (unsigned bits = 0; bits <= 0xFFFF; ++bits)
        wrong += !agrees(from_bf16(static_cast<std::uint16_t>(bits)), parts_of(bits, 7, 127));
    CHECK(wrong == 0);
}

TEST_CASE("zero keeps its sign and a NaN its payload") {
    CHECK(std::bit_cast<std::uint32_t>(from_f16(0x8000)) == 0x80000000u);
    CHECK(std::bit_cast<std::uint32_t>(from_f16(0xFE01)) == 0xFFC02000u);
    CHECK(std::bit_cast<std::uint32_t>(from_bf16(0x8000)) == 0x80000000u);
    CHECK(std::bit_cast<std::uint32_t>(from_bf16(0xFFC1)) == 0xFFC10000u);
}
