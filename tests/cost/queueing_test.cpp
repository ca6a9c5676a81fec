#include <qlroute/cost/queueing.hpp>

#include <qlroute/cost/by_endpoint.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(std::same_as<cost::cost_of<cost::queueing<>>, seconds>);
static_assert(std::same_as<decltype(cost::queueing{}), cost::queueing<cost::announced>>);
static_assert(std::same_as<decltype(cost::queueing{cost::mmc{}}), cost::queueing<cost::mmc>>);
static_assert(cost::queueing_policy<cost::processor_sharing<>> && cost::queueing_policy<cost::from_counters>);
static_assert(!cost::queueing_policy<cost::linear_rate>);

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

/// Llama-3.3-70B on two H100, 5000 tokens in and 500 out.
constexpr batching_server large{
    .base = 19_ms / 1_tok, .per_request = 0.755_ms / 1_tok, .prefill = 406.8_ms, .output = 500_tok, .slots = 100};

/// Times between events of a Poisson process, the same on every platform.
class exponential {
public:
    explicit exponential(std::uint32_t seed) : bits_(seed) {}
    double operator()(double mean) { return -mean * std::log1p(-static_cast<double>(bits_()) / 4294967296.0); }

private:
    std::mt19937 bits_;
};

/// Mean wait in a queue of c servers, one request after the other (Kiefer and Wolfowitz).
template <class Service>
double simulated_wait(std::size_t servers, double arrival_rate, Service service, int requests) {
    exponential random(11);
    std::vector<double> free_at(servers, 0.0);
    double now = 0;
    double waited = 0;
    for (int i = 0; i < requests; ++i) {
        now += random(1 / arrival_rate);
        const auto first = std::min_element(free_at.begin(), free_at.end());
        const double start = std::max(now, *first);
        waited += start - now;
        *first = start + service(random);
    }
    return waited / requests;
}

}  // namespace

TEST_CASE_TEMPLATE("queueing is the delay that the target announces unless a policy is given", Rep, QLROUTE_TEST_REPS) {
    CHECK(equals<Rep>(cost::queueing{}(filled<Rep>(round_facts())), 30_ms));
}

TEST_CASE_TEMPLATE("Erlang's C is the share that waits", Rep, QLROUTE_TEST_REPS) {
    // One server: rho. Two at a = 1: 1/3. Three at a = 2: 4/9, the textbook's.
    CHECK(equals<Rep>(erlang_c(1, filled<Rep>(ratio(0.5))), ratio(0.5)));
    CHECK(equals<Rep>(erlang_c(2, filled<Rep>(ratio(1))), ratio(1.0 / 3)));
    CHECK(equals<Rep>(erlang_c(3, filled<Rep>(ratio(2))), ratio(4.0 / 9)));
    CHECK(equals<Rep>(erlang_c(3, filled<Rep>(ratio(3))), ratio(1)));
    CHECK(equals<Rep>(erlang_c(3, filled<Rep>(ratio(0))), ratio(0)));
    CHECK(equals<Rep>(erlang_c(3, filled<Rep>(ratio(not_a_number))), ratio(0)));
    CHECK(equals<Rep>(erlang_c(0, filled<Rep>(ratio(0.1))), ratio(1)));
}

TEST_CASE("the recursion equals the sum it stands for, and holds where factorials overflow") {
    for (const std::size_t c : {1u, 2u, 5u, 20u, 60u}) {
        for (const double rho : {0.1, 0.5, 0.9, 0.99}) {
            const double a = rho * static_cast<double>(c);
            double below = 0;
            double power = 1;  // a^k / k!
            for (std::size_t k = 0; k < c; ++k) {
                below += power;
                power *= a / static_cast<double>(k + 1);
            }
            const double full = power / (1 - rho);
            CAPTURE(c);
            CAPTURE(rho);
            CHECK(erlang_c(c, ratio(a)).value() == doctest::Approx(full / (below + full)).epsilon(1e-12));
        }
    }
    const double many = erlang_c(5000, ratio(4950)).value();
    CHECK(many > 0.3);
    CHECK(many < 0.4);
}

TEST_CASE_TEMPLATE("the mean wait of M/M/c, and the share that waits longer than t", Rep, QLROUTE_TEST_REPS) {
    // One server at rho = 1/2: S. Three at a = 2: 4/9 S. Of one server, e^-1 / 2 wait longer than 2 S.
    const auto service = filled<Rep>(2_s);
    CHECK(equals<Rep>(mmc_wait(1, filled<Rep>(0.25_Hz), service), 2_s));
    CHECK(equals<Rep>(mmc_wait(3, filled<Rep>(1_Hz), service), seconds(8.0 / 9)));
    CHECK(equals<Rep>(mmc_wait_exceeds(1, filled<Rep>(0.25_Hz), service, filled<Rep>(4_s)), ratio(std::exp(-1) / 2)));
    CHECK(equals<Rep>(mmc_wait_exceeds(1, filled<Rep>(0.25_Hz), service, filled<Rep>(-1_s)), ratio(0.5)));
    CHECK(equals<Rep>(mmc_wait(3, filled<Rep>(1.5_Hz), service), overload_wait));
    CHECK(equals<Rep>(mmc_wait_exceeds(3, filled<Rep>(1.5_Hz), service, filled<Rep>(9_s)), ratio(1)));
    CHECK(equals<Rep>(mmc_wait(3, filled<Rep>(0_Hz), service), 0_s));
    CHECK(equals<Rep>(mmc_wait_exceeds(3, filled<Rep>(0_Hz), service, filled<Rep>(0_s)), ratio(0)));
}

TEST_CASE("the probability of a wait integrates to its mean") {
    const double dt = 0.001;
    double area = 0;
    for (double t = dt / 2; t < 60; t += dt) area += dt * mmc_wait_exceeds(4, 1.5_Hz, 2_s, seconds(t)).value();
    CHECK(area == doctest::Approx(mmc_wait(4, 1.5_Hz, 2_s).value()).epsilon(1e-5));
}

TEST_CASE("M/G/1 lies between a service of one length and the exponential one") {
    const auto s = round_facts();
    CHECK(cost::mg1{.arrival_rate = 0.5_Hz, .service_time = 1_s}(s).value() == doctest::Approx(1));
    CHECK(cost::mg1{.arrival_rate = 0.5_Hz, .service_time = 1_s, .squared_cv = 0}(s).value() == doctest::Approx(0.5));
    CHECK(cost::mg1{.arrival_rate = 0.8_Hz, .service_time = 1_s, .squared_cv = 4}(s).value() == doctest::Approx(10));
    CHECK(cost::mg1{.arrival_rate = 0.5_Hz, .service_time = 1_s, .squared_cv = -3}(s).value() == doctest::Approx(0.5));
    CHECK(cost::mg1{.arrival_rate = 0.5_Hz, .service_time = 1_s, .squared_cv = not_a_number}(s).value() ==
          doctest::Approx(0.5));
    CHECK(cost::mg1{.arrival_rate = 1_Hz, .service_time = 1_s, .squared_cv = 0}(s) == overload_wait);
}

TEST_CASE("queues of simulated requests wait as long as the formulas say") {
    const auto s = round_facts();
    const auto drawn = [](double mean) { return [mean](exponential& random) { return random(mean); }; };
    const auto fixed = [](double length) { return [length](exponential&) { return length; }; };
    CHECK(
        simulated_wait(4, 1.5, drawn(2), 2'000'000) ==
        doctest::Approx(cost::mmc{.servers = 4, .arrival_rate = 1.5_Hz, .service_time = 2_s}(s).value()).epsilon(0.02));
    CHECK(simulated_wait(1, 0.7, fixed(1), 2'000'000) ==
          doctest::Approx(cost::mg1{.arrival_rate = 0.7_Hz, .service_time = 1_s, .squared_cv = 0}(s).value())
              .epsilon(0.01));
    // Allen and Cunneen approximate M/D/4; they are within a tenth here.
    const cost::ggc four{.servers = 4, .arrival_rate = 3.2_Hz, .service_time = 1_s, .squared_cv_of_service = 0};
    CHECK(simulated_wait(4, 3.2, fixed(1), 2'000'000) == doctest::Approx(four(s).value()).epsilon(0.1));
}

TEST_CASE("Allen and Cunneen agree with the exact formulas where there are any") {
    const auto s = round_facts();
    const cost::ggc poisson{.servers = 4, .arrival_rate = 1.5_Hz, .service_time = 2_s};
    CHECK(poisson(s) == cost::mmc{.servers = 4, .arrival_rate = 1.5_Hz, .service_time = 2_s}(s));
    const cost::ggc single{.arrival_rate = 0.7_Hz, .service_time = 1_s, .squared_cv_of_service = 0.3};
    CHECK(single(s).value() ==
          doctest::Approx(cost::mg1{.arrival_rate = 0.7_Hz, .service_time = 1_s, .squared_cv = 0.3}(s).value()));
    const cost::ggc clockwork{
        .arrival_rate = 0.7_Hz, .service_time = 1_s, .squared_cv_of_arrivals = 0, .squared_cv_of_service = 0};
    CHECK(clockwork(s) == 0_s);
}

TEST_CASE_TEMPLATE("a shared processor stretches this turn's own work", Rep, QLROUTE_TEST_REPS) {
    const auto s = filled<Rep>(round_facts());
    // 500 uncached tokens at 1000 tok/s and 49 at 20 ms: 1.48 s of work; rho = 3/4 adds three times as much.
    CHECK(equals<Rep>(cost::processor_sharing<>{.arrival_rate = 0.5_Hz, .service_time = 1.5_s}(s), 4.44_s));
    CHECK(equals<Rep>(cost::processor_sharing<>{.arrival_rate = 0.5_Hz, .service_time = 2_s}(s), overload_wait));
    CHECK(equals<Rep>(cost::processor_sharing<>{}(s), 0_s));
}

TEST_CASE_TEMPLATE("counters say how many must leave first", Rep, QLROUTE_TEST_REPS) {
    auto s = filled<Rep>(round_facts());  // 3 running, 2 waiting
    // Of three slots none is free: three must leave, one every 4 s / 3.
    CHECK(equals<Rep>(cost::from_counters{.slots = 3, .service_time = 4_s}(s), 4_s));
    // Of four slots one is free, and two are before us: two must leave, one a second.
    CHECK(equals<Rep>(cost::from_counters{.slots = 4, .service_time = 4_s}(s), 2_s));
    CHECK(equals<Rep>(cost::from_counters{.slots = 8, .service_time = 4_s}(s), 0_s));
    // More running than slots, as a counter that lags may say: as if full.
    CHECK(equals<Rep>(cost::from_counters{.slots = 2, .service_time = 4_s}(s), 6_s));
    CHECK(equals<Rep>(cost::from_counters{.slots = 0, .service_time = 4_s}(s), overload_wait));
    CHECK(equals<Rep>(cost::from_counters{.slots = 3}(s), 0_s));
    s.requests_running = filled<Rep>(ratio(not_a_number));
    s.requests_waiting = filled<Rep>(ratio(-1));
    CHECK(equals<Rep>(cost::from_counters{.slots = 3, .service_time = 4_s}(s), 0_s));
}

TEST_CASE("counters predict the mean of simulated waits") {
    // Four slots busy with exponential services of 2 s, three requests before this one.
    exponential random(5);
    double waited = 0;
    const int runs = 200'000;
    for (int i = 0; i < runs; ++i) {
        std::array<double, 4> free_at{};
        for (double& one : free_at) one = random(2);
        for (int before = 0; before < 3; ++before) *std::min_element(free_at.begin(), free_at.end()) += random(2);
        waited += *std::min_element(free_at.begin(), free_at.end());
    }
    auto s = round_facts();
    s.requests_running = 4;
    s.requests_waiting = 3;
    CHECK(waited / runs ==
          doctest::Approx(cost::from_counters{.slots = 4, .service_time = 2_s}(s).value()).epsilon(0.01));
}

TEST_CASE("bad input to a queue is nobody waiting, or an overload, and never infinite") {
    const auto s = round_facts();
    for (const double bad : {0.0, -1.0, not_a_number}) {
        CHECK(cost::mmc{.servers = 2, .arrival_rate = hertz(bad), .service_time = 1_s}(s) == 0_s);
        CHECK(cost::mmc{.servers = 2, .arrival_rate = 1_Hz, .service_time = seconds(bad)}(s) == 0_s);
        CHECK(cost::mg1{.arrival_rate = hertz(bad), .service_time = 1_s}(s) == 0_s);
        CHECK(cost::processor_sharing<>{.arrival_rate = hertz(bad), .service_time = 1_s}(s) == 0_s);
        CHECK(cost::batch_slots{large, hertz(bad)}(s) == 0_s);
    }
    CHECK(cost::mmc{.servers = 0, .arrival_rate = 1_Hz, .service_time = 1_s}(s) == overload_wait);
    CHECK(cost::mmc{.servers = 2, .arrival_rate = hertz(infinite), .service_time = 1_s}(s) == overload_wait);
    CHECK(cost::mmc{.servers = 2, .arrival_rate = 1_Hz, .service_time = seconds(infinite)}(s) == overload_wait);
    // All but saturated: the wait is longer than any number that is of use.
    CHECK(cost::mmc{.servers = 1, .arrival_rate = hertz(1 - 1e-12), .service_time = 1_s}(s) == overload_wait);
    CHECK(std::isfinite((0 * cost::queueing{cost::mmc{.arrival_rate = 9_Hz, .service_time = 9_s}})(s).value()));
}

TEST_CASE("two overloaded endpoints still differ by what else they cost, in a float too") {
    const quantity<dim::time, float> overload = overload_wait;
    const quantity<dim::time, float> more(0.1f);
    CHECK(overload + more > overload);
}

TEST_CASE("endpoints may queue each in its own way") {
    auto s = round_facts();
    const cost::queueing term{cost::by_endpoint{cost::announced{}, cost::mmc{1, 0.5_Hz, 1_s}}};
    CHECK(term(s) == 30_ms);
    s.where = 1;
    CHECK(term(s).value() == doctest::Approx(1));
}

TEST_CASE("the line of a batching server is within 7 % of what was measured") {
    struct measured {
        double requests;
        double milliseconds;
    };
    for (const auto& each :
         {measured{1, 18.6}, measured{5, 21.8}, measured{25, 38.8}, measured{50, 59.7}, measured{100, 92.9}}) {
        CAPTURE(each.requests);
        CHECK(large.inter_token(each.requests).value() * 1e3 == doctest::Approx(each.milliseconds).epsilon(0.07));
    }
}

TEST_CASE("arrivals and a batching server settle where Little's law holds") {
    // lambda n kappa = 2 * 500 * 0.755 ms = 0.755; N = 2 * (0.4068 + 9.5) / 0.245
    const batch_load two = continuous_batching_fixed_point(large, 2_Hz);
    CHECK(two.stable);
    CHECK(two.requests.value() == doctest::Approx(2 * 9.9068 / 0.245));
    CHECK(two.inter_token.value() == doctest::Approx(0.019 + 0.000755 * 2 * 9.9068 / 0.245));
    CHECK(2 * large.service_time(two.requests.value()).value() == doctest::Approx(two.requests.value()));
}

TEST_CASE("a batching server is unstable past its slots, and past the rate at which it only slows down") {
    auto roomy = large;
    roomy.slots = 1'000'000;
    CHECK(continuous_batching_fixed_point(roomy, 2.6_Hz).stable);            // lambda n kappa = 0.98
    CHECK(!continuous_batching_fixed_point(roomy, 2.65_Hz).stable);          // 1.0004
    const batch_load full = continuous_batching_fixed_point(large, 2.4_Hz);  // N would be 253
    CHECK(!full.stable);
    CHECK(full.requests == ratio(100));
    CHECK(full.inter_token.value() == doctest::Approx(0.0945));
    CHECK(continuous_batching_fixed_point(large, hertz(not_a_number)).requests == ratio(0));
    CHECK(continuous_batching_fixed_point(large, 0_Hz).stable);
    CHECK(!continuous_batching_fixed_point(large, hertz(infinite)).stable);
}

TEST_CASE("a batching server that does not slow down is M/M/c") {
    // 4 s of service whatever the batch
    const batching_server even{.base = 40_ms / 1_tok, .prefill = 2_s, .output = 50_tok, .slots = 6};
    const batch_statistics all = batch_birth_death(even, 1.2_Hz);
    CHECK(all.stable);
    CHECK(all.p_wait.value() == doctest::Approx(erlang_c(6, ratio(4.8)).value()));
    CHECK(all.wait.value() == doctest::Approx(mmc_wait(6, 1.2_Hz, 4_s).value()));
    CHECK(all.running.value() == doctest::Approx(4.8));
    CHECK(all.waiting.value() == doctest::Approx(1.2 * all.wait.value()));
    CHECK(cost::queueing{cost::batch_slots{even, 1.2_Hz}}(round_facts()) == all.wait);
}

TEST_CASE("the birth-death chain of a batching server is exact") {
    // Every state on its own, up to far beyond the slots.
    const double lambda = 1.9;
    std::vector<double> weight{1};
    for (int n = 1; n < 4000; ++n) {
        const double served = std::min(n, 100);
        weight.push_back(weight.back() * lambda * large.service_time(served).value() / served);
    }
    double all = 0;
    double running = 0;
    double waiting = 0;
    for (std::size_t n = 0; n < weight.size(); ++n) {
        all += weight[n];
        running += weight[n] * static_cast<double>(std::min<std::size_t>(n, 100));
        waiting += weight[n] * static_cast<double>(n - std::min<std::size_t>(n, 100));
    }
    const batch_statistics chain = batch_birth_death(large, hertz(lambda));
    CHECK(chain.stable);
    CHECK(chain.running.value() == doctest::Approx(running / all));
    CHECK(chain.waiting.value() == doctest::Approx(waiting / all));
    CHECK(chain.wait.value() == doctest::Approx(waiting / all / lambda));
    const batch_statistics busier = batch_birth_death(large, 2_Hz);
    CHECK(busier.running.value() == doctest::Approx(83.16).epsilon(1e-3));
    CHECK(busier.p_wait.value() == doctest::Approx(0.258).epsilon(1e-2));
    CHECK(busier.wait.value() == doctest::Approx(2.62).epsilon(1e-2));

    // Where hardly anyone queues the fixed point is near the chain's mean.
    const double settled = continuous_batching_fixed_point(large, 1.5_Hz).requests.value();
    CHECK(settled == doctest::Approx(batch_birth_death(large, 1.5_Hz).running.value()).epsilon(0.05));
}

TEST_CASE("the chain is stable exactly where the fixed point is, and survives large batches") {
    for (const double rate : {0.1, 1.0, 2.0, 2.05, 2.0968, 2.0975, 2.3, 3.0}) {
        CAPTURE(rate);
        const auto chain = batch_birth_death(large, hertz(rate));
        CHECK(chain.stable == continuous_batching_fixed_point(large, hertz(rate)).stable);
        if (!chain.stable) CHECK(chain.wait == overload_wait);
        if (!chain.stable) CHECK(chain.running == ratio(100));
    }
    const batching_server huge{.base = 20_ms / 1_tok, .prefill = 0_s, .output = 500_tok, .slots = 20'000};
    const auto chain = batch_birth_death(huge, 1900_Hz);  // 19000 Erlang
    CHECK(chain.running.value() == doctest::Approx(19'000));
    CHECK(chain.wait.value() == doctest::Approx(mmc_wait(20'000, 1900_Hz, 10_s).value()));
    auto none = large;
    none.slots = 0;
    CHECK(batch_birth_death(none, 1_Hz).wait == overload_wait);
}
