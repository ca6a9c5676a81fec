// expect: qlroute: a computation policy needs a const decode_time(s, context, count) that returns seconds
#include <qlroute/cost/computation.hpp>

using namespace qlroute;

struct engine {
    constexpr auto prefill_time(const auto& s, const auto&, const auto& count) const { return count / s.prefill_rate; }
#ifndef QLROUTE_BAD
    constexpr auto decode_time(const auto& s, const auto&, const auto& count) const { return count * s.tpot; }
#endif
};

auto reading = cost::prefill{engine{}};
