#include <qlroute/cost/communication.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <concepts>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

static_assert(std::same_as<cost::cost_of<cost::uplink<>>, seconds>);
static_assert(std::same_as<cost::cost_of<cost::downlink<>>, seconds>);

namespace {

/// An engine whose tokens take longer, the more tokens stand before them.
struct slowing {
    constexpr auto prefill_time(const auto& s, const auto&, const auto& count) const { return count / s.prefill_rate; }
    constexpr auto decode_time(const auto& s, const auto& context, const auto& count) const {
        return count * s.tpot + count * (10_us / 1_tok / 1_tok) * (context + 0.5 * count);
    }
};

/// When the last token is seen, measured from the end of prefill, which yields the first: the engine writes the others
/// one after another, each waits until the link has sent the one before it, takes size / rate on the link and half a
/// round trip to arrive.
template <class Engine = cost::linear_rate>
seconds last_arrival(const scenario<>& s, Engine engine = {}) {
    seconds link_free(0);
    for (double k = 1; k <= s.output_tokens.value(); ++k) {
        const seconds written = engine.decode_time(s, s.prefix_tokens + s.new_tokens, tokens(k - 1));
        link_free = std::max(written, link_free) + tokens(1) * s.token_size / s.downlink_rate;
    }
    return link_free + s.rtt / 2;
}

}  // namespace

TEST_CASE_TEMPLATE("uplink is half a round trip plus size over rate", Rep, QLROUTE_TEST_REPS) {
    // 40 ms / 2 + 40 kbit / 2 Mbit/s = 20 ms + 20 ms
    CHECK(equals<Rep>(cost::uplink{}(filled<Rep>(round_facts())), 40_ms));
}

TEST_CASE_TEMPLATE("a link faster than the decoder delays only the last token", Rep, QLROUTE_TEST_REPS) {
    // t = 2400 bit / 1.2 Mbit/s = 2 ms < tpot = 20 ms:  40 ms / 2 + 2 ms
    CHECK(equals<Rep>(cost::downlink{}(filled<Rep>(round_facts())), 22_ms));
}

TEST_CASE_TEMPLATE("a link slower than the decoder falls behind with every token", Rep, QLROUTE_TEST_REPS) {
    auto s = round_facts();
    s.downlink_rate = 80_kbps;
    // t = 2400 bit / 80 kbit/s = 30 ms > tpot = 20 ms:  40 ms / 2 + 30 ms + 49 * 10 ms
    CHECK(equals<Rep>(cost::downlink{}(filled<Rep>(s)), 540_ms));
}

TEST_CASE_TEMPLATE("nothing is streamed on the device itself", Rep, QLROUTE_TEST_REPS) {
    auto s = round_facts();
    s.rtt = 0_ms;
    s.prompt_size = 0_bit;
    s.token_size = 0_bit / 1_tok;
    CHECK(equals<Rep>(cost::uplink{}(filled<Rep>(s)), 0_ms));
    CHECK(equals<Rep>(cost::downlink{}(filled<Rep>(s)), 0_ms));
}

TEST_CASE_TEMPLATE("decode and downlink together end when the last token arrives", Rep, QLROUTE_TEST_REPS) {
    constexpr auto answer = cost::decode{} + cost::downlink{};
    auto s = round_facts();
    for (const auto rate : {1.2_Mbps, 120_kbps, 80_kbps}) {  // faster than the decoder, as fast, slower
        s.downlink_rate = rate;
        for (const auto count : {1_tok, 2_tok, 50_tok}) {
            s.output_tokens = count;
            CAPTURE(rate.value());
            CAPTURE(count.value());
            CHECK(equals<Rep>(answer(filled<Rep>(s)), last_arrival(s)));
        }
    }
}

TEST_CASE("decode and downlink together end when the last token arrives, whatever the facts") {
    constexpr auto answer = cost::decode{} + cost::downlink{};
    random_facts random(1);
    for (int i = 0; i < 200; ++i) {
        const auto s = random();
        CHECK(answer(s).value() == doctest::Approx(last_arrival(s).value()).epsilon(1e-12));
    }
}

TEST_CASE("decode and downlink together end when the last token arrives, also of an engine that slows down") {
    constexpr auto answer = cost::decode{slowing{}} + cost::downlink{slowing{}};
    random_facts random(3);
    int waited = 0;
    for (int i = 0; i < 200; ++i) {
        auto s = random();
        if (i % 2 == 0) s.downlink_rate = 3e-4 * s.downlink_rate;
        CHECK(answer(s).value() == doctest::Approx(last_arrival(s, slowing{}).value()).epsilon(1e-12));
        waited += cost::downlink{slowing{}}(s) > 0.5 * s.rtt + tokens(1) * (s.token_size / s.downlink_rate) + 1_us;
    }
    CHECK(waited > 5);  // both regimes occur
    CHECK(waited < 195);
}

TEST_CASE_TEMPLATE("an answer shorter than a token saves nothing on the link", Rep, QLROUTE_TEST_REPS) {
    auto s = round_facts();
    s.downlink_rate = 80_kbps;
    s.output_tokens = 0.5_tok;
    CHECK(equals<Rep>(cost::downlink{}(filled<Rep>(s)), 50_ms));
}
