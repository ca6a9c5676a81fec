// How long a million turns take: benchmarks/replay_bench. One core; made-up dialogues and a made-up link.
#include <qlroute/cost/objective.hpp>
#include <qlroute/eval/replay.hpp>
#include <qlroute/route/router.hpp>

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

using namespace qlroute;

namespace {

trace made_up_link() {
    std::string csv = "t_s,uplink_bps,downlink_bps,rtt_s,snr_db\n";
    eval::keyed_random luck(1);
    for (int second = 0; second < 600; ++second)
        csv += std::to_string(second) + "," + std::to_string(1e7 * luck.lognormal(1)) + "," +
               std::to_string(3e7 * luck.lognormal(1)) + "," + std::to_string(0.05 * luck.lognormal(0.2)) + ",\n";
    return *trace::parse(csv);
}

/// 10,000 turns in dialogues of `turns` each.
eval::workload made_up_dialogues(std::size_t turns) {
    eval::workload w{.name = "made up", .models = {"small", "large"}};
    eval::keyed_random luck(2);
    for (std::size_t d = 0; d < 10'000 / turns; ++d) {
        eval::recorded_dialogue one{.id = std::to_string(d)};
        for (std::size_t k = 0; k < turns; ++k) {
            const auto answer = [&] {
                return eval::recorded_answer{luck.uniform() < 0.7 ? 1.0 : 0.0,
                                             tokens(static_cast<double>(20 + luck.below(300)))};
            };
            one.turns.push_back({.said = std::string(50 + luck.below(400), 'x'), .answers = {answer(), answer()}});
        }
        w.dialogues.push_back(std::move(one));
    }
    return w;
}

void replay(benchmark::State& state) {
    const trace link = made_up_link();
    const eval::workload load = made_up_dialogues(static_cast<std::size_t>(state.range(0)));
    const eval::engine_physics phone{.read = 1 / 44_tok_s, .step = 1 / 19.8_tok_s};
    const eval::engine_physics edge{
        .start = 5_ms, .read = 1 / 905_tok_s, .step = 1 / 19.2_tok_s, .beside = 1_ms / 1_tok};
    eval::world w;
    w.places = {{.remote = false, .engine = phone}, {.remote = true, .engine = edge}};
    w.networks = {{.name = "made up", .links = {{&link, &link}}}};
    w.dialogue_rate = hertz(0.5 / static_cast<double>(state.range(0)));
    const std::vector<endpoint> places{
        {.name = "device", .prefill_rate = 44_tok_s, .tpot = 1 / 19.8_tok_s},
        {.name = "edge", .remote = true, .prefill_rate = 905_tok_s, .tpot = 1 / 19.2_tok_s}};
    std::vector<double> predictions(load.turns() * 2);
    for (std::size_t k = 0; k < predictions.size(); ++k) predictions[k] = k % 2 == 0 ? 0.5 : 0.8;
    std::vector<std::size_t> all(load.dialogues.size());
    for (std::size_t d = 0; d < all.size(); ++d) all[d] = d;
    const router route{constant_difficulty{}, 10_s * cost::quality_loss{} + cost::end_to_end(), lowest_cost{}};

    std::size_t turns = 0;
    double latency = 0;
    for (auto _ : state)
        eval::replay(
            w, load, {.places = places, .expected_output = {}, .p_success = predictions}, all,
            [&](const eval::situation& s) { return route(s.chat, s.question, s.places, s.link).where; },
            [&](const eval::turn_record& r) {
                ++turns;
                latency += r.latency.value();
            },
            100);
    benchmark::DoNotOptimize(latency);
    state.SetItemsProcessed(static_cast<std::int64_t>(turns));
}
BENCHMARK(replay)->Arg(1)->Arg(4)->Unit(benchmark::kSecond)->Iterations(1);

}  // namespace
