#include <qlroute/simd/scalar.hpp>

#include <doctest/doctest.h>

#include <support/kernels.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace qlroute;
using namespace qlroute::simd;

TEST_CASE("a fused multiply-add is rounded once, like the instruction and the C library's") {
    // 1 + 2^-12 squared is 1 + 2^-11 + 2^-24: half-way between two floats, and the addend decides.
    const float x = 1 + std::ldexp(1.0f, -12);
    for (const float addend : {0.0f, 1e-30f, -1e-30f, 1.0f, -1.0f})
        CHECK(scalar::fused(x, x, addend) == std::fma(x, x, addend));
    std::mt19937 random(1);
    std::uniform_int_distribution<std::uint32_t> bits;
    for (int k = 0; k < 2'000'000; ++k) {
        // signs and mantissas at random, exponents near each other
        const auto number = [&](std::uint32_t exponent) {
            return std::bit_cast<float>((bits(random) & 0x807FFFFFu) | (exponent + bits(random) % 30) << 23);
        };
        const float a = number(112), b = number(112), c = number(100);
        REQUIRE(scalar::fused(a, b, c) == std::fma(a, b, c));
        // short mantissas, whose products and sums are often half-way
        const auto shortened = [](float v, std::uint32_t mask) {
            return std::bit_cast<float>(std::bit_cast<std::uint32_t>(v) & mask);
        };
        const float d = shortened(a, 0xFFFFF000u), e = shortened(b, 0xFFFFF000u), f = shortened(c, 0xFFFF0000u);
        REQUIRE(scalar::fused(d, e, f) == std::fma(d, e, f));
    }
}

TEST_CASE("gemm adds up the products of bytes to what is there first") {
    // one row (1, 2, 3, 4), one panel: column j is (j, 0, 0, -1)
    const std::uint8_t a[] = {1, 2, 3, 4};
    std::vector<std::int8_t> b(64);
    std::vector<std::int32_t> init(16, 100), c(16);
    for (std::size_t j = 0; j < 16; ++j) {
        b[4 * j] = static_cast<std::int8_t>(j);
        b[4 * j + 3] = -1;
    }
    scalar_kernels.gemm({a, 4, b.data(), 64, init.data(), c.data(), 16, 1, 16, 4});
    for (int j = 0; j < 16; ++j) CHECK(c[static_cast<std::size_t>(j)] == 100 + j - 4);
}

TEST_CASE("scalar gemm is exact, with the largest magnitudes as well") { testing::check_kernels(scalar_kernels); }

TEST_CASE("norm makes the mean 0 and the variance 1, then scales and shifts, and quantises by the largest magnitude") {
    // x + real = 1 on 32 columns and -1 on the others: mean 0, variance 1
    std::vector<std::int32_t> sums(64, 4);
    std::vector<float> x(64), scale(64, 0.25f), bias(64), gamma(64, 2.0f), beta(64, 1.0f);
    for (std::size_t k = 0; k < 64; ++k) x[k] = k % 2 == 0 ? 0.0f : -2.0f;
    const float row_scale = 1;
    float out_scale = 0;
    std::vector<std::uint8_t> bytes(64);
    scalar_kernels.rows.add_norm(
        {.norm = {gamma.data(), beta.data(), 0.0f, x.data(), {bytes.data(), 64, &out_scale}, 1, 64, 0},
         .in = {sums.data(), 64, &row_scale, scale.data(), bias.data()}});
    CHECK(x[0] == 3.0f);   //  1 * 2 + 1
    CHECK(x[1] == -1.0f);  // -1 * 2 + 1
    CHECK(out_scale == 3.0f / 127.0f);
    CHECK(static_cast<std::int8_t>(bytes[0]) == 127);
    CHECK(static_cast<std::int8_t>(bytes[1]) == -42);  // -1 / 3 * 127 = -42.3
}

TEST_CASE("gelu is x * Phi(x) within 2.1e-4") {
    for (float x = -12; x < 12; x += 0.01f) {
        std::vector<std::int32_t> sums(64, 1);
        std::vector<float> scale(64, x), bias(64);
        const float row_scale = 1;
        float out_scale = 0;
        std::vector<std::uint8_t> bytes(64);
        scalar_kernels.rows.gelu({.in = {sums.data(), 64, &row_scale, scale.data(), bias.data()},
                                  .rows = 1,
                                  .columns = 64,
                                  .out = {bytes.data(), 64, &out_scale},
                                  .zero_point = 0});
        const double exact = 0.5 * static_cast<double>(x) * std::erfc(-static_cast<double>(x) / std::sqrt(2.0));
        REQUIRE(std::abs(static_cast<double>(std::bit_cast<float>(sums[5])) - exact) < 2.1e-4);
    }
}

TEST_CASE("exp2 is within 9e-5 where weights are bytes, and 2e-7 in the pooler") {
    for (float x = -125; x <= 0; x += 0.0137f) {
        const double exact = std::exp2(static_cast<double>(x));
        REQUIRE(std::abs(static_cast<double>(scalar::exp2_coarse(scalar::splat(x)).at[3]) / exact - 1) < 9e-5);
        REQUIRE(std::abs(static_cast<double>(scalar::exp2_fine(scalar::splat(x)).at[3]) / exact - 1) < 2e-7);
    }
    CHECK(scalar::exp2_coarse(scalar::zero()).at[0] == 1.0f);
}

TEST_CASE("dense multiplies, adds the bias, and takes the tanh if asked") {
    // weights[c] = c + 1 in every place, x = 1 / 64 each: the product is c + 1
    std::vector<float> x(64, 1.0f / 64), weight, bias, out(16);
    for (int c = 0; c < 16; ++c) {
        weight.insert(weight.end(), 64, static_cast<float>(c + 1));
        bias.push_back(c % 2 == 0 ? 0.0f : -1.0f);
    }
    scalar_kernels.rows.dense({x.data(), weight.data(), bias.data(), out.data(), 5, 64, false});
    CHECK(std::vector<float>(out.begin(), out.begin() + 5) == std::vector<float>{1, 1, 3, 3, 5});
    scalar_kernels.rows.dense({x.data(), weight.data(), bias.data(), out.data(), 16, 64, true});
    CHECK(static_cast<double>(out[2]) == doctest::Approx(std::tanh(3.0)).epsilon(1e-6));
}

TEST_CASE("tanh is within 3e-7, odd, and 1 far out") {
    for (float x = -20; x <= 20; x += 0.0137f)
        REQUIRE(std::abs(static_cast<double>(scalar::tanh_of(scalar::splat(x)).at[7]) -
                         std::tanh(static_cast<double>(x))) < 3e-7);
    CHECK(scalar::tanh_of(scalar::splat(-0.5f)).at[0] == -scalar::tanh_of(scalar::splat(0.5f)).at[0]);
    CHECK(scalar::tanh_of(scalar::splat(100.0f)).at[0] == 1.0f);
}

TEST_CASE("softmax gives each token its share: weights of 254 for the largest, 127 for half of it") {
    // scores 2, 1, 0 with scales of 1: exp2 gives 1, 1/2, 1/4 of the largest
    std::vector<std::int32_t> scores(16);
    scores[0] = 2;
    scores[1] = 1;
    std::vector<float> k_scale(16, 1.0f), v_weight(16, 254.0f);
    const float q_scale = 1;
    float scale = 0;
    std::vector<std::uint8_t> bytes(64);
    scalar_kernels.rows.softmax({.scores = scores.data(),
                                 .stride = 16,
                                 .rows = 1,
                                 .tokens = 3,
                                 .q_scale = &q_scale,
                                 .k_scale = k_scale.data(),
                                 .v_weight = v_weight.data(),
                                 .unit = 7.0f,
                                 .out = {bytes.data(), 64, &scale},
                                 .zero_point = 128});
    CHECK(bytes[0] == 254);
    CHECK(bytes[1] == 127);
    CHECK((bytes[2] == 63 || bytes[2] == 64));  // 63.5
    CHECK(scale == 7.0f / 1.75f);
}

TEST_CASE("many small weights keep their sum: the rounding error of one goes to the token 64 further on") {
    // One token has weight 1, and 639 have 1/1024 of it: each is 0.248 of a byte, all together 158.5 bytes.
    constexpr std::size_t tokens = 640;
    std::vector<std::int32_t> scores(tokens, -10);
    scores[0] = 0;
    std::vector<float> k_scale(tokens, 1.0f), v_weight(tokens, 254.0f);
    const float q_scale = 1;
    float scale = 0;
    std::vector<std::uint8_t> bytes(tokens);
    scalar_kernels.rows.softmax({.scores = scores.data(),
                                 .stride = tokens,
                                 .rows = 1,
                                 .tokens = tokens,
                                 .q_scale = &q_scale,
                                 .k_scale = k_scale.data(),
                                 .v_weight = v_weight.data(),
                                 .unit = 1.0f,
                                 .out = {bytes.data(), tokens, &scale},
                                 .zero_point = 128});
    int total = 0;
    for (std::size_t t = 1; t < tokens; ++t) total += bytes[t];
    CHECK(bytes[0] == 254);
    CHECK(total >= 126);  // each of 64 places may still hold half a byte back
    CHECK(total <= 190);
}
