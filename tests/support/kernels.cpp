#include <support/kernels.hpp>

#include <doctest/doctest.h>

#include <qlroute/core/aligned.hpp>
#include <qlroute/simd/dispatch.hpp>
#include <qlroute/simd/panels.hpp>
#include <qlroute/simd/scalar.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace qlroute::testing {

namespace {

std::vector<float> random_floats(std::size_t count, unsigned seed, float spread = 1) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, spread);
    std::vector<float> out(count);
    for (float& x : out) x = normal(random);
    return out;
}

std::vector<std::int32_t> random_sums(std::size_t count, unsigned seed, std::int32_t limit = 200'000) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<std::int32_t> uniform(-limit, limit);
    std::vector<std::int32_t> out(count);
    for (auto& x : out) x = uniform(random);
    return out;
}

/// In [-127, 127].
std::vector<std::int8_t> random_bytes(std::size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> uniform(-127, 127);
    std::vector<std::int8_t> out(count);
    for (auto& x : out) x = static_cast<std::int8_t>(uniform(random));
    return out;
}

/// Equal as bits, so that NaN equals itself and 0 does not equal -0.
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

/// [rows, depth] values in [-128, 127] as this kernel_set stores them, in whole row tiles.
std::vector<std::uint8_t> stored(const simd::kernel_set& kernels, const std::vector<std::int8_t>& values,
                                 std::size_t depth) {
    const std::size_t rows = values.size() / depth;
    std::vector<std::uint8_t> out(round_up(rows, 16) * depth);
    for (std::size_t k = 0; k < values.size(); ++k) out[k] = static_cast<std::uint8_t>(values[k] + kernels.zero_point);
    return out;
}

/// a [rows, depth] times b [columns, depth], whatever the zero point is.
std::vector<std::int32_t> product(const simd::kernel_set& kernels, const std::vector<std::int8_t>& a,
                                  const std::vector<std::int8_t>& b, std::size_t depth) {
    const std::size_t rows = a.size() / depth, columns = b.size() / depth;
    std::vector<std::int8_t> panels(b.size());
    simd::pack_panels(b.data(), columns, depth, panels.data());
    std::vector<std::int32_t> init(columns, 0);
    for (std::size_t j = 0; j < columns; ++j)
        for (std::size_t k = 0; k < depth; ++k) init[j] -= kernels.zero_point * b[j * depth + k];
    const auto bytes = stored(kernels, a, depth);
    std::vector<std::int32_t> c(round_up(rows, 16) * columns);
    kernels.enter();
    kernels.gemm({.a = bytes.data(),
                  .a_stride = depth,
                  .b = panels.data(),
                  .b_stride = depth * 16,
                  .init = init.data(),
                  .c = c.data(),
                  .c_stride = columns,
                  .rows = rows,
                  .columns = columns,
                  .depth = depth});
    kernels.leave();
    c.resize(rows * columns);
    return c;
}

/// The same in plain C++, without panels and zero points.
std::vector<std::int32_t> product_by_hand(const std::vector<std::int8_t>& a, const std::vector<std::int8_t>& b,
                                          std::size_t depth) {
    std::vector<std::int32_t> out;
    for (std::size_t i = 0; i < a.size(); i += depth)
        for (std::size_t j = 0; j < b.size(); j += depth) {
            std::int32_t total = 0;
            for (std::size_t k = 0; k < depth; ++k) total += a[i + k] * b[j + k];
            out.push_back(total);
        }
    return out;
}

struct rows_out {
    std::vector<float> x, scale;
    std::vector<std::int8_t> values;  // zero point removed

    bool operator==(const rows_out& other) const {
        return same_bits(x, other.x) && same_bits(scale, other.scale) && values == other.values;
    }
};

std::vector<std::int8_t> values_of(const simd::kernel_set& kernels, const std::vector<std::uint8_t>& bytes) {
    std::vector<std::int8_t> out;
    for (const std::uint8_t b : bytes) out.push_back(static_cast<std::int8_t>(b - kernels.zero_point));
    return out;
}

rows_out embedded(const simd::kernel_set& kernels, std::size_t rows, std::size_t hidden) {
    const auto words = random_bytes(50 * hidden, 1), positions = random_bytes(40 * hidden, 2);
    const auto word_scale = random_floats(50, 3), position_scale = random_floats(40, 4);
    const auto word_column = random_floats(hidden, 8), position_column = random_floats(hidden, 9);
    const auto token_types = random_floats(2 * hidden, 5), gamma = random_floats(hidden, 6),
               beta = random_floats(hidden, 7);
    std::vector<std::int32_t> ids, types;
    for (std::size_t r = 0; r < rows; ++r) {
        ids.push_back(static_cast<std::int32_t>(r * 7 % 50));
        types.push_back(r % 2 == 0);
    }
    rows_out out{std::vector<float>(rows * hidden), std::vector<float>(rows), {}};
    std::vector<std::uint8_t> bytes(rows * hidden);
    kernels.rows.embed({.norm = {gamma.data(),
                                 beta.data(),
                                 1e-12f,
                                 out.x.data(),
                                 {bytes.data(), hidden, out.scale.data()},
                                 rows,
                                 hidden,
                                 kernels.zero_point},
                        .ids = ids.data(),
                        .types = types.data(),
                        .first = 3,
                        .words = words.data(),
                        .word_scale = word_scale.data(),
                        .word_column = word_column.data(),
                        .positions = positions.data(),
                        .position_scale = position_scale.data(),
                        .position_column = position_column.data(),
                        .token_types = token_types.data()});
    out.values = values_of(kernels, bytes);
    return out;
}

rows_out normed(const simd::kernel_set& kernels, std::size_t rows, std::size_t hidden, float spread) {
    auto sums = random_sums(rows * hidden, 1);
    const auto row_scale = random_floats(rows, 2, spread), scale = random_floats(hidden, 3, 1e-3f),
               bias = random_floats(hidden, 4, spread);
    const auto gamma = random_floats(hidden, 5), beta = random_floats(hidden, 6);
    rows_out out{random_floats(rows * hidden, 7, spread), std::vector<float>(rows), {}};
    std::vector<std::uint8_t> bytes(rows * hidden);
    kernels.rows.add_norm({.norm = {gamma.data(),
                                    beta.data(),
                                    1e-5f,
                                    out.x.data(),
                                    {bytes.data(), hidden, out.scale.data()},
                                    rows,
                                    hidden,
                                    kernels.zero_point},
                           .in = {sums.data(), hidden, row_scale.data(), scale.data(), bias.data()}});
    out.values = values_of(kernels, bytes);
    return out;
}

rows_out activated(const simd::kernel_set& kernels, std::size_t rows, std::size_t columns, float spread) {
    auto sums = random_sums(rows * columns, 1);
    const auto row_scale = random_floats(rows, 2, spread), scale = random_floats(columns, 3, 1e-4f),
               bias = random_floats(columns, 4, spread);
    rows_out out{{}, std::vector<float>(rows), {}};
    std::vector<std::uint8_t> bytes(rows * columns);
    kernels.rows.gelu({.in = {sums.data(), columns, row_scale.data(), scale.data(), bias.data()},
                       .rows = rows,
                       .columns = columns,
                       .out = {bytes.data(), columns, out.scale.data()},
                       .zero_point = kernels.zero_point});
    out.x.resize(rows * columns);
    std::memcpy(out.x.data(), sums.data(), sums.size() * sizeof(float));
    out.values = values_of(kernels, bytes);
    return out;
}

rows_out split(const simd::kernel_set& kernels, std::size_t rows, std::size_t heads, std::size_t head_size,
               bool with_queries = true) {
    const std::size_t columns = 3 * heads * head_size, padded = round_up(head_size, 64);
    auto sums = random_sums(rows * columns, 1);
    const auto row_scale = random_floats(rows, 2), scale = random_floats(columns, 3, 1e-4f),
               bias = random_floats(columns, 4);
    rows_out out{{}, std::vector<float>(3 * heads * rows), {}};
    // in the queries' place rows for one token more, which nobody may touch
    const std::size_t query_stride = (rows + 1) * padded;
    std::vector<std::uint8_t> queries(heads * query_stride, 0x5A), keys_values(rows * 2 * heads * padded);
    kernels.rows.split_heads({.in = {sums.data(), columns, row_scale.data(), scale.data(), bias.data()},
                              .rows = rows,
                              .heads = heads,
                              .head_size = head_size,
                              .queries = with_queries ? queries.data() : nullptr,
                              .query_stride = query_stride,
                              .keys_values = keys_values.data(),
                              .scale = out.scale.data(),
                              .scale_stride = rows,
                              .zero_point = kernels.zero_point});
    for (std::size_t k = 0; k < queries.size(); ++k) {
        const bool written = with_queries && k % query_stride < rows * padded;
        out.values.push_back(static_cast<std::int8_t>(written ? queries[k] - kernels.zero_point : queries[k]));
    }
    for (const std::uint8_t b : keys_values) out.values.push_back(static_cast<std::int8_t>(b));
    return out;
}

/// Weights as numbers in [0, 255]; scores are sums up to `limit`.
rows_out attended(const simd::kernel_set& kernels, std::size_t rows, std::size_t tokens, std::int32_t limit) {
    const std::size_t stride = round_up(tokens, 16), out_stride = round_up(tokens, 64);
    auto scores = random_sums(rows * stride, 1, limit);
    auto q_scale = random_floats(rows, 2), k_scale = random_floats(stride, 3, 1e-4f),
         v_weight = random_floats(stride, 4, 100);
    for (auto* each : {&q_scale, &k_scale, &v_weight})
        for (float& x : *each) x = std::min(std::abs(x), 254.0f);
    rows_out out{{}, std::vector<float>(rows), {}};
    std::vector<std::uint8_t> bytes(rows * out_stride);
    kernels.rows.softmax({.scores = scores.data(),
                          .stride = stride,
                          .rows = rows,
                          .tokens = tokens,
                          .q_scale = q_scale.data(),
                          .k_scale = k_scale.data(),
                          .v_weight = v_weight.data(),
                          .unit = 0.25f,
                          .out = {bytes.data(), out_stride, out.scale.data()},
                          .zero_point = kernels.zero_point});
    const auto values = values_of(kernels, bytes);
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t t = 0; t < tokens; ++t) out.values.push_back(values[r * out_stride + t]);
    return out;
}

rows_out gathered(const simd::kernel_set& kernels, std::size_t rows, std::size_t heads, std::size_t head_size) {
    const std::size_t hidden = heads * head_size;
    auto sums = random_sums(rows * hidden, 1);
    const auto scale = random_floats(heads * rows, 2, 1e-3f);
    rows_out out{{}, std::vector<float>(rows), {}};
    std::vector<std::uint8_t> bytes(rows * hidden);
    kernels.rows.context({.sums = sums.data(),
                          .scale = scale.data(),
                          .scale_stride = rows,
                          .rows = rows,
                          .heads = heads,
                          .head_size = head_size,
                          .out = {bytes.data(), hidden, out.scale.data()},
                          .zero_point = kernels.zero_point});
    out.values = values_of(kernels, bytes);
    return out;
}

/// Floats times floats, with a tanh and without.
rows_out pooled(const simd::kernel_set& kernels, std::size_t columns) {
    const auto x = random_floats(columns, 1), bias = random_floats(columns, 2);
    const auto weight = random_floats(columns * columns, 3, 0.1f);
    rows_out out{std::vector<float>(columns), std::vector<float>(7), {}};
    kernels.rows.dense({x.data(), weight.data(), bias.data(), out.x.data(), columns, columns, true});
    kernels.rows.dense({x.data(), weight.data(), bias.data(), out.scale.data(), 7, columns, false});
    return out;
}

}  // namespace

/// Everything at once. Says so and returns where the instruction set does not run.
void check_kernels(const simd::kernel_set& kernels) {
    if (!simd::runs_here(kernels.isa)) {
        MESSAGE(std::string(kernels.name) << " does not run on this machine");
        return;
    }
    const simd::kernel_set& scalar = simd::scalar_kernels;
    for (const std::size_t depth : {64u, 128u, 512u})
        for (const std::size_t columns : {16u, 32u, 48u, 64u, 80u, 112u, 128u})
            for (const std::size_t rows : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 11u, 12u, 16u, 17u, 24u, 31u, 32u, 33u, 48u}) {
                CAPTURE(depth);
                CAPTURE(columns);
                CAPTURE(rows);
                const auto a = random_bytes(rows * depth, static_cast<unsigned>(depth + rows)),
                           b = random_bytes(columns * depth, 9);
                CHECK(product(kernels, a, b, depth) == product_by_hand(a, b, depth));
            }
    // The largest magnitudes: sums of pairs that do not fit into 16 bits. -128 is what softmax makes of no weight at
    // all.
    for (const int a : {-128, -127, 127})
        for (const int b : {-127, 127}) {
            const std::vector<std::int8_t> ones(7 * 512, static_cast<std::int8_t>(a)),
                others(48 * 512, static_cast<std::int8_t>(b));
            const auto sums = product(kernels, ones, others, 512);
            CHECK(std::ranges::all_of(sums, [&](std::int32_t sum) { return sum == a * b * 512; }));
        }
    for (const std::size_t hidden : {64u, 128u, 192u, 384u}) {
        CAPTURE(hidden);
        CHECK(embedded(kernels, 9, hidden) == embedded(scalar, 9, hidden));
        for (const float spread : {1.0f, 1e-20f, 1e15f})
            CHECK(normed(kernels, 5, hidden, spread) == normed(scalar, 5, hidden, spread));
    }
    for (const float spread : {0.0f, 1.0f, 1e-20f, 1e15f}) {
        CHECK(activated(kernels, 5, 512, spread) == activated(scalar, 5, 512, spread));
        CHECK(activated(kernels, 1, 64, spread) == activated(scalar, 1, 64, spread));
    }
    for (const std::size_t head_size : {16u, 32u, 48u, 64u, 80u, 128u}) {
        CAPTURE(head_size);
        CHECK(split(kernels, 5, 3, head_size) == split(scalar, 5, 3, head_size));
        CHECK(split(kernels, 5, 3, head_size, false) == split(scalar, 5, 3, head_size, false));

        // Without the queries nothing of theirs is written, and the same keys and values.
        const auto all = split(kernels, 5, 3, head_size), fewer = split(kernels, 5, 3, head_size, false);
        const auto keys = static_cast<std::ptrdiff_t>(3 * 6 * round_up(head_size, 64));  // behind the queries
        CHECK(std::equal(all.values.begin() + keys, all.values.end(), fewer.values.begin() + keys));
        CHECK(std::all_of(fewer.values.begin(), fewer.values.begin() + keys, [](std::int8_t v) { return v == 0x5A; }));
        CHECK(std::equal(all.scale.begin() + 15, all.scale.end(), fewer.scale.begin() + 15));
        CHECK(std::all_of(fewer.scale.begin(), fewer.scale.begin() + 15, [](float v) { return v == 0; }));
        CHECK(gathered(kernels, 5, 4, head_size) == gathered(scalar, 5, 4, head_size));
    }
    for (std::size_t tokens = 1; tokens <= 200; tokens += tokens < 70 ? 1 : 13)
        for (const std::int32_t limit : {0, 100, 100'000, 100'000'000}) {
            CAPTURE(tokens);
            CAPTURE(limit);
            CHECK(attended(kernels, 3, tokens, limit) == attended(scalar, 3, tokens, limit));
        }
    CHECK(pooled(kernels, 128) == pooled(scalar, 128));
}

}  // namespace qlroute::testing
