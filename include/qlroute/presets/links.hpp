// Measured links, from public traces.
//
//   const link_preset* lte = presets::find_link("lte_edge_static");
//   if (lte && lte->uplink_rate) now.uplink_rate = *lte->uplink_rate;
//
// Goodput of TCP or UDP, pooled over the samples of a trace collection: what users of that place and year had, not what
// the technology can do.
#pragma once

#include <qlroute/core/literals.hpp>

#include <array>
#include <optional>
#include <string_view>

namespace qlroute {

/// What is known of a link; empty where nothing is. A plain value.
///
/// Only the rows of MECPerf had their wake-up measured by a client's own probes, and only a few networks their
/// inactivity; the other rows carry figures of these, or estimates.
struct link_preset {
    std::string_view name{};
    std::optional<bits_per_second> uplink_rate{};    ///< median
    std::optional<bits_per_second> downlink_rate{};  ///< median
    std::optional<seconds> rtt{};                    ///< median, radio awake
    std::optional<seconds> rtt_high{};               ///< 95th percentile
    std::optional<seconds> idle_penalty{};           ///< of the first packet of an idle radio, median
    std::optional<seconds> idle_penalty_high{};      ///< the same, 90th percentile
    std::optional<seconds> inactivity{};             ///< until the radio is idle
    std::optional<ratio> ln_rate_sd{};               ///< standard deviation of ln(uplink rate) within a trace
    std::optional<seconds> ou_time{};  ///< correlation time of ln(uplink rate), as an Ornstein-Uhlenbeck process
    std::optional<ratio> ou_white{};   ///< share of its variance that is white
    std::string_view source{};
    std::string_view note{};
};

}  // namespace qlroute

namespace qlroute::presets {

inline constexpr std::array links{
    link_preset{.name = "wifi_edge_idle_ap",
                .uplink_rate = 22.3_Mbps,
                .downlink_rate = 17_Mbps,
                .rtt = 1.6_ms,
                .rtt_high = 2_ms,
                .idle_penalty = 0_s,
                .idle_penalty_high = 0_s,
                .ln_rate_sd = 0.09,
                .source = "MECPerf, Wi-Fi to the edge, no cross-traffic",
                .note = "means of 11 s"},
    link_preset{.name = "wifi_edge_busy_ap",
                .uplink_rate = 11.7_Mbps,
                .downlink_rate = 7.1_Mbps,
                .rtt = 3.7_ms,
                .rtt_high = 6_ms,
                .idle_penalty = 0_s,
                .idle_penalty_high = 0_s,
                .ln_rate_sd = 0.1,
                .source = "MECPerf, Wi-Fi to the edge, 30 to 50 Mbit/s of cross-traffic",
                .note = "means of 11 s"},
    link_preset{.name = "wifi_cloud_idle_ap",
                .uplink_rate = 13.2_Mbps,
                .downlink_rate = 14.3_Mbps,
                .rtt = 39_ms,
                .rtt_high = 42_ms,
                .idle_penalty = 0_s,
                .idle_penalty_high = 0_s,
                .ln_rate_sd = 0.14,
                .source = "MECPerf, Wi-Fi to the cloud, no cross-traffic",
                .note = "means of 11 s"},
    link_preset{.name = "wifi_campus_walk",
                .downlink_rate = 32.4_Mbps,
                .idle_penalty = 0_s,
                .idle_penalty_high = 0_s,
                .ln_rate_sd = 1.79,
                .ou_time = 5_s,
                .ou_white = 0,
                .source = "MP-Traces, Wi-Fi, walking a campus",
                .note = "spread and times are of the downlink"},
    link_preset{.name = "lte_edge_static",
                .uplink_rate = 9.1_Mbps,
                .downlink_rate = 13.9_Mbps,
                .rtt = 41_ms,
                .rtt_high = 53_ms,
                .idle_penalty = 330_ms,
                .idle_penalty_high = 770_ms,
                .inactivity = 10_s,
                .ln_rate_sd = 0.12,
                .source = "MECPerf, LTE to the edge",
                .note = "means of 11 s"},
    link_preset{.name = "lte_cloud_static",
                .uplink_rate = 7_Mbps,
                .downlink_rate = 8.6_Mbps,
                .rtt = 75_ms,
                .rtt_high = 92_ms,
                .idle_penalty = 370_ms,
                .idle_penalty_high = 730_ms,
                .inactivity = 10_s,
                .ln_rate_sd = 0.2,
                .source = "MECPerf, LTE to the cloud",
                .note = "means of 11 s"},
    link_preset{
        .name = "lte_population",
        .uplink_rate = 14.3_Mbps,
        .rtt = 58.7_ms,
        .rtt_high = 91.5_ms,
        .idle_penalty = 330_ms,
        .idle_penalty_high = 770_ms,
        .inactivity = 10_s,
        .ln_rate_sd = 1.2,
        .source = "IFIP Networking 2024, uplink tests over LTE, seven countries",
        .note =
            "between tests, not within one: rtt_high is the 90th percentile, ln_rate_sd = (ln p90 - ln p10) / 2.563"},
    link_preset{.name = "lte_driving_us_2013",
                .uplink_rate = 1.12_Mbps,
                .idle_penalty = 330_ms,
                .idle_penalty_high = 770_ms,
                .inactivity = 10_s,
                .ln_rate_sd = 0.7,
                .ou_time = 4_s,
                .ou_white = 0.2,
                .source = "Mahimahi, LTE, driving"},
    link_preset{
        .name = "nr_nsa_sa_population",
        .uplink_rate = 26.5_Mbps,
        .rtt = 52.8_ms,
        .rtt_high = 136.3_ms,
        .idle_penalty = 330_ms,
        .idle_penalty_high = 770_ms,
        .inactivity = 10_s,
        .ln_rate_sd = 1.33,
        .source = "IFIP Networking 2024, uplink tests over 5G, seven countries",
        .note =
            "between tests, not within one: rtt_high is the 90th percentile, ln_rate_sd = (ln p90 - ln p10) / 2.563"},
    link_preset{.name = "nr_sa_low_walk",
                .uplink_rate = 27.7_Mbps,
                .downlink_rate = 36.9_Mbps,
                .rtt = 55_ms,
                .rtt_high = 87_ms,
                .idle_penalty = 300_ms,
                .idle_penalty_high = 700_ms,
                .inactivity = 10_s,
                .ln_rate_sd = 1.01,
                .ou_time = 19_s,
                .ou_white = 0.18,
                .source = "SIGCOMM 2021 artifact, T-Mobile SA, walking; round trip Ookla",
                .note = "up and down from separate runs"},
    link_preset{.name = "nr_nsa_low_walk",
                .uplink_rate = 70.5_Mbps,
                .downlink_rate = 107_Mbps,
                .rtt = 34_ms,
                .rtt_high = 66_ms,
                .idle_penalty = 330_ms,
                .idle_penalty_high = 750_ms,
                .inactivity = 10_s,
                .ln_rate_sd = 0.74,
                .ou_time = 28_s,
                .ou_white = 0.1,
                .source = "SIGCOMM 2021 artifact, T-Mobile NSA, walking; round trip Ookla",
                .note = "up and down from separate runs; after idle 4G carries for the first 1.5 to 1.8 s"},
    link_preset{.name = "nr_mmwave_walk",
                .uplink_rate = 48.7_Mbps,
                .downlink_rate = 363_Mbps,
                .rtt = 31_ms,
                .rtt_high = 65_ms,
                .idle_penalty = 330_ms,
                .idle_penalty_high = 750_ms,
                .inactivity = 10_s,
                .ln_rate_sd = 0.51,
                .ou_time = 114_s,
                .ou_white = 0.1,
                .source = "SIGCOMM 2021 artifact, Verizon mmWave, walking; round trip Ookla",
                .note = "up and down from separate runs; falls back to LTE"},
    link_preset{.name = "nr_mmwave_los",
                .uplink_rate = 167.6_Mbps,
                .downlink_rate = 3132_Mbps,
                .rtt = 31_ms,
                .rtt_high = 38.6_ms,
                .idle_penalty = 330_ms,
                .idle_penalty_high = 750_ms,
                .inactivity = 10_s,
                .ln_rate_sd = 0.35,
                .source = "SIGCOMM 2021 artifact, Ookla with several connections, servers at 50 to 800 km"},
    link_preset{.name = "starlink_mobility",
                .uplink_rate = 18_Mbps,
                .downlink_rate = 76.4_Mbps,
                .idle_penalty = 0_s,
                .idle_penalty_high = 0_s,
                .ln_rate_sd = 0.19,
                .ou_time = 37_s,
                .ou_white = 0.68,
                .source = "CoNEXT 2023, Starlink, moving",
                .note = "UDP; the uplink is limited by what was offered"},
    link_preset{.name = "umts_driving",
                .uplink_rate = 1.07_Mbps,
                .downlink_rate = 1.89_Mbps,
                .ln_rate_sd = 0.72,
                .ou_time = 14_s,
                .ou_white = 0.16,
                .source = "Mahimahi, T-Mobile UMTS, driving",
                .note = "a single trace"},
    link_preset{.name = "evdo_driving",
                .uplink_rate = 0.96_Mbps,
                .downlink_rate = 0.41_Mbps,
                .ln_rate_sd = 0.69,
                .ou_time = 12_s,
                .ou_white = 0.24,
                .source = "Mahimahi, Verizon EVDO, driving",
                .note = "a single trace"}};

/// The link of that name, or null.
constexpr const link_preset* find_link(std::string_view name) {
    for (const link_preset& each : links)
        if (each.name == name) return &each;
    return nullptr;
}

}  // namespace qlroute::presets
