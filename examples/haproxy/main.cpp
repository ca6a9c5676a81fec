// qlroute-spoa: tells HAProxy which backend should answer a chat request.
#include "agent.hpp"
#include "agent_server.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <signal.h>

#include <exception>
#include <iostream>
#include <string>

namespace {

/// All that ends or questions the program, for sigwait(): threads inherit that it is blocked.
sigset_t blocked_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int each : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&set, each);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    return set;
}

void report(const backend_chooser& chooser, const server_counts& counts) {
    nlohmann::ordered_json row;
    for (std::size_t i = 0; i < outcomes; ++i)
        row[std::string(to_text(static_cast<outcome>(i)))] = chooser.count(static_cast<outcome>(i));
    row["connections"] = counts.connections.load();
    row["refused"] = counts.refused.load();
    row["faults"] = counts.faults.load();
    std::cout << row.dump() << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Tells HAProxy which backend should answer a chat request (examples/haproxy/README.md)"};
    std::string config;
    std::string log;
    server_options options;
    std::size_t most_dialogues = 100'000;
    app.add_option("--config", config, "endpoints, link, weights and rule, as JSON; endpoints are HAProxy's backends")
        ->required();
    app.add_option("--listen", options.listen, "host:port, or the path of a Unix socket")->capture_default_str();
    app.add_option("--log", log, "a JSON line a request, appended");
    app.add_option("--threads", options.threads, "requests that are decided at once")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app.add_option("--max-connections", options.max_connections, "more are refused")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    app.add_option("--max-frame-size", options.max_frame_size, "bytes; HAProxy's own limit is tune.bufsize - 4")
        ->check(CLI::Range(256, 1 << 28))
        ->capture_default_str();
    app.add_option("--most-dialogues", most_dialogues, "that are remembered")
        ->check(CLI::Range(1, 100'000'000))
        ->capture_default_str();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& why) {
        return app.exit(why) == 0 ? 0 : 2;
    }
    const sigset_t signals = blocked_signals();
    try {
        backend_chooser chooser(read_settings(config), config, most_dialogues);
        json_lines lines(log);
        agent answers(chooser, lines);
        agent_server server(options, [&](std::span<const spop::message> messages, spop::actions& out) {
            answers.answer(messages, out);
        });
        std::cout << "qlroute-spoa: listening at " << server.address() << std::endl;
        for (int caught = 0; sigwait(&signals, &caught) == 0;) {
            report(chooser, server.counts());
            if (caught != SIGUSR1) break;
        }
    } catch (const usage_error& why) {
        std::cerr << "qlroute-spoa: " << why.what() << '\n';
        return 2;
    } catch (const std::exception& why) {
        std::cerr << "qlroute-spoa: " << why.what() << '\n';
        return 1;
    }
    return 0;
}
