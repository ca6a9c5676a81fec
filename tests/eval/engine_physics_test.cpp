#include <qlroute/eval/engine_physics.hpp>

#include <doctest/doctest.h>

using namespace qlroute;
using eval::engine_physics;

namespace {

// 10 ms, 2 ms a token read, 1 us a pair; 20 ms a step, 1 ms for each further request, 10 us a token of context.
constexpr engine_physics by_hand{.start = 10_ms,
                                 .read = 2_ms / 1_tok,
                                 .attention = 1_us / 1_tok / 1_tok,
                                 .step = 20_ms / 1_tok,
                                 .beside = 1_ms / 1_tok,
                                 .context = 10_us / 1_tok / 1_tok};

}  // namespace

TEST_CASE("reading costs its start, its tokens, and the pairs of new and earlier tokens") {
    // 10 ms + 100 * 2 ms + 100 * (1000 + 50) * 1 us = 10 + 200 + 105 ms
    CHECK(by_hand.prefill_time(1000_tok, 100_tok).value() == doctest::Approx(0.315));
    CHECK(by_hand.prefill_time(0_tok, 0_tok).value() == doctest::Approx(0.010));
}

TEST_CASE("a history that is read in two parts costs the pairs once and the start twice") {
    const auto whole = by_hand.prefill_time(0_tok, 300_tok);
    const auto parts = by_hand.prefill_time(0_tok, 200_tok) + by_hand.prefill_time(200_tok, 100_tok);
    CHECK((parts - whole).value() == doctest::Approx(0.010));
}

TEST_CASE("a step costs the weights, the other requests and all their contexts, which grow") {
    // 3 steps of 2 requests, contexts 100 in all: 3 * (20 + 1) ms + 10 us * (100 + 102 + 104)
    CHECK(by_hand.decode_time(2, 100_tok, 3_tok).value() == doctest::Approx(0.063 + 0.00306));
    CHECK(by_hand.decode_time(1, 100_tok, 0_tok) == 0_s);
    // one by one or at once
    const auto at_once = by_hand.decode_time(2, 100_tok, 5_tok);
    const auto apart = by_hand.decode_time(2, 100_tok, 2_tok) + by_hand.decode_time(2, 104_tok, 3_tok);
    CHECK(at_once.value() == doctest::Approx(apart.value()));
}

TEST_CASE("from published speeds, the measured prompt takes the published time") {
    const model_card card{
        .parameters = 1e9, .non_embedding = 1e9, .layers = 10, .heads = 10, .kv_heads = 10, .head_width = 100};
    const auto e = engine_physics::of(card, 100_tok_s, 50_ms / 1_tok, 1_GB, 200_tok);
    CHECK(e.prefill_time(0_tok, 200_tok).value() == doctest::Approx(2.0));
    // 2 * 4 * 10 * 10 * 100 / 2e9 = 4e-5 of a token's reading, for each token before it
    CHECK((e.attention * 1_tok / e.read).value() == doctest::Approx(4e-5));
    // a step with 200 tokens of context takes 50 ms, 40 kB of cache a token: 8 MB beside 1 GB
    CHECK((e.step + e.context * 200_tok).value() == doctest::Approx(0.050));
    CHECK((e.context * 200_tok / e.step).value() == doctest::Approx(0.008));
}
