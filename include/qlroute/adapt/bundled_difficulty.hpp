// The weights that come with the library, as part of the program: no file at run time.
//
//   target_link_libraries(app PRIVATE qlroute::model)      # 6 MB; in the build tree or fetched, not installed:
//   an installed library has the files in share/qlroute/difficulty, for response_difficulty::load()
//
//   auto predictor = bundled_difficulty();
#pragma once

#include <qlroute/difficulty/response_difficulty.hpp>

#include <cstddef>
#include <span>
#include <string_view>

/// Defined by the library qlroute::model.
namespace qlroute_model {
std::span<const std::byte> encoder_safetensors();
std::span<const std::byte> response_safetensors();
std::span<const std::byte> vocab_txt();
}  // namespace qlroute_model

namespace qlroute {

/// response_difficulty over the weights of models/difficulty. Errors: only those of odd options.
inline result<response_difficulty> bundled_difficulty(response_difficulty_options options = {}) {
    const auto words = qlroute_model::vocab_txt();
    return response_difficulty::view(qlroute_model::encoder_safetensors(),
                                     {reinterpret_cast<const char*>(words.data()), words.size()},
                                     qlroute_model::response_safetensors(), options);
}

}  // namespace qlroute
