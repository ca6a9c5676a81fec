#include "endpoints.hpp"

#include "endpoint_file.hpp"
#include "files.hpp"
#include "nearest.hpp"
#include "shown.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

using namespace qlroute;
using nlohmann::json;

namespace {

/// Abilities mean nothing beside other weights than their own. Theta of this text says which weights those were.
constexpr std::string_view probe_text = "Prove that there are infinitely many primes.";

std::vector<double> probe_of(const response_difficulty& predictor) {
    const message only[] = {{role::user, probe_text}};
    return theta_of(predictor, only);
}

/// An endpoint file while it is read.
class reader {
public:
    reader(const json& all, std::string path) : all_(&all), path_(std::move(path)) {}

    [[noreturn]] void fail(const std::string& key, const std::string& why) const {
        throw usage_error(path_ + ": " + key + ": " + why);
    }

    /// "a.b" is b of the object a.
    const json& need(const std::string& key, const std::string& expected) const {
        const json* at = all_;
        for (std::size_t begin = 0; begin <= key.size();) {
            const std::size_t end = std::min(key.find('.', begin), key.size());
            if (!at->is_object() || !at->contains(key.substr(begin, end - begin)))
                fail(key, "missing; expected " + expected);
            at = &(*at)[key.substr(begin, end - begin)];
            begin = end + 1;
        }
        return *at;
    }
    std::string text(const std::string& key, const std::string& expected) const {
        const json& value = need(key, expected);
        if (!value.is_string() || value.get_ref<const std::string&>().empty())
            fail(key, "expected " + expected + ", got " + shown(value));
        return value.get<std::string>();
    }
    double number(const std::string& key) const {
        const json& value = need(key, "a number");
        if (!is_finite(value)) fail(key, "expected a finite number, got " + shown(value));
        return value.get<double>();
    }
    /// `count` of them; any number of them where that is 0.
    std::vector<double> numbers(const std::string& key, std::size_t count) const {
        const std::string expected = "a list of " + (count == 0 ? "" : std::to_string(count) + " ") + "numbers";
        const json& value = need(key, expected);
        if (!value.is_array()) fail(key, "expected " + expected + ", got " + shown(value));
        if (count != 0 && value.size() != count)
            fail(key, "expected " + expected + ", got one of " + std::to_string(value.size()));
        std::vector<double> out;
        for (std::size_t k = 0; k < value.size(); ++k) {
            if (!is_finite(value[k]))
                fail(key + "[" + std::to_string(k) + "]", "expected a finite number, got " + shown(value[k]));
            out.push_back(value[k].get<double>());
        }
        return out;
    }

private:
    // Also as a float, which is what an endpoint holds.
    static bool is_finite(const json& value) {
        return value.is_number() && std::isfinite(static_cast<float>(value.get<double>()));
    }

    const json* all_;
    std::string path_;
};

isotonic read_curve(const reader& at) {
    isotonic curve{.at = at.numbers("calibration.at", 0)};
    curve.value = at.numbers("calibration.value", curve.at.size());
    if (curve.at.empty()) at.fail("calibration.at", "expected at least one number, got an empty list");
    for (std::size_t k = 0; k < curve.at.size(); ++k) {
        const std::string place = "[" + std::to_string(k) + "]";
        if (curve.value[k] < 0 || curve.value[k] > 1)
            at.fail("calibration.value" + place, "expected a number from 0 to 1, got " + json(curve.value[k]).dump());
        if (k > 0 && curve.at[k] <= curve.at[k - 1])
            at.fail("calibration.at" + place,
                    "expected more than the number before it, got " + json(curve.at[k]).dump());
        if (k > 0 && curve.value[k] < curve.value[k - 1])
            at.fail("calibration.value" + place,
                    "expected no less than the number before it, got " + json(curve.value[k]).dump());
    }
    return curve;
}

}  // namespace

ability_prior population_prior(const response_difficulty& predictor) {
    ability_prior out{{predictor.prior_mean().begin(), predictor.prior_mean().end()},
                      {predictor.prior_precision().begin(), predictor.prior_precision().end()}};
    const std::size_t n = out.mean.size();
    for (std::size_t j = 0; j < n; ++j)  // floats may differ in their last digit
        for (std::size_t k = 0; k < j; ++k) out.precision[j * n + k] = out.precision[k * n + j];
    return out;
}

ability_vector calibrated_endpoint::abilities() const {
    ability_vector out;
    out.size = ability.weights.size();
    for (std::size_t d = 0; d < out.size; ++d) out.weights[d] = static_cast<float>(ability.weights[d]);
    out.bias = static_cast<float>(ability.bias);
    return out;
}

double calibrated_endpoint::success(std::span<const double> theta) const {
    const double p = ability.success(theta);
    return curve ? (*curve)(p) : p;
}

probability_interval calibrated_endpoint::interval(std::span<const double> theta) const {
    const auto [low, high] = ability.interval(theta);
    return curve ? probability_interval{(*curve)(low), (*curve)(high)} : probability_interval{low, high};
}

nlohmann::ordered_json endpoint_file(const calibrated_endpoint& endpoint, const calibration& method,
                                     const response_difficulty& predictor) {
    nlohmann::ordered_json out{{"format", "qlroute.endpoint"},
                               {"version", 1},
                               {"name", endpoint.name},
                               {"predictor", "response"},
                               {"probe", probe_of(predictor)},
                               {"abilities",
                                {{"weights", endpoint.ability.weights},
                                 {"bias", endpoint.ability.bias},
                                 {"covariance", endpoint.ability.covariance}}}};
    auto& how = out["calibration"];
    how["method"] = method.name();
    if (const auto* chosen = std::get_if<temperature>(&method.method)) how["degree"] = chosen->degree;
    if (const auto* chosen = std::get_if<platt>(&method.method)) {
        how["slope"] = chosen->slope;
        how["intercept"] = chosen->intercept;
    }
    if (endpoint.curve) {
        how["at"] = endpoint.curve->at;
        how["value"] = endpoint.curve->value;
    }
    how["log_loss"] = method.log_loss;
    how["log_loss_of_none"] = method.log_loss_of_none;
    return out;
}

calibrated_endpoint read_endpoint_file(const std::string& path, const response_difficulty& predictor) {
    const json all = open_endpoint_file(path, "calibrate");
    const reader at(all, path);
    if (at.text("predictor", "\"response\"") != "response")
        at.fail("predictor", "expected \"response\", got " + shown(all["predictor"]));

    calibrated_endpoint out;
    out.name = at.text("name", "a text that is not empty");
    const std::size_t dimensions = predictor.dimensions();
    const auto probe = at.numbers("probe", 0);
    const auto expected = probe_of(predictor);
    const auto is_near = [](double a, double b) { return std::abs(a - b) < 1e-3; };
    if (probe.size() != dimensions || !std::equal(probe.begin(), probe.end(), expected.begin(), is_near))
        at.fail("probe", "calibrated for other weights than the predictor's; calibrate again with this program");
    out.ability.weights = at.numbers("abilities.weights", dimensions);
    out.ability.bias = at.number("abilities.bias");
    out.ability.covariance = at.numbers("abilities.covariance", (dimensions + 1) * (dimensions + 1));
    const std::string method = at.text("calibration.method", "none, temperature, platt or isotonic");
    if (method == "isotonic") out.curve = read_curve(at);
    else if (method != "none" && method != "temperature" && method != "platt")
        at.fail("calibration.method",
                "expected none, temperature, platt or isotonic, got " + shown(all["calibration"]["method"]));
    return out;
}

bool names_endpoint_file(std::string_view text) { return text.ends_with(".json"); }

std::string nearest_known(const response_difficulty& predictor, std::string_view name) {
    // Names on one benchmark are long lists of their own: where none is asked for, those without are enough.
    const bool with_benchmark = name.find('@') != std::string_view::npos;
    std::vector<std::string_view> names;
    for (const known_model& each : predictor.known())
        if (with_benchmark || each.name.find('@') == std::string_view::npos) names.push_back(each.name);
    std::string out;
    for (const std::string_view each : nearest_names(names, name, 3)) (out += out.empty() ? "" : ", ") += each;
    return out;
}

double chosen_endpoint::success(const response_difficulty::difficulty& difficulty) const {
    const double p = difficulty.success(abilities);
    return calibrated && calibrated->curve ? (*calibrated->curve)(p) : p;
}

chosen_endpoint choose_endpoint(const std::string& text, const std::string& option,
                                const response_difficulty& predictor) {
    if (names_endpoint_file(text)) {
        chosen_endpoint out;
        out.calibrated = read_endpoint_file(text, predictor);
        out.name = out.calibrated->name;
        out.abilities = out.calibrated->abilities();
        return out;
    }
    if (const auto known = predictor.known(text)) return {text, *known, std::nullopt};
    throw usage_error(option + ": " + qlroute::detail::quoted(text) + " is no known model; nearest are " +
                      nearest_known(predictor, text) +
                      " (qlroute models lists all); the path of an endpoint file ends in .json");
}
