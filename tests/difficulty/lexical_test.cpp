#include <qlroute/difficulty/lexical.hpp>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/allocations.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace qlroute;
using json = nlohmann::ordered_json;

namespace {

using logits = std::array<double, lexical_difficulty::heads>;

static_assert(difficulty_predictor<lexical_difficulty>);
static_assert(std::is_nothrow_copy_constructible_v<lexical_difficulty>);
static_assert(!std::is_default_constructible_v<lexical_difficulty>);
static_assert(lexical_difficulty::heads == 4 && lexical_difficulty::buckets == 32'768);

const std::string stored_path = QLROUTE_SOURCE_DIR "/models/lexical.safetensors";

lexical_difficulty stored() {
    auto predictor = lexical_difficulty::load(stored_path);
    REQUIRE(predictor);
    return *std::move(predictor);
}

std::string content_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::span<const std::byte> bytes_of(const std::string& content) { return std::as_bytes(std::span(content)); }

/// A file of lexical weights, taken apart: what a test changes is all that is wrong with it.
struct weights_file {
    json header;
    std::string data;

    explicit weights_file(const std::string& content = content_of(stored_path)) {
        std::uint64_t length = 0;
        std::memcpy(&length, content.data(), sizeof(length));
        header = json::parse(content.substr(8, length));
        data = content.substr(8 + length);
    }

    /// All weights, scales and biases 0.
    static weights_file zeros() {
        weights_file file;
        std::fill(file.data.begin(), file.data.end(), '\0');
        return file;
    }

    template <class T>
    void set(const std::string& tensor, std::size_t index, T value) {
        const auto begin = header[tensor]["data_offsets"][0].get<std::size_t>();
        std::memcpy(data.data() + begin + index * sizeof(T), &value, sizeof(T));
    }

    void rename(const std::string& from, const std::string& to) {
        header[to] = header[from];
        header.erase(from);
    }

    std::string content() const {
        std::string text = header.dump();
        text.resize((text.size() + 7) / 8 * 8, ' ');
        const std::uint64_t length = text.size();
        std::string all(sizeof(length), '\0');
        std::memcpy(all.data(), &length, sizeof(length));
        return all + text + data;
    }
};

/// A file of that content, removed at the end of the test.
class temporary_file {
public:
    explicit temporary_file(const std::string& content)
        : path_((std::filesystem::temp_directory_path() /
                 ("qlroute_lexical_" + std::to_string(std::random_device{}()) + ".safetensors"))
                    .string()) {
        std::ofstream(path_, std::ios::binary) << content;
    }
    ~temporary_file() { std::filesystem::remove(path_); }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;

    const std::string& path() const { return path_; }

private:
    std::string path_;
};

/// A prediction from a file in memory, which must be right.
logits logits_of(const std::string& content, std::string_view text) {
    auto predictor = lexical_difficulty::view(bytes_of(content));
    REQUIRE(predictor);
    return predictor->of(text).logits;
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

endpoint of_ability(double ability) { return {.name = "somewhere", .ability = ability}; }

std::string words(std::size_t bytes) {
    std::string text;
    for (std::size_t k = 0; text.size() < bytes; ++k) text += "word" + std::to_string(k) + (k % 10 == 9 ? ".\n" : " ");
    text.resize(bytes);
    return text;
}

}  // namespace

// --- what a text is worth ------------------------------------------------------------------------

TEST_CASE("the logits of every golden prompt are those of the reference") {
    const lexical_difficulty predictor = stored();
    std::ifstream golden(QLROUTE_SOURCE_DIR "/tests/golden/lexical.jsonl");
    std::size_t prompts = 0;
    for (std::string line; std::getline(golden, line); ++prompts) {
        const auto one = json::parse(line);
        const auto text = one["text"].get<std::string>();
        CAPTURE(text);
        const logits got = predictor.of(text).logits;
        REQUIRE(one["logits"].size() == got.size());
        for (std::size_t head = 0; head < got.size(); ++head) {
            CAPTURE(head);
            CHECK(std::abs(got[head] - one["logits"][head].get<double>()) <= 1e-5);
        }
    }
    CHECK(prompts == 60);
}

TEST_CASE("words and pairs fall into the buckets of the definition, and are divided by the root of their number") {
    auto file = weights_file::zeros();
    file.set<float>("ngram_scale", 2, 0.5f);
    file.set<std::int8_t>("ngram_weights", 4 * 352 + 2, 4);       // "a"
    file.set<std::int8_t>("ngram_weights", 4 * 2943 + 2, -10);    // "hello"
    file.set<std::int8_t>("ngram_weights", 4 * 17'751 + 2, 100);  // "a", then "hello"
    const std::string content = file.content();
    const auto large = [&](std::string_view text) { return logits_of(content, text)[2]; };
    const auto approx = [](double x) { return doctest::Approx(x).epsilon(1e-12); };
    CHECK(large("") == 0);
    CHECK(large("a") == 0.5 * 4);
    CHECK(large("A") == 0.5 * 4);
    CHECK(large(" hello\n") == 0.5 * -10);
    CHECK(large("a a") == approx(0.5 * 8 / std::sqrt(3)));  // two words and a pair
    CHECK(large("a hello") == approx(0.5 * (4 - 10 + 100) / std::sqrt(3)));
    CHECK(large("a\n\t hello") == large("a hello"));
    CHECK(large("hello a") == approx(0.5 * (4 - 10) / std::sqrt(3)));
    CHECK(large("a, hello") == approx(0.5 * (4 - 10) / std::sqrt(5)));  // three tokens and two pairs, none of them ours
    CHECK(large("ahello") == 0);
    CHECK(logits_of(content, "a hello")[1] == 0);
}

TEST_CASE("of a number only its length counts, up to six digits") {
    const lexical_difficulty predictor = stored();
    CHECK(predictor.of("2 + 2").logits == predictor.of("7 + 5").logits);
    CHECK(predictor.of("123456").logits == predictor.of("999999").logits);
    CHECK(predictor.of("12345").logits != predictor.of("123456").logits);
    auto file = weights_file::zeros();
    file.set<float>("ngram_scale", 0, 1.0f);
    file.set<std::int8_t>("ngram_weights", 4 * 13'226, 7);  // six digits
    CHECK(logits_of(file.content(), "12345")[0] == 0);
    CHECK(logits_of(file.content(), "123456")[0] == 7);
    CHECK(logits_of(file.content(), "12345678")[0] == 7);
    CHECK(logits_of(file.content(), "12345b")[0] == 0);
}

TEST_CASE("the twelve features of the layout, counted by hand") {
    const std::string_view text = "Is 12 < 7?\nA. yes\nB. caf\xC3\xA9 [no]\n";
    REQUIRE(text.size() == 32);
    const double expected[] = {std::log(33),  // bytes
                               std::log(15),  // Is 12 < 7 ?  A . yes  B . café [ no ]
                               3.0 / 32,      // 1 2 7
                               2.0 / 32,      // the two bytes of é
                               3.0 / 32,      // I A B
                               1,             // a line "A. "
                               std::log(3),   // A and B
                               1,             // ?
                               std::log(4),   // line ends
                               1.0 / 32,      // <
                               2.0 / 32,      // [ ]
                               17.0 / 8};     // bytes of Is 12 7 A yes B café no
    for (std::size_t feature = 0; feature < std::size(expected); ++feature) {
        CAPTURE(feature);
        auto file = weights_file::zeros();
        file.set<float>("dense_weights", feature * 4 + 1, 2.0f);
        file.set<float>("bias", 1, 0.25f);
        CHECK(logits_of(file.content(), text)[1] == doctest::Approx(0.25 + 2 * expected[feature]).epsilon(1e-14));
        CHECK(logits_of(file.content(), "")[1] == 0.25);
        CHECK(logits_of(file.content(), text)[0] == 0);
    }
}

TEST_CASE("an option is a line that begins with a letter from A to P, a point and a space") {
    auto file = weights_file::zeros();
    file.set<float>("dense_weights", 5 * 4, 1.0f);
    file.set<float>("dense_weights", 6 * 4 + 1, 1.0f);
    const std::string content = file.content();
    const auto options = [&](std::string_view text) {
        const logits l = logits_of(content, text);
        return std::pair(l[0] == 1, std::lround(std::exp(l[1])) - 1);
    };
    CHECK(options("?\nA. 1\nB. 2\nP. 3") == std::pair(true, 3L));
    CHECK(options("?\nB. 2\nC. 3") == std::pair(false, 2L));
    CHECK(options("A. 1") == std::pair(false, 0L));
    CHECK(options("?\nQ. 1\na. 2\nA) 3\nA.4\n A. 5") == std::pair(false, 0L));
    CHECK(options("?\nA.") == std::pair(false, 0L));
    CHECK(options("?\nA. ") == std::pair(true, 1L));
}

TEST_CASE("any bytes at all give finite logits") {
    const lexical_difficulty predictor = stored();
    std::mt19937 random(1);
    for (const std::size_t size : {1u, 2u, 100u, 4095u, 4096u, 4097u, 10'000u}) {
        std::string text(size, '\0');
        for (char& c : text) c = static_cast<char>(random() & 0xFF);
        CAPTURE(size);
        for (const double logit : predictor.of(text).logits) CHECK(std::isfinite(logit));
        for (const char same : {'\0', 'x', '7', '\n', '\xFF'})
            for (const double logit : predictor.of(std::string(size, same)).logits) CHECK(std::isfinite(logit));
    }
}

// --- which text is read --------------------------------------------------------------------------

TEST_CASE("the last message of the user is what is read") {
    const lexical_difficulty predictor = stored();
    const message system{role::system, "You are terse.", {}};
    const message easy{role::user, "What is 2 + 2?", {}};
    const message answer{role::assistant, "4", {}};
    const message hard{role::user, "Prove that there are infinitely many primes.", {}};
    const message call{role::assistant, "search(\"primes\")", {}};
    const message found{role::tool, "Euclid, Elements, IX.20", {}};
    const auto of = [&](std::vector<message> said) { return predictor(said).logits; };
    const logits expected = predictor.of(hard.text).logits;
    REQUIRE(expected != predictor.of(easy.text).logits);
    CHECK(of({hard}) == expected);
    CHECK(of({system, easy, answer, hard}) == expected);
    CHECK(of({system, easy, answer, hard, call, found}) == expected);
    CHECK(of({hard, system}) == expected);
    CHECK(of({hard, answer, easy}) == predictor.of(easy.text).logits);
}

TEST_CASE("a dialogue without a user is read as the empty text") {
    const lexical_difficulty predictor = stored();
    const logits empty = predictor.of("").logits;
    const message others[] = {
        {role::system, "You are terse.", {}}, {role::assistant, "Hello!", {}}, {role::tool, "4", {}}};
    CHECK(predictor({}).logits == empty);
    CHECK(predictor(others).logits == empty);
    const message silent{role::user, {}, 50_tok};
    CHECK(predictor({&silent, 1}).logits == empty);
}

TEST_CASE("of a long text the first and the last 2048 bytes are read, and its length") {
    const lexical_difficulty predictor = stored();
    const std::string text = words(6000);
    const logits before = predictor.of(text).logits;
    const auto changed_at = [&](std::size_t at) {
        std::string other = text;
        other[at] = other[at] == '$' ? 'x' : '$';
        return predictor.of(other).logits != before;
    };
    CHECK(changed_at(0));
    CHECK(changed_at(2047));
    CHECK(!changed_at(2048));
    CHECK(!changed_at(3000));
    CHECK(!changed_at(6000 - 2049));
    CHECK(changed_at(6000 - 2048));
    CHECK(changed_at(5999));
    std::string longer = text;
    longer.insert(3000, 1000, '?');
    CHECK(predictor.of(longer).logits != before);
    std::string other_middle = text;
    other_middle.replace(2048, 6000 - 4096, 6000 - 4096, '?');
    CHECK(predictor.of(other_middle).logits == before);
}

TEST_CASE("a text of 4096 bytes is read to the last one, of 4097 all but the middle one") {
    const lexical_difficulty predictor = stored();
    for (const std::size_t size : {4096u, 4097u}) {
        const std::string text = words(size);
        const logits before = predictor.of(text).logits;
        for (const std::size_t at : {2047u, 2048u, 2049u}) {
            CAPTURE(size);
            CAPTURE(at);
            std::string other = text;
            other[at] = '$';
            CHECK((predictor.of(other).logits == before) == (size == 4097 && at == 2048));
        }
    }
}

TEST_CASE("no pair of words spans the gap of a long text") {
    auto file = weights_file::zeros();
    file.set<float>("ngram_scale", 0, 1.0f);
    file.set<std::int8_t>("ngram_weights", 4 * 17'751, 1);  // "a", then "hello"
    const std::string content = file.content();
    const std::string head = std::string(2046, ' ') + "a ";
    const std::string tail = "hello" + std::string(2043, ' ');
    CHECK(logits_of(content, head + tail)[0] > 0);
    CHECK(logits_of(content, head + " " + tail)[0] == 0);
}

// --- from logits to a probability ----------------------------------------------------------------

TEST_CASE("between two heads the logit is interpolated") {
    const lexical_difficulty::difficulty difficulty{{0, 2, -1, 4}};
    CHECK(difficulty(of_ability(0)) == 0.5);
    CHECK(difficulty(of_ability(1)) == logistic(2));
    CHECK(difficulty(of_ability(2)) == logistic(-1));
    CHECK(difficulty(of_ability(3)) == logistic(4));
    CHECK(difficulty(of_ability(0.5)) == logistic(1));
    CHECK(difficulty(of_ability(1.25)) == logistic(0.75 * 2 - 0.25));
    CHECK(difficulty(of_ability(2.5)) == logistic(1.5));
}

TEST_CASE("an ability beyond the heads counts as the nearest") {
    const lexical_difficulty::difficulty difficulty{{-2, 0, 1, 3}};
    const double infinity = std::numeric_limits<double>::infinity();
    for (const double low : {-0.001, -7.0, -1e300, -infinity}) CHECK(difficulty(of_ability(low)) == logistic(-2));
    for (const double high : {3.001, 7.0, 1e300, infinity}) CHECK(difficulty(of_ability(high)) == logistic(3));
}

TEST_CASE("a probability stays between 0 and 1, and rises where the logits rise") {
    const lexical_difficulty::difficulty difficulty{{-1000, -1, 1, 1000}};
    CHECK(difficulty(of_ability(0)) == 0);
    CHECK(difficulty(of_ability(3)) == 1);
    double last = 0;
    for (double ability = 0; ability <= 3; ability += 0.125) {
        const double p = difficulty(of_ability(ability));
        CAPTURE(ability);
        CHECK(p >= last);
        CHECK(p <= 1);
        last = p;
    }
    for (double logit = -40; logit < 40; logit += 0.5) {
        const double p = lexical_difficulty::difficulty{{logit, logit, logit, logit}}(of_ability(1.5));
        const double more = lexical_difficulty::difficulty{{logit, logit + 1, logit + 1, logit}}(of_ability(1.5));
        CHECK(p > 0);
        CHECK(more <= 1);
        CHECK((more > p || p > 1 - 1e-15));
    }
}

// --- how it behaves in a router ------------------------------------------------------------------

TEST_CASE("a prediction allocates nothing and cannot throw") {
    const lexical_difficulty predictor = stored();
    const std::string text = words(6000);
    const message said[] = {{role::user, text, {}}, {role::assistant, "Well, ...", {}}};
    const endpoint place = of_ability(1.5);
    static_assert(noexcept(predictor(said))&& noexcept(predictor(said)(place))&& noexcept(predictor.of(text)));

    std::size_t before = allocations;
    ::operator delete(::operator new(1));
    REQUIRE(allocations == before + 1);  // it is counted at all

    before = allocations;
    double sum = 0;
    for (int k = 0; k < 10; ++k) sum += predictor(said)(place);
    CHECK(allocations == before);
    CHECK(sum > 0);
}

TEST_CASE("copies share the weights and outlive the original") {
    std::optional<lexical_difficulty> original = stored();
    const std::size_t before = allocations;
    const lexical_difficulty copy = *original;
    CHECK(allocations == before);
    const logits expected = original->of("why is the sky blue?").logits;
    original.reset();
    CHECK(copy.of("why is the sky blue?").logits == expected);

    auto assigned = lexical_difficulty::load(stored_path);
    REQUIRE(assigned);
    *assigned = copy;
    CHECK(assigned->of("why is the sky blue?").logits == expected);
}

TEST_CASE("one predictor serves many threads") {
    const lexical_difficulty predictor = stored();
    const auto work = [&](double& sum) {
        for (std::size_t k = 0; k < 200; ++k)
            sum += predictor.of(words(10 * k))(of_ability(0.01 * static_cast<double>(k)));
    };
    double alone = 0;
    work(alone);
    std::vector<double> sums(4, 0.0);
    std::vector<std::thread> threads;
    for (double& sum : sums) threads.emplace_back(work, std::ref(sum));
    for (auto& thread : threads) thread.join();
    for (const double sum : sums) CHECK(sum == alone);
}

// --- files ---------------------------------------------------------------------------------------

TEST_CASE("weights in memory predict what the file predicts") {
    const std::string content = content_of(stored_path);
    const auto in_memory = lexical_difficulty::view(bytes_of(content));
    REQUIRE(in_memory);
    const lexical_difficulty in_file = stored();
    for (const std::size_t size : {0u, 10u, 100u, 1000u, 10'000u})
        CHECK(in_memory->of(words(size)).logits == in_file.of(words(size)).logits);
}

TEST_CASE("a test that takes the file apart can put it together again") {
    CHECK(weights_file().content().substr(8) == content_of(stored_path).substr(8));
}

TEST_CASE("a file that is not there is reported with its path") {
    const std::string path = QLROUTE_SOURCE_DIR "/models/no_such_file.safetensors";
    const auto predictor = lexical_difficulty::load(path);
    REQUIRE_FALSE(predictor);
    CHECK(predictor.error().code == errc::missing);
    CHECK(predictor.error().message.find(path) != std::string::npos);
    CHECK(predictor.error().message.find("check the path") != std::string::npos);
}

namespace {

/// Neither a file of that content nor its bytes can be used; the message says where and what, and what was expected.
void expect_fault(const std::string& content, errc code, const std::string& wrong, const std::string& expected) {
    const temporary_file file(content);
    const auto loaded = lexical_difficulty::load(file.path());
    REQUIRE_FALSE(loaded);
    const std::string& message = loaded.error().message;
    CAPTURE(message);
    CHECK(loaded.error().code == code);
    CHECK(message.find(file.path()) != std::string::npos);
    CHECK(message.find(wrong) != std::string::npos);
    CHECK(message.find(expected) != std::string::npos);

    const auto viewed = lexical_difficulty::view(bytes_of(content));
    REQUIRE_FALSE(viewed);
    CHECK(viewed.error().code == code);
    CHECK(viewed.error().message.find("the lexical weights: ") == 0);
    CHECK(viewed.error().message.find(wrong) != std::string::npos);
}

const std::string lexical_weights = "expected a file written by training/lexical.py";

}  // namespace

TEST_CASE("a file of another format is refused") {
    expect_fault("", errc::malformed, "this one has 0 bytes", "a safetensors file begins with");
    expect_fault("<!DOCTYPE html><title>404 Not Found</title>", errc::out_of_range, "the header's length is",
                 "is this a safetensors file?");
    const std::string whole = content_of(stored_path);
    expect_fault(whole.substr(0, whole.size() / 2), errc::out_of_range, "truncated", "data_offsets");
}

TEST_CASE("weights of another model or version are refused") {
    weights_file file;
    file.header["__metadata__"]["format"] = "pt";
    expect_fault(file.content(), errc::malformed, "these are not lexical weights", lexical_weights);
    file.header.erase("__metadata__");
    expect_fault(file.content(), errc::malformed, "these are not lexical weights", lexical_weights);

    file = weights_file();
    file.header["__metadata__"]["version"] = "2";
    expect_fault(file.content(), errc::unsupported, "its version is not 1", lexical_weights);

    for (const std::string key : {"bucket_bits", "window_bytes", "max_digits"}) {
        CAPTURE(key);
        file = weights_file();
        file.header["__metadata__"][key] = "17";
        expect_fault(file.content(), errc::unsupported, "its features are not those of this build", lexical_weights);
    }
}

TEST_CASE("a missing tensor is named, with the type and shape that it should have") {
    const std::pair<std::string, std::string> tensors[] = {{"ngram_weights", "I8 [32768, 4]"},
                                                           {"ngram_scale", "F32 [4]"},
                                                           {"dense_weights", "F32 [12, 4]"},
                                                           {"bias", "F32 [4]"}};
    for (const auto& [name, expected] : tensors) {
        weights_file file;
        file.rename(name, "another");
        expect_fault(file.content(), errc::missing, "found no tensor of that name",
                     "expected " + expected + " for the tensor \"" + name + "\"");
    }
}

TEST_CASE("a tensor of another shape or type is named, with both shapes") {
    weights_file file;
    file.header["dense_weights"]["shape"] = {4, 12};
    expect_fault(file.content(), errc::malformed, "found F32 [4, 12]",
                 "expected F32 [12, 4] for the tensor \"dense_weights\"");
    file = weights_file();
    file.header["ngram_weights"]["shape"] = {65'536, 2};
    expect_fault(file.content(), errc::malformed, "found I8 [65536, 2]", "expected I8 [32768, 4] for the tensor");
    file = weights_file();
    file.header["bias"]["dtype"] = "I32";
    expect_fault(file.content(), errc::malformed, "found I32 [4]", "expected F32 [4] for the tensor \"bias\"");
}

TEST_CASE("a weight that is not a finite number is refused") {
    for (const std::string tensor : {"ngram_scale", "dense_weights", "bias"})
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                                -std::numeric_limits<float>::infinity()}) {
            CAPTURE(tensor);
            weights_file file;
            file.set<float>(tensor, 3, bad);
            expect_fault(file.content(), errc::out_of_range, "a weight is not finite", lexical_weights);
        }
}

TEST_CASE("weights at an address where floats cannot be read are refused") {
    const std::string shifted = " " + content_of(stored_path);
    const auto predictor = lexical_difficulty::view(bytes_of(shifted).subspan(1));
    REQUIRE_FALSE(predictor);
    CHECK(predictor.error().code == errc::unsupported);
    CHECK(predictor.error().message.find("not a multiple of 4") != std::string::npos);
}
