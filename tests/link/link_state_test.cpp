#include <qlroute/link/link_state.hpp>

#include <doctest/doctest.h>

#include <limits>

using namespace qlroute;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("a link that nobody measured has no rate and no round trip") {
    constexpr link_state unknown{};
    static_assert(unknown.uplink_rate == 0_bps);
    static_assert(unknown.downlink_rate == 0_bps);
    static_assert(unknown.rtt == 0_s);
}

TEST_CASE("a link in use is usable as it is") {
    constexpr link_state link = usable({.uplink_rate = 20_Mbps, .downlink_rate = 80_Mbps, .rtt = 38_ms});
    CHECK(link.uplink_rate == 20_Mbps);
    CHECK(link.downlink_rate == 80_Mbps);
    CHECK(link.rtt == 38_ms);
}

TEST_CASE("an outage is priced at 1 kbit/s, each direction on its own") {
    CHECK(outage_rate == 1000_bps);
    const link_state up_is_out = usable({.uplink_rate = 0_bps, .downlink_rate = 80_Mbps, .rtt = 38_ms});
    CHECK(up_is_out.uplink_rate == 1_kbps);
    CHECK(up_is_out.downlink_rate == 80_Mbps);
    const link_state down_is_out = usable({.uplink_rate = 20_Mbps, .downlink_rate = 999_bps, .rtt = 38_ms});
    CHECK(down_is_out.uplink_rate == 20_Mbps);
    CHECK(down_is_out.downlink_rate == 1_kbps);
}

TEST_CASE("in an outage more data still costs more, and a 1 kB prompt costs 8 s") {
    const link_state link = usable({});
    CHECK(1_kB / link.uplink_rate == 8_s);
    CHECK(100_B / link.uplink_rate < 100_kB / link.uplink_rate);
}

TEST_CASE("what is no rate counts as an outage, and what is no round trip as none") {
    const link_state unknown = usable({.uplink_rate = bits_per_second(not_a_number),
                                       .downlink_rate = bits_per_second(not_a_number),
                                       .rtt = seconds(not_a_number)});
    CHECK(unknown.uplink_rate == outage_rate);
    CHECK(unknown.downlink_rate == outage_rate);
    CHECK(unknown.rtt == 0_s);
    const link_state negative = usable({.uplink_rate = -(5_Mbps), .downlink_rate = -(1_bps), .rtt = -(1_ms)});
    CHECK(negative.uplink_rate == outage_rate);
    CHECK(negative.downlink_rate == outage_rate);
    CHECK(negative.rtt == 0_s);
}

TEST_CASE("an infinite rate or round trip stays infinite") {
    const link_state link =
        usable({.uplink_rate = bits_per_second(infinity), .downlink_rate = 1_Mbps, .rtt = seconds(infinity)});
    CHECK(1_MB / link.uplink_rate == 0_s);
    CHECK(link.rtt == seconds(infinity));
}
