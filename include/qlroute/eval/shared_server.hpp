// A server whose requests are batched continuously, step by step: what really happens at an edge that many share.
//
//   shared_server edge({.engine = physics, .slots = 16, .kv_capacity = 16'384_tok});
//   edge.submit({.ticket = 7, .dialogue = 3, .context = 270_tok, .output = 90_tok}, now);
//   edge.advance(later, [&](const server_event& e) { ... });   // first tokens and last tokens, in order of time
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/core/literals.hpp>
#include <qlroute/eval/engine_physics.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <unordered_map>
#include <vector>

namespace qlroute::eval {

/// One request to a shared_server.
struct server_request {
    std::uint64_t ticket = 0;    ///< comes back with its events
    std::uint64_t dialogue = 0;  ///< whose KV cache it may find and leaves behind
    tokens history{};            ///< of the dialogue before this turn: as much as may be cached
    tokens context{};            ///< history and turn
    tokens output{1};            ///< that it will write
};

/// A request's first token, or its last.
struct server_event {
    enum kind { first_token, finished } what = first_token;
    std::uint64_t ticket = 0;
    seconds at{};
    tokens read{};  ///< of the context, that were not cached
};

/// An engine that admits requests in order of arrival while a slot and KV memory are free, reads a prompt while nothing
/// else runs, and writes one token of every running request a step. Caches of dialogues stay after their last request;
/// where memory is short, those unused for longest are dropped as a whole. Single thread. Memory: what runs, waits, or
/// is cached.
class shared_server {
public:
    struct setting {
        engine_physics engine{};
        std::size_t slots = 16;   ///< requests that run at once
        tokens kv_capacity{1e6};  ///< of all requests and kept caches together
    };

    explicit shared_server(setting how) : how_(how) {}
    shared_server(shared_server&&) = default;
    shared_server& operator=(shared_server&&) = default;

    /// What would come of `request` if it arrived at `now` and no other did afterwards: its last two events. For a
    /// reference that knows everything but the future arrivals.
    struct projection {
        seconds first_token{};
        seconds finished{};
    };
    projection project(server_request request, seconds now) const {
        shared_server copy(how_);
        copy.clock_ = clock_;
        copy.steps_ = steps_;
        copy.contexts_ = contexts_;
        copy.in_use_ = in_use_;
        copy.waiting_ = waiting_;
        copy.running_ = running_;
        const auto keep = [&](std::uint64_t dialogue) {
            if (const tokens size = cached(dialogue); size > tokens(0) && !copy.kept_.contains(dialogue))
                copy.remember(dialogue, size);
        };
        for (const server_request& one : waiting_) keep(one.dialogue);
        keep(request.dialogue);
        request.ticket = std::numeric_limits<std::uint64_t>::max();
        projection out;
        bool done = false;
        const auto note = [&](const server_event& e) {
            if (e.ticket != request.ticket) return;
            (e.what == server_event::first_token ? out.first_token : out.finished) = e.at;
            done = done || e.what == server_event::finished;
        };
        copy.advance(now, note);
        copy.submit(request, now);
        while (!done) copy.advance(copy.next_event(), note);
        return out;
    }

    /// The request arrives at `now`, which is not before any earlier call's time. Counts are rounded up to whole
    /// tokens.
    void submit(server_request request, seconds now) {
        for (tokens* count : {&request.history, &request.context, &request.output})
            *count = tokens(std::ceil(count->value()));  // sums of whole numbers are exact: a step ends when it should
        if (waiting_.empty() && running_.empty() && clock_ < now) clock_ = now;
        waiting_.push_back(request);
    }

    /// Works until `until`; a step or a prompt that has begun is completed. `each(event)` is called in order of time.
    template <class Each>
    void advance(seconds until, const Each& each) {
        while (clock_ < until && (!waiting_.empty() || !running_.empty())) {
            if (admit(each)) continue;
            decode(until, each);
        }
        if (waiting_.empty() && running_.empty() && clock_ < until) clock_ = until;
    }

    /// When the next event comes if no request arrives; infinite if none does.
    seconds next_event() const {
        if (waiting_.empty() && running_.empty()) return seconds(std::numeric_limits<double>::infinity());
        if (next_is_admission()) {
            const server_request& next = waiting_.front();
            return clock_ + how_.engine.prefill_time(hit_of(next), next.context - hit_of(next));
        }
        return clock_ + how_.engine.decode_time(requests(), contexts_, least_left());
    }

    /// The dialogue's first `size` tokens are cached from now on, as if a request had left them.
    void adopt(std::uint64_t dialogue, tokens size) {
        remember(dialogue, size);
        make_room();
    }

    std::size_t running() const noexcept { return running_.size(); }
    std::size_t waiting() const noexcept { return waiting_.size(); }
    /// Of the dialogue's tokens, those whose KV cache is there.
    tokens cached(std::uint64_t dialogue) const {
        const auto found = kept_.find(dialogue);
        return found == kept_.end() ? tokens(0) : found->second->size;
    }

private:
    struct active {
        server_request request;
        tokens reserved{};
        double finishes = 0;  // in steps since the beginning
    };
    struct kept_cache {
        std::uint64_t dialogue = 0;
        tokens size{};
    };

    double requests() const noexcept { return static_cast<double>(running_.size()); }
    tokens least_left() const {
        double least = std::numeric_limits<double>::infinity();
        for (const active& one : running_) least = std::min(least, one.finishes - steps_);
        return tokens(least);
    }
    tokens hit_of(const server_request& request) const {
        // At least one token is read: its logits are what the answer begins with.
        return smaller(smaller(cached(request.dialogue), request.history), request.context - tokens(1));
    }
    /// A request that is larger than the whole memory runs alone.
    bool next_is_admission() const {
        if (waiting_.empty() || running_.size() >= how_.slots) return false;
        const server_request& next = waiting_.front();
        return running_.empty() || in_use_ + next.context + next.output <= how_.kv_capacity;
    }

    template <class Each>
    bool admit(const Each& each) {
        if (!next_is_admission()) return false;
        const server_request next = waiting_.front();
        waiting_.pop_front();
        const tokens hit = hit_of(next);
        const tokens read = next.context - hit;
        forget(next.dialogue);
        const tokens reserved = next.context + next.output;
        in_use_ += reserved;
        make_room();
        clock_ += how_.engine.prefill_time(hit, read);
        each(server_event{server_event::first_token, next.ticket, clock_, read});
        active one{next, reserved, steps_ + next.output.value() - 1};
        if (next.output <= tokens(1)) return finish(one, read, each), true;
        one.request.history = read;  // from here on only reported
        contexts_ += next.context + tokens(1);
        running_.push_back(one);
        return true;
    }

    template <class Each>
    void finish(const active& one, tokens read, const Each& each) {
        in_use_ -= one.reserved;
        remember(one.request.dialogue, one.reserved);
        make_room();
        each(server_event{server_event::finished, one.request.ticket, clock_, read});
    }

    template <class Each>
    void decode(seconds until, const Each& each) {
        const tokens left = least_left();
        tokens steps = left;
        if (clock_ + how_.engine.decode_time(requests(), contexts_, left) > until) {
            // The least k with decode_time(k) >= until - clock: a k^2 + b k = until - clock.
            const double a = (how_.engine.context * tokens(1) * tokens(requests() / 2)).value();
            const double one = how_.engine.decode_time(requests(), contexts_, tokens(1)).value();
            const double b = one - a;
            const double target = (until - clock_).value();
            const double root = a > 0 ? (std::sqrt(b * b + 4 * a * target) - b) / (2 * a) : target / b;
            steps = smaller(left, tokens(std::max(1.0, std::ceil(root))));
        }
        clock_ += how_.engine.decode_time(requests(), contexts_, steps);
        steps_ += steps.value();
        contexts_ += requests() * steps;
        for (std::size_t i = 0; i < running_.size();) {
            if (running_[i].finishes > steps_) {
                ++i;
                continue;
            }
            const active one = running_[i];
            running_[i] = running_.back();
            running_.pop_back();
            contexts_ -= one.reserved;
            finish(one, one.request.history, each);
        }
        if (running_.empty()) contexts_ = tokens(0);
    }

    void remember(std::uint64_t dialogue, tokens size) {
        forget(dialogue);
        recent_.push_front({dialogue, size});
        kept_[dialogue] = recent_.begin();
        kept_size_ += size;
    }
    void forget(std::uint64_t dialogue) {
        const auto found = kept_.find(dialogue);
        if (found == kept_.end()) return;
        kept_size_ -= found->second->size;
        recent_.erase(found->second);
        kept_.erase(found);
    }
    void make_room() {
        while (!recent_.empty() && in_use_ + kept_size_ > how_.kv_capacity) forget(recent_.back().dialogue);
    }

    setting how_;
    seconds clock_{};  // up to which everything is done
    double steps_ = 0;
    tokens contexts_{};  // of the running requests together
    tokens in_use_{};    // reserved for them
    tokens kept_size_{};
    std::deque<server_request> waiting_;
    std::vector<active> running_;
    std::list<kept_cache> recent_;  // the latest first
    std::unordered_map<std::uint64_t, std::list<kept_cache>::iterator> kept_;
};

}  // namespace qlroute::eval
