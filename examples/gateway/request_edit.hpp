// Changes to a JSON text that leave every other byte of it as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// How deep arrays and objects are nested in a text, strings aside; stops counting above `most`.
std::size_t json_nesting(std::string_view text, std::size_t most);

/// The same request for another model. `body` is a valid JSON object.
std::string with_model(std::string_view body, std::string_view model);

/// The same request with "stream_options": {"include_usage": true}. `body` is a valid JSON object.
std::string with_usage(std::string_view body);
