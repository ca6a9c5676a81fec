#include <qlroute/io/quantity_text.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <string_view>

using namespace qlroute;

namespace {

template <class Q>
void reads(std::string_view text, Q expected) {
    CAPTURE(text);
    const auto parsed = parse_quantity<Q>(text);
    REQUIRE(parsed);
    CHECK(parsed->value() == expected.value());  // the very same double
}

template <class Q>
void rejects(std::string_view text, const std::string& message, std::size_t offset = 0, errc code = errc::malformed) {
    CAPTURE(text);
    const auto parsed = parse_quantity<Q>(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message == message);
    CHECK(parsed.error().offset == offset);
    CHECK(parsed.error().code == code);
}

}  // namespace

static_assert(detail::has_text<seconds> && detail::has_text<quantity<dim::time, float>> &&
              detail::has_text<dollars_per_token>);
static_assert(!detail::has_text<quantity<dim::time + dim::time>> && !detail::has_text<quantity<dim::time, int>>);

TEST_CASE("every literal has its unit in text, and the same value") {
    reads("38 ns", 38_ns);
    reads("38 us", 38_us);
    reads("38 ms", 38_ms);
    reads("2.31 s", 2.31_s);
    reads("3 min", 3_min);
    reads("1.5 h", 1.5_h);
    reads("7 bit", 7_bit);
    reads("7 kbit", 7_kbit);
    reads("7 Mbit", 7_Mbit);
    reads("7 Gbit", 7_Gbit);
    reads("7 B", 7_B);
    reads("7 kB", 7_kB);
    reads("7 MB", 7_MB);
    reads("7 GB", 7_GB);
    reads("4 KiB", 4_KiB);
    reads("4 MiB", 4_MiB);
    reads("4 GiB", 4_GiB);
    reads("20 bps", 20_bps);
    reads("20 kbps", 20_kbps);
    reads("20 Mbps", 20_Mbps);
    reads("20 Gbps", 20_Gbps);
    reads("900 tok", 900_tok);
    reads("1.2 ktok", 1.2_ktok);
    reads("220 tok/s", 220_tok_s);
    reads("10 Hz", 10_Hz);
    reads("10 kHz", 10_kHz);
    reads("10 MHz", 10_MHz);
    reads("2.4 GHz", 2.4_GHz);
    reads("3 J", 3_J);
    reads("3 mJ", 3_mJ);
    reads("3 kJ", 3_kJ);
    reads("3 Wh", 3_Wh);
    reads("3 W", 3_W);
    reads("3 mW", 3_mW);
    reads("0.02 USD", 0.02_USD);
    reads("5 %", 5_percent);
    reads("12 dB", 12_dB);
    reads("2.5 dB", 2.5_dB);
}

TEST_CASE("two units with a slash between make a third") {
    reads("20 Mbit/s", 20_Mbps);
    reads("112 KiB/tok", 112_KiB / 1_tok);
    reads("45 ms/tok", 45_ms / 1_tok);
    reads("0.2 J/tok", 0.2_J / 1_tok);
    reads("0.6 USD/Mtok", 0.6_USD / 1000_ktok);
    reads("12 USD/ktok", 12_USD / 1_ktok);
    reads("1 MiB/ms", 1_MiB / 1_ms);
    reads("60 tok/min", 1_tok_s);
    reads("2 J/s", 2_W);
    reads("30 s/min", ratio(0.5));
}

TEST_CASE("a ratio is a plain number, a percentage or decibels of either sign") {
    reads("0.5", ratio(0.5));
    reads("-1", ratio(-1));
    reads("0", ratio(0));
    reads("5%", 5_percent);
    reads("-3 dB", decibels(-3));
    reads("0 dB", ratio(1));
    reads("10dB", 10_dB);
}

TEST_CASE("the blank before the unit may be left out, and numbers may have exponents") {
    reads("38ms", 38_ms);
    reads("1e3 ms", 1_s);
    reads("1e-3s", 1_ms);
    reads("-2 ms", -2_ms);
    reads(".5 s", 0.5_s);
    reads("0 s", 0_s);
}

TEST_CASE("a float quantity is read as one") {
    using float_seconds = quantity<dim::time, float>;
    reads("38 ms", float_seconds(0.038f));
    rejects<float_seconds>("1e39 s", "expected a time such as \"38 ms\", got \"1e39 s\", which is too large", 0,
                           errc::out_of_range);
    rejects<float_seconds>("1e-60 s", "expected a time such as \"38 ms\", got \"1e-60 s\", which is too small", 0,
                           errc::out_of_range);
}

TEST_CASE("a quantity of another unit is named") {
    rejects<seconds>("38 Mbps", "expected a time such as \"38 ms\", got \"38 Mbps\", which is a data rate", 3);
    rejects<seconds>("38 ms/tok", "expected a time such as \"38 ms\", got \"38 ms/tok\", which is a time per token", 3);
    rejects<bits>("3 J", "expected a data size such as \"4 KiB\", got \"3 J\", which is an energy", 2);
    rejects<tokens>("3 dB", "expected a number of tokens such as \"900 tok\", got \"3 dB\", which is a number", 2);
    rejects<joules>("3 W", "expected an energy such as \"3 J\", got \"3 W\", which is a power", 2);
    rejects<dollars>("3 USD/Mtok",
                     "expected a price such as \"0.02 USD\", got \"3 USD/Mtok\", which is a price per token", 2);
    rejects<hertz>("3 min", "expected a frequency such as \"10 MHz\", got \"3 min\", which is a time", 2);
    rejects<bits_per_second>("20 Mbit",
                             "expected a data rate such as \"20 Mbit/s\", got \"20 Mbit\", which is a data size", 3);
    rejects<tokens_per_second>(
        "9 tok", "expected a token rate such as \"220 tok/s\", got \"9 tok\", which is a number of tokens", 2);
    rejects<seconds_per_token>(
        "9 tok/s", "expected a time per token such as \"45 ms/tok\", got \"9 tok/s\", which is a token rate", 2);
    rejects<bits_per_token>(
        "9 Hz", "expected a data size per token such as \"112 KiB/tok\", got \"9 Hz\", which is a frequency", 2);
    rejects<joules_per_token>("9 USD",
                              "expected an energy per token such as \"0.2 J/tok\", got \"9 USD\", which is a price", 2);
    rejects<dollars_per_token>(
        "9 J/tok", "expected a price per token such as \"0.6 USD/Mtok\", got \"9 J/tok\", which is an energy per token",
        2);
    rejects<watts>("9 KiB/tok", "expected a power such as \"3 W\", got \"9 KiB/tok\", which is a data size per token",
                   2);
    rejects<ratio>("9 J/bit",
                   "expected a number such as \"0.5\", \"5 %\" or \"12 dB\", got \"9 J/bit\", which is another unit",
                   2);
}

TEST_CASE("a quantity without a unit is told which units fit") {
    rejects<seconds>("38",
                     "expected a time such as \"38 ms\", got \"38\", which has no unit; use ns, us, ms, s, min, h", 2);
    rejects<seconds>("0", "expected a time such as \"38 ms\", got \"0\", which has no unit; use ns, us, ms, s, min, h",
                     1);
}

TEST_CASE("an unknown unit is told which units fit") {
    const std::string expected_time = "expected a time such as \"38 ms\", got ";
    rejects<seconds>("38 sec", expected_time + "\"38 sec\": unknown unit \"sec\"; use ns, us, ms, s, min, h", 3);
    rejects<seconds>("38 MS", expected_time + "\"38 MS\": unknown unit \"MS\"; use ns, us, ms, s, min, h", 3);
    rejects<bits_per_second>(
        "20 mbps",
        "expected a data rate such as \"20 Mbit/s\", got \"20 mbps\": unknown unit \"mbps\"; use bps, "
        "kbps, Mbps, Gbps, or (bit, kbit, Mbit, Gbit, B, kB, MB, GB, KiB, MiB, GiB)/(ns, us, ms, s, min, h)",
        3);
    rejects<dollars_per_token>("1 EUR/tok",
                               "expected a price per token such as \"0.6 USD/Mtok\", got \"1 EUR/tok\": unknown unit "
                               "\"EUR/tok\"; use (USD)/(tok, ktok, Mtok)",
                               2);
    rejects<ratio>("1 x",
                   "expected a number such as \"0.5\", \"5 %\" or \"12 dB\", got \"1 x\": unknown unit \"x\"; use %, "
                   "dB, or no unit",
                   2);
}

TEST_CASE("nothing may follow or precede the quantity") {
    for (const char* text :
         {"38 ms ", " 38 ms", "38  ms", "38\tms", "38 ms 1", "38 ms,", "38 ", "38 ms/", "38 /ms", "38 ms/tok/s",
          "38 ms*tok", "38 ms\n", "3,8 ms", "1_000 ms", "3 8 ms", "- 3 ms", "38 %/s", "38 dB/s", "38 s/%"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_quantity<seconds>(text));
        CHECK_FALSE(parse_quantity<seconds_per_token>(text));
    }
    for (const char* text : {"0.5 ", "5 % ", "5 %%", "5 dBm", " 0.5", "0.5,"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_quantity<ratio>(text));
    }
    rejects<seconds>(
        "38 ms ", "expected a time such as \"38 ms\", got \"38 ms \": unknown unit \"ms \"; use ns, us, ms, s, min, h",
        3);
    CHECK_FALSE(parse_quantity<seconds>(std::string_view("38 ms\0", 6)));
}

TEST_CASE("only a finite decimal number will do") {
    for (const char* text : {"", " ", "ms", "nan s", "inf s", "-inf s", "NaN s", "infinity s", "0x10 s", "-0X1p3 s",
                             "+5 s", "1e999 s", "--5 s", "."}) {
        const std::string message =
            "expected a finite number and a unit such as \"38 ms\", got \"" + std::string(text) + "\"";
        rejects<seconds>(text, message);
    }
    rejects<ratio>("nan", "expected a finite number such as \"0.5\", \"5 %\" or \"12 dB\", got \"nan\"");
    rejects<ratio>("", "expected a finite number such as \"0.5\", \"5 %\" or \"12 dB\", got \"\"");
}

TEST_CASE("a value that does not fit is not turned into infinity or zero") {
    rejects<bits>("1e308 GiB", "expected a data size such as \"4 KiB\", got \"1e308 GiB\", which is too large", 0,
                  errc::out_of_range);
    rejects<seconds>("1e-320 ns", "expected a time such as \"38 ms\", got \"1e-320 ns\", which is too small", 0,
                     errc::out_of_range);
    const std::string expected_number = "expected a number such as \"0.5\", \"5 %\" or \"12 dB\", got ";
    rejects<ratio>("4000 dB", expected_number + "\"4000 dB\", which is too large", 0, errc::out_of_range);
    rejects<ratio>("-4000 dB", expected_number + "\"-4000 dB\", which is too small", 0, errc::out_of_range);
}

TEST_CASE("long and unprintable text is shortened in the message") {
    const auto parsed = parse_quantity<seconds>("5 " + std::string(1000, '\n'));
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message.size() < 1000);
    CHECK(parsed.error().message.find('\n') == std::string::npos);
}

TEST_CASE("a quantity is printed with three digits and the prefix that fits") {
    CHECK(to_text(2.31_s) == "2.31 s");
    CHECK(to_text(38_ms) == "38 ms");
    CHECK(to_text(0.25_us) == "250 ns");
    CHECK(to_text(75_s) == "75 s");
    CHECK(to_text(1.5_h) == "5400 s");
    CHECK(to_text(4_KiB) == "4 KiB");
    CHECK(to_text(12_bit) == "1.5 B");
    CHECK(to_text(4_bit) == "0.5 B");
    CHECK(to_text(1000_B) == "1000 B");
    CHECK(to_text(1.5_GiB) == "1.5 GiB");
    CHECK(to_text(5_Mbps) == "5 Mbit/s");
    CHECK(to_text(12.345_Gbps) == "12.3 Gbit/s");
    CHECK(to_text(220_tok_s) == "220 tok/s");
    CHECK(to_text(4000_tok_s) == "4 ktok/s");
    CHECK(to_text(900_tok) == "900 tok");
    CHECK(to_text(1234567_tok) == "1.23 Mtok");
    CHECK(to_text(112_KiB / 1_tok) == "112 KiB/tok");
    CHECK(to_text(45_ms / 1_tok) == "45 ms/tok");
    CHECK(to_text(0.2_J / 1_tok) == "200 mJ/tok");
    CHECK(to_text(3_W) == "3 W");
    CHECK(to_text(12_kJ) == "12 kJ");
    CHECK(to_text(10_MHz) == "10 MHz");
    CHECK(to_text(0.6_USD / 1000_ktok) == "0.6 USD/Mtok");
    CHECK(to_text(0.0012_USD) == "0.0012 USD");
    CHECK(to_text(5_percent) == "0.05");
    CHECK(to_text(12_dB) == "15.8");
    CHECK(to_text(quantity<dim::time, float>(0.038f)) == "38 ms");
    CHECK(to_text(4_KiB / 5_Mbps) == "6.55 ms");
}

TEST_CASE("rounding carries into the next unit") {
    CHECK(to_text(999.4_ms) == "999 ms");
    CHECK(to_text(999.6_ms) == "1 s");
    CHECK(to_text(9.996_ms) == "10 ms");
    CHECK(to_text(99.96_ms) == "100 ms");
    CHECK(to_text(0.9996_Mbps) == "1 Mbit/s");
}

TEST_CASE("zero, negative and extreme quantities are printed, too") {
    CHECK(to_text(0_s) == "0 s");
    CHECK(to_text(-0.0_s) == "0 s");
    CHECK(to_text(0_B) == "0 B");
    CHECK(to_text(0_bps) == "0 bit/s");
    CHECK(to_text(ratio(0)) == "0");
    CHECK(to_text(0_USD / 1_tok) == "0 USD/Mtok");
    CHECK(to_text(-38_ms) == "-38 ms");
    CHECK(to_text(ratio(-0.5)) == "-0.5");
    CHECK(to_text(seconds(1e-20)) == "1e-11 ns");
    CHECK(to_text(seconds(1.23e9)) == "1.23e9 s");
    CHECK(to_text(seconds(1234567)) == "1230000 s");
    CHECK(to_text(seconds(std::numeric_limits<double>::max())) == "1.8e308 s");
    CHECK(to_text(seconds(std::numeric_limits<double>::denorm_min())) == "4.94e-315 ns");
    const double inf = std::numeric_limits<double>::infinity();
    CHECK(to_text(seconds(inf)) == "inf s");
    CHECK(to_text(seconds(-inf)) == "-inf s");
    CHECK(to_text(bits_per_second(inf)) == "inf bit/s");
    CHECK(to_text(ratio(std::numeric_limits<double>::quiet_NaN())) == "nan");
}

TEST_CASE_TEMPLATE("what is printed is read back to within its three digits", Q, ratio, seconds, bits, tokens, joules,
                   dollars, hertz, watts, bits_per_second, tokens_per_second, seconds_per_token, bits_per_token,
                   joules_per_token, dollars_per_token) {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> exponent(-30, 30);
    bool all_fine = true;
    for (int i = 0; i < 2000; ++i) {
        const Q value((i % 2 == 0 ? 1 : -1) * std::pow(10.0, exponent(random)));
        const std::string text = to_text(value);
        const auto parsed = parse_quantity<Q>(text);
        const bool fine = parsed &&
                          std::abs(parsed->value() - value.value()) <= 0.005000001 * std::abs(value.value()) &&
                          to_text(*parsed) == text;
        if (!fine) MESSAGE(text);
        all_fine = all_fine && fine;
    }
    CHECK(all_fine);
    CHECK(parse_quantity<Q>(to_text(Q(0.0)))->value() == 0);
}

TEST_CASE("the tables are complete and without doubles") {
    std::set<std::string_view> symbols;
    for (const auto& one : detail::unit_atoms) CHECK(symbols.insert(one.symbol).second);
    for (const auto& one : detail::unit_atoms) CHECK(detail::words_for(one.unit).has_value());
    for (const auto& one : detail::printed_units) {
        CAPTURE(one.symbol);
        const auto unit = detail::in_unit(1, one.symbol);
        REQUIRE(unit);
        CHECK(unit->unit == one.unit);
    }
    for (const auto& one : detail::all_unit_words) {
        CAPTURE(one.name);
        bool printed = false;
        for (const auto& unit : detail::printed_units) printed = printed || unit.unit == one.unit;
        CHECK(printed);
        if (one.unit != dim::none)  // the example in the message is itself accepted
            CHECK(detail::parse_in(one.example.substr(1, one.example.size() - 2), one));
    }
}
