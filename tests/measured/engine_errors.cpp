// How far each engine, mirror and transport is off on recorded measurements: the tables of docs/cost/engines.md and
// docs/cost/transport.md, as Markdown. Exits with 1 where a bound that the documentation promises does not hold.
//
//   engine_errors FOLDER       with dev_t1_f16.jsonl, edge_t1_f16.jsonl, ..., chat.json, net_fit.json
#include "measurements.hpp"

#include <qlroute/qlroute.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

using namespace qlroute;
using nlohmann::ordered_json;

namespace {

int failures = 0;

void promise(const std::string& what, double value, double most) {
    if (value <= most) return;
    ++failures;
    std::printf("\nNOT MET: %s: %.4f, promised at most %.4f\n", what.c_str(), value, most);
}

double percent(double x) { return 100 * x; }

void engines(const std::string& folder) {
    std::printf(
        "## Reading and writing, by run\n\n"
        "| run | rows | form | leave one out: median, mean, max | histories left out | all rows | decode: all rows, "
        "leave one out |\n|---|---|---|---|---|---|---|\n");
    for (const std::string run : {"dev_t1_f16", "edge_t1_f16", "dev_t1_f16_nofa", "dev_t1_q8kv", "dev_t1_f16_nout1",
                                  "edge_t1_f16_nout1", "dev_t1_rem"}) {
        const std::string path = folder + "/" + run + ".jsonl";
        if (!std::filesystem::exists(path)) continue;
        const auto file = read_measurements(path);
        const auto compared = compare_engines(file.seen, file.known);
        for (const auto& f : compared->forms) {
            std::printf("| %s | %zu | %s%s%s | %.1f %%, %.1f %%, %.0f %% | ", run.c_str(), f.reading.n,
                        f.form == compared->chosen ? "**" : "", std::string(to_text(f.form)).c_str(),
                        f.form == compared->chosen ? "**" : "", percent(f.reading.median), percent(f.reading.mean),
                        percent(f.reading.max));
            std::printf(f.unseen_histories.n > 0 ? "%.1f %% | " : "- | ", percent(f.unseen_histories.mean));
            std::printf("%.1f %% | ", percent(f.fitted.mean));
            if (f.writing.n > 0)
                std::printf("%.1f %%, %.1f %% |\n", percent(f.fitted_writing.mean), percent(f.writing.mean));
            else std::printf("- |\n");
            if (run != "dev_t1_f16" && run != "edge_t1_f16") continue;
            if (f.form == engine_form::batched) {
                promise(run + ": batched, all rows, mean", f.fitted.mean, 0.045);
                promise(run + ": batched, histories left out, mean", f.unseen_histories.mean, 0.055);
                promise(run + ": decode with the context term, mean", f.fitted_writing.mean, 0.05);
            }
            if (f.form == engine_form::profiled) promise(run + ": profiled, median", f.reading.median, 0.06);
        }
    }
}

/// Recorded dialogues against two servers.
void dialogues(const std::string& folder) {
    const ordered_json all = ordered_json::parse(std::ifstream(folder + "/chat.json"));
    // Ids are not recorded, only counts: a dialogue that grows has one common prefix with what a server holds.
    std::size_t turns = 0;
    std::size_t mirrored = 0;
    for (const auto& [plan, list] : all["tokens"].items()) {
        std::map<std::string, token_mirror> mirrors;
        for (const auto& t : list) {
            const auto n = t["n_prompt"].get<std::int32_t>();
            std::vector<std::int32_t> prompt;
            for (std::int32_t id = 0; id < n; ++id) prompt.push_back(id);
            std::vector<std::int32_t> reply;
            for (std::int32_t id = 0; id < t["timings"]["predicted_n"].get<std::int32_t>(); ++id)
                reply.push_back(n + id);
            auto& mirror = mirrors[t["server"].get<std::string>()];
            const auto now = mirror.expect(prompt);
            ++turns;
            mirrored += now.cached == t["timings"]["cache_n"].get<std::size_t>() &&
                        now.evaluated == t["timings"]["prompt_n"].get<std::size_t>();
            mirror.commit(prompt, reply);
        }
    }
    std::printf("\n## Recorded dialogues\n\nToken mirror: cache_n and prompt_n as reported in %zu of %zu turns.\n\n",
                mirrored, turns);
    promise("turns that the token mirror gets wrong", static_cast<double>(turns - mirrored), 0);

    std::printf(
        "| learnt from | server | turns | mean error of prefill | turns after a switch | worst "
        "|\n|---|---|---|---|---|---|\n");
    for (const std::string believed : {"measured as the server is set", "measured otherwise", "a guess"})
        for (const std::string server : {"device", "edge"}) {
            cost::batched before{.tiled = {.per_token = 2_ms / 1_tok}, .untiled = {.per_token = 2_ms / 1_tok}};
            learning how;
            if (believed == "a guess") {
                how = learning::from_a_guess();
                if (server == "edge") before.tiled.per_token = before.untiled.per_token = 10_ms / 1_tok;
            } else {
                const std::string run = std::string(server == "device" ? "dev" : "edge") + "_t1_f16" +
                                        (believed == "measured otherwise" ? "" : "_nout1");
                const auto file = read_measurements(folder + "/" + run + ".jsonl");
                before = *fit_engine(engine_form::batched, file.seen, file.known)->get<cost::batched>();
            }
            online_engine learner(before, how);
            std::vector<double> errors;
            std::vector<double> switches;
            for (const auto& [plan, list] : all["tokens"].items()) {
                std::string last;
                for (const auto& t : list) {
                    const auto who = t["server"].get<std::string>();
                    if (who == server) {
                        const auto figure = [&](const char* key) { return t["timings"][key].get<double>(); };
                        const tokens cached(figure("cache_n"));
                        const tokens read(figure("prompt_n"));
                        const seconds took(figure("prompt_ms") / 1e3);
                        const double off =
                            std::abs((learner.prefill_time(scenario<>{}, cached, read) / took).value() - 1);
                        errors.push_back(off);
                        if (!last.empty() && last != who) switches.push_back(off);
                        learner.observe_prefill(cached, read, took);
                    }
                    last = who;
                }
            }
            const auto e = summarised(errors);
            std::printf("| %s | %s | %zu | %.1f %% | %.1f %% (%zu) | %.0f %% |\n", believed.c_str(), server.c_str(),
                        e.n, percent(e.mean), percent(summarised(switches).mean), switches.size(), percent(e.max));
            if (believed == "measured as the server is set")
                promise(server + ": prefill of each turn from those before it, mean", e.mean, 0.09);
        }
}

/// Time to first token over a shaped link, prefill and the server's own time as measured.
void links(const std::string& folder) {
    const auto rows = ordered_json::parse(std::ifstream(folder + "/net_fit.json"))["rows"];
    struct group {
        std::vector<double> plain, start, lossy_median, lossy_mean;
    };
    std::map<std::string, group> groups;
    for (const auto& r : rows) {
        if (r["kind"] != "tun") continue;
        const bool fresh = r["fresh"].get<bool>();
        const double kb = r["kb"].get<double>();
        const double loss = r["loss"].get<double>() / 100;
        scenario<> s;
        s.rtt = seconds(r["rtt"].get<double>() / 1e3);
        s.uplink_rate = s.downlink_rate = bits_per_second(r["rate"].get<double>() * 1e6);
        s.connection_idle = fresh ? 1_h : 1_s;
        const bits sent(8 * (kb * 1024 + 245));  // JSON and headers: 4,340 and 65,781 bytes
        // A kept connection carried answers that were not streamed, with the prompt echoed in them.
        const bits back = fresh ? 0_bit : bits(8 * (kb * 1024 + 1830));
        const seconds server((r["prompt_ms"].get<double>() + r["over"].get<double>()) / 1e3);
        const auto ttft = [&](const auto& how) {
            return how.request_time(s, sent) + server + 0.5 * s.rtt + back / s.downlink_rate;
        };
        const cost::tcp how{.handshake = cost::handshake::tcp};
        const cost::tcp lossy{.handshake = cost::handshake::tcp, .loss = loss};
        const auto off = [](seconds said, const ordered_json& ms) {
            return std::abs(said.value() * 1e3 / ms.get<double>() - 1);
        };
        std::string name = fresh ? "new" : "kept";
        name += loss > 0 ? ", loss 0.5-2 %, " + r["cc"].get<std::string>() : ", no loss";
        name += r["warm"].get<bool>() ? ", prompt cached" : ", prompt read";
        name += kb > 10 ? ", 64 KB" : ", 4 KB";
        auto& g = groups[name];
        g.plain.push_back(off(ttft(cost::serialised{}), r["ttft"]));
        g.start.push_back(off(ttft(how), r["ttft"]));
        g.lossy_median.push_back(off(ttft(lossy), r["ttft"]));
        g.lossy_mean.push_back(off(ttft(lossy), r["mean"]));
    }
    std::printf(
        "\n## Time to first token over a shaped link\n\nErrors of the median of each case: median over cases, mean, "
        "worst."
        "\n\n| connection | cases | serialised | tcp | tcp with its loss | the same, of the mean time "
        "|\n|---|---|---|---|---|---|\n");
    std::vector<double> with_loss;
    for (const auto& [name, g] : groups) {
        std::printf("| %s | %zu |", name.c_str(), g.start.size());
        for (const auto* errors : {&g.plain, &g.start, &g.lossy_median, &g.lossy_mean}) {
            const auto e = summarised(*errors);
            std::printf(" %.1f %%, %.1f %%, %.0f %% |", percent(e.median), percent(e.mean), percent(e.max));
        }
        std::printf("\n");
        if (name.starts_with("new, no loss, prompt cached"))
            promise(name + ": median", summarised(g.start).median, 0.03);
        if (name.starts_with("new, loss")) with_loss.insert(with_loss.end(), g.start.begin(), g.start.end());
    }
    promise("new connections with loss: median", summarised(with_loss).median, 0.05);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: engine_errors FOLDER\n");
        return 2;
    }
    try {
        engines(argv[1]);
        dialogues(argv[1]);
        links(argv[1]);
    } catch (const std::exception& why) {
        std::fprintf(stderr, "engine_errors: %s\n", why.what());
        return 2;
    }
    return failures == 0 ? 0 : 1;
}
