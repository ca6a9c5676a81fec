#include <qlroute/io/number.hpp>

#include <doctest/doctest.h>

#include <clocale>
#include <cmath>
#include <limits>
#include <random>
#include <string>

using qlroute::parse_number;
namespace detail = qlroute::detail;

TEST_CASE("decimal numbers are read exactly") {
    CHECK(parse_number("0") == 0.0);
    CHECK(parse_number("38") == 38.0);
    CHECK(parse_number("-38") == -38.0);
    CHECK(parse_number("0.1") == 0.1);
    CHECK(parse_number(".5") == 0.5);
    CHECK(parse_number("5.") == 5.0);
    CHECK(parse_number("1e3") == 1000.0);
    CHECK(parse_number("1E+3") == 1000.0);
    CHECK(parse_number("25e-2") == 0.25);
    CHECK(parse_number("007") == 7.0);
    CHECK(parse_number("1.7976931348623157e308") == std::numeric_limits<double>::max());
    CHECK(parse_number("5e-324") == std::numeric_limits<double>::denorm_min());
    CHECK(std::signbit(parse_number("-0").value()));
    CHECK(parse_number("0e99999") == 0.0);
}

TEST_CASE("only a whole, finite, decimal number is a number") {
    for (const char* text :
         {"",    "-",    "+1",     "--1",   ".",     "-.",     "e5",     ".e5",   "1e",          "1e+", "1 ",
          " 1",  "1\n",  "1,5",    "1.5.2", "0x10",  "0X1p3",  "1p3",    "inf",   "-inf",        "INF", "infinity",
          "nan", "-nan", "nan(1)", "1_000", "1e999", "-1e999", "1e-999", "12 ms", "\xEF\xBC\x91"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_number(text));
    }
    CHECK_FALSE(parse_number(std::string_view("1\0", 2)));
}

TEST_CASE("the text need not end where its buffer ends") {
    const std::string line = "12,34";
    CHECK(parse_number(std::string_view(line).substr(0, 2)) == 12.0);
    CHECK(parse_number(std::string_view(line).substr(3)) == 34.0);
}

TEST_CASE("the fallback without std::from_chars gives the same numbers") {
    for (const char* text : {"0", "-0", "38", "-0.5", ".5", "5.", "1e3", "25e-2", "0.1", "1e-310", "5e-324", "0e999",
                             "0.0e-999", "1e999", "-1e999", "1e-999", "123456789012345678901234567890"}) {
        CAPTURE(text);
        CHECK(detail::number_by_strtod(text) == parse_number(text));
    }
    std::mt19937 random(1);
    for (int i = 0; i < 2000; ++i) {
        const std::string text = std::to_string(random()) + "." + std::to_string(random()) + "e" +
                                 std::to_string(static_cast<int>(random() % 80) - 40);
        CAPTURE(text);
        CHECK(detail::number_by_strtod(text) == parse_number(text));
    }
}

TEST_CASE("a locale with a decimal comma changes nothing") {
    const std::string before = std::setlocale(LC_NUMERIC, nullptr);
    for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8"})
        if (std::setlocale(LC_NUMERIC, name) != nullptr) break;
    CHECK(parse_number("0.5") == 0.5);
    CHECK(detail::number_by_strtod("0.5") == 0.5);
    CHECK_FALSE(parse_number("0,5"));
    std::setlocale(LC_NUMERIC, before.c_str());
}

TEST_CASE("the number at the start of a text ends before its unit") {
    CHECK(detail::number_length("38 ms") == 2);
    CHECK(detail::number_length("38ms") == 2);
    CHECK(detail::number_length("1e3ms") == 3);
    CHECK(detail::number_length("5 em") == 1);
    CHECK(detail::number_length("5em") == 1);
    CHECK(detail::number_length("5e-") == 1);
    CHECK(detail::number_length("-3 dB") == 2);
    CHECK(detail::number_length("ms") == 0);
    CHECK(detail::number_length("-ms") == 0);
}

TEST_CASE("text is quoted for messages without control characters") {
    CHECK(detail::quoted("38 ms") == "\"38 ms\"");
    CHECK(detail::quoted("a\n\x7F") == "\"a\\x0a\\x7f\"");
    CHECK(detail::quoted("5 \xC2\xB5s") == "\"5 \xC2\xB5s\"");
    CHECK(detail::quoted(std::string(80, 'a')) == "\"" + std::string(80, 'a') + "\"");
    CHECK(detail::quoted(std::string(81, 'a')) == "\"" + std::string(80, 'a') + "...\"");
    CHECK(detail::quoted(std::string(79, 'a') + "\xC2\xB5") == "\"" + std::string(79, 'a') + "...\"");
}
