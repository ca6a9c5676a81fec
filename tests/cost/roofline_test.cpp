#include <qlroute/cost/roofline.hpp>

#include <qlroute/presets/models.hpp>

#include <doctest/doctest.h>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

/// 1 G parameters of one byte, 10 layers of 1000, 1 TFLOP/s and 1 GB/s of which half is reached.
constexpr cost::roofline machine{.parameters = 1e9,
                                 .layers = 10,
                                 .attention_width = 1000,
                                 .weights = 1_GB,
                                 .kv_size = 100_kB / 1_tok,
                                 .operations = hertz(1e12),
                                 .bandwidth = 8_Gbps,
                                 .compute_efficiency = 0.5,
                                 .memory_efficiency = 0.5,
                                 .prefill_overhead = 10_ms,
                                 .decode_overhead = 1_ms};

static_assert(cost::computation<cost::roofline>);

}  // namespace

TEST_CASE("operations are two a parameter and token, and four a layer, width and pair") {
    // 2 * 1e9 * 1000 + 4 * 10 * 1000 * 1000 * (2000 + 500)
    CHECK(machine.operation_count(2000, 1000) == 2.1e12);
}

TEST_CASE("a model card gives the sizes") {
    const auto* card = presets::find_model("qwen2.5-1.5b");
    REQUIRE(card != nullptr);
    const auto engine = cost::roofline::of(*card, weight_type::q8_0, cache_type::q8_0);
    // 2 * 1.31e9 * 100 + 4 * 28 * 1536 * 100 * (1000 + 50)
    CHECK(engine.operation_count(1000, 100) == doctest::Approx(2.62e11 + 1.806336e10));
    CHECK(engine.weights == 1.54e9 * 8.5_bit);
    CHECK(engine.kv_size.value() == doctest::Approx(28672 * 8 * 8.5 / 16));
}

TEST_CASE_TEMPLATE("a long prompt is bound by arithmetic, a short one by reading the weights", Rep, QLROUTE_TEST_REPS) {
    const auto read = [](tokens cached, tokens count) {
        return machine.prefill_time(scenario<Rep>{}, filled<Rep>(cached), filled<Rep>(count));
    };
    CHECK(equals<Rep>(read(2000_tok, 1000_tok), 4.21_s));  // 2.1e12 / 0.5e12 + 10 ms
    CHECK(equals<Rep>(read(0_tok, 1_tok), 2.01_s));        // 1 GB / 0.5 GB/s + 10 ms
    CHECK(equals<Rep>(read(2000_tok, 0_tok), 0_s));
}

TEST_CASE_TEMPLATE("a token of the answer moves the weights and the cache", Rep, QLROUTE_TEST_REPS) {
    const auto write = [](tokens context, tokens count) {
        return machine.decode_time(scenario<Rep>{}, filled<Rep>(context), filled<Rep>(count));
    };
    CHECK(equals<Rep>(write(1000_tok, 1_tok), 2.201_s));    // (1 GB + 0.1 GB) / 0.5 GB/s + 1 ms
    CHECK(equals<Rep>(write(1000_tok, 11_tok), 24.222_s));  // 11 (1 GB + 1005 * 100 kB) / 0.5 GB/s + 11 ms
}
