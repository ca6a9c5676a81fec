// Loads a shared library that believes it runs on a lesser x86-64 CPU. Linux only.
//
//   void* library = peers::load_denied("libonnxruntime.so.1", "cpuid.txt", peers::denied::avx512);
//
// A library that asks the CPU itself, and not the environment, cannot be told otherwise. So in a copy of it in memory
// each `cpuid` is replaced by `ud2`, which is as long, before its first instruction runs, static initialisers included.
// The handler of the signal that follows executes the `cpuid` and clears what is denied.
#pragma once

#include <cpuid.h>
#include <dlfcn.h>
#include <elf.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "forward_server.hpp"

namespace peers {

/// Each level denies also what the next ones do.
enum class denied { avx512, vnni, amx, nothing };

inline denied denied_by_name(const std::string& name) {
    if (name == "avx512") return denied::avx512;
    if (name == "vnni") return denied::vnni;
    if (name == "amx") return denied::amx;
    if (name.empty() || name == "nothing") return denied::nothing;
    fail("--deny: avx512, vnni or amx");
}

namespace detail {

inline denied level = denied::nothing;
inline volatile sig_atomic_t cpuid_count = 0;

template <class... Bits>
constexpr std::uint32_t without(Bits... bits) {
    return ~((std::uint32_t{1} << bits) | ... | 0U);
}

struct registers {
    std::uint32_t a, b, c, d;
};

/// What `cpuid` answers, less the denied features.
inline registers limited_cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
    registers r{};
    __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
    if (leaf == 7 && subleaf == 0) {
        if (level <= denied::amx) r.d &= without(22, 24, 25);  // AMX-BF16, -TILE, -INT8
        if (level <= denied::vnni) r.c &= without(11);         // AVX512_VNNI
        if (level <= denied::avx512) {
            r.b &= without(16, 17, 21, 26, 27, 28, 30, 31);  // AVX512 F, DQ, IFMA, PF, ER, CD, BW, VL
            r.c &= without(1, 6, 12, 14);                    // AVX512 VBMI, VBMI2, BITALG, VPOPCNTDQ
            r.d &= without(2, 3, 8, 23);                     // AVX512 4VNNIW, 4FMAPS, VP2INTERSECT, FP16
        }
    }
    if (leaf == 7 && subleaf == 1) {
        if (level <= denied::amx) {
            r.a &= without(21);  // AMX-FP16
            r.d &= without(8);   // AMX-COMPLEX
        }
        if (level <= denied::vnni) {
            r.a &= without(4);      // AVX-VNNI
            r.d &= without(4, 10);  // AVX-VNNI-INT8, -INT16
        }
        if (level <= denied::avx512) {
            r.a &= without(5, 23);  // AVX512_BF16, AVX-IFMA
            r.d &= without(5, 19);  // AVX-NE-CONVERT, AVX10
        }
    }
    return r;
}

inline void answer_cpuid(int, siginfo_t*, void* context) {
    auto& saved = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    const auto* at = reinterpret_cast<const unsigned char*>(saved[REG_RIP]);
    if (at[0] != 0x0F || at[1] != 0x0B) {  // not ours: let it be fatal
        signal(SIGILL, SIG_DFL);
        return;
    }
    const registers r =
        limited_cpuid(static_cast<std::uint32_t>(saved[REG_RAX]), static_cast<std::uint32_t>(saved[REG_RCX]));
    saved[REG_RAX] = r.a;
    saved[REG_RBX] = r.b;
    saved[REG_RCX] = r.c;
    saved[REG_RDX] = r.d;
    saved[REG_RIP] += 2;
    cpuid_count = cpuid_count + 1;
}

/// Where in the file the instruction at a virtual address stands.
inline std::size_t file_offset(const std::vector<char>& file, std::uint64_t address) {
    Elf64_Ehdr header;
    std::memcpy(&header, file.data(), sizeof header);
    for (std::size_t k = 0; k < header.e_phnum; ++k) {
        Elf64_Phdr segment;
        std::memcpy(&segment, file.data() + header.e_phoff + k * sizeof segment, sizeof segment);
        if (segment.p_type == PT_LOAD && address - segment.p_vaddr < segment.p_filesz) {
            return address - segment.p_vaddr + segment.p_offset;
        }
    }
    fail("an address outside the library");
}

}  // namespace detail

/// How many `cpuid` instructions the handler has answered.
inline int answered_cpuids() { return detail::cpuid_count; }

/// `dlopen`, with the instruction sets from `level` on denied. `sites` names a file with the addresses of the library's
/// `cpuid` instructions, hexadecimal, one a line.
inline void* load_denied(const std::string& library, const std::string& sites, denied level) {
    const auto opened = [](const std::string& path) {
        void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
        return handle ? handle : (fail(dlerror()), nullptr);
    };
    if (level == denied::nothing) return opened(library);

    std::ifstream source{library, std::ios::binary};
    std::vector<char> file{std::istreambuf_iterator<char>{source}, {}};
    std::ifstream addresses{sites};
    std::size_t replaced = 0;
    for (std::uint64_t address = 0; addresses >> std::hex >> address; ++replaced) {
        char* at = file.data() + detail::file_offset(file, address);
        if (std::memcmp(at, "\x0F\xA2", 2) != 0) fail(sites + ": not of this library");
        at[1] = '\x0B';
    }
    if (replaced == 0) fail("--deny needs --cpuid-sites");

    detail::level = level;
    struct sigaction action {};
    action.sa_sigaction = detail::answer_cpuid;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, nullptr);

    const int copy = memfd_create("limited", 0);
    for (std::size_t done = 0; done < file.size();) {
        const ssize_t n = write(copy, file.data() + done, file.size() - done);
        if (n <= 0) fail("no room for a copy of the library");
        done += static_cast<std::size_t>(n);
    }
    return opened("/proc/self/fd/" + std::to_string(copy));
}

}  // namespace peers
