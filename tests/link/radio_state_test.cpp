#include <qlroute/link/radio_state.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(radio_policy<rrc>);
static_assert(!radio_policy<seconds>);

constexpr rrc made_up{.inactivity = 8_s,
                      .promotion = 400_ms,
                      .drx_onset = 1_s,
                      .drx_cycle = 100_ms,
                      .scheduling_request = 10_ms,
                      .paging_cycle = 1_s};

}  // namespace

TEST_CASE_TEMPLATE("the longer the silence, the longer the wait", Rep, QLROUTE_TEST_REPS) {
    const auto up = [](seconds idle) { return made_up.uplink_wakeup(filled<Rep>(idle)); };
    const auto down = [](seconds idle) { return made_up.downlink_wakeup(filled<Rep>(idle)); };
    CHECK(equals<Rep>(up(0_s), 0_s));
    CHECK(equals<Rep>(up(999_ms), 0_s));
    CHECK(equals<Rep>(up(1_s), 10_ms));
    CHECK(equals<Rep>(up(7.9_s), 10_ms));
    CHECK(equals<Rep>(up(8_s), 400_ms));
    CHECK(equals<Rep>(up(3600_s), 400_ms));
    CHECK(equals<Rep>(down(0_s), 0_s));
    CHECK(equals<Rep>(down(1_s), 50_ms));
    CHECK(equals<Rep>(down(8_s), 900_ms));
}

TEST_CASE("each element of an array has its own silence") {
    Eigen::ArrayXd idle(4);
    idle << 0, 2, 8, detail::infinite;
    const auto wait = made_up.uplink_wakeup(quantity<dim::time, Eigen::ArrayXd>(idle)).value();
    CHECK(wait[0] == 0);
    CHECK(wait[1] == 0.01);
    CHECK(wait[2] == 0.4);
    CHECK(wait[3] == 0.4);
}

TEST_CASE("silence without end, before its beginning and unknown has an answer") {
    const seconds never(detail::infinite);
    CHECK(made_up.uplink_wakeup(never) == 400_ms);
    CHECK(made_up.uplink_wakeup(-1_s) == 0_s);
    CHECK(made_up.uplink_wakeup(seconds(std::nan(""))) == 0_s);
    CHECK(made_up.downlink_wakeup(seconds(std::nan(""))) == 0_s);
}

TEST_CASE("the measured networks: LTE and 5G pay after ten seconds, Wi-Fi never") {
    CHECK(rrc::lte().uplink_wakeup(20_s) == 330_ms);
    CHECK(rrc::lte().uplink_wakeup(5_s) == 14_ms);
    CHECK(rrc::nr_nsa().uplink_wakeup(20_s) == 330_ms);
    CHECK(rrc::nr_sa().uplink_wakeup(20_s) == 300_ms);
    // a server's packet to an idle phone took about 1 s, of which some 80 ms were the round trip
    CHECK(rrc::lte().downlink_wakeup(20_s).value() == doctest::Approx(0.97));
    // 140 to 235 ms in connected DRX against 68 to 100 ms
    CHECK(rrc::lte().downlink_wakeup(5_s) == 100_ms);
    const seconds never(detail::infinite);
    for (const seconds idle : {0_s, 5_s, 1000_s}) {
        CHECK(rrc::wifi().uplink_wakeup(idle) == 0_s);
        CHECK(rrc::wifi().downlink_wakeup(idle) == 0_s);
    }
    CHECK(rrc::wifi().uplink_wakeup(never) == 0_s);
}
