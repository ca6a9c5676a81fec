#include <qlroute/cost/radio_wakeup.hpp>

#include <qlroute/cost/objective.hpp>

#include <doctest/doctest.h>

#include <concepts>

#include "support/filled.hpp"

using namespace qlroute;
using namespace qlroute::test;

namespace {

static_assert(cost::term_of_a_cost<cost::radio_wakeup<>>);
static_assert(std::same_as<cost::cost_of<cost::radio_wakeup<>>, seconds>);
static_assert(std::same_as<decltype(cost::radio_wakeup{rrc::wifi()}), cost::radio_wakeup<rrc>>);

/// A radio of the test's own: a tenth of the silence.
struct sleepy {
    constexpr auto uplink_wakeup(const auto& idle) const { return 0.1 * idle; }
};

scenario<> after(seconds idle) {
    auto s = round_facts();
    s.radio_idle = idle;
    return s;
}

}  // namespace

TEST_CASE_TEMPLATE("a remote target waits for the radio", Rep, QLROUTE_TEST_REPS) {
    const cost::radio_wakeup term{rrc::lte()};
    CHECK(equals<Rep>(term(filled<Rep>(after(0_s))), 0_s));
    CHECK(equals<Rep>(term(filled<Rep>(after(5_s))), 14_ms));
    CHECK(equals<Rep>(term(filled<Rep>(after(20_s))), 330_ms));
    CHECK(equals<Rep>(cost::radio_wakeup<sleepy>{}(filled<Rep>(after(20_s))), 2_s));
    CHECK(equals<Rep>(cost::radio_wakeup{rrc::wifi()}(filled<Rep>(after(20_s))), 0_s));
}

TEST_CASE_TEMPLATE("the device itself waits for no radio", Rep, QLROUTE_TEST_REPS) {
    auto local = after(1000_s);
    local.prompt_size = 0_bit;
    local.rtt = 0_s;
    CHECK(equals<Rep>(cost::radio_wakeup{}(filled<Rep>(local)), 0_s));
}

TEST_CASE("a prompt to each side of a grid: only what goes up waits") {
    scenario<Eigen::ArrayXd> s = filled<Eigen::ArrayXd>(after(20_s));
    Eigen::ArrayXd sizes(3);
    sizes << 0, 1, 1e6;
    s.prompt_size = quantity<dim::data, Eigen::ArrayXd>(sizes);
    const auto wait = cost::radio_wakeup{}(s).value();
    CHECK(wait[0] == 0);
    CHECK(wait[1] == 0.33);
    CHECK(wait[2] == 0.33);
}

TEST_CASE("the line of a breakdown has its name") {
    const auto objective = cost::radio_wakeup{} + cost::ttft();
    const auto lines = explain(objective, after(20_s));
    REQUIRE(lines.find("radio_wakeup") != nullptr);
    CHECK(*lines.find("radio_wakeup") == 330_ms);
    CHECK((objective(after(20_s)) - cost::ttft()(after(20_s))).value() == doctest::Approx(0.33));
}
