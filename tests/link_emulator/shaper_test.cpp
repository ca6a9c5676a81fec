#include "link_emulator/shaper.hpp"
#include "link_emulator/traffic.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace qlroute;

namespace {

/// 8 Mbit/s is 1 kB a millisecond; 10 ms there.
const link_course steady(8_Mbps, 20_ms);

constexpr link_shape roomy{.queue = 1_MB};

trace recorded(const std::string& lines) {
    auto parsed = trace::parse("t_s,uplink_bps,downlink_bps,rtt_s,snr_db\n" + lines);
    REQUIRE_MESSAGE(parsed, (parsed ? std::string() : parsed.error().message));
    return *std::move(parsed);
}

bool near(seconds a, seconds b) { return std::abs((a - b).value()) < 1e-9; }

}  // namespace

TEST_CASE("a packet takes its bits over the rate, and half the round trip") {
    shaper link(steady, roomy, 1);
    const passage p = link.admit(5_s, 1_kB);
    CHECK(p.fate == fate::carried);
    CHECK(p.waited == 0_s);
    CHECK(near(p.leaves, 5001_ms));
    CHECK(near(p.arrives, 5011_ms));
}

TEST_CASE("a packet waits for the bits before it, and not for the air") {
    shaper link(steady, roomy, 1);
    link.admit(0_s, 1_kB);
    const passage second = link.admit(0_s, 2_kB);
    CHECK(near(second.waited, 1_ms));
    CHECK(near(second.arrives, 13_ms));
    const passage third = link.admit(2_ms, 1_kB);
    CHECK(near(third.waited, 1_ms));
    CHECK(near(third.leaves, 4_ms));
    CHECK(link.admit(10_ms, 1_kB).waited == 0_s);
}

TEST_CASE("a queue that is full drops, and takes packets again when some have left") {
    shaper link(steady, {.queue = 3_kB}, 1);
    for (int i = 0; i < 3; ++i) CHECK(link.admit(0_s, 1_kB).fate == fate::carried);
    CHECK(link.admit(0_s, 1_kB).fate == fate::dropped);
    CHECK(link.admit(0.999_ms, 1_kB).fate == fate::dropped);  // the first one is leaving still
    CHECK(near(link.admit(1_ms, 1_kB).waited, 2_ms));
    CHECK(link.admit(1_ms, 1_B).fate == fate::dropped);
}

TEST_CASE("a packet that finds nobody waiting is taken, however small the queue is") {
    shaper link(steady, {.queue = 0_B}, 1);
    CHECK(link.admit(0_s, 1_kB).fate == fate::carried);
    CHECK(link.admit(0_s, 1_B).fate == fate::dropped);
    CHECK(link.admit(1_ms, 1_kB).fate == fate::carried);
}

TEST_CASE("what is lost on the air has used the link") {
    shaper link(steady, {.queue = 1_MB, .loss = 1}, 1);
    CHECK(link.admit(0_s, 1_kB).fate == fate::lost);
    CHECK(near(link.admit(0_s, 1_kB).waited, 1_ms));
}

TEST_CASE("losses come by chance, the same for the same seed") {
    const auto losses = [](std::uint64_t seed) {
        shaper link(steady, {.queue = 1_MB, .loss = 0.1}, seed);
        std::string out;
        for (int i = 0; i < 10'000; ++i) out += link.admit(seconds(i), 1_kB).fate == fate::lost ? 'x' : '.';
        return out;
    };
    const std::string first = losses(1);
    const auto lost = std::count(first.begin(), first.end(), 'x');
    CHECK(lost > 900);
    CHECK(lost < 1100);
    CHECK(first == losses(1));
    CHECK(first != losses(2));
}

TEST_CASE("jitter shortens and lengthens the delay, around the round trip that was asked for") {
    shaper link(steady, {.queue = 1_MB, .jitter = 4_ms}, 1);
    seconds least = 1_s, most{}, sum{};
    for (int i = 0; i < 10'000; ++i) {
        const passage p = link.admit(seconds(i), 1_kB);
        const seconds delay = p.arrives - p.leaves;
        least = smaller(least, delay);
        most = larger(most, delay);
        sum += delay;
    }
    CHECK(least >= 5.999999_ms);
    CHECK(least < 6.1_ms);
    CHECK(most <= 14.000001_ms);
    CHECK(most > 13.9_ms);
    CHECK(std::abs(sum.value() / 10'000 - 0.010) < 0.0001);
}

TEST_CASE("jitter beyond the delay makes it nothing, never less") {
    shaper link(link_course(8_Mbps, 0_s), {.queue = 1_MB, .jitter = 4_ms}, 1);
    for (int i = 0; i < 100; ++i) {
        const passage p = link.admit(seconds(i), 1_kB);
        CHECK(p.arrives >= p.leaves);
    }
}

TEST_CASE("a packet overtakes another only where that is allowed") {
    const auto overtakes = [](bool reordering) {
        shaper link(steady, {.queue = 10_MB, .jitter = 5_ms, .reordering = reordering}, 1);
        int out = 0;
        seconds before{};
        for (int i = 0; i < 1000; ++i) {
            const seconds arrives = link.admit(0_s, 1_kB).arrives;
            out += arrives < before ? 1 : 0;
            before = arrives;
        }
        return out;
    };
    CHECK(overtakes(false) == 0);
    CHECK(overtakes(true) > 100);
}

TEST_CASE("a recorded rate changes while a packet leaves, each direction by its own column") {
    const trace t = recorded("0,8000000,800000,0.02,\n1,4000000,800000,0.02,\n2,8000000,800000,0.02,\n");
    shaper up(link_course(t, 0_s, direction::uplink, {}, {}), roomy, 1);
    CHECK(near(up.admit(0.5_s, 1_kB).leaves, 501_ms));
    CHECK(near(up.admit(1.5_s, 1_kB).leaves, 1502_ms));
    CHECK(near(up.admit(1.999_s, 1_kB).leaves, 2.0005_s));  // 500 B in a millisecond, 500 B in half of one
    shaper down(link_course(t, 0_s, direction::downlink, {}, {}), roomy, 1);
    CHECK(near(down.admit(1.5_s, 1_kB).leaves, 1.51_s));
}

TEST_CASE("an outage holds the queue, and what it holds leaves afterwards") {
    const trace t = recorded("0,8000000,,,\n1,0,,,\n3,8000000,,,\n4,8000000,,,\n");
    shaper link(link_course(t, 0_s, direction::uplink, {}, 20_ms), {.queue = 2_kB}, 1);
    const passage first = link.admit(1_s, 1_kB);
    CHECK(near(first.leaves, 3.001_s));
    CHECK(near(first.arrives, 3.011_s));
    CHECK(near(link.admit(2_s, 1_kB).leaves, 3.002_s));
    CHECK(link.admit(2.9_s, 1_kB).fate == fate::dropped);
}

TEST_CASE("the round trip is the one in force when a packet leaves, and order is kept where it shrinks") {
    const trace t =
        recorded("0,8000000,8000000,0.02,\n1,8000000,8000000,,\n2,8000000,8000000,0.1,\n3,8000000,8000000,0.02,\n");
    shaper link(link_course(t, 0_s, direction::uplink, {}, 1_s), roomy, 1);
    CHECK(near(link.admit(0.5_s, 1_kB).arrives, 511_ms));
    CHECK(near(link.admit(1.5_s, 1_kB).arrives, 1.511_s));  // a gap goes on as it was
    const passage slow = link.admit(2.998_s, 1_kB);
    CHECK(near(slow.arrives, 3.049_s));
    CHECK(link.admit(3.001_s, 1_kB).arrives == slow.arrives);
    CHECK(near(shaper(link_course(t, 0_s, direction::uplink, {}, 1_s), roomy, 1).admit(1.9995_s, 1_kB).arrives,
               2.0505_s));
    CHECK(near(link.admit(3.5_s, 1_kB).arrives, 3.511_s));
}

TEST_CASE("a trace is looped from where it was asked to begin; what it never measured is as given") {
    const trace t = recorded("100,8000000,,,\n101,4000000,,,\n");
    const link_course up(t, 101_s, direction::uplink, {}, 30_ms);
    CHECK(near(up.transfer_time(0_s, 1_kB), 2_ms));
    CHECK(near(up.transfer_time(1_s, 1_kB), 1_ms));
    CHECK(near(up.transfer_time(2_s, 1_kB), 2_ms));
    CHECK(up.delay(0_s) == 15_ms);
    const link_course down(t, 101_s, direction::downlink, 16_Mbps, 30_ms);
    CHECK(near(down.transfer_time(0_s, 1_kB), 0.5_ms));
}

TEST_CASE("the mean of a course is over time, its extremes over samples") {
    const trace t = recorded("0,8000000,,0.02,\n3,0,,0.06,\n4,8000000,,0.01,\n");
    const link_course course(t, 0_s, direction::uplink, {}, {});
    CHECK(std::abs(course.mean_rate().value() - 32e6 / 5) < 1e-3);
    CHECK(course.largest_rate() == 8_Mbps);
    CHECK(course.largest_delay() == 30_ms);
    CHECK(steady.mean_rate() == 8_Mbps);
    CHECK(steady.largest_delay() == 10_ms);
}

TEST_CASE("quantiles of delays are within a hundredth") {
    delay_histogram seen;
    CHECK(seen.quantile(0.5) == 0_s);
    for (int i = 0; i < 60; ++i) seen.add(0_s);
    for (int i = 0; i < 40; ++i) seen.add(50_ms);
    CHECK(seen.quantile(0.5) == 0_s);
    CHECK(std::abs((seen.quantile(0.95) - 50_ms).value()) < 0.0101 * 0.05);
    seen.add(seconds(1e9));
    CHECK(seen.quantile(1) > 3600_s);
}
