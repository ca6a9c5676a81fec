// Files as text, gunzipped where they are gzipped; and files that are written whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>

/// What a user must mend before anything can be done: the message names what, where and what to do.
struct usage_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The whole file. Throws usage_error if it cannot be read.
std::string read_file(const std::string& path);

/// For --out. Throws usage_error if the path is a device or a folder, or if it exists and `force` is not given.
void check_place(const std::string& path, bool force);

/// Under another name first: whoever opens `path` finds the whole file, the one before, or none. Throws usage_error.
void write_file(const std::string& path, std::span<const std::byte> bytes);
