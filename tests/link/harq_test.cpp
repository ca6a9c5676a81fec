#include <qlroute/link/harq.hpp>

#include <qlroute/link/radio_state.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(retransmission_policy<independent_tries> && retransmission_policy<rayleigh_chase>);
static_assert(!retransmission_policy<ratio>);

}  // namespace

TEST_CASE_TEMPLATE("independent tries by hand", Rep, QLROUTE_TEST_REPS) {
    // 1 + 1/2 + 1/4 + 1/8 tries, 1/16 lost, (15/16) / (15/8) = 1/2 of the tries deliver, 1 + 7/8 * 8 ms
    const harq<> four = harq<>::lte();
    const auto p = filled<Rep>(ratio(0.5));
    CHECK(equals<Rep>(four.expected_tries(p), ratio(1.875)));
    CHECK(equals<Rep>(four.residual(p), ratio(0.0625)));
    CHECK(equals<Rep>(four.efficiency(p), ratio(0.5)));
    CHECK(equals<Rep>(four.mean_delay(p), 8_ms));
}

TEST_CASE("expected tries are (1 - p^M) / (1 - p)") {
    for (const int most : {1, 2, 4, 8})
        for (const double p : {0.0, 0.1, 0.3, 0.9}) {
            const double expected = (1 - std::pow(p, most)) / (1 - p);
            CHECK(harq<>{.most = most}.expected_tries(ratio(p)).value() == doctest::Approx(expected));
        }
}

TEST_CASE("the usual ten percent cost a tenth of a HARQ round trip") {
    CHECK(harq<>::lte().mean_delay(10_percent).value() == doctest::Approx(1e-3 + 0.111 * 8e-3));
    CHECK(harq<>::nr().mean_delay(10_percent).value() == doctest::Approx(0.5e-3 + 0.111 * 4e-3));
}

TEST_CASE_TEMPLATE("chase combining by hand", Rep, QLROUTE_TEST_REPS) {
    // needed / snr = 1: after one try 1 - 1/e fail, after two 1 - 2/e
    const harq<rayleigh_chase> two{.most = 2, .transmission = 1_ms, .round_trip = 10_ms, .tries = {.needed = 5}};
    const auto snr = filled<Rep>(ratio(5));
    const double e = std::exp(-1);
    CHECK(equals<Rep>(two.expected_tries(snr), ratio(2 - e)));
    CHECK(equals<Rep>(two.residual(snr), ratio(1 - 2 * e)));
    CHECK(equals<Rep>(two.mean_delay(snr), 1_ms + (1 - e) * 10_ms));
}

TEST_CASE("chase combining is what happens to fades drawn at random") {
    std::mt19937 bits(5);
    const auto exponential = [&] { return -std::log((static_cast<double>(bits()) + 0.5) / 4294967296.0); };
    constexpr int blocks = 300000;
    const double snr = 2;
    const double needed = 3;
    double tries = 0;
    double lost = 0;
    for (int i = 0; i < blocks; ++i) {
        double sum = 0;
        int k = 0;
        while (k < 4 && sum < needed) {
            sum += snr * exponential();
            ++k;
        }
        tries += k;
        lost += sum < needed ? 1 : 0;
    }
    const harq<rayleigh_chase> four{.tries = {.needed = needed}};
    CHECK(four.expected_tries(ratio(snr)).value() == doctest::Approx(tries / blocks).epsilon(0.005));
    CHECK(four.residual(ratio(snr)).value() == doctest::Approx(lost / blocks).epsilon(0.03));
}

TEST_CASE("combining loses less than starting anew") {
    const double needed = 3;
    for (const double snr : {0.5, 2.0, 10.0}) {
        const harq<rayleigh_chase> chase{.tries = {.needed = needed}};
        const ratio first = -std::expm1(-needed / snr);
        CHECK(chase.residual(ratio(snr)) < harq<>{}.residual(first));
        CHECK(chase.expected_tries(ratio(snr)) < harq<>{}.expected_tries(first));
    }
}

TEST_CASE("no signal, no error and no number have an answer") {
    CHECK(harq<>{}.expected_tries(ratio(1)) == ratio(4));
    CHECK(harq<>{}.expected_tries(ratio(2)) == ratio(4));
    CHECK(harq<>{}.expected_tries(ratio(-1)) == ratio(1));
    CHECK(harq<>{}.efficiency(ratio(1)) == ratio(0));
    CHECK(harq<>{.most = 0}.residual(ratio(0.5)) == ratio(0.5));
    CHECK(harq<>{.most = 0}.expected_tries(ratio(0.5)) == ratio(1));
    CHECK(harq<rayleigh_chase>{}.residual(ratio(0)) == ratio(1));
    CHECK(harq<rayleigh_chase>{.tries = {.needed = 0}}.residual(ratio(0)) == ratio(0));
    for (const double nan : {std::nan("")}) {
        CHECK(std::isnan(harq<>{}.mean_delay(ratio(nan)).value()));
        CHECK(std::isnan(harq<>{.most = 1}.mean_delay(ratio(nan)).value()));
        CHECK(std::isnan(harq<rayleigh_chase>{}.residual(ratio(nan)).value()));
    }
}

TEST_CASE("a grant takes half a period and the way there and back") {
    CHECK(uplink_grant{20_ms, 3_ms, 4_ms, 1_ms}.mean_delay().value() == doctest::Approx(0.018));
    CHECK(uplink_grant::lte().mean_delay().value() == doctest::Approx(0.014));
    CHECK(uplink_grant::nr().mean_delay().value() == doctest::Approx(0.007));
    // what a radio pays that wakes within its connection
    CHECK(uplink_grant::lte().mean_delay().value() == doctest::Approx(rrc::lte().scheduling_request.value()));
    CHECK(uplink_grant::nr().mean_delay().value() == doctest::Approx(rrc::nr_sa().scheduling_request.value()));
}
