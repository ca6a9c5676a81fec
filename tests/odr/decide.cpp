// Compiled with -DDECIDE=decide_plainly and with -DDECIDE=decide_optimised.
#include "decide.hpp"

#include <algorithm>
#include <tuple>

using namespace qlroute;

verdict DECIDE(const lexical_difficulty& predictor, const session& chat, const turn& question,
               std::span<const endpoint> places, const link_state& link) {
    const router route{predictor, 30_s * cost::quality_loss{} + cost::end_to_end(), lowest_cost{150_ms}};
    verdict v{route(chat, question, places, link),
              {},
              {sizeof(endpoint), sizeof(session), sizeof(turn), sizeof(link_state), sizeof(scenario<>),
               sizeof(decision<>), sizeof(lexical_difficulty), sizeof(session_table)}};
    const auto lines = explain(route.objective(), v.choice.facts);
    static_assert(lines.size() == std::tuple_size_v<decltype(v.lines)>);
    std::transform(lines.begin(), lines.end(), v.lines.begin(), [](const auto& line) { return line.value.value(); });
    return v;
}
