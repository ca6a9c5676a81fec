// Cuts text at blanks and ASCII punctuation, 64 bytes at a step: the part of tokenizing that vectors can do.
//
// A piece is one punctuation character, or a run of bytes between blanks and punctuation. Only plain ASCII is
// understood; a run that has other bytes in it, controls included, is marked and left to a reader that knows Unicode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__GNUC__)
#include <arm_neon.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 warns inside its own avx512fintrin.h
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace qlroute {

/// How text is read. All ways give the same ids.
enum class text_path : std::uint8_t {
    scalar,  ///< character by character: the specification
    sse2,
    avx2,
    avx512,  ///< BW and VBMI2
    neon,
};

constexpr std::string_view name_of(text_path path) {
    constexpr std::string_view names[] = {"scalar", "sse2", "avx2", "avx512", "neon"};
    return names[static_cast<std::size_t>(path)];
}

namespace detail {

/// The pieces of up to `window` bytes of text.
struct split_pieces {
    static constexpr std::size_t window = 1024;
    static constexpr std::uint8_t strange = 0xFF;  ///< never a byte of UTF-8

    std::size_t count;
    bool is_open;                          ///< the last piece is a run that ends only because the text does
    std::uint16_t begins[window + 64];     ///< of piece k; what stands behind `count` means nothing
    std::uint16_t ends[window + 64];       ///< one past it
    alignas(64) char folded[window + 64];  ///< the text, in lower case if asked; `strange` where it is no plain ASCII
};

/// Of 64 bytes. Blank is what is neither.
struct split_masks {
    std::uint64_t run;          ///< letters, digits, and strange bytes
    std::uint64_t punctuation;  ///< each is a piece of its own
};

/// What a block's pieces need to know of the block before.
struct split_carry {
    std::uint64_t run = 0;  ///< 1 if its last byte was of a run
    std::uint64_t punctuation = 0;
};

struct split_edges {
    std::uint64_t begins;
    std::uint64_t ends;
};

/// No two pieces begin at the same byte, or end at it, so the k-th beginning belongs to the k-th end.
[[gnu::always_inline]] inline split_edges edges(split_masks is, split_carry& carry) {
    const std::uint64_t before = is.run << 1 | carry.run;
    const split_edges out{(is.run & ~before) | is.punctuation,
                          (~is.run & before) | is.punctuation << 1 | carry.punctuation};
    carry = {is.run >> 63, is.punctuation >> 63};
    return out;
}

/// Appends the places of the bits that are set. Eight are written whether they are there or not, which saves a branch
/// that nobody can predict.
[[gnu::always_inline]] inline std::uint16_t* append_places(std::uint64_t bits, std::size_t first, std::uint16_t* out) {
    const auto count = static_cast<std::size_t>(__builtin_popcountll(bits));
    for (std::size_t done = 0; done < count; done += 8)
        for (std::size_t i = done; i < done + 8; ++i) {
            out[i] =
                static_cast<std::uint16_t>(first + static_cast<std::size_t>(bits != 0 ? __builtin_ctzll(bits) : 0));
            bits &= bits - 1;
        }
    return out + count;
}

/// `block` works on 64 bytes: reads them, writes them folded, returns the masks.
/// A macro, for a template would not inherit the instructions that its caller may use.
#define QLROUTE_SPLIT_BODY(block, append)                                                     \
    split_carry carry;                                                                        \
    std::uint16_t* begin = out.begins;                                                        \
    std::uint16_t* end = out.ends;                                                            \
    for (std::size_t at = 0; at < text.size(); at += 64) {                                    \
        char tail[64];                                                                        \
        const char* from = text.data() + at;                                                  \
        if (text.size() - at < 64) {                                                          \
            std::memset(tail, ' ', sizeof tail);                                              \
            std::memcpy(tail, from, text.size() - at);                                        \
            from = tail;                                                                      \
        }                                                                                     \
        const split_edges edge = edges(block(from, lowercase, out.folded + at), carry);       \
        begin = append(edge.begins, at, begin);                                               \
        end = append(edge.ends, at, end);                                                     \
    }                                                                                         \
    out.count = static_cast<std::size_t>(begin - out.begins);                                 \
    if ((carry.run | carry.punctuation) != 0) *end = static_cast<std::uint16_t>(text.size()); \
    out.is_open = out.count > 0 && out.ends[out.count - 1] == text.size() && !is_ascii_punctuation(text.back())

constexpr bool is_ascii_punctuation(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte - 33u < 15 || byte - 58u < 7 || byte - 91u < 6 || byte - 123u < 4;
}

constexpr bool is_ascii_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

#if defined(__x86_64__) && defined(__GNUC__)

// Ranges are compared without sign: x - first <= last - first.

[[gnu::always_inline]] inline __m128i within_sse2(__m128i x, char first, char count) {
    const __m128i moved = _mm_sub_epi8(x, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(moved, _mm_set1_epi8(static_cast<char>(count - 1))), moved);
}

[[gnu::always_inline]] inline split_masks block_sse2(const char* text, bool lowercase, char* folded) {
    split_masks out{0, 0};
    for (int part = 0; part < 4; ++part) {
        const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + 16 * part));
        const __m128i lower = _mm_or_si128(x, _mm_and_si128(within_sse2(x, 'A', 26), _mm_set1_epi8(0x20)));
        const __m128i blank =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\r'))),
                         within_sse2(x, '\t', 2));
        const __m128i strange =
            _mm_or_si128(_mm_andnot_si128(blank, within_sse2(x, 0, 32)), within_sse2(x, 0x7F, char(-127)));
        const __m128i run = _mm_or_si128(_mm_or_si128(within_sse2(lower, 'a', 26), within_sse2(x, '0', 10)), strange);
        _mm_store_si128(reinterpret_cast<__m128i*>(folded + 16 * part), _mm_or_si128(lowercase ? lower : x, strange));
        const auto bits = [](__m128i mask) { return static_cast<std::uint64_t>(_mm_movemask_epi8(mask)); };
        out.run |= bits(run) << 16 * part;
        out.punctuation |= (bits(_mm_or_si128(run, blank)) ^ 0xFFFF) << 16 * part;
    }
    return out;
}

inline void split_sse2(std::string_view text, bool lowercase, split_pieces& out) {
    QLROUTE_SPLIT_BODY(block_sse2, append_places);
}

#define QLROUTE_AVX2 __attribute__((target("avx2,bmi,popcnt")))
#define QLROUTE_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi,popcnt")))

[[gnu::always_inline]] QLROUTE_AVX2 inline __m256i within_avx2(__m256i x, char first, char count) {
    const __m256i moved = _mm256_sub_epi8(x, _mm256_set1_epi8(first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(moved, _mm256_set1_epi8(static_cast<char>(count - 1))), moved);
}

[[gnu::always_inline]] QLROUTE_AVX2 inline std::uint64_t bits_avx2(__m256i mask) {
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(mask));
}

[[gnu::always_inline]] QLROUTE_AVX2 inline split_masks block_avx2(const char* text, bool lowercase, char* folded) {
    split_masks out{0, 0};
    for (int part = 0; part < 2; ++part) {
        const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32 * part));
        const __m256i lower = _mm256_or_si256(x, _mm256_and_si256(within_avx2(x, 'A', 26), _mm256_set1_epi8(0x20)));
        const __m256i blank = _mm256_or_si256(
            _mm256_or_si256(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(' ')), _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\r'))),
            within_avx2(x, '\t', 2));
        const __m256i strange =
            _mm256_or_si256(_mm256_andnot_si256(blank, within_avx2(x, 0, 32)), within_avx2(x, 0x7F, char(-127)));
        const __m256i run =
            _mm256_or_si256(_mm256_or_si256(within_avx2(lower, 'a', 26), within_avx2(x, '0', 10)), strange);
        _mm256_store_si256(reinterpret_cast<__m256i*>(folded + 32 * part),
                           _mm256_or_si256(lowercase ? lower : x, strange));
        out.run |= bits_avx2(run) << 32 * part;
        out.punctuation |= (bits_avx2(_mm256_or_si256(run, blank)) ^ 0xFFFFFFFF) << 32 * part;
    }
    return out;
}

QLROUTE_AVX2 inline void split_avx2(std::string_view text, bool lowercase, split_pieces& out) {
    QLROUTE_SPLIT_BODY(block_avx2, append_places);
}

[[gnu::always_inline]] QLROUTE_AVX512 inline __mmask64 within_avx512(__m512i x, char first, char count) {
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(x, _mm512_set1_epi8(first)), _mm512_set1_epi8(count));
}

[[gnu::always_inline]] QLROUTE_AVX512 inline split_masks block_avx512(const char* text, bool lowercase, char* folded) {
    const __m512i x = _mm512_loadu_si512(text);
    const __m512i lower = _mm512_mask_add_epi8(x, within_avx512(x, 'A', 26), x, _mm512_set1_epi8(0x20));
    const __mmask64 blank = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(' ')) |
                            _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\r')) | within_avx512(x, '\t', 2);
    const __mmask64 strange = (within_avx512(x, 0, 32) & ~blank) | within_avx512(x, 0x7F, char(-127));
    const __mmask64 run = within_avx512(lower, 'a', 26) | within_avx512(x, '0', 10) | strange;
    _mm512_store_si512(folded, _mm512_mask_blend_epi8(strange, lowercase ? lower : x, _mm512_set1_epi8(-1)));
    return {run, ~(run | blank)};
}

/// As append_places(), for any number of bits at once. Writes 64 places.
[[gnu::always_inline]] QLROUTE_AVX512 inline std::uint16_t* append_places_avx512(std::uint64_t bits, std::size_t first,
                                                                                 std::uint16_t* out) {
    alignas(64) static constexpr std::uint8_t counting[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    const __m512i places = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(counting));
    const __m512i base = _mm512_set1_epi16(static_cast<short>(first));
    const auto count = static_cast<std::size_t>(__builtin_popcountll(bits));
    _mm512_storeu_si512(out, _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(places)), base));
    if (count > 32)
        _mm512_storeu_si512(out + 32,
                            _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(places, 1)), base));
    return out + count;
}

QLROUTE_AVX512 inline void split_avx512(std::string_view text, bool lowercase, split_pieces& out) {
    QLROUTE_SPLIT_BODY(block_avx512, append_places_avx512);
}

#undef QLROUTE_AVX2
#undef QLROUTE_AVX512

#elif defined(__aarch64__) && defined(__GNUC__)

[[gnu::always_inline]] inline uint8x16_t within_neon(uint8x16_t x, std::uint8_t first, std::uint8_t count) {
    return vcltq_u8(vsubq_u8(x, vdupq_n_u8(first)), vdupq_n_u8(count));
}

/// One bit of each of 64 bytes that are 0 or 255.
[[gnu::always_inline]] inline std::uint64_t bits_neon(const uint8x16_t* mask) {
    constexpr std::uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t weight = vld1q_u8(weights);
    const uint8x16_t low = vpaddq_u8(vandq_u8(mask[0], weight), vandq_u8(mask[1], weight));
    const uint8x16_t high = vpaddq_u8(vandq_u8(mask[2], weight), vandq_u8(mask[3], weight));
    const uint8x16_t both = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(both, both)), 0);
}

[[gnu::always_inline]] inline split_masks block_neon(const char* text, bool lowercase, char* folded) {
    uint8x16_t run[4];
    uint8x16_t punctuation[4];
    for (int part = 0; part < 4; ++part) {
        const uint8x16_t x = vld1q_u8(reinterpret_cast<const std::uint8_t*>(text) + 16 * part);
        const uint8x16_t lower = vorrq_u8(x, vandq_u8(within_neon(x, 'A', 26), vdupq_n_u8(0x20)));
        const uint8x16_t blank =
            vorrq_u8(vorrq_u8(vceqq_u8(x, vdupq_n_u8(' ')), vceqq_u8(x, vdupq_n_u8('\r'))), within_neon(x, '\t', 2));
        const uint8x16_t strange = vorrq_u8(vbicq_u8(within_neon(x, 0, 32), blank), within_neon(x, 0x7F, 0x81));
        run[part] = vorrq_u8(vorrq_u8(within_neon(lower, 'a', 26), within_neon(x, '0', 10)), strange);
        punctuation[part] = vmvnq_u8(vorrq_u8(run[part], blank));
        vst1q_u8(reinterpret_cast<std::uint8_t*>(folded) + 16 * part, vorrq_u8(lowercase ? lower : x, strange));
    }
    return {bits_neon(run), bits_neon(punctuation)};
}

inline void split_neon(std::string_view text, bool lowercase, split_pieces& out) {
    QLROUTE_SPLIT_BODY(block_neon, append_places);
}

#endif

#undef QLROUTE_SPLIT_BODY

/// Fills `out` with the pieces of `text`, at most split_pieces::window bytes.
using split_function = void (*)(std::string_view text, bool lowercase, split_pieces& out);

/// Null for text_path::scalar, and for what this machine has not.
inline split_function split_by(text_path path) noexcept {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    const bool has_avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
    if (path == text_path::sse2) return split_sse2;
    if (path == text_path::avx2 && has_avx2) return split_avx2;
    if (path == text_path::avx512 && has_avx2 && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2"))
        return split_avx512;
#elif defined(__aarch64__) && defined(__GNUC__)
    if (path == text_path::neon) return split_neon;
#else
    static_cast<void>(path);
#endif
    return nullptr;
}

}  // namespace detail

/// The ways that this machine has, slowest first; `scalar` is always there.
inline std::span<const text_path> text_paths() noexcept {
    struct list {
        text_path all[5]{};
        std::size_t count = 0;
        list() noexcept {
            for (const auto path :
                 {text_path::scalar, text_path::sse2, text_path::avx2, text_path::avx512, text_path::neon})
                if (path == text_path::scalar || detail::split_by(path) != nullptr) all[count++] = path;
        }
    };
    static const list here;
    return {here.all, here.count};
}

}  // namespace qlroute

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
