#include <qlroute/eval/recorded_radio.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

using namespace qlroute;
using eval::radio_behaviour;
using eval::recorded_radio;

namespace {

constexpr seconds awake(0);
constexpr bool known = false, fresh = true;  // is the connection new?

trace recorded(std::string_view lines) {
    auto parsed = trace::parse("t_s,uplink_bps,downlink_bps,rtt_s,snr_db\n" + std::string(lines));
    REQUIRE(parsed);
    return std::move(*parsed);
}

/// No luck, no sleep, no handshake: 100 ms there and back.
radio_behaviour plain() {
    return {.rtt = 100_ms,
            .rtt_spread = 0,
            .wakeup = 0_s,
            .wakeup_spread = 0,
            .inactivity = seconds(std::numeric_limits<double>::infinity()),
            .block_error = 0,
            .retransmission = 0_s,
            .handshake_round_trips = 0};
}

/// 1448 bytes of payload and 52 of headers: 12 000 bits on the link.
constexpr bits segments(double count) { return count * 1448_B; }

}  // namespace

TEST_CASE("a small request takes its size by the rate, and half a round trip") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");  // 12 ms a segment
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    CHECK(radio.send(5_s, segments(1), awake, known, 0).value() == doctest::Approx(5.062));
    CHECK(radio.send(5_s, segments(10), awake, known, 0).value() == doctest::Approx(5.170));
    // 1000 bytes in a segment of their own: with its headers 8416 bits
    CHECK(radio.send(5_s, 1000_B, awake, known, 0).value() == doctest::Approx(5.058416));
    CHECK(radio.send(5_s, 0_B, awake, known, 0).value() == doctest::Approx(5.050));
}

TEST_CASE("windows of 10, 20 and 40 segments cost a round trip each on a fast link") {
    const trace link = recorded("0,1.2e9,1.2e9,,\n1,1.2e9,1.2e9,,\n");  // 10 us a segment
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    CHECK(radio.send(0_s, segments(10), awake, known, 0).value() == doctest::Approx(0.0501));
    CHECK(radio.send(0_s, segments(11), awake, known, 0).value() == doctest::Approx(0.1 + 0.00001 + 0.05));
    CHECK(radio.send(0_s, segments(30), awake, known, 0).value() == doctest::Approx(0.1 + 0.0002 + 0.05));
    CHECK(radio.send(0_s, segments(31), awake, known, 0).value() == doctest::Approx(0.2 + 0.00001 + 0.05));
    CHECK(radio.send(0_s, segments(70), awake, known, 0).value() == doctest::Approx(0.2 + 0.0004 + 0.05));
    CHECK(radio.send(0_s, segments(150), awake, known, 0).value() == doctest::Approx(0.3 + 0.0008 + 0.05));
}

TEST_CASE("once a window takes as long as a round trip, the pipe is full and nothing waits") {
    // 5 ms a segment: 10 take 50 ms and wait for the other 50; 20 take 100 ms and wait no more.
    const trace link = recorded("0,2.4e6,2.4e6,,\n1,2.4e6,2.4e6,,\n");
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    CHECK(radio.send(0_s, segments(30), awake, known, 0).value() == doctest::Approx(0.1 + 0.1 + 0.05));
    CHECK(radio.send(0_s, segments(70), awake, known, 0).value() == doctest::Approx(0.1 + 0.1 + 0.2 + 0.05));
    CHECK(radio.send(0_s, segments(1030), awake, known, 0).value() == doctest::Approx(0.1 + 1020 * 0.005 + 0.05));
}

TEST_CASE("a radio wakes up only if it has been silent for longer than its inactivity") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");
    auto how = plain();
    how.wakeup = 300_ms;
    how.inactivity = 10_s;
    const recorded_radio radio(how, link, link, 0_s, 1);
    CHECK(radio.send(0_s, segments(1), 10_s, known, 0).value() == doctest::Approx(0.062));
    CHECK(radio.send(0_s, segments(1), 10.1_s, known, 0).value() == doctest::Approx(0.362));
    const seconds never_used(std::numeric_limits<double>::infinity());
    CHECK(radio.send(0_s, segments(1), never_used, known, 0).value() == doctest::Approx(0.362));
}

TEST_CASE("half of all wakeups take longer than the median, by as much as their spread says") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");
    auto how = plain();
    how.wakeup = 300_ms;
    how.wakeup_spread = 0.6;
    how.inactivity = 10_s;
    const recorded_radio radio(how, link, link, 0_s, 1);
    int longer = 0, much_longer = 0;
    for (std::uint64_t key = 0; key < 2000; ++key) {
        const double wakeup = radio.send(0_s, segments(1), 20_s, known, key).value() - 0.062;
        longer += wakeup > 0.3;
        much_longer += wakeup > 0.3 * std::exp(0.6);
    }
    CHECK(longer == doctest::Approx(1000).epsilon(0.1));
    CHECK(much_longer == doctest::Approx(0.1587 * 2000).epsilon(0.15));
}

TEST_CASE("a new connection costs its round trips and a small packet") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");
    auto how = plain();
    how.handshake_round_trips = 2;
    const recorded_radio radio(how, link, link, 0_s, 1);
    CHECK(radio.send(0_s, segments(1), awake, known, 0).value() == doctest::Approx(0.062));
    CHECK(radio.send(0_s, segments(1), awake, fresh, 0).value() == doctest::Approx(0.0048 + 0.200 + 0.062));
}

TEST_CASE("an outage holds a request up until the rate is back") {
    const trace link = recorded("0,1e6,1e6,,\n10,0,1e6,,\n14,1e6,1e6,,\n20,1e6,1e6,,\n");
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    CHECK(radio.send(11_s, segments(1), awake, known, 0).value() == doctest::Approx(14.062));
    // 10 segments that begin 60 ms before it: half of them get through
    CHECK(radio.send(9.94_s, segments(10), awake, known, 0).value() == doctest::Approx(14.060 + 0.050));
    // also while the connection is opened
    auto how = plain();
    how.handshake_round_trips = 1;
    const recorded_radio opening(how, link, link, 0_s, 1);
    CHECK(opening.send(11_s, segments(1), awake, fresh, 0).value() == doctest::Approx(14.0048 + 0.100 + 0.062));
}

TEST_CASE("on a link that never comes back a request never arrives") {
    const trace up_is_dead = recorded("0,0,1e6,,\n1,0,1e6,,\n");
    const recorded_radio radio(plain(), up_is_dead, up_is_dead, 0_s, 1);
    CHECK(std::isinf(radio.send(0_s, segments(1), awake, known, 0).value()));
    CHECK(std::isinf(radio.send(0_s, segments(100), awake, fresh, 0).value()));
    const trace down_is_dead = recorded("0,1e6,0,,\n1,1e6,0,,\n");
    const auto lost = recorded_radio(plain(), down_is_dead, down_is_dead, 0_s, 1).receive(0_s, 1_s, 10, 300_B, 0);
    CHECK(std::isinf(lost.first.value()));
    CHECK(std::isinf(lost.last.value()));
}

TEST_CASE("the recorded round trip counts where there is one, at the time of the request") {
    const trace up = recorded("0,1e6,,0.2,\n10,1e6,,,\n20,1e6,,0.4,\n30,1e6,,,\n");
    const trace down = recorded("0,,1e6,,\n10,,1e6,0.6,\n20,,1e6,0.8,\n30,,1e6,,\n");
    const recorded_radio radio(plain(), up, down, 0_s, 1);
    CHECK(radio.send(5_s, segments(1), awake, known, 0).value() == doctest::Approx(5.012 + 0.1));
    CHECK(radio.send(15_s, segments(1), awake, known, 0).value() == doctest::Approx(15.012 + 0.3));  // the downlink's
    CHECK(radio.send(25_s, segments(1), awake, known, 0).value() == doctest::Approx(25.012 + 0.2));
    CHECK(radio.send(35_s, segments(1), awake, known, 0).value() == doctest::Approx(35.012 + 0.05));  // of nobody
}

TEST_CASE("a stream arrives token by token where the link is faster than the engine") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");  // 300 bytes take 2.4 ms
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    const auto got = radio.receive(10_s, 12_s, 90, 300_B, 0);
    CHECK(got.first.value() == doctest::Approx(10.0524));
    CHECK(got.last.value() == doctest::Approx(12.0524));
    const auto one = radio.receive(10_s, 10_s, 1, 300_B, 0);
    CHECK(one.first.value() == doctest::Approx(10.0524));
    CHECK(one.last == one.first);
}

TEST_CASE("on a link slower than the engine the last token waits for all before it") {
    const trace link = recorded("0,1e6,1e4,,\n1,1e6,1e4,,\n");  // 240 ms a chunk
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    const auto got = radio.receive(10_s, 12_s, 50, 300_B, 0);
    CHECK(got.first.value() == doctest::Approx(10.290));
    CHECK(got.last.value() == doctest::Approx(10 + 50 * 0.24 + 0.05));
}

TEST_CASE("an outage of the downlink holds the stream up") {
    const trace link = recorded("0,1e6,1e6,,\n10,1e6,0,,\n14,1e6,1e6,,\n20,1e6,1e6,,\n");
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    const auto got = radio.receive(9_s, 12_s, 50, 300_B, 0);
    CHECK(got.first.value() == doctest::Approx(9.0524));
    CHECK(got.last.value() == doctest::Approx(14.0524));
}

TEST_CASE("every window may wait for retransmissions of a block, four at most") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");
    auto how = plain();
    how.retransmission = 8_ms;
    how.block_error = 0.5;
    const recorded_radio radio(how, link, link, 0_s, 1);
    double sum = 0;
    for (std::uint64_t key = 0; key < 2000; ++key) {
        const double rounds = (radio.send(0_s, segments(1), awake, known, key).value() - 0.062) / 0.008;
        CHECK(std::abs(rounds - std::round(rounds)) < 1e-9);
        CHECK(rounds < 4.5);
        sum += rounds;
    }
    CHECK(sum / 2000 == doctest::Approx(0.5 + 0.25 + 0.125 + 0.0625).epsilon(0.1));
    how.block_error = 1;
    CHECK(recorded_radio(how, link, link, 0_s, 1).send(0_s, segments(1), awake, known, 0).value() ==
          doctest::Approx(0.062 + 4 * 0.008));
}

TEST_CASE("the same key meets the same luck, another key or seed another one") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");
    auto how = plain();
    how.rtt_spread = 0.3;
    const recorded_radio radio(how, link, link, 0_s, 1), other(how, link, link, 0_s, 2);
    const auto sent = [&](const recorded_radio& by, std::uint64_t key) {
        return by.send(0_s, segments(1), awake, known, key).value();
    };
    CHECK(sent(radio, 5) == sent(radio, 5));
    CHECK(sent(radio, 5) != sent(radio, 6));
    CHECK(sent(radio, 5) != sent(other, 5));
    const auto got = [&](std::uint64_t key) { return radio.receive(0_s, 1_s, 9, 300_B, key).first.value(); };
    CHECK(got(5) == got(5));
    CHECK(got(5) != got(6));
    // at a later time the same luck
    CHECK(radio.send(7_s, segments(1), awake, known, 5).value() == doctest::Approx(7 + sent(radio, 5)));
}

TEST_CASE("what a policy did before does not change the luck: asleep or awake, the round trip is the same") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");
    auto how = plain();
    how.rtt_spread = 0.3;
    how.wakeup_spread = 0.6;
    how.inactivity = 10_s;
    how.block_error = 0.5;
    how.retransmission = 8_ms;
    const recorded_radio sleeps_lightly(how, link, link, 0_s, 1);
    how.wakeup = 1_s;
    const recorded_radio sleeps(how, link, link, 0_s, 1);  // the other one keeps its own
    for (std::uint64_t key = 0; key < 20; ++key) {
        const auto sent = [&](const recorded_radio& by, seconds slept, bool connection) {
            return by.send(0_s, segments(100), slept, connection, key).value();
        };
        CHECK(sent(sleeps_lightly, 20_s, known) == sent(sleeps_lightly, awake, known));
        CHECK(sent(sleeps, 20_s, known) > sent(sleeps, awake, known));
        // no round trips in the handshake: it costs its packet and its own retransmissions, whole ones
        const double handshake = sent(sleeps, awake, fresh) - sent(sleeps, awake, known) - 0.0048;
        CHECK(std::abs(handshake / 0.008 - std::round(handshake / 0.008)) < 1e-9);
        CHECK(handshake > -1e-9);
    }
}

TEST_CASE("what goes up and what comes down have a luck of their own") {
    const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");
    auto how = plain();
    how.rtt_spread = how.wakeup_spread = 0.3;
    how.wakeup = 100_ms;
    how.inactivity = 10_s;
    const recorded_radio radio(how, link, link, 0_s, 1);
    for (std::uint64_t key = 0; key < 20; ++key) {
        const seconds awoken = radio.send(0_s, segments(1), awake, known, key);
        const double wakeup = (radio.send(0_s, segments(1), 20_s, known, key) - awoken).value();
        const double up = (awoken - 12_ms).value(), down = (radio.receive(0_s, 0_s, 1, 0_B, key).first).value();
        CHECK(std::abs(wakeup / 2 - down) > 1e-9);
        CHECK(std::abs(up - down) > 1e-9);
    }
}

TEST_CASE("what is seen of a rate is the last sample that is over, and how long ago that was") {
    const trace link = recorded("0,1e6,10e6,0.1,\n10,2e6,20e6,0.2,\n20,3e6,30e6,0.3,\n30,4e6,40e6,0.4,\n");
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    const auto at_12 = radio.last_uplink(12_s);
    CHECK(at_12.rate == 1_Mbps);  // the one that began at 10 is not over
    CHECK(at_12.age.value() == doctest::Approx(2));
    CHECK(radio.last_uplink(20_s).rate == 2_Mbps);
    CHECK(radio.last_uplink(20_s).age.value() == doctest::Approx(0));
    CHECK(radio.last_downlink(29.9_s).rate == 20_Mbps);
    CHECK(radio.last_downlink(29.9_s).age.value() == doctest::Approx(9.9));
    CHECK(radio.last_rtt(35_s) == 300_ms);
    // around the loop of 40 s, as often as it takes
    CHECK(radio.last_uplink(3_s).rate == 4_Mbps);
    CHECK(radio.last_uplink(3_s).age.value() == doctest::Approx(3));
    CHECK(radio.last_uplink(412_s).rate == 1_Mbps);
    CHECK(radio.last_uplink(412_s).age.value() == doctest::Approx(2));
}

TEST_CASE("a recording that begins late or by another clock loops all the same") {
    const trace link = recorded("100,1e6,10e6,,\n110,2e6,20e6,,\n120,3e6,30e6,,\n130,4e6,40e6,,\n");
    const recorded_radio radio(plain(), link, link, 15_s, 1);
    CHECK(radio.last_uplink(0_s).rate == 1_Mbps);  // 15 s after its beginning
    CHECK(radio.last_uplink(0_s).age.value() == doctest::Approx(5));
    CHECK(radio.last_uplink(18_s).rate == 3_Mbps);
    CHECK(radio.last_uplink(18_s).age.value() == doctest::Approx(3));
    const recorded_radio before(plain(), link, link, -12_s, 1);  // 28 s in the loop before
    CHECK(before.last_uplink(0_s).rate == 2_Mbps);
    CHECK(before.last_uplink(0_s).age.value() == doctest::Approx(8));
    CHECK(before.send(0_s, 0_B, awake, known, 0).value() == doctest::Approx(0.05));
}

TEST_CASE("a sample that measured nothing tells nothing, though the rate goes on") {
    const trace link = recorded("0,1e6,,,\n10,,20e6,,\n20,3e6,30e6,,\n30,4e6,,,\n");
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    CHECK_FALSE(radio.last_uplink(25_s).rate);
    CHECK(radio.last_uplink(25_s).age.value() == doctest::Approx(5));
    CHECK(radio.last_downlink(25_s).rate == 20_Mbps);
    CHECK(radio.send(15_s, segments(1), awake, known, 0).value() == doctest::Approx(15.062));
}

TEST_CASE("where no round trip was recorded the usual one is seen") {
    const trace link = recorded("0,1e6,1e6,,\n10,1e6,1e6,0.3,\n20,1e6,1e6,,\n");
    const recorded_radio radio(plain(), link, link, 0_s, 1);
    CHECK(radio.last_rtt(15_s) == 100_ms);
    CHECK(radio.last_rtt(25_s) == 300_ms);
    // of two recordings, the uplink's, else the downlink's
    const trace up = recorded("0,1e6,,0.2,\n10,1e6,,,\n20,1e6,,,\n"),
                down = recorded("0,,1e6,0.6,\n10,,1e6,0.7,\n20,,1e6,,\n");
    const recorded_radio both(plain(), up, down, 0_s, 1);
    CHECK(both.last_rtt(15_s) == 200_ms);
    CHECK(both.last_rtt(25_s) == 700_ms);
}
