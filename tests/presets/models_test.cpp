#include <qlroute/presets/models.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <iterator>
#include <string_view>

using namespace qlroute;

TEST_CASE("the cache of every model is as large as published") {
    struct published {
        std::string_view name;
        double bytes;
    };
    constexpr published f16[] = {{"qwen2.5-0.5b", 12288},  {"qwen2.5-1.5b", 28672},  {"qwen2.5-3b", 36864},
                                 {"qwen2.5-7b", 57344},    {"qwen2.5-14b", 196608},  {"qwen2.5-32b", 262144},
                                 {"qwen2.5-72b", 327680},  {"llama-3.2-1b", 32768},  {"llama-3.2-3b", 114688},
                                 {"llama-3.1-8b", 131072}, {"llama-3.1-70b", 327680}};
    CHECK(std::size(f16) == presets::models.size());
    for (const auto& each : f16) {
        CAPTURE(each.name);
        const model_card* model = presets::find_model(each.name);
        REQUIRE(model != nullptr);
        CHECK(model->kv_size().value() == 8 * each.bytes);
    }
}

TEST_CASE("models are complete, and each has a name of its own") {
    for (const model_card& each : presets::models) {
        CAPTURE(each.name);
        CHECK(presets::find_model(each.name) == &each);
        CHECK(each.non_embedding < each.parameters);
        CHECK(each.heads * each.head_width == each.width);
        CHECK(each.heads % each.kv_heads == 0);
        CHECK(!each.source.empty());
    }
    CHECK(presets::find_model("qwen2.5") == nullptr);
    CHECK(presets::find_model("") == nullptr);
}

TEST_CASE("a model of 1.5 billion parameters takes 0.9 GB as Q4_0") {
    static_assert(presets::find_model("qwen2.5-1.5b")->kv_size() == 28_KiB / 1_tok);
    CHECK(presets::find_model("qwen2.5-1.5b")->weight_size(weight_type::q4_0).value() ==
          doctest::Approx((0.86625_GB).value()));
}
