#include <qlroute/core/literals.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <concepts>
#include <limits>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// Plain numbers as a quantity without a unit.
template <class Rep>
quantity<dim::none, Rep> ratio_of(Rep numbers) {
    return quantity<dim::none, Rep>(std::move(numbers));
}

/// Of that very unit, and equal up to the last digit.
template <class Unit>
constexpr bool is(std::same_as<Unit> auto quantity, double canonical_units) {
    const double error = quantity.value() / canonical_units - 1;
    return error < 1e-15 && error > -1e-15;
}

// Each literal once as a whole number and once as a fraction, against its number of canonical units.
// clang-format off
// time
static_assert(is<seconds>(3_ns, 3e-09) && is<seconds>(0.5_ns, 5e-10));
static_assert(is<seconds>(3_us, 3e-06) && is<seconds>(0.5_us, 5e-07));
static_assert(is<seconds>(3_ms, 0.003) && is<seconds>(0.5_ms, 0.0005));
static_assert(is<seconds>(3_s, 3.0) && is<seconds>(0.5_s, 0.5));
static_assert(is<seconds>(3_min, 180.0) && is<seconds>(0.5_min, 30.0));
static_assert(is<seconds>(3_h, 10800.0) && is<seconds>(0.5_h, 1800.0));
// data
static_assert(is<bits>(3_bit, 3.0) && is<bits>(0.5_bit, 0.5));
static_assert(is<bits>(3_kbit, 3000.0) && is<bits>(0.5_kbit, 500.0));
static_assert(is<bits>(3_Mbit, 3000000.0) && is<bits>(0.5_Mbit, 500000.0));
static_assert(is<bits>(3_Gbit, 3000000000.0) && is<bits>(0.5_Gbit, 500000000.0));
static_assert(is<bits>(3_B, 24.0) && is<bits>(0.5_B, 4.0));
static_assert(is<bits>(3_kB, 24000.0) && is<bits>(0.5_kB, 4000.0));
static_assert(is<bits>(3_MB, 24000000.0) && is<bits>(0.5_MB, 4000000.0));
static_assert(is<bits>(3_GB, 24000000000.0) && is<bits>(0.5_GB, 4000000000.0));
static_assert(is<bits>(3_KiB, 24576.0) && is<bits>(0.5_KiB, 4096.0));
static_assert(is<bits>(3_MiB, 25165824.0) && is<bits>(0.5_MiB, 4194304.0));
static_assert(is<bits>(3_GiB, 25769803776.0) && is<bits>(0.5_GiB, 4294967296.0));
// data rate
static_assert(is<bits_per_second>(3_bps, 3.0) && is<bits_per_second>(0.5_bps, 0.5));
static_assert(is<bits_per_second>(3_kbps, 3000.0) && is<bits_per_second>(0.5_kbps, 500.0));
static_assert(is<bits_per_second>(3_Mbps, 3000000.0) && is<bits_per_second>(0.5_Mbps, 500000.0));
static_assert(is<bits_per_second>(3_Gbps, 3000000000.0) && is<bits_per_second>(0.5_Gbps, 500000000.0));
// tokens
static_assert(is<tokens>(3_tok, 3.0) && is<tokens>(0.5_tok, 0.5));
static_assert(is<tokens>(3_ktok, 3000.0) && is<tokens>(0.5_ktok, 500.0));
// token rate
static_assert(is<tokens_per_second>(3_tok_s, 3.0) && is<tokens_per_second>(0.5_tok_s, 0.5));
// frequency
static_assert(is<hertz>(3_Hz, 3.0) && is<hertz>(0.5_Hz, 0.5));
static_assert(is<hertz>(3_kHz, 3000.0) && is<hertz>(0.5_kHz, 500.0));
static_assert(is<hertz>(3_MHz, 3000000.0) && is<hertz>(0.5_MHz, 500000.0));
static_assert(is<hertz>(3_GHz, 3000000000.0) && is<hertz>(0.5_GHz, 500000000.0));
// energy
static_assert(is<joules>(3_J, 3.0) && is<joules>(0.5_J, 0.5));
static_assert(is<joules>(3_mJ, 0.003) && is<joules>(0.5_mJ, 0.0005));
static_assert(is<joules>(3_kJ, 3000.0) && is<joules>(0.5_kJ, 500.0));
static_assert(is<joules>(3_Wh, 10800.0) && is<joules>(0.5_Wh, 1800.0));
// power
static_assert(is<watts>(3_W, 3.0) && is<watts>(0.5_W, 0.5));
static_assert(is<watts>(3_mW, 0.003) && is<watts>(0.5_mW, 0.0005));
// money
static_assert(is<dollars>(3_USD, 3.0) && is<dollars>(0.5_USD, 0.5));
// no unit
static_assert(is<ratio>(3_percent, 0.03) && is<ratio>(0.5_percent, 0.005));
// decibels
static_assert(is<ratio>(10_dB, 10.0) && is<ratio>(20.0_dB, 100.0) && (0_dB).value() == 1);
// clang-format on

static_assert(is<ratio>(decibels(-10), 0.1));
static_assert(is<ratio>(decibels(3), 1.9952623149688795));
static_assert(decibels(0) == ratio(1));

}  // namespace

TEST_CASE("a byte is eight bits, k is 1000 and Ki is 1024") {
    CHECK(1_B == 8_bit);
    CHECK(1_kB == 1000_B);
    CHECK(1_KiB == 1024_B);
    CHECK(1_MiB == 1024_KiB);
    CHECK(1_GiB == 1024_MiB);
    CHECK(1_MB == 8_Mbit);
    CHECK(1_GB == 1000_MB);
}

TEST_CASE("literals of one unit mix in the text of an engine") {
    CHECK(1_h == 60_min);
    CHECK(1_min == 60_s);
    CHECK(1_s == 1000_ms);
    CHECK(1_ms == 1000_us);
    CHECK(1_us == 1000_ns);
    CHECK(1_Wh == 3.6_kJ);
    CHECK(1_W * 1_h == 1_Wh);
    CHECK(1_Mbit / 1_Mbps == 1_s);
    CHECK(100_tok / 50_tok_s == 2_s);
    CHECK(50_percent == ratio(0.5));
}

TEST_CASE("decibels are a tenth of a power of ten") {
    for (int tenths = -3000; tenths <= 3000; ++tenths) {
        const double x = tenths / 10.0;
        const double expected = std::pow(10.0, x / 10);
        CAPTURE(x);
        CHECK(std::abs(decibels(x).value() - expected) <= 1e-13 * expected);
    }
}

TEST_CASE("decibels beyond a double are zero or infinite") {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    CHECK(decibels(-infinity).value() == 0);
    CHECK(decibels(-4000).value() == 0);
    CHECK(decibels(infinity).value() == infinity);
    CHECK(decibels(4000).value() == infinity);
    CHECK(std::isnan(decibels(std::nan("")).value()));
}

TEST_CASE("multiples of 10 dB are exact powers of ten, in constant expressions and elsewhere") {
    double expected = 1;
    for (int tens = 0; tens <= 22; ++tens, expected *= 10) {
        CHECK(from_decibels(10.0 * tens) == expected);
        CHECK(from_decibels(-10.0 * tens) == 1 / expected);
    }
    static_assert(from_decibels(-10) == 0.1);
    static_assert(10_dB == ratio(10));
}

TEST_CASE_TEMPLATE("a ratio can be said in decibels", Rep, QLROUTE_TEST_REPS) {
    for (const double x : {-40.0, -3.0, 0.0, 12.5, 138.0}) {
        const auto back = elements(ratio_of<Rep>(in_decibels(filled<Rep>(decibels(x)))));
        for (const double each : back) CHECK(std::abs(each - x) < 1e-5);
    }
    CHECK(in_decibels(ratio(0)) == -std::numeric_limits<double>::infinity());
    CHECK(std::isnan(in_decibels(ratio(-1))));
}

TEST_CASE_TEMPLATE("0 dBm is a milliwatt", Rep, QLROUTE_TEST_REPS) {
    static_assert(dBm(30) == 1_W);
    static_assert(dBm(0) == 1_mW);
    CHECK(dBm(23).value() == doctest::Approx(0.2).epsilon(0.003));
    CHECK(dBm(-90).value() == doctest::Approx(1e-12));
    for (const double x : {-110.0, 0.0, 23.0}) {
        const auto back = elements(ratio_of<Rep>(in_dBm(filled<Rep>(dBm(x)))));
        for (const double each : back) CHECK(std::abs(each - x) < 1e-4);
    }
}
