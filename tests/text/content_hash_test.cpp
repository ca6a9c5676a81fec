#include <qlroute/text/content_hash.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace qlroute;

namespace {

std::uint64_t digest_of(std::string_view text) {
    content_hash h;
    h.feed(text);
    return h.digest();
}

}  // namespace

TEST_CASE("a digest does not depend on how the text was cut into pieces") {
    const std::string text = "The quick brown fox jumps over the lazy dog, twice.";
    const auto whole = digest_of(text);
    for (std::size_t a = 0; a <= text.size(); ++a)
        for (std::size_t b = a; b <= text.size(); ++b) {
            content_hash h;
            h.feed(std::string_view(text).substr(0, a));
            h.feed(std::string_view(text).substr(a, b - a));
            h.feed(std::string_view(text).substr(b));
            REQUIRE(h.digest() == whole);
        }
}

TEST_CASE("texts that differ in one bit, in length, or in trailing zeros have different digests") {
    std::set<std::uint64_t> seen;
    std::size_t texts = 0;
    std::string text(40, 'a');
    for (std::size_t bit = 0; bit < 8 * text.size(); ++bit, ++texts) {
        std::string other = text;
        other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
        seen.insert(digest_of(other));
    }
    for (std::size_t length = 0; length < 64; ++length, ++texts) seen.insert(digest_of(std::string(length, '\0')));
    for (std::size_t length = 1; length < 64; ++length, ++texts) seen.insert(digest_of(std::string(length, 'b')));
    CHECK(seen.size() == texts);
}

TEST_CASE("a copy is a bookmark from which hashing can go on") {
    content_hash h;
    h.feed("one two three ");
    content_hash bookmark = h;
    h.feed("four");
    bookmark.feed("four");
    CHECK(h.digest() == bookmark.digest());
    CHECK(h.digest() == digest_of("one two three four"));
}

TEST_CASE("digests are the same on every machine") {
    CHECK(digest_of("") == 3831673239302882861u);
    CHECK(digest_of("qlroute") == 12207972279352893110u);
}
