// Plain decimal numbers from text: the same in every locale and with every standard library.
#pragma once

#include <charconv>
#include <clocale>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace qlroute {

namespace detail {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// How many characters at the start of `text` form a decimal number: -?(d+(.d*)?|.d+)([eE][+-]?d+)?
/// Zero if none do. An 'e' without digits after it is not part of the number.
constexpr std::size_t number_length(std::string_view text) {
    const auto digits_from = [text](std::size_t at) {
        while (at < text.size() && is_digit(text[at])) ++at;
        return at;
    };
    const std::size_t first = !text.empty() && text[0] == '-' ? 1 : 0;
    std::size_t end = digits_from(first);
    std::size_t digits = end - first;
    if (end < text.size() && text[end] == '.') {
        const std::size_t fraction_end = digits_from(end + 1);
        digits += fraction_end - end - 1;
        if (digits > 0) end = fraction_end;
    }
    if (digits == 0) return 0;
    if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
        std::size_t exponent = end + 1;
        if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
        const std::size_t exponent_end = digits_from(exponent);
        if (exponent_end > exponent) end = exponent_end;
    }
    return end;
}

/// For standard libraries whose std::from_chars reads no double. Precondition: `text` is a decimal
/// number as number_length() has it. strtod expects the decimal point of the current locale.
inline std::optional<double> number_by_strtod(std::string_view text) {
    std::string copy(text);
    const auto point = copy.find('.');
    if (point != std::string::npos) copy.replace(point, 1, std::localeconv()->decimal_point);
    const double value = std::strtod(copy.c_str(), nullptr);
    const bool is_zero = text.substr(0, text.find_first_of("eE")).find_first_of("123456789") == std::string_view::npos;
    if (!std::isfinite(value) || (value == 0 && !is_zero)) return std::nullopt;
    return value;
}

/// `text` in quotes for an error message: control characters as \xHH, shortened if it is long.
inline std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 80;
    constexpr char hex[] = "0123456789abcdef";
    std::size_t shown = text.size();
    if (shown > longest) {
        shown = longest;
        while (shown > 0 && (static_cast<unsigned char>(text[shown]) & 0xC0) == 0x80) --shown;  // whole characters
    }
    std::string out = "\"";
    for (const char c : text.substr(0, shown)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) {
            out += "\\x";
            out += hex[byte >> 4];
            out += hex[byte & 15];
        } else {
            out += c;
        }
    }
    return out += shown < text.size() ? "...\"" : "\"";
}

}  // namespace detail

/// The double nearest to a decimal number such as "38", "-0.5", ".5" or "1e-3".
///
/// The whole of `text` must be the number: nothing for blanks around it, a leading '+', hexadecimal,
/// "inf", "nan", and for numbers that a double cannot hold (1e999, or 1e-999, which would become 0).
/// Thread-safety: safe, as long as no other thread calls setlocale().
inline std::optional<double> parse_number(std::string_view text) {
    if (text.empty() || detail::number_length(text) != text.size()) return std::nullopt;
#if defined(__cpp_lib_to_chars)
    double value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return std::nullopt;
    return value;
#else
    return detail::number_by_strtod(text);
#endif
}

}  // namespace qlroute
