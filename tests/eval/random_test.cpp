#include <qlroute/eval/random.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>

using qlroute::eval::keyed_random;

namespace {

struct moments {
    double mean = 0, deviation = 0, least = INFINITY, most = -INFINITY;
};

/// Of 100 000 draws.
template <class Draw>
moments moments_of(const Draw& draw) {
    keyed_random luck(42);
    constexpr int count = 100'000;
    moments m;
    double sum = 0, squares = 0;
    for (int k = 0; k < count; ++k) {
        const double x = draw(luck);
        sum += x;
        squares += x * x;
        m.least = std::fmin(m.least, x);
        m.most = std::fmax(m.most, x);
    }
    m.mean = sum / count;
    m.deviation = std::sqrt(squares / count - m.mean * m.mean);
    return m;
}

}  // namespace

TEST_CASE("the first random numbers are the same with every compiler") {
    keyed_random zero(0);  // as published with splitmix64
    CHECK(zero.next() == 0xE220A8397B1DCDAF);
    CHECK(zero.next() == 0x6E789E6AA1B965F4);
    CHECK(keyed_random(1, 2).next() == 0xBCD9DBB49673066B);
    keyed_random keyed(1, 2, 3);
    CHECK(keyed.next() == 0xD0734750FDE362B3);
    CHECK(keyed.next() == 0x449911AECA8FC593);
    CHECK(keyed_random(7).uniform() == 0.3898297483912715);
    CHECK(keyed_random(7).exponential() == doctest::Approx(0.49401725975830246).epsilon(1e-14));
    CHECK(keyed_random(7).normal() == doctest::Approx(0.9884743323187353).epsilon(1e-14));
    CHECK(keyed_random(7).lognormal(2) == doctest::Approx(std::exp(2 * 0.9884743323187353)).epsilon(1e-14));
    CHECK(keyed_random(0).below(1000) == 0xE220A8397B1DCDAF % 1000);
    static_assert(keyed_random(0).next() == 0xE220A8397B1DCDAF, "also while compiling");
}

TEST_CASE("the same keys give the same stream") {
    keyed_random one(5, 6, 7), other(5, 6, 7);
    for (int k = 0; k < 100; ++k) CHECK(one.next() == other.next());
}

TEST_CASE("streams of other keys, of keys in another order, and of fewer keys differ") {
    std::set<std::uint64_t> first;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        first.insert(keyed_random(seed).next());
        for (std::uint64_t a = 0; a < 10; ++a) {
            first.insert(keyed_random(seed, a).next());
            for (std::uint64_t b = 0; b < 10; ++b) first.insert(keyed_random(seed, a, b).next());
        }
    }
    CHECK(first.size() == 10 + 100 + 1000);
}

TEST_CASE("streams of neighbouring keys have nothing to do with each other") {
    double sum = 0, products = 0;
    constexpr int count = 20'000;
    for (std::uint64_t k = 0; k < count; ++k) {
        const double a = keyed_random(1, k).uniform() - 0.5, b = keyed_random(1, k + 1).uniform() - 0.5;
        sum += a;
        products += a * b;
    }
    CHECK(std::abs(sum / count) < 0.01);                    // deviation 0.289 / sqrt(20 000) = 0.002
    CHECK(std::abs(products / count / (1 / 12.0)) < 0.04);  // deviation 0.007
}

TEST_CASE("uniform numbers lie in [0, 1) with mean 1/2 and deviation 1 / sqrt(12)") {
    const auto m = moments_of([](keyed_random& luck) { return luck.uniform(); });
    CHECK(m.least >= 0);
    CHECK(m.most < 1);
    CHECK(m.mean == doctest::Approx(0.5).epsilon(0.01));
    CHECK(m.deviation == doctest::Approx(0.288675).epsilon(0.01));
}

TEST_CASE("each of so many is drawn about as often") {
    std::array<int, 7> counts{};
    keyed_random luck(42);
    for (int k = 0; k < 70'000; ++k) ++counts[luck.below(7)];
    for (const int count : counts) CHECK(std::abs(count - 10'000) < 500);
    CHECK(luck.below(1) == 0);
}

TEST_CASE("exponential numbers are not negative, with mean and deviation 1") {
    const auto m = moments_of([](keyed_random& luck) { return luck.exponential(); });
    CHECK(m.least >= 0);
    CHECK(std::isfinite(m.most));
    CHECK(m.mean == doctest::Approx(1).epsilon(0.02));
    CHECK(m.deviation == doctest::Approx(1).epsilon(0.02));
}

TEST_CASE("normal numbers have mean 0 and deviation 1, and 95 % of them lie within 1.96") {
    const auto m = moments_of([](keyed_random& luck) { return luck.normal(); });
    CHECK(std::abs(m.mean) < 0.02);
    CHECK(m.deviation == doctest::Approx(1).epsilon(0.02));
    const auto inside = moments_of([](keyed_random& luck) { return std::abs(luck.normal()) < 1.959964 ? 1.0 : 0.0; });
    CHECK(inside.mean == doctest::Approx(0.95).epsilon(0.005));
}

TEST_CASE("lognormal numbers have median 1, and their logarithm deviates by sigma") {
    const auto logarithm = moments_of([](keyed_random& luck) { return std::log(luck.lognormal(0.6)); });
    CHECK(std::abs(logarithm.mean) < 0.01);
    CHECK(logarithm.deviation == doctest::Approx(0.6).epsilon(0.02));
    const auto below = moments_of([](keyed_random& luck) { return luck.lognormal(0.6) < 1 ? 1.0 : 0.0; });
    CHECK(below.mean == doctest::Approx(0.5).epsilon(0.02));
    CHECK(keyed_random(3).lognormal(0) == 1);
}
