#include "commands.hpp"
#include "configured/endpoints.hpp"

#include <nlohmann/json.hpp>

#include <iostream>

int run_models(bool json) {
    for (const qlroute::known_model& each : bundled_predictor().known()) {
        if (!json) {
            std::cout << each.name << '\n';
            continue;
        }
        const auto& weights = each.abilities.weights;
        const nlohmann::ordered_json row{
            {"name", each.name},
            {"weights",
             std::vector(weights.begin(), weights.begin() + static_cast<std::ptrdiff_t>(each.abilities.size))},
            {"bias", each.abilities.bias}};
        std::cout << row.dump() << '\n';
    }
    return 0;
}
