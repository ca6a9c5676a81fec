#include <qlroute/simd/kernel_set.hpp>

#include <doctest/doctest.h>

#include <qlroute/core/aligned.hpp>
#include <qlroute/simd/dispatch.hpp>

#include <support/kernels.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

using namespace qlroute;

TEST_CASE("every kernel_set is complete and keeps what bert_encoder relies on") {
    std::set<std::string_view> names;
    for (const simd::kernel_set* each : simd::kernel_sets) {
        CAPTURE(each->name);
        CHECK(names.insert(each->name).second);
        CHECK((each->zero_point == 0 || each->zero_point == 128));
        CHECK(16 % each->row_tile == 0);
        CHECK(each->row_block % 4 == 0);
        CHECK(each->row_block % each->row_tile == 0);
        CHECK(each->depth_tile % 4 == 0);
        CHECK(64 % each->depth_tile == 0);
        CHECK((each->gemm != nullptr));
        CHECK((each->embed != nullptr));
        CHECK((each->add_norm != nullptr));
        CHECK((each->split_heads != nullptr));
        CHECK((each->softmax != nullptr));
        CHECK((each->context != nullptr));
        CHECK((each->gelu != nullptr));
        CHECK((each->dense != nullptr));
        CHECK((each->enter != nullptr));
        CHECK((each->leave != nullptr));
    }
}

TEST_CASE("split_heads without the queries writes nothing of theirs, and the same keys and values") {
    constexpr std::size_t rows = 5, heads = 3;
    for (const simd::kernel_set* each : simd::kernel_sets) {
        if (!simd::runs_here(each->isa)) continue;
        CAPTURE(each->name);
        for (const std::size_t head_size : {32u, 48u, 64u}) {
            CAPTURE(head_size);
            const std::size_t columns = 3 * heads * head_size, token = 3 * heads * round_up(head_size, 64);
            auto sums = testing::random_sums(rows * columns, 1);
            const auto row_scale = testing::random_floats(rows, 2), scale = testing::random_floats(columns, 3, 1e-4f),
                       bias = testing::random_floats(columns, 4);
            const auto split = [&](std::size_t first_part, std::vector<std::uint8_t>& bytes,
                                   std::vector<float>& scales) {
                bytes.assign(rows * token, 0x5A);
                scales.assign(3 * heads * rows, -1.0f);
                each->split_heads({.in = {sums.data(), columns, row_scale.data(), scale.data(), bias.data()},
                                   .rows = rows,
                                   .heads = heads,
                                   .head_size = head_size,
                                   .first_part = first_part,
                                   .bytes = bytes.data(),
                                   .scale = scales.data(),
                                   .scale_stride = rows,
                                   .zero_point = each->zero_point});
            };
            std::vector<std::uint8_t> expected, got;
            std::vector<float> expected_scales, got_scales;
            split(0, expected, expected_scales);
            split(1, got, got_scales);
            for (std::size_t r = 0; r < rows; ++r)
                std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(r * token), token / 3, std::uint8_t{0x5A});
            std::fill_n(expected_scales.begin(), heads * rows, -1.0f);
            CHECK(got == expected);
            CHECK(got_scales == expected_scales);
        }
    }
}
