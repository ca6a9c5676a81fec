// Compares a kernel_set with the scalar one, on the same random and extreme inputs: bytes, sums and floats must be
// equal.
#pragma once

#include <qlroute/simd/kernel_set.hpp>

namespace qlroute::testing {

/// Every kernel. Says so and returns where the instruction set does not run.
void check_kernels(const simd::kernel_set& kernels);

}  // namespace qlroute::testing
