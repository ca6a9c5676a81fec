#include <qlroute/eval/replay.hpp>

#include <qlroute/cost/objective.hpp>
#include <qlroute/difficulty/predictor.hpp>
#include <qlroute/route/router.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace qlroute;
using eval::keyed_random;
using eval::recorded_answer;
using eval::recorded_dialogue;
using eval::recorded_turn;
using eval::situation;
using eval::turn_record;

namespace {

constexpr seconds never(std::numeric_limits<double>::infinity());
constexpr std::size_t device = 0, edge = 1;

trace recorded(const std::string& lines) {
    auto parsed = trace::parse("t_s,uplink_bps,downlink_bps,rtt_s,snr_db\n" + lines);
    REQUIRE(parsed);
    return std::move(*parsed);
}

/// 1 Mbit/s both ways.
const trace& steady() {
    static const trace link = recorded("0,1e6,1e6,,\n1,1e6,1e6,,\n");
    return link;
}
const trace& no_uplink() {
    static const trace link = recorded("0,0,1e6,,\n1,0,1e6,,\n");
    return link;
}

/// 10 ms a token read, 50 ms a token written; 1 ms, 10 ms, and 2 ms for each further request.
constexpr eval::engine_physics slow{.read = 10_ms / 1_tok, .step = 50_ms / 1_tok};
constexpr eval::engine_physics fast{.read = 1_ms / 1_tok, .step = 10_ms / 1_tok, .beside = 2_ms / 1_tok};

/// 25 tokens and 100 bytes; on the link 102 with the border of the message.
recorded_turn question(std::vector<recorded_answer> answers) {
    return {.said = std::string(100, 'x'), .said_size = 25_tok, .answers = std::move(answers)};
}
/// 11 tokens by the device, 21 by the edge, which is right.
recorded_turn usual_question() { return question({{.score = 0.25, .output = 11_tok}, {.score = 1, .output = 21_tok}}); }

recorded_dialogue dialogue_of(std::size_t turns, std::string id = "chat") {
    return {.id = std::move(id), .turns = std::vector<recorded_turn>(turns, usual_question())};
}

/// A device and an edge, without any luck: 100 ms by radio and 20 ms beyond it; 20 s to think.
struct scene {
    eval::world world{
        .places = {{.engine = slow},
                   {.remote = true, .engine = fast, .slots = 16, .kv_capacity = 1'000'000_tok, .extra_rtt = 20_ms}},
        .networks = {{.name = "steady",
                      .links = {{&steady(), &steady()}},
                      .radio = {.rtt = 100_ms,
                                .rtt_spread = 0,
                                .wakeup = 0_s,
                                .wakeup_spread = 0,
                                .inactivity = never,
                                .block_error = 0,
                                .retransmission = 0_s,
                                .handshake_round_trips = 0},
                      .power = {},
                      .uplink_process = {.sd = 0, .white = 0, .memory = 10_s},
                      .downlink_process = {.sd = 0, .white = 0, .memory = 10_s},
                      .usual_uplink = 2_Mbps,
                      .usual_downlink = 3_Mbps}},
        .known = {.link_sample_every = 5_s, .link_ages = true, .load_report_every = 1e6_s},
        .dialogue_rate = hertz(0.2),
        .rush = 0,
        .rush_period = 600_s,
        .think = 20_s,
        .think_spread = 0,
        .give_up = 1000_s,
        .patience = 1000_s,
        .deadline = 30_s,
        .engine_spread = 0,
        .seed = 1};
    eval::workload load{.name = "test", .models = {"small", "large"}, .dialogues = {}};
    // A question of 102 bytes and 846 of headers is a segment, which has 52 of its own: 8 ms
    std::vector<endpoint> view{{.name = "device", .prefill_rate = 100_tok_s, .tpot = 50_ms / 1_tok},
                               {.name = "edge",
                                .remote = true,
                                .prefill_rate = 1000_tok_s,
                                .tpot = 10_ms / 1_tok,
                                .extra_rtt = 20_ms,
                                .request_overhead = 846_B}};
    std::vector<double> expected{};
    std::vector<double> p_success{};  // empty: 0.5 of all

    template <class Policy>
    std::vector<turn_record> run(const Policy& policy, std::size_t rounds = 1) const {
        REQUIRE_FALSE(eval::fault_in(load, world.places.size()));
        std::vector<std::size_t> all(load.dialogues.size());
        std::iota(all.begin(), all.end(), std::size_t{0});
        auto p = p_success;
        if (p.empty()) p.assign(load.turns() * view.size(), 0.5);
        std::vector<turn_record> records;
        eval::replay(
            world, load, {view, expected, p}, all, policy, [&](const turn_record& r) { records.push_back(r); }, rounds);
        CHECK(records.size() == load.turns() * rounds);
        return records;
    }
};

scene of_turns(std::size_t turns) {
    scene s;
    s.load.dialogues = {dialogue_of(turns)};
    return s;
}

auto always_at(std::size_t where) {
    return [where](const situation&) { return where; };
}
/// By the number of the turn; then the last of them.
auto in_turn(std::vector<std::size_t> places) {
    return [places = std::move(places)](const situation& s) { return places[std::min(s.number, places.size() - 1)]; };
}

auto everything_of(const turn_record& r) {
    return std::tuple(r.dialogue, r.number, r.network, r.chosen, r.answered, r.decided.value(), r.ttft.value(),
                      r.latency.value(), r.score, r.remote_calls, r.read.value(), r.reread.value(), r.switched,
                      r.gave_up, r.energy.value());
}
bool equal(const std::vector<turn_record>& a, const std::vector<turn_record>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const turn_record& x, const turn_record& y) { return everything_of(x) == everything_of(y); });
}

double mean_latency(const std::vector<turn_record>& records) {
    double sum = 0;
    for (const auto& r : records) sum += r.latency.value();
    return sum / static_cast<double>(records.size());
}

}  // namespace

// --- one turn -------------------------------------------------------------------------------------

TEST_CASE("a question on the device is read and written there, and costs its battery") {
    auto s = of_turns(1);
    s.world.places[device] = {.engine = {.start = 30_ms,
                                         .read = 10_ms / 1_tok,
                                         .attention = 100_us / 1_tok / 1_tok,
                                         .step = 50_ms / 1_tok,
                                         .context = 1_ms / 1_tok / 1_tok},
                              .reading = 0.1_J / 1_tok,
                              .writing = 0.5_J / 1_tok};
    const auto r = s.run(always_at(device)).at(0);
    // 30 + 25 * 10 + 25 * 12.5 * 0.1 ms; then 10 steps of 50 ms behind 26, 27, ... 35 tokens
    CHECK(r.ttft.value() == doctest::Approx(0.31125));
    CHECK(r.latency.value() == doctest::Approx(0.31125 + 0.5 + 0.305));
    CHECK(r.energy.value() == doctest::Approx(25 * 0.1 + 11 * 0.5));
    CHECK(r.chosen == device);
    CHECK(r.answered == device);
    CHECK(r.score == 0.25);
    CHECK(r.read == 25_tok);
    CHECK(r.reread == 0_tok);
    CHECK(r.remote_calls == 0);
    CHECK_FALSE(r.switched);
    CHECK_FALSE(r.gave_up);
    CHECK(r.decided > 0_s);
}

TEST_CASE("a question to the edge goes up, is read and written there, and comes down") {
    const auto r = of_turns(1).run(always_at(edge)).at(0);
    // A packet that opens the connection 4.8 ms, the request 8 ms, half of the round trips 60 ms, reading 25 ms; a
    // chunk 2.376 ms, half of the round trips 60 ms; meanwhile 20 steps of 10 ms.
    CHECK(r.ttft.value() == doctest::Approx(0.0728 + 0.025 + 0.062376));
    CHECK(r.latency.value() == doctest::Approx(0.0728 + 0.025 + 0.2 + 0.062376));
    CHECK(r.chosen == edge);
    CHECK(r.answered == edge);
    CHECK(r.score == 1);
    CHECK(r.read == 25_tok);
    CHECK(r.remote_calls == 1);
    CHECK_FALSE(r.gave_up);
}

TEST_CASE("on a downlink slower than the edge the answer waits for the link") {
    auto s = of_turns(1);
    const trace trickles = recorded("0,1e6,1e4,,\n1,1e6,1e4,,\n");  // 237.6 ms a chunk
    s.world.networks[0].links = {{&trickles, &trickles}};
    const auto r = s.run(always_at(edge)).at(0);
    CHECK(r.ttft.value() == doctest::Approx(0.0728 + 0.025 + 0.2376 + 0.06));
    CHECK(r.latency.value() == doctest::Approx(0.0728 + 0.025 + 21 * 0.2376 + 0.06));
}

TEST_CASE("a question to the edge costs the radio: waking, sending, waiting, receiving and its tail") {
    auto s = of_turns(1);
    s.world.dialogue_rate = hertz(0.01);
    constexpr auto per_bit = 1e-6_J / 1_bit;
    s.world.networks[0].power = {.promotion = 0.2_s,
                                 .promotion_power = 1_W,
                                 .sending = 2_W,
                                 .bit_up = per_bit,
                                 .receiving = 3_W,
                                 .bit_down = per_bit,
                                 .tail = 1_s,
                                 .tail_power = 0.5_W};
    const auto r = s.run(always_at(edge)).at(0);
    REQUIRE(r.decided > 1_s);
    CHECK(r.energy.value() ==
          doctest::Approx(0.2 * 1 + 0.0728 * 2 + 948 * 8e-6 + 0.025 * 0.5 + 0.2 * 3 + 21 * 297 * 8e-6 + 1 * 0.5));
    // A turn within the tail finds the radio awake.
    s = of_turns(2);
    s.world.networks[0].power = {.promotion = 0.2_s, .promotion_power = 1_W, .tail = 30_s};
    const auto both = s.run(always_at(edge));
    CHECK(both[1].energy.value() == doctest::Approx(0));
}

TEST_CASE("a radio that sleeps while the user thinks wakes up for the next turn, unless reports keep it awake") {
    auto s = of_turns(2);
    auto& network = s.world.networks[0];
    network.radio.wakeup = 300_ms;
    network.radio.inactivity = 10_s;
    network.power = {.promotion = 0.2_s, .promotion_power = 1_W, .tail = 10_s};
    auto all = s.run(always_at(edge));
    constexpr double awake = 0.068 + 0.025 + 0.2 + 0.062376;
    CHECK(all[1].latency.value() == doctest::Approx(0.3 + awake));
    CHECK(all[1].energy.value() == doctest::Approx(0.2));
    s.world.known.load_report_every = 5_s;
    all = s.run([](const situation& at) {
        CHECK(at.link.radio_idle < 5_s);
        return edge;
    });
    CHECK(all[1].latency.value() == doctest::Approx(awake));
    CHECK(all[1].energy.value() == doctest::Approx(0));
}

// --- history --------------------------------------------------------------------------------------

TEST_CASE("a dialogue that stays reads only what is new, wherever it stays") {
    for (const std::size_t where : {device, edge}) {
        CAPTURE(where);
        for (const auto& r : of_turns(4).run(always_at(where))) {
            CHECK(r.read == 25_tok);
            CHECK(r.reread == 0_tok);
            CHECK_FALSE(r.switched);
        }
    }
}

TEST_CASE("later turns need no new connection, and think for the user's time") {
    const auto all = of_turns(2).run(always_at(edge));
    CHECK((all[1].decided - all[0].decided - all[0].latency).value() == doctest::Approx(20));
    CHECK(all[1].latency.value() == doctest::Approx(all[0].latency.value() - 0.0048));
}

TEST_CASE("a dialogue that alternates reads again exactly what the other side has added") {
    const auto all = of_turns(4).run(in_turn({device, edge, device, edge}));
    // history: 0, 25 + 11 = 36, 36 + 25 + 21 = 82, 82 + 25 + 11 = 118
    const double read[] = {25, 36 + 25, 82 - 36 + 25, 118 - 82 + 25};
    const double reread[] = {0, 36, 82 - 36, 118 - 82};
    for (std::size_t k = 0; k < 4; ++k) {
        CAPTURE(k);
        CHECK(all[k].read == tokens(read[k]));
        CHECK(all[k].reread == tokens(reread[k]));
        CHECK(all[k].switched == (k > 0));
        CHECK(all[k].remote_calls == k % 2);
    }
    // What the edge has not seen goes up as well: 102 bytes of the first question, 46 of its answer. 4.8 ms to open the
    // connection, (948 + 148 + 52) * 8 us.
    CHECK(all[1].latency.value() == doctest::Approx(0.0048 + 0.009184 + 0.060 + 0.061 + 0.2 + 0.062376));
    CHECK(all[2].latency.value() == doctest::Approx(0.71 + 0.5));
}

TEST_CASE("a recorded reply stands in the history; without one, the answer that was given") {
    auto s = of_turns(2);
    s.load.dialogues[0].turns[0].reply = std::string(28, 'r');  // 7 tokens
    CHECK(s.run(in_turn({device, edge}))[1].reread == 32_tok);
    CHECK(s.run(in_turn({edge, device}))[1].reread == 32_tok);
    s.load.dialogues[0].turns[0].reply.reset();
    CHECK(s.run(in_turn({device, edge}))[1].reread == 36_tok);
    CHECK(s.run(in_turn({edge, device}))[1].reread == 46_tok);
}

TEST_CASE("of a recorded reply no place holds more than it has written") {
    auto s = of_turns(2);
    s.load.dialogues[0].turns[0].reply = std::string(400, 'r');  // 100 tokens
    CHECK(s.run(always_at(device))[1].reread == 89_tok);
    CHECK(s.run(always_at(edge))[1].reread == 79_tok);
    // and of a shorter one no more than there is: 7 of its tokens
    s = of_turns(3);
    s.load.dialogues[0].turns[0].reply = std::string(28, 'r');
    CHECK(s.run(always_at(device))[1].reread == 0_tok);
    CHECK(s.run(always_at(edge))[1].reread == 0_tok);
    CHECK(s.run(in_turn({device, edge, device}))[2].reread == 46_tok);
    CHECK(s.run(in_turn({edge, device, edge}))[2].reread == 36_tok);
}

TEST_CASE("a document is in the cache of the place that has read it, and read by another one") {
    scene s;
    s.load.dialogues = {dialogue_of(2)};
    s.load.dialogues[0].document = 1000_tok;
    s.load.dialogues[0].read_by = edge;
    auto at_edge = s.run(always_at(edge)), at_device = s.run(always_at(device));
    CHECK(at_edge[0].read == 25_tok);
    CHECK(at_edge[0].reread == 0_tok);
    CHECK(at_edge[1].read == 25_tok);
    CHECK_FALSE(at_edge[0].switched);
    CHECK(at_device[0].read == 1026_tok);  // and a token by which it was acknowledged
    CHECK(at_device[0].reread == 1001_tok);
    CHECK(at_device[0].switched);
    CHECK(at_device[1].read == 25_tok);
    // The document does not go up again.
    CHECK(at_edge[0].latency.value() == doctest::Approx(0.0728 + 0.025 + 0.2 + 0.062376));

    s.load.dialogues[0].read_by = device;
    at_edge = s.run(always_at(edge)), at_device = s.run(always_at(device));
    CHECK(at_device[0].read == 25_tok);
    CHECK(at_edge[0].read == 1026_tok);
    // 4002 bytes of it and 6 of the acknowledgement: 4 segments, 4956 + 4 * 52 bytes
    CHECK(at_edge[0].latency.value() == doctest::Approx(0.0648 + 5164 * 8e-6 + 1.026 + 0.2 + 0.062376));
}

TEST_CASE("a document that nobody has read is read once, with the first question") {
    scene s;
    s.load.dialogues = {dialogue_of(2)};
    s.load.dialogues[0].document = 1000_tok;
    for (const std::size_t where : {device, edge}) {
        CAPTURE(where);
        const auto all = s.run(always_at(where));
        CHECK(all[0].read == 1025_tok);
        CHECK(all[0].reread == 0_tok);
        CHECK(all[1].read == 25_tok);
    }
    const auto moved = s.run(in_turn({device, edge}));
    CHECK(moved[1].reread == 1036_tok);
}

TEST_CASE("a cache that was dropped at the edge to make room is read again") {
    scene s;
    s.load.dialogues = {dialogue_of(2, "a"), dialogue_of(2, "b")};
    s.world.dialogue_rate = hertz(1);
    s.world.places[edge].kv_capacity = 100_tok;  // one dialogue of 92 tokens, or two of 46
    const auto all = s.run(always_at(edge));
    REQUIRE(all[1].number != all[0].number + 1);  // a, b, a, b
    CHECK(all[0].read == 25_tok);
    CHECK(all[1].read == 25_tok);
    CHECK(all[2].read == 25_tok);
    CHECK(all[2].reread == 0_tok);
    CHECK(all[3].dialogue == all[1].dialogue);
    CHECK(all[3].read == 71_tok);
    CHECK(all[3].reread == 46_tok);
    // what a device holds is its user's own
    for (const auto& r : s.run(always_at(device))) CHECK(r.reread == 0_tok);
}

// --- what does not come ---------------------------------------------------------------------------

TEST_CASE("a request that is stuck is answered by the device after a while, with what the device can") {
    auto s = of_turns(2);
    s.world.networks[0].links = {{&no_uplink(), &no_uplink()}};
    s.world.networks[0].power = {.sending = 2_W};
    s.world.give_up = 5_s;
    s.world.places[device].writing = 0.5_J / 1_tok;
    const auto all = s.run(always_at(edge));
    for (const auto& r : all) {
        CHECK(r.ttft.value() == doctest::Approx(5.25));
        CHECK(r.latency.value() == doctest::Approx(5.75));
        CHECK(r.chosen == edge);
        CHECK(r.answered == device);
        CHECK(r.score == 0.25);
        CHECK(r.gave_up);
        CHECK(r.remote_calls == 0);
        CHECK(r.read == 25_tok);
        CHECK(r.energy.value() == doctest::Approx(5 * 2 + 11 * 0.5));
        CHECK_FALSE(r.switched);
    }
}

TEST_CASE("a request that is only slow is waited for until it is time to give up") {
    auto s = of_turns(1);
    const trace crawls = recorded("0,1e4,1e6,,\n1,1e4,1e6,,\n");  // 480 + 800 ms
    s.world.networks[0].links = {{&crawls, &crawls}};
    s.world.give_up = 1.35_s;
    auto r = s.run(always_at(edge))[0];
    CHECK_FALSE(r.gave_up);
    CHECK(r.latency.value() == doctest::Approx(1.34 + 0.025 + 0.2 + 0.062376));
    s.world.give_up = 1.33_s;
    r = s.run(always_at(edge))[0];
    CHECK(r.gave_up);
    CHECK(r.latency.value() == doctest::Approx(1.33 + 0.75));
}

TEST_CASE("a first token that does not come in time is not waited for any longer") {
    auto s = of_turns(1);
    s.world.places[edge].engine.read = 1_s / 1_tok;  // 25 s
    s.world.patience = 10_s;
    auto r = s.run(always_at(edge))[0];
    CHECK(r.gave_up);
    CHECK(r.chosen == edge);
    CHECK(r.answered == device);
    CHECK(r.score == 0.25);
    CHECK(r.remote_calls == 1);
    CHECK(r.ttft.value() == doctest::Approx(10.25));
    CHECK(r.latency.value() == doctest::Approx(10.75));
    s.world.patience = 25.14_s;  // 25.135 s are needed
    r = s.run(always_at(edge))[0];
    CHECK_FALSE(r.gave_up);
    CHECK(r.latency.value() == doctest::Approx(0.0728 + 25 + 0.2 + 0.062376));
    s.world.patience = 25.13_s;
    r = s.run(always_at(edge))[0];
    CHECK(r.gave_up);
    CHECK(r.latency.value() == doctest::Approx(25.13 + 0.75));
}

TEST_CASE("a first token that is still on its way down does not count as come") {
    auto s = of_turns(1);
    const trace up = recorded("0,1e6,,,\n1,1e6,,,\n"), down = recorded("0,,0,,\n1,,0,,\n");
    s.world.networks[0].links = {{&up, &down}};
    s.world.patience = 10_s;
    const auto r = s.run(always_at(edge))[0];
    CHECK(r.gave_up);
    CHECK(r.latency.value() == doctest::Approx(10.75));
}

TEST_CASE("a radio sleeps after its last packet, however long its user was patient") {
    auto s = of_turns(2);
    s.world.places[edge].engine.read = 1_s / 1_tok;
    s.world.patience = 10_s;
    s.world.think = 3_s;
    s.world.networks[0].power = {.tail = 4_s, .tail_power = 0.5_W};
    std::vector<double> idle;
    const auto all = s.run([&](const situation& at) {
        idle.push_back(at.link.radio_idle.value());
        return edge;
    });
    CHECK(idle.at(1) == doctest::Approx(10.75 + 3 - 0.0728));
    CHECK(all[0].energy.value() == doctest::Approx(2));  // one tail
}

TEST_CASE("a request that nobody waits for any more still takes its turn at the edge") {
    scene s;
    s.load.dialogues = {dialogue_of(1, "a"), dialogue_of(1, "b")};
    s.world.places[edge] = {.remote = true, .engine = fast, .slots = 1, .kv_capacity = 1000_tok, .extra_rtt = 20_ms};
    s.world.places[edge].engine.step = 10_s / 1_tok;  // 200 s for an answer
    s.world.dialogue_rate = hertz(2);
    s.world.patience = 30_s;
    const auto all = s.run(always_at(edge));
    // in the order of their ends: the second one waited for a slot, and got tired
    CHECK(all[0].gave_up);
    CHECK(all[0].latency.value() == doctest::Approx(30.75));
    CHECK_FALSE(all[1].gave_up);
    CHECK(all[1].latency.value() == doctest::Approx(200).epsilon(0.01));
}

TEST_CASE("where no place is local everything is waited for") {
    auto s = of_turns(1);
    s.world.places[device] = {.remote = true, .engine = slow, .slots = 1, .kv_capacity = 1000_tok};
    s.view[device].remote = true;
    const trace crawls = recorded("0,1e3,1e6,,\n1,1e3,1e6,,\n");  // 4.8 + 8 s
    s.world.networks[0].links = {{&crawls, &crawls}};
    s.world.places[edge].engine.read = 1_s / 1_tok;
    s.world.give_up = 1_s;
    s.world.patience = 2_s;
    const auto r = s.run(always_at(edge))[0];
    CHECK_FALSE(r.gave_up);
    CHECK(r.answered == edge);
    CHECK(r.latency.value() == doctest::Approx(12.8 + 0.06 + 25 + 0.2 + 0.062376));
}

// --- the second look ------------------------------------------------------------------------------

namespace {

struct look {
    std::size_t number, where;
    double confidence;
};
/// First here; then there if it is not confident enough.
struct cascade {
    std::size_t first = device, second = edge;
    double enough = 0.5;
    std::vector<look>* looks = nullptr;

    std::size_t operator()(const situation&) const { return first; }
    std::size_t second_look(const situation& s, std::size_t where, double confidence) const {
        if (looks) looks->push_back({s.number, where, confidence});
        return confidence < enough ? second : where;
    }
};

}  // namespace

TEST_CASE("a second look is asked for only where the model said how sure it is, and once a turn") {
    auto s = of_turns(4);
    auto& turns = s.load.dialogues[0].turns;
    turns[0].answers[device].confidence = 0.25;
    turns[0].answers[edge].confidence = 0.125;  // it answers in the end, and is not asked again
    turns[1].answers[edge].confidence = 0.25;
    turns[3].answers[device].confidence = 0.75;
    std::vector<look> looks;
    const auto all = s.run(cascade{.looks = &looks});
    REQUIRE(looks.size() == 2);
    CHECK(looks[0].number == 0);
    CHECK(looks[0].where == device);
    CHECK(looks[0].confidence == 0.25);
    CHECK(looks[1].number == 3);
    CHECK(looks[1].confidence == 0.75);
    CHECK(all[0].answered == edge);
    for (const std::size_t k : {1u, 2u, 3u}) CHECK(all[k].answered == device);
}

TEST_CASE("the time of the first answer is spent, and so is its battery") {
    auto s = of_turns(1);
    s.load.dialogues[0].turns[0].answers[device].confidence = 0;
    s.world.places[device].writing = 0.5_J / 1_tok;
    const auto r = s.run(cascade{})[0];
    CHECK(r.chosen == device);
    CHECK(r.answered == edge);
    CHECK(r.score == 1);
    CHECK(r.ttft.value() == doctest::Approx(0.75 + 0.0728 + 0.025 + 0.062376));
    CHECK(r.latency.value() == doctest::Approx(0.75 + 0.0728 + 0.025 + 0.2 + 0.062376));
    CHECK(r.read == 50_tok);
    CHECK(r.remote_calls == 1);
    CHECK(r.energy.value() == doctest::Approx(11 * 0.5));
    // the other way around
    s.load.dialogues[0].turns[0].answers[edge].confidence = 0;
    const auto back = s.run(cascade{.first = edge, .second = device})[0];
    CHECK(back.answered == device);
    CHECK(back.latency.value() == doctest::Approx(0.0728 + 0.025 + 0.2 + 0.062376 + 0.75));
    CHECK(back.remote_calls == 1);
}

TEST_CASE("patience begins anew where a second place is asked") {
    auto s = of_turns(1);
    s.load.dialogues[0].turns[0].answers[device].confidence = 0;
    s.world.patience = 0.5_s;  // the first answer alone takes longer
    const auto r = s.run(cascade{})[0];
    CHECK_FALSE(r.gave_up);
    CHECK(r.answered == edge);
}

TEST_CASE("an answer that was turned down is not part of the history that its place holds") {
    auto s = of_turns(2);
    s.load.dialogues[0].turns[0].answers[edge].confidence = 0;
    // The edge has read 25 tokens and written 21 that do not count; the device's 11 follow.
    struct {
        cascade first{.first = edge, .second = device};
        std::size_t operator()(const situation&) const { return edge; }
        std::size_t second_look(const situation& at, std::size_t where, double confidence) const {
            return first.second_look(at, where, confidence);
        }
    } at_edge;
    CHECK(s.run(at_edge)[1].read == 36_tok);
    s.load.dialogues[0].turns[0].answers = {{.score = 0, .output = 11_tok, .confidence = 0},
                                            {.score = 1, .output = 21_tok}};
    CHECK(s.run(cascade{})[1].read == 46_tok);
}

// --- foresight ------------------------------------------------------------------------------------

TEST_CASE("for a lone user foresight is what really comes of it") {
    const auto check = [](const scene& s) {
        for (const std::size_t pattern : {0u, 7u, 10u, 13u, 15u}) {
            std::map<std::size_t, double> foreseen;
            const auto policy = [&](const situation& now, const auto& foresight) {
                const std::size_t where = pattern >> now.number & 1;
                const seconds other = foresight(1 - where);  // asking changes nothing
                CHECK(other > 0_s);
                foreseen[now.number] = foresight(where).value();
                return where;
            };
            for (const auto& r : s.run(policy)) CHECK(r.latency.value() == doctest::Approx(foreseen[r.number]));
        }
    };
    auto s = of_turns(4);
    check(s);
    s.world.engine_spread = 0.3;
    s.world.networks[0].radio = {.rtt = 100_ms,
                                 .rtt_spread = 0.3,
                                 .wakeup = 500_ms,
                                 .wakeup_spread = 0.6,
                                 .inactivity = 10_s,
                                 .block_error = 0.3,
                                 .retransmission = 10_ms,
                                 .handshake_round_trips = 2};
    check(s);
    s.world.places[edge].engine.read = 30_ms / 1_tok;
    s.world.patience = 1.2_s;  // some give up
    check(s);
    s.world.networks[0].links = {{&no_uplink(), &no_uplink()}};
    s.world.give_up = 3_s;
    check(s);
}

// --- many users -----------------------------------------------------------------------------------

namespace {

/// Dialogues of different lengths in two networks, with all kinds of luck, many at once.
scene busy(std::size_t dialogues = 40) {
    static const trace changing = recorded(
        "0,3e6,9e6,0.03,\n7,5e5,8e6,0.08,\n15,,4e6,,\n20,9e6,2e7,0.04,\n29,0,0,,\n56,2e6,2e6,0.06,\n60,4e6,,,\n");
    scene s;
    keyed_random luck(99);
    for (std::size_t d = 0; d < dialogues; ++d) {
        auto one = dialogue_of(0, std::to_string(d));
        const std::size_t turns = 1 + luck.below(4);
        for (std::size_t k = 0; k < turns; ++k) {
            recorded_turn t{.said = std::string(20 + luck.below(1500), static_cast<char>('a' + luck.below(26)))};
            for (int i = 0; i < 2; ++i)
                t.answers.push_back({.score = luck.uniform(),
                                     .output = tokens(static_cast<double>(1 + luck.below(150))),
                                     .confidence = luck.uniform()});
            if (luck.below(3) == 0) t.reply = std::string(1 + luck.below(300), 'r');
            one.turns.push_back(t);
        }
        if (luck.below(4) == 0) {
            one.document = tokens(static_cast<double>(100 + luck.below(2000)));
            if (const auto reader = luck.below(3); reader < 2) one.read_by = reader;
        }
        s.load.dialogues.push_back(one);
    }
    for (std::size_t k = 0; k < 2 * s.load.turns(); ++k) s.p_success.push_back(luck.uniform());
    for (std::size_t k = 0; k < s.load.turns(); ++k) s.expected.push_back(10 + 200 * luck.uniform());
    auto& w = s.world;
    w.networks.push_back(w.networks[0]);
    w.networks[1].links = {{&changing, &changing}};
    for (auto& network : w.networks) {
        network.radio = {.rtt = 100_ms,
                         .rtt_spread = 0.3,
                         .wakeup = 300_ms,
                         .wakeup_spread = 0.6,
                         .inactivity = 10_s,
                         .block_error = 0.2,
                         .retransmission = 10_ms,
                         .handshake_round_trips = 2};
        network.uplink_process = network.downlink_process = {.sd = 0.7, .white = 0.2, .memory = 10_s};
        network.power = cost::radios::lte_huang_2012;
    }
    w.places[edge].kv_capacity = 3000_tok;
    w.places[edge].slots = 4;
    w.known.load_report_every = 15_s;
    w.dialogue_rate = hertz(1);
    w.rush = 0.5;
    w.think_spread = 0.7;
    w.give_up = 3_s;
    w.patience = 6_s;
    w.engine_spread = 0.1;
    return s;
}

struct mixing {
    std::uint64_t state = 1;
    void operator()(double x) {
        std::uint64_t bits_of_x;
        static_assert(sizeof bits_of_x == sizeof x);
        std::memcpy(&bits_of_x, &x, sizeof x);
        state = keyed_random(state, bits_of_x).next();
    }
};

/// All that a policy is told, in a number.
std::uint64_t digest_of(const situation& s) {
    mixing mix;
    for (const link_state& link : {s.link, s.link_as_sampled})
        for (const double x :
             {link.uplink_rate.value(), link.downlink_rate.value(), link.rtt.value(), link.radio_idle.value()})
            mix(x);
    for (const endpoint& place : s.places)
        for (const double x : {place.usual_success, place.requests_running, place.requests_waiting,
                               place.queue_delay.value(), place.prefill_rate.value(), place.tpot.value()})
            mix(x);
    const turn& q = s.question;
    for (const double x : {q.prefix_tokens.value(), q.new_tokens.value(), q.history_size.value(), q.prompt_size.value(),
                           q.expected_output.value(), q.now.value()})
        mix(x);
    for (const message& m : q.dialogue) {
        mix(m.size.value());
        for (const char c : m.text) mix(static_cast<double>(c));
    }
    mix(static_cast<double>(s.chat.where()));
    mix(static_cast<double>(s.chat.turns()));
    for (std::size_t i = 0; i < s.chat.endpoints(); ++i) {
        const kv_residency& held = s.chat.held_by(i);
        for (const double x : {held.cached.size.value(), held.text_seen.value(), held.last_used.value()}) mix(x);
    }
    mix(static_cast<double>(s.number));
    mix(static_cast<double>(s.network));
    return mix.state;
}

struct noted {
    double at;
    std::size_t number;
    std::uint64_t digest;
    bool operator==(const noted&) const = default;
};
/// Depends on everything that it is told, also on how sure a first answer was.
struct nervous {
    std::vector<noted>* notes = nullptr;

    std::size_t operator()(const situation& s) const {
        const std::uint64_t digest = digest_of(s);
        if (notes) notes->push_back({s.question.now.value(), s.number, digest});
        return digest % s.places.size();
    }
    std::size_t second_look(const situation& s, std::size_t where, double confidence) const {
        mixing mix{digest_of(s)};
        mix(static_cast<double>(where));
        mix(confidence);
        return mix.state % s.places.size();
    }
};

}  // namespace

TEST_CASE("a busy scene has all that can happen in it") {
    const auto all = busy().run(nervous{});
    const auto some = [&](auto what) { return std::any_of(all.begin(), all.end(), what); };
    CHECK(some([](const turn_record& r) { return r.gave_up && r.remote_calls == 0; }));
    CHECK(some([](const turn_record& r) { return r.gave_up && r.remote_calls > 0; }));
    CHECK(some([](const turn_record& r) { return r.switched && r.reread > 0_tok; }));
    CHECK(some([](const turn_record& r) { return r.chosen == device && r.answered == edge; }));
    CHECK(some([](const turn_record& r) { return r.chosen == edge && r.answered == device && !r.gave_up; }));
    CHECK(some([](const turn_record& r) { return r.network == 0; }));
    CHECK(some([](const turn_record& r) { return r.network == 1; }));
    seconds last(0);
    for (const auto& r : all) {
        CHECK(r.decided + r.latency > last - 1_us);  // told when it is answered
        last = r.decided + r.latency;
        CHECK(std::isfinite(r.latency.value()));
        CHECK(r.latency >= r.ttft);
        CHECK(r.ttft > 0_s);
        CHECK(r.read >= r.reread);
        CHECK(r.reread >= 0_tok);
        CHECK(r.energy >= 0_J);
    }
}

TEST_CASE("the edge gets slower when more users share it") {
    auto s = busy();
    s.world.networks = {scene().world.networks[0]};
    s.world.places[edge].slots = 16;
    s.world.patience = s.world.give_up = 1e6_s;
    double last = 0;
    for (const double rate : {0.001, 1.0, 10.0}) {
        s.world.dialogue_rate = hertz(rate);
        const double mean = mean_latency(s.run(always_at(edge)));
        CHECK(mean > last * 1.02);
        last = mean;
    }
    // devices are each user's own
    s.world.dialogue_rate = hertz(0.001);
    const double alone = mean_latency(s.run(always_at(device)));
    s.world.dialogue_rate = hertz(10);
    CHECK(mean_latency(s.run(always_at(device))) == doctest::Approx(alone));
}

TEST_CASE("dialogues begin at the same times in the same networks whatever a policy does") {
    const auto s = busy();
    std::map<std::size_t, std::pair<double, std::size_t>> begins;
    const auto check = [&](const auto& policy) {
        std::set<std::size_t> seen;
        for (const auto& r : s.run(policy)) {
            if (!seen.insert(r.dialogue).second) continue;
            const std::pair mine(r.decided.value(), r.network);
            CHECK(begins.try_emplace(r.dialogue, mine).first->second == mine);
        }
    };
    check(always_at(device));
    check(always_at(edge));
    check(nervous{});
}

TEST_CASE("a turn meets the same luck whatever was decided before and elsewhere") {
    auto s = busy();
    for (auto& one : s.load.dialogues) {
        one.document = 0_tok;
        one.read_by = recorded_dialogue::nobody;
        for (auto& t : one.turns) t.reply = std::string(40, 'r');  // histories of one length
    }
    std::map<std::pair<std::size_t, std::size_t>, double> local;  // by turn and tokens read
    std::map<std::size_t, double> thought;
    std::size_t met_again = 0;
    const auto check = [&](const auto& policy) {
        std::map<std::size_t, turn_record> last;
        for (const auto& r : s.run(policy)) {
            if (r.answered == device && r.chosen == device && r.remote_calls == 0) {
                const std::pair key(r.number, static_cast<std::size_t>(r.read.value()));
                const auto [found, first] = local.try_emplace(key, r.latency.value());
                met_again += !first;
                CHECK(found->second == doctest::Approx(r.latency.value()));
            }
            if (const auto before = last.find(r.dialogue); before != last.end()) {
                const double pause = (r.decided - before->second.decided - before->second.latency).value();
                CHECK(thought.try_emplace(r.number, pause).first->second == doctest::Approx(pause));
            }
            last[r.dialogue] = r;
        }
    };
    check(always_at(device));
    check(always_at(edge));
    check([](const situation& at) { return at.number % 2; });
    check([](const situation& at) { return digest_of(at) % 2; });
    CHECK(met_again > 20);
}

TEST_CASE("a device hears of the edge's load now and then, each at times of its own") {
    auto s = busy();
    s.world.dialogue_rate = hertz(5);
    s.world.rush = 0;
    std::map<int, std::set<std::tuple<double, double, double>>> told;
    std::size_t differs = 0;
    bool any = false;
    s.run([&](const situation& at) {
        const endpoint& place = at.places[edge];
        told[static_cast<int>(at.question.now.value() / 15)].insert(
            {place.requests_running, place.requests_waiting, place.queue_delay.value()});
        any = any || (place.requests_running > 0 && place.requests_waiting > 0 && place.queue_delay > 0_s);
        CHECK(at.places[device].requests_running == 0);
        CHECK(at.places[device].queue_delay == 0_s);
        return edge;
    });
    CHECK(any);
    for (const auto& [when, what] : told) differs += what.size() > 1 ? 1 : 0;
    CHECK(differs > told.size() / 2);
    CHECK(told[0].contains(std::tuple(0.0, 0.0, 0.0)));

    // All dialogues of one second have heard at most so many different reports as there are seconds in a period.
    s.world.known.load_report_every = 1_s;
    std::map<int, std::set<double>> every_second;
    s.run([&](const situation& at) {
        every_second[static_cast<int>(at.question.now.value())].insert(at.places[edge].requests_running);
        return edge;
    });
    for (const auto& [second, heard] : every_second) CHECK(heard.size() <= 2);
}

TEST_CASE("policies are asked in the order of time") {
    double last = 0;
    const auto policy = [&](const situation& at) {
        CHECK(at.question.now.value() >= last);
        last = at.question.now.value();
        return digest_of(at) % 4 == 0 ? device : edge;
    };
    auto s = busy();
    s.run(policy);
    s.world.places[edge].engine.read = 1_s / 1_tok;  // most lose patience
    s.world.think = 0.5_s;
    last = 0;
    s.run(policy);
}

TEST_CASE("the wait at the edge that is reported takes a tenth of each second's, and fades by a tenth a second") {
    scene s;
    s.load.dialogues = {dialogue_of(2, "a"), dialogue_of(2, "b")};
    s.world.places[edge] = {.remote = true, .engine = fast, .slots = 1, .kv_capacity = 1000_tok, .extra_rtt = 20_ms};
    s.world.places[edge].engine.step = 500_ms / 1_tok;  // 10 s for an answer
    s.world.dialogue_rate = hertz(1);
    s.world.known.load_report_every = 1_s;
    std::vector<double> told;
    const auto all = s.run([&](const situation& at) {
        told.push_back(at.places[edge].queue_delay.value());
        return edge;
    });
    const double waited = all[1].ttft.value() - 0.160176;  // for the first one, which did not wait at all
    REQUIRE(waited > 2);
    REQUIRE(told.size() == 4);
    CHECK(told[0] == 0);
    CHECK(told[1] == doctest::Approx(0).epsilon(1e-9));
    const double seconds_ago = std::log(told[2] / (0.1 * waited)) / std::log(0.9);
    CHECK(seconds_ago > 0.5);
    CHECK(seconds_ago == doctest::Approx(std::round(seconds_ago)).epsilon(1e-6));
}

TEST_CASE("a policy is told the predictions for the turn, and the router's own rates") {
    auto s = of_turns(2);
    s.p_success = {0.1, 0.2, 0.3, 0.4};
    s.expected = {70, 80};
    s.view[edge].queue_delay = 0.5_s;
    const auto check = [](const situation& at) {
        CHECK(at.places[device].usual_success == (at.number == 0 ? 0.1 : 0.3));
        CHECK(at.places[edge].usual_success == (at.number == 0 ? 0.2 : 0.4));
        CHECK(at.question.expected_output == (at.number == 0 ? 70_tok : 80_tok));
        CHECK(at.places[edge].tpot == 10_ms / 1_tok);
        CHECK(at.places[edge].queue_delay == 0.5_s);
        CHECK(at.question.new_tokens == 25_tok);
        return edge;
    };
    s.run(check);
    s.expected.clear();
    s.run([](const situation& at) {
        CHECK(at.question.expected_output == 200_tok);
        return edge;
    });
}

// --- what is told of the link ---------------------------------------------------------------------

namespace {

/// 1000 samples of 1 s, each with a rate of its own.
const trace& numbered() {
    static const trace link = [] {
        std::string lines;
        for (int k = 0; k < 1000; ++k)
            lines += std::to_string(k) + "," + std::to_string(1000000 + 1000 * k) + "," +
                     std::to_string(2000000 + 1000 * k) + ",0." + std::to_string(100 + k / 10) + ",\n";
        return recorded(lines);
    }();
    return link;
}

}  // namespace

TEST_CASE("a dialogue's network, recording and place in it are drawn in this order, with every compiler") {
    auto s = of_turns(1);
    s.world.networks[0].links = {{&numbered(), &numbered()}, {&numbered(), &numbered()}};
    s.run([&](const situation& at) {
        keyed_random luck(s.world.seed, 12, 0, 0);
        luck.below(1);
        luck.below(2);
        const double begins = 1000 * luck.uniform();
        const double now = at.question.now.value();
        const double place = begins - now + 5 * std::floor(now / 5);
        const double seen = std::floor(std::fmod(place + 1000, 1000)) - 1;  // the last one that was over
        CHECK(at.link_as_sampled.uplink_rate.value() == doctest::Approx(1e6 + 1e3 * seen).epsilon(1e-9));
        CHECK(at.link_as_sampled.downlink_rate.value() == doctest::Approx(2e6 + 1e3 * seen).epsilon(1e-9));
        return edge;
    });
}

TEST_CASE("a link is looked at now and then, and what is seen is some seconds old") {
    auto s = of_turns(40);
    s.world.networks[0].links = {{&numbered(), &numbered()}};
    s.world.think = 0.3_s;
    s.world.known.link_ages = false;
    std::map<int, std::set<double>> seen;
    s.run([&](const situation& at) {
        seen[static_cast<int>(at.question.now.value() / 5)].insert(at.link_as_sampled.uplink_rate.value());
        CHECK(at.link.uplink_rate == at.link_as_sampled.uplink_rate);
        CHECK(at.link.downlink_rate == at.link_as_sampled.downlink_rate);
        return device;
    });
    REQUIRE(seen.size() > 5);
    double before = 0;
    for (const auto& [when, rates] : seen) {
        CHECK(rates.size() == 1);  // one look in 5 s
        if (before > 0) CHECK(*rates.begin() == doctest::Approx(before + 5000));
        before = *rates.begin();
    }
}

TEST_CASE("a rate that was seen is believed less the older it is") {
    auto s = of_turns(1);
    const trace slow_samples = recorded("0,1e6,4e6,,\n1000,1e6,4e6,,\n");
    s.world.networks[0].links = {{&slow_samples, &slow_samples}};
    auto& network = s.world.networks[0];
    network.usual_uplink = 2_Mbps;
    network.uplink_process = {.sd = 0, .white = 0, .memory = 1e9_s};
    network.downlink_process = {.sd = 0, .white = 0, .memory = 1e-3_s};
    network.usual_downlink = 3_Mbps;
    s.run([&](const situation& at) {
        CHECK(at.link_as_sampled.uplink_rate == 1_Mbps);
        CHECK(at.link_as_sampled.downlink_rate == 4_Mbps);
        CHECK(at.link.uplink_rate.value() == doctest::Approx(1e6));    // fresh for ever
        CHECK(at.link.downlink_rate.value() == doctest::Approx(3e6));  // forgotten: the usual one
        CHECK(at.link.rtt == 100_ms);
        return device;
    });
    // A spread makes it slower than its median: 1 / E[1 / rate]
    network.uplink_process = {.sd = 1, .white = 1, .memory = 1e9_s};
    s.run([&](const situation& at) {
        CHECK(at.link.uplink_rate.value() == doctest::Approx(2e6 / std::exp(0.5)));
        return device;
    });
}

TEST_CASE("a fresh outage is believed, an old one may be over, and a gap says nothing") {
    auto s = of_turns(1);
    auto& network = s.world.networks[0];
    const trace out = recorded("0,0,1e6,,\n1000,0,1e6,,\n"), gap = recorded("0,,1e6,,\n1000,,1e6,,\n");
    network.links = {{&out, &out}};
    network.uplink_process = {.sd = 0, .white = 0, .memory = 1e9_s};
    const auto told = [&](bits_per_second believed, bits_per_second sampled) {
        s.run([&](const situation& at) {
            CHECK(at.link.uplink_rate.value() == doctest::Approx(believed.value()));
            CHECK(at.link_as_sampled.uplink_rate == sampled);
            return device;
        });
    };
    told(outage_rate, 0_bps);
    network.uplink_process.memory = 1e-3_s;
    told(2_Mbps, 0_bps);
    network.links = {{&gap, &gap}};
    told(2_Mbps, 2_Mbps);
}

// --- no future ------------------------------------------------------------------------------------

namespace {

/// 24 recordings of 1000 s, and what is to change in them: every sample for which `spared` is false.
struct recordings {
    static constexpr std::size_t count = 24, length = 1000;
    std::vector<trace> links;

    template <class Spared>
    static recordings with(const Spared& spared) {
        recordings all;
        for (std::size_t l = 0; l < count; ++l) {
            std::string lines;
            for (std::size_t t = 0; t < length; ++t) {
                keyed_random luck(l, t, spared(l, t) ? 0 : 1);
                const double up = luck.below(12) == 0 ? 0 : 3e6 * luck.lognormal(1);
                const double down = luck.below(20) == 0 ? 0 : 9e6 * luck.lognormal(1);
                lines += std::to_string(t) + "," + (luck.below(9) == 0 ? "" : std::to_string(up)) + "," +
                         (luck.below(9) == 0 ? "" : std::to_string(down)) + "," +
                         (luck.below(2) == 0 ? "" : std::to_string(0.02 + 0.1 * luck.uniform())) + ",\n";
            }
            all.links.push_back(recorded(lines));
        }
        return all;
    }
    std::vector<eval::network_model::link> views(std::size_t network) const {
        std::vector<eval::network_model::link> out;
        for (std::size_t l = network * count / 2; l < (network + 1) * count / 2; ++l)
            out.push_back({&links[l], &links[l]});
        return out;
    }
};

}  // namespace

TEST_CASE("no decision knows anything of the future") {
    auto s = busy(30);
    const auto original = recordings::with([](std::size_t, std::size_t) { return true; });
    for (std::size_t n : {0u, 1u}) s.world.networks[n].links = original.views(n);
    std::vector<noted> notes;
    const auto records = s.run(nervous{&notes});
    const auto again = s.run(nervous{});
    CHECK(equal(records, again));

    std::map<std::size_t, double> decided;  // by turn
    std::map<std::size_t, double> begins;   // by dialogue
    for (const auto& r : records) {
        decided[r.number] = r.decided.value();
        const auto [found, first] = begins.try_emplace(r.dialogue, r.decided.value());
        if (!first) found->second = std::min(found->second, r.decided.value());
    }
    // The moments are those of decisions: what begins right after one is unknown to it.
    for (std::size_t moment = 5; moment < notes.size(); moment += 7) {
        const double until = notes[moment].at;
        CAPTURE(until);
        // Of every recording, what a dialogue has met of it up to then; 7 s before its first look is never.
        std::vector<std::vector<bool>> met(recordings::count, std::vector<bool>(recordings::length, false));
        for (const auto& [dialogue, begin] : begins) {
            if (begin > until) continue;
            keyed_random luck(s.world.seed, 12, dialogue, 0);
            const std::size_t network = luck.below(2);
            const std::size_t link = network * recordings::count / 2 + luck.below(recordings::count / 2);
            const double offset = recordings::length * luck.uniform();
            for (double t = std::floor(offset) - 7; t <= offset + until - begin; t += 1)
                met[link][static_cast<std::size_t>(t + recordings::length) % recordings::length] = true;
        }
        const auto changed = recordings::with([&](std::size_t l, std::size_t t) { return met[l][t]; });
        auto other = s;
        for (std::size_t n : {0u, 1u}) other.world.networks[n].links = changed.views(n);
        std::size_t number = 0, turns_changed = 0;
        for (auto& one : other.load.dialogues)
            for (auto& t : one.turns) {
                if (decided.at(number) > until) {
                    keyed_random luck(77, number);
                    t.said += " and something else";
                    if (t.reply) *t.reply += " or not";
                    for (auto& answer : t.answers)
                        answer = {.score = luck.uniform(),
                                  .output = tokens(static_cast<double>(1 + luck.below(300))),
                                  .confidence = luck.uniform()};
                    for (std::size_t i : {0u, 1u}) other.p_success[2 * number + i] = luck.uniform();
                    other.expected[number] = 500 * luck.uniform();
                    ++turns_changed;
                }
                ++number;
            }
        std::vector<noted> of_others;
        other.run(nervous{&of_others});
        const auto before = [&](std::vector<noted> all) {
            std::erase_if(all, [&](const noted& one) { return one.at > until; });
            return all;
        };
        const auto mine = before(notes), theirs = before(of_others);
        CHECK(mine.size() >= 5);
        CHECK(mine == theirs);
        if (turns_changed > 0) CHECK(notes != of_others);  // the change does change what comes after
    }
}

TEST_CASE("no decision knows how long an answer will be that is still being written") {
    auto s = busy();
    s.world.networks = {scene().world.networks[0]};
    s.world.dialogue_rate = hertz(2);
    s.world.known.load_report_every = 2_s;
    s.world.places[edge].kv_capacity = 1e6_tok;  // or longer answers would wait longer for room
    s.world.places[edge].engine.step = 50_ms / 1_tok;
    s.world.patience = s.world.give_up = 1e6_s;
    std::vector<noted> notes;
    const auto at_edge = [](std::vector<noted>& into) {
        return [&into](const situation& at) { return nervous{&into}(at), at.number % 4 == 0 ? device : edge; };
    };
    const auto records = s.run(at_edge(notes));
    for (std::size_t moment = 5; moment < notes.size(); moment += 7) {
        const double until = notes[moment].at;
        CAPTURE(until);
        auto other = s;
        std::vector<recorded_turn*> turns;
        for (auto& one : other.load.dialogues)
            for (auto& t : one.turns) turns.push_back(&t);
        for (const auto& r : records)
            if ((r.decided + r.latency).value() > until + 1)  // a second is more than what is on its way down
                for (auto& answer : turns[r.number]->answers) answer.output += 100_tok;
        std::vector<noted> of_others;
        other.run(at_edge(of_others));
        const auto before = [&](std::vector<noted> all) {
            std::erase_if(all, [&](const noted& one) { return one.at > until; });
            return all;
        };
        CHECK(before(notes) == before(of_others));
    }
}

TEST_CASE("decisions do not depend on the order of the places") {
    const auto original = busy();
    auto swapped = original;
    const auto exchange = [](auto& pair) { std::swap(pair[0], pair[1]); };
    exchange(swapped.world.places);
    exchange(swapped.view);
    for (auto& one : swapped.load.dialogues) {
        if (one.read_by != recorded_dialogue::nobody) one.read_by = 1 - one.read_by;
        for (auto& t : one.turns) exchange(t.answers);
    }
    for (std::size_t k = 0; k < swapped.p_success.size(); k += 2)
        std::swap(swapped.p_success[k], swapped.p_success[k + 1]);
    const router route{constant_difficulty{}, 6_s * cost::quality_loss{} + cost::end_to_end(), lowest_cost{150_ms}};
    struct by_router {
        const decltype(route)& decide;
        std::vector<std::string>* names;
        std::size_t operator()(const situation& s) const {
            const std::size_t where = decide(s.chat, s.question, s.places, s.link).where;
            names->emplace_back(s.places[where].name);
            return where;
        }
        // also what is decided later
        std::size_t second_look(const situation& s, std::size_t where, double confidence) const {
            return confidence < 0.3 ? 1 - where : (*this)(s);
        }
    };
    std::vector<std::string> names, names_swapped;
    const auto records = original.run(by_router{route, &names});
    auto records_swapped = swapped.run(by_router{route, &names_swapped});
    CHECK(names == names_swapped);
    CHECK(std::set<std::string>(names.begin(), names.end()).size() == 2);
    for (auto& r : records_swapped) {
        r.chosen = 1 - r.chosen;
        r.answered = 1 - r.answered;
    }
    CHECK(equal(records, records_swapped));
}

TEST_CASE("a replay is the same every time, and another one with another seed") {
    auto s = busy();
    const auto one = s.run(nervous{}), again = s.run(nervous{});
    CHECK(equal(one, again));
    s.world.seed = 2;
    CHECK_FALSE(equal(one, s.run(nervous{})));
}

TEST_CASE("every round has the same dialogues and a luck of its own") {
    const auto s = busy();
    const auto all = s.run(always_at(device), 3);
    std::map<std::size_t, std::vector<turn_record>> by_turn;
    for (const auto& r : all) by_turn[r.number].push_back(r);
    CHECK(by_turn.size() == s.load.turns());
    std::size_t other_network = 0;
    for (const auto& [number, three] : by_turn) {
        REQUIRE(three.size() == 3);
        CHECK(three[0].score == three[1].score);
        CHECK(three[0].read == three[1].read);
        CHECK(three[0].latency != three[1].latency);
        CHECK(three[1].latency != three[2].latency);
        other_network += three[0].network != three[1].network;
    }
    CHECK(other_network > 0);
    // The first round alone is the first round of three, as long as nobody shares anything.
    const auto alone = s.run(always_at(device));
    for (const auto& r : alone)
        CHECK(std::ranges::any_of(by_turn[r.number],
                                  [&](const turn_record& one) { return everything_of(one) == everything_of(r); }));
}

TEST_CASE("only the dialogues that are asked for are replayed") {
    const auto s = busy();
    const std::vector<std::size_t> which{5, 2, 9};
    std::map<std::size_t, std::size_t> turns;
    std::vector<double> first;
    eval::replay(s.world, s.load, {s.view, s.expected, s.p_success}, which, always_at(device),
                 [&](const turn_record& r) { ++turns[r.dialogue]; });
    CHECK(turns.size() == 3);
    for (const std::size_t d : which) CHECK(turns[d] == s.load.dialogues[d].turns.size());
    turns.clear();
    eval::replay(
        s.world, s.load, {s.view, s.expected, s.p_success}, which, always_at(device),
        [&](const turn_record& r) { ++turns[r.dialogue]; }, 0);
    CHECK(turns.empty());
}

// --- what it is for -------------------------------------------------------------------------------

TEST_CASE("a router whose profile is wrong pays for it") {
    scene s;
    for (int d = 0; d < 60; ++d) {
        auto one = dialogue_of(0, std::to_string(d));
        for (int k = 0; k < 3; ++k) {
            const tokens output(5 + (d * 37 + k * 11) % 120);
            one.turns.push_back(question({{.score = 0.5, .output = output}, {.score = 1, .output = output}}));
            s.expected.push_back(output.value());
            s.p_success.insert(s.p_success.end(), {0.5, 1.0});
        }
        s.load.dialogues.push_back(one);
    }
    s.world.dialogue_rate = hertz(0.05);
    s.world.places[edge].extra_rtt = s.view[edge].extra_rtt = 3_s;
    constexpr seconds price = 1_s;
    const router route{constant_difficulty{}, price * cost::quality_loss{} + cost::end_to_end()};
    std::map<std::size_t, int> calls;
    const auto cost_of = [&](const scene& with) {
        double sum = 0;
        const auto records =
            with.run([&](const situation& at) { return route(at.chat, at.question, at.places, at.link).where; });
        for (const auto& r : records) {
            sum += (r.latency + price * (1 - r.score)).value();
            ++calls[r.chosen];
        }
        return sum / static_cast<double>(records.size());
    };
    const double right = cost_of(s);
    CHECK(calls[device] > 30);
    CHECK(calls[edge] > 30);
    // The device looks twice as fast as it is, the edge half as fast; and the other way around.
    for (const double off : {2.0, 0.5}) {
        auto wrong = s;
        wrong.view[device].prefill_rate = off * s.view[device].prefill_rate;
        wrong.view[device].tpot = 1 / off * s.view[device].tpot;
        wrong.view[edge].prefill_rate = 1 / off * s.view[edge].prefill_rate;
        wrong.view[edge].tpot = off * s.view[edge].tpot;
        CHECK(cost_of(wrong) > 1.05 * right);
    }
}

TEST_CASE(
    "a turn on the device allocates nothing once all places are taken, one at the edge its two notes of a cache") {
    auto s = busy();
    for (auto& one : s.load.dialogues) one.document = 0_tok;
    std::vector<std::size_t> which(s.load.dialogues.size());
    std::iota(which.begin(), which.end(), std::size_t{0});
    double calls = 0;
    const auto used = [&](const auto& policy, std::size_t rounds) {
        const std::size_t before = allocations.load();
        calls = 0;
        eval::replay(
            s.world, s.load, {s.view, s.expected, s.p_success}, which, policy,
            [&](const turn_record& r) { calls += static_cast<double>(r.remote_calls); }, rounds);
        return static_cast<double>(allocations.load() - before);
    };
    const double turns = 40 * static_cast<double>(s.load.turns());
    const double on_device = used(always_at(device), 80) - used(always_at(device), 40);
    CHECK(on_device < 0.05 * turns);  // a busier moment than any before may still need room for a dialogue
    double at_edge = used(always_at(edge), 80);
    const double calls_80 = calls;
    at_edge -= used(always_at(edge), 40);
    CHECK(calls_80 - calls > 0.5 * turns);
    CHECK(at_edge < 0.05 * turns + 2.2 * (calls_80 - calls));
}
