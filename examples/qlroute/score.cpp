#include "commands.hpp"
#include "dialogues.hpp"
#include "configured/files.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <sstream>

using nlohmann::ordered_json;

int run_score(score_options options) {
    settings& config = options.config;
    if (!options.endpoints.empty()) replace_endpoints(config, options.endpoints);
    const qlroute::response_difficulty* response = config.predictor.response();
    if (options.difficulty && response == nullptr)
        throw usage_error("--difficulty: the configuration has another predictor; expected the type response");
    if (options.intervals && config.calibrated.empty())
        throw usage_error(
            "--intervals: no endpoint is a file that qlroute calibrate wrote, and only these have them; "
            "give one with --endpoint");
    const std::string name = options.input == "-" ? "stdin" : options.input;
    std::istringstream file(options.input == "-" ? "" : read_file(options.input));
    const std::size_t bad = read_dialogues(options.input == "-" ? std::cin : file, name, [&](const dialogue& one) {
        conversation talk;
        talk.unfold(one, config.expected_output);  // the last turn, in view of the dialogue before it
        const auto difficulty = config.predictor(talk.messages());
        ordered_json row{{"id", one.id}, {"p_success", ordered_json::object()}};
        for (const auto& place : config.places) row["p_success"][std::string(place.name)] = difficulty(place);
        if (options.intervals || options.difficulty) {
            const auto theta = theta_of(*response, talk.messages());
            if (options.intervals) row["p_interval"] = ordered_json::object();
            for (const auto& place : config.places) {
                const auto found = config.calibrated.find(place.name);
                if (!options.intervals || found == config.calibrated.end()) continue;
                const auto [low, high] = found->second.interval(theta);
                row["p_interval"][std::string(place.name)] = {low, high};
            }
            if (options.difficulty) row["difficulty"] = theta;
        }
        std::cout << row.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
    });
    return bad == 0 ? 0 : 1;
}
