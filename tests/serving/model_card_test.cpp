#include <qlroute/serving/model_card.hpp>

#include <doctest/doctest.h>

using namespace qlroute;

namespace {

constexpr model_card small{
    .name = "small", .parameters = 1e9, .layers = 10, .heads = 8, .kv_heads = 2, .head_width = 100};

}  // namespace

TEST_CASE("a token's cache is keys and values of every layer and KV head") {
    // 2 * 10 * 2 * 100 = 4000 values of 16 bits
    CHECK(small.kv_size() == 64_kbit / 1_tok);
    CHECK(small.kv_size(cache_type::f16) == 64_kbit / 1_tok);
    CHECK(small.kv_size(cache_type::q8_0) == 34_kbit / 1_tok);
    CHECK(small.kv_size(cache_type::q4_0) == 18_kbit / 1_tok);
}

TEST_CASE("weights are as large as their type") {
    CHECK(small.weight_size() == 2_GB);
    CHECK(small.weight_size(weight_type::q8_0) == 1.0625_GB);
    CHECK(small.weight_size(weight_type::q4_0) == 0.5625_GB);
    CHECK(small.weight_size(weight_type::q4_k_m).value() == doctest::Approx(4.89e9));
}

TEST_CASE("what is not known of a model is 0") {
    CHECK(model_card{}.kv_size() == bits_per_token(0));
    CHECK(model_card{}.weight_size() == 0_bit);
}
