// What one instruction set can do for the encoder: whole blocks of rows, never single dot products, so that a call
// through a pointer costs nothing beside the work.
//
// Letters: R rows (tokens of one block), T tokens of the text, H hidden size, F feed-forward size, A heads,
// D = H / A, E = D rounded up to 64.
//
// Integers. An activation is  real = scale[row] * value,  value in [-127, 127];  a weight is
// real = scale[column] * value,  value in [-127, 127]. Activations are stored as value + zero_point modulo 256, because
// some dot products want one side unsigned. Sums are exact in 32 bits, so every kernel_set gives the same ones.
//
// Floats. Every kernel works on sixteen lanes, adds in the same order and names each fused multiply-add, so every
// kernel_set gives the same floats too, bit for bit.
//
// Second operands of a product lie in panels of 16 columns: [columns / 16, depth / 4, 16, 4]. Four values of the depth
// are one 32-bit word, sixteen words are one 512-bit register.
#pragma once

#include <qlroute/core/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qlroute {

enum class instruction_set : std::uint8_t { amx, avx512_vnni, avx_vnni, avx2, neon_dotprod, scalar };

namespace simd {

inline constexpr std::size_t lanes = 16;

/// c[i][j] = init[j] + sum over k of byte(a[i][k]) * b[j][k], exactly. `byte` is unsigned where zero_point is 128,
/// signed where it is 0.
struct gemm_call {
    const std::uint8_t* a;  // [R, depth], rows a_stride bytes apart
    std::size_t a_stride;
    const std::int8_t* b;  // panels, b_stride bytes apart
    std::size_t b_stride;
    const std::int32_t* init;  // [columns]
    std::int32_t* c;           // [R, columns], rows c_stride elements apart
    std::size_t c_stride;
    std::size_t rows;
    std::size_t columns;  // multiple of 16
    std::size_t depth;    // multiple of kernel_set::depth_tile
};

/// Quantised rows: value + zero_point, and the scale of each row.
struct byte_rows {
    std::uint8_t* bytes;
    std::size_t stride;
    float* scale;  // [R]
};

/// What turns 32-bit sums into numbers: real = sum * row_scale[row] * scale[column] + bias[column].
struct dequantised {
    std::int32_t* sums;  // [R, columns], rows `stride` elements apart; some kernels overwrite them
    std::size_t stride;
    const float* row_scale;  // [R]
    const float* scale;      // [columns]
    const float* bias;       // [columns]
};

struct norm_call {
    const float* gamma;  // [H]
    const float* beta;   // [H]
    float epsilon;
    float* x;       // [R, H] the normalised rows
    byte_rows out;  // [R, H] the same, quantised
    std::size_t rows;
    std::size_t hidden;
    std::uint8_t zero_point;
};

/// x = norm(word[id] + position[first + i] + type[types[i]]),  word[id][k] = word_scale[id] * word_column[k] * value
struct embed_call {
    norm_call norm;
    const std::int32_t* ids;    // [R]
    const std::int32_t* types;  // [R], or null: all 0
    std::size_t first;          // position of row 0
    const std::int8_t* words;   // [V, H]
    const float* word_scale;    // [V]
    const float* word_column;   // [H]
    const std::int8_t* positions;
    const float* position_scale;
    const float* position_column;
    const float* token_types;  // [Y, H]
};

/// x = norm(x + dequantised)
struct add_norm_call {
    norm_call norm;
    dequantised in;  // [R, H]
};

/// Queries, keys and values, each head of each row quantised by itself.
struct split_heads_call {
    dequantised in;  // [R, 3H]
    std::size_t rows;
    std::size_t heads;
    std::size_t head_size;  // D, multiple of 16
    std::uint8_t* queries;  // [A, R, E], heads `query_stride` bytes apart, with zero_point; null: no queries
    std::size_t query_stride;
    std::uint8_t* keys_values;  // [R, 2, A, E], without zero point
    float* scale;               // [3, A, R], each [R] `scale_stride` after the one before
    std::size_t scale_stride;
    std::uint8_t zero_point;
};

/// weights[i][j] = exp2(q_scale[i] * k_scale[j] * scores[i][j] - largest of the row) * v_weight[j], as bytes;
/// scale[i] = unit / sum over j of the exp2. Rounding errors are carried on to the token 64 places further, so that
/// many small weights do not vanish.
struct softmax_call {
    void* scores;  // [R, T] 32-bit sums, overwritten
    std::size_t stride;
    std::size_t rows;
    std::size_t tokens;
    const float* q_scale;   // [R] includes log2(e) / sqrt(D)
    const float* k_scale;   // [T]
    const float* v_weight;  // [T] in [0, 254]
    float unit;
    byte_rows out;  // [R, T rounded up to 64]: weight - 128 + zero_point
    std::uint8_t zero_point;
};

/// out = sums * scale[head][row], quantised over the whole row. The sums are overwritten.
struct context_call {
    std::int32_t* sums;  // [R, H]
    const float* scale;  // [A, R], heads `scale_stride` apart
    std::size_t scale_stride;
    std::size_t rows;
    std::size_t heads;
    std::size_t head_size;
    byte_rows out;
    std::uint8_t zero_point;
};

/// out = gelu(dequantised), quantised. The sums are overwritten, with the same as floats.
struct gelu_call {
    dequantised in;  // [R, F]
    std::size_t rows;
    std::size_t columns;
    byte_rows out;
    std::uint8_t zero_point;
};

/// out[c] = bias[c] + sum over h of x[h] * weight[c][h], floats; the tanh of it, if asked; then columns is a multiple
/// of 16.
struct dense_call {
    const float* x;       // [H]
    const float* weight;  // [C, H]
    const float* bias;    // [C]
    float* out;           // [C]
    std::size_t columns;
    std::size_t hidden;
    bool with_tanh;
};

/// The kernels that work row by row.
struct row_kernels {
    void (*embed)(const embed_call&) noexcept;
    void (*add_norm)(const add_norm_call&) noexcept;
    void (*split_heads)(const split_heads_call&) noexcept;
    void (*softmax)(const softmax_call&) noexcept;
    void (*context)(const context_call&) noexcept;
    void (*gelu)(const gelu_call&) noexcept;
    void (*dense)(const dense_call&) noexcept;
};

/// All kernels of one instruction set. Stateless and thread-safe.
struct kernel_set {
    instruction_set isa;
    std::string_view name;
    std::uint8_t zero_point;  // 0 or 128
    std::size_t row_tile;     // gemm reads and writes whole tiles of so many rows
    std::size_t row_block;    // rows to work on at a time, so that what they need stays in the first cache
    std::size_t depth_tile;

    void (*enter)() noexcept;  // before the first gemm of a pass, on the same thread
    void (*leave)() noexcept;  // after the last
    void (*gemm)(const gemm_call&) noexcept;
    row_kernels rows;
};

/// For instruction sets that need no preparation.
inline void nothing() noexcept {}

}  // namespace simd
}  // namespace qlroute
