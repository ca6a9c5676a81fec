// Reads what ttft.py printed, and prints it beside what cost::tcp says, as Markdown.
#include <qlroute/cost/transport.hpp>
#include <qlroute/cost/scenario.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <vector>

using namespace qlroute;

int main() {
    std::printf(
        "| request, link | server | predicted | measured (quartiles) | error of the network's part | with "
        "cost::serialised |\n|---|---|---|---|---|---|\n");
    std::vector<double> errors, plain_errors;
    double rate = 0, rtt = 0, bytes = 0, server = 0, measured = 0, low = 0, high = 0;
    while (std::cin >> rate >> rtt >> bytes >> server >> measured >> low >> high) {
        scenario<> s;
        s.uplink_rate = bits_per_second(rate);
        s.rtt = seconds(rtt);
        s.connection_idle = 1_h;  // there is none
        const auto network = [&](const auto& how) {
            return (how.request_time(s, bits(8 * bytes)) + 0.5 * s.rtt).value();  // and the first token's way back
        };
        const double predicted = network(cost::tcp{.handshake = cost::handshake::tcp});
        const double error = 100 * (predicted / (measured - server) - 1);
        const double plain_error = 100 * (network(cost::serialised{}) / (measured - server) - 1);
        errors.push_back(std::abs(error));
        plain_errors.push_back(std::abs(plain_error));
        std::printf(
            "| %.1f KB, %.0f Mbit/s, %.0f ms | %.1f ms | %.1f ms | %.1f ms (%.1f, %.1f) | %+.1f %% | %+.0f %% |\n",
            bytes / 1e3, rate / 1e6, 1e3 * rtt, 1e3 * server, 1e3 * (server + predicted), 1e3 * measured, 1e3 * low,
            1e3 * high, error, plain_error);
    }
    if (errors.empty()) return 1;
    const auto summary = [](std::vector<double>& all) {
        std::sort(all.begin(), all.end());
        std::printf(" median %.1f %%, largest %.1f %%", all[all.size() / 2], all.back());
    };
    std::printf("\nAbsolute errors of the network's part:");
    summary(errors);
    std::printf("; with cost::serialised:");
    summary(plain_errors);
    std::printf(".\n");
}
