// qlroute-link: a link of a given rate, round trip, jitter and loss, or as recorded, between two network namespaces.
#include "configured/files.hpp"
#include "forwarder.hpp"
#include "namespaces.hpp"
#include "processes.hpp"

#include <qlroute/io/quantity_text.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <vector>

using namespace qlroute;

namespace {

/// Of this program itself, as of env and timeout: other statuses are COMMAND's.
constexpr int own_failure = 125;

/// What a program may take to end by itself.
constexpr std::chrono::milliseconds time_to_end{3000};

/// Most of both directions together: the packets that wait and those on the air.
constexpr bits memory = 512_MiB;

/// As the command line says it.
struct options {
    std::string up, down, rtt;
    std::string jitter = "0 ms", loss = "0", queue = "200 ms";
    bool reordering = false;
    std::string trace, trace_start = "0 s";
    std::uint64_t seed = 1;
    std::string device_namespace = "qlr-device", edge_namespace = "qlr-edge";
    bool existing = false;
    std::string device_address = "10.77.0.1", edge_address = "10.77.0.2";
    std::string edge_command;
    int wait_port = 0;
    std::string wait_timeout = "60 s";
    std::string stats;
    bool quiet = false;
    std::vector<std::string> command;
};

template <class Q>
Q quantity_of(const std::string& option, const std::string& text, Q least, Q most) {
    const auto value = parse_quantity<Q>(text);
    if (!value) throw usage_error(option + ": " + value.error().message);
    if (*value < least || *value > most)
        throw usage_error(option + ": expected " + to_text(least) + " to " + to_text(most) + ", got " +
                          detail::quoted(text));
    return *value;
}

/// "UP,DOWN", or one text for both.
struct two_texts {
    std::string up, down;
};
two_texts both_ways(const std::string& text) {
    const auto comma = text.find(',');
    if (comma == std::string::npos) return {text, text};
    return {text.substr(0, comma), text.substr(comma + 1)};
}

/// A size; or a time, which is what the course carries in that time on average.
bits queue_of(const std::string& text, const link_course& course) {
    if (const auto size = parse_quantity<bits>(text)) return quantity_of("--queue", text, 1_B, memory);
    if (const auto time = parse_quantity<seconds>(text))
        return course.mean_rate() * quantity_of("--queue", text, 0_s, 3600_s);
    throw usage_error("--queue: expected a time such as \"100 ms\" or a size such as \"256 KiB\", got " +
                      detail::quoted(text));
}

std::optional<trace> trace_of(const std::string& path) {
    if (path.empty()) return std::nullopt;
    auto read = trace::parse(read_file(path));
    if (!read) throw usage_error(path + ": " + read.error().message);
    return *std::move(read);
}

bool measures_rtt(const std::optional<trace>& recorded) {
    if (!recorded) return false;
    const auto samples = recorded->samples();
    return std::any_of(samples.begin(), samples.end(), [](const trace_sample& one) { return one.rtt.has_value(); });
}

/// A value that the trace has, if it is not given.
template <class Q>
Q unless_recorded(const std::string& option, const std::string& text, bool is_recorded, Q least, Q most) {
    if (!text.empty()) return quantity_of(option, text, least, most);
    if (is_recorded) return {};
    throw usage_error(option + ": expected one; without it a --trace has to have measured that");
}

shaper shaper_of(const options& said, const std::optional<trace>& recorded, direction way) {
    const bool is_up = way == direction::uplink;
    const std::string option = is_up ? "--up" : "--down";
    const bool is_recorded = recorded && recorded->measures(way);
    const auto rate =
        unless_recorded<bits_per_second>(option, is_up ? said.up : said.down, is_recorded, 1_kbps, 10_Gbps);
    const auto rtt = unless_recorded<seconds>("--rtt", said.rtt, measures_rtt(recorded), 0_s, 60_s);
    const link_course course =
        recorded
            ? link_course(*recorded,
                          recorded->samples().front().at + quantity_of("--trace-start", said.trace_start, 0_s, 1e9_s),
                          way, rate, rtt)
            : link_course(rate, rtt);
    if (!(course.largest_rate() > 0_bps))
        throw usage_error(said.trace + ": its rate " + (is_up ? "up" : "down") +
                          " is 0 in every sample; expected one that carries something");

    const auto chosen = [&](const std::string& text) {
        const two_texts two = both_ways(text);
        return is_up ? two.up : two.down;
    };
    const link_shape shape{.queue = queue_of(chosen(said.queue), course),
                           .loss = quantity_of<ratio>("--loss", chosen(said.loss), 0, 1),
                           .jitter = quantity_of("--jitter", chosen(said.jitter), 0_s, 60_s),
                           .reordering = said.reordering};
    const bits held = shape.queue + course.largest_rate() * (course.largest_delay() + shape.jitter);
    if (held > 0.5 * memory)
        throw usage_error(option + ", --queue, --rtt and --jitter: up to " + to_text(held) +
                          " would be under way; expected at most " + to_text(0.5 * memory));
    return shaper(course, shape, is_up ? said.seed : ~said.seed);
}

void check_address(const std::string& option, const std::string& text) {
    in_addr parsed{};
    if (inet_pton(AF_INET, text.c_str(), &parsed) != 1)
        throw usage_error(option + ": expected an IPv4 address such as 10.77.0.1, got " + detail::quoted(text));
}

// --- what was seen -------------------------------------------------------------------------------

std::string line_about(const std::string& name, const traffic& seen) {
    const auto counted = [](std::uint64_t n) { return std::to_string(n); };
    const auto size = [](std::uint64_t bytes) { return to_text(bits(8.0 * static_cast<double>(bytes))); };
    std::string out = name + counted(seen.packets) + " packets, " + size(seen.bytes) + "; " + counted(seen.carried) +
                      " carried, " + counted(seen.lost) + " lost, " + counted(seen.dropped) + " dropped";
    if (seen.refused > 0) out += ", " + counted(seen.refused) + " refused by the receiver";
    out += "; queue p50 " + to_text(seen.queue_delay.quantile(0.5)) + ", p95 " +
           to_text(seen.queue_delay.quantile(0.95)) + "; late p50 " + to_text(seen.lateness.quantile(0.5)) + ", p99 " +
           to_text(seen.lateness.quantile(0.99));
    return out;
}

nlohmann::json json_of(const traffic& seen) {
    return {{"packets", seen.packets},
            {"bytes", seen.bytes},
            {"carried", seen.carried},
            {"carried_bytes", seen.carried_bytes},
            {"lost", seen.lost},
            {"dropped", seen.dropped},
            {"refused", seen.refused},
            {"queue_delay_p50_s", seen.queue_delay.quantile(0.5).value()},
            {"queue_delay_p95_s", seen.queue_delay.quantile(0.95).value()},
            {"late_p50_s", seen.lateness.quantile(0.5).value()},
            {"late_p99_s", seen.lateness.quantile(0.99).value()}};
}

void write_stats(const std::string& path, const forwarder& link) {
    const std::string text = nlohmann::json{{"up", json_of(link.up())}, {"down", json_of(link.down())}}.dump() + '\n';
    write_file(path, std::as_bytes(std::span(text)));
}

// --- the run -------------------------------------------------------------------------------------

void say(const std::string& text) { std::cerr << "qlroute-link: " << text << '\n'; }

std::string words(const options& said, const std::optional<trace>& recorded) {
    const auto one = [](const std::string& text, bool is_recorded) {
        return is_recorded ? std::string("as recorded") : text;
    };
    return said.device_namespace + ' ' + said.device_address + " <-> " + said.edge_namespace + ' ' + said.edge_address +
           ", up " + one(said.up, recorded && recorded->measures(direction::uplink)) + ", down " +
           one(said.down, recorded && recorded->measures(direction::downlink)) + ", rtt " +
           one(said.rtt, measures_rtt(recorded)) + (recorded ? " in " + said.trace : "");
}

/// However the run ends, what it started ends first.
struct programs {
    programs() = default;
    programs(const programs&) = delete;
    programs& operator=(const programs&) = delete;
    ~programs() { end_descendants(time_to_end); }

    pid_t edge = 0;
    pid_t command = 0;
};

/// Until COMMAND has ended, or a signal comes. The status of this program.
int attend(const options& said, const std::string& description, const network_namespace& device,
           const network_namespace& edge, const forwarder& link, programs& run) {
    const environment variables{{"QLROUTE_DEVICE_ADDRESS", said.device_address},
                                {"QLROUTE_EDGE_ADDRESS", said.edge_address},
                                {"QLROUTE_DEVICE_NAMESPACE", said.device_namespace},
                                {"QLROUTE_EDGE_NAMESPACE", said.edge_namespace}};
    if (!said.edge_command.empty()) run.edge = start(edge, {"/bin/sh", "-c", said.edge_command}, variables, true);

    const seconds timeout = quantity_of("--wait-timeout", said.wait_timeout, 0_s, 86400_s);
    const auto waits_until =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<long>(timeout.value() * 1e3));
    const std::string port = said.edge_address + ':' + std::to_string(said.wait_port);
    bool is_ready = false;
    for (;;) {
        if (!is_ready) {
            const std::string listener =
                said.wait_port == 0 ? said.edge_address : listener_on(edge, said.edge_address, said.wait_port);
            if (listener == said.edge_address) {
                is_ready = true;
                if (!said.quiet) say("link up: " + description);
                if (!said.command.empty()) run.command = start(device, said.command, variables, false);
            } else if (std::chrono::steady_clock::now() > waits_until) {
                throw usage_error(
                    "--wait-port: nothing listens on " + port + " after " + to_text(timeout) +
                    (listener.empty() ? "" : "; somebody does on " + listener + ", which the device cannot reach"));
            }
        }
        const event next = next_event(std::chrono::milliseconds(is_ready ? 200 : 20));
        if (link.is_broken())
            throw usage_error(std::string("the device ") + link_device + " is gone; was a namespace removed?");
        if (next.signal != 0) return run.command == 0 ? 0 : 128 + next.signal;
        if (next.ended == 0) continue;
        if (next.ended == run.command) return next.status;
        if (next.ended != run.edge) continue;  // one that was left behind by its parent
        const std::string ended = "the edge command ended with status " + std::to_string(next.status);
        if (!is_ready && said.wait_port != 0) throw usage_error(ended + " before anything listened on " + port);
        say(ended);
    }
}

int run(const options& said) {
    const std::optional<trace> recorded = trace_of(said.trace);
    shaper up = shaper_of(said, recorded, direction::uplink);
    shaper down = shaper_of(said, recorded, direction::downlink);
    check_address("--device-address", said.device_address);
    check_address("--edge-address", said.edge_address);
    check_rights();

    adopt_descendants();
    const auto namespace_of = [&](const std::string& name) {
        return said.existing ? network_namespace::existing(name) : network_namespace::create(name);
    };
    const network_namespace device = namespace_of(said.device_namespace);
    const network_namespace edge = namespace_of(said.edge_namespace);
    const file_descriptor device_end = open_link_device(device, said.device_address, said.edge_address);
    const file_descriptor edge_end = open_link_device(edge, said.edge_address, said.device_address);
    forwarder link(device_end.get(), edge_end.get(), std::move(up), std::move(down));
    int status = 0;
    {
        programs started;  // they end while the link is there: they may have something to say to one another
        status = attend(said, words(said, recorded), device, edge, link, started);
    }
    link.stop();
    if (!said.quiet) {
        say(line_about("up    ", link.up()));
        say(line_about("down  ", link.down()));
    }
    if (!said.stats.empty()) write_stats(said.stats, link);
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"A link of a given rate, round trip, jitter and loss, or as recorded, between two network namespaces"};
    app.set_version_flag("--version", std::to_string(QLROUTE_VERSION_MAJOR) + "." +
                                          std::to_string(QLROUTE_VERSION_MINOR) + "." +
                                          std::to_string(QLROUTE_VERSION_PATCH));
    app.footer(
        "-- COMMAND ... at the end runs in the device's namespace; without it the link stays until SIGINT or SIGTERM.");
    options said;
    app.add_option("--up", said.up, "rate from the device to the edge, as \"5 Mbit/s\", unless recorded");
    app.add_option("--down", said.down, "rate from the edge to the device, unless recorded");
    app.add_option("--rtt", said.rtt, "round trip of a small packet, as \"30 ms\", unless recorded");
    app.add_option("--jitter", said.jitter, "each way's delay is up to so much shorter or longer; UP,DOWN for two");
    app.add_flag("--reordering", said.reordering, "jitter may let a packet overtake another");
    app.add_option("--loss", said.loss, "of packets each way, by chance, as \"0.5 %\"; UP,DOWN for two");
    app.add_option("--queue", said.queue, "that may wait each way, as a size or a time at the rate; UP,DOWN for two")
        ->capture_default_str();
    app.add_option("--trace", said.trace,
                   "a recorded link: t_s,uplink_bps,downlink_bps,rtt_s,snr_db as CSV, or gzipped");
    app.add_option("--trace-start", said.trace_start, "begin so long after the first sample");
    app.add_option("--seed", said.seed, "of losses and jitter")->capture_default_str();
    app.add_option("--device-namespace", said.device_namespace, "its name")->capture_default_str();
    app.add_option("--edge-namespace", said.edge_namespace, "its name")->capture_default_str();
    app.add_flag("--existing", said.existing, "use namespaces that exist, and leave them there");
    app.add_option("--device-address", said.device_address, "IPv4")->capture_default_str();
    app.add_option("--edge-address", said.edge_address, "IPv4")->capture_default_str();
    app.add_option("--edge-command", said.edge_command, "run this by /bin/sh in the edge's namespace");
    app.add_option("--wait-port", said.wait_port, "wait until something listens on this TCP port at the edge")
        ->check(CLI::Range(1, 65535));
    app.add_option("--wait-timeout", said.wait_timeout, "for that")->capture_default_str();
    app.add_option("--stats", said.stats, "write what was seen to this file, as JSON");
    app.add_flag("--quiet", said.quiet, "say nothing but errors");

    // COMMAND is taken as it is: what looks like an option or a list in it is its own business.
    char** const separator =
        std::find_if(argv, argv + argc, [](const char* word) { return std::string_view(word) == "--"; });
    if (separator != argv + argc) said.command.assign(separator + 1, argv + argc);
    try {
        app.parse(static_cast<int>(separator - argv), argv);
    } catch (const CLI::ParseError& why) {
        return app.exit(why) == 0 ? 0 : own_failure;
    }
    try {
        return run(said);
    } catch (const std::exception& why) {
        say(why.what());
        return own_failure;
    }
}
