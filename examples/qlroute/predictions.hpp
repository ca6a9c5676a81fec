// What somebody else predicted of two models' answers, as JSON lines.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

/// {"id", "p_small", "p_large", "benchmark"?, "small"?, "large"?}; other keys are ignored. For turn k of a dialogue
/// `id` ends in "/k".
struct predicted_pair {
    std::string id;
    double small = 0, large = 0;                      // P(good answer)
    std::string benchmark, small_model, large_model;  // empty: for all

    /// Whether it is meant for these models.
    bool is_of(const std::string& small_name, const std::string& large_name) const {
        return (small_model.empty() || small_model == small_name) && (large_model.empty() || large_model == large_name);
    }
};

/// Calls `each` for every good line, which may throw bad_line, too; bad lines are reported on stderr and skipped.
/// Returns how many were. Throws usage_error if the file cannot be read.
std::size_t read_predictions(const std::string& path, const std::function<void(const predicted_pair&)>& each);
