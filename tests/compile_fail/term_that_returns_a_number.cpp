// expect: qlroute: a term of a cost needs a const operator() that takes a scenario and returns a quantity
#include <qlroute/core/literals.hpp>
#include <qlroute/cost/communication.hpp>

using namespace qlroute;

struct tax {
    static constexpr std::string_view name = "tax";
#ifdef QLROUTE_BAD
    constexpr auto operator()(const auto&) const { return 0.05; }
#else
    constexpr auto operator()(const auto&) const { return 50_ms; }
#endif
};

auto objective = cost::downlink{} + tax{};
