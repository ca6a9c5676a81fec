// Quantities as people write them: "38 ms", "20 Mbit/s", "112 KiB/tok", "-3 dB".
//
//   auto rtt = parse_quantity<seconds>("38 ms");       // or an error that says what was expected
//   std::string text = to_text(4_KiB / 5_Mbps);        // "6.55 ms"
//
// A quantity is a number, at most one blank, and a unit. A unit is one of the table below or two of them
// with a '/' between; they are those of core/literals.hpp, and scale in the same way.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/io/number.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace qlroute {

namespace detail {

/// One unit without a '/': x of it are x * times / over canonical units. Dividing keeps 38 ms the very
/// double that 38_ms is.
struct unit_atom {
    std::string_view symbol;
    dimension unit;
    double times = 1;
    double over = 1;

    constexpr double canonical(double x) const { return x * times / over; }
};

inline constexpr std::array unit_atoms{
    unit_atom{"ns", dim::time, 1, 1e9},
    unit_atom{"us", dim::time, 1, 1e6},
    unit_atom{"ms", dim::time, 1, 1e3},
    unit_atom{"s", dim::time},
    unit_atom{"min", dim::time, 60},
    unit_atom{"h", dim::time, 3600},
    unit_atom{"bit", dim::data},
    unit_atom{"kbit", dim::data, 1e3},
    unit_atom{"Mbit", dim::data, 1e6},
    unit_atom{"Gbit", dim::data, 1e9},
    unit_atom{"B", dim::data, 8},
    unit_atom{"kB", dim::data, 8e3},
    unit_atom{"MB", dim::data, 8e6},
    unit_atom{"GB", dim::data, 8e9},
    unit_atom{"KiB", dim::data, 8.0 * 1024},
    unit_atom{"MiB", dim::data, 8.0 * 1024 * 1024},
    unit_atom{"GiB", dim::data, 8.0 * 1024 * 1024 * 1024},
    unit_atom{"bps", dim::data_rate},
    unit_atom{"kbps", dim::data_rate, 1e3},
    unit_atom{"Mbps", dim::data_rate, 1e6},
    unit_atom{"Gbps", dim::data_rate, 1e9},
    unit_atom{"tok", dim::token},
    unit_atom{"ktok", dim::token, 1e3},
    unit_atom{"Mtok", dim::token, 1e6},
    unit_atom{"Hz", dim::frequency},
    unit_atom{"kHz", dim::frequency, 1e3},
    unit_atom{"MHz", dim::frequency, 1e6},
    unit_atom{"GHz", dim::frequency, 1e9},
    unit_atom{"mJ", dim::energy, 1, 1e3},
    unit_atom{"J", dim::energy},
    unit_atom{"kJ", dim::energy, 1e3},
    unit_atom{"Wh", dim::energy, 3600},
    unit_atom{"mW", dim::power, 1, 1e3},
    unit_atom{"W", dim::power},
    unit_atom{"USD", dim::money},
};

/// What a quantity of some unit is called, and what one looks like.
struct unit_words {
    dimension unit;
    std::string_view name;
    std::string_view example;
};

inline constexpr std::array all_unit_words{
    unit_words{dim::none, "a number", "\"0.5\", \"5 %\" or \"12 dB\""},
    unit_words{dim::time, "a time", "\"38 ms\""},
    unit_words{dim::data, "a data size", "\"4 KiB\""},
    unit_words{dim::token, "a number of tokens", "\"900 tok\""},
    unit_words{dim::energy, "an energy", "\"3 J\""},
    unit_words{dim::money, "a price", "\"0.02 USD\""},
    unit_words{dim::frequency, "a frequency", "\"10 MHz\""},
    unit_words{dim::data_rate, "a data rate", "\"20 Mbit/s\""},
    unit_words{dim::token_rate, "a token rate", "\"220 tok/s\""},
    unit_words{dim::time_per_token, "a time per token", "\"45 ms/tok\""},
    unit_words{dim::data_per_token, "a data size per token", "\"112 KiB/tok\""},
    unit_words{dim::energy_per_token, "an energy per token", "\"0.2 J/tok\""},
    unit_words{dim::money_per_token, "a price per token", "\"0.6 USD/Mtok\""},
    unit_words{dim::power, "a power", "\"3 W\""},
};

/// By value: under -fsanitize=undefined GCC 12 refuses to compare an address in a constant expression.
constexpr std::optional<unit_words> words_for(dimension unit) {
    for (const auto& one : all_unit_words)
        if (one.unit == unit) return one;
    return std::nullopt;
}

/// One number whose unit has a name can be parsed and printed; a square of seconds cannot.
template <class Q>
inline constexpr bool has_text = false;
template <dimension D, std::floating_point Rep>
inline constexpr bool has_text<quantity<D, Rep>> = words_for(D).has_value();

constexpr const unit_atom* find_atom(std::string_view symbol) {
    for (const auto& one : unit_atoms)
        if (one.symbol == symbol) return &one;
    return nullptr;
}

/// "ns, us, ms, s, min, h", or nothing.
inline std::string atoms_of(dimension unit) {
    std::string out;
    for (const auto& one : unit_atoms)
        if (one.unit == unit) out += (out.empty() ? "" : ", ") + std::string(one.symbol);
    return out;
}

/// Every unit that fits: "bps, kbps, Mbps, Gbps, or (bit, kbit, ...)/(ns, us, ms, s, min, h)".
inline std::string units_that_fit(dimension unit) {
    if (unit == dim::none) return "%, dB, or no unit";
    std::string out = atoms_of(unit);
    constexpr std::array bases{dim::time, dim::data, dim::token, dim::energy, dim::money};
    for (const auto top : bases)
        for (const auto bottom : bases)
            if (top - bottom == unit)
                out += (out.empty() ? "(" : ", or (") + atoms_of(top) + ")/(" + atoms_of(bottom) + ')';
    return out;
}

/// A number and what it is a number of.
struct any_unit_value {
    double value = 0;
    dimension unit;
};

/// `number` of the unit `symbol`; nothing if there is no such unit.
inline std::optional<any_unit_value> in_unit(double number, std::string_view symbol) {
    if (symbol.empty()) return any_unit_value{number, dim::none};
    if (symbol == "%") return any_unit_value{number / 1e2, dim::none};
    if (symbol == "dB") return any_unit_value{from_decibels(number), dim::none};
    const auto slash = symbol.find('/');
    const unit_atom* top = find_atom(symbol.substr(0, slash));
    if (top == nullptr) return std::nullopt;
    if (slash == std::string_view::npos) return any_unit_value{top->canonical(number), top->unit};
    const unit_atom* bottom = find_atom(symbol.substr(slash + 1));
    if (bottom == nullptr) return std::nullopt;
    return any_unit_value{top->canonical(number) / bottom->canonical(1), top->unit - bottom->unit};
}

/// The number of canonical units in a quantity that must have the unit of `wanted`.
inline result<double> parse_in(std::string_view text, const unit_words& wanted) {
    const auto expected = [&](std::string_view what, errc code, std::size_t offset, const std::string& why) {
        return error{.code = code,
                     .message = "expected " + std::string(what) + " such as " + std::string(wanted.example) + ", got " +
                                quoted(text) + why,
                     .offset = offset};
    };
    const std::size_t end = number_length(text);
    const std::string_view digits = text.substr(0, end);
    const bool is_hexadecimal = (digits == "0" || digits == "-0") && end < text.size() && (text[end] | 0x20) == 'x';
    const auto number = parse_number(digits);
    if (!number || is_hexadecimal)
        return expected(wanted.unit == dim::none ? "a finite number" : "a finite number and a unit", errc::malformed, 0,
                        "");

    const bool has_blank = end + 1 < text.size() && text[end] == ' ';
    const std::size_t unit_at = has_blank ? end + 1 : end;
    const std::string_view unit = text.substr(unit_at);
    const auto wrong = [&](errc code, std::size_t offset, const std::string& why) {
        return expected(wanted.name, code, offset, why);
    };
    const auto value = in_unit(*number, unit);
    if (!value)
        return wrong(errc::malformed, unit_at,
                     ": unknown unit " + quoted(unit) + "; use " + units_that_fit(wanted.unit));
    if (value->unit != wanted.unit) {
        if (unit.empty())
            return wrong(errc::malformed, unit_at, ", which has no unit; use " + units_that_fit(wanted.unit));
        const auto words = words_for(value->unit);
        return wrong(errc::malformed, unit_at, ", which is " + std::string(words ? words->name : "another unit"));
    }
    if (!std::isfinite(value->value)) return wrong(errc::out_of_range, 0, ", which is too large");
    if (value->value == 0 && (*number != 0 || unit == "dB"))
        return wrong(errc::out_of_range, 0, ", which is too small");
    return value->value;
}

/// A unit to print in.
struct printed_unit {
    dimension unit;
    std::string_view symbol;
};

/// From small to large for each dimension.
inline constexpr std::array printed_units{
    printed_unit{dim::none, ""},
    printed_unit{dim::time, "ns"},
    printed_unit{dim::time, "us"},
    printed_unit{dim::time, "ms"},
    printed_unit{dim::time, "s"},
    printed_unit{dim::data, "B"},
    printed_unit{dim::data, "KiB"},
    printed_unit{dim::data, "MiB"},
    printed_unit{dim::data, "GiB"},
    printed_unit{dim::token, "tok"},
    printed_unit{dim::token, "ktok"},
    printed_unit{dim::token, "Mtok"},
    printed_unit{dim::energy, "mJ"},
    printed_unit{dim::energy, "J"},
    printed_unit{dim::energy, "kJ"},
    printed_unit{dim::money, "USD"},
    printed_unit{dim::frequency, "Hz"},
    printed_unit{dim::frequency, "kHz"},
    printed_unit{dim::frequency, "MHz"},
    printed_unit{dim::frequency, "GHz"},
    printed_unit{dim::data_rate, "bit/s"},
    printed_unit{dim::data_rate, "kbit/s"},
    printed_unit{dim::data_rate, "Mbit/s"},
    printed_unit{dim::data_rate, "Gbit/s"},
    printed_unit{dim::token_rate, "tok/s"},
    printed_unit{dim::token_rate, "ktok/s"},
    printed_unit{dim::time_per_token, "ns/tok"},
    printed_unit{dim::time_per_token, "us/tok"},
    printed_unit{dim::time_per_token, "ms/tok"},
    printed_unit{dim::time_per_token, "s/tok"},
    printed_unit{dim::data_per_token, "B/tok"},
    printed_unit{dim::data_per_token, "KiB/tok"},
    printed_unit{dim::data_per_token, "MiB/tok"},
    printed_unit{dim::data_per_token, "GiB/tok"},
    printed_unit{dim::energy_per_token, "mJ/tok"},
    printed_unit{dim::energy_per_token, "J/tok"},
    printed_unit{dim::energy_per_token, "kJ/tok"},
    printed_unit{dim::money_per_token, "USD/Mtok"},
    printed_unit{dim::power, "mW"},
    printed_unit{dim::power, "W"},
};

/// digits * 10^(exponent - 2), where digits has three of them: 2.31 is {231, 0}.
struct three_digits {
    int digits = 0;
    int exponent = 0;
};

/// Precondition: `value` is finite and not negative.
inline three_digits round_to_three(double value) {
    if (value == 0) return {};
    // printf rounds exactly; of what it prints, only the decimal point depends on the locale
    char buffer[32];
    const int length = std::snprintf(buffer, sizeof buffer, "%.2e", value);
    const std::string_view text(buffer, static_cast<std::size_t>(length));
    const auto e = text.find('e');
    three_digits out;
    for (const char c : {text[0], text[e - 2], text[e - 1]}) out.digits = out.digits * 10 + (c - '0');
    for (const char c : text.substr(e + 2)) out.exponent = out.exponent * 10 + (c - '0');
    if (text[e + 1] == '-') out.exponent = -out.exponent;
    return out;
}

/// "2.31", "38", "0.05", "12300", "1.5e-9": no zeros after the decimals that count.
inline std::string text_of(three_digits number) {
    if (number.digits == 0) return "0";
    const bool scientific = number.exponent < -4 || number.exponent > 6;
    const int point = scientific ? 0 : number.exponent;  // place of the first digit
    std::string digits = std::to_string(number.digits);
    while (digits.back() == '0') digits.pop_back();
    if (point < 0) digits.insert(0, static_cast<std::size_t>(-point), '0');
    const auto whole = static_cast<std::size_t>(point < 0 ? 1 : point + 1);
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    if (digits.size() > whole) digits.insert(whole, 1, '.');
    if (scientific) digits += 'e' + std::to_string(number.exponent);
    return digits;
}

inline std::string text_in(double value, dimension unit) {
    const bool has_prefix = std::isfinite(value) && value != 0;
    std::string number;
    std::string_view symbol;
    for (const auto& one : printed_units) {
        if (one.unit != unit) continue;
        const double scale = in_unit(1, one.symbol)->value;
        const double magnitude = std::abs(value) / scale;
        if (has_prefix && std::isfinite(magnitude)) {
            const three_digits rounded = round_to_three(magnitude);
            // 999.6 ms rounds to 1 s, so it is the rounded number that must reach 1
            if (!number.empty() && rounded.exponent < 0) break;
            number = text_of(rounded);
            symbol = one.symbol;
        } else {
            number = value == 0 ? "0" : std::isnan(value) ? "nan" : "inf";
            symbol = one.symbol;
            if (!has_prefix && scale >= 1) break;
        }
    }
    if (value < 0) number.insert(0, 1, '-');
    if (!symbol.empty()) number.append(1, ' ').append(symbol);
    return number;
}

}  // namespace detail

/// The quantity that `text` says: a number, at most one blank, a unit.
///
///   parse_quantity<seconds>("38 ms")              parse_quantity<bits_per_second>("20 Mbit/s")
///   parse_quantity<ratio>("-3 dB")                parse_quantity<dollars_per_token>("0.6 USD/Mtok")
///
/// The number is one of parse_number(). Units, with B a byte, k = 1000 and Ki = 1024:
///   ns us ms s min h   bit kbit Mbit Gbit B kB MB GB KiB MiB GiB   bps kbps Mbps Gbps   tok ktok Mtok
///   Hz kHz MHz GHz     mJ J kJ Wh   mW W   USD     and any one of them / another
/// A ratio has no unit, or is in % or dB. "38 ms" is exactly the double 38_ms.
///
/// Errors: `malformed`, or `out_of_range` for a value that Q cannot hold; the message says what was
/// expected and names the units that fit, and the offset is in `text`.
/// Thread-safety: that of parse_number().
template <any_quantity Q>
result<std::remove_cvref_t<Q>> parse_quantity(std::string_view text) {
    static_assert(detail::has_text<std::remove_cvref_t<Q>>,
                  "qlroute: only a quantity of one number, in a unit that has a name "
                  "(a time, a data rate, a price per token, ...), has a text form");
    using quantity = std::remove_cvref_t<Q>;
    using rep = typename quantity::rep;
    constexpr detail::unit_words words = *detail::words_for(quantity::unit);
    const auto value = detail::parse_in(text, words);
    if (!value) return value.error();
    const bool fits = std::abs(*value) <= static_cast<double>(std::numeric_limits<rep>::max());
    if (!fits || (*value != 0 && static_cast<rep>(*value) == 0))
        return error{.code = errc::out_of_range,
                     .message = "expected " + std::string(words.name) + " such as " + std::string(words.example) +
                                ", got " + detail::quoted(text) + ", which is too " + (fits ? "small" : "large")};
    return quantity(static_cast<rep>(*value));
}

/// The quantity for people: three significant digits, and the largest unit of which there is at least one.
///
///   "2.31 s"  "38 ms"  "4 KiB"  "5 Mbit/s"  "220 tok/s"  "112 KiB/tok"  "45 ms/tok"  "0.6 USD/Mtok"  "0.05"
///
/// Zeros at the end of decimals are left out. Data sizes use the prefixes of memory (KiB = 1024 bytes), data
/// rates those of networks (Mbit = 10^6 bits); times above one second stay in seconds, so that they compare at
/// a glance; prices per token are per million. parse_quantity() reads the text back, to within 0.5 %.
/// What is not finite becomes "inf s" or "nan s", which it does not read. Thread-safety: safe.
template <any_quantity Q>
std::string to_text(const Q& value) {
    static_assert(detail::has_text<std::remove_cvref_t<Q>>,
                  "qlroute: only a quantity of one number, in a unit that has a name "
                  "(a time, a data rate, a price per token, ...), has a text form");
    return detail::text_in(static_cast<double>(value.value()), Q::unit);
}

}  // namespace qlroute
