// How many scenarios a second? A thousand by a thousand what-if grid on one core.
//
//   sweep_broadcast   the uplink rate varies along rows, the prefix hit along columns
//   sweep_dense       every field is a grid of its own, as in a Monte-Carlo study
//   whole_...         the same by one call objective(what_if), which makes arrays of the full size at every operator
//   scalar_loop       the broadcast case in a loop over scenario<double>
//
// Every run first checks that the arrays equal the scalars, element by element.
#include <qlroute/core/literals.hpp>
#include <qlroute/cost/objective.hpp>
#include <qlroute/eval/sweep.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <random>
#include <vector>

using namespace qlroute;

namespace {

constexpr std::size_t side = 1000;
constexpr auto objective =
    6_s * cost::quality_loss{} + cost::end_to_end(cost::cheapest_of{cost::kv_recompute{}, cost::kv_transfer{}});

constexpr scenario<> base{.new_tokens = 60_tok,
                          .prefix_tokens = 1080_tok,
                          .prefix_hit = 512_tok,
                          .output_tokens = 180_tok,
                          .prompt_size = 2_KiB,
                          .unseen_history = 4_KiB,
                          .token_size = 297_B / 1_tok,
                          .rtt = 38_ms,
                          .uplink_rate = 5_Mbps,
                          .downlink_rate = 20_Mbps,
                          .prefill_rate = 4000_tok_s,
                          .tpot = 14_ms / 1_tok,
                          .kv_size = 112_KiB / 1_tok,
                          .kv_rate = 1_Gbps,
                          .queue_delay = 20_ms,
                          .quality_loss = 0.2};

scenario<grid> broadcast_grid() {
    std::vector<bits_per_second> rates;
    std::vector<tokens> hits;
    for (std::size_t k = 0; k < side; ++k) {
        rates.push_back(bits_per_second(1e5 * static_cast<double>(1 + k)));
        hits.push_back(tokens(1.08 * static_cast<double>(k)));
    }
    auto s = broadcast(base);
    s.uplink_rate = rows(std::span<const bits_per_second>(rates));
    s.prefix_hit = columns(std::span<const tokens>(hits));
    return s;
}

scenario<grid> dense_grid() {
    std::mt19937 random(1);
    std::uniform_real_distribution<> factor(0.5, 2);
    const auto noisy = [&]<dimension D>(const quantity<D>& field) {
        grid values(std::array<std::size_t, 2>{side, side});
        for (double& value : values) value = factor(random) * field.value();
        return quantity<D, grid>(std::move(values));
    };
    return map_fields<grid>(base, noisy);
}

bool arrays_equal_scalars(const scenario<grid>& s) {
    const grid all = objective(s).value();
    if (all != sweep(objective, s).value()) return false;
    for (std::size_t row = 0; row < side; ++row)
        for (std::size_t column = 0; column < side; ++column)
            if (all(row, column) != objective(element(s, row, column)).value()) return false;
    return true;
}

void run(benchmark::State& state, const scenario<grid>& s, auto evaluate) {
    if (!arrays_equal_scalars(s)) return state.SkipWithError("an array element differs from its scalar");
    for (auto _ : state) {
        const grid all = evaluate(s);
        benchmark::DoNotOptimize(all.data());
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(side * side));
}

grid at_once(const scenario<grid>& s) { return objective(s).value(); }
grid by_rows(const scenario<grid>& s) { return sweep(objective, s).value(); }

void sweep_broadcast(benchmark::State& state) { run(state, broadcast_grid(), by_rows); }
void sweep_dense(benchmark::State& state) { run(state, dense_grid(), by_rows); }
void whole_broadcast(benchmark::State& state) { run(state, broadcast_grid(), at_once); }
void whole_dense(benchmark::State& state) { run(state, dense_grid(), at_once); }

void scalar_loop(benchmark::State& state) {
    const auto s = broadcast_grid();
    std::vector<double> out(side * side);
    scenario<> one = base;
    for (auto _ : state) {
        for (std::size_t row = 0; row < side; ++row) {
            one.uplink_rate = bits_per_second(s.uplink_rate.value()(row, 0));
            for (std::size_t column = 0; column < side; ++column) {
                one.prefix_hit = tokens(s.prefix_hit.value()(0, column));
                out[row * side + column] = objective(one).value();
            }
        }
        benchmark::DoNotOptimize(out.data());
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(side * side));
}

BENCHMARK(sweep_broadcast)->Unit(benchmark::kMillisecond);
BENCHMARK(sweep_dense)->Unit(benchmark::kMillisecond);
BENCHMARK(whole_broadcast)->Unit(benchmark::kMillisecond);
BENCHMARK(whole_dense)->Unit(benchmark::kMillisecond);
BENCHMARK(scalar_loop)->Unit(benchmark::kMillisecond);

}  // namespace
