// Which instruction set to use: the best that this machine has, unless the environment variable QLROUTE_SIMD names
// another one of those that it has.
//
// To add one: its header, which defines a kernel_set, and a line in kernel_sets and one in runs_here().
#pragma once

#include <qlroute/simd/amx_int8.hpp>
#include <qlroute/simd/avx2.hpp>
#include <qlroute/simd/avx512_vnni.hpp>
#include <qlroute/simd/avx_vnni.hpp>
#include <qlroute/simd/kernel_set.hpp>
#include <qlroute/simd/neon_dotprod.hpp>
#include <qlroute/simd/scalar.hpp>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif
#endif

namespace qlroute::simd {

/// All that were compiled in, the best first.
inline constexpr const kernel_set* kernel_sets[] = {
#if defined(__x86_64__)
    &amx_kernels,          &avx512_vnni_kernels, &avx_vnni_kernels, &avx2_kernels,
#endif
#if defined(QLROUTE_HAS_NEON_DOTPROD)
    &neon_dotprod_kernels,
#endif
    &scalar_kernels,
};

namespace detail {

#if defined(__x86_64__)
/// What the processor has and the operating system saves.
struct x86_features {
    bool avx2 = false, avx_vnni = false, avx512_vnni = false, amx_int8 = false;

    x86_features() noexcept {
        unsigned a = 0, b = 0, c = 0, d = 0;
        const auto bit = [](unsigned word, int at) { return (word >> at & 1) != 0; };
        if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !bit(c, 27)) return;
        const bool fma = bit(c, 12);
        const std::uint64_t saved = saved_state();
        if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return;
        const unsigned subleaves = a;
        const bool saves_ymm = (saved & 0x6) == 0x6;
        const bool saves_zmm = (saved & 0xE6) == 0xE6;
        const bool saves_tiles = (saved & 0x60000) == 0x60000;
        avx2 = saves_ymm && fma && bit(b, 5);
        const bool avx512 = bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);  // F, DQ, BW, VL
        avx512_vnni = avx2 && saves_zmm && avx512 && bit(c, 11);
        amx_int8 = avx512_vnni && saves_tiles && bit(d, 24) && bit(d, 25);
        if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) avx_vnni = avx2 && bit(a, 4);
    }

private:
    __attribute__((target("xsave"))) static std::uint64_t saved_state() noexcept {
        return static_cast<std::uint64_t>(__builtin_ia32_xgetbv(0));
    }
};

/// Linux gives tiles only to processes that ask for them; the answer holds for all threads.
inline bool may_use_tiles() noexcept {
#if defined(__linux__) && defined(SYS_arch_prctl)
    constexpr long request_permission = 0x1023;
    constexpr long tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
    return false;
#endif
}
#endif

}  // namespace detail

/// Can this machine run it? For AMX this asks the operating system for permission to use tiles, once.
inline bool runs_here(instruction_set isa) noexcept {
#if defined(__x86_64__)
    static const detail::x86_features has;
#endif
    switch (isa) {
        case instruction_set::scalar:
            return true;
#if defined(__x86_64__)
        case instruction_set::avx2:
            return has.avx2;
        case instruction_set::avx_vnni:
            return has.avx_vnni;
        case instruction_set::avx512_vnni:
            return has.avx512_vnni;
        case instruction_set::amx: {
            static const bool tiles = has.amx_int8 && detail::may_use_tiles();
            return tiles;
        }
#endif
#if defined(QLROUTE_HAS_NEON_DOTPROD)
        case instruction_set::neon_dotprod:
#if defined(__linux__)
            return (getauxval(AT_HWCAP) & (1ul << 20)) != 0;  // HWCAP_ASIMDDP
#else
            return true;  // every 64-bit processor of Apple's computers
#endif
#endif
        default:
            return false;
    }
}

/// The kernel_set of that name, if it was compiled in and runs here; else null.
inline const kernel_set* find_kernels(std::string_view name) noexcept {
    for (const kernel_set* each : kernel_sets)
        if (each->name == name && runs_here(each->isa)) return each;
    return nullptr;
}

/// The best that runs here, or the one that QLROUTE_SIMD names. A name that does not run here changes nothing. Chosen
/// at the first call; thread-safe.
inline const kernel_set& active_kernels() noexcept {
    static const kernel_set& chosen = []() -> const kernel_set& {
        if (const char* name = std::getenv("QLROUTE_SIMD"); name != nullptr)
            if (const kernel_set* wanted = find_kernels(name)) return *wanted;
        for (const kernel_set* each : kernel_sets)
            if (runs_here(each->isa)) return *each;
        return scalar_kernels;
    }();
    return chosen;
}

}  // namespace qlroute::simd
