#include <qlroute/serving/turn.hpp>

#include <doctest/doctest.h>

TEST_CASE("a turn expects an answer of 200 tokens unless told otherwise") {
    using namespace qlroute;
    CHECK(turn{}.expected_output == 200_tok);
    CHECK(turn{.expected_output = 10_tok}.expected_output == 10_tok);
}
