// expect: qlroute: a term of a cost needs a name
#include <qlroute/cost/communication.hpp>

using namespace qlroute;

struct upload {
#ifndef QLROUTE_BAD
    static constexpr std::string_view name = "upload";
#endif
    constexpr auto operator()(const auto& s) const { return s.prompt_size / s.uplink_rate; }
};

auto objective = upload{} + cost::downlink{};
