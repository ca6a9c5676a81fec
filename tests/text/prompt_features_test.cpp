#include <qlroute/text/prompt_features.hpp>

#include <doctest/doctest.h>

#include <support/allocations.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace qlroute;

namespace {

struct found {
    std::vector<std::uint64_t> hashes[8];  // by kind
    std::array<double, prompt_feature_count> features;
    std::size_t words_and_pairs, ngrams;

    double operator[](prompt_feature f) const { return features[static_cast<std::size_t>(f)]; }
    const std::vector<std::uint64_t>& of(prompt_ngram kind) const { return hashes[static_cast<std::size_t>(kind)]; }
};

found read(std::string_view text) {
    found out;
    prompt_reader reader(
        [&](std::uint64_t hash, prompt_ngram kind) { out.hashes[static_cast<std::size_t>(kind)].push_back(hash); });
    reader.read_window(text);
    out.features = reader.features(text.size());
    out.words_and_pairs = reader.words_and_pairs();
    out.ngrams = reader.ngrams();
    return out;
}

std::uint64_t word(std::string_view text) { return read(text).of(prompt_ngram::word).front(); }

using doctest::Approx;
const auto question = "Is it 12?\nA. 12 red\nB. 13 red dogs\nC. x\nAnswer:";

}  // namespace

TEST_CASE("words and pairs are hashed as docs/lexical-difficulty.md says") {
    CHECK(word("a") == 0x02C0BDBF481420F8);
    CHECK(word("hello") == 0x16FE05A1C75BCD0F);
    CHECK(read("a hello").of(prompt_ngram::pair) == std::vector<std::uint64_t>{0x8AAF3B4CCDCAEE4B});
}

TEST_CASE("case does not count, and of a number only how many digits it has, up to six") {
    CHECK(word("Hello") == word("hello"));
    CHECK(word("123") == word("987"));
    CHECK(word("12") != word("123"));
    CHECK(word("1234567") == word("123456"));
}

TEST_CASE("punctuation is a word of its own, white space is none") {
    CHECK(read("a, b\t\n c").of(prompt_ngram::word).size() == 4);
    CHECK(read(" \n\t").ngrams == 0);
    CHECK(read("").ngrams == 0);
}

TEST_CASE("a pair spans white space, but not two pieces") {
    CHECK(read("a\n b").of(prompt_ngram::pair).size() == 1);
    std::size_t pairs = 0;
    prompt_reader reader([&](std::uint64_t, prompt_ngram kind) { pairs += kind == prompt_ngram::pair; });
    reader.read("a");
    reader.read("b");
    CHECK(pairs == 0);
}

TEST_CASE("words of six bytes and more have a prefix of five and a suffix of four") {
    CHECK(read("short").of(prompt_ngram::prefix).empty());
    CHECK(read("arthritis").of(prompt_ngram::prefix) == read("arthroses").of(prompt_ngram::prefix));
    CHECK(read("arthritis").of(prompt_ngram::suffix) == read("bronchitis").of(prompt_ngram::suffix));
    CHECK(read("arthritis").of(prompt_ngram::suffix) != read("arthritic").of(prompt_ngram::suffix));
    CHECK(read("123456").of(prompt_ngram::prefix).empty());
    // A prefix is not mistaken for a word of these letters.
    CHECK(read("arthritis").of(prompt_ngram::prefix).front() != word("arthr"));
}

TEST_CASE("the first three and the last three words before the options are known by their place") {
    const auto text = read("which of these is it");
    CHECK(text.of(prompt_ngram::stem_start).size() == 3);
    CHECK(text.of(prompt_ngram::stem_end).size() == 3);
    CHECK(text.of(prompt_ngram::stem_start) == read("Which of these was that").of(prompt_ngram::stem_start));
    CHECK(text.of(prompt_ngram::stem_end) == read("so these is it\nA. no").of(prompt_ngram::stem_end));
    CHECK(text.of(prompt_ngram::stem_end)[0] == read("it").of(prompt_ngram::stem_end)[0]);
    CHECK(read("one").of(prompt_ngram::stem_end).size() == 1);
}

TEST_CASE("words of options are known as such, without the letters before them and what follows the last") {
    const auto text = read(question);
    CHECK(text.of(prompt_ngram::option_word).size() == 6);  // 12 red, 13 red dogs, x
    CHECK(text.of(prompt_ngram::option_start).size() == 3);
    CHECK(text.of(prompt_ngram::option_start)[0] == text.of(prompt_ngram::option_start)[1]);  // 12 and 13
    CHECK(text.ngrams == text.words_and_pairs + 6 + 3 + text.of(prompt_ngram::stem_start).size() +
                             text.of(prompt_ngram::stem_end).size() + text.of(prompt_ngram::prefix).size() * 2);
}

TEST_CASE("layout features are counts, shares and logarithms, by hand") {
    const auto text = read(question);
    using enum prompt_feature;
    CHECK(text[log_bytes] == Approx(std::log(1.0 + 47)));
    CHECK(text[has_options] == 1);
    CHECK(text[log_option_lines] == Approx(std::log(4.0)));
    CHECK(text[has_question] == 1);
    CHECK(text[log_newlines] == Approx(std::log(5.0)));
    CHECK(text[log_stem_bytes] == Approx(std::log(10.0)));  // "Is it 12?"
    CHECK(text[stem_digit_share] == Approx(2.0 / 9));
    CHECK(text[log_mean_option_bytes] == Approx(std::log(1 + 18.0 / 3)));  // 6, 11 and 1
    CHECK(text[log_longest_option_bytes] == Approx(std::log(12.0)));
    CHECK(text[log_shortest_option_bytes] == Approx(std::log(2.0)));
    CHECK(text[option_spread] == Approx(std::sqrt((36.0 + 121 + 1) / 3 - 36) / 6));
    CHECK(text[option_digit_share] == Approx(4.0 / 18));
    CHECK(text[largest_option_overlap] == Approx(1.0 / 4));  // red, of 12 red 13 dogs
    CHECK(text[mean_option_overlap] == Approx(1.0 / 12));
    CHECK(text[log_numbers] == Approx(std::log(4.0)));
    CHECK(text[log_questions] == Approx(std::log(2.0)));
    CHECK(text[stem_ends_asking] == 1);
    CHECK(text[stem_ends_with_colon] == 0);
}

TEST_CASE("signs are counted one by one") {
    const auto text = read("a_b, \"c\" = $4 ($5). It is so: ");
    using enum prompt_feature;
    CHECK(text[log_blanks] == Approx(std::log(2.0)));
    CHECK(text[log_commas] == Approx(std::log(2.0)));
    CHECK(text[log_quotes] == Approx(std::log(3.0)));
    CHECK(text[log_equals] == Approx(std::log(2.0)));
    CHECK(text[log_dollars] == Approx(std::log(3.0)));
    CHECK(text[log_parentheses] == Approx(std::log(2.0)));
    CHECK(text[log_full_stops] == Approx(std::log(2.0)));
    CHECK(text[stem_ends_with_colon] == 1);
    CHECK(text[log_mean_option_bytes] == 0);
}

TEST_CASE("repeated words count once in the share of distinct words, and long ones have nine bytes") {
    const auto text = read("no no no mitochondria");
    CHECK(text[prompt_feature::distinct_word_share] == Approx(0.5));
    CHECK(text[prompt_feature::long_word_share] == Approx(0.25));
}

TEST_CASE("of a text beyond the window the first and the last half are read") {
    const std::string filler(6000, 'x');
    const auto text = read("first " + filler + " last");
    CHECK(text.of(prompt_ngram::word).front() == word("first"));
    CHECK(text.of(prompt_ngram::word).back() == word("last"));
    CHECK(text[prompt_feature::log_bytes] == Approx(std::log(1.0 + 6011)));
}

TEST_CASE("every feature of the empty text is 0") {
    for (const double x : read("").features) CHECK(x == 0);
}

TEST_CASE("reading allocates nothing") {
    std::uint64_t sum = 0;
    const std::string text(10000, 'y');
    const std::size_t before = allocations;
    prompt_reader reader([&](std::uint64_t hash, prompt_ngram) { sum += hash; });
    reader.read_window(text);
    sum += reader.features(text.size())[0] > 0;
    CHECK(allocations == before);
    CHECK(sum != 0);
}
