// qlroute-gateway: one address of the OpenAI API in front of several, which decides where each request goes.
#include "gateway.hpp"

#include "configured/files.hpp"

#include <CLI/CLI.hpp>

#include <sys/resource.h>

#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <thread>

namespace {

/// Twice as many sockets as are connected, in the worst case.
void allow_many_files() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= 4096) return;
    limit.rlim_cur = std::min<rlim_t>(4096, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
}

http_limits limits_of(const gateway_config& config) {
    const auto time = [](qlroute::seconds t) {
        return std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * t.value()));
    };
    return {.max_body = config.max_body,
            .max_header = config.max_header,
            .max_connections = config.max_connections,
            .post_threads = config.max_concurrent,
            .max_queue = config.max_queue,
            .request = time(config.timeouts.request),
            .idle = time(config.timeouts.idle),
            .write = time(config.timeouts.between_bytes)};
}

int run(const std::string& path, bool explain, bool check) {
    gateway_config config = gateway_config_from(read_file(path), path);
    if (check) {
        std::cout << path << ": " << config.upstreams.size() << " endpoints, listening on " << config.host << ':'
                  << config.port << '\n';
        return 0;
    }
    if (!is_loopback(config.host))
        std::cerr << "qlroute-gateway: warning: listening on " << config.host
                  << ": whoever can reach this address can use all endpoints, and their keys\n";
    allow_many_files();
    std::signal(SIGPIPE, SIG_IGN);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // before any thread: only sigwait() sees them

    gateway routes(std::move(config), explain);
    http_server server(
        limits_of(routes.config()), "/v1/chat/completions",
        [&](const httplib::Request& request, httplib::Response& response) { routes.get(request, response); },
        [&](client_stream& client, const httplib::Request& request, std::string&& body, httplib::Response& response) {
            routes.chat(client, request, std::move(body), response);
        },
        [&](int status) { routes.metrics().refused(status); });
    routes.count_connections_of(server);
    const int port = server.bind(routes.config().host, routes.config().port);
    if (port < 0)
        throw usage_error(path + ": listen: cannot listen on " + routes.config().host + ":" +
                          std::to_string(routes.config().port) + "; is the port in use?");
    const bool is_v6 = routes.config().host.find(':') != std::string::npos;
    std::cerr << "qlroute-gateway: listening on http://" << (is_v6 ? "[" : "") << routes.config().host
              << (is_v6 ? "]:" : ":") << port << std::endl;

    const auto drain =
        std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 * routes.config().timeouts.drain.value()));
    std::thread serving([&] { server.serve(drain); });
    int signal = 0;
    sigwait(&ends, &signal);
    // A second one ends it at once.
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &ends, nullptr);
    server.stop();
    serving.join();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"An OpenAI API in front of several: each chat completion goes where it costs least"};
    app.set_version_flag("--version", std::to_string(QLROUTE_VERSION_MAJOR) + "." +
                                          std::to_string(QLROUTE_VERSION_MINOR) + "." +
                                          std::to_string(QLROUTE_VERSION_PATCH));
    std::string config;
    bool explain = false;
    bool check = false;
    app.add_option("--config", config, "endpoints and all else, as JSON (docs/gateway.md)")->required();
    app.add_flag("--explain", explain, "say with each answer what its endpoint's cost is made of");
    app.add_flag("--check", check, "read the configuration, and end");
    CLI11_PARSE(app, argc, argv);
    try {
        return run(config, explain, check);
    } catch (const usage_error& why) {
        std::cerr << "qlroute-gateway: " << why.what() << '\n';
        return 2;
    } catch (const std::exception& why) {
        std::cerr << "qlroute-gateway: " << why.what() << '\n';
        return 1;
    }
}
