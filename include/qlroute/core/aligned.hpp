// Memory that begins on a cache line, as vector registers like it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace qlroute {

/// 64 bytes on a 64-byte boundary.
struct alignas(64) cache_line {
    std::byte bytes[64];
};

constexpr std::size_t round_up(std::size_t count, std::size_t multiple) noexcept {
    return (count + multiple - 1) / multiple * multiple;
}

/// So many bytes, zero at first, from a 64-byte boundary on.
class aligned_bytes {
public:
    aligned_bytes() = default;
    explicit aligned_bytes(std::size_t size)
        : lines_(round_up(size, sizeof(cache_line)) / sizeof(cache_line)), size_(size) {}

    std::size_t size() const noexcept { return size_; }
    std::byte* data() noexcept { return lines_.empty() ? nullptr : lines_.data()->bytes; }
    const std::byte* data() const noexcept { return lines_.empty() ? nullptr : lines_.data()->bytes; }
    std::span<std::byte> bytes() noexcept { return {data(), size_}; }
    std::span<const std::byte> bytes() const noexcept { return {data(), size_}; }

private:
    std::vector<cache_line> lines_;
    std::size_t size_ = 0;
};

}  // namespace qlroute
