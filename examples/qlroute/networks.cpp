#include "networks.hpp"

#include "configured/files.hpp"
#include "configured/nearest.hpp"

#include <qlroute/io/number.hpp>
#include <qlroute/presets/links.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

using namespace qlroute;

namespace {

/// What a network is called here, and where its constants come from.
struct known_network {
    std::string_view name;
    std::vector<std::string_view> nets;  // in the index
    std::string_view mobility;           // in the index; empty: any
    std::string_view preset;             // of links
    seconds rtt_of_none;                 // where neither the traces nor the preset have one
    rate_process up, down;
    std::vector<std::string_view> notes;
};

const std::vector<known_network>& all_networks() {
    using namespace rate_processes;
    // Wi-Fi and standing LTE have no preset of this kind: these are the deviation from the median of all samples, and
    // the correlation of samples 11 s to 10 min apart.
    constexpr rate_process wifi_edge_uplink{.sd = 0.28, .white = 0.06, .memory = 1_h};
    constexpr rate_process wifi_edge_downlink{.sd = 0.42, .white = 0.05, .memory = 300_s};
    constexpr rate_process lte_edge_uplink{.sd = 0.14, .white = 0.5, .memory = 75_s};
    constexpr rate_process lte_edge_downlink{.sd = 0.5, .white = 0.1, .memory = 55_s};
    constexpr std::string_view cut = "samples of 11 s; hours between bursts of them are cut out";
    static const std::vector<known_network> all{
        {"wifi", {"wifi-edge"}, "", "wifi_edge_busy_ap", {}, wifi_edge_uplink, wifi_edge_downlink, {cut}},
        {"lte_static", {"lte-edge"}, "", "lte_edge_static", {}, lte_edge_uplink, lte_edge_downlink, {cut}},
        {"lte_driving", {"lte"}, "driving", "lte_population", {}, lte_uplink, lte_downlink, {}},
        {"5g", {"5g-sa-low", "5g-nsa-low"}, "", "nr_sa_low_walk", {}, nr_sa_uplink, nr_sa_downlink, {}},
        {"starlink",
         {"leo-starlink"},
         "",
         "starlink_mobility",
         60_ms,
         starlink_uplink,
         starlink_downlink,
         {"the uplink is limited by what was offered"}}};
    return all;
}

/// One line of CSV; a field in quotes may hold commas, and two quotes for one.
std::vector<std::string> fields_of(std::string_view line) {
    std::vector<std::string> out(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') out.back() += line[++i];
        else if (c == '"') quoted = !quoted;
        else if (c == ',' && !quoted) out.emplace_back();
        else out.back() += c;
    }
    return out;
}

/// One trace, as the index lists it.
struct listed_trace {
    std::string file, net, mobility;
};

std::vector<listed_trace> read_index(const std::string& path) {
    const std::string text = read_file(path);
    std::vector<listed_trace> out;
    std::map<std::string, std::size_t> columns;
    std::size_t number = 0;
    for (std::string_view rest = text; !rest.empty();) {
        std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        ++number;
        if (line.empty()) continue;
        const auto fields = fields_of(line);
        if (columns.empty()) {
            for (std::size_t k = 0; k < fields.size(); ++k) columns.emplace(fields[k], k);
            for (const char* each : {"file", "net", "mobility"})
                if (!columns.contains(each))
                    throw usage_error(path + ": no column \"" + each +
                                      "\"; expected at least file, net and mobility in the first line");
            continue;
        }
        const auto field = [&](const char* name) {
            const std::size_t at = columns.at(name);
            if (at >= fields.size())
                throw usage_error(path + ": line " + std::to_string(number) + ", column " + name +
                                  ": missing; expected " + std::to_string(columns.size()) + " fields, got " +
                                  std::to_string(fields.size()));
            return fields[at];
        };
        out.push_back({field("file"), field("net"), field("mobility")});
    }
    if (columns.empty()) throw usage_error(path + ": it is empty; expected a line a trace");
    return out;
}

bool carries(const trace& recorded, direction way) {
    return recorded.measures(way) && std::isfinite(recorded.transfer_time(0_s, bits(1), way).value());
}

template <class Quantity>
Quantity median_of(std::vector<Quantity> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Of all samples of those traces that measure it.
template <class Quantity>
std::optional<Quantity> usual(const std::vector<const trace*>& traces, std::optional<Quantity> trace_sample::*what) {
    std::vector<Quantity> values;
    for (const trace* each : traces)
        for (const auto& sample : each->samples())
            if (sample.*what) values.push_back(*(sample.*what));
    if (values.empty()) return std::nullopt;
    return median_of(std::move(values));
}

/// Traces of one net, by what they measure.
struct recordings {
    std::vector<std::pair<std::string, trace>> both, up, down;

    /// Those of both directions as they are; uplinks and downlinks of their own by their order. Where one direction has
    /// fewer, or none of its own, its traces serve again.
    std::vector<recorded_link> paired() const {
        std::vector<recorded_link> out;
        for (const auto& [file, recorded] : both) out.push_back({file, file, recorded, recorded});
        const auto& ups = up.empty() ? both : up;
        const auto& downs = down.empty() ? both : down;
        if (ups.empty() || downs.empty()) return out;
        for (std::size_t k = 0; k < std::max(up.size(), down.size()); ++k) {
            const auto& [file_up, sent] = ups[k % ups.size()];
            const auto& [file_down, received] = downs[k % downs.size()];
            out.push_back({file_up, file_down, sent, received});
        }
        return out;
    }
};

std::string in_mbps(bits_per_second rate) {
    const std::string tenths = std::to_string(std::llround(rate.value() / 1e5));
    return (tenths.size() > 1 ? tenths.substr(0, tenths.size() - 1) : "0") + "." + tenths.back() + " Mbit/s";
}

}  // namespace

std::vector<std::string_view> known_networks() {
    std::vector<std::string_view> out;
    for (const auto& each : all_networks()) out.push_back(each.name);
    return out;
}

network read_network(const std::string& data, std::string_view name) {
    const auto& all = all_networks();
    const auto known = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.name == name; });
    if (known == all.end()) {
        std::string names;
        for (const auto& each : all) (names += names.empty() ? "" : ", ") += each.name;
        throw usage_error("no network is named " + qlroute::detail::quoted(name) + "; known are " + names);
    }
    const std::string folder = data + "/traces/";
    const auto index = read_index(folder + "index.csv");

    network out;
    out.name = known->name;
    std::size_t listed = 0, useless = 0;
    bool apart = false;
    for (const std::string_view net : known->nets) {
        recordings found;
        for (const auto& entry : index) {
            if (entry.net != net || (!known->mobility.empty() && entry.mobility != known->mobility)) continue;
            ++listed;
            auto recorded = trace::parse(read_file(folder + entry.file));
            if (!recorded) throw usage_error(folder + entry.file + ": " + recorded.error().message);
            const bool up = carries(*recorded, direction::uplink), down = carries(*recorded, direction::downlink);
            if (!up && !down) ++useless;
            else (up && down ? found.both : up ? found.up : found.down).emplace_back(entry.file, *std::move(recorded));
        }
        for (auto& link : found.paired()) {
            apart = apart || link.file_up != link.file_down;
            out.links.push_back(std::move(link));
        }
    }
    if (out.links.empty())
        throw usage_error(folder + "index.csv: no usable link of the network \"" + out.name + "\": of " +
                          std::to_string(listed) + " traces listed, " + std::to_string(useless) +
                          " carry nothing, and the others do not have both directions");

    std::map<std::string_view, const trace*> ups, downs;  // each file once
    for (const auto& link : out.links) {
        ups.emplace(link.file_up, &link.up);
        downs.emplace(link.file_down, &link.down);
    }
    const auto values = [](const auto& files) {
        std::vector<const trace*> traces;
        for (const auto& [file, recorded] : files) traces.push_back(recorded);
        return traces;
    };
    const bits_per_second least(1e5);
    out.usual_up = std::max(*usual(values(ups), &trace_sample::uplink_rate), least);
    out.usual_down = std::max(*usual(values(downs), &trace_sample::downlink_rate), least);
    out.up_process = known->up;
    out.down_process = known->down;

    const link_preset& preset = *presets::find_link(known->preset);
    const auto recorded_rtt = usual(values(ups), &trace_sample::rtt);
    out.rtt_is_recorded = recorded_rtt.has_value();
    out.rtt = recorded_rtt ? *recorded_rtt : preset.rtt.value_or(known->rtt_of_none);
    out.idle_penalty = preset.idle_penalty.value_or(0_s);
    out.idle_penalty_high = preset.idle_penalty_high.value_or(0_s);
    out.inactivity = preset.inactivity;

    out.notes.assign(known->notes.begin(), known->notes.end());
    out.notes.push_back("usual rates are medians over the samples of all its traces: " + in_mbps(out.usual_up) +
                        " up, " + in_mbps(out.usual_down) + " down");
    if (!out.rtt_is_recorded)
        out.notes.push_back(preset.rtt ? "the round trip was not recorded; it is that of the preset " +
                                             std::string(known->preset)
                                       : "the round trip was not recorded; 60 ms are assumed");
    if (out.idle_penalty > 0_s)
        out.notes.push_back("what waking the radio takes was not recorded; it is that of the preset " +
                            std::string(known->preset));
    if (apart) out.notes.push_back("uplinks and downlinks that were recorded apart are paired by their order");
    if (useless > 0) out.notes.push_back(std::to_string(useless) + " traces carry nothing and are left out");
    return out;
}
