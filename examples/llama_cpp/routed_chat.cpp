#include "routed_chat.hpp"

#include "configured/endpoints.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

using namespace qlroute;

namespace {

using clock_type = std::chrono::steady_clock;

seconds now() { return seconds(std::chrono::duration<double>(clock_type::now().time_since_epoch()).count()); }

tokens as_tokens(std::size_t n) { return tokens(static_cast<double>(n)); }

/// The weights that are part of the program, without a copy.
struct bundled {
    auto operator()(std::span<const message> dialogue) const noexcept { return bundled_predictor()(dialogue); }
};

struct forced_or_lowest {
    std::optional<std::size_t> forced;
    lowest_cost<> otherwise;

    template <class Candidates>
    auto operator()(const Candidates& candidates, const session& chat) const noexcept ->
        typename Candidates::value_type {
        return forced ? candidates[*forced] : otherwise(candidates, chat);
    }
};

/// Sleeps in short pieces, so that Ctrl-C is heard.
void pass(seconds time) {
    constexpr seconds piece = 50_ms;
    for (const seconds end = now() + time; now() < end;) {
        if (is_interrupted()) throw interrupted();
        std::this_thread::sleep_for(std::chrono::duration<double>(smaller(piece, end - now()).value()));
    }
}

endpoint place_of(std::size_t where, const llama_engine& model, const cost::batched& believed,
                  const chat_settings& settings) {
    return {.name = endpoint_names[where],
            .remote = where == 1 && settings.link.has_value(),
            .abilities = settings.abilities[where],
            .prefill_rate = 512_tok / larger(believed.prefill_time(scenario<>{}, 0_tok, 512_tok), 1_ns),
            .tpot = larger(believed.decode_time(scenario<>{}, 512_tok, 1_tok), 1_ns) / 1_tok,
            .context_window = as_tokens(model.context()),
            .kv_rollback = model.rollback()};
}

}  // namespace

routed_chat::routed_chat(std::array<llama_engine*, 2> models, const std::array<cost::batched, 2>& believed,
                         const chat_settings& settings)
    : models_(models), engines_{online_engine(believed[0]), online_engine(believed[1])}, settings_(settings) {
    for (std::size_t p = 0; p < places_.size(); ++p) places_[p] = place_of(p, *models_[p], believed[p], settings_);
}

void routed_chat::begin() {
    said_.clear();
    chat_.reset();
}

turn_report routed_chat::answer(const eval::user_turn& said, std::optional<std::size_t> forced, const show_text& show) {
    std::vector<spoken> after = said_;
    if (said.edit) {
        std::size_t users = 0;
        const auto edited = std::find_if(after.begin(), after.end(), [&](const spoken& one) {
            return one.from == role::user && users++ == *said.edit;
        });
        after.erase(edited, after.end());
    }
    after.push_back({role::user, said.text, {}});
    turn_report report = run(after, forced, show);
    said_ = std::move(after);
    return report;
}

turn_report routed_chat::run(std::vector<spoken>& dialogue, std::optional<std::size_t> forced, const show_text& show) {
    turn_report out;
    const seconds begun = now();
    std::vector<message> messages;
    tokens before{};
    for (const spoken& one : dialogue) {
        messages.push_back({one.from, one.text, one.size});
        before += one.size;
    }
    std::array<prompt, 2> asked;
    std::array<token_mirror::expectation, 2> held;
    for (std::size_t p = 0; p < models_.size(); ++p) {
        asked[p] = models_[p]->prompt_of(messages);
        held[p] = models_[p]->expect(asked[p]);
        out.prompt_tokens[p] = asked[p].ids.size();
    }
    // The dialogue is counted in the device's tokens, template and all: this turn's are those not yet counted. What
    // either model counts, and holds, comes out exactly.
    const tokens fresh = larger(as_tokens(asked[0].ids.size()) - before, 1_tok);
    messages.back().size = dialogue.back().size = fresh;
    turn question = chat_.next_turn(messages, begun);
    question.expected_output = as_tokens(settings_.most_written);
    for (std::size_t p = 0; p < models_.size(); ++p) {
        const ratio own = as_tokens(asked[p].ids.size()) / (before + fresh);
        places_[p].tokenizer_ratio = own;
        places_[p].reply_ratio = 1 / own;  // a reply is cut at a number of its writer's tokens
        chat_.cache_observed(p, as_tokens(held[p].cached) / own, begun);
    }

    const cost::by_endpoint engines{std::span<const online_engine>(engines_)};
    const auto objective = settings_.quality_price * cost::quality_loss{} + cost::end_to_end(engines);
    const router route{bundled{}, objective, forced_or_lowest{forced, lowest_cost<>{settings_.hysteresis}}};
    const auto choice = route(chat_, question, places_, settings_.link.value_or(link_state{}));
    const scenario<>& facts = choice.facts;
    out.where = choice.where;
    out.switched = choice.switched;
    out.cost = choice.cost;
    for (const auto& line : explain(objective, facts)) out.breakdown.push_back(line);
    out.p_success = choice.p_success();
    out.to_evaluate = facts.prefix_tokens - facts.prefix_hit + facts.new_tokens;
    out.deciding = now() - begun;

    const bool is_remote = places_[out.where].remote;
    llama_engine& model = *models_[out.where];
    const seconds sent = now();
    if (is_remote) pass(cost::uplink{}(facts) + facts.unseen_history / facts.uplink_rate);
    std::optional<seconds> first;
    out.answer = model.answer(asked[out.where], settings_.most_written, [&](std::string_view text) {
        if (!first) {
            if (is_remote) pass(cost::first_token{}(facts));
            first = now();
        }
        show(out.where, text);
    });
    // Tokens travel while the next ones are written: what a link slower than the engine adds comes at the end.
    const tokens others = as_tokens(out.answer.sampled) - 1_tok;
    if (is_remote) pass(others * facts.token_size / facts.downlink_rate - out.answer.writing);
    out.measured = {*first - sent, now() - *first, now() - sent};

    scenario<> exact = facts;
    exact.prefix_tokens = exact.prefix_hit = as_tokens(held[out.where].cached);
    exact.new_tokens = as_tokens(held[out.where].evaluated);
    exact.output_tokens = as_tokens(out.answer.sampled);
    out.predicted.ttft = cost::ttft(engines)(exact);
    out.predicted.total = cost::end_to_end(engines)(exact);
    out.predicted.decode = out.predicted.total - out.predicted.ttft;

    const auto& found = out.answer.found;
    engines_[out.where].observe_prefill(as_tokens(found.cached), as_tokens(found.evaluated), out.answer.reading);
    engines_[out.where].observe_decode(as_tokens(found.cached + found.evaluated), others, out.answer.writing);
    out.positions = model.positions();
    out.mirrored = model.mirrored();
    out.evaluated = model.evaluated();

    const std::size_t written = out.answer.sampled - (out.answer.why == reply::stop::end ? 1 : 0);
    const tokens size =
        as_tokens(std::max<std::size_t>(out.where == 0 ? written : models_[0]->count(out.answer.text), 1));
    dialogue.push_back({role::assistant, out.answer.text, size});
    chat_.commit(out.where, {role::assistant, dialogue.back().text, size}, now());
    return out;
}
