// What does a decision cost behind the C interface? library_bench c++|c CONFIG REQUEST CALLS: CPU time of one, in
// nanoseconds. `c++` calls chat_router with the messages at hand, `c` the shared library with the request's text.
#include "configured/chat_request.hpp"
#include "configured/chat_router.hpp"

#include <qlroute/qlroute.h>

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

namespace {

void time_calls(long calls, auto call) {
    call();
    const std::clock_t start = std::clock();
    for (long i = 0; i < calls; ++i) call();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::printf("%.1f\n", seconds / static_cast<double>(calls) * 1e9);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 5) return 2;
    const std::string config = arguments[2];
    const std::string request = arguments[3];
    const long calls = std::atol(arguments[4]);
    if (std::string(arguments[1]) == "c++") {
        chat_router router(read_settings(config));
        const chat_request asked = chat_request_from(nlohmann::json::parse(request));
        time_calls(calls, [&] {
            if (router.route({.chat = 1, .messages = asked.messages.view()}).endpoints.empty()) std::abort();
        });
        return 0;
    }
    qlroute_router* router = nullptr;
    if (qlroute_load(config.data(), config.size(), &router, nullptr) != QLROUTE_OK) return 1;
    time_calls(calls, [&] {
        char* row = nullptr;
        if (qlroute_route(router, request.data(), request.size(), &row, nullptr) != QLROUTE_OK) std::abort();
        qlroute_free_text(row);
    });
    qlroute_free(router);
}
