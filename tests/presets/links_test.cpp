#include <qlroute/presets/links.hpp>

#include <doctest/doctest.h>

using namespace qlroute;

TEST_CASE("a link is found by its name") {
    constexpr const link_preset* lte = presets::find_link("lte_edge_static");
    static_assert(lte->uplink_rate.has_value());
    CHECK((lte->uplink_rate == 9.1_Mbps));
    CHECK((lte->downlink_rate == 13.9_Mbps));
    CHECK((lte->rtt == 41_ms));
    CHECK((lte->idle_penalty == 330_ms));
    CHECK(presets::find_link("lte") == nullptr);
    CHECK(presets::find_link("") == nullptr);
}

TEST_CASE("what was not measured is empty, not zero") {
    const link_preset* driving = presets::find_link("lte_driving_us_2013");
    REQUIRE(driving != nullptr);
    CHECK((driving->uplink_rate == 1.12_Mbps));
    CHECK(!driving->downlink_rate);
    CHECK(!driving->rtt);
    CHECK((presets::find_link("wifi_edge_idle_ap")->idle_penalty == 0_s));
}

TEST_CASE("every link says where it is from, and its figures are in order") {
    for (const link_preset& each : presets::links) {
        CAPTURE(each.name);
        CHECK(presets::find_link(each.name) == &each);
        CHECK(!each.source.empty());
        CHECK((each.uplink_rate || each.downlink_rate));
        for (const auto& rate : {each.uplink_rate, each.downlink_rate}) CHECK((!rate || *rate > 100_kbps));
        CHECK(each.rtt.has_value() == each.rtt_high.has_value());
        CHECK((!each.rtt || *each.rtt <= *each.rtt_high));
        CHECK(each.idle_penalty.has_value() == each.idle_penalty_high.has_value());
        CHECK((!each.idle_penalty || *each.idle_penalty <= *each.idle_penalty_high));
        CHECK(each.ou_time.has_value() == each.ou_white.has_value());
        CHECK((!each.ou_white || (*each.ou_white >= ratio(0) && *each.ou_white <= ratio(1))));
    }
}
