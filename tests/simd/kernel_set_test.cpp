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
    for (const simd::kernel_set* each : simd::kernel_sets) {
        if (!simd::runs_here(each->isa)) continue;
        CAPTURE(each->name);
        for (const std::size_t head_size : {32u, 48u, 64u}) {
            CAPTURE(head_size);
            const auto all = testing::split(*each, 5, 3, head_size),
                       fewer = testing::split(*each, 5, 3, head_size, false);
            const auto keys = static_cast<std::ptrdiff_t>(3 * 6 * round_up(head_size, 64));  // behind the queries
            CHECK(std::equal(all.values.begin() + keys, all.values.end(), fewer.values.begin() + keys));
            CHECK(std::all_of(fewer.values.begin(), fewer.values.begin() + keys,
                              [](std::int8_t v) { return v == 0x5A; }));
            CHECK(std::equal(all.scale.begin() + 15, all.scale.end(), fewer.scale.begin() + 15));
            CHECK(std::all_of(fewer.scale.begin(), fewer.scale.begin() + 15, [](float v) { return v == 0; }));
        }
    }
}
