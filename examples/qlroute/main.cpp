// qlroute: routes dialogues, and scores prompts, from the command line.
#include "commands.hpp"
#include "files.hpp"

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>
#include <string>

int main(int argc, char** argv) {
    std::ios::sync_with_stdio(false);
    CLI::App app{"Which model should answer this turn: the small one here, or the large one there?"};
    app.require_subcommand(1);
    app.set_version_flag("--version", std::to_string(QLROUTE_VERSION_MAJOR) + "." +
                                          std::to_string(QLROUTE_VERSION_MINOR) + "." +
                                          std::to_string(QLROUTE_VERSION_PATCH));

    // An empty name is an unset variable of the shell rather than a wish for the defaults.
    const CLI::Validator named(
        [](const std::string& name) { return name.empty() ? "expected a file, got an empty name" : ""; }, "", "named");
    std::string config;
    std::string input = "-";
    route_options options;
    CLI::App* route = app.add_subcommand("route", "Route dialogues, turn by turn, with the reason in seconds");
    route->add_option("--config", config, "endpoints, link, weights and rule, as JSON (docs/program.md)")->check(named);
    route
        ->add_option("--trace", options.trace,
                     "a recorded link: t_s,uplink_bps,downlink_bps,rtt_s,snr_db as CSV, or gzipped")
        ->check(named);
    route->add_flag("--json", options.json, "one JSON object a turn");
    route->add_flag("--compare", options.compare,
                    "afterwards, the same dialogues always here, always there and at random");
    route->add_option("--explain", options.explain, "show all endpoints term by term at the first N changes of place")
        ->check(CLI::Range(0, 1000000));
    route->add_option("FILE", input, "JSON lines {\"id\",\"turns\":[...]}; - is standard input");

    CLI::App* score = app.add_subcommand("score", "Predict how likely each endpoint answers well");
    score->add_option("--config", config, "endpoints and predictor, as JSON")->check(named);
    score->add_option("FILE", input, "JSON lines {\"id\",\"turns\":[...]}; - is standard input");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& why) {
        return app.exit(why) == 0 ? 0 : 2;
    }
    try {
        options.config = config.empty() ? default_settings() : read_settings(config);
        options.input = input;
        const int status = *score ? run_score(options.config, input) : run_route(std::move(options));
        std::cout.flush();
        if (!std::cout) throw usage_error("cannot write to standard output");
        return status;
    } catch (const usage_error& why) {
        std::cerr << "qlroute: " << why.what() << '\n';
        return 2;
    } catch (const std::exception& why) {
        std::cerr << "qlroute: " << why.what() << '\n';
        return 2;
    }
}
