// Numbers with units: 38_ms, 4_KiB, 20_Mbps, 900_tok, 12_dB.
#pragma once

#include <qlroute/core/units.hpp>

namespace qlroute {

/// 10^(decibels / 10), usable in constant expressions; exact for multiples of 10 dB up to 220.
constexpr double from_decibels(double decibels) {
    // 10^(x/10) = 10^n e^f with n an integer and |f| <= ln 10 / 2, where 24 terms of e^f are exact. No product is added
    // to anything: compilers may fuse the two in one place and not in another, and the same ratio would not be equal.
    constexpr double ln10 = 2.302585092994045684;
    if (!(decibels > -3080 && decibels < 3080)) return decibels < 0 ? 0.0 : decibels * 1e308;
    const auto n = static_cast<int>(decibels / 10 + (decibels < 0 ? -0.5 : 0.5));
    const double f = (decibels / 10 - n) * ln10;
    double power = 1;
    for (int k = 24; k > 0; --k) power = 1 + power * f / k;
    double ten_to_n = 1;
    for (int k = 0; k < (n < 0 ? -n : n); ++k) ten_to_n *= 10;
    return n < 0 ? power / ten_to_n : power * ten_to_n;
}

inline namespace literals {

// clang-format off
// time
constexpr seconds operator""_ns(long double x) { return seconds(static_cast<double>(x) / 1e9); }
constexpr seconds operator""_ns(unsigned long long x) { return seconds(static_cast<double>(x) / 1e9); }
constexpr seconds operator""_us(long double x) { return seconds(static_cast<double>(x) / 1e6); }
constexpr seconds operator""_us(unsigned long long x) { return seconds(static_cast<double>(x) / 1e6); }
constexpr seconds operator""_ms(long double x) { return seconds(static_cast<double>(x) / 1e3); }
constexpr seconds operator""_ms(unsigned long long x) { return seconds(static_cast<double>(x) / 1e3); }
constexpr seconds operator""_s(long double x) { return seconds(static_cast<double>(x)); }
constexpr seconds operator""_s(unsigned long long x) { return seconds(static_cast<double>(x)); }
constexpr seconds operator""_min(long double x) { return seconds(static_cast<double>(x) * 60); }
constexpr seconds operator""_min(unsigned long long x) { return seconds(static_cast<double>(x) * 60); }
constexpr seconds operator""_h(long double x) { return seconds(static_cast<double>(x) * 3600); }
constexpr seconds operator""_h(unsigned long long x) { return seconds(static_cast<double>(x) * 3600); }
// data (bits; a byte is 8, k = 1000, Ki = 1024)
constexpr bits operator""_bit(long double x) { return bits(static_cast<double>(x)); }
constexpr bits operator""_bit(unsigned long long x) { return bits(static_cast<double>(x)); }
constexpr bits operator""_kbit(long double x) { return bits(static_cast<double>(x) * 1e3); }
constexpr bits operator""_kbit(unsigned long long x) { return bits(static_cast<double>(x) * 1e3); }
constexpr bits operator""_Mbit(long double x) { return bits(static_cast<double>(x) * 1e6); }
constexpr bits operator""_Mbit(unsigned long long x) { return bits(static_cast<double>(x) * 1e6); }
constexpr bits operator""_Gbit(long double x) { return bits(static_cast<double>(x) * 1e9); }
constexpr bits operator""_Gbit(unsigned long long x) { return bits(static_cast<double>(x) * 1e9); }
constexpr bits operator""_B(long double x) { return bits(static_cast<double>(x) * 8); }
constexpr bits operator""_B(unsigned long long x) { return bits(static_cast<double>(x) * 8); }
constexpr bits operator""_kB(long double x) { return bits(static_cast<double>(x) * 8e3); }
constexpr bits operator""_kB(unsigned long long x) { return bits(static_cast<double>(x) * 8e3); }
constexpr bits operator""_MB(long double x) { return bits(static_cast<double>(x) * 8e6); }
constexpr bits operator""_MB(unsigned long long x) { return bits(static_cast<double>(x) * 8e6); }
constexpr bits operator""_GB(long double x) { return bits(static_cast<double>(x) * 8e9); }
constexpr bits operator""_GB(unsigned long long x) { return bits(static_cast<double>(x) * 8e9); }
constexpr bits operator""_KiB(long double x) { return bits(static_cast<double>(x) * (8.0 * 1024)); }
constexpr bits operator""_KiB(unsigned long long x) { return bits(static_cast<double>(x) * (8.0 * 1024)); }
constexpr bits operator""_MiB(long double x) { return bits(static_cast<double>(x) * (8.0 * 1024 * 1024)); }
constexpr bits operator""_MiB(unsigned long long x) { return bits(static_cast<double>(x) * (8.0 * 1024 * 1024)); }
constexpr bits operator""_GiB(long double x) { return bits(static_cast<double>(x) * (8.0 * 1024 * 1024 * 1024)); }
constexpr bits operator""_GiB(unsigned long long x) { return bits(static_cast<double>(x) * (8.0 * 1024 * 1024 * 1024)); }
// data rate (bit/s)
constexpr bits_per_second operator""_bps(long double x) { return bits_per_second(static_cast<double>(x)); }
constexpr bits_per_second operator""_bps(unsigned long long x) { return bits_per_second(static_cast<double>(x)); }
constexpr bits_per_second operator""_kbps(long double x) { return bits_per_second(static_cast<double>(x) * 1e3); }
constexpr bits_per_second operator""_kbps(unsigned long long x) { return bits_per_second(static_cast<double>(x) * 1e3); }
constexpr bits_per_second operator""_Mbps(long double x) { return bits_per_second(static_cast<double>(x) * 1e6); }
constexpr bits_per_second operator""_Mbps(unsigned long long x) { return bits_per_second(static_cast<double>(x) * 1e6); }
constexpr bits_per_second operator""_Gbps(long double x) { return bits_per_second(static_cast<double>(x) * 1e9); }
constexpr bits_per_second operator""_Gbps(unsigned long long x) { return bits_per_second(static_cast<double>(x) * 1e9); }
// tokens
constexpr tokens operator""_tok(long double x) { return tokens(static_cast<double>(x)); }
constexpr tokens operator""_tok(unsigned long long x) { return tokens(static_cast<double>(x)); }
constexpr tokens operator""_ktok(long double x) { return tokens(static_cast<double>(x) * 1e3); }
constexpr tokens operator""_ktok(unsigned long long x) { return tokens(static_cast<double>(x) * 1e3); }
// token rate
constexpr tokens_per_second operator""_tok_s(long double x) { return tokens_per_second(static_cast<double>(x)); }
constexpr tokens_per_second operator""_tok_s(unsigned long long x) { return tokens_per_second(static_cast<double>(x)); }
// frequency
constexpr hertz operator""_Hz(long double x) { return hertz(static_cast<double>(x)); }
constexpr hertz operator""_Hz(unsigned long long x) { return hertz(static_cast<double>(x)); }
constexpr hertz operator""_kHz(long double x) { return hertz(static_cast<double>(x) * 1e3); }
constexpr hertz operator""_kHz(unsigned long long x) { return hertz(static_cast<double>(x) * 1e3); }
constexpr hertz operator""_MHz(long double x) { return hertz(static_cast<double>(x) * 1e6); }
constexpr hertz operator""_MHz(unsigned long long x) { return hertz(static_cast<double>(x) * 1e6); }
constexpr hertz operator""_GHz(long double x) { return hertz(static_cast<double>(x) * 1e9); }
constexpr hertz operator""_GHz(unsigned long long x) { return hertz(static_cast<double>(x) * 1e9); }
// energy and power
constexpr joules operator""_J(long double x) { return joules(static_cast<double>(x)); }
constexpr joules operator""_J(unsigned long long x) { return joules(static_cast<double>(x)); }
constexpr joules operator""_mJ(long double x) { return joules(static_cast<double>(x) / 1e3); }
constexpr joules operator""_mJ(unsigned long long x) { return joules(static_cast<double>(x) / 1e3); }
constexpr joules operator""_kJ(long double x) { return joules(static_cast<double>(x) * 1e3); }
constexpr joules operator""_kJ(unsigned long long x) { return joules(static_cast<double>(x) * 1e3); }
constexpr joules operator""_Wh(long double x) { return joules(static_cast<double>(x) * 3600); }
constexpr joules operator""_Wh(unsigned long long x) { return joules(static_cast<double>(x) * 3600); }
// power
constexpr watts operator""_W(long double x) { return watts(static_cast<double>(x)); }
constexpr watts operator""_W(unsigned long long x) { return watts(static_cast<double>(x)); }
constexpr watts operator""_mW(long double x) { return watts(static_cast<double>(x) / 1e3); }
constexpr watts operator""_mW(unsigned long long x) { return watts(static_cast<double>(x) / 1e3); }
// money
constexpr dollars operator""_USD(long double x) { return dollars(static_cast<double>(x)); }
constexpr dollars operator""_USD(unsigned long long x) { return dollars(static_cast<double>(x)); }
// no unit
constexpr ratio operator""_percent(long double x) { return ratio(static_cast<double>(x) / 1e2); }
constexpr ratio operator""_percent(unsigned long long x) { return ratio(static_cast<double>(x) / 1e2); }
// a ratio of powers; `-3_dB` would negate the ratio, so write `decibels(-3)`
constexpr ratio operator""_dB(long double x) { return from_decibels(static_cast<double>(x)); }
constexpr ratio operator""_dB(unsigned long long x) { return from_decibels(static_cast<double>(x)); }
// clang-format on

}  // namespace literals

/// A power ratio given in dB, of either sign.
constexpr ratio decibels(double x) { return from_decibels(x); }

/// A power ratio as a number of dB: 10 log10(x), one for each element. 0 is -infinity, less is NaN.
template <class Rep>
auto in_decibels(const quantity<dim::none, Rep>& x) {
    return elementwise<dim::none>([](auto each) { return 10 * std::log10(each); }, x).value();
}

/// A power given in dBm, decibels above a milliwatt: dBm(30) is 1 W, dBm(23) what a phone may send.
constexpr watts dBm(double x) { return watts(from_decibels(x) / 1e3); }

/// A power as a number of dBm.
template <class Rep>
auto in_dBm(const quantity<dim::power, Rep>& x) {
    return elementwise<dim::none>([](auto each) { return 10 * std::log10(each) + 30; }, x).value();
}

}  // namespace qlroute
