// Recorded networks: the links of a folder of traces, and what else is known of such a network.
#pragma once

#include <qlroute/core/units.hpp>
#include <qlroute/link/rate_belief.hpp>
#include <qlroute/link/trace.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Both directions of one link. They may be one file, or two that were recorded one after the other: `up` is read for
/// the uplink and the round trip alone, `down` for the downlink.
struct recorded_link {
    std::string file_up, file_down;  // below the folder of traces
    qlroute::trace up, down;
};

struct network {
    std::string name;
    std::vector<recorded_link> links;
    qlroute::seconds rtt{};  // median; of the samples where they measure it, else of a preset
    bool rtt_is_recorded = false;
    qlroute::seconds idle_penalty{};               // of the first packet of an idle radio, median
    qlroute::seconds idle_penalty_high{};          // 90th percentile
    std::optional<qlroute::seconds> inactivity{};  // until the radio is idle; nothing: it never is
    qlroute::rate_process up_process, down_process;
    qlroute::bits_per_second usual_up{}, usual_down{};  // medians of all samples
    std::vector<std::string> notes;
};

/// "wifi", "lte_static", "lte_driving", "5g", "starlink".
std::vector<std::string_view> known_networks();

/// Reads DATA/traces/index.csv and the traces of one network that are listed there. Throws usage_error: an unknown
/// name, a file that is missing or malformed, or no link with both directions.
network read_network(const std::string& data, std::string_view name);
