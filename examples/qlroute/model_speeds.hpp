// How fast a model is on a device, by published rows of models of about its size.
#pragma once

#include <qlroute/core/units.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

/// A model on a device, after a published row of another size where there is none of its own.
struct model_speed {
    std::string model;         // whose answers were recorded
    std::string device;        // name of the device preset
    std::string preset;        // model of the device preset
    double scale = 1;          // of the preset's rates: its parameters without embeddings, to the model's
    bool is_stand_in = false;  // another model's speed, since this one's is not known
    qlroute::tokens_per_second prefill_rate{}, decode_rate{};  // scaled
    std::optional<qlroute::joules_per_token> energy{};         // of a written token, scaled
    double parameters = 0, non_embedding = 0;
    std::size_t layers = 0, width = 0;
    qlroute::bits_per_token kv_size{};

    /// "phi has the speed of qwen2.5-3b on phone_8elite_cpu times 0.77"
    std::string text() const;
};

/// The row of the device that is nearest to the model in size, of those with a reading and a writing speed. Rates are
/// scaled where the sizes differ by more than a tenth. A model whose size is not known has that of `stand_in`. Throws
/// usage_error: a device that has no such row.
model_speed speed_of(std::string_view model, std::string_view stand_in, const std::string& device);
