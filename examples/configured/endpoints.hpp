// Endpoints that were calibrated from their answers.
#pragma once

#include "encoder.hpp"

#include <qlroute/qlroute.hpp>

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What abilities are like before anything is known of an endpoint, over the predictor's known models.
qlroute::ability_prior population_prior(const qlroute::response_difficulty& predictor);

/// An ability, and how sure it is. Temperature and Platt's line are folded into the ability; a curve is not.
struct calibrated_endpoint {
    std::string name;
    qlroute::fitted_ability ability;
    std::optional<qlroute::isotonic> curve;

    qlroute::ability_vector abilities() const;
    double success(std::span<const double> theta) const;
    /// 95 %.
    qlroute::probability_interval interval(std::span<const double> theta) const;
};

/// By the names of the endpoints that they belong to.
using calibrated_endpoints = std::map<std::string, calibrated_endpoint, std::less<>>;

/// Format, version, name, predictor and abilities of a file that `qlroute calibrate` writes. `method` is what
/// fit_calibration() chose.
nlohmann::ordered_json endpoint_file(const calibrated_endpoint& endpoint, const qlroute::calibration& method,
                                     const qlroute::response_difficulty& predictor);

/// Reads one. Throws usage_error naming the file, the key and what was expected; also where it was calibrated with
/// other weights.
calibrated_endpoint read_endpoint_file(const std::string& path, const qlroute::response_difficulty& predictor);

/// Whether a text is the path of an endpoint file rather than the name of a model.
bool names_endpoint_file(std::string_view text);

/// Up to three names of known models that are like `name`: "a, b, c".
std::string nearest_known(const qlroute::response_difficulty& predictor, std::string_view name);

/// What --endpoint, --small and --large name.
struct chosen_endpoint {
    std::string name;
    qlroute::ability_vector abilities;
    std::optional<calibrated_endpoint> calibrated;  // where it is a file

    double success(const qlroute::response_difficulty::difficulty& difficulty) const;
};

/// The path of an endpoint file, or the name of a known model. Throws usage_error beginning with `option`.
chosen_endpoint choose_endpoint(const std::string& text, const std::string& option,
                                const qlroute::response_difficulty& predictor);
