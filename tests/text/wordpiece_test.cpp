#include <qlroute/text/wordpiece.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace qlroute;
using nlohmann::json;

namespace {

using ids = std::vector<std::int32_t>;

const std::string vocab_path = QLROUTE_SOURCE_DIR "/tests/golden/wordpiece_vocab.txt";

/// The words of the examples, where a token's id is its place.
const std::vector<std::string> few = {"[PAD]",  "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un",          "##aff",
                                      "##able", "hello", "cafe",  "!",     ".",      "a",           "##b",
                                      "##bc",   "abcd",  "[",     "]",     "sep",    "\xE4\xB8\xAD"};

wordpiece small(wordpiece_options options = {}) {
    auto words = wordpiece::from_tokens(std::span<const std::string>(few), std::move(options));
    REQUIRE(words);
    return *std::move(words);
}

ids tokens_of(const wordpiece& words, std::string_view text) {
    // exactly as long as it is, so that a sanitizer sees what is read beyond
    const std::vector<char> exact(text.begin(), text.end());
    ids out(text.size());  // no byte becomes more than one id
    out.resize(words.tokenize({exact.data(), exact.size()}, out));
    return out;
}

std::vector<wordpiece> by_every_path(const wordpiece& words) {
    std::vector<wordpiece> out;
    for (const auto path : text_paths()) out.push_back(words.by(path));
    return out;
}

std::string bytes_of(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
}

/// The rules once more, as slowly as they are written in docs/tokenizer.md, for text without added tokens.
class by_the_book {
public:
    explicit by_the_book(const wordpiece& words) : words_(words), options_(words.options()) {
        for (std::size_t id = 0; id < words.size(); ++id)
            ids_[std::string(words.token(static_cast<std::int32_t>(id)))] = static_cast<std::int32_t>(id);
    }

    ids operator()(std::string_view text) const {
        ids out;
        std::u32string word;
        const auto end_word = [&] {
            if (!word.empty()) add(word, out);
            word.clear();
        };
        for (const char32_t c : normalised(text)) {
            const auto kind = unicode::properties_of(c).kind;
            if (kind == unicode::kind::space || kind == unicode::kind::blank_control) {
                end_word();
            } else if (kind == unicode::kind::punctuation) {
                end_word();
                word = c;
                end_word();
            } else {
                word += c;
            }
        }
        end_word();
        return out;
    }

private:
    std::u32string normalised(std::string_view text) const {
        using unicode::kind;
        std::u32string out;
        for (; !text.empty(); text.remove_prefix(unicode::decode(text).length)) {
            char32_t c = unicode::decode(text).code;
            const auto is = unicode::properties_of(c).kind;
            if (options_.clean_text) {
                if (c == 0 || c == 0xFFFD || is == kind::control || is == kind::blank_control) continue;
                if (is == kind::space) c = U' ';
            }
            if (options_.isolate_cjk && unicode::is_cjk(c)) (out += U' ') += c, out += U' ';
            else out += c;
        }
        if (options_.strip_accents.value_or(options_.lowercase)) {
            std::u32string bare;
            std::size_t movable = 0;  // what stands before keeps its place
            for (const char32_t c : out) {
                const auto parts = unicode::without_marks(c);
                if (parts.count == 0 && unicode::properties_of(c).combining == 0) movable = bare.size();
                for (const char32_t part : parts) {
                    bare += part;
                    const auto combining = [](char32_t one) { return unicode::properties_of(one).combining; };
                    if (combining(part) == 0) movable = bare.size();
                    std::stable_sort(bare.begin() + static_cast<std::ptrdiff_t>(movable), bare.end(),
                                     [&](char32_t a, char32_t b) { return combining(a) < combining(b); });
                }
            }
            out = bare;
        }
        if (!options_.lowercase) return out;
        std::u32string lower;
        for (const char32_t c : out)
            for (const char32_t part : unicode::lower(c)) lower += part;
        return lower;
    }

    void add(const std::u32string& word, ids& out) const {
        const std::size_t before = out.size();
        std::size_t begin = 0;
        while (begin < word.size() && word.size() <= options_.longest_word) {
            std::size_t end = word.size();
            for (; end > begin; --end) {
                std::string piece = begin > 0 ? options_.continuation : "";
                for (std::size_t i = begin; i < end; ++i) {
                    char bytes[4];
                    piece.append(bytes, unicode::encode(word[i], bytes));
                }
                if (const auto found = ids_.find(piece); found != ids_.end()) {
                    out.push_back(found->second);
                    break;
                }
            }
            if (end == begin) break;
            begin = end;
        }
        if (begin == word.size()) return;
        out.resize(before);
        out.push_back(*words_.id_of(options_.unknown));
    }

    const wordpiece& words_;
    const wordpiece_options& options_;
    std::map<std::string, std::int32_t> ids_;
};

}  // namespace

TEST_CASE("a word is split into the longest pieces of the vocabulary, from the left") {
    for (const auto& words : by_every_path(small())) {
        CHECK(tokens_of(words, "unaffable") == ids{5, 6, 7});
        CHECK(tokens_of(words, "hello") == ids{8});
        CHECK(tokens_of(words, "abcd") == ids{15});
        CHECK(tokens_of(words, "abc") == ids{12, 14});
        CHECK(tokens_of(words, "abbc") == ids{12, 13, 14});
        CHECK(tokens_of(words, "abcb") == ids{12, 14, 13});
        CHECK(tokens_of(words, "") == ids{});
        CHECK(tokens_of(words, " \t\n") == ids{});
    }
}

TEST_CASE("a word that cannot be split to its end is unknown as a whole") {
    for (const auto& words : by_every_path(small())) {
        CHECK(tokens_of(words, "unaffablez hello") == ids{1, 8});
        CHECK(tokens_of(words, "abcde") == ids{1});
        CHECK(tokens_of(words, "zab") == ids{1});
        CHECK(tokens_of(words, "?") == ids{1});
    }
}

TEST_CASE("case, accents, control characters and white space do not matter") {
    for (const auto& words : by_every_path(small())) {
        CHECK(tokens_of(words, "HELLO Caf\xC3\xA9 cafe\xCC\x81") == ids{8, 9, 9});
        CHECK(tokens_of(words, std::string("he\0llo", 6) + " \x01 hel\xE2\x80\x8Blo") == ids{8, 8});
        CHECK(tokens_of(words,
                        "hello\xC2\xA0"
                        "a\xE3\x80\x80"
                        "a") == ids{8, 12, 12});
        CHECK(tokens_of(words, "hel\xFFlo") == ids{8});  // not UTF-8: dropped, as U+FFFD is
        CHECK(tokens_of(words, "hello!.!") == ids{8, 10, 11, 10});
        CHECK(tokens_of(words,
                        "a\xE4\xB8\xAD"
                        "a") == ids{12, 19, 12});
    }
}

TEST_CASE("a word's length is counted in characters of its normal form") {
    auto tokens = few;
    for (const char* more : {"e", "##e", "x", "##x"}) tokens.emplace_back(more);
    for (const std::size_t longest : {std::size_t{1}, std::size_t{3}, std::size_t{100}, std::size_t{1000}}) {
        wordpiece_options options;
        options.longest_word = longest;
        const auto loaded = wordpiece::from_tokens(std::span<const std::string>(tokens), options);
        REQUIRE(loaded);
        for (const auto& words : by_every_path(*loaded)) {
            std::string accents;
            for (std::size_t i = 0; i < longest; ++i) accents += "\xC3\xA9";
            CHECK(tokens_of(words, accents).size() == longest);
            CHECK(tokens_of(words, accents + "\xCC\x81").size() == longest);  // a mark is none
            CHECK(tokens_of(words, accents + "e") == ids{1});
            CHECK(tokens_of(words, std::string(longest, 'x')).size() == longest);
            CHECK(tokens_of(words, std::string(longest + 1, 'x')) == ids{1});
        }
    }
}

TEST_CASE("ids are those that Hugging Face's tokenizers recorded, by every path") {
    std::ifstream file(QLROUTE_SOURCE_DIR "/tests/golden/wordpiece.jsonl");
    std::size_t calls = 0;
    for (std::string line; std::getline(file, line); ++calls) {
        const json call = json::parse(line);
        wordpiece_options options;
        options.lowercase = call.value("lowercase", true);
        if (call.contains("strip_accents")) options.strip_accents = call["strip_accents"].get<bool>();
        options.clean_text = call.value("clean_text", true);
        options.isolate_cjk = call.value("isolate_cjk", true);
        options.longest_word = call.value("longest_word", std::size_t{100});
        if (!call.value("added", true)) options.added_tokens.emplace();
        static std::map<std::string, std::vector<wordpiece>> loaded;
        json key = call;
        for (const char* other : {"text", "bytes", "pair", "length", "ids", "types", "cut"}) key.erase(other);
        auto& all = loaded[key.dump()];
        if (all.empty()) {
            const auto words = wordpiece::load(vocab_path, options);
            REQUIRE(words);
            all = by_every_path(*words);
        }
        const std::string text =
            call.contains("text") ? call["text"].get<std::string>() : bytes_of(call["bytes"].get<std::string>());
        const std::string pair = call.value("pair", "");
        const ids expected = call["ids"];
        const ids types = call["types"];
        ids room(call.contains("length") ? call["length"].get<std::size_t>() : text.size() + pair.size() + 3);
        for (const auto& words : all) {
            const auto one = call.contains("pair") ? words.encode(text, pair, room) : words.encode(text, room);
            CAPTURE(line);
            REQUIRE(ids(one.ids.begin(), one.ids.end()) == expected);
            REQUIRE(one.first == static_cast<std::size_t>(std::count(types.begin(), types.end(), 0)));
            REQUIRE(one.truncated == call["cut"].get<bool>());
        }
    }
    CHECK(calls > 700);
}

TEST_CASE("random text gives the same ids by every path and by the book") {
    const std::string_view pieces[] = {" ",
                                       " ",
                                       ".",
                                       "the",
                                       "THE",
                                       "water",
                                       "unaffable",
                                       "affix",
                                       "ing",
                                       "x",
                                       "\xC3\xA9",
                                       "e\xCC\x81",
                                       "\xC4\xB0",
                                       "\xE4\xB8\xAD",
                                       "\xED\x95\x9C",
                                       "\xD0\x99",
                                       "\xE3\x80\xAE",
                                       "\xE1\xAD\x84",
                                       "\xF0\x9D\x85\xA5",
                                       "\xE0\xA4\x81",
                                       "\xF0\x9F\x98\x80",
                                       "\xE2\x80\x99",
                                       "\xC2\xA0",
                                       "\xC2\xAD",
                                       "\xEF\xBF\xBD",
                                       "\xFF",
                                       "\xF0\x9F",
                                       std::string_view("\0", 1),
                                       "\x0B",
                                       "\n",
                                       "2024",
                                       "##",
                                       "[SEP]",
                                       "$",
                                       "xxxxxxxxxxxxxxxxxxxx",
                                       "\xC2\x85",
                                       "\xEF\xA4\x80",
                                       "\xE1\xBF\xAF"};
    std::mt19937 random(11);
    for (int choice = 0; choice < 16; ++choice) {
        wordpiece_options options;
        options.lowercase = (choice & 1) != 0;
        options.strip_accents = (choice & 2) != 0;
        options.clean_text = (choice & 4) != 0;
        options.isolate_cjk = (choice & 8) != 0;
        options.added_tokens.emplace();
        const auto words = wordpiece::load(vocab_path, options);
        REQUIRE(words);
        const auto all = by_every_path(*words);
        const by_the_book expected(*words);
        for (int round = 0; round < 200; ++round) {
            std::string text;
            for (auto count = random() % (round % 50 == 0 ? 2000 : 60); count > 0; --count)
                text += pieces[random() % std::size(pieces)];
            const ids right = expected(text);
            for (const auto& one : all) REQUIRE(tokens_of(one, text) == right);
        }
    }
}

TEST_CASE("specials that text spells out are themselves, unless they are not wanted") {
    for (const auto& words : by_every_path(small())) {
        CHECK(tokens_of(words, "a[SEP]a [CLS][MASK]") == ids{12, 3, 12, 2, 4});
        CHECK(tokens_of(words, "[sep] [SEP") == ids{16, 18, 17, 16, 18});
        CHECK(tokens_of(words, "[[SEP]]") == ids{16, 3, 17});
    }
    wordpiece_options untrusting;
    untrusting.added_tokens.emplace();
    for (const auto& words : by_every_path(small(untrusting))) CHECK(tokens_of(words, "[SEP]") == ids{16, 18, 17});
    wordpiece_options some;
    some.added_tokens = {"a", "abcd", "hello"};
    for (const auto& words : by_every_path(small(some))) {
        CHECK(tokens_of(words, "abcda xhello HELLO [SEP]") == ids{15, 12, 1, 8, 8, 16, 18, 17});
        CHECK(tokens_of(words, "ab") == ids{12, 1});
    }
}

TEST_CASE("text that does not fit is cut, and says so") {
    for (const auto& words : by_every_path(small())) {
        ids room(5);
        auto one = words.encode("unaffable", room);
        CHECK(ids(one.ids.begin(), one.ids.end()) == ids{2, 5, 6, 7, 3});
        CHECK(one.first == 5);
        CHECK_FALSE(one.truncated);
        one = words.encode("unaffable hello", room);
        CHECK(ids(one.ids.begin(), one.ids.end()) == ids{2, 5, 6, 7, 3});
        CHECK(one.truncated);
        room.resize(2);
        one = words.encode("a", room);
        CHECK(ids(one.ids.begin(), one.ids.end()) == ids{2, 3});
        CHECK(one.truncated);
        CHECK_FALSE(words.encode(" ", room).truncated);
        room.resize(1);
        CHECK(words.encode("", room).ids.empty());
        CHECK(words.encode("", room).truncated);
        // what a word would have been does not show where it turns out to be unknown
        room.resize(4);
        one = words.encode("unaffablez", room);
        CHECK(ids(one.ids.begin(), one.ids.end()) == ids{2, 1, 3});
        CHECK_FALSE(one.truncated);
    }
}

TEST_CASE("of two texts the longer is cut first") {
    for (const auto& words : by_every_path(small())) {
        const auto encoded = [&](std::string_view a, std::string_view b, std::size_t length) {
            ids room(length);
            const auto one = words.encode(a, b, room);
            ids out(one.ids.begin(), one.ids.end());
            out.push_back(static_cast<std::int32_t>(one.first));
            out.push_back(one.truncated ? 1 : 0);
            return out;
        };
        CHECK(encoded("hello", "a", 5) == ids{2, 8, 3, 12, 3, 3, 0});
        CHECK(encoded("a a a a", "hello", 6) == ids{2, 12, 12, 3, 8, 3, 4, 1});
        CHECK(encoded("hello", "a a a a", 6) == ids{2, 8, 3, 12, 12, 3, 3, 1});
        CHECK(encoded("a a a a", "hello hello hello", 7) == ids{2, 12, 12, 3, 8, 8, 3, 4, 1});
        CHECK(encoded("a a a a", "hello hello hello", 6) == ids{2, 12, 12, 3, 8, 3, 4, 1});
        CHECK(encoded("hello", "a", 3) == ids{2, 3, 3, 2, 1});
        CHECK(encoded("", "", 3) == ids{2, 3, 3, 2, 0});
        CHECK(encoded("", "a", 4) == ids{2, 3, 12, 3, 2, 0});
        CHECK(encoded("hello", "a", 2) == ids{0, 1});
    }
}

TEST_CASE("tokenize() stops where there is no more room") {
    for (const auto& words : by_every_path(small())) {
        ids room(2, -7);
        CHECK(words.tokenize("unaffable", room) == 2);
        CHECK(room == ids{5, 6});
        CHECK(words.tokenize("hello hello hello", std::span(room).first(1)) == 1);
        CHECK(words.tokenize("hello", std::span(room).first(0)) == 0);
        CHECK(room == ids{8, 6});
    }
}

TEST_CASE("a continuation of any spelling, or of none, separates what begins a word from what follows") {
    for (const std::string continuation : {"", "@@", "x"}) {
        wordpiece_options options;
        options.continuation = continuation;
        options.added_tokens.emplace();
        std::vector<std::string> tokens = {
            "[UNK]", "[CLS]", "[SEP]", "ab", "a", continuation + "c", continuation + "cd"};
        const auto loaded = wordpiece::from_tokens(std::span<const std::string>(tokens), options);
        REQUIRE(loaded);
        const by_the_book expected(*loaded);
        for (const auto& words : by_every_path(*loaded))
            for (const char* text : {"abcd", "acc", "abc cd c", "xc", "xcd", "abxc", "@@c", "acdcb"})
                CHECK(tokens_of(words, text) == expected(text));
    }
}

TEST_CASE("tokens are found by id, and ids by token") {
    const wordpiece words = small();
    CHECK(words.size() == few.size());
    for (std::size_t id = 0; id < few.size(); ++id) {
        CHECK(words.token(static_cast<std::int32_t>(id)) == few[id]);
        CHECK(words.id_of(few[id]) == static_cast<std::int32_t>(id));
    }
    CHECK_FALSE(words.id_of("nothing"));
    CHECK_FALSE(words.id_of(""));
}

TEST_CASE("a vocabulary's lines end as lines do, and the last of equals counts") {
    const auto words = wordpiece::from_lines("[UNK]\r\n[CLS]\n[SEP]\na \n\na\nb");
    REQUIRE(words);
    CHECK(words->size() == 7);
    CHECK(words->token(0) == "[UNK]");
    CHECK(words->token(3) == "a");
    CHECK(words->token(4).empty());
    CHECK(words->id_of("a") == 5);
    CHECK(tokens_of(*words, "a b") == ids{5, 6});
}

TEST_CASE("a vocabulary that cannot be used says why") {
    const auto missing = wordpiece::from_lines("[UNK]\n[CLS]\n");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == errc::missing);
    CHECK(missing.error().message ==
          "the vocabulary of 2 tokens has no \"[SEP]\", which stands for the end of text; name the right token in the "
          "options, or take another vocabulary");
    CHECK_FALSE(wordpiece::from_lines(""));
    const auto binary = wordpiece::from_lines("[UNK]\n[CLS]\n[SEP]\n\xFF\xFE\n");
    REQUIRE_FALSE(binary);
    CHECK(binary.error().code == errc::malformed);
    CHECK(binary.error().offset == 18);
    CHECK(binary.error().message == "line 4: \"\xFF\xFE\" is not UTF-8; is this a vocabulary, one token a line?");
    const std::vector<std::string> broken = {"[UNK]", "[CLS]", "[SEP]", "\xC3"};
    CHECK(wordpiece::from_tokens(std::span<const std::string>(broken)).error().code == errc::malformed);
    wordpiece_options options;
    options.longest_word = 1001;
    CHECK(wordpiece::from_tokens(std::span<const std::string>(few), options).error().message ==
          "longest_word is 1001; expected 1 to 1000 characters");
    options.longest_word = 0;
    CHECK(wordpiece::from_tokens(std::span<const std::string>(few), options).error().code == errc::out_of_range);
    options = {};
    options.added_tokens = {"[NONE]"};
    CHECK(wordpiece::from_tokens(std::span<const std::string>(few), options).error().message ==
          "the added token \"[NONE]\" is not in the vocabulary");
    CHECK(wordpiece::load("none/vocab.txt").error().code == errc::missing);
}

TEST_CASE("specials may have other names") {
    wordpiece_options options;
    options.unknown = "<unk>";
    options.classify = "<s>";
    options.separate = "</s>";
    const auto words = wordpiece::from_lines("<s>\n</s>\n<unk>\na\n", options);
    REQUIRE(words);
    ids room(8);
    const auto one = words->encode("a b </s>", room);
    CHECK(ids(one.ids.begin(), one.ids.end()) == ids{0, 3, 2, 1, 1});
}

TEST_CASE("no text makes it allocate") {
    const auto loaded = wordpiece::load(vocab_path);
    REQUIRE(loaded);
    const std::string texts[] = {"What is the sky?", std::string(5000, 'x'),
                                 "caf\xC3\xA9 \xFF\xE4\xB8\xAD [SEP] unaffables", std::string(3000, '.')};
    std::vector<std::int32_t> room(8192);
    for (const auto& words : by_every_path(*loaded)) {
        const std::size_t before = allocations;
        std::size_t total = 0;
        for (const auto& a : texts) {
            total += words.tokenize(a, room);
            total += words.encode(a, room).ids.size();
            for (const auto& b : texts) total += words.encode(a, b, std::span(room).first(64)).ids.size();
        }
        CHECK(allocations == before);
        CHECK(total > 0);
    }
}

TEST_CASE("copies share one vocabulary, outlive it, and serve many threads") {
    std::optional<wordpiece> first = small();
    const std::size_t before = allocations;
    const wordpiece copy = *first;
    CHECK(allocations == before);
    first.reset();
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int k = 0; k < 4; ++k)
        threads.emplace_back([&] {
            std::int32_t room[8];
            for (int round = 0; round < 1000; ++round)
                if (copy.tokenize("unaffable", room) != 3 || room[2] != 7) ++wrong;
        });
    for (auto& one : threads) one.join();
    CHECK(wrong == 0);
}
