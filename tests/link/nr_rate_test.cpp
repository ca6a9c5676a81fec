#include <qlroute/link/nr_rate.hpp>

#include <doctest/doctest.h>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

TEST_CASE("a carrier is as wide as its resource blocks") {
    static_assert(nr_carrier{.resource_blocks = 273, .numerology = 1}.bandwidth() == 98.28_MHz);
    static_assert(nr_carrier{.resource_blocks = 1, .numerology = 0}.bandwidth() == 180_kHz);
    static_assert(nr_carrier{.resource_blocks = 100, .numerology = 3}.bandwidth() == 144_MHz);
}

TEST_CASE_TEMPLATE("goodput takes overhead, direction and lost blocks off", Rep, QLROUTE_TEST_REPS) {
    // 100 blocks of 360 kHz * 2 bit/s/Hz * 0.9 * 0.25 * 0.9
    const nr_carrier up{.resource_blocks = 100, .numerology = 1, .overhead = 0.1, .share_of_time = 0.25};
    CHECK(equals<Rep>(up.goodput(filled<Rep>(2_bit), 10_percent), 14.58_Mbps));
    CHECK(equals<Rep>(up.goodput(filled<Rep>(2_bit)), 16.2_Mbps));
    CHECK(equals<Rep>(up.goodput(cqi_table{}(filled<Rep>(30_dB))), 36_MHz * 0.225 * bits(6 * 948 / 1024.0)));
    CHECK(equals<Rep>(up.goodput(filled<Rep>(0_bit)), 0_bps));
}

TEST_CASE("the peak rate of 100 MHz with four layers of 256-QAM is the well-known 2.34 Gbit/s") {
    const nr_carrier down{.resource_blocks = 273, .numerology = 1, .overhead = 0.14};
    CHECK(down.peak_rate(4, 8).value() == doctest::Approx(2.337e9).epsilon(0.0005));
    CHECK(down.peak_rate(4, 8, 0.75).value() == doctest::Approx(0.75 * 2.337e9).epsilon(0.0005));
}

TEST_CASE("the peak rate by hand") {
    // 2 * 6 * 948/1024 * 12 * 100 bits a symbol, 28 symbols a ms, 8 % overhead, a fifth of the time
    const nr_carrier up{.resource_blocks = 100, .numerology = 1, .overhead = 0.08, .share_of_time = 0.2};
    CHECK(up.peak_rate(2, 6).value() == doctest::Approx(13331.25 * 28000 * 0.92 * 0.2));
    // 14 symbols instead of 15 subcarrier spacings
    CHECK((up.goodput(bits(12 * 948 / 1024.0)) / up.peak_rate(2, 6)).value() == doctest::Approx(15.0 / 14));
}
