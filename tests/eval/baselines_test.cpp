#include <qlroute/eval/baselines.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace qlroute;

namespace {

using row = std::vector<eval::sparse_value>;
using texts = std::vector<std::string_view>;
using numbers = std::vector<double>;

doctest::Approx approx(double x) { return doctest::Approx(x).epsilon(1e-12); }

eval::sparse_rows rows_of(std::initializer_list<row> all) {
    eval::sparse_rows rows;
    for (const row& each : all) rows.push_back(each);
    return rows;
}

/// The value of a term, 0 where it is not in the text or not in the vocabulary.
double value_of(const eval::tfidf& words, const std::string& term, std::string_view text) {
    const auto column = words.column_of(term);
    if (!column) return 0;
    for (const auto& each : words(text))
        if (each.column == *column) return each.value;
    return 0;
}

double length_of(const row& values) {
    double square = 0;
    for (const auto& each : values) square += each.value * each.value;
    return std::sqrt(square);
}

/// d loss / d weights, and at the end d loss / d intercept.
numbers gradient_of(const eval::logistic& model, const eval::sparse_rows& rows, const numbers& labels, double c) {
    numbers gradient(model.weights().begin(), model.weights().end());
    gradient.push_back(0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const double off = model(rows[i]) - labels[i];
        for (const auto& each : rows[i]) gradient[each.column] += c * off * each.value;
        gradient.back() += c * off;
    }
    return gradient;
}

/// Numbers between 0 and 1 that look random.
struct noise {
    std::uint32_t state = 1;
    double operator()() {
        state = state * 1'664'525 + 1'013'904'223;
        return static_cast<double>(state >> 8) / (1 << 24);
    }
};

}  // namespace

// --- rows ----------------------------------------------------------------------------------------

TEST_CASE("sparse rows come back as they were put in") {
    const auto rows = rows_of({{{2, 0.5}, {0, 1}}, {}, {{6, -1}}});
    REQUIRE(rows.size() == 3);
    CHECK(rows.columns() == 7);
    REQUIRE(rows[0].size() == 2);
    CHECK(rows[0][0].column == 2);
    CHECK(rows[0][0].value == 0.5);
    CHECK(rows[1].empty());
    CHECK(rows[2][0].value == -1);
    CHECK(eval::sparse_rows().size() == 0);
    CHECK(eval::sparse_rows().columns() == 0);
}

// --- tfidf ---------------------------------------------------------------------------------------

TEST_CASE("the vocabulary is the words and pairs that two texts have") {
    const auto words = eval::tfidf::fit(texts{"the cat sat", "the cat ran", "dog dog dog"});
    CHECK(words.columns() == 3);
    CHECK(words.column_of("the") == 0u);  // by first appearance
    CHECK(words.column_of("cat") == 1u);
    CHECK(words.column_of("the cat") == 2u);
    CHECK_FALSE(words.column_of("sat"));
    CHECK_FALSE(words.column_of("dog"));  // three times, but in one text
    CHECK_FALSE(words.column_of("cat the"));
}

TEST_CASE("a word is two or more letters, digits, underscores or bytes outside ASCII, in lower case") {
    const std::string_view text = "I x86_64! NA\xC3\x8FVE, (7) don't 42";
    const auto words = eval::tfidf::fit(texts{text, text});
    for (const char* word : {"x86_64", "na\xC3\x8Fve", "don", "42"}) {
        CAPTURE(word);
        CHECK(words.column_of(word));
    }
    // what is too short does not separate a pair, nor does punctuation
    for (const char* pair : {"x86_64 na\xC3\x8Fve", "na\xC3\x8Fve don", "don 42"}) {
        CAPTURE(pair);
        CHECK(words.column_of(pair));
    }
    CHECK(words.columns() == 7);
    CHECK(words("X86_64").size() == 1);
}

TEST_CASE("idf is ln((1 + n) / (1 + df)) + 1") {
    const auto words = eval::tfidf::fit(texts{"aa bb", "aa bb", "aa cc"});
    REQUIRE(words.columns() == 3);
    CHECK(words.idf(words.column_of("aa").value()) == 1);
    CHECK(words.idf(words.column_of("bb").value()) == approx(std::log(4.0 / 3) + 1));
    CHECK(words.idf(words.column_of("aa bb").value()) == approx(std::log(4.0 / 3) + 1));
}

TEST_CASE("the value of a term is (1 + ln tf) idf, over the length of the row") {
    const auto words = eval::tfidf::fit(texts{"aa bb", "aa bb", "aa cc"});
    const double rare = std::log(4.0 / 3) + 1;
    CHECK(value_of(words, "aa", "aa bb") == approx(1 / std::sqrt(1 + 2 * rare * rare)));
    CHECK(value_of(words, "bb", "aa bb") == approx(rare / std::sqrt(1 + 2 * rare * rare)));
    CHECK(value_of(words, "aa bb", "aa bb") == approx(rare / std::sqrt(1 + 2 * rare * rare)));
    // bb three times, aa once, and never aa before bb
    const double thrice = (1 + std::log(3)) * rare;
    CHECK(value_of(words, "bb", "bb bb bb aa") == approx(thrice / std::sqrt(1 + thrice * thrice)));
    CHECK(value_of(words, "aa", "bb bb bb aa") == approx(1 / std::sqrt(1 + thrice * thrice)));
    CHECK(value_of(words, "aa bb", "bb bb bb aa") == 0);
}

TEST_CASE("a row is of length 1, or empty where no term is known") {
    const auto words = eval::tfidf::fit(texts{"one two three", "three two one", "two three one one"});
    CHECK(length_of(words("one two three three")) == approx(1));
    CHECK(length_of(words("ONE of none")) == approx(1));
    CHECK(words("something else").empty());
    CHECK(words("").empty());
}

TEST_CASE("the rows of many texts are those of each") {
    const texts all{"aa bb", "cc", "bb aa bb", "aa bb"};
    const auto words = eval::tfidf::fit(all);
    const auto rows = words.rows(all);
    REQUIRE(rows.size() == all.size());
    CHECK(rows[1].empty());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const row one = words(all[i]);
        REQUIRE(rows[i].size() == one.size());
        for (std::size_t k = 0; k < one.size(); ++k) {
            CHECK(rows[i][k].column == one[k].column);
            CHECK(rows[i][k].value == one[k].value);
        }
    }
}

TEST_CASE("without texts there are no terms") {
    const auto words = eval::tfidf::fit(texts{});
    CHECK(words.columns() == 0);
    CHECK(words("one two").empty());
}

// --- logistic ------------------------------------------------------------------------------------

TEST_CASE("two points either side of zero: the weight that can be done by hand") {
    // By symmetry b = 0, and w = 2 c (1 - p) with p = 1 / (1 + exp(-w)): p = 3/4 and w = ln 3 at c = 2 ln 3.
    const auto rows = rows_of({{{0, 1}}, {{0, -1}}});
    const auto model = eval::logistic::fit(rows, numbers{1, 0}, 2 * std::log(3));
    CHECK(model.weights()[0] == doctest::Approx(std::log(3)).epsilon(1e-7));
    CHECK(std::abs(model.intercept()) < 1e-7);
    CHECK(model(rows[0]) == doctest::Approx(0.75).epsilon(1e-7));
    CHECK(model(rows[1]) == doctest::Approx(0.25).epsilon(1e-7));
}

TEST_CASE("labels between 0 and 1 are probabilities to be met") {
    // w = 2 c (3/4 - p): p = 2/3 and w = ln 2 at c = 6 ln 2
    const auto rows = rows_of({{{0, 1}}, {{0, -1}}});
    const auto model = eval::logistic::fit(rows, numbers{0.75, 0.25}, 6 * std::log(2));
    CHECK(model.weights()[0] == doctest::Approx(std::log(2)).epsilon(1e-7));
    CHECK(model(rows[0]) == doctest::Approx(2.0 / 3).epsilon(1e-7));
}

TEST_CASE("the intercept has no penalty: rows without values get the mean label") {
    const auto model = eval::logistic::fit(rows_of({{}, {}, {}, {}}), numbers{1, 1, 1, 0});
    CHECK(model(row{}) == approx(0.75));
    CHECK(model.intercept() == approx(std::log(3)));
}

TEST_CASE("at the optimum the gradient of the penalised loss is zero") {
    noise random;
    eval::sparse_rows rows;
    numbers labels;
    for (int i = 0; i < 60; ++i) {
        row one;
        for (std::uint32_t column = 0; column < 40; ++column)
            if (random() < 0.15) one.push_back({column, 2 * random() - 0.8});
        rows.push_back(one);
        labels.push_back(i % 3 == 0 ? random() : (random() < 0.7 ? 1 : 0));
    }
    for (const double c : {0.01, 1.0, 100.0}) {
        CAPTURE(c);
        const auto model = eval::logistic::fit(rows, labels, c);
        for (const double each : gradient_of(model, rows, labels, c)) CHECK(std::abs(each) <= 1e-8 * std::fmax(1, c));
    }
}

TEST_CASE("a penalty that is nearly nothing lets the probabilities go where the labels are") {
    const auto rows = rows_of({{{0, 1}}, {{0, 1}, {1, 1}}, {{1, 2}}});
    const auto model = eval::logistic::fit(rows, numbers{1, 0, 0}, 1e6);
    CHECK(model(rows[0]) > 0.999);
    CHECK(model(rows[1]) < 0.001);
    CHECK(model(rows[2]) < 0.001);
}

TEST_CASE("of labels that are all the same the probability is that label, without rows it is one half") {
    const auto rows = rows_of({{{0, 1}}, {{1, 1}}});
    CHECK(eval::logistic::fit(rows, numbers{1, 1})(rows[0]) == 1);
    CHECK(eval::logistic::fit(rows, numbers{0, 0})(rows[0]) == 0);
    CHECK(eval::logistic::fit(eval::sparse_rows(), numbers{})(rows[0]) == 0.5);
}

TEST_CASE("logistic regression passes over columns that it was not fitted on") {
    const auto model = eval::logistic::fit(rows_of({{{0, 1}}, {{0, -1}}}), numbers{1, 0});
    CHECK(model(row{{0, 1}, {9, 5}}) == model(row{{0, 1}}));
}

TEST_CASE("logistic regression on words tells sums from poems") {
    const texts prompts{"what is the sum of two numbers", "write a poem of the sea", "the sum of three numbers please",
                        "a poem on the moon please",      "give me the sum",         "write me a poem"};
    const auto words = eval::tfidf::fit(prompts);
    const auto model = eval::logistic::fit(words.rows(prompts), numbers{1, 0, 1, 0, 1, 0});
    CHECK(model(words("the sum of nine numbers")) > 0.6);
    CHECK(model(words("write a poem")) < 0.4);
}

// --- nearest -------------------------------------------------------------------------------------

TEST_CASE("the nearest rows' labels are weighed by the squares of their cosines") {
    const auto rows = rows_of({{{0, 1}}, {{0, 0.6}, {1, 0.8}}, {{1, 1}}});
    const numbers labels{1, 0, 0.5};
    const row query{{0, 1}};  // cosines 1, 0.6, 0
    CHECK(eval::nearest::fit(rows, labels, 1)(query) == 1);
    CHECK(eval::nearest::fit(rows, labels, 2)(query) == approx(1 / 1.36));
    CHECK(eval::nearest::fit(rows, labels)(query) == approx(1 / 1.36));  // the third row is not similar
    // cosines 0.6, 1, 0.8
    CHECK(eval::nearest::fit(rows, labels)(rows[1]) == approx((0.36 + 0.64 * 0.5) / 2));
    CHECK(eval::nearest::fit(rows, labels, 2)(rows[1]) == approx(0.64 * 0.5 / 1.64));
}

TEST_CASE("the length of a row does not matter to its neighbours") {
    const auto rows = rows_of({{{0, 3}}, {{0, 6}, {1, 8}}, {{1, 0.1}}});
    const numbers labels{1, 0, 0.5};
    CHECK(eval::nearest::fit(rows, labels)(row{{0, 7}}) == approx(1 / 1.36));
}

TEST_CASE("of rows that are equally near the first ones count") {
    const auto rows = rows_of({{{1, 1}}, {{0, 1}}, {{0, 1}}, {{0, 1}}});
    CHECK(eval::nearest::fit(rows, numbers{0, 1, 0.5, 0}, 2)(row{{0, 1}}) == 0.75);
}

TEST_CASE("where nothing is similar, the answer is the mean of all labels") {
    const auto rows = rows_of({{{0, 1}}, {{0, 1}, {1, 1}}, {}, {{1, -1}}});
    const auto model = eval::nearest::fit(rows, numbers{1, 0, 1, 1});
    CHECK(model(row{}) == 0.75);
    CHECK(model(row{{7, 1}}) == 0.75);
    CHECK(model(row{{0, -1}}) == 0.75);  // opposite is not similar
    CHECK(eval::nearest::fit(eval::sparse_rows(), numbers{})(row{{0, 1}}) == 0.5);
}
