// Counts every allocation of a program that is linked with allocations.cpp.
#pragma once

#include <atomic>
#include <cstddef>

namespace qlroute {

extern std::atomic<std::size_t> allocations;

}  // namespace qlroute
