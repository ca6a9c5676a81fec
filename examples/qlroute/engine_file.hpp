// Engines as JSON: the section "engine" of an endpoint file, which `qlroute profile` writes.
#pragma once

#include <qlroute/qlroute.hpp>

#include <nlohmann/json_fwd.hpp>

#include <string>

/// {"policy": ..., and its figures}, in seconds, tokens, bits. Empty for linear_rate, which has none of its own.
nlohmann::ordered_json engine_section(const qlroute::cost::any_engine& engine);

/// Of an endpoint file. Throws usage_error naming the file, the key and what was expected.
qlroute::cost::any_engine read_engine_file(const std::string& path);
