// Files as text, gunzipped where they are gzipped.
#pragma once

#include <stdexcept>
#include <string>

/// What a user must mend before anything can be done: the message names what, where and what to do.
struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The whole file. Throws usage_error if it cannot be read.
std::string read_file(const std::string& path);
