// What does a decision cost?
//
//   route_one_turn/N    the router, N endpoints, no text to read     ns/decision, allocations/decision
//   route_with_engines  three endpoints with engines of their own (roofline, roofline, batched), TCP with slow start,
//                       a radio that wakes up, queues by live counters
//   by_hand/N           the same arithmetic with plain doubles, as one would write it without a library
//
// The two run in turn in one process; `benchmarks/compare` prints their ratio.
#include "support/allocations.hpp"

#include <qlroute/cost/batched.hpp>
#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/queueing.hpp>
#include <qlroute/cost/radio_wakeup.hpp>
#include <qlroute/cost/roofline.hpp>
#include <qlroute/route/router.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

using namespace qlroute;

namespace {

constexpr auto objective = 6_s * cost::quality_loss{} + cost::end_to_end();

std::vector<endpoint> some_places(std::size_t count) {
    std::vector<endpoint> places(count, endpoint{.name = "edge",
                                                 .remote = true,
                                                 .usual_success = 0.8,
                                                 .prefill_rate = 4000_tok_s,
                                                 .tpot = 14_ms / 1_tok,
                                                 .context_window = 32'768_tok,
                                                 .kv_lifetime = 600_s,
                                                 .extra_rtt = 8_ms});
    places[0] = {.name = "device", .usual_success = 0.6, .prefill_rate = 220_tok_s, .tpot = 45_ms / 1_tok};
    for (std::size_t i = 1; i < count; ++i) {
        places[i].extra_rtt = places[i].extra_rtt * static_cast<double>(i);
        places[i].usual_success += 0.02 * static_cast<double>(i);
    }
    return places;
}

/// A dialogue of two turns, so that there is history to lack.
session some_chat(std::size_t endpoints) {
    session chat(endpoints);
    const message said[] = {{role::user, "", 700_tok}};
    chat.next_turn(said, 0_s);
    chat.commit(0, {role::assistant, "", 180_tok}, 10_s);
    return chat;
}

/// Turns and links that differ, so that nothing can be computed once for all.
struct situation {
    turn question;
    link_state link;
};
std::vector<situation> some_situations() {
    std::vector<situation> all;
    for (int k = 0; k < 64; ++k)
        all.push_back(
            {{.prefix_tokens = 880_tok,
              .new_tokens = tokens(20 + 7 * k % 50),
              .history_size = bits(8.0 * 3524),
              .prompt_size = bits(800.0 + 100 * k),
              .now = seconds(20.0 + k)},
             {bits_per_second(1e6 * (1 + k % 20)), bits_per_second(4e6 * (1 + k % 11)), seconds(0.03 + 0.001 * k)}});
    return all;
}

/// One decision after another, a situation each, with its allocations counted.
template <class Situation>
void decide_repeatedly(benchmark::State& state, const auto& decide, const std::vector<Situation>& situations) {
    const std::size_t before = allocations;
    std::size_t k = 0;
    for (auto _ : state) {
        auto choice = decide(situations[k++ % situations.size()]);
        benchmark::DoNotOptimize(choice);
    }
    const auto counted = static_cast<double>(allocations - before);
    state.counters["allocations/decision"] = benchmark::Counter(counted, benchmark::Counter::kAvgIterations);
}

void route_one_turn(benchmark::State& state) {
    const auto count = static_cast<std::size_t>(state.range(0));
    const auto places = some_places(count);
    const session chat = some_chat(count);
    const auto situations = some_situations();
    const router route{constant_difficulty{}, objective, lowest_cost{150_ms}};
    decide_repeatedly(
        state, [&](const situation& now) { return route(chat, now.question, places, now.link); }, situations);
}

// --- the same with doubles -----------------------------------------------------------------------

struct plain_place {
    bool remote, available;
    double success, prefill_rate, tpot, queue, window, kv_size, capacity, lifetime, kv_rate, extra_rtt, overhead,
        token_size;
    bool resends;
    double rollback, tokenizer_ratio, reply_ratio, request_time, request_time_per_bit;
    double reply_kept;
};
struct plain_held {
    double cached_tokens, cached_bits, seen_bits, last_used, asked_tokens, asked_bits, saved_tokens;
    bool cut_back;
};
struct plain_turn {
    double prefix, fresh, history_bits, prompt_bits, output, now;
};
struct plain_link {
    double up, down, rtt, radio_idle;
};
struct plain_facts {
    double fresh, prefix, hit, saved, radio_idle, connection_idle, running, waiting, output, prompt, unseen, token_size,
        rtt, up, down, prefill_rate, tpot, kv_size, kv_rate, queue, loss;
};
struct plain_decision {
    std::size_t where;
    double cost;
    plain_facts facts;
    bool can_serve, switched;
};
struct plain_candidate {
    plain_facts facts;
    double cost;
    bool can_serve;
};

plain_candidate price_by_hand(const plain_place& p, const plain_held& h, const plain_turn& t, const plain_link& l) {
    double cached_bits = h.asked_bits + p.reply_kept * (h.cached_bits - h.asked_bits);
    double cached = h.asked_tokens + p.reply_kept * (h.cached_tokens - h.asked_tokens);
    if (t.now - h.last_used > p.lifetime) cached_bits = cached = 0;
    const auto shorten = [&](double size) {
        if (size >= cached) return;
        cached_bits *= size / cached;
        cached = size;
    };
    if (h.cut_back && p.rollback != 1)
        shorten(p.rollback == 0
                    ? 0
                    : std::floor(cached / (p.rollback / p.tokenizer_ratio)) * p.rollback / p.tokenizer_ratio);
    if (p.capacity > 0) shorten(p.capacity / p.tokenizer_ratio);
    const bool whole = cached_bits >= t.history_bits;
    const double beyond = whole ? std::max(cached - t.prefix, 0.0) : 0.0;
    plain_facts f{};
    f.prefix = p.tokenizer_ratio * t.prefix;
    f.hit = p.tokenizer_ratio * (whole ? t.prefix : std::min(cached, t.prefix));
    f.saved = p.tokenizer_ratio * std::min(h.saved_tokens, t.prefix);
    f.fresh = std::max(p.tokenizer_ratio * (t.fresh - beyond), 1.0);
    f.output = std::max(p.tokenizer_ratio * p.reply_ratio * t.output, 1.0);
    f.radio_idle = l.radio_idle;
    f.connection_idle = h.seen_bits > 0 ? t.now - h.last_used : std::numeric_limits<double>::infinity();
    f.prefill_rate = p.prefill_rate;
    f.tpot = p.tpot;
    f.kv_size = p.kv_size;
    f.kv_rate = p.kv_rate;
    f.loss = 1 - p.success;
    f.up = std::max(l.up, 1e3);
    f.down = std::max(l.down, 1e3);
    if (p.remote) {
        const double seen = std::min(h.seen_bits, t.history_bits);
        f.rtt = std::max(l.rtt, 0.0) + p.extra_rtt;
        f.unseen = t.history_bits - seen;
        f.prompt = t.prompt_bits + p.overhead + (p.resends ? seen : 0);
        f.token_size = p.token_size;
    }
    f.queue =
        p.queue + p.request_time +
        p.request_time_per_bit * (t.prompt_bits + f.unseen + (p.resends ? std::min(h.seen_bits, t.history_bits) : 0));
    const double token_time = f.token_size / f.down;
    const double rest = std::max(f.output - 1, 0.0);
    const double downlink = 0.5 * f.rtt + token_time + std::max(rest * token_time - rest * f.tpot, 0.0);
    const double cost = 6 * f.loss + (0.5 * f.rtt + f.prompt / f.up) + f.queue +
                        (f.unseen / f.up + std::max(f.prefix - f.hit, 0.0) / f.prefill_rate) +
                        f.fresh / f.prefill_rate + rest * f.tpot + downlink;
    const double context = p.tokenizer_ratio * (t.prefix + t.fresh + p.reply_ratio * t.output);
    return {f, cost, p.available && (p.window == 0 || context <= p.window)};
}

plain_decision decide_by_hand(const std::vector<plain_place>& places, const std::vector<plain_held>& held,
                              std::size_t previous, const plain_turn& t, const plain_link& l) {
    double least = std::numeric_limits<double>::infinity();
    double last = least;
    bool can_serve = false;
    bool last_can_serve = false;
    std::size_t where = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        const plain_candidate one = price_by_hand(places[i], held[i], t, l);
        if (i == previous) {
            last = one.cost;
            last_can_serve = one.can_serve;
        }
        if (one.can_serve != can_serve ? one.can_serve : one.cost < least) {
            where = i;
            least = one.cost;
            can_serve = one.can_serve;
        }
    }
    if (last_can_serve == can_serve && !(last - least > 0.15)) where = previous;
    const plain_candidate chosen = price_by_hand(places[where], held[where], t, l);
    return {where, chosen.cost, chosen.facts, chosen.can_serve, where != previous};
}

void by_hand(benchmark::State& state) {
    const auto count = static_cast<std::size_t>(state.range(0));
    const session chat = some_chat(count);
    std::vector<plain_place> places;
    std::vector<plain_held> held;
    const auto typed = some_places(count);
    for (std::size_t i = 0; i < count; ++i) {
        const endpoint& e = typed[i];
        places.push_back({e.remote,
                          e.available,
                          e.usual_success,
                          e.prefill_rate.value(),
                          e.tpot.value(),
                          e.queue_delay.value(),
                          e.context_window.value(),
                          e.kv_size.value(),
                          e.kv_capacity.value(),
                          e.kv_lifetime.value(),
                          e.kv_rate.value(),
                          e.extra_rtt.value(),
                          e.request_overhead.value(),
                          e.token_size.value(),
                          e.resends_history,
                          e.kv_rollback.value(),
                          e.tokenizer_ratio.value(),
                          e.reply_ratio.value(),
                          e.request_time.value(),
                          e.request_time_per_size.value(),
                          e.reply_kept.value()});
        const kv_residency& h = chat.held_by(i);
        held.push_back({h.cached.size.value(), h.cached.text.value(), h.text_seen.value(), h.last_used.value(),
                        h.before_reply.size.value(), h.before_reply.text.value(), h.saved.size.value(), h.cut_back});
    }
    std::vector<std::pair<plain_turn, plain_link>> situations;
    for (const auto& [q, l] : some_situations())
        situations.push_back({{q.prefix_tokens.value(), q.new_tokens.value(), q.history_size.value(),
                               q.prompt_size.value(), q.expected_output.value(), q.now.value()},
                              {l.uplink_rate.value(), l.downlink_rate.value(), l.rtt.value(), l.radio_idle.value()}});

    // The two must agree before their speed means anything.
    const router route{constant_difficulty{}, objective, lowest_cost{150_ms}};
    const auto typed_situations = some_situations();
    for (std::size_t k = 0; k < situations.size(); ++k) {
        const auto a = route(chat, typed_situations[k].question, typed, typed_situations[k].link);
        const auto b = decide_by_hand(places, held, chat.where(), situations[k].first, situations[k].second);
        if (a.where != b.where || a.cost.value() != b.cost) return state.SkipWithError("the two disagree");
    }

    decide_repeatedly(
        state, [&](const auto& now) { return decide_by_hand(places, held, chat.where(), now.first, now.second); },
        situations);
}

/// A roofline for the device, measured engines for the others; TCP, a radio that wakes up, live counters.
void route_with_engines(benchmark::State& state) {
    const cost::roofline phone{.parameters = 1.31e9,
                               .layers = 28,
                               .attention_width = 1536,
                               .weights = 0.9_GB,
                               .kv_size = 28_KiB / 1_tok,
                               .operations = hertz(0.3e12),
                               .bandwidth = bits_per_second(8 * 35e9)};
    const cost::roofline edge{.parameters = 6.53e9,
                              .layers = 28,
                              .attention_width = 3584,
                              .weights = 15_GB,
                              .kv_size = 56_KiB / 1_tok,
                              .operations = hertz(150e12),
                              .bandwidth = bits_per_second(8 * 1.3e12)};
    const cost::batched server{.tiled = {8_ms, 800_us / 1_tok, 1.7_us / 1_tok / 1_tok},
                               .untiled = {12_ms, 900_us / 1_tok, 34_us / 1_tok / 1_tok},
                               .decode = {12_ms / 1_tok, 36_us / 1_tok / 1_tok}};
    const cost::by_endpoint engines{phone, edge, server};
    const cost::tcp how{};
    const auto costs = 6_s * cost::quality_loss{} + cost::radio_wakeup{rrc::lte()} + cost::uplink{how} +
                       cost::queueing{cost::from_counters{.slots = 8, .service_time = 2_s}} +
                       cost::switching{cost::kv_recompute{engines, how}} + cost::prefill{engines} +
                       cost::decode{engines} + cost::downlink{engines};
    auto places = some_places(3);
    places[1].requests_running = 9;
    places[2].requests_waiting = 1;
    const session chat = some_chat(3);
    auto situations = some_situations();
    for (std::size_t k = 0; k < situations.size(); ++k)
        situations[k].link.radio_idle = seconds(0.3 * static_cast<double>(k));
    const router route{constant_difficulty{}, costs, lowest_cost{150_ms}};
    decide_repeatedly(
        state, [&](const situation& now) { return route(chat, now.question, places, now.link); }, situations);
}

BENCHMARK(route_with_engines);
BENCHMARK(route_one_turn)->Arg(2)->Arg(3)->Arg(8);
BENCHMARK(by_hand)->Arg(2)->Arg(3)->Arg(8);

}  // namespace
