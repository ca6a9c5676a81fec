// expect: no member named 'promt_size'
#include <qlroute/cost/communication.hpp>

using namespace qlroute;

struct upload {
    static constexpr std::string_view name = "upload";
#ifdef QLROUTE_BAD
    constexpr auto operator()(const auto& s) const { return s.promt_size / s.uplink_rate; }
#else
    constexpr auto operator()(const auto& s) const { return s.prompt_size / s.uplink_rate; }
#endif
};

auto objective = upload{} + cost::downlink{};
