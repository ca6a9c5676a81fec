#include <qlroute/text/unicode_tables.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>

using namespace qlroute::unicode::detail;

TEST_CASE("every number in a stage is a place in the next") {
    CHECK(record_pieces.size() == 16u * (1u + *std::max_element(record_blocks.begin(), record_blocks.end())));
    CHECK(record_values.size() == 16u * (1u + *std::max_element(record_pieces.begin(), record_pieces.end())));
    CHECK(records.size() == 1u + *std::max_element(record_values.begin(), record_values.end()));
    for (const auto& one : records) CHECK(one.kind <= 5);
}

TEST_CASE("runs are in order, do not overlap, and have their targets") {
    for (std::size_t i = 0; i < case_runs.size(); ++i) {
        CHECK(case_runs[i].first <= case_runs[i].last);
        CHECK((case_runs[i].last - case_runs[i].first) % case_runs[i].step == 0);
        if (i > 0) CHECK(case_runs[i - 1].last < case_runs[i].first);
    }
    for (std::size_t i = 0; i < bare_runs.size(); ++i) {
        CHECK(std::size_t{bare_runs[i].target} + bare_runs[i].count <= bare_targets.size());
        if (i > 0) CHECK(bare_runs[i - 1].first + bare_runs[i - 1].count <= bare_runs[i].first);
    }
    for (const auto target : bare_targets) {
        if (target <= 0x10FFFF) continue;
        const std::size_t at = target - 0x110000;
        REQUIRE(at < bare_sequences.size());
        CHECK(bare_sequences[at] >= 2);
        CHECK(bare_sequences[at] <= 4);
        CHECK(at + bare_sequences[at] < bare_sequences.size());
    }
}
