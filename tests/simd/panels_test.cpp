#include <qlroute/simd/panels.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <numeric>
#include <vector>

using namespace qlroute::simd;

namespace {

/// value(column, k), different for neighbours
std::int8_t value(std::size_t column, std::size_t k) {
    return static_cast<std::int8_t>((column * 37 + k * 5) % 251 - 125);
}

}  // namespace

TEST_CASE("four of the depth are neighbours, then sixteen columns, then the depth, then panels") {
    CHECK(panel_index(0, 3, 128) == 3);
    CHECK(panel_index(1, 0, 128) == 4);
    CHECK(panel_index(0, 4, 128) == 64);
    CHECK(panel_index(16, 0, 128) == 16 * 128);
    CHECK(panel_index(17, 6, 8) == 16 * 8 + 64 + 4 + 2);
}

TEST_CASE("packing a matrix, its columns one by one, or its depth by fours gives the same panels") {
    constexpr std::size_t columns = 48, depth = 20;
    std::vector<std::int8_t> matrix(columns * depth);
    for (std::size_t column = 0; column < columns; ++column)
        for (std::size_t k = 0; k < depth; ++k) matrix[column * depth + k] = value(column, k);

    std::vector<std::int8_t> whole(matrix.size()), by_column(matrix.size()), by_depth(matrix.size());
    pack_panels(matrix.data(), columns, depth, whole.data());
    for (std::size_t column = 0; column < columns; ++column)
        pack_column(reinterpret_cast<const std::uint8_t*>(matrix.data()) + column * depth, column, depth,
                    by_column.data());
    for (std::size_t column = 0; column < columns; column += 16)
        for (std::size_t k = 0; k < depth; k += 4) {
            std::uint8_t rows[4][16];
            for (std::size_t i = 0; i < 4; ++i)
                for (std::size_t j = 0; j < 16; ++j) rows[i][j] = static_cast<std::uint8_t>(value(column + j, k + i));
            pack_depth({rows[0], rows[1], rows[2], rows[3]}, by_depth.data() + panel_index(column, k, depth));
        }
    CHECK(whole == by_column);
    CHECK(whole == by_depth);
    CHECK(whole[panel_index(33, 17, depth)] == value(33, 17));
}
