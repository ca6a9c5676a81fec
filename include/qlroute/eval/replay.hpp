// A router over a workload, in a world that is not the router's own model.
//
//   eval::world city = ...;                          // engines, networks, habits: what really happens
//   eval::replay(city, dialogues, router_view, policy, [&](const eval::turn_record& r) { all.push_back(r); });
//
// What a policy is told, what is decided elsewhere, and every choice in it: docs/replay.md.
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/core/literals.hpp>
#include <qlroute/cost/energy.hpp>
#include <qlroute/eval/engine_physics.hpp>
#include <qlroute/eval/random.hpp>
#include <qlroute/eval/recorded_radio.hpp>
#include <qlroute/eval/shared_server.hpp>
#include <qlroute/eval/workload.hpp>
#include <qlroute/link/link_state.hpp>
#include <qlroute/link/rate_belief.hpp>
#include <qlroute/link/trace.hpp>
#include <qlroute/serving/endpoint.hpp>
#include <qlroute/serving/session.hpp>
#include <qlroute/text/message.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute::eval {

// --- the world ------------------------------------------------------------------------------------

/// A place as it really is. A local one is each user's own; a remote one is shared by all of them.
struct true_place {
    bool remote = false;
    engine_physics engine{};
    std::size_t slots = 16;           ///< remote: requests that run at once
    tokens kv_capacity = 16'384_tok;  ///< remote: of all requests and kept caches
    seconds extra_rtt{};              ///< remote: beyond the radio link
    joules_per_token reading{};       ///< local: of the battery
    joules_per_token writing{};
};

/// Recordings of one kind of network, and what was not recorded.
struct network_model {
    struct link {
        const trace* up = nullptr;
        const trace* down = nullptr;
    };
    std::string name;
    std::vector<link> links;  ///< a dialogue meets one of them, from a place of its own on
    radio_behaviour radio{};
    cost::radio_power power{};
    /// What the router believes of how rates wander, and of the usual ones.
    rate_process uplink_process{};
    rate_process downlink_process{};
    bits_per_second usual_uplink = 10_Mbps;
    bits_per_second usual_downlink = 10_Mbps;
};

/// What the router learns, and when.
struct knowledge {
    seconds link_sample_every = 5_s;   ///< the modem's own estimate: the last complete recorded sample then
    bool link_ages = true;             ///< a rate is what is believed after its age; else the sample as it was
    seconds load_report_every = 30_s;  ///< counters of remote places; keeping in touch wakes the radio as well
};

struct world {
    std::vector<true_place> places;
    std::vector<network_model> networks;  ///< each dialogue is in one of them, all equally likely
    knowledge known{};
    hertz dialogue_rate = hertz(0.2);  ///< of beginning dialogues, on average
    double rush = 0.5;                 ///< it swings by this share
    seconds rush_period = 600_s;       ///< in so long
    seconds think = 20_s;              ///< median pause of the user before the next turn
    double think_spread = 0.7;         ///< deviation of its logarithm
    /// A request that is not through, or whose first token has not come, after so long is answered by a local place
    /// instead; but nobody gives up sooner than the local answer would take.
    seconds give_up = 5_s;
    seconds patience = 20_s;
    seconds deadline = 30_s;      ///< for deadline misses
    double engine_spread = 0.05;  ///< deviation of ln(time) of local engines from turn to turn
    std::uint64_t seed = 1;
};

// --- what a policy sees ---------------------------------------------------------------------------

/// All that is known when a turn is to be decided. Views, valid during the call.
struct situation {
    const session& chat;
    const turn& question;
    std::span<const endpoint> places;  ///< as the router knows them; usual_success is P(good answer) as predicted
    link_state link{};                 ///< rates as they are believed after the age of the last sample
    link_state link_as_sampled{};      ///< the last sample, whatever its age
    std::size_t number = 0;            ///< of the turn, counted over the workload
    std::size_t network = 0;
};

/// Picks an endpoint: `policy(situation)`. A policy that looks at the first answer also has
/// `second_look(situation, where, confidence)`, which returns the endpoint that answers in the end; it is asked only
/// where the model's confidence was recorded. One that knows everything takes `policy(situation, foresight)`, where
/// foresight(where) is the latency that would really come of it if nobody else began a turn.
template <class Policy>
concept has_second_look = requires(const Policy& policy, const situation& s, std::size_t where, double confidence) {
    { policy.second_look(s, where, confidence) } -> std::convertible_to<std::size_t>;
};

/// What came of one turn.
struct turn_record {
    std::size_t dialogue = 0;
    std::size_t number = 0;  ///< of the turn, counted over the workload
    std::size_t network = 0;
    std::size_t chosen = 0;    ///< endpoint that was decided for
    std::size_t answered = 0;  ///< endpoint whose answer the user has
    seconds decided{};         ///< by the simulation's clock
    seconds ttft{};
    seconds latency{};  ///< until the answer is complete
    double score = 0;
    std::size_t remote_calls = 0;  ///< requests that reached a remote place
    tokens read{};                 ///< by all engines for this turn
    tokens reread{};               ///< of these, history that another place or an earlier turn had read before
    bool switched = false;         ///< answered elsewhere than the last turn
    bool gave_up = false;          ///< the remote place did not answer in time, and a local one did instead
    joules energy{};               ///< of the device
};

/// The link that a dialogue meets: by chance, but the same whatever a policy does.
struct met_link {
    std::size_t network = 0;
    network_model::link link{};
    double share = 0;  ///< of the way through both recordings, when its first turn begins
    std::uint64_t luck = 0;
};
inline met_link link_of(const world& w, std::size_t dialogue, std::uint64_t round = 0) {
    keyed_random luck(w.seed, 12, dialogue, round);
    met_link met;
    met.network = luck.below(w.networks.size());
    const auto& links = w.networks[met.network].links;
    met.link = links[luck.below(links.size())];
    met.share = luck.uniform();
    met.luck = luck.next();
    return met;
}

// --- the replay -----------------------------------------------------------------------------------

namespace detail {

template <class Policy, class Each>
class replayer {
public:
    replayer(const world& w, const workload& load, std::span<const endpoint> view, std::span<const double> expected,
             std::span<const double> p_success, const Policy& policy, const Each& each)
        : w_(w), load_(load), view_(view), expected_(expected), p_(p_success), policy_(policy), each_(each) {
        for (const true_place& place : w_.places) {
            servers_.emplace_back(
                shared_server::setting{.engine = place.engine, .slots = place.slots, .kv_capacity = place.kv_capacity});
            if (!place.remote && local_ == recorded_dialogue::nobody) local_ = servers_.size() - 1;
        }
        reports_.resize(w_.places.size());
        for (auto& ring : reports_)
            ring.resize(static_cast<std::size_t>(std::ceil(w_.known.load_report_every.value())) + 2);
        averages_.resize(w_.places.size());
        waited_.resize(w_.places.size());
        versions_.resize(w_.places.size());
        std::size_t turns = 0;
        for (const auto& one : load_.dialogues) {
            first_turn_.push_back(turns);
            turns += one.turns.size();
        }
    }

    /// `rounds` times through all dialogues of `which`.
    void run(std::span<const std::size_t> which, std::size_t rounds) {
        which_ = which;
        left_ = which.size() * rounds;
        if (left_ == 0) return;
        seconds start = next_start(seconds(0));
        push(start, kind::start, 0);
        push(seconds(1), kind::report, 0);
        while (!events_.empty()) {
            const event e = events_.top();
            events_.pop();
            now_ = seconds(e.at);
            switch (e.what) {
                case kind::start:
                    begin_dialogue();
                    break;
                case kind::turn:
                    decide(e.who);
                    break;
                case kind::arrives:
                    arrive(e.who, e.extra);
                    break;
                case kind::tired:
                    stop_waiting(e.who, e.extra);
                    break;
                case kind::tick:
                    tick(e.who, e.extra);
                    break;
                case kind::answered:
                    answered(e.who);
                    break;
                case kind::report:
                    report();
                    break;
            }
        }
    }

private:
    enum class kind : std::uint8_t { start, turn, arrives, tired, tick, answered, report };
    struct event {
        double at;
        std::uint64_t order;
        kind what;
        std::size_t who;
        std::uint64_t extra;
        bool operator<(const event& other) const noexcept {
            return at != other.at ? at > other.at : order > other.order;
        }
    };
    struct load_report {
        double running = 0, waiting = 0;
        seconds wait{};
    };

    struct waits {
        seconds sum{};
        double count = 0;
    };

    /// A dialogue that is going on.
    struct live {
        const recorded_dialogue* from = nullptr;
        std::size_t dialogue = 0;
        std::uint64_t serial = 0;  // over all rounds: what servers call it
        std::size_t network = 0;
        const network_model* net = nullptr;
        std::optional<recorded_radio> radio;
        std::optional<session> chat;
        std::vector<message> said;
        std::size_t turn_index = 0;
        tokens history{};
        // Of the dialogue as it stands, what an endpoint has read or written. A local one holds it; a remote one
        // unless it was dropped.
        std::vector<tokens> known;
        std::vector<bool> connected;
        double report_phase = 0;
        seconds radio_used{-std::numeric_limits<double>::infinity()};
        turn question{};
        seconds decided{};
        seconds asked{};  // the place that is to answer
        seconds request_left{};
        seconds first_token{};      // infinite: not yet
        std::uint64_t awaited = 0;  // ticket of the request that the user waits for; 0: none
        bool looked_twice = false;
        turn_record record{};
    };

    void push(seconds at, kind what, std::size_t who, std::uint64_t extra = 0) {
        events_.push({at.value(), order_++, what, who, extra});
    }

    // --- dialogues begin, as they would whatever the policy does -----------------------------------

    seconds next_start(seconds after) {
        keyed_random luck(w_.seed, 11, starts_++);
        const double most = w_.dialogue_rate.value() * (1 + w_.rush);
        double t = after.value();
        do {
            t += luck.exponential() / most;
        } while (luck.uniform() * (1 + w_.rush) >
                 1 + w_.rush * std::sin(2 * 3.14159265358979323846 * t / w_.rush_period.value()));
        return seconds(t);
    }

    std::size_t vacancy() {
        if (free_.empty()) {
            live_.push_back(std::make_unique<live>());
            return live_.size() - 1;
        }
        const std::size_t who = free_.back();
        free_.pop_back();
        return who;
    }

    void begin_dialogue() {
        const std::size_t index = which_[begun_ % which_.size()];
        const std::uint64_t round = begun_ / which_.size();
        const std::size_t who = vacancy();
        live& one = *live_[who];
        one.from = &load_.dialogues[index];
        one.dialogue = index;
        one.serial = begun_++;
        if (begun_ < left_) push(next_start(now_), kind::start, 0);

        const met_link met = link_of(w_, index, round);
        one.network = met.network;
        one.net = &w_.networks[met.network];
        one.radio.emplace(one.net->radio, *met.link.up, *met.link.down, met.share * met.link.up->duration() - now_,
                          met.share * met.link.down->duration() - now_, met.luck);
        one.report_phase = keyed_random(w_.seed, 13, index, round).uniform();
        one.said.clear();
        one.turn_index = 0;
        one.history = tokens(0);
        one.known.assign(w_.places.size(), tokens(0));
        one.connected.assign(w_.places.size(), false);
        one.radio_used = seconds(-std::numeric_limits<double>::infinity());
        if (one.chat && one.chat->endpoints() == view_.size()) one.chat->reset();
        else one.chat.emplace(view_.size());
        if (one.from->document > tokens(0)) {
            one.said.push_back({role::user, {}, one.from->document});
            one.chat->next_turn(one.said, now_);
            if (one.from->read_by != recorded_dialogue::nobody) {
                const std::size_t reader = one.from->read_by;
                const message understood{role::assistant, {}, tokens(1)};
                one.chat->commit(reader, understood, now_);
                one.said.push_back(understood);
                one.history = one.from->document + tokens(1);
                one.known[reader] = one.history;
                if (w_.places[reader].remote) servers_[reader].adopt(one.serial, one.history);
            }
        }
        decide(who);
    }

    // --- a turn ------------------------------------------------------------------------------------

    std::size_t number_of(const live& one) const { return first_turn_[one.dialogue] + one.turn_index; }
    const recorded_turn& move_of(const live& one) const { return one.from->turns[one.turn_index]; }
    keyed_random luck_of(const live& one, std::uint64_t what) const {
        return keyed_random(w_.seed, what, one.serial, one.turn_index);
    }

    /// Every device has its own times.
    seconds last_report(const live& one) const {
        const seconds period = w_.known.load_report_every;
        const seconds phase = one.report_phase * period;
        return std::floor(((now_ - phase) / period).value()) * period + phase;
    }
    seconds radio_idle(const live& one) const { return now_ - larger(one.radio_used, last_report(one)); }

    bits_per_second believed(const recorded_radio::observation& seen, seconds age, const rate_process& process,
                             bits_per_second usual) const {
        constexpr bits_per_second nothing_passes = 10_kbps;
        if (!seen.rate) return usual;
        // An outage is known while it is fresh; later it is as likely to be over as anything.
        if (*seen.rate < nothing_passes && age < process.memory) return outage_rate;
        const rate_belief<> belief = process.after(*seen.rate, age, usual);
        constexpr bits unit(1);
        return unit / belief.mean_transfer_time(unit);
    }

    situation situation_of(live& one) {
        situation s{*one.chat, one.question, endpoints_now(one), {}, {}, number_of(one), one.network};
        const seconds sampled =
            std::floor(now_.value() / w_.known.link_sample_every.value()) * w_.known.link_sample_every;
        const auto up = one.radio->last_uplink(sampled);
        const auto down = one.radio->last_downlink(sampled);
        s.link_as_sampled = {.uplink_rate = up.rate.value_or(one.net->usual_uplink),
                             .downlink_rate = down.rate.value_or(one.net->usual_downlink),
                             .rtt = one.radio->last_rtt(sampled),
                             .radio_idle = radio_idle(one)};
        s.link = s.link_as_sampled;
        if (w_.known.link_ages) {
            const seconds since = now_ - sampled;
            s.link.uplink_rate = believed(up, up.age + since, one.net->uplink_process, one.net->usual_uplink);
            s.link.downlink_rate = believed(down, down.age + since, one.net->downlink_process, one.net->usual_downlink);
        }
        return s;
    }

    /// The router's endpoints, as of now.
    std::span<const endpoint> endpoints_now(const live& one) {
        seen_.assign(view_.begin(), view_.end());
        const std::size_t n = number_of(one);
        for (std::size_t i = 0; i < seen_.size(); ++i) {
            seen_[i].usual_success = p_[n * seen_.size() + i];
            if (!w_.places[i].remote) continue;
            const load_report& load = reports_[i][second_of(last_report(one))];
            seen_[i].requests_running = load.running;
            seen_[i].requests_waiting = load.waiting;
            seen_[i].queue_delay += load.wait;
        }
        return seen_;
    }

    void decide(std::size_t who) {
        live& one = *live_[who];
        const recorded_turn& move = move_of(one);
        one.said.push_back({role::user, move.said, move.said_size});
        one.question = one.chat->next_turn(one.said, now_);
        const std::size_t n = number_of(one);
        if (!expected_.empty()) one.question.expected_output = tokens(expected_[n]);
        one.decided = now_;
        one.looked_twice = false;
        one.record = {.dialogue = one.dialogue, .number = n, .network = one.network, .decided = now_};
        const situation s = situation_of(one);
        const auto foresight = [&](std::size_t where) { return latency_if(one, where); };
        std::size_t where;
        if constexpr (requires { policy_(s, foresight); }) where = policy_(s, foresight);
        else where = policy_(s);
        QLROUTE_EXPECTS(where < w_.places.size());
        one.record.chosen = where;
        run_at(who, where);
    }

    tokens context_of(const live& one) const { return one.history + one.question.new_tokens; }
    /// Spreads of a local engine, the same for each policy.
    double pace(const live& one) const { return luck_of(one, 21).lognormal(w_.engine_spread); }

    struct local_run {
        seconds ttft{}, latency{};
        tokens read{};
    };
    local_run run_locally(const live& one, std::size_t where) const {
        const engine_physics& engine = w_.places[where].engine;
        const tokens hit = smaller(one.known[where], one.history);
        local_run out;
        out.read = context_of(one) - hit;
        out.ttft = pace(one) * engine.prefill_time(hit, out.read);
        const tokens steps = move_of(one).answers[where].output - tokens(1);
        out.latency = out.ttft + pace(one) * engine.decode_time(1, context_of(one) + tokens(1), steps);
        return out;
    }

    bits request_size(const live& one, std::size_t where) const {
        const bits unseen = positive_part(one.question.history_size - one.chat->held_by(where).text_seen);
        return one.question.prompt_size + unseen + view_[where].request_overhead;
    }
    seconds request_arrives(const live& one, std::size_t where) const {
        return one.radio->send(now_, request_size(one, where), radio_idle(one), !one.connected[where], one.turn_index) +
               0.5 * w_.places[where].extra_rtt;
    }

    /// For a policy that knows everything: what would come of it, other users' future turns apart.
    seconds latency_if(const live& one, std::size_t where) const {
        if (!w_.places[where].remote) return run_locally(one, where).latency;
        const seconds there = request_arrives(one, where);
        if (gives_up(one, there)) return limit(one, w_.give_up) + run_locally(one, local_).latency;
        const auto done = servers_[where].project(request_to(one, where, 0), there);
        const auto stream = stream_of(one, where, done.first_token, done.finished);
        const seconds back = 0.5 * w_.places[where].extra_rtt;
        if (runs_out_of_patience(one, now_, stream.first + back))
            return limit(one, w_.patience) + run_locally(one, local_).latency;
        return stream.last + back - now_;
    }
    seconds limit(const live& one, seconds least) const { return larger(least, run_locally(one, local_).latency); }
    bool gives_up(const live& one, seconds arrival) const {
        return local_ != recorded_dialogue::nobody && !(arrival - now_ <= limit(one, w_.give_up));
    }
    bool runs_out_of_patience(const live& one, seconds asked, seconds first_token) const {
        return local_ != recorded_dialogue::nobody && !(first_token - asked <= limit(one, w_.patience));
    }
    server_request request_to(const live& one, std::size_t where, std::uint64_t ticket) const {
        return {.ticket = ticket,
                .dialogue = one.serial,
                .history = smaller(one.known[where], one.history),
                .context = context_of(one),
                .output = move_of(one).answers[where].output};
    }
    recorded_radio::stream stream_of(const live& one, std::size_t where, seconds begun, seconds ended) const {
        return one.radio->receive(begun, ended, move_of(one).answers[where].output.value(), 297_B, one.turn_index);
    }

    void run_at(std::size_t who, std::size_t where) {
        live& one = *live_[who];
        one.record.answered = where;
        one.asked = now_;
        if (!w_.places[where].remote) return start_locally(one, who, where, seconds(0));
        const seconds there = request_arrives(one, where);
        const seconds idle = radio_idle(one);
        const cost::radio_power& power = one.net->power;
        if (idle > power.tail) one.record.energy += power.promotion * power.promotion_power;
        if (gives_up(one, there)) {
            const seconds waited = limit(one, w_.give_up);
            one.record.gave_up = true;
            one.record.energy += waited * power.sending;
            one.radio_used = now_ + waited;
            one.record.answered = local_;
            return start_locally(one, who, local_, waited);
        }
        QLROUTE_EXPECTS(std::isfinite(there.value()) || local_ != recorded_dialogue::nobody);
        one.record.energy += (there - now_) * power.sending + request_size(one, where) * power.bit_up;
        one.connected[where] = true;
        one.radio_used = there;
        one.request_left = there;
        one.first_token = seconds(std::numeric_limits<double>::infinity());
        one.awaited = ++requests_ << 32 | who;
        push(there, kind::arrives, who, one.awaited);
        if (local_ != recorded_dialogue::nobody) push(now_ + limit(one, w_.patience), kind::tired, who, one.awaited);
    }

    void start_locally(live& one, std::size_t who, std::size_t where, seconds after) {
        const local_run run = run_locally(one, where);
        one.record.read += run.read;
        note_rereading(one, run.read);
        one.known[where] = context_of(one);
        one.record.energy +=
            run.read * w_.places[where].reading + move_of(one).answers[where].output * w_.places[where].writing;
        one.record.ttft = now_ - one.decided + after + run.ttft;
        one.record.latency = now_ - one.decided + after + run.latency;
        push(now_ + after + run.latency, kind::answered, who);
    }

    void note_rereading(live& one, tokens read) {
        // Of what was read, all that is history; a question is read for the first time.
        one.record.reread += positive_part(read - one.question.new_tokens);
    }

    // --- servers -----------------------------------------------------------------------------------

    void arrive(std::size_t who, std::uint64_t ticket) {
        live& one = *live_[who];
        if (one.awaited != ticket) return;  // nobody waits any more
        const std::size_t where = one.record.answered;
        catch_up(where);
        ++one.record.remote_calls;
        servers_[where].submit(request_to(one, where, one.awaited), now_);
        one.known[where] = context_of(one);
        schedule(where);
    }
    void tick(std::size_t where, std::uint64_t version) {
        if (version != versions_[where]) return;
        catch_up(where);
        schedule(where);
    }
    void schedule(std::size_t where) {
        const seconds next = servers_[where].next_event();
        ++versions_[where];
        if (std::isfinite(next.value())) push(larger(next, now_), kind::tick, where, versions_[where]);
    }
    void catch_up(std::size_t where) {
        // A tick comes at the very moment of an event, which must have happened then.
        const seconds until(std::nextafter(now_.value(), std::numeric_limits<double>::infinity()));
        servers_[where].advance(until, [&](const server_event& e) {
            const std::size_t who = e.ticket & 0xFFFFFFFF;
            live& one = *live_[who];
            if (one.awaited != e.ticket) return;  // nobody listens any more
            const seconds back = 0.5 * w_.places[where].extra_rtt;
            if (e.what == server_event::first_token) {
                one.first_token = e.at;
                one.record.read += e.read;
                note_rereading(one, e.read);
                const seconds alone = w_.places[where].engine.prefill_time(context_of(one) - e.read, e.read);
                waited_[where].sum += positive_part(e.at - one.request_left - alone);
                waited_[where].count += 1;
                if (runs_out_of_patience(one, one.asked, stream_of(one, where, e.at, e.at).first + back))
                    give_up_waiting(one, who);
                return;
            }
            one.awaited = 0;
            const auto stream = stream_of(one, where, one.first_token, e.at);
            one.record.ttft = stream.first + back - one.decided;
            one.record.latency = stream.last + back - one.decided;
            const cost::radio_power& power = one.net->power;
            const tokens output = move_of(one).answers[where].output;
            one.record.energy +=
                smaller(positive_part(one.first_token - one.request_left), power.tail) * power.tail_power +
                (stream.last - stream.first) * power.receiving + output / tokens(1) * bits(297 * 8) * power.bit_down +
                power.tail * power.tail_power;
            one.radio_used = stream.last;
            push(larger(stream.last + back, now_), kind::answered, who);
        });
    }
    /// The user is out of patience, unless the first token has come or is about to.
    void stop_waiting(std::size_t who, std::uint64_t ticket) {
        live& one = *live_[who];
        if (one.awaited != ticket) return;
        if (now_ >= one.request_left) catch_up(one.record.answered);
        if (one.awaited == ticket && !std::isfinite(one.first_token.value())) give_up_waiting(one, who);
    }
    /// The request stays where it is; its answer is for nobody.
    void give_up_waiting(live& one, std::size_t who) {
        const seconds at = one.asked + limit(one, w_.patience);
        one.awaited = 0;
        one.record.gave_up = true;
        one.record.answered = local_;
        one.record.energy += one.net->power.tail * one.net->power.tail_power;
        one.radio_used = smaller(one.radio_used, at);
        start_locally(one, who, local_, at - now_);
    }
    std::size_t second_of(seconds at) const {
        return at > seconds(0) ? static_cast<std::size_t>(at.value()) % reports_[0].size() : 0;
    }
    void report() {
        for (std::size_t i = 0; i < servers_.size(); ++i) {
            if (!w_.places[i].remote) continue;
            catch_up(i);
            schedule(i);
            // Averages of some ten seconds, as servers publish them: what requests waited, and how many there were.
            load_report& load = averages_[i];
            const double running = static_cast<double>(servers_[i].running());
            const double waiting = static_cast<double>(servers_[i].waiting());
            const bool quiet = waited_[i].count == 0 && waiting == 0;
            const seconds wait = quiet                  ? seconds(0)
                                 : waited_[i].count > 0 ? waited_[i].sum / waited_[i].count
                                                        : load.wait;
            constexpr double kept = 0.9;
            load.running = kept * load.running + (1 - kept) * running;
            load.waiting = kept * load.waiting + (1 - kept) * waiting;
            load.wait = kept * load.wait + (1 - kept) * wait;
            reports_[i][second_of(now_)] = load;
            waited_[i] = {};
        }
        if (begun_ < left_ || free_.size() < live_.size()) push(now_ + seconds(1), kind::report, 0);
    }

    // --- and its end -------------------------------------------------------------------------------

    void answered(std::size_t who) {
        live& one = *live_[who];
        const std::size_t where = one.record.answered;
        const recorded_answer& answer = move_of(one).answers[where];
        if constexpr (has_second_look<Policy>) {
            if (!one.looked_twice && !one.record.gave_up && answer.confidence) {
                one.looked_twice = true;
                const situation s = situation_of(one);
                const std::size_t then = policy_.second_look(s, where, *answer.confidence);
                if (then != where) return run_at(who, then);
            }
        }
        one.record.score = answer.score;
        one.record.switched = one.chat->where() != session::nowhere && one.chat->where() != where;

        const recorded_turn& move = move_of(one);
        const message reply{role::assistant, move.reply ? std::string_view(*move.reply) : std::string_view(),
                            move.reply ? tokens(0) : answer.output};
        one.chat->commit(where, reply, now_);
        one.said.push_back(reply);
        // A recorded reply is taken for what was written, as far as it goes.
        one.known[where] = context_of(one) + smaller(answer.output, token_count(reply));
        one.history = context_of(one) + token_count(reply);
        each_(std::as_const(one.record));

        if (++one.turn_index == one.from->turns.size()) {
            free_.push_back(who);
            return;
        }
        push(now_ + w_.think * luck_of(one, 22).lognormal(w_.think_spread), kind::turn, who);
    }

    const world& w_;
    const workload& load_;
    std::span<const endpoint> view_;
    std::span<const double> expected_;
    std::span<const double> p_;
    const Policy& policy_;
    const Each& each_;

    std::vector<std::size_t> first_turn_;
    std::vector<shared_server> servers_;             // one a place; those of local places are not used
    std::vector<std::vector<load_report>> reports_;  // of the last seconds, one a place and second
    std::vector<load_report> averages_;
    std::vector<waits> waited_;  // since then
    std::vector<std::uint64_t> versions_;
    std::vector<std::unique_ptr<live>> live_;
    std::vector<std::size_t> free_;
    std::vector<endpoint> seen_;
    std::priority_queue<event> events_;
    std::uint64_t order_ = 0;
    std::uint64_t starts_ = 0;
    std::uint64_t requests_ = 0;
    std::span<const std::size_t> which_;
    std::size_t begun_ = 0;
    std::size_t left_ = 0;
    std::size_t local_ = recorded_dialogue::nobody;
    seconds now_{};
};

}  // namespace detail

/// What the router is given for a replay.
struct router_view {
    std::span<const endpoint> places;         ///< as profiled; usual_success is overwritten
    std::span<const double> expected_output;  ///< [turn], tokens; empty: the turn's default
    std::span<const double> p_success;        ///< [turn, endpoint], row-major: predictions
};

/// Routes the dialogues `which` of `load`, in this order and `rounds` times, and calls `each(record)` for every turn
/// when it is answered. Deterministic: the same arguments give the same records on every machine that computes the same
/// elementary functions. Dialogues begin, think and meet their luck alike under every policy; only what a policy causes
/// differs. Memory: the dialogues that are going on at once.
/// Preconditions: fault_in(load, places) is nothing; as many endpoints as true places; every network has a link, and
/// where no place is local every link comes back from its outages; p_success has turns x endpoints values.
template <class Policy, class Each>
void replay(const world& w, const workload& load, const router_view& view, std::span<const std::size_t> which,
            const Policy& policy, const Each& each, std::size_t rounds = 1) {
    QLROUTE_EXPECTS(view.places.size() == w.places.size() && !w.networks.empty());
    QLROUTE_EXPECTS(view.p_success.size() == load.turns() * view.places.size());
    detail::replayer<Policy, Each>(w, load, view.places, view.expected_output, view.p_success, policy, each)
        .run(which, rounds);
}

}  // namespace qlroute::eval
