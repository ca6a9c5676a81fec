// Files compiled for different processors agree on what they encode, to the last bit, whichever file's copies of the
// inline functions the linker has kept.
#include "encode.hpp"

#include <support/bert.hpp>

#include <bit>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <iterator>

using namespace qlroute;

namespace {

struct compiled {
    const char* name;
    encode_function* encode;
};

// The first one is what the others are compared with.
constexpr compiled files[] = {
    {"plain", encode_plain},
#if defined(QLROUTE_ODR_HASWELL)
    {"haswell", encode_haswell},
#else
    {"optimised", encode_optimised},
#endif
#if defined(QLROUTE_ODR_AVX512)
    {"avx512", encode_avx512},
#endif
};

/// Nothing else may be called before: every inline function may be the copy for the better processor.
const char* missing_here() {
#if defined(QLROUTE_ODR_HASWELL)
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2"))
        return "AVX2";
#endif
#if defined(QLROUTE_ODR_AVX512)
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return "AVX-512";
#endif
    return nullptr;
}

std::size_t differences(const encoded& a, const encoded& b) {
    if (a.values.size() != b.values.size()) return a.values.size() + b.values.size();
    std::size_t out = 0;
    for (std::size_t k = 0; k < a.values.size(); ++k)
        out += std::memcmp(&a.values[k], &b.values[k], sizeof(float)) != 0;
    return out;
}

/// FNV-1a of the bits, to compare programs by.
std::uint64_t checksum(const std::vector<float>& values) {
    std::uint64_t out = 0xCBF29CE484222325;
    for (const float value : values) out = (out ^ std::bit_cast<std::uint32_t>(value)) * 0x100000001B3;
    return out;
}

}  // namespace

int main() {
    if (const char* missing = missing_here(); missing != nullptr) {
        std::printf("skipped: this processor has no %s\n", missing);
        return 77;
    }
    // Weights are made once: random numbers may well depend on the flags, and the weights are not what is compared.
    const bert_weights weights = testing::random_bert(
        {.layers = 2, .hidden = 128, .heads = 2, .feed_forward = 512, .vocabulary = 500, .positions = 100}, 3);
    std::vector<std::int32_t> ids;
    for (std::int32_t k = 0; k < 100; ++k) ids.push_back((k * 7919 + 13) % 500);

    const auto expected = files[0].encode(weights, ids);
    if (expected.empty()) return std::puts("no encoder"), 1;
    int wrong = 0;
    for (const compiled& file : files) {
        const auto got = file.encode(weights, ids);
        if (got.size() != expected.size()) return std::printf("%s has other kernels\n", file.name), 1;
        for (std::size_t k = 0; k < got.size(); ++k) {
            // Kernels are compared with those of the same name, and all with the first: they agree as well.
            const std::size_t differing = differences(expected[k], got[k]) + differences(expected[0], got[k]);
            if (got[k].kernels == expected[k].kernels && differing == 0) continue;
            std::printf("%s, %s: %zu of %zu numbers differ\n", file.name, got[k].kernels.c_str(), differing,
                        got[k].values.size());
            wrong = 1;
        }
    }
    if (wrong == 0)
        std::printf("%zu files, %zu kernel_sets, %zu numbers: the same to the last bit, checksum %016llx\n",
                    std::size(files), expected.size(), expected[0].values.size(),
                    static_cast<unsigned long long>(checksum(expected[0].values)));
    return wrong;
}
