// JSON values, as a message shows them.
#pragma once

#include <nlohmann/json.hpp>

#include <qlroute/io/number.hpp>

#include <string>

/// Numbers, words and texts as they are, cut where they are long; a list or an object by its kind alone: dump() would
/// recurse into it, however deep it is.
inline std::string shown(const nlohmann::json& value) {
    if (value.is_array()) return value.empty() ? "an empty list" : "a list";
    if (value.is_object()) return "an object";
    if (value.is_string()) return qlroute::detail::quoted(value.get_ref<const std::string&>());
    return value.dump();
}
