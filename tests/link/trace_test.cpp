#include <qlroute/link/trace.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>

using namespace qlroute;
using namespace std::string_literals;

namespace {

const std::string header = "t_s,uplink_bps,downlink_bps,rtt_s,snr_db\n";

/// The trace with these lines below the usual header.
trace recorded(const std::string& lines) {
    auto parsed = trace::parse(header + lines);
    REQUIRE_MESSAGE(parsed, (parsed ? std::string() : parsed.error().message));
    return *std::move(parsed);
}

/// Why `csv` is no trace.
error fault(const std::string& csv) {
    const auto parsed = trace::parse(csv);
    REQUIRE_FALSE(parsed);
    return parsed.error();
}

constexpr seconds never(std::numeric_limits<double>::infinity());

}  // namespace

// --- reading -------------------------------------------------------------------------------------

TEST_CASE("a sample has the units that its column names") {
    const trace t = recorded("0,4000000,9000000,0.052,10\n");
    REQUIRE(t.samples().size() == 1);
    const trace_sample& first = t.samples()[0];
    CHECK(first.at == 0_s);
    CHECK(first.uplink_rate == 4_Mbps);
    CHECK(first.downlink_rate == 9_Mbps);
    CHECK(first.rtt == 52_ms);
    CHECK(first.snr->value() == doctest::Approx(10));
    CHECK(recorded("0,,,,-20\n").samples()[0].snr->value() == doctest::Approx(0.01));
}

TEST_CASE("an empty field was not measured, which is not 0") {
    const trace t = recorded("0,,,,\n1,0,0,0,0\n");
    CHECK_FALSE(t.samples()[0].uplink_rate);
    CHECK_FALSE(t.samples()[0].downlink_rate);
    CHECK_FALSE(t.samples()[0].rtt);
    CHECK_FALSE(t.samples()[0].snr);
    CHECK(t.samples()[1].uplink_rate == 0_bps);
    CHECK(t.samples()[1].downlink_rate == 0_bps);
    CHECK(t.samples()[1].rtt == 0_s);
    CHECK(t.samples()[1].snr == ratio(1));
}

TEST_CASE("columns are found by name, in any order") {
    const auto t = trace::parse("snr_db,rtt_s,t_s,downlink_bps,uplink_bps\n0,0.05,7,2000,1000\n,,8,,\n");
    REQUIRE(t);
    CHECK(t->samples()[0].at == 7_s);
    CHECK(t->samples()[0].uplink_rate == 1_kbps);
    CHECK(t->samples()[0].downlink_rate == 2_kbps);
    CHECK(t->samples()[0].rtt == 50_ms);
    CHECK(t->samples()[0].snr == ratio(1));
    CHECK(t->samples()[1].at == 8_s);
}

TEST_CASE("lines end in LF or CRLF, the last one in neither if it likes") {
    const std::string lf = header + "0,1000,,,\n1,2000,,,\n";
    std::string crlf;
    for (const char c : lf) crlf += c == '\n' ? "\r\n"s : std::string(1, c);
    for (const std::string& csv :
         {lf, crlf, lf.substr(0, lf.size() - 1), crlf.substr(0, crlf.size() - 1), crlf.substr(0, crlf.size() - 2)}) {
        CAPTURE(csv);
        const auto t = trace::parse(csv);
        REQUIRE(t);
        REQUIRE(t->samples().size() == 2);
        CHECK(t->samples()[1].uplink_rate == 2_kbps);
        CHECK_FALSE(t->samples()[1].snr);
    }
}

TEST_CASE("the text need not end where its buffer ends") {
    const std::string csv = header + "0,1000,,,12";
    const auto t = trace::parse(std::string_view(csv).substr(0, csv.size() - 1));
    REQUIRE(t);
    CHECK(t->samples()[0].snr->value() == doctest::Approx(decibels(1).value()));
}

// --- what is wrong, where, and what to do ---------------------------------------------------------

TEST_CASE("a text without a sample is no trace") {
    error e = fault("");
    CHECK(e.code == errc::missing);
    CHECK(e.message == "line 1: expected the header t_s,uplink_bps,downlink_bps,rtt_s,snr_db, found an empty file");
    CHECK(e.offset == 0);
    for (const std::string& only_a_header : {header, header.substr(0, header.size() - 1)}) {
        e = fault(only_a_header);
        CHECK(e.code == errc::missing);
        CHECK(e.message ==
              "line 2, column t_s: expected at least one sample below the header, found the end of the file");
        CHECK(e.offset == only_a_header.size());
    }
}

TEST_CASE("a compressed file is recognised") {
    const error e = fault("\x1f\x8b\x08\x00"s);
    CHECK(e.code == errc::unsupported);
    CHECK(e.message ==
          "line 1: expected the header t_s,uplink_bps,downlink_bps,rtt_s,snr_db, found gzip; decompress it first");
    CHECK(e.offset == 0);
}

TEST_CASE("a column that nobody knows is named") {
    error e = fault("t_s,uplink_bps,speed,rtt_s,snr_db\n0,1,1,1,1\n");
    CHECK(e.code == errc::malformed);
    CHECK(e.message == "line 1, column \"speed\": expected one of t_s,uplink_bps,downlink_bps,rtt_s,snr_db");
    CHECK(e.offset == 15);
    e = fault("t_s, uplink_bps\n");
    CHECK(e.message == "line 1, column \" uplink_bps\": expected one of t_s,uplink_bps,downlink_bps,rtt_s,snr_db");
    CHECK(e.offset == 4);
    e = fault("0,1000,,,\n");
    CHECK(e.message == "line 1, column \"0\": expected one of t_s,uplink_bps,downlink_bps,rtt_s,snr_db");
    e = fault("t_s,uplink_bps,downlink_bps,rtt_s,snr_db,\n0,,,,,\n");
    CHECK(e.message == "line 1, column \"\": expected one of t_s,uplink_bps,downlink_bps,rtt_s,snr_db");
    CHECK(e.offset == 41);
}

TEST_CASE("a column that comes twice is named") {
    const error e = fault("t_s,uplink_bps,uplink_bps,rtt_s,snr_db\n");
    CHECK(e.code == errc::malformed);
    CHECK(e.message == "line 1, column uplink_bps: expected each column once, found it twice");
    CHECK(e.offset == 15);
}

TEST_CASE("a column that is not there is named") {
    const error e = fault("t_s,uplink_bps,downlink_bps,snr_db\n0,1,1,1\n");
    CHECK(e.code == errc::missing);
    CHECK(e.message ==
          "line 1, column rtt_s: expected it in the header (its fields may be empty, except in t_s), found no such "
          "column");
    CHECK(e.offset == 34);
}

TEST_CASE("a line with too few fields says which one is missing") {
    error e = fault(header + "0,1,1\n");
    CHECK(e.code == errc::malformed);
    CHECK(e.message == "line 2, column rtt_s: expected a field, found the end of the line after 3 of 5 fields");
    CHECK(e.offset == header.size() + 5);
    e = fault(header + "0,,,,\n\n");
    CHECK(e.message == "line 3, column uplink_bps: expected a field, found the end of the line after 1 of 5 fields");
    CHECK(e.offset == header.size() + 6);
}

TEST_CASE("a line with too many fields says where it should end") {
    const error e = fault(header + "0,1,1,0.1,5\n1,1,1,0.1,5,9,9\r\n");
    CHECK(e.code == errc::malformed);
    CHECK(e.message == "line 3, column snr_db: expected the end of the line after it, found 7 fields");
    CHECK(e.offset == header.size() + 12 + 12);
}

TEST_CASE("what is no finite number is shown with its line, its column and what was expected") {
    for (const char* no_number : {"fast", "nan", "inf", "-inf", "1e999", "1 ", " 1", "+1", "0x10", "1;5", "\"1\""}) {
        CAPTURE(no_number);
        const error e = fault(header + "0,,,,\n1,,"s + no_number + ",,\n");
        CHECK(e.code == errc::malformed);
        CHECK(
            e.message ==
            "line 3, column downlink_bps: expected a finite rate in bit/s, at least 0, or an empty field if it was not "
            "measured, found \""s +
                no_number + "\"");
        CHECK(e.offset == header.size() + 6 + 3);
    }
}

TEST_CASE("each column says what it expects") {
    error e = fault(header + "x,,,,\n");
    CHECK(e.message == "line 2, column t_s: expected seconds between -1e12 and 1e12, found \"x\"");
    CHECK(e.offset == header.size());
    e = fault(header + ",,,,\n");
    CHECK(e.code == errc::malformed);
    CHECK(e.message == "line 2, column t_s: expected seconds between -1e12 and 1e12, found nothing");
    e = fault(header + "0,x,,,\n");
    CHECK(e.message ==
          "line 2, column uplink_bps: expected a finite rate in bit/s, at least 0, or an empty field if it was not "
          "measured, found \"x\"");
    CHECK(e.offset == header.size() + 2);
    e = fault(header + "0,,,x,\n");
    CHECK(e.message ==
          "line 2, column rtt_s: expected finite seconds, at least 0, or an empty field if it was not measured, found "
          "\"x\"");
    CHECK(e.offset == header.size() + 4);
    e = fault(header + "0,,,,x\n");
    CHECK(e.message ==
          "line 2, column snr_db: expected decibels between -3000 and 3000, or an empty field if it was not measured, "
          "found \"x\"");
    CHECK(e.offset == header.size() + 5);
}

TEST_CASE("a number that makes no sense is out of range") {
    for (const char* line : {"2e12,,,,", "-2e12,,,,", "0,-1,,,", "0,,-1,,", "0,,,-0.1,", "0,,,,3001", "0,,,,-3001"}) {
        CAPTURE(line);
        CHECK(fault(header + line).code == errc::out_of_range);
    }
    const error e = fault(header + "0,,,-0.1,\n");
    CHECK(e.message ==
          "line 2, column rtt_s: expected finite seconds, at least 0, or an empty field if it was not measured, found "
          "\"-0.1\"");
    CHECK(e.offset == header.size() + 4);
}

TEST_CASE("time must not go back") {
    const error e = fault(header + "0,,,,\n2,,,,\n1.5,,,,\n");
    CHECK(e.code == errc::out_of_range);
    CHECK(e.message == "line 4, column t_s: expected a time not before that of the line above, found \"1.5\"");
    CHECK(e.offset == header.size() + 12);
}

TEST_CASE("only time must not go back, wherever its column is") {
    CHECK(trace::parse("uplink_bps,t_s,downlink_bps,rtt_s,snr_db\n9,0,,,\n8,1,,,\n"));
    const error e = fault("uplink_bps,t_s,downlink_bps,rtt_s,snr_db\n8,1,,,\n9,0,,,\n");
    CHECK(e.message == "line 3, column t_s: expected a time not before that of the line above, found \"0\"");
    CHECK(e.offset == header.size() + 7 + 2);
}

// --- the loop ------------------------------------------------------------------------------------

TEST_CASE("a sample holds until the next one, the last as long as the one before it") {
    const trace t = recorded("0,1000,,,\n1,2000,,,\n4,3000,,,\n");
    CHECK(t.duration() == 7_s);
    CHECK(t.at(0_s).uplink_rate == 1_kbps);
    CHECK(t.at(0.999_s).uplink_rate == 1_kbps);
    CHECK(t.at(1_s).uplink_rate == 2_kbps);
    CHECK(t.at(3.999_s).uplink_rate == 2_kbps);
    CHECK(t.at(4_s).uplink_rate == 3_kbps);
    CHECK(t.at(6.999_s).uplink_rate == 3_kbps);
}

TEST_CASE("after the last sample comes the first, and before the first the last") {
    const trace t = recorded("0,1000,,,\n1,2000,,,\n");
    CHECK(t.duration() == 2_s);
    CHECK(t.at(2_s).uplink_rate == 1_kbps);
    CHECK(t.at(3.5_s).uplink_rate == 2_kbps);
    CHECK(t.at(2000000_s).uplink_rate == 1_kbps);
    CHECK(t.at(-(0.5_s)).uplink_rate == 2_kbps);
    CHECK(t.at(-(1_s)).uplink_rate == 2_kbps);
    CHECK(t.at(-(1.5_s)).uplink_rate == 1_kbps);
    CHECK(t.at(-(2_s)).uplink_rate == 1_kbps);
    CHECK(t.at(-(1e-30_s)).uplink_rate == 1_kbps);
}

TEST_CASE("times are those of the recorder's clock, wherever it starts") {
    const trace t = recorded("100,1000,,,\n101,2000,,,\n");
    CHECK(t.duration() == 2_s);
    CHECK(t.at(100_s).uplink_rate == 1_kbps);
    CHECK(t.at(101_s).uplink_rate == 2_kbps);
    CHECK(t.at(102_s).uplink_rate == 1_kbps);
    CHECK(t.at(99_s).uplink_rate == 2_kbps);
    const trace before_zero = recorded("-1,1000,,,\n0,2000,,,\n");
    CHECK(before_zero.at(-(1_s)).uplink_rate == 1_kbps);
    CHECK(before_zero.at(0_s).uplink_rate == 2_kbps);
}

TEST_CASE("a time that is not finite counts as the start") {
    const trace t = recorded("0,1000,,,\n1,2000,,,\n");
    CHECK(t.at(never).uplink_rate == 1_kbps);
    CHECK(t.at(-never).uplink_rate == 1_kbps);
    CHECK(t.at(seconds(std::numeric_limits<double>::quiet_NaN())).uplink_rate == 1_kbps);
    CHECK(t.transfer_time(never, 500_bit, direction::uplink) == 0.5_s);
}

TEST_CASE("a single sample is in force for ever") {
    const trace t = recorded("5,1000,,,\n");
    CHECK(t.duration() == 1_s);
    for (const seconds when : {0_s, 5_s, 1234.5_s}) {
        CHECK(t.at(when).uplink_rate == 1_kbps);
        CHECK(t.transfer_time(when, 2500_bit, direction::uplink).value() == doctest::Approx(2.5));
    }
}

TEST_CASE("of several samples of one time the last one holds") {
    const trace t = recorded("0,1000,,,\n0,2000,,,\n1,3000,,,\n1,4000,,,\n");
    CHECK(t.duration() == 2_s);
    CHECK(t.at(0_s).uplink_rate == 2_kbps);
    CHECK(t.at(1_s).uplink_rate == 4_kbps);
    CHECK(t.transfer_time(0_s, 4000_bit, direction::uplink) == 1.5_s);
    const trace stuck_clock = recorded("3,1000,,,\n3,2000,,,\n");
    CHECK(stuck_clock.duration() == 1_s);
    CHECK(stuck_clock.at(3_s).uplink_rate == 2_kbps);
    CHECK(stuck_clock.transfer_time(3_s, 1000_bit, direction::uplink) == 0.5_s);
}

// --- transfers -----------------------------------------------------------------------------------

TEST_CASE("within a sample a transfer takes size / rate") {
    const trace t = recorded("0,1000,4000,,\n1,2000,8000,,\n");
    CHECK(t.transfer_time(0_s, 500_bit, direction::uplink) == 0.5_s);
    CHECK(t.transfer_time(0_s, 1000_bit, direction::uplink) == 1_s);
    CHECK(t.transfer_time(1_s, 500_bit, direction::uplink) == 0.25_s);
    CHECK(t.transfer_time(0_s, 500_bit, direction::downlink) == 0.125_s);
}

TEST_CASE("a transfer goes on at the rate of the next sample, and around the loop") {
    const trace t = recorded("0,1000,,,\n1,2000,,,\n");
    CHECK(t.transfer_time(0_s, 2000_bit, direction::uplink) == 1.5_s);
    CHECK(t.transfer_time(0.5_s, 1500_bit, direction::uplink) == 1_s);
    // 1000 bit in [1.5, 2), 1000 in [2, 3), 1000 in [3, 3.5)
    CHECK(t.transfer_time(1.5_s, 3000_bit, direction::uplink) == 2_s);
    CHECK(t.transfer_time(0.5_s, 2750_bit, direction::uplink) == 1.75_s);
    CHECK(t.transfer_time(-(0.5_s), 1500_bit, direction::uplink) == 1_s);
    CHECK(t.transfer_time(2000000.5_s, 1500_bit, direction::uplink) == 1_s);
}

TEST_CASE("many loops take as long as their number says") {
    const trace t = recorded("0,1000,,,\n1,2000,,,\n");
    // 3000 bit in a loop of 2 s
    CHECK(t.transfer_time(0_s, 3000_bit, direction::uplink) == 2_s);
    CHECK(t.transfer_time(0_s, 6000_bit, direction::uplink) == 4_s);
    CHECK(t.transfer_time(0_s, 6500_bit, direction::uplink) == 4.5_s);
    CHECK(t.transfer_time(0.5_s, 3000_bit, direction::uplink) == 2_s);
    CHECK(t.transfer_time(0_s, bits(3e15), direction::uplink) == 2e12_s);
    CHECK(t.transfer_time(0_s, bits(3e300), direction::uplink).value() == doctest::Approx(2e297));
}

TEST_CASE("a transfer waits for the end of an outage, but not for one that begins when it is done") {
    const trace t = recorded("0,1000,,,\n1,0,,,\n3,1000,,,\n4,0,,,\n");
    CHECK(t.duration() == 5_s);
    CHECK(t.transfer_time(0_s, 1000_bit, direction::uplink) == 1_s);
    CHECK(t.transfer_time(0_s, 1500_bit, direction::uplink) == 3.5_s);
    CHECK(t.transfer_time(1_s, 500_bit, direction::uplink) == 2.5_s);
    CHECK(t.transfer_time(0_s, 2000_bit, direction::uplink) == 4_s);
    CHECK(t.transfer_time(0_s, 4000_bit, direction::uplink) == 9_s);
    CHECK(t.transfer_time(0_s, 2e12_bit, direction::uplink) == 4999999999_s);
    CHECK(t.transfer_time(4.5_s, 1000_bit, direction::uplink) == 1.5_s);
}

TEST_CASE("a rounding error does not make a transfer wait for the end of an outage") {
    const trace t = recorded("0,0.1,,,\n1,0,,,\n");
    // 1.1 - 10 * 0.1 is a little more than the 0.1 that the eleventh loop sends
    CHECK(t.transfer_time(0_s, 1.1_bit, direction::uplink).value() == doctest::Approx(21));
    for (int loops = 1; loops < 200; ++loops)
        CHECK(t.transfer_time(0_s, bits(loops / 10.0), direction::uplink).value() == doctest::Approx(2 * loops - 1));
}

TEST_CASE("a link that is down in the whole trace never delivers") {
    const trace t = recorded("0,0,1000,,\n1,0,1000,,\n");
    CHECK(t.transfer_time(0_s, 1_bit, direction::uplink) == never);
    CHECK(t.transfer_time(0.5_s, 1_GB, direction::uplink) == never);
    CHECK(t.transfer_time(0_s, 1000_bit, direction::downlink) == 1_s);
}

TEST_CASE("nothing to send takes no time, and an infinite size all of it") {
    const trace t = recorded("0,1000,0,,\n1,2000,0,,\n");
    CHECK(t.transfer_time(0_s, 0_bit, direction::uplink) == 0_s);
    CHECK(t.transfer_time(0_s, 0_bit, direction::downlink) == 0_s);
    CHECK(t.transfer_time(0_s, -(5_bit), direction::uplink) == 0_s);
    CHECK(t.transfer_time(0_s, bits(std::numeric_limits<double>::quiet_NaN()), direction::uplink) == 0_s);
    CHECK(t.transfer_time(0_s, bits(std::numeric_limits<double>::infinity()), direction::uplink) == never);
}

TEST_CASE("a direction that was never measured says so, and never delivers") {
    const trace t = recorded("0,,1000,,\n1,,,,\n");
    CHECK_FALSE(t.measures(direction::uplink));
    CHECK(t.measures(direction::downlink));
    CHECK(t.transfer_time(0_s, 1_bit, direction::uplink) == never);
    CHECK(t.transfer_time(0_s, 0_bit, direction::uplink) == 0_s);
}

TEST_CASE("a gap in the recording goes on at the rate before it, around the loop too") {
    const trace t = recorded("0,,,,\n1,1000,,,\n2,,,,\n3,4000,,,\n");
    CHECK(t.transfer_time(2_s, 500_bit, direction::uplink) == 0.5_s);
    CHECK(t.transfer_time(0_s, 4000_bit, direction::uplink) == 1_s);
    CHECK(t.transfer_time(0_s, 10000_bit, direction::uplink) == 4_s);
    CHECK_FALSE(t.at(2_s).uplink_rate);
}

TEST_CASE("a transfer in two parts takes as long as in one") {
    std::mt19937 random(1);
    const auto below = [&](int bound) { return static_cast<double>(random() % static_cast<unsigned>(bound)); };
    for (int round = 0; round < 200; ++round) {
        std::string lines;
        double now = 0;
        for (int i = 0; i < 5; ++i) {
            const double rate = below(3) * below(1000);
            lines += std::to_string(now) + "," + std::to_string(rate) + ",,,\n";
            now += 0.1 * (1 + below(20));
        }
        const trace t = recorded(lines + std::to_string(now) + ",700,,,\n");
        const seconds start(0.01 * below(2000) - 10);
        const bits first(1 + below(20000));
        const bits second(1 + below(20000));
        const seconds of_first = t.transfer_time(start, first, direction::uplink);
        const seconds of_second = t.transfer_time(start + of_first, second, direction::uplink);
        CAPTURE(lines);
        CHECK(t.transfer_time(start, first + second, direction::uplink).value() ==
              doctest::Approx((of_first + of_second).value()).epsilon(1e-9));
    }
}

TEST_CASE("rates at the limits of a double do no harm") {
    const trace fast = recorded("0,1.7e308,,,\n1e12,1.7e308,,,\n");
    CHECK(fast.transfer_time(0_s, 1_GB, direction::uplink) < 1_ns);
    const trace slow = recorded("0,5e-324,,,\n");
    CHECK(slow.transfer_time(0_s, 1_bit, direction::uplink) > 1e300_s);
}

// --- what the router sees ------------------------------------------------------------------------

TEST_CASE("what a sample did not measure comes from the fallback") {
    const link_state fallback{.uplink_rate = 5_Mbps, .downlink_rate = 20_Mbps, .rtt = 50_ms};
    const trace t = recorded("0,0,,,\n1,,1000,,\n2,,,0.01,\n");
    const link_state first = observed(t.at(0_s), fallback);
    CHECK(first.uplink_rate == 0_bps);
    CHECK(first.downlink_rate == 20_Mbps);
    CHECK(first.rtt == 50_ms);
    const link_state second = observed(t.at(1_s), fallback);
    CHECK(second.uplink_rate == 5_Mbps);
    CHECK(second.downlink_rate == 1_kbps);
    CHECK(second.rtt == 50_ms);
    CHECK(observed(t.at(2_s), fallback).rtt == 10_ms);
}
