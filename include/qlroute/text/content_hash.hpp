// A digest of a byte stream that does not depend on how the stream was cut into pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace qlroute {

/// 64-bit digest of everything fed so far, 8 bytes a step. Two texts that differ have the same digest with
/// probability 2^-64 unless somebody makes them so: it is not a cryptographic hash. Copyable: a copy is a
/// bookmark from which hashing can go on.
class content_hash {
public:
    constexpr void feed(std::string_view bytes) noexcept {
        std::size_t at = 0;
        while (at < bytes.size() && length_ % 8 != 0) feed_byte(bytes[at++]);
        for (; at + 8 <= bytes.size(); at += 8) {
            absorb(word_at(bytes.data() + at));
            length_ += 8;
        }
        while (at < bytes.size()) feed_byte(bytes[at++]);
    }

    constexpr std::uint64_t digest() const noexcept {
        std::uint64_t h = stirred(state_ ^ pending_ ^ (length_ << 56) ^ length_);
        h = stirred(h);
        return h ^ (h >> 29);
    }

private:
    static constexpr std::uint64_t multiplier = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio, odd

    static constexpr std::uint64_t stirred(std::uint64_t x) noexcept {
        x *= multiplier;
        return x ^ (x >> 32);
    }
    static constexpr std::uint64_t word_at(const char* bytes) noexcept {
        std::uint64_t word = 0;
        for (int k = 0; k < 8; ++k) word |= std::uint64_t{static_cast<unsigned char>(bytes[k])} << (8 * k);
        return word;
    }

    constexpr void absorb(std::uint64_t word) noexcept { state_ = stirred(state_ ^ word) + multiplier; }

    constexpr void feed_byte(char byte) noexcept {
        pending_ |= std::uint64_t{static_cast<unsigned char>(byte)} << (8 * (length_ % 8));
        if (++length_ % 8 == 0) {
            absorb(pending_);
            pending_ = 0;
        }
    }

    std::uint64_t state_ = multiplier;
    std::uint64_t pending_ = 0;
    std::uint64_t length_ = 0;
};

}  // namespace qlroute
