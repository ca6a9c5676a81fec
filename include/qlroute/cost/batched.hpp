// An engine that reads its input batch by batch.
//
//   constexpr cost::batched device{.tiled = {8.2_ms, 826_us / 1_tok, 1.7_us / 1_tok / 1_tok},
//                                  .untiled = {11.8_ms, 861_us / 1_tok, 34.2_us / 1_tok / 1_tok},
//                                  .decode = {11.7_ms / 1_tok, 35.7_us / 1_tok / 1_tok}};
//
// Its figures come from measurements (fit/engine_fit.hpp, `qlroute profile`), are learnt from a server's own timings
// (fit/online_engine.hpp), or are known. They belong to an engine, its build and its flags, not to a model.
#pragma once

#include <qlroute/cost/computation.hpp>

#include <cmath>
#include <string_view>

namespace qlroute::cost {

using seconds_per_pair = quantity<dim::time_per_token - dim::token>;

/// What one batch of n tokens behind p cached ones takes.
///   fixed + per_token n + per_pair n (p + (n + 1) / 2)                       [s]
/// A pair is a token and one that it attends to, itself included: n (p + (n + 1) / 2) of them.
struct batch_time {
    seconds fixed{};
    seconds_per_token per_token{};
    seconds_per_pair per_pair{};
};

/// What one token of the answer takes behind c others.
///   fixed + per_context c                                                    [s/tok]
struct step_time {
    seconds_per_token fixed{};
    seconds_per_pair per_context{};
};

namespace detail {

/// Tokens that are read in whole batches, and the rest, as plain numbers.
template <class T>
struct split_in_batches {
    T whole;  ///< batches
    T rest;   ///< tokens
};
template <class T>
split_in_batches<T> in_batches(T count, T batch) {
    if (!(batch > 0)) return {T(0), count};
    const T whole = std::floor(count / batch);
    return {whole, count - whole * batch};
}

}  // namespace detail

/// Reading in batches of at most `batch` tokens, with one set of figures for batches of at least `tile` tokens and
/// another for smaller ones; writing that slows down as the context grows.
///   prefill_time = sum over the batches of batch_time(p_i, n_i)              [s]
///   decode_time  = count (fixed + per_context (context + (count - 1) / 2))   [s]
/// Batches are filled from the front: 1100 tokens are 512, 512 and 76. Fractions of a token are a batch of their own.
/// batch = 0: one batch, however long. tile = 0: `tiled` for every batch. So {.batch = 0_tok, .tile = 0_tok} with
/// per_token alone is a constant rate, and with all three the quadratic attention of a textbook.
/// Why two sets: an engine changes kernels. llama.cpp on a CPU has a tiled attention for batches of 64 tokens and more,
/// 20 times faster a pair than what it uses below. Fitted on two models there, this is 3.5 % off
/// (docs/cost/engines.md). A count of 0 takes no time; nothing is negative for counts of 0 and more.
struct batched {
    static constexpr std::string_view name = "batched";

    tokens batch{512};
    tokens tile{64};
    batch_time tiled{};
    batch_time untiled{};
    step_time decode{};

    constexpr auto prefill_time(const auto& /*s*/, const auto& cached, const auto& count) const {
        return elementwise<dim::time>([this](auto p, auto n) { return this->reading(p, n); }, cached, count);
    }
    constexpr auto decode_time(const auto& /*s*/, const auto& context, const auto& count) const {
        return elementwise<dim::time>([this](auto c, auto n) { return this->writing(c, n); }, context, count);
    }

    friend constexpr bool operator==(const batched& a, const batched& b) {
        const auto same = [](const batch_time& x, const batch_time& y) {
            return x.fixed == y.fixed && x.per_token == y.per_token && x.per_pair == y.per_pair;
        };
        return a.batch == b.batch && a.tile == b.tile && same(a.tiled, b.tiled) && same(a.untiled, b.untiled) &&
               a.decode.fixed == b.decode.fixed && a.decode.per_context == b.decode.per_context;
    }

private:
    template <class T>
    T reading(T p, T n) const {
        const auto full = static_cast<T>(batch.value());
        const auto [whole, rest] = detail::in_batches(n, full);
        // Of `whole` batches, the i-th has p + i * batch tokens before it.
        T time = 0;
        if (whole > 0) {
            const batch_time& each = kernel(full);
            const T pairs = full * (p + (full + 1) / 2) + full * full * (whole - 1) / 2;
            time = whole * (fixed<T>(each) + per_token<T>(each) * full + per_pair<T>(each) * pairs);
        }
        if (rest > 0) {
            const batch_time& last = kernel(rest);
            const T pairs = rest * (p + whole * full + (rest + 1) / 2);
            time += fixed<T>(last) + per_token<T>(last) * rest + per_pair<T>(last) * pairs;
        }
        return time;
    }
    template <class T>
    T writing(T c, T n) const {
        const T mean_context = n > 1 ? c + (n - 1) / 2 : c;
        return n * (static_cast<T>(decode.fixed.value()) + static_cast<T>(decode.per_context.value()) * mean_context);
    }

    template <class T>
    const batch_time& kernel(T size) const {
        return size >= static_cast<T>(tile.value()) ? tiled : untiled;
    }
    template <class T>
    static T fixed(const batch_time& b) {
        return static_cast<T>(b.fixed.value());
    }
    template <class T>
    static T per_token(const batch_time& b) {
        return static_cast<T>(b.per_token.value());
    }
    template <class T>
    static T per_pair(const batch_time& b) {
        return static_cast<T>(b.per_pair.value());
    }
};

}  // namespace qlroute::cost
