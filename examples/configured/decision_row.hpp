// A decision as JSON: what `qlroute route --json` prints, and what the library and the gateway say of theirs.
#pragma once

#include "settings.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

using configured_router = qlroute::router<any_predictor, program_objective, any_rule>;
using configured_decision = qlroute::decision<qlroute::seconds>;

/// {"endpoint", "total_s", "breakdown", "p_success", "prefix_hit", "switched", "switching_by"}; see docs/program.md.
nlohmann::ordered_json decision_row(const settings& config, const configured_decision& choice);

/// On one line; bytes that are no UTF-8 are replaced.
std::string one_line(const nlohmann::ordered_json& row);
