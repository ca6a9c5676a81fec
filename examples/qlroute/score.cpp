#include "commands.hpp"
#include "dialogues.hpp"
#include "files.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <sstream>

int run_score(const settings& config, const std::string& input) {
    const std::string name = input == "-" ? "stdin" : input;
    std::istringstream file(input == "-" ? "" : read_file(input));
    const std::size_t bad = read_dialogues(input == "-" ? std::cin : file, name, [&](const dialogue& one) {
        // Of the last turn, in view of the dialogue before it.
        conversation talk;
        for (std::size_t i = 0; i < one.turns.size(); ++i) {
            talk.say(one.turns[i]);
            if (i + 1 < one.turns.size()) talk.answer(one.turns[i].reply, config.expected_output);
        }
        const auto difficulty = config.predictor(talk.messages());
        nlohmann::ordered_json row{{"id", one.id}, {"p_success", nlohmann::ordered_json::object()}};
        for (const auto& place : config.places) row["p_success"][std::string(place.name)] = difficulty(place);
        std::cout << row.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
    });
    return bad == 0 ? 0 : 1;
}
