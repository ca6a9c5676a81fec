// The kernels that work row by row, written once. Each instruction set's header includes this file inside its own
// namespace, after its lanes (f32, i32 and the functions on them) and with QLROUTE_KERNEL naming its target: neither
// GCC nor Clang lets a template take its target as a parameter. No #pragma once, for that reason.
//
// Every product that meets a sum is a fused multiply-add by name, so that no compiler fuses, or does not fuse, on its
// own. Rows go by fours: their sums and maxima are reduced together, and the long chains of one row hide those of the
// others. Kernels copy what they are called with, because for all the compiler knows every store could change the
// original.

// 1.5 * 2^23: added to |x| < 2^22 it leaves x, rounded to even, in the lowest bits.
inline constexpr float rounder = 12582912.0f;

template <std::size_t Rows>
QLROUTE_LANE void sums_of(const f32 (&x)[Rows], float (&out)[Rows]) {
    float four[4];
    static_assert(Rows == 1 || Rows == 4);
    sums_of_four(x[0], x[1 % Rows], x[2 % Rows], x[3 % Rows], four);
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) out[r] = four[r];
}

template <std::size_t Rows>
QLROUTE_LANE void largest_of(const f32 (&x)[Rows], float (&out)[Rows]) {
    float four[4];
    static_assert(Rows == 1 || Rows == 4);
    largest_of_four(x[0], x[1 % Rows], x[2 % Rows], x[3 % Rows], four);
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) out[r] = four[r];
}

/// scale = largest magnitude / 127, inverse = 127 / largest magnitude, but never infinite: beside 1e-30 all is zero.
template <std::size_t Rows>
QLROUTE_LANE void scales_of(const f32 (&magnitude)[Rows], float* const (&scale)[Rows], f32 (&inverse)[Rows]) {
    static_assert(Rows == 1 || Rows == 4);
    float most[4];
    float factor[4];
    largest_of_four(magnitude[0], magnitude[1 % Rows], magnitude[2 % Rows], magnitude[3 % Rows], most);
    quantizers_of_four(most, factor);
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        *scale[r] = most[r] * (1.0f / 127.0f);
        inverse[r] = splat(factor[r]);
    }
}

QLROUTE_LANE i32 quantized(f32 x, f32 inverse) { return integer_in(fma(x, inverse, splat(rounder)), 0); }

/// Quantizes rows of floats in memory, `stride` apart. count: a multiple of 64.
template <std::size_t Rows>
QLROUTE_LANE void quantize_rows(const void* x, std::size_t stride, std::size_t count, const f32 (&magnitude)[Rows],
                                const byte_rows& out, std::size_t first_row, std::uint8_t zero_point) {
    float* scale[Rows];
    f32 inverse[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) scale[r] = out.scale + first_row + r;
    scales_of(magnitude, scale, inverse);
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        const auto* row = static_cast<const std::uint8_t*>(x) + r * stride * sizeof(float);
        std::uint8_t* bytes = out.bytes + (first_row + r) * out.stride;
        for (std::size_t k = 0; k < count; k += 64, row += 256)
            store_bytes(bytes + k, quantized(load_at(row), inverse[r]), quantized(load_at(row + 64), inverse[r]),
                        quantized(load_at(row + 128), inverse[r]), quantized(load_at(row + 192), inverse[r]),
                        zero_point);
    }
}

/// Rows of dequantised numbers.
template <std::size_t Rows>
struct number_rows {
    const std::int32_t* sums[Rows];
    f32 row_scale[Rows];
};

template <std::size_t Rows>
QLROUTE_LANE number_rows<Rows> rows_of(const dequantised& in, std::size_t first_row) {
    number_rows<Rows> out;
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        out.sums[r] = in.sums + (first_row + r) * in.stride;
        out.row_scale[r] = splat(in.row_scale[first_row + r]);
    }
    return out;
}

/// Columns k to k + 15 of row r; scale and bias are those of these columns.
template <std::size_t Rows>
QLROUTE_LANE f32 number(const number_rows<Rows>& rows, std::size_t r, std::size_t k, f32 scale, f32 bias) {
    return fma(mul(to_float(load_sums(rows.sums[r] + k)), rows.row_scale[r]), scale, bias);
}

/// Normalises rows of x in place, whose lanes add up to `total`, and quantizes them.
template <std::size_t Rows>
QLROUTE_LANE void finish_norm(const norm_call& call, std::size_t first_row, const f32 (&total)[Rows]) {
    const std::size_t hidden = call.hidden;
    const float share = 1.0f / static_cast<float>(hidden);
    float* x = call.x + first_row * hidden;
    float sum[4];
    sums_of_four(total[0], total[1 % Rows], total[2 % Rows], total[3 % Rows], sum);
    f32 squares[Rows];
    f32 sums[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        squares[r] = zero();
        sums[r] = splat(sum[r]);
    }
    for (std::size_t k = 0; k < hidden; k += lanes) {
        QLROUTE_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            const f32 centred = minus_product(load(x + r * hidden + k), sums[r], splat(share));
            squares[r] = fma(centred, centred, squares[r]);
        }
    }
    float square[4];
    float by_deviation[4];
    float mean_by_deviation[4];
    sums_of_four(squares[0], squares[1 % Rows], squares[2 % Rows], squares[3 % Rows], square);
    norms_of_four(sum, square, share, call.epsilon, by_deviation, mean_by_deviation);
    f32 inverse[Rows];
    f32 mean[Rows];
    f32 magnitude[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        inverse[r] = splat(by_deviation[r]);
        mean[r] = splat(mean_by_deviation[r]);
        magnitude[r] = zero();
    }
    for (std::size_t k = 0; k < hidden; k += lanes) {
        const f32 gamma = load(call.gamma + k);
        const f32 beta = load(call.beta + k);
        QLROUTE_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            const f32 y = fma(multiply_less(load(x + r * hidden + k), inverse[r], mean[r]), gamma, beta);
            store(x + r * hidden + k, y);
            magnitude[r] = larger(magnitude[r], absolute(y));
        }
    }
    quantize_rows(x, hidden, hidden, magnitude, call.out, first_row, call.zero_point);
}

template <std::size_t Rows>
QLROUTE_LANE void embed_rows(const embed_call& call, std::size_t first_row) {
    const std::size_t hidden = call.norm.hidden;
    f32 total[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        const std::size_t row = first_row + r;
        const auto id = static_cast<std::size_t>(call.ids[row]);
        const auto kind = call.types == nullptr ? std::size_t{0} : static_cast<std::size_t>(call.types[row]);
        const std::int8_t* word = call.words + id * hidden;
        const std::int8_t* position = call.positions + (call.first + row) * hidden;
        const float* type = call.token_types + kind * hidden;
        const f32 word_scale = splat(call.word_scale[id]);
        const f32 position_scale = splat(call.position_scale[call.first + row]);
        float* x = call.norm.x + row * hidden;
        total[r] = zero();
        for (std::size_t k = 0; k < hidden; k += lanes) {
            const f32 place =
                fma(mul(load_int8(position + k), position_scale), load(call.position_column + k), load(type + k));
            const f32 y = fma(mul(load_int8(word + k), word_scale), load(call.word_column + k), place);
            store(x + k, y);
            total[r] = add(total[r], y);
        }
    }
    finish_norm(call.norm, first_row, total);
}

QLROUTE_KERNEL void embed(const embed_call& given) noexcept {
    const embed_call call = given;
    const std::size_t rows = call.norm.rows;
    for (std::size_t r = 0; r < rows; ++r) {
        const std::int8_t* word = call.words + static_cast<std::size_t>(call.ids[r]) * call.norm.hidden;
        for (std::size_t k = 0; k < call.norm.hidden; k += 64) __builtin_prefetch(word + k);
    }
    std::size_t r = 0;
    for (; r + 4 <= rows; r += 4) embed_rows<4>(call, r);
    for (; r < rows; ++r) embed_rows<1>(call, r);
}

template <std::size_t Rows>
QLROUTE_LANE void add_norm_rows(const add_norm_call& call, std::size_t first_row) {
    const std::size_t hidden = call.norm.hidden;
    float* x = call.norm.x + first_row * hidden;
    const number_rows<Rows> rows = rows_of<Rows>(call.in, first_row);
    f32 total[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) total[r] = zero();
    for (std::size_t k = 0; k < hidden; k += lanes) {
        const f32 scale = load(call.in.scale + k);
        const f32 bias = load(call.in.bias + k);
        QLROUTE_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            const f32 y = add(number(rows, r, k, scale, bias), load(x + r * hidden + k));
            store(x + r * hidden + k, y);
            total[r] = add(total[r], y);
        }
    }
    finish_norm(call.norm, first_row, total);
}

QLROUTE_KERNEL void add_norm(const add_norm_call& given) noexcept {
    const add_norm_call call = given;
    std::size_t r = 0;
    for (; r + 4 <= call.norm.rows; r += 4) add_norm_rows<4>(call, r);
    for (; r < call.norm.rows; ++r) add_norm_rows<1>(call, r);
}

/// One head of some rows: Vectors * 16 numbers, from column `first` on, padded to 64 bytes.
template <std::size_t Rows, std::size_t Vectors>
QLROUTE_LANE void split_head(const split_heads_call& call, std::size_t first_row, std::size_t first,
                             std::uint8_t* bytes, std::size_t stride, float* scales, std::uint8_t zero_point) {
    const number_rows<Rows> rows = rows_of<Rows>(call.in, first_row);
    f32 y[Rows][4];
    f32 magnitude[Rows];
    f32 inverse[Rows];
    float* out_scale[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        out_scale[r] = scales + first_row + r;
        magnitude[r] = zero();
        QLROUTE_UNROLL
        for (std::size_t v = Vectors; v < 4; ++v) y[r][v] = zero();
    }
    QLROUTE_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) {
        const std::size_t k = first + v * lanes;
        const f32 scale = load(call.in.scale + k);
        const f32 bias = load(call.in.bias + k);
        QLROUTE_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            y[r][v] = number(rows, r, k, scale, bias);
            magnitude[r] = larger(magnitude[r], absolute(y[r][v]));
        }
    }
    scales_of(magnitude, out_scale, inverse);
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r)
        store_bytes(bytes + r * stride, quantized(y[r][0], inverse[r]), quantized(y[r][1], inverse[r]),
                    quantized(y[r][2], inverse[r]), quantized(y[r][3], inverse[r]), zero_point);
}

/// The same for any number of vectors, one row.
QLROUTE_LANE void split_long_head(const split_heads_call& call, std::size_t row, std::size_t first, std::uint8_t* bytes,
                                  float* scales, std::uint8_t zero_point) {
    const number_rows<1> rows = rows_of<1>(call.in, row);
    f32 magnitude[1] = {zero()};
    for (std::size_t k = first; k < first + call.head_size; k += lanes)
        magnitude[0] =
            larger(magnitude[0], absolute(number(rows, 0, k, load(call.in.scale + k), load(call.in.bias + k))));
    float* scale[1] = {scales + row};
    f32 inverse[1];
    scales_of(magnitude, scale, inverse);
    for (std::size_t k = 0; k < call.head_size; k += 64) {
        i32 q[4];
        QLROUTE_UNROLL
        for (std::size_t v = 0; v < 4; ++v) {
            const std::size_t at = k + v * lanes;
            q[v] = quantized(at < call.head_size ? number(rows, 0, first + at, load(call.in.scale + first + at),
                                                          load(call.in.bias + first + at))
                                                 : zero(),
                             inverse[0]);
        }
        store_bytes(bytes + k, q[0], q[1], q[2], q[3], zero_point);
    }
}

QLROUTE_KERNEL void split_heads(const split_heads_call& given) noexcept {
    const split_heads_call call = given;
    const std::size_t padded = (call.head_size + 63) / 64 * 64;
    for (std::size_t part = call.queries == nullptr ? 1 : 0; part < 3; ++part) {
        const std::uint8_t zero_point = part == 0 ? call.zero_point : std::uint8_t{0};
        const std::size_t stride = part == 0 ? padded : 2 * call.heads * padded;
        for (std::size_t head = 0; head < call.heads; ++head) {
            const std::size_t index = part * call.heads + head;
            const std::size_t first = index * call.head_size;
            std::uint8_t* bytes =
                part == 0 ? call.queries + head * call.query_stride : call.keys_values + (index - call.heads) * padded;
            float* scale = call.scale + index * call.scale_stride;
            std::size_t r = 0;
            if (call.head_size == 64) {
                for (; r + 4 <= call.rows; r += 4)
                    split_head<4, 4>(call, r, first, bytes + r * stride, stride, scale, zero_point);
                for (; r < call.rows; ++r)
                    split_head<1, 4>(call, r, first, bytes + r * stride, stride, scale, zero_point);
            } else if (call.head_size == 32) {
                for (; r + 4 <= call.rows; r += 4)
                    split_head<4, 2>(call, r, first, bytes + r * stride, stride, scale, zero_point);
                for (; r < call.rows; ++r)
                    split_head<1, 2>(call, r, first, bytes + r * stride, stride, scale, zero_point);
            } else {
                for (; r < call.rows; ++r) split_long_head(call, r, first, bytes + r * stride, scale, zero_point);
            }
        }
    }
}

/// exp2(x) for -126 <= x <= 0, relative error below 9e-5: 2^floor(x) times a cubic in the fraction.
QLROUTE_LANE f32 exp2_coarse(f32 x) {
    const f32 f = fraction(x);
    f32 p = fma(f, splat(7.706704221e-02f), splat(2.276449908e-01f));
    p = fma(f, p, splat(6.951167866e-01f));
    p = fma(f, p, splat(1.0f));
    return scaled(p, x, f);
}

/// The same with a relative error below 2e-7.
QLROUTE_LANE f32 exp2_fine(f32 x) {
    const f32 f = fraction(x);
    f32 p = fma(f, splat(1.867130074e-03f), splat(9.017030311e-03f));
    p = fma(f, p, splat(5.579991312e-02f));
    p = fma(f, p, splat(2.401644502e-01f));
    p = fma(f, p, splat(6.931513118e-01f));
    p = fma(f, p, splat(1.0f));
    return scaled(p, x, f);
}

template <std::size_t Rows>
QLROUTE_LANE void softmax_rows(const softmax_call& call, std::size_t first_row) {
    const std::size_t whole = call.tokens / lanes;  // vectors without a tail
    const std::size_t tail = call.tokens % lanes;
    const std::size_t stride = call.stride * sizeof(float);
    auto* scores = static_cast<std::uint8_t*>(call.scores) + first_row * stride;
    f32 most[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) most[r] = splat(-3.0e38f);
    for (std::size_t v = 0; v < whole; ++v) {
        const f32 k_scale = load(call.k_scale + v * lanes);
        QLROUTE_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            const f32 u = mul(to_float(load_sums_at(scores + r * stride + v * 64)), k_scale);
            store_at(scores + r * stride + v * 64, u);
            most[r] = larger(most[r], u);
        }
    }
    if (tail != 0) {
        const f32 k_scale = load(call.k_scale + whole * lanes);
        QLROUTE_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            const f32 u = mul(to_float(load_sums_at(scores + r * stride + whole * 64)), k_scale);
            store_at(scores + r * stride + whole * 64, u);
            most[r] = larger(most[r], first(tail, u, most[r]));
        }
    }
    float top[Rows];
    largest_of(most, top);

    f32 total[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
        // The difference is never above 0, however large the scores are; a fused product of each could be.
        const f32 factor = splat(call.q_scale[first_row + r]);
        const f32 largest = splat(top[r]);
        const std::uint8_t* row = scores + r * stride;
        std::uint8_t* bytes = call.out.bytes + (first_row + r) * call.out.stride;
        f32 carry[4] = {zero(), zero(), zero(), zero()};
        f32 sum = zero();
        std::size_t v = 0;
        for (; v + 4 <= whole; v += 4) {
            i32 q[4];
            QLROUTE_UNROLL
            for (std::size_t k = 0; k < 4; ++k) {
                const f32 x = larger(mul(sub(load_at(row + (v + k) * 64), largest), factor), splat(-126.0f));
                const f32 e = exp2_coarse(x);
                sum = add(sum, e);
                const f32 weight = fma(e, load(call.v_weight + (v + k) * lanes), carry[k]);
                const f32 rounded = add(weight, splat(rounder));
                carry[k] = sub(weight, sub(rounded, splat(rounder)));
                q[k] = integer_in(rounded, 128);
            }
            store_bytes(bytes + v * lanes, q[0], q[1], q[2], q[3], call.zero_point);
        }
        if (v < whole || tail != 0) {
            i32 q[4];
            QLROUTE_UNROLL
            for (std::size_t k = 0; k < 4; ++k) {
                q[k] = integer_in(splat(rounder), 0);
                if (v + k > whole || (v + k == whole && tail == 0)) continue;
                const f32 x = larger(mul(sub(load_at(row + (v + k) * 64), largest), factor), splat(-126.0f));
                f32 e = exp2_coarse(x);
                f32 weight = fma(e, load(call.v_weight + (v + k) * lanes), carry[k]);
                if (v + k == whole) {
                    e = first(tail, e, zero());
                    weight = first(tail, weight, zero());
                }
                sum = add(sum, e);
                q[k] = integer_in(add(weight, splat(rounder)), 128);
            }
            store_bytes(bytes + v * lanes, q[0], q[1], q[2], q[3], call.zero_point);
        }
        total[r] = sum;
    }
    float sums[Rows];
    sums_of(total, sums);
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) call.out.scale[first_row + r] = call.unit / sums[r];
}

QLROUTE_KERNEL void softmax(const softmax_call& given) noexcept {
    const softmax_call call = given;
    std::size_t r = 0;
    for (; r + 4 <= call.rows; r += 4) softmax_rows<4>(call, r);
    for (; r < call.rows; ++r) softmax_rows<1>(call, r);
}

template <std::size_t Rows>
QLROUTE_LANE void context_rows(const context_call& call, std::size_t first_row) {
    const std::size_t hidden = call.heads * call.head_size;
    std::int32_t* sums = call.sums + first_row * hidden;
    f32 magnitude[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) magnitude[r] = zero();
    for (std::size_t head = 0; head < call.heads; ++head) {
        const float* scale = call.scale + head * call.scale_stride + first_row;
        for (std::size_t k = head * call.head_size; k < (head + 1) * call.head_size; k += lanes) {
            QLROUTE_UNROLL
            for (std::size_t r = 0; r < Rows; ++r) {
                const f32 y = mul(to_float(load_sums(sums + r * hidden + k)), splat(scale[r]));
                store_at(sums + r * hidden + k, y);
                magnitude[r] = larger(magnitude[r], absolute(y));
            }
        }
    }
    quantize_rows(sums, hidden, hidden, magnitude, call.out, first_row, call.zero_point);
}

QLROUTE_KERNEL void context(const context_call& given) noexcept {
    const context_call call = given;
    std::size_t r = 0;
    for (; r + 4 <= call.rows; r += 4) context_rows<4>(call, r);
    for (; r < call.rows; ++r) context_rows<1>(call, r);
}

/// gelu(x) = x * Phi(x) = max(x, 0) - h(|x|), h(t) = t * (1 - Phi(t)): h is a bump that is gone by t = 4, and here a
/// polynomial of degree 7. |error| < 2.1e-4, a hundredth of a quantisation step of what follows.
QLROUTE_LANE f32 gelu_of(f32 x) {
    const f32 t = smaller_magnitude(x, splat(4.0f));
    f32 p = fma(t, splat(-6.428349297e-04f), splat(9.921117686e-03f));
    p = fma(t, p, splat(-5.756319314e-02f));
    p = fma(t, p, splat(1.399611533e-01f));
    p = fma(t, p, splat(-4.279424995e-02f));
    p = fma(t, p, splat(-3.908280432e-01f));
    p = fma(t, p, splat(5.004937649e-01f));
    return minus_product(larger(x, zero()), t, p);
}

template <std::size_t Rows>
QLROUTE_LANE void gelu_rows(const gelu_call& call, std::size_t first_row) {
    const number_rows<Rows> rows = rows_of<Rows>(call.in, first_row);
    f32 magnitude[Rows];
    QLROUTE_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) magnitude[r] = zero();
    std::int32_t* sums = call.in.sums + first_row * call.in.stride;
    for (std::size_t k = 0; k < call.columns; k += lanes) {
        const f32 scale = load(call.in.scale + k);
        const f32 bias = load(call.in.bias + k);
        QLROUTE_UNROLL
        for (std::size_t r = 0; r < Rows; ++r) {
            const f32 y = gelu_of(number(rows, r, k, scale, bias));
            store_at(sums + r * call.in.stride + k, y);
            magnitude[r] = larger(magnitude[r], absolute(y));
        }
    }
    quantize_rows(sums, call.in.stride, call.columns, magnitude, call.out, first_row, call.zero_point);
}

QLROUTE_KERNEL void gelu(const gelu_call& given) noexcept {
    const gelu_call call = given;
    std::size_t r = 0;
    for (; r + 4 <= call.rows; r += 4) gelu_rows<4>(call, r);
    for (; r < call.rows; ++r) gelu_rows<1>(call, r);
}

/// tanh(x) = sign(x) * (1 - e) / (1 + e), e = exp(-2 |x|)
QLROUTE_LANE f32 tanh_of(f32 x) {
    const f32 e = exp2_fine(mul(smaller_magnitude(x, splat(15.0f)), splat(-2.885390082f)));  // -2 log2(e)
    return with_sign_of(divide(sub(splat(1.0f), e), add(splat(1.0f), e)), x);
}

template <std::size_t Columns>
QLROUTE_LANE void dense_columns(const dense_call& call, std::size_t first) {
    const float* weight = call.weight + first * call.hidden;
    f32 total[Columns];
    QLROUTE_UNROLL
    for (std::size_t c = 0; c < Columns; ++c) total[c] = zero();
    for (std::size_t k = 0; k < call.hidden; k += lanes) {
        const f32 x = load(call.x + k);
        QLROUTE_UNROLL
        for (std::size_t c = 0; c < Columns; ++c) total[c] = fma(x, load(weight + c * call.hidden + k), total[c]);
    }
    float sums[Columns];
    sums_of(total, sums);
    for (std::size_t c = 0; c < Columns; ++c) call.out[first + c] = sums[c] + call.bias[first + c];
}

QLROUTE_KERNEL void dense(const dense_call& given) noexcept {
    const dense_call call = given;
    std::size_t c = 0;
    for (; c + 4 <= call.columns; c += 4) dense_columns<4>(call, c);
    for (; c < call.columns; ++c) dense_columns<1>(call, c);
    if (!call.with_tanh) return;
    for (c = 0; c + lanes <= call.columns; c += lanes) store(call.out + c, tanh_of(load(call.out + c)));
}

inline constexpr row_kernels row_set{
    .embed = embed,
    .add_norm = add_norm,
    .split_heads = split_heads,
    .softmax = softmax,
    .context = context,
    .gelu = gelu,
    .dense = dense,
};
