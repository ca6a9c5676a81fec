// One of the engine policies, chosen at run time: what a file, or a fit, says.
#pragma once

#include <qlroute/cost/profiled.hpp>
#include <qlroute/cost/roofline.hpp>

#include <string_view>
#include <utility>
#include <variant>

namespace qlroute::cost {

/// Answers as the engine that it holds; linear_rate until it is given another one.
///   cost::by_endpoint{std::span<const cost::any_engine>(engines)}     one for each endpoint
/// Where the kinds are known when the program is written, `by_endpoint{batched{...}, linear_rate{}}` is as good and
/// faster. Thread-safety: a plain value.
class any_engine {
public:
    any_engine() = default;
    any_engine(linear_rate engine) : engine_(engine) {}
    any_engine(batched engine) : engine_(engine) {}
    any_engine(roofline engine) : engine_(engine) {}
    any_engine(profiled engine) : engine_(std::move(engine)) {}

    auto prefill_time(const auto& s, const auto& cached, const auto& count) const {
        return std::visit([&](const auto& one) { return one.prefill_time(s, cached, count); }, engine_);
    }
    auto decode_time(const auto& s, const auto& context, const auto& count) const {
        return std::visit([&](const auto& one) { return one.decode_time(s, context, count); }, engine_);
    }

    /// The engine of that type, or null.
    template <class Engine>
    const Engine* get() const {
        return std::get_if<Engine>(&engine_);
    }

private:
    std::variant<linear_rate, batched, roofline, profiled> engine_;
};

}  // namespace qlroute::cost
