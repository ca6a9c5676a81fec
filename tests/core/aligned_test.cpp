#include <qlroute/core/aligned.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <utility>

using namespace qlroute;

TEST_CASE("sizes are rounded up to the next multiple") {
    CHECK(round_up(0, 64) == 0);
    CHECK(round_up(1, 64) == 64);
    CHECK(round_up(64, 64) == 64);
    CHECK(round_up(65, 64) == 128);
    CHECK(round_up(10, 4) == 12);
}

TEST_CASE("aligned bytes begin on a cache line, have the asked size and are zero") {
    for (const std::size_t size : {1u, 63u, 64u, 1000u}) {
        const aligned_bytes memory(size);
        CHECK(memory.size() == size);
        CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % 64 == 0);
        CHECK(std::ranges::all_of(memory.bytes(), [](std::byte b) { return b == std::byte{0}; }));
    }
}

TEST_CASE("no bytes are no memory, and moving keeps the address") {
    CHECK(aligned_bytes().data() == nullptr);
    CHECK(aligned_bytes(0).bytes().empty());
    aligned_bytes memory(100);
    const std::byte* before = memory.data();
    const aligned_bytes moved = std::move(memory);
    CHECK(moved.data() == before);
}
