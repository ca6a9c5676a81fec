#include <gateway/breaker.hpp>

#include <doctest/doctest.h>

using namespace qlroute;

TEST_CASE("it opens after failures in a row, and a success starts anew") {
    breaker b({.failures = 3});
    CHECK_FALSE(b.failed(0_s));
    CHECK_FALSE(b.failed(0_s));
    b.succeeded();
    CHECK_FALSE(b.failed(1_s));
    CHECK_FALSE(b.failed(1_s));
    CHECK_FALSE(b.is_open());
    CHECK(b.failed(1_s));
    CHECK(b.is_open());
    CHECK_FALSE(b.failed(1_s));  // it says so once
}

TEST_CASE("it asks after a while, each time after twice as long, up to a bound") {
    breaker b({.failures = 1, .first_wait = 1_s, .longest_wait = 5_s});
    b.failed(10_s);
    CHECK(b.wait(10_s) == 1_s);
    CHECK_FALSE(b.wants_probe(10.9_s));
    CHECK(b.wants_probe(11_s));
    CHECK_FALSE(b.probed(false, 11_s));
    CHECK_FALSE(b.wants_probe(12.9_s));
    CHECK(b.wants_probe(13_s));
    CHECK_FALSE(b.probed(false, 13_s));
    CHECK(b.wait(13_s) == 4_s);
    b.probed(false, 17_s);
    CHECK(b.wait(17_s) == 5_s);
    CHECK(b.probed(true, 22_s));
    CHECK_FALSE(b.is_open());
    CHECK(b.wait(22_s) == 0_s);
    b.failed(30_s);
    CHECK(b.wait(30_s) == 1_s);  // as at first
}
