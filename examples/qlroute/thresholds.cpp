#include "commands.hpp"
#include "dialogues.hpp"
#include "configured/endpoints.hpp"
#include "configured/files.hpp"
#include "table_text.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <limits>
#include <sstream>
#include <vector>

using namespace qlroute;

namespace {

bool is_none(double theta) { return theta >= std::numeric_limits<double>::max(); }
bool is_all(double theta) { return theta <= std::numeric_limits<double>::lowest(); }

}  // namespace

int run_thresholds(const thresholds_options& options) {
    if (options.rows.empty())
        throw usage_error("thresholds needs --rows: JSON lines {\"id\",\"turns\":[...]}, or - for standard input");
    if (options.small.empty() || options.large.empty())
        throw usage_error(
            "thresholds needs --small and --large: endpoint files (.json) or known models "
            "(qlroute models lists these)");
    const int aims = options.call_rate.has_value() + options.quality.has_value() + options.cost.has_value();
    if (aims != 1) throw usage_error("thresholds needs one of --call-rate, --quality and --cost");
    if (options.cost.has_value() != options.small_cost.has_value() ||
        options.cost.has_value() != options.large_cost.has_value())
        throw usage_error("--cost, --small-cost and --large-cost go together: a budget, and what a call costs");
    const response_difficulty& predictor = bundled_predictor();
    const auto small = choose_endpoint(options.small, "--small", predictor);
    const auto large = choose_endpoint(options.large, "--large", predictor);

    std::vector<double> score, p_small, p_large;
    const std::string name = options.rows == "-" ? "stdin" : options.rows;
    std::istringstream file(options.rows == "-" ? "" : read_file(options.rows));
    const std::size_t bad = read_dialogues(options.rows == "-" ? std::cin : file, name, [&](const dialogue& one) {
        conversation talk;
        talk.unfold(one, tokens(200));
        const auto difficulty = difficulty_of(predictor, talk.messages());
        p_small.push_back(small.success(difficulty));
        p_large.push_back(large.success(difficulty));
        score.push_back(1 - p_small.back());
    });
    if (score.empty()) throw usage_error(name + ": no prompt in it; expected JSON lines {\"id\",\"turns\":[...]}");

    const auto found = options.call_rate ? threshold_for_call_rate(score, *options.call_rate)
                       : options.quality
                           ? threshold_for_quality(score, p_small, p_large, *options.quality)
                           : threshold_for_cost(score, p_small, p_large, std::vector(score.size(), *options.small_cost),
                                                std::vector(score.size(), *options.large_cost), *options.cost);
    if (!found) throw usage_error(found.error().message);

    double quality = 0;
    for (std::size_t i = 0; i < score.size(); ++i)
        quality += (score[i] > found->theta ? p_large[i] : p_small[i]) / static_cast<double>(score.size());
    const char* aim = options.call_rate ? "call_rate" : options.quality ? "quality" : "cost";
    if (options.json) {
        nlohmann::ordered_json row{{"small", small.name}, {"large", large.name}, {"rows", score.size()}};
        if (is_all(found->theta)) row["theta"] = "all";
        else if (is_none(found->theta)) row["theta"] = "none";
        else row["theta"] = found->theta;
        row["aim"] = aim;
        row["reached"] = found->reached;
        row["met"] = found->met;
        row["call_rate"] = found->call_rate;
        row["quality"] = quality;
        std::cout << row.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
        return bad == 0 ? 0 : 1;
    }
    if (is_all(found->theta)) std::cout << "theta      all: every prompt goes to " << large.name << "; in a rule, 0\n";
    else if (is_none(found->theta))
        std::cout << "theta      none: no prompt goes to " << large.name << "; in a rule, 1\n";
    else
        std::cout << "theta      " << nlohmann::json(found->theta).dump() << ": " << large.name
                  << " answers where 1 - P(" << small.name << ") is more\n";
    std::cout << "call rate  " << fixed(100 * found->call_rate, 1) << " % of " << score.size() << " prompts\n"
              << "quality    " << fixed(quality, 4) << ", as predicted\n";
    if (options.cost) std::cout << "cost       " << nlohmann::json(found->reached).dump() << " a prompt\n";
    if (!found->met) std::cout << "The aim cannot be reached; this is what comes nearest.\n";
    return bad == 0 ? 0 : 1;
}
