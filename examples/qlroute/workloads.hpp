// Recorded answers of two models, prepared to be replayed: what they wrote, what a router may know of it beforehand,
// and how fast the two would be.
#pragma once

#include "model_speeds.hpp"

#include <qlroute/difficulty/response_difficulty.hpp>
#include <qlroute/eval/workload.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Of every workload here: the small model on the device, and the large one elsewhere.
inline constexpr std::size_t small_endpoint = 0, large_endpoint = 1, endpoint_count = 2;

/// P(good answer) of every turn by every endpoint.
struct prediction_column {
    std::string name;
    std::vector<double> p;  // [turn, endpoint]

    double of(std::size_t turn, std::size_t endpoint) const { return p[turn * endpoint_count + endpoint]; }
};

/// Names of device presets.
struct speed_choice {
    std::string device = "phone_8elite_cpu";
    std::string edge = "rtx4090x2";
};

struct workload_options {
    std::string data;         // the folder that holds outcomes/
    std::string predictions;  // a file; empty: the predictor's own
    speed_choice speeds{};
    double calibration = 0.4;        // the share of stems that policies are tuned on
    std::size_t most_dialogues = 0;  // by chance; 0: all
    std::uint64_t seed = 1;
};

/// Turns are numbered over all dialogues in their order.
struct prepared_workload {
    qlroute::eval::workload work;
    std::string score_unit;
    std::array<model_speed, endpoint_count> speeds;
    std::vector<double> expected_output;               // [turn], tokens: the mean of both endpoints, as expected
    std::array<double, endpoint_count> reply_ratio{};  // what an endpoint writes on average, to expected_output
    std::vector<std::array<float, qlroute::response_difficulty::most_dimensions>> theta;  // [turn]
    std::size_t dimensions = 0;                                                           // of theta
    // "response", "tfidf", "constant": what a router could know; "recorded": what came out.
    std::vector<prediction_column> predictions;
    bool given_predictions = false;  // "response" is another's
    std::vector<std::string> notes;
    std::size_t bad = 0;  // lines that were reported on stderr and skipped

    /// Throws std::out_of_range.
    const prediction_column& prediction(std::string_view name) const;
};

/// "mmlu", "gsm8k", ...
std::vector<std::string_view> known_workloads();

/// Reads one of them from DATA/outcomes. Throws usage_error: an unknown name, a file that is missing, rows of other
/// models, too few rows, a device preset that is unknown.
prepared_workload prepare_workload(std::string_view name, const workload_options& options);
