// Texts that may stand in a header.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Printable ASCII only, everything else as "?", and at most `most` bytes: no text can begin another header.
inline std::string header_text(std::string_view text, std::size_t most = 1024) {
    std::string out(text.substr(0, most));
    for (char& c : out)
        if (c < ' ' || c > '~') c = '?';
    return out;
}
