#include "decision_row.hpp"

#include <nlohmann/json.hpp>

using namespace qlroute;

nlohmann::ordered_json decision_row(const settings& config, const configured_decision& choice) {
    nlohmann::ordered_json row;
    row["endpoint"] = config.places[choice.where].name;
    row["total_s"] = choice.cost.value();
    for (const auto& [name, value] : explain(objective_of(config), choice.facts))
        row["breakdown"][std::string(name)] = value.value();
    row["p_success"] = choice.p_success();
    row["prefix_hit"] = choice.facts.prefix_hit.value();
    row["switched"] = choice.switched;
    row["switching_by"] = nullptr;
    const way_for_history way = way_of(config);
    if (way(choice.facts) > seconds(0)) row["switching_by"] = way.moves(choice.facts) ? "kv_transfer" : "kv_recompute";
    return row;
}

std::string one_line(const nlohmann::ordered_json& row) {
    return row.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}
