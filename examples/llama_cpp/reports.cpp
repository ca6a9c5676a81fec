#include "reports.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <string_view>
#include <utility>

using namespace qlroute;
using nlohmann::ordered_json;

namespace {

std::string_view to_text(reply::stop why) {
    constexpr std::string_view names[] = {"end", "length", "context"};
    return names[static_cast<std::size_t>(why)];
}

ordered_json times_section(const turn_times& t) {
    return {{"ttft_s", t.ttft.value()}, {"decode_s", t.decode.value()}, {"total_s", t.total.value()}};
}

std::string formatted(const char* how, auto... values) {
    char text[256];
    std::snprintf(text, sizeof text, how, values...);
    return text;
}

}  // namespace

void print_json(std::ostream& out, const std::string& id, std::size_t turn, const turn_report& report, bool with_text) {
    const reply& answer = report.answer;
    ordered_json row{{"id", id}, {"turn", turn}, {"endpoint", endpoint_names[report.where]}};
    row["switched"] = report.switched;
    row["cost_s"] = report.cost.value();
    for (const auto& line : report.breakdown) row["breakdown"][std::string(line.name)] = line.value.value();
    row["p_success"] = report.p_success;
    row["tokens"] = {{"prompt", answer.found.cached + answer.found.evaluated},
                     {"expected_evaluated", report.to_evaluate.value()},
                     {"cached", answer.found.cached},
                     {"evaluated", answer.found.evaluated},
                     {"written", answer.sampled},
                     {"stop", to_text(answer.why)}};
    for (std::size_t p = 0; p < endpoint_names.size(); ++p)
        row["prompt_tokens"][std::string(endpoint_names[p])] = report.prompt_tokens[p];
    row["engine"] = {{"positions", report.positions}, {"mirrored", report.mirrored}, {"evaluated", report.evaluated}};
    row["deciding_s"] = report.deciding.value();
    row["predicted"] = times_section(report.predicted);
    row["measured"] = times_section(report.measured);
    if (with_text) row["text"] = answer.text;
    out << row.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << std::endl;
}

void print_turn(std::ostream& out, const turn_report& report) {
    const auto& found = report.answer.found;
    const turn_times& said = report.predicted;
    const turn_times& took = report.measured;
    out << formatted("  %s%s", endpoint_names[report.where].data(), report.switched ? " <-" : "")
        << formatted("   read %zu of %zu tokens, wrote %zu", found.evaluated, found.cached + found.evaluated,
                     report.answer.sampled)
        << formatted("   ttft %.3f s (predicted %.3f)", took.ttft.value(), said.ttft.value())
        << formatted("   decode %.3f s (%.3f)", took.decode.value(), said.decode.value())
        << formatted("   total %.3f s (%.3f)", took.total.value(), said.total.value()) << '\n';
    out << formatted("  cost %.2f s =", report.cost.value());
    const char* plus = "";
    for (const auto& [name, value] : report.breakdown) {
        if (std::abs(value.value()) < 0.0005) continue;
        out << plus << formatted(" %s %.2f", name.data(), value.value());
        plus = " +";
    }
    out << "\n\n" << std::flush;
}

void error_medians::add(const turn_report& report, bool is_first) {
    rows_.push_back({report.predicted, report.measured, is_first, report.switched});
}

void error_medians::print(std::ostream& out) const {
    if (rows_.empty()) return;
    const std::pair<std::string_view, std::function<bool(const row&)>> groups[] = {
        {"all turns", [](const row&) { return true; }},
        {"first turns", [](const row& r) { return r.is_first; }},
        {"stays", [](const row& r) { return !r.is_first && !r.switched; }},
        {"switches", [](const row& r) { return r.switched; }}};
    out << formatted("%-12s %6s %22s %22s %22s\n", "|error|", "turns", "ttft", "decode", "total");
    for (const auto& [name, belongs] : groups) {
        std::array<std::vector<double>, 3> absolute;
        std::array<std::vector<double>, 3> relative;
        for (const row& r : rows_) {
            if (!belongs(r)) continue;
            const std::pair<seconds, seconds> pairs[] = {{r.predicted.ttft, r.measured.ttft},
                                                         {r.predicted.decode, r.measured.decode},
                                                         {r.predicted.total, r.measured.total}};
            for (std::size_t k = 0; k < std::size(pairs); ++k) {
                const double off = std::abs((pairs[k].first - pairs[k].second).value());
                absolute[k].push_back(off);
                if (pairs[k].second > seconds(0)) relative[k].push_back(off / pairs[k].second.value());
            }
        }
        if (absolute[0].empty()) continue;
        out << formatted("%-12s %6zu", std::string(name).c_str(), absolute[0].size());
        for (std::size_t k = 0; k < absolute.size(); ++k)
            out << formatted(" %11.1f ms (%4.1f %%)", 1e3 * summarised(absolute[k]).median,
                             100 * summarised(relative[k]).median);
        out << '\n';
    }
    out << "medians of |predicted - measured|, and of it over measured\n" << std::flush;
}
