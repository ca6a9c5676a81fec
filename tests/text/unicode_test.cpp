#include <qlroute/text/unicode.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace qlroute;

namespace {

std::u32string decoded(std::string_view text) {
    std::u32string out;
    while (!text.empty()) {
        const auto [code, length] = unicode::decode(text);
        out += code;
        text.remove_prefix(length);
    }
    return out;
}

std::u32string text_of(const unicode::characters& some) { return {some.begin(), some.end()}; }

unicode::kind kind_of(char32_t code) { return unicode::properties_of(code).kind; }

}  // namespace

TEST_CASE("every code point survives being written and read") {
    bool all_fine = true;
    for (char32_t code = 0; code <= unicode::last_character; ++code) {
        if (code >= 0xD800 && code < 0xE000) continue;
        char bytes[4];
        const std::size_t length = unicode::encode(code, bytes);
        const auto again = unicode::decode({bytes, length});
        all_fine = all_fine && again.code == code && again.length == length;
    }
    CHECK(all_fine);
}

TEST_CASE("what is not UTF-8 becomes one U+FFFD for each maximal subpart") {
    // table 3-8 of the Unicode standard, section 3.9
    CHECK(decoded("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64") ==
          U"a\xFFFD\xFFFD\xFFFD"
          U"b\xFFFD"
          U"c\xFFFD\xFFFD"
          U"d");
    CHECK(decoded("\xC0\x80") == U"\xFFFD\xFFFD");                      // overlong
    CHECK(decoded("\xED\xA0\x80") == U"\xFFFD\xFFFD\xFFFD");            // a surrogate
    CHECK(decoded("\xF4\x90\x80\x80") == U"\xFFFD\xFFFD\xFFFD\xFFFD");  // beyond the last
    CHECK(decoded("\xF0\x9F\x98") == U"\xFFFD");                        // cut off
    CHECK(decoded("\xF0\x9F\x98\xF0\x9F\x98\x80") == U"\xFFFD\x1F600");
    CHECK(decoded("\xEF\xBF\xBD") == U"\xFFFD");  // spelt out
    CHECK(decoded("\xFF") == U"\xFFFD");
}

TEST_CASE("valid is what needs no U+FFFD of ours") {
    CHECK(unicode::is_valid(""));
    CHECK(unicode::is_valid("caf\xC3\xA9 \xF0\x9F\x98\x80 \xEF\xBF\xBD"));
    CHECK_FALSE(unicode::is_valid("\xC3"));
    CHECK_FALSE(unicode::is_valid("a\x80"));
    CHECK_FALSE(unicode::is_valid("\xED\xA0\x80"));
}

TEST_CASE("kinds are those of BERT") {
    using unicode::kind;
    CHECK(kind_of(U'a') == kind::word);
    CHECK(kind_of(U'7') == kind::word);
    for (const char c : std::string_view("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"))
        CHECK(kind_of(static_cast<unsigned char>(c)) == kind::punctuation);
    for (const char32_t c : U" \t\n\r\x00A0\x2003\x2028\x3000")
        if (c != 0) CHECK(kind_of(c) == kind::space);
    for (const char32_t c : {U'\x1', U'\x7F', U'\xAD', U'\x200B', U'\xFEFF', U'\xE000', U'\xF0000', U'\x10FFFD'})
        CHECK(kind_of(c) == kind::control);
    for (const char32_t c : {U'\x0B', U'\x0C', U'\x85'}) CHECK(kind_of(c) == kind::blank_control);
    for (const char32_t c : {U'\x301', U'\x94D', U'\xE0100'}) CHECK(kind_of(c) == kind::mark);
    for (const char32_t c : {U'\x2014', U'\x3002', U'\x201C', U'\x61F'}) CHECK(kind_of(c) == kind::punctuation);
    // symbols beyond ASCII, and what does not exist, are letters
    for (const char32_t c : {U'\x20AC', U'\xB0', U'\x1F600', U'\x378', U'\xFFFE', U'\x40000', U'\x10FFFF'})
        CHECK(kind_of(c) == kind::word);
}

TEST_CASE("categories are as old as the reference's") {
    using unicode::kind;
    CHECK(kind_of(0x2E43) == kind::word);                     // a dash of Unicode 9
    CHECK(kind_of(0x166D) == kind::punctuation);              // a symbol since 12
    CHECK(kind_of(0x1DFA) == kind::word);                     // a mark of 14
    CHECK(kind_of(0x1734) == kind::mark);                     // spacing since 14
    CHECK(unicode::properties_of(0x1E000).combining == 230);  // of Unicode 9: in order, but no mark
}

TEST_CASE("lower case needs no neighbours, and knows the newest letters") {
    CHECK(text_of(unicode::lower(U'A')) == U"a");
    CHECK(text_of(unicode::lower(U'a')) == U"a");
    CHECK(text_of(unicode::lower(U'[')) == U"[");
    CHECK(text_of(unicode::lower(U'\xC9')) == U"\xE9");
    CHECK(text_of(unicode::lower(U'\xD7')) == U"\xD7");
    CHECK(text_of(unicode::lower(0x101)) == U"\x101");  // every second one is upper
    CHECK(text_of(unicode::lower(0x100)) == U"\x101");
    CHECK(text_of(unicode::lower(0x3A3)) == U"\x3C3");  // no final sigma
    CHECK(text_of(unicode::lower(0x130)) == U"i\x307");
    CHECK(text_of(unicode::lower(0x1E9E)) == U"\xDF");
    CHECK(text_of(unicode::lower(0x10400)) == U"\x10428");
    CHECK(text_of(unicode::lower(0x1C89)) == U"\x1C8A");    // of Unicode 16
    CHECK(text_of(unicode::lower(0x16EA0)) == U"\x16EBB");  // of Unicode 17
}

TEST_CASE("accents go, and with them everything that is a nonspacing mark") {
    CHECK(text_of(unicode::without_marks(U'e')) == U"e");
    CHECK(text_of(unicode::without_marks(0xE9)) == U"e");
    CHECK(text_of(unicode::without_marks(0x1E69)) == U"s");  // two of them
    CHECK(text_of(unicode::without_marks(0x301)).empty());
    CHECK(text_of(unicode::without_marks(0x344)).empty());      // is two marks
    CHECK(text_of(unicode::without_marks(0x142)) == U"\x142");  // a stroke is no mark
    CHECK(text_of(unicode::without_marks(0x37E)) == U";");
    CHECK(text_of(unicode::without_marks(0x212B)) == U"A");
    CHECK(text_of(unicode::without_marks(0x30AC)) == U"\x30AB");
    CHECK(text_of(unicode::without_marks(0xD55C)) == U"\x1112\x1161\x11AB");
    CHECK(text_of(unicode::without_marks(0xAC00)) == U"\x1100\x1161");
    CHECK(text_of(unicode::without_marks(0xD7A4)) == U"\xD7A4");  // behind the last syllable
    CHECK(text_of(unicode::without_marks(0xF900)) == U"\x8C48");
    CHECK(text_of(unicode::without_marks(0x1D15F)) == U"\x1D158\x1D165");
    CHECK(text_of(unicode::without_marks(0x11938)) == U"\x11938");  // decomposes since Unicode 13
}

TEST_CASE("Chinese characters are those of the blocks that BERT lists") {
    for (const char32_t c : {U'\x4E00', U'\x9FFF', U'\x3400', U'\xF900', U'\x20000', U'\x2B920', U'\x2FA1F'})
        CHECK(unicode::is_cjk(c));
    for (const char32_t c : {U'a', U'\x3042', U'\xAC00', U'\x33FF', U'\xA000', U'\x2B820', U'\x2B91F', U'\x30000'})
        CHECK_FALSE(unicode::is_cjk(c));
}

TEST_CASE("all of it can be computed by the compiler") {
    static_assert(unicode::decode("\xC3\xA9").code == 0xE9);
    static_assert(unicode::properties_of(U'.').kind == unicode::kind::punctuation);
    static_assert(unicode::lower(0xC9).at[0] == 0xE9);
    static_assert(unicode::without_marks(0xC9).at[0] == U'E');
    static_assert(unicode::is_valid("caf\xC3\xA9"));
}
