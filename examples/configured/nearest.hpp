// Names that are like a misspelt one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

inline std::string in_lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

/// Characters to add, drop or change (Levenshtein).
inline std::size_t edits_between(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (const char c : a) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t changed = diagonal + (c == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

/// Up to `most` of `names`, in lower case compared: those that contain `name` or are part of it first, then by edits.
inline std::vector<std::string_view> nearest_names(const std::vector<std::string_view>& names, std::string_view name,
                                                   std::size_t most) {
    const std::string wanted = in_lower_case(name);
    std::vector<std::pair<std::size_t, std::string_view>> order;
    for (const std::string_view each : names) {
        const std::string other = in_lower_case(each);
        const bool is_part = !wanted.empty() && !other.empty() &&
                             (other.find(wanted) != std::string::npos || wanted.find(other) != std::string::npos);
        order.emplace_back(is_part ? 0 : edits_between(wanted, other), each);
    }
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string_view> out;
    for (std::size_t k = 0; k < std::min(most, order.size()); ++k) out.push_back(order[k].second);
    return out;
}
