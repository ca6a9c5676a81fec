// An engine learnt from the timings that a server reports with every answer.
//
//   online_engine edge(measured);                          // or what is believed of it before the first answer
//   edge.observe_prefill(tokens(cache_n), tokens(prompt_n), prompt_ms);
//   edge.observe_decode(tokens(cache_n + prompt_n), tokens(predicted_n - 1), predicted_ms);   // the first came with
//   them
//   ... cost::by_endpoint{std::span<const online_engine>(engines)} ...
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/cost/batched.hpp>
#include <qlroute/fit/engine_fit.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace qlroute {

/// How an engine is learnt.
struct learning {
    ratio spread = 0.5;  ///< standard deviation of each figure believed in beforehand, as a part of it
    ratio noise = 0.1;   ///< of one timing, as a part of it
    ratio forgetting =
        0.99;  ///< weight of the past at each timing that says something about a figure; 1 forgets nothing

    /// Where the figures believed in beforehand are a guess, such as a rate read off a data sheet.
    static constexpr learning from_a_guess() { return {.spread = 20}; }
};

/// A `batched` engine whose figures follow observed times: recursive least squares on relative errors, with forgetting.
///   P <- D P D,  D = 1 / sqrt(forgetting) for figures that the timing depends on, else 1
///   k = P x / (noise^2 + x' P x),  w <- w + k (1 - x' w),  P <- P - k x' P,   x = features / measured time
///   where some w < 0:  w <- max(w, 0), unless x' w is then above 1 and above what it was; then, one by one,
///                      w <- w - P_i w_i / P_ii, P of what is left given w_i = 0
/// (Cut off alone, the others keep their part of a step that was to be taken together: a figure that is far off would
/// send them further astray with every timing.)
/// What a timing does not depend on keeps its certainty, and no figure becomes less certain than it was at first: a
/// week of short turns does not wash out what is known of long ones.
/// Is itself a computation policy. Allocates nothing; not thread-safe while observing.
class online_engine {
public:
    /// `believed` also says where its batches end and its kernels change.
    explicit online_engine(const cost::batched& believed = {}, const learning& how = {})
        : engine_(believed), how_(how) {
        w_ = {believed.tiled.fixed.value(),   believed.tiled.per_token.value(),   believed.tiled.per_pair.value(),
              believed.untiled.fixed.value(), believed.untiled.per_token.value(), believed.untiled.per_pair.value(),
              believed.decode.fixed.value(),  believed.decode.per_context.value()};
        // A figure believed to be 0 may still turn out to make up a tenth of what such a request takes.
        const double tile = believed.tile.value();
        const double batch = believed.batch > tokens(0) ? believed.batch.value() : 512;
        const engine_observation typical[] = {{.cached = 1024_tok, .new_tokens = tokens(std::max(batch, tile))},
                                              {.cached = 1024_tok, .new_tokens = tokens(std::max(tile / 2, 1.0))},
                                              {.cached = 1024_tok, .output_tokens = 1_tok}};
        for (const auto& request : typical) {
            const auto x = features(request);
            double time = 0;
            for (std::size_t k = 0; k < x.size(); ++k) time += x[k] * w_[k];
            if (!(time > 0)) time = 1;  // nothing is known: anything up to a second's tenth
            for (std::size_t k = 0; k < x.size(); ++k)
                if (x[k] > 0) least_[k] = 0.1 * time / x[k];
        }
        for (std::size_t k = 0; k < w_.size(); ++k) {
            const double deviation = how.spread.value() * std::max(w_[k], least_[k]);
            first_[k] = covariance_[k][k] = deviation * deviation;
        }
    }

    /// It took so long to read `count` tokens behind `cached` ones. False, and nothing changes, where a number makes no
    /// sense: NaN, negative counts, none read, a time that is not positive.
    bool observe_prefill(tokens cached, tokens count, seconds took) noexcept {
        return observe({.cached = cached, .new_tokens = count, .time = took});
    }
    /// It took so long to write `count` tokens, the first of them behind `context` others. Not the token that comes
    /// with the prompt.
    bool observe_decode(tokens context, tokens count, seconds took) noexcept {
        return observe({.cached = context, .output_tokens = count, .time = took});
    }
    /// Reading and writing in one.
    bool observe(const engine_observation& o) noexcept {
        const auto count = [](tokens n) { return n >= tokens(0) && n <= tokens(1e9); };
        if (!count(o.cached) || !count(o.new_tokens) || !count(o.output_tokens)) return false;
        if (o.new_tokens + o.output_tokens == tokens(0)) return false;
        if (!(o.time > seconds(0) && o.time < seconds(1e9))) return false;
        learn(features(o), o.time.value());
        return true;
    }

    /// The engine as it is believed to be now.
    const cost::batched& engine() const noexcept { return engine_; }

    auto prefill_time(const auto& s, const auto& cached, const auto& count) const {
        return engine_.prefill_time(s, cached, count);
    }
    auto decode_time(const auto& s, const auto& context, const auto& count) const {
        return engine_.decode_time(s, context, count);
    }

private:
    static constexpr std::size_t size = 8;
    using vector = std::array<double, size>;

    vector features(const engine_observation& o) const noexcept {
        return detail::features_of(o, engine_.batch.value(), engine_.tile.value());
    }

    void learn(vector x, double took) noexcept {
        for (double& one : x) one /= took;
        const double grow = 1 / std::sqrt(how_.forgetting.value());
        for (std::size_t i = 0; i < size; ++i)
            for (std::size_t j = 0; j < size; ++j) covariance_[i][j] *= (x[i] > 0 ? grow : 1) * (x[j] > 0 ? grow : 1);
        bound_uncertainty();

        vector px{};
        double said = 0;
        double uncertainty = how_.noise.value() * how_.noise.value();
        for (std::size_t i = 0; i < size; ++i) {
            for (std::size_t j = 0; j < size; ++j) px[i] += covariance_[i][j] * x[j];
            said += x[i] * w_[i];
            uncertainty += x[i] * px[i];
        }
        for (std::size_t i = 0; i < size; ++i) {
            w_[i] += px[i] / uncertainty * (1 - said);
            for (std::size_t j = 0; j < size; ++j) covariance_[i][j] -= px[i] * px[j] / uncertainty;
        }
        keep_positive(x);
        engine_ = detail::as_batched(w_, engine_.batch, engine_.tile);
    }

    void keep_positive(const vector& x) noexcept {
        double wanted = 0;
        double said = 0;
        for (std::size_t i = 0; i < size; ++i) {
            wanted += x[i] * w_[i];
            said += x[i] * std::max(w_[i], 0.0);
        }
        if (said > std::max(wanted, 1.0)) let_others_make_up();
        for (double& one : w_) one = std::max(one, 0.0);
    }

    /// The likeliest figures that are not negative.
    void let_others_make_up() noexcept {
        auto given = covariance_;
        for (std::size_t left = size; left > 0; --left) {
            const auto least = std::min_element(w_.begin(), w_.end());
            const auto i = static_cast<std::size_t>(least - w_.begin());
            if (!(w_[i] < 0 && given[i][i] > 0)) return;
            const vector along = given[i];
            const double part = w_[i] / along[i];
            for (std::size_t j = 0; j < size; ++j) {
                w_[j] -= along[j] * part;
                for (std::size_t k = 0; k < size; ++k) given[j][k] -= along[j] * along[k] / along[i];
            }
            w_[i] = 0;
            for (std::size_t j = 0; j < size; ++j) given[i][j] = given[j][i] = 0;
        }
    }

    void bound_uncertainty() noexcept {
        for (std::size_t i = 0; i < size; ++i) {
            if (!(covariance_[i][i] > first_[i])) continue;
            const double shrink = std::sqrt(first_[i] / covariance_[i][i]);
            for (std::size_t j = 0; j < size; ++j) {
                covariance_[i][j] *= shrink;
                covariance_[j][i] *= shrink;
            }
        }
    }

    cost::batched engine_;
    learning how_;
    vector w_{};
    vector least_{};
    vector first_{};
    std::array<vector, size> covariance_{};
};

}  // namespace qlroute
