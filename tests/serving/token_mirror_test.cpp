#include <qlroute/serving/token_mirror.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace qlroute;

namespace {

using ids = std::vector<std::int32_t>;

/// Expected cached and evaluated tokens.
std::vector<std::size_t> seen(const token_mirror& mirror, const ids& prompt) {
    const auto [cached, evaluated] = mirror.expect(prompt);
    return {cached, evaluated};
}

ids longer(ids a, const ids& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

using counts = std::vector<std::size_t>;

}  // namespace

TEST_CASE("a server that was never asked evaluates the whole prompt") {
    CHECK(seen(token_mirror(), {1, 2, 3}) == counts{0, 3});
    CHECK(seen(token_mirror(), {}) == counts{0, 0});
}

TEST_CASE("the next turn finds all but the last token of the reply") {
    token_mirror mirror;
    mirror.commit(ids{1, 2, 3}, ids{10, 11, 12});
    CHECK(mirror.size() == 5);
    CHECK(seen(mirror, {1, 2, 3, 10, 11, 12, 4, 5}) == counts{5, 3});
}

TEST_CASE("at least one token is evaluated, though all are cached") {
    token_mirror mirror;
    mirror.commit(ids{1, 2, 3, 4}, ids{9});
    CHECK(seen(mirror, {1, 2, 3, 4}) == counts{3, 1});
    CHECK(seen(mirror, {1, 2, 3}) == counts{2, 1});
}

TEST_CASE("an edited conversation is cached up to where it differs") {
    token_mirror mirror;
    mirror.commit(ids{1, 2, 3}, ids{10, 11});
    CHECK(seen(mirror, {1, 2, 7, 8}) == counts{2, 2});
    CHECK(seen(mirror, {5}) == counts{0, 1});
}

TEST_CASE("coming back costs what this server has not seen, and only that") {
    token_mirror device;
    token_mirror edge;
    const ids first{1, 2, 3, 4};
    const ids by_device{20, 21, 22};
    device.commit(first, by_device);
    const ids second = longer(longer(first, by_device), {5, 6});
    CHECK(seen(edge, second) == counts{0, 9});  // a switch reads everything
    const ids by_edge{30, 31};
    edge.commit(second, by_edge);
    const ids third = longer(longer(second, by_edge), {7});
    CHECK(seen(device, third) == counts{6, 6});  // 22, 5, 6, 30, 31, 7
    CHECK(seen(edge, third) == counts{10, 2});   // 31, 7
}

TEST_CASE("a cache that is cut in steps, or not at all, loses more") {
    const ids held{1, 2, 3, 4, 5, 6, 7, 8, 9};
    token_mirror steps(4);
    steps.commit(held, {});
    CHECK(seen(steps, {1, 2, 3, 4, 5, 6, 70}) == counts{4, 3});
    CHECK(seen(steps, longer(held, {10})) == counts{9, 1});  // nothing is cut
    token_mirror never(0);
    never.commit(held, {});
    CHECK(seen(never, {1, 2, 3, 4, 5, 6, 70}) == counts{0, 7});
    CHECK(seen(never, longer(held, {10})) == counts{9, 1});
}

TEST_CASE("a restarted server holds nothing") {
    token_mirror mirror;
    mirror.commit(ids{1, 2, 3}, ids{4});
    mirror.clear();
    CHECK(mirror.size() == 0);
    CHECK(seen(mirror, {1, 2, 3}) == counts{0, 3});
}
