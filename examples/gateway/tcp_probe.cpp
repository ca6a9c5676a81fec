#include "tcp_probe.hpp"

// Not <netinet/tcp.h>: its tcp_info ends before the delivery rate.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <limits>

using namespace qlroute;

std::optional<tcp_measured> tcp_probe(int socket) {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
    if (size < offsetof(tcp_info, tcpi_delivery_rate) + sizeof info.tcpi_delivery_rate) return std::nullopt;
    if (info.tcpi_rtt == 0) return std::nullopt;
    tcp_measured out;
    const bool has_shortest = info.tcpi_min_rtt != 0 && info.tcpi_min_rtt != std::numeric_limits<__u32>::max();
    out.rtt = seconds(1e-6 * (has_shortest ? info.tcpi_min_rtt : info.tcpi_rtt));
    if (info.tcpi_delivery_rate != 0 && info.tcpi_delivery_rate_app_limited == 0)
        out.uplink_rate = bits_per_second(8.0 * static_cast<double>(info.tcpi_delivery_rate));
    return out;
}
