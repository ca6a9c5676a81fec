#include <qlroute/difficulty/fused_difficulty.hpp>

#include <doctest/doctest.h>

#include <qlroute/difficulty/calibration.hpp>
#include <qlroute/route/router.hpp>

#include "support/allocations.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

using doctest::Approx;
using numbers = std::vector<double>;
using dialogue = std::span<const message>;

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

const endpoint phone{.name = "phone", .usual_success = 0.8, .prefill_rate = 100_tok_s, .tpot = 50_ms / 1_tok};
const endpoint edge{
    .name = "edge", .remote = true, .usual_success = 0.5, .prefill_rate = 5000_tok_s, .tpot = 10_ms / 1_tok};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// A signal that is the same for every prompt.
struct fixed_signal {
    double value = 0;
    double operator()(dialogue) const noexcept { return value; }
};

struct may_throw {
    double operator()(dialogue) const { return 0; }
};
struct changes {
    double operator()(dialogue) noexcept { return 0; }
};
struct says_text {
    std::string_view operator()(dialogue) const noexcept { return ""; }
};

static_assert(dialogue_signal<fixed_signal>);
static_assert(!dialogue_signal<may_throw>);
static_assert(!dialogue_signal<changes>);
static_assert(!dialogue_signal<says_text>);

constexpr auto same_for_all = [](const endpoint&) noexcept { return fusion<1>{}; };
constexpr auto weights_that_throw = [](const endpoint&) { return fusion<1>{}; };

static_assert(fusion_weights<decltype(same_for_all), 1>);
static_assert(!fusion_weights<decltype(same_for_all), 2>);
static_assert(!fusion_weights<decltype(weights_that_throw), 1>);
static_assert(fusion_weights<fusion_by_name<3>, 3>);

double uniform(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

template <std::size_t Signals>
fusion<Signals> fitted(const numbers& logits, const numbers& signals, const numbers& scores, double ridge = 1) {
    const auto weights = fit_fusion<Signals>(logits, signals, scores, ridge);
    REQUIRE(weights);
    return *weights;
}

template <std::size_t Signals>
void expect_fault(const numbers& logits, const numbers& signals, const numbers& scores, double ridge, errc code,
                  const std::string& words) {
    const auto weights = fit_fusion<Signals>(logits, signals, scores, ridge);
    REQUIRE_FALSE(weights);
    CAPTURE(weights.error().message);
    CHECK(weights.error().code == code);
    CHECK(weights.error().message.find(words) != std::string::npos);
}

}  // namespace

// --- the formula ---------------------------------------------------------------------------------

TEST_CASE("logits are weighted and summed") {
    // 1 + 0.5 ln 4 + 2 * 0.25 - 3 * 0.5 = ln 2
    const fusion<2> weights{.bias = 1, .of_predictor = 0.5, .of_signals = {2, -3}};
    CHECK(weights(0.8, {0.25, 0.5}) == Approx(2.0 / 3));
    CHECK(weights(0.5, {0, 0}) == Approx(logistic(1)));
}

TEST_CASE("a fusion by default is the predictor's own probability, to the last bit") {
    for (const double p : {0.0, 1e-15, 0.1, 0.7, 1.0}) CHECK(fusion<1>{}(p, {5}) == p);
}

TEST_CASE("a predictor that is certain counts as 1e-12 from certain, and can be outvoted") {
    const fusion<1> weights{.of_signals = {-30}};
    CHECK(weights(1, {1}) == Approx(logistic(std::log(1e12) - 30)));
    CHECK(weights(1, {0}) == Approx(1));
}

TEST_CASE("a signal that is NaN leaves the predictor's own probability") {
    const fusion<2> weights{.bias = 1, .of_predictor = 2, .of_signals = {1, 1}};
    CHECK(weights(0.7, {missing, 0}) == 0.7);
    CHECK(weights(0.7, {0, missing}) == 0.7);
    CHECK(weights(0.7, {missing, missing}) == 0.7);
    CHECK(weights(0.7, {infinity, -infinity}) == 0.7);
}

TEST_CASE("an endpoint that gives a signal no weight does not miss it") {
    const fusion<2> weights{.bias = 1, .of_predictor = 1, .of_signals = {0, 1}};
    CHECK(weights(0.5, {missing, 1}) == Approx(logistic(2)));
    CHECK(weights(0.5, {infinity, 1}) == Approx(logistic(2)));
}

TEST_CASE("a first token that was impossible is a certain failure, not an error") {
    CHECK(fusion<1>{.of_signals = {1}}(0.9, {-infinity}) == 0);
}

// --- endpoints and signals -----------------------------------------------------------------------

TEST_CASE("each endpoint has its weights by name, and one without keeps the predictor's probability") {
    const named_fusion<1> table[] = {{"phone", {.bias = 0, .of_predictor = 0, .of_signals = {2}}}};
    const fused_difficulty predictor{constant_difficulty{}, fusion_by_name{table}, fixed_signal{0.5}};
    static_assert(difficulty_predictor<decltype(predictor)>);
    const auto difficulty = predictor({});
    CHECK(difficulty(phone) == Approx(logistic(1)));
    CHECK(difficulty(edge) == 0.5);
}

TEST_CASE("a table may be an array, a vector or a span of any length; the first of a name counts") {
    const std::vector<named_fusion<1>> listed{{"edge", {.bias = 1}}, {"phone", {.bias = 2}}, {"phone", {.bias = 3}}};
    const std::array<named_fusion<1>, 2> fixed{listed[0], listed[1]};
    CHECK(fusion_by_name{listed}(phone).bias == 2);
    CHECK(fusion_by_name{fixed}(edge).bias == 1);
    CHECK(fusion_by_name{std::span<const named_fusion<1>>(listed).first(1)}(phone) == fusion<1>{});
    CHECK(fusion_by_name<1>{}(phone) == fusion<1>{});
}

TEST_CASE("weights may come from a function of the endpoint") {
    const fusion<2> of_remote{.bias = 1, .of_predictor = 1, .of_signals = {1, 10}};
    const fused_difficulty predictor{
        constant_difficulty{}, [&](const endpoint& place) noexcept { return place.remote ? of_remote : fusion<2>{}; },
        fixed_signal{2}, fixed_signal{-0.5}};
    const auto difficulty = predictor({});
    CHECK(difficulty(phone) == 0.8);
    CHECK(difficulty(edge) == Approx(logistic(1 + 0 + 2 - 5)));
}

TEST_CASE("signals are read once a dialogue, in the order in which they are given") {
    static int first_read = 0, second_read = 0;
    const auto weights = [](const endpoint&) noexcept { return fusion<2>{.of_signals = {1, 10}}; };
    const fused_difficulty predictor{constant_difficulty{}, weights,
                                     [](dialogue said) noexcept {
                                         ++first_read;
                                         return static_cast<double>(said.size());
                                     },
                                     [](dialogue) noexcept {
                                         ++second_read;
                                         return 0.25f;
                                     }};
    const message said[] = {{role::user, "Why?", {}}, {role::user, "Well?", {}}};
    const auto difficulty = predictor(said);
    CHECK(difficulty(edge) == Approx(logistic(2 + 2.5)));
    CHECK(difficulty(edge) == Approx(logistic(2 + 2.5)));
    CHECK(first_read == 1);
    CHECK(second_read == 1);
}

TEST_CASE("where a signal is missing, a calibrated predictor's probability counts") {
    const named_fusion<1> table[] = {{"phone", {.bias = 3, .of_signals = {1}}}};
    const fused_difficulty predictor{calibrated_difficulty{constant_difficulty{}, temperature{2}},
                                     fusion_by_name{table}, fixed_signal{missing}};
    CHECK(predictor({})(phone) == Approx(2.0 / 3));  // 0.8 at temperature 2
}

TEST_CASE("a fused predictor decides in a router, and allocates nothing") {
    const named_fusion<1> table[] = {{"phone", {.of_signals = {4}}}};
    double log_probability = 0;
    const fused_difficulty predictor{constant_difficulty{}, fusion_by_name{table},
                                     [&](dialogue) noexcept { return log_probability; }};
    const router route{predictor, cost::quality_loss{}, lowest_cost<ratio>{}};
    const endpoint places[] = {phone, edge};
    session chat(2);
    const message said[] = {{role::user, "Why is the sky blue?", {}}};
    const turn question = chat.next_turn(said);
    const link_state link{.uplink_rate = 10_Mbps, .downlink_rate = 40_Mbps, .rtt = 30_ms};

    const std::size_t before = allocations;
    const auto sure = route(chat, question, places, link);
    log_probability = -1;  // ln 4 - 4 < 0: the phone is worse than even
    const auto unsure = route(chat, question, places, link);
    log_probability = missing;
    const auto unknown = route(chat, question, places, link);
    CHECK(allocations == before);

    CHECK(sure.where == 0);
    CHECK(sure.p_success() == Approx(0.8));
    CHECK(unsure.where == 1);
    CHECK(unsure.p_success() == Approx(0.5));
    CHECK(unknown.where == 0);
    CHECK(unknown.p_success() == Approx(0.8));
}

// --- fitting -------------------------------------------------------------------------------------

TEST_CASE("a signal that explains what the predictor does not gets a weight: ln 3 at 1, -ln 3 at -1") {
    // The predictor says 1/2 of every row; where the signal is 1, 3 of 4 answers are good, where it is -1, 1 of 4.
    numbers logits, signals, scores;
    for (int k = 0; k < 4000; ++k) {
        logits.push_back(0);
        signals.push_back(k % 2 == 0 ? 1 : -1);
        scores.push_back(k % 2 == 0 ? 0.75 : 0.25);
    }
    const auto weights = fitted<1>(logits, signals, scores);
    CHECK(std::abs(weights.bias) < 1e-9);
    CHECK(weights.of_predictor == Approx(1));  // nothing speaks against it
    CHECK(weights.of_signals[0] == Approx(std::log(3.0)).epsilon(0.002));
    CHECK(weights(0.5, {1}) == Approx(0.75).epsilon(0.002));
}

TEST_CASE("the ridge holds the signal's weight by its formula") {
    // Two rows at signal 1 and -1 (variance 1) with scores 1 and 0: -2 (1 - P) + ridge w = 0 at w = ln 3, P = 3/4.
    const double ridge = 0.5 / std::log(3.0);
    const auto weights = fitted<1>({0, 0}, {1, -1}, {1, 0}, ridge);
    CHECK(weights.of_signals[0] == Approx(std::log(3.0)));
    // In other units: signals ten times as large get a tenth of the weight.
    CHECK(fitted<1>({0, 0}, {10, -10}, {1, 0}, ridge).of_signals[0] == Approx(std::log(3.0) / 10));
}

TEST_CASE("the ridge holds the predictor's weight at 1 by its formula") {
    // Logits 1 and -1, scores 1/2: 2 (P - 1/2) + ridge (w - 1) = 0 at w = ln 2, P = 2/3.
    const double ridge = (1.0 / 3) / (1 - std::log(2.0));
    const auto weights = fitted<0>({1, -1}, {}, {0.5, 0.5}, ridge);
    CHECK(weights.of_predictor == Approx(std::log(2.0)));
    CHECK(std::abs(weights.bias) < 1e-9);
}

TEST_CASE("a strong ridge leaves the predictor as it is, but for a shift") {
    const auto weights = fitted<1>({1, -1, 0, 2}, {3, 1, 2, -1}, {0, 1, 0, 1}, 1e9);
    CHECK(weights.of_predictor == Approx(1));
    CHECK(std::abs(weights.of_signals[0]) < 1e-6);
}

TEST_CASE("a signal that is the same in every row gets no weight: the bias has it") {
    const auto weights = fitted<1>({0, 0, 0, 0}, {-1.7, -1.7, -1.7, -1.7}, {1, 1, 1, 0});
    CHECK(std::abs(weights.of_signals[0]) < 1e-4);
    CHECK(weights.bias == Approx(std::log(3.0)).epsilon(1e-3));
}

TEST_CASE("known weights are found again in 20,000 rows") {
    std::mt19937_64 random(9);
    const fusion<2> truth{.bias = 0.5, .of_predictor = 0.7, .of_signals = {1.5, -0.2}};
    numbers logits, signals, scores;
    for (int k = 0; k < 20'000; ++k) {
        const double logit = 4 * uniform(random) - 2, confidence = -2 * uniform(random),
                     distance = 10 * uniform(random);
        logits.push_back(logit);
        signals.insert(signals.end(), {confidence, distance});
        scores.push_back(uniform(random) < truth(logistic(logit), {confidence, distance}) ? 1.0 : 0.0);
    }
    const auto weights = fitted<2>(logits, signals, scores);
    CHECK(std::abs(weights.bias - truth.bias) < 0.15);
    CHECK(std::abs(weights.of_predictor - truth.of_predictor) < 0.05);
    CHECK(std::abs(weights.of_signals[0] - truth.of_signals[0]) < 0.1);
    CHECK(std::abs(weights.of_signals[1] - truth.of_signals[1]) < 0.02);
}

TEST_CASE("rows without a signal are left out") {
    const auto all = fitted<1>({0, 1, 0, 5}, {1, 0.5, -1, missing}, {1, 1, 0, 0});
    const auto complete = fitted<1>({0, 1, 0}, {1, 0.5, -1}, {1, 1, 0});
    CHECK(all == complete);
}

TEST_CASE("rows that a signal separates have finite weights") {
    const auto weights = fitted<1>({0, 0, 0, 0}, {-2, -1, 1, 2}, {0, 0, 1, 1}, 1e-6);
    CHECK(std::isfinite(weights.of_signals[0]));
    CHECK(weights.of_signals[0] > 5);
}

TEST_CASE("rows that cannot be used are refused") {
    expect_fault<1>({0}, {1, 2}, {1, 0}, 1, errc::malformed, "need 2 logits and 2 values of signals, got 1 and 2");
    expect_fault<2>({0, 0}, {1, 2}, {1, 0}, 1, errc::malformed, "need 2 logits and 4 values of signals");
    expect_fault<1>({}, {}, {}, 1, errc::out_of_range, "at least one row with all its signals");
    expect_fault<1>({0}, {missing}, {1}, 1, errc::out_of_range, "at least one row with all its signals");
    expect_fault<1>({missing}, {0}, {1}, 1, errc::out_of_range, "logits[0] must be finite");
    expect_fault<1>({0}, {infinity}, {1}, 1, errc::out_of_range, "signals[0] must be finite, or NaN");
    expect_fault<1>({0}, {0}, {1.5}, 1, errc::out_of_range, "scores[0] must be between 0 and 1");
    for (const double ridge : {0.0, -1.0, missing, infinity})
        expect_fault<1>({0}, {0}, {1}, ridge, errc::out_of_range, "ridge must be finite and more than 0");
    expect_fault<1>({0, 0}, {1e200, -1e200}, {1, 0}, 1, errc::out_of_range, "too large to be computed with");
}
