// The subcommands. Each returns the exit status: 0, or 1 when input lines were skipped.
#pragma once

#include "settings.hpp"

#include <cstddef>
#include <string>

struct route_options {
    settings config;
    std::string trace;        // a file, or empty: the link of the configuration
    std::string input = "-";  // a file, or - for stdin
    bool json = false;        // one object a turn instead of a line for people
    bool compare = false;     // afterwards, the same dialogues under fixed rules
    std::size_t explain = 0;  // all endpoints side by side, at so many changes of place
};

int run_route(route_options options);
int run_score(const settings& config, const std::string& input);
