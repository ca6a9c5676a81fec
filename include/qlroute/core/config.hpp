// The library's only macros. None of them changes a type or a layout.
#pragma once

#include <cassert>

#define QLROUTE_VERSION_MAJOR 0
#define QLROUTE_VERSION_MINOR 1
#define QLROUTE_VERSION_PATCH 0

/// A precondition of the caller: checked by assert() in debug builds, free in release builds.
#define QLROUTE_EXPECTS(condition) assert(condition)

/// Unrolls the loop that follows completely; its bounds are constants.
#if defined(__clang__)
#define QLROUTE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QLROUTE_UNROLL _Pragma("GCC unroll 64")
#endif
