#include "chat_router.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

using namespace qlroute;

namespace {

/// A difficulty that was read before.
struct already_read {
    any_predictor::difficulty hardness;

    const any_predictor::difficulty& operator()(std::span<const message>) const noexcept { return hardness; }
};

/// Weight of the past in what is learnt of a tokenizer, a prompt.
constexpr double forgetting = 0.95;
/// What is configured of replies weighs as much as one reply of so many tokens.
constexpr tokens as_if_seen(16);
/// Of what the first token took beyond the forecast, how much is believed at once.
constexpr double believed = 0.2;

/// Where nothing was measured: rates of one batch size, to be learnt from the first answers on.
online_engine guessed_engine(const endpoint& e) {
    const cost::batch_time reading{.per_token = 1 / e.prefill_rate};
    return online_engine({.tiled = reading, .untiled = reading, .decode = {.fixed = e.tpot}}, learning::from_a_guess());
}

std::optional<online_engine> learnable(const cost::any_engine& engine, const endpoint& e) {
    if (const auto* measured = engine.get<cost::batched>()) return online_engine(*measured);
    if (engine.get<cost::linear_rate>() != nullptr) return guessed_engine(e);
    return std::nullopt;
}

}  // namespace

std::optional<std::size_t> routed_turn::next_best(std::size_t tried) const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        if (i == tried || !endpoints[i].decision.can_serve) continue;
        if (!best || endpoints[i].decision.cost < endpoints[*best].decision.cost) best = i;
    }
    return best;
}

chat_router::chat_router(settings config, std::size_t most_chats)
    : configured_(std::move(config)),
      now_(configured_),
      chats_(most_chats, configured_.places),
      densities_(most_chats) {
    now_.rule = bound_to(now_, now_.rule);
    for (std::size_t i = 0; i < now_.places.size(); ++i) {
        const endpoint& e = now_.places[i];
        learnt_.push_back({.engine = learnable(now_.engines[i], e),
                           .lengths = output_length(e.tokenizer_ratio * e.reply_ratio * now_.expected_output),
                           .replies = as_if_seen,
                           .replies_kept = e.reply_kept * as_if_seen});
    }
}

/// Of this dialogue where the endpoint has said it; else the endpoint's usual one, by as much denser as another
/// endpoint found the dialogue's first prompt.
ratio chat_router::tokenizer_ratio(std::uint64_t chat, std::size_t where) const {
    const ratio usual = now_.places[where].tokenizer_ratio;
    const token_density* density = densities_.find(chat);
    if (density == nullptr) return usual;
    return density->own[where] > ratio(0) ? density->own[where] : density->first * usual;
}

std::vector<endpoint> chat_router::places_for(const chat_turn& turn) const {
    std::vector<endpoint> places = now_.places;
    for (std::size_t i = 0; i < places.size(); ++i) {
        places[i].tokenizer_ratio = tokenizer_ratio(turn.chat, i);
        const output_length& lengths = learnt_[i].lengths;
        const tokens limit = turn.most_output.value_or(output_length::no_limit);
        if (!turn.output && lengths.count() == 0 && lengths.prior() <= limit) continue;  // as configured
        const tokens length = turn.output ? *turn.output : lengths.expected(limit);
        places[i].reply_ratio = length / (places[i].tokenizer_ratio * now_.expected_output);
    }
    return places;
}

priced_endpoint chat_router::priced(configured_decision decision, const turn& question, ratio per_token) const {
    const auto engines = engines_of(now_);
    const auto way = way_of(now_);
    const scenario<>& s = decision.facts;
    forecast expected{.ttft = cost::ttft(way, engines, now_.transport)(s),
                      .end_to_end = cost::end_to_end(way, engines, now_.transport)(s),
                      .prefill = engines.prefill_time(s, s.prefix_hit, s.prefix_tokens - s.prefix_hit + s.new_tokens),
                      .prefill_if_cached = engines.prefill_time(s, s.prefix_tokens, s.new_tokens),
                      .prompt = s.prefix_tokens + s.new_tokens,
                      .cached = s.prefix_hit,
                      .output = s.output_tokens,
                      .breakdown = {}};
    const tokens whole = per_token * (question.prefix_tokens + question.new_tokens);
    expected.cached += positive_part(whole - expected.prompt);  // of this turn, where it was asked before
    expected.prompt = larger(whole, expected.prompt);
    for (const auto& [name, value] : explain(objective_of(now_), s)) expected.breakdown.emplace_back(name, value);
    return {decision, std::move(expected)};
}

routed_turn chat_router::route(const chat_turn& turn, std::optional<std::size_t> given) {
    const auto difficulty = configured_.predictor(turn.messages);
    const std::lock_guard lock(guard_);
    qlroute::turn question = chats_.next_turn(turn.chat, turn.messages, turn.now);
    question.expected_output = now_.expected_output;
    const session& chat = chats_.at(turn.chat);
    const std::vector<endpoint> places = places_for(turn);
    const auto objective = objective_of(now_);

    routed_turn out{.where = 0, .endpoints = {}, .dialogue_size = question.prefix_tokens + question.new_tokens};
    for (std::size_t i = 0; i < places.size(); ++i) {
        const router only{already_read{difficulty}, objective, always{i}};
        out.endpoints.push_back(priced(only(chat, question, places, now_.link), question, places[i].tokenizer_ratio));
    }
    if (given) {
        QLROUTE_EXPECTS(*given < places.size());
        out.where = *given;
    } else {
        out.where = router{already_read{difficulty}, objective, now_.rule}(chat, question, places, now_.link).where;
    }
    return out;
}

void chat_router::answered(const chat_turn& turn, std::size_t where, const message& reply, seconds now) {
    const std::lock_guard lock(guard_);
    chats_.next_turn(turn.chat, turn.messages, now);  // another request of the same dialogue may have come since
    chats_.commit(turn.chat, where, reply, now);
}

void chat_router::observe(const chat_turn& turn, std::size_t where, const observed_answer& seen) {
    const std::lock_guard lock(guard_);
    QLROUTE_EXPECTS(where < now_.places.size());
    endpoint& place = now_.places[where];
    learnt& known = learnt_[where];
    const qlroute::turn question = chats_.next_turn(turn.chat, turn.messages, turn.now);
    const tokens counted = question.prefix_tokens + question.new_tokens;
    const auto sensible = [](const std::optional<tokens>& n) { return n && *n > tokens(0) && *n < tokens(1e9); };

    const bool cache_known = sensible(seen.prompt_tokens) && seen.cached_tokens && *seen.cached_tokens >= tokens(0);
    if (cache_known) {
        // How much of the last reply was found as it was written? By the dialogue's tokens up to now, which is when it
        // was written. Where less is cached than what came before the reply, the cache was lost, whatever it does to
        // replies.
        const kv_residency& held = chats_.at(turn.chat).held_by(where);
        const ratio per_token = tokenizer_ratio(turn.chat, where);
        const tokens before = per_token * held.before_reply.size;
        const tokens reply = per_token * (held.cached.size - held.before_reply.size);
        if (reply > tokens(0) && *seen.cached_tokens > 0.5 * before) {
            const tokens kept = smaller(positive_part(*seen.cached_tokens - before), reply);
            known.replies = forgetting * known.replies + reply;
            known.replies_kept = forgetting * known.replies_kept + kept;
            place.reply_kept = known.replies_kept / known.replies;
        }
    }
    if (sensible(seen.prompt_tokens) && counted > tokens(0)) {
        const auto sane = [](ratio r) { return larger(smaller(r, ratio(100)), ratio(0.01)); };
        const bool is_new = densities_.find(turn.chat) == nullptr;
        std::vector<ratio> nothing_said(is_new ? now_.places.size() : 0);  // may throw, and then nothing has changed
        token_density& density = densities_.use(turn.chat);
        if (is_new) density.own = std::move(nothing_said);
        // Once a dialogue: the usual ratio is for dialogues that it has not seen, and those have none of its replies.
        if (density.own[where] == ratio(0)) {
            known.own_tokens = forgetting * known.own_tokens + *seen.prompt_tokens;
            known.counted_tokens = forgetting * known.counted_tokens + counted;
            place.tokenizer_ratio = sane(known.own_tokens / known.counted_tokens);
        }
        density.own[where] = sane(*seen.prompt_tokens / counted);
        if (is_new) density.first = density.own[where] / place.tokenizer_ratio;
    }
    if (seen.beyond_forecast) {
        const seconds now_believed = place.request_time + believed * *seen.beyond_forecast;
        place.request_time = larger(smaller(now_believed, 10_s), 0_s);
    }
    if (sensible(seen.output_tokens)) known.lengths.observe(*seen.output_tokens, seen.cut);
    if (cache_known)
        chats_.cache_observed(turn.chat, where, *seen.cached_tokens / tokenizer_ratio(turn.chat, where), turn.now);
    if (!known.engine) return;
    const tokens cached = seen.cached_tokens.value_or(tokens(0));
    bool learnt_something = false;
    if (seen.prefill && sensible(seen.prompt_tokens))
        learnt_something = known.engine->observe_prefill(cached, *seen.prompt_tokens - cached, *seen.prefill);
    if (seen.decode && sensible(seen.prompt_tokens) && sensible(seen.output_tokens))
        learnt_something |=
            known.engine->observe_decode(*seen.prompt_tokens, *seen.output_tokens - 1_tok, *seen.decode);
    if (learnt_something) now_.engines[where] = known.engine->engine();
}

void chat_router::caches_dropped(std::size_t where) {
    const std::lock_guard lock(guard_);
    chats_.cache_dropped(where);
}

void chat_router::set_available(std::size_t where, bool available) {
    const std::lock_guard lock(guard_);
    now_.places[where].available = available;
}

void chat_router::set_queue(std::size_t where, seconds delay, double running, double waiting) {
    const std::lock_guard lock(guard_);
    now_.places[where].queue_delay = delay;
    now_.places[where].requests_running = running;
    now_.places[where].requests_waiting = waiting;
}

void chat_router::set_link(const link_state& link) {
    const std::lock_guard lock(guard_);
    now_.link = link;
}

endpoint chat_router::endpoint_now(std::size_t where) const {
    const std::lock_guard lock(guard_);
    return now_.places[where];
}

engine_speed chat_router::speed_now(std::size_t where) const {
    constexpr tokens prompt(512);
    constexpr tokens one(1);
    const std::lock_guard lock(guard_);
    const endpoint& place = now_.places[where];
    const scenario<> s{.prefill_rate = place.prefill_rate, .tpot = place.tpot};
    return {.prefill_rate = prompt / now_.engines[where].prefill_time(s, tokens(0), prompt),
            .tpot = now_.engines[where].decode_time(s, prompt, one) / one};
}

link_state chat_router::link_now() const {
    const std::lock_guard lock(guard_);
    return now_.link;
}

std::vector<double> chat_router::score(std::span<const message> messages) const {
    const auto difficulty = configured_.predictor(messages);
    std::vector<double> out;
    for (const endpoint& place : configured_.places) out.push_back(difficulty(place));
    return out;
}

nlohmann::ordered_json chat_router::row(const routed_turn& routed) const {
    const priced_endpoint& chosen = routed.chosen();
    const std::lock_guard lock(guard_);
    nlohmann::ordered_json row = decision_row(now_, chosen.decision);
    for (const auto& [name, value] : chosen.expected.breakdown) row["breakdown"][name] = value.value();
    return row;
}
