#include "replay_world.hpp"

#include "configured/files.hpp"

#include <qlroute/eval/random.hpp>
#include <qlroute/fit/engine_fit.hpp>
#include <qlroute/serving/model_card.hpp>

#include <algorithm>
#include <cmath>
#include <string>

using namespace qlroute;

namespace {

/// What an edge machine holds, and how many requests its usual software runs at once.
struct edge_machine {
    std::string_view name;
    double memory_bytes;
    std::size_t slots;
    double bits_a_weight;
    double kv_share;  // of a cache in f16
};
constexpr double q8_0 = 34.0 / 64;
constexpr edge_machine edges[] = {
    {"rtx4090x2", 48e9, 8, 4.89, q8_0}, {"rtx4090", 24e9, 8, 4.89, q8_0},   {"rtx3090", 24e9, 8, 4.89, q8_0},
    {"m2_ultra", 192e9, 8, 4.89, q8_0}, {"agx_thor", 128e9, 8, 4.89, q8_0}, {"a100_80", 80e9, 64, 16, 1},
    {"a100_80x4", 320e9, 64, 16, 1},    {"h100_nim", 80e9, 64, 8, 0.5},     {"h100x2_nim", 160e9, 64, 8, 0.5},
};

edge_machine machine_of(std::string_view name) {
    for (const auto& each : edges)
        if (each.name == name) return each;
    return {name, 48e9, 8, 4.89, q8_0};
}

double size_of(const eval::recorded_turn& turn) { return token_count({role::user, turn.said, turn.said_size}).value(); }

eval::engine_physics physics_of(const model_speed& speed, double bits_a_weight) {
    model_card card{.parameters = speed.parameters,
                    .non_embedding = speed.non_embedding,
                    .layers = speed.layers,
                    .width = speed.width};
    // Only their product counts for attention, and the published size of the cache for memory.
    card.heads = 1;
    card.head_width = speed.width;
    card.kv_heads = 1;
    auto e = eval::engine_physics::of(card, speed.prefill_rate, 1 / speed.decode_rate,
                                      bits(speed.parameters * bits_a_weight));
    // of() took the cache from the card's heads; grouped queries make it smaller.
    const double held = (speed.kv_size * tokens(1) / bits(speed.parameters * bits_a_weight)).value();
    e.step = 1 / speed.decode_rate / (1 + 128 * held);
    e.context = e.step * held / tokens(1);
    return e;
}

}  // namespace

eval::world world_of(const prepared_workload& prepared, std::span<const network> networks,
                     const world_options& options) {
    eval::world w;
    w.seed = options.seed;
    const model_speed& small = prepared.speeds[small_endpoint];
    const model_speed& large = prepared.speeds[large_endpoint];
    const edge_machine machine = machine_of(large.device);

    eval::true_place device{.remote = false, .engine = physics_of(small, 4.89)};
    constexpr watts busy_phone = 12.7_W;  // presets/devices.hpp: while it reads or writes
    device.reading = busy_phone / small.prefill_rate;
    device.writing = busy_phone / small.decode_rate;
    eval::true_place edge{.remote = true, .engine = physics_of(large, machine.bits_a_weight), .slots = machine.slots};
    edge.engine.start = 5_ms;
    edge.engine.beside = 1 / large.prefill_rate;  // one more token is computed
    const double free_bytes = 0.95 * machine.memory_bytes - large.parameters * machine.bits_a_weight / 8;
    const double kv_bytes = large.kv_size.value() / 8 * machine.kv_share;
    edge.kv_capacity = tokens(std::max(4096.0, free_bytes / kv_bytes));
    w.places = {device, edge};

    for (const network& each : networks) {
        eval::network_model net;
        net.name = each.name;
        for (const recorded_link& link : each.links) net.links.push_back({&link.up, &link.down});
        net.radio.rtt = each.rtt;
        net.radio.wakeup = each.idle_penalty;
        if (each.idle_penalty > seconds(0))  // normal quantile of 0.9
            net.radio.wakeup_spread = std::log((each.idle_penalty_high / each.idle_penalty).value()) / 1.2816;
        if (each.inactivity) net.radio.inactivity = *each.inactivity;
        const bool cellular = each.inactivity.has_value();
        // Recorded round trips are of small packets; HARQ adds to them, block by block.
        net.radio.retransmission = cellular ? 8_ms : 0_ms;
        net.power = !cellular           ? cost::radios::wifi_huang_2012
                    : each.name == "5g" ? cost::radios::nsa_low_s20u
                                        : cost::radios::lte_huang_2012;
        net.uplink_process = each.up_process;
        net.downlink_process = each.down_process;
        net.usual_uplink = each.usual_up;
        net.usual_downlink = each.usual_down;
        w.networks.push_back(std::move(net));
    }

    // Throughput with all slots busy: each request is read while the others wait.
    double turns = 0, read = 0, written = 0;
    for (const auto& one : prepared.work.dialogues)
        for (std::size_t k = 0; k < one.turns.size(); ++k) {
            turns += 1;
            read += size_of(one.turns[k]) + (k == 0 ? one.document.value() / 2 : 0);
            written += one.turns[k].answers[large_endpoint].output.value();
        }
    const double held = (edge.kv_capacity / tokens((read + written) / turns)).value();
    const double n = std::clamp(held, 1.0, static_cast<double>(edge.slots));
    const auto reading = edge.engine.prefill_time(tokens(0), tokens(read / turns));
    const auto writing = edge.engine.decode_time(n, tokens(n * read / turns), tokens(1)) * (written / turns - 1);
    const seconds busy = n * reading + writing;
    const double turns_a_dialogue = turns / static_cast<double>(prepared.work.dialogues.size());
    w.dialogue_rate = options.load * n / turns_a_dialogue / busy;
    return w;
}

profiled_places profile_of(const eval::world& world, const prepared_workload& prepared,
                           std::span<const network> networks, std::array<double, endpoint_count> wrong) {
    profiled_places out;
    double read = 0, written = 0, turns = 0;
    for (const auto& one : prepared.work.dialogues) {
        if (!one.calibration) continue;
        for (const auto& turn : one.turns) {
            read += size_of(turn);
            written += turn.answers[large_endpoint].output.value();
            turns += 1;
        }
    }
    for (std::size_t i = 0; i < endpoint_count; ++i) {
        const auto& place = world.places[i];
        const auto& physics = place.engine;
        eval::keyed_random luck(world.seed, 31, i);
        std::vector<engine_observation> seen;
        for (const double cached : {0.0, 512.0, 2048.0})
            for (const double count : {16.0, 64.0, 256.0, 1024.0})
                seen.push_back({tokens(cached), tokens(count), tokens(1),
                                wrong[i] * luck.lognormal(0.03) * physics.prefill_time(tokens(cached), tokens(count))});
        for (const double context : {64.0, 256.0, 1024.0, 4096.0})
            seen.push_back({tokens(context), tokens(0), tokens(64),
                            wrong[i] * luck.lognormal(0.03) * physics.decode_time(1, tokens(context), tokens(64))});
        auto engine = fit_engine(engine_form::full_attention, seen);
        if (!engine) throw usage_error("replay: the profile cannot be fitted: " + engine.error().message);

        const model_speed& speed = prepared.speeds[i];
        endpoint e{.name = i == small_endpoint ? "device" : "edge", .remote = place.remote};
        e.prefill_rate = (1 / wrong[i]) * speed.prefill_rate;
        e.tpot = wrong[i] / speed.decode_rate;
        e.kv_size = speed.kv_size;
        e.reply_ratio = prepared.reply_ratio[i];
        out.endpoints.push_back(e);

        busy_engine busy{*std::move(engine)};
        if (place.remote) {
            const tokens context((read + 0.5 * written) / turns);
            busy.per_request =
                wrong[i] * (physics.beside + physics.context * context +
                            physics.prefill_time(tokens(0), tokens(read / turns)) / tokens(written / turns));
            busy.slots = static_cast<double>(place.slots);
            const tokens prompt(read / turns);
            out.usual_departure =
                wrong[i] * (physics.prefill_time(tokens(0), prompt) +
                            physics.decode_time(static_cast<double>(place.slots),
                                                static_cast<double>(place.slots) * context, tokens(1)) /
                                static_cast<double>(place.slots) * (written / turns - 1));
        }
        out.engines.push_back(std::move(busy));
    }
    for (const network& each : networks) {
        rrc radio = each.inactivity ? (each.name == "5g" ? rrc::nr_nsa() : rrc::lte()) : rrc::wifi();
        if (each.inactivity) {
            radio.inactivity = *each.inactivity;
            radio.promotion = each.idle_penalty;
        }
        out.radios.push_back(radio);
    }
    return out;
}
