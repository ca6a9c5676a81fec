#include "model_speeds.hpp"

#include "configured/files.hpp"

#include <qlroute/io/number.hpp>
#include <qlroute/presets/devices.hpp>
#include <qlroute/presets/models.hpp>

#include <cmath>
#include <cstdio>
#include <set>
#include <utility>

using namespace qlroute;

namespace {

constexpr model_card more_models[] = {
    {.name = "phi-2",
     .parameters = 2.78e9,
     .non_embedding = 2.52e9,
     .layers = 32,
     .width = 2560,
     .heads = 32,
     .kv_heads = 32,
     .head_width = 80},
    {.name = "phi-3-mini",
     .parameters = 3.82e9,
     .non_embedding = 3.62e9,
     .layers = 32,
     .width = 3072,
     .heads = 32,
     .kv_heads = 32,
     .head_width = 96},
    {.name = "gemma-2-2b",
     .parameters = 2.61e9,
     .non_embedding = 2.02e9,
     .layers = 26,
     .width = 2304,
     .heads = 8,
     .kv_heads = 4,
     .head_width = 256},
    {.name = "gemma-2-9b",
     .parameters = 9.24e9,
     .non_embedding = 8.32e9,
     .layers = 42,
     .width = 3584,
     .heads = 16,
     .kv_heads = 8,
     .head_width = 256},
    {.name = "yi-6b",
     .parameters = 6.06e9,
     .non_embedding = 5.54e9,
     .layers = 32,
     .width = 4096,
     .heads = 32,
     .kv_heads = 4,
     .head_width = 128},
    {.name = "yi-34b",
     .parameters = 34.4e9,
     .non_embedding = 33.5e9,
     .layers = 60,
     .width = 7168,
     .heads = 56,
     .kv_heads = 8,
     .head_width = 128},
};

/// Other names for the shape of a model.
constexpr std::pair<std::string_view, std::string_view> shapes[] = {
    // of outcome rows
    {"llama3.2-3b", "llama-3.2-3b"},
    {"llama3.1-70b", "llama-3.1-70b"},
    {"Meta-Llama-3.1-70B-Instruct", "llama-3.1-70b"},
    {"gemma-2-2b-it", "gemma-2-2b"},
    {"Phi-3-mini-4k-instruct", "phi-3-mini"},
    {"Phi-3.5-mini-instruct", "phi-3-mini"},
    {"phi_3_5_mini_instruct", "phi-3-mini"},
    {"Qwen2-72B-Instruct", "qwen2.5-72b"},
    {"Qwen2.5-72B-Instruct", "qwen2.5-72b"},
    {"Qwen2.5-3B-Instruct", "qwen2.5-3b"},
    {"qwen2.5-1.5b-instruct-bnb4", "qwen2.5-1.5b"},
    {"qwen2.5-14b-instruct-bnb4", "qwen2.5-14b"},
    {"qwen2_5_14b_instruct", "qwen2.5-14b"},
    {"Yi-6B-Chat", "yi-6b"},
    {"Yi-34B-Chat", "yi-34b"},
    // of device presets
    {"phi-2 2.7b", "phi-2"},
    {"qwen2-0.5b", "qwen2.5-0.5b"},
    {"qwen-1.5b", "qwen2.5-1.5b"},
    {"llama-3-8b", "llama-3.1-8b"},
    {"llama-3-70b", "llama-3.1-70b"},
    {"llama-3.3-70b", "llama-3.1-70b"},
};

const model_card* shape_of(std::string_view name) {
    for (const auto& [other, shape] : shapes)
        if (other == name) name = shape;
    for (const auto& card : more_models)
        if (card.name == name) return &card;
    return presets::find_model(name);
}

}  // namespace

model_speed speed_of(std::string_view model, std::string_view stand_in, const std::string& device) {
    const model_card* own = shape_of(model);
    const model_card& card = own != nullptr ? *own : *shape_of(stand_in);
    const auto distance = [&](const model_card& other) {
        return std::abs(std::log(other.non_embedding / card.non_embedding));
    };
    const device_preset* best = nullptr;
    std::set<std::string> known;
    for (const device_preset& each : presets::devices) {
        const model_card* shape = shape_of(each.model);
        if (!each.prefill_rate || !each.decode_rate || shape == nullptr) continue;
        known.emplace(each.name);
        if (each.name == device && (best == nullptr || distance(*shape) < distance(*shape_of(best->model))))
            best = &each;
    }
    if (best == nullptr) {
        std::string names;
        for (const std::string& each : known) (names += names.empty() ? "" : ", ") += each;
        throw usage_error("no device preset named " + qlroute::detail::quoted(device) +
                          " has a reading and a writing speed; those that do are " + names);
    }
    const model_card& like = *shape_of(best->model);
    constexpr double alike = 0.1;  // two models of one size class differ by this much in all their parameters
    const bool is_alike = std::abs(like.parameters / card.parameters - 1) < alike;
    model_speed out{.model = std::string(model),
                    .device = device,
                    .preset = std::string(best->model),
                    .scale = is_alike ? 1 : like.non_embedding / card.non_embedding,
                    .is_stand_in = own == nullptr,
                    .parameters = card.parameters,
                    .non_embedding = card.non_embedding,
                    .layers = card.layers,
                    .width = card.width,
                    .kv_size = card.kv_size()};
    out.prefill_rate = *best->prefill_rate * out.scale;
    out.decode_rate = *best->decode_rate * out.scale;
    if (best->energy) out.energy = *best->energy / out.scale;
    return out;
}

std::string model_speed::text() const {
    std::string out = model + " has the speed of " + preset + " on " + device;
    if (scale != 1) {
        char times[32];
        std::snprintf(times, sizeof times, " times %.2f", scale);
        out += times;
    }
    if (is_stand_in) out += ", a stand-in: its own is not known";
    return out;
}
