// An engine known only by its model's size and its machine's peaks.
//
//   auto phone = cost::roofline::of(*presets::find_model("qwen2.5-1.5b"), weight_type::q4_k_m);
//   phone.operations = 300_GHz;      // 0.3 TFLOP/s that it reaches
//   phone.bandwidth = 280_Gbps;      // 35 GB/s
#pragma once

#include <qlroute/cost/computation.hpp>
#include <qlroute/serving/model_card.hpp>

#include <algorithm>
#include <string_view>

namespace qlroute::cost {

/// Whichever is slower: the arithmetic, or reading weights and cache from memory.
///   F(p, n)      = 2 P n + 4 L w n (p + n / 2)                               [operations]
///   prefill_time = max(F / (e_c R), W / (e_m B)) + prefill_overhead          [s], 0 for n = 0
///   decode_time  = n (max(F(c, 1) / (e_c R), (W + kv c) / (e_m B)) + decode_overhead),  c = context + (n - 1) / 2 [s]
/// P parameters without embeddings, L layers, w = heads * head width, W weights, kv cache of a token, R operations a
/// second (one multiplication and one addition are two; a hertz is one a second), B memory bandwidth.
/// Preconditions: operations, bandwidth and both efficiencies > 0.
/// Source: the usual count (2 P a token; causal attention is half of 4 L w n^2); as a prediction from nominal peaks it
/// is 43 to 91 % off on a real CPU engine, with fitted efficiencies still 39 to 54 %, see docs/cost/engines.md: use it
/// to compare machines that nobody has measured.
struct roofline {
    static constexpr std::string_view name = "roofline";

    double parameters = 0;
    double layers = 0;
    double attention_width = 0;
    bits weights{};
    bits_per_token kv_size{};

    hertz operations{};
    bits_per_second bandwidth{};
    ratio compute_efficiency = 1;
    ratio memory_efficiency = 1;
    seconds prefill_overhead{};
    seconds decode_overhead{};

    constexpr auto prefill_time(const auto& /*s*/, const auto& cached, const auto& count) const {
        return elementwise<dim::time>(
            [this](auto p, auto n) {
                using T = decltype(n);
                if (!(n > 0)) return T(0);
                return std::max(this->arithmetic(p, n), this->memory(T(0))) + static_cast<T>(prefill_overhead.value());
            },
            cached, count);
    }
    constexpr auto decode_time(const auto& /*s*/, const auto& context, const auto& count) const {
        return elementwise<dim::time>(
            [this](auto c, auto n) {
                using T = decltype(n);
                const T mean_context = n > 1 ? c + (n - 1) / 2 : c;
                const T step = std::max(this->arithmetic(mean_context, T(1)), this->memory(mean_context));
                return n * (step + static_cast<T>(decode_overhead.value()));
            },
            context, count);
    }

    /// The sizes of a model, its weights and its cache kept like that. Rates are still to be set.
    static constexpr roofline of(const model_card& card, weight_type weights = weight_type::f16,
                                 cache_type cache = cache_type::f16) {
        return {.parameters = card.non_embedding,
                .layers = static_cast<double>(card.layers),
                .attention_width = static_cast<double>(card.heads * card.head_width),
                .weights = card.weight_size(weights),
                .kv_size = card.kv_size(cache)};
    }

    /// 2 P n + 4 L w n (p + n / 2)
    constexpr double operation_count(double cached, double count) const {
        return 2 * parameters * count + 4 * layers * attention_width * count * (cached + count / 2);
    }

private:
    template <class T>
    T arithmetic(T p, T n) const {
        const double rate = compute_efficiency.value() * operations.value();
        return static_cast<T>(operation_count(static_cast<double>(p), static_cast<double>(n)) / rate);
    }
    template <class T>
    T memory(T context) const {
        const double moved = weights.value() + kv_size.value() * static_cast<double>(context);
        return static_cast<T>(moved / (memory_efficiency.value() * bandwidth.value()));
    }
};

}  // namespace qlroute::cost
