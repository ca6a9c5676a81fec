#include <qlroute/simd/kernel_set.hpp>

#include <doctest/doctest.h>

#include <qlroute/simd/dispatch.hpp>

#include <set>
#include <string_view>

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
        CHECK((each->rows.embed != nullptr));
        CHECK((each->rows.add_norm != nullptr));
        CHECK((each->rows.split_heads != nullptr));
        CHECK((each->rows.softmax != nullptr));
        CHECK((each->rows.context != nullptr));
        CHECK((each->rows.gelu != nullptr));
        CHECK((each->rows.dense != nullptr));
        CHECK((each->enter != nullptr));
        CHECK((each->leave != nullptr));
    }
}
