#include <qlroute/cost/transport.hpp>

#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(cost::transport<cost::serialised> && cost::additive_transport<cost::serialised>);
static_assert(cost::transport<cost::tcp> && !cost::additive_transport<cost::tcp>);
static_assert(!cost::transport<cost::linear_rate>);

/// Segments of 1000 bytes without headers, a window of 4, and a connection that is open.
constexpr cost::tcp simple{.keep_alive = 60_s, .initial_window = 4, .segment = 1_kB, .segment_overhead = 0_bit};

/// 8 Mbit/s, which is 1 kB a millisecond, and 100 ms.
template <class Rep = double>
scenario<Rep> link(seconds idle = 1_s) {
    scenario<Rep> s;
    s.uplink_rate = filled<Rep>(8_Mbps);
    s.rtt = filled<Rep>(100_ms);
    s.connection_idle = filled<Rep>(idle);
    return s;
}

template <class Rep = double>
auto arrives(const cost::tcp& how, bits size, seconds idle = 1_s) {
    return how.request_time(link<Rep>(idle), filled<Rep>(size));
}

constexpr seconds never(std::numeric_limits<double>::infinity());

}  // namespace

TEST_CASE_TEMPLATE("without windows a text takes half a round trip and its bits", Rep, QLROUTE_TEST_REPS) {
    const auto s = link<Rep>();
    CHECK(equals<Rep>(cost::serialised{}.request_time(s, filled<Rep>(10_kB)), 60_ms));  // 50 + 10
}

TEST_CASE_TEMPLATE("a text that fits the window goes out at once", Rep, QLROUTE_TEST_REPS) {
    CHECK(equals<Rep>(arrives<Rep>(simple, 4_kB), 54_ms));  // 50 + 4
}

TEST_CASE_TEMPLATE("windows double each round trip until the rest fits", Rep, QLROUTE_TEST_REPS) {
    CHECK(equals<Rep>(arrives<Rep>(simple, 5_kB), 151_ms));   // 4 kB, 100 ms, the last one: 50 + 100 + 1
    CHECK(equals<Rep>(arrives<Rep>(simple, 28_kB), 266_ms));  // 4 and 8 kB, 200 ms, then 16: 50 + 200 + 16
}

TEST_CASE_TEMPLATE("a window that fills the link waits no more", Rep, QLROUTE_TEST_REPS) {
    // The link holds 100 kB: 4 + 8 + 16 + 32 + 64 kB cost a round trip each, 128 kB do not: 50 + 500 + (1124 - 124)
    CHECK(equals<Rep>(arrives<Rep>(simple, 1124_kB), 1.55_s));
}

TEST_CASE_TEMPLATE("a connection that was closed, or never was, is opened first", Rep, QLROUTE_TEST_REPS) {
    auto how = simple;
    how.handshake = cost::handshake::tcp_tls13;
    how.lookup = 20_ms;
    CHECK(equals<Rep>(arrives<Rep>(how, 4_kB, 60_s), 54_ms));
    CHECK(equals<Rep>(arrives<Rep>(how, 4_kB, 61_s), 274_ms));  // 20 + 2 * 100 + 54
    CHECK(equals<Rep>(arrives<Rep>(how, 4_kB, never), 274_ms));
    how.handshake = cost::handshake::quic_early_data;
    CHECK(equals<Rep>(arrives<Rep>(how, 4_kB, never), 74_ms));
}

TEST_CASE("a kept connection loses half of its window with each timeout of silence, but never the first one") {
    auto how = simple;
    how.window = 32;  // rto = 100 + 200 ms
    CHECK(arrives(how, 32_kB, 100_ms) == 82_ms);
    CHECK(arrives(how, 32_kB, 350_ms).value() == doctest::Approx(0.166));  // 16, then 16: 50 + 100 + 16
    CHECK(arrives(how, 32_kB, 650_ms).value() == doctest::Approx(0.258));  // 8 and 16, then 8
    CHECK(arrives(how, 32_kB, 30_s).value() == doctest::Approx(0.354));    // 4, 8 and 16, then 4
}

TEST_CASE("a new connection starts with the first window, however far the last one had come") {
    auto how = simple;
    how.window = 32;
    how.keep_alive = 0_s;
    how.handshake = cost::handshake::none;
    CHECK(arrives(how, 32_kB, 100_ms).value() == doctest::Approx(0.354));  // 4, 8 and 16, then 4
}

TEST_CASE("published one-way delays of a warm connection are met") {
    // Ten segments of 1448 bytes; 30 Mbit/s and 50 ms, 5 Mbit/s and 60 ms.
    const cost::tcp plain{.keep_alive = 60_s, .segment_overhead = 0_bit};
    scenario<> s;
    s.uplink_rate = 30_Mbps;
    s.rtt = 50_ms;
    const struct {
        bits size;
        double ms;
    } fast[] = {{1_kB, 25}, {4_kB, 26}, {16_kB, 76}, {64_kB, 131}, {256_kB, 235}};
    for (const auto& [size, ms] : fast)
        CHECK(plain.request_time(s, size).value() * 1e3 == doctest::Approx(ms).epsilon(0.015));
    s.uplink_rate = 5_Mbps;
    s.rtt = 60_ms;
    CHECK(plain.request_time(s, 256_kB).value() * 1e3 == doctest::Approx(491).epsilon(0.01));
}

TEST_CASE("headers go with every segment") {
    auto how = simple;
    how.segment_overhead = 100_B;
    CHECK(arrives(how, 4_kB).value() == doctest::Approx(0.0544));  // 50 + 4.4
}

TEST_CASE("losses end slow start and leave the rest to the rate of a lossy connection") {
    // 1000 / (100 ms sqrt(2 * 0.06 / 3) + 300 ms min(1, 3 sqrt(3 * 0.06 / 8)) 0.06 (1 + 32 * 0.0036))
    const double per_segment = 0.1 * std::sqrt(0.04) + 0.3 * 3 * std::sqrt(0.0225) * 0.06 * (1 + 32 * 0.0036);
    const quantity<dim::none> loss(0.06);
    CHECK(cost::pftk_rate(loss, 100_ms, 300_ms, 1_kB).value() == doctest::Approx(8000 / per_segment));

    auto lossy = simple;
    lossy.loss = 0.06;
    // Of 28 segments (1 - 0.94^28) 0.94 / 0.06 + 1 come before the first loss: two windows and the rest of them.
    const double before = (1 - std::pow(0.94, 28)) * 0.94 / 0.06 + 1;
    const double expected = 0.05 + 0.2 + (before - 12) * 1e-3 + (28 - before) * per_segment;
    CHECK(before > 12);
    CHECK(before < 28);
    CHECK(arrives(lossy, 28_kB).value() == doctest::Approx(expected));

    // Almost none cost almost nothing, and one segment cannot lose its followers.
    lossy.loss = 1e-9;
    CHECK(arrives(lossy, 28_kB).value() == doctest::Approx(arrives(simple, 28_kB).value()).epsilon(1e-5));
    lossy.loss = 0.06;
    CHECK(arrives(lossy, 1_kB).value() == doctest::Approx(0.051));
}

TEST_CASE("what is on the device itself costs nothing to reach") {
    auto s = link();
    s.rtt = 0_s;
    s.connection_idle = never;
    CHECK(cost::tcp{}.request_time(s, 0_bit) == 0_s);
}

TEST_CASE("a link in outage is slow, but not infinitely") {
    auto s = link(never);
    s.uplink_rate = 1_kbps;
    const seconds t = cost::tcp{}.request_time(s, 1_kB);
    CHECK(t.value() == doctest::Approx(0.25 + 8.416));  // 2.5 round trips, 1052 bytes at 1 kbit/s
}

TEST_CASE("the text of a switch is sent with the prompt, so that the two lines sum to one transfer") {
    constexpr cost::tcp how{};
    constexpr auto both = cost::uplink{how} + cost::switching{cost::kv_recompute{cost::linear_rate{}, how}};
    random_facts random(21);
    for (int i = 0; i < 200; ++i) {
        auto s = random();
        s.prefix_hit = s.prefix_tokens;
        const seconds whole = how.request_time(s, s.prompt_size + s.unseen_history);
        CHECK(both(s).value() == doctest::Approx(whole.value()).epsilon(1e-12));
        s.unseen_history = 0_bit;
        CHECK(cost::switching{cost::kv_recompute{cost::linear_rate{}, how}}(s) == 0_s);
    }
}

TEST_CASE("an array of links gives what each of them gives") {
    using array = Eigen::ArrayXd;
    random_facts random(8);
    scenario<array> all;
    array size(100);
    array rate(100);
    array rtt(100);
    array idle(100);
    for (int i = 0; i < 100; ++i) {
        size[i] = random.between(0, 1e7);
        rate[i] = random.between(1e5, 1e8);
        rtt[i] = random.between(0, 0.3);
        idle[i] = random.between(0, 10);
    }
    all.uplink_rate = quantity<dim::data_rate, array>(rate);
    all.rtt = quantity<dim::time, array>(rtt);
    all.connection_idle = quantity<dim::time, array>(idle);
    const cost::tcp how{.window = 100, .loss = 0.01};
    const auto times = elements(how.request_time(all, quantity<dim::data, array>(size)));
    for (int i = 0; i < 100; ++i) {
        scenario<> s;
        s.uplink_rate = bits_per_second(rate[i]);
        s.rtt = seconds(rtt[i]);
        s.connection_idle = seconds(idle[i]);
        CHECK(times[static_cast<std::size_t>(i)] == how.request_time(s, bits(size[i])).value());
    }
}
