// Endpoint files: JSON that `qlroute calibrate` and `qlroute profile` write, and that both may add to.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

/// The file, which says of itself that it is one and of which version. Throws usage_error naming the file, what was
/// expected, and `command` ("calibrate"), which writes the section that is asked for.
nlohmann::json open_endpoint_file(const std::string& path, std::string_view command);
