// Cells of the tables that commands print.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>

/// "-" where there is no number.
inline std::string fixed(double value, int decimals) {
    if (std::isnan(value)) return "-";
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}

/// One cell of a line: a name may hold anything, a line break too.
inline std::string padded(std::string text, std::size_t width, bool right = false) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    if (text.size() >= width) return text;
    const std::string blanks(width - text.size(), ' ');
    return right ? blanks + text : text + blanks;
}
