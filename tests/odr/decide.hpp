// The same function, compiled twice with different flags and linked into one program.
#pragma once

#include <qlroute/qlroute.hpp>

#include <array>
#include <cstddef>
#include <span>

struct verdict {
    qlroute::decision<> choice;
    std::array<double, 7> lines;       // of its breakdown
    std::array<std::size_t, 8> sizes;  // of the types that cross from file to file
};

verdict decide_plainly(const qlroute::lexical_difficulty& predictor, const qlroute::session& chat,
                       const qlroute::turn& question, std::span<const qlroute::endpoint> places,
                       const qlroute::link_state& link);
verdict decide_optimised(const qlroute::lexical_difficulty& predictor, const qlroute::session& chat,
                         const qlroute::turn& question, std::span<const qlroute::endpoint> places,
                         const qlroute::link_state& link);
