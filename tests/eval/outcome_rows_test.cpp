#include <qlroute/eval/outcome_rows.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

using namespace qlroute;
using eval::outcome_part;

namespace {

const std::string both[] = {"phone", "edge"};

eval::outcome_row read(const std::string& line, outcome_part part = outcome_part::everything) {
    auto row = eval::parse_outcome_row(line, both, part);
    REQUIRE_MESSAGE(row, (row ? "" : row.error().message));
    return *std::move(row);
}

std::string complaint(const std::string& line, outcome_part part = outcome_part::everything) {
    const auto row = eval::parse_outcome_row(line, both, part);
    REQUIRE_FALSE(row);
    return row.error().message;
}

/// What is wrong with one answer of the phone to a single turn.
std::string complaint_about(const std::string& answer) {
    return complaint(R"({"id": "a", "turns": ["x"], "models": {"phone": )" + answer + "}}");
}

}  // namespace

TEST_CASE("a row has its names, its turns and the answers of those who are asked for") {
    const auto row = read(R"({"id": "q/1", "benchmark": "sums", "category": "plus", "score_type": "binary",
        "turns": ["What is 1 plus 1?\nA. 2\nB. 3\nAnswer:"], "level": 5,
        "models": {"other": {"score": 1}, "edge": {"score": 0.25, "output_tokens": 7, "input_tokens": 12, "output_chars": 30},
                   "phone": {"score": 0, "output_tokens": null, "latency_s": "slow", "conf": -0.5, "np": 1}}})");
    CHECK(row.id == "q/1");
    CHECK(row.benchmark == "sums");
    CHECK(row.category == "plus");
    CHECK(row.stem == "whatis1plus1");
    REQUIRE(row.turns.size() == 1);
    CHECK(row.turns[0].text == "What is 1 plus 1?\nA. 2\nB. 3\nAnswer:");
    CHECK_FALSE(row.turns[0].edit);
    CHECK_FALSE(row.turns[0].reply);
    CHECK(std::set<std::string>(row.models.begin(), row.models.end()) ==
          std::set<std::string>{"edge", "other", "phone"});
    REQUIRE(row.answers.size() == 2);
    const auto& phone = row.answers[0];
    CHECK(phone.score == 0);
    CHECK_FALSE(phone.output_tokens);
    CHECK(*phone.confidence == doctest::Approx(std::exp(-0.5)));
    CHECK(phone.no_answer);
    CHECK(phone.turn_scores.empty());
    const auto& edge = row.answers[1];
    CHECK(edge.score == 0.25);
    CHECK(edge.output_tokens == 7);
    CHECK(edge.input_tokens == 12);
    CHECK(edge.output_chars == 30);
    CHECK_FALSE(edge.confidence);
    CHECK_FALSE(edge.no_answer);
}

TEST_CASE("a dialogue has scores, lengths and replies by turn") {
    const auto row =
        read(R"({"id": 7, "score_type": "judge10_gpt4", "turns": ["one", {"text": "two"}, {"text": "uno", "edit": 1}],
        "assistant_ref": ["first", "", 3],
        "models": {"phone": {"score": 5.5, "turn_scores": [10, 1, null], "turn_output_chars": [40, null, 0]}}})");
    CHECK(row.id == "7");
    CHECK(row.benchmark == "");
    REQUIRE(row.turns.size() == 3);
    CHECK(row.turns[0].reply == "first");
    CHECK_FALSE(row.turns[1].reply);  // an empty reply is none
    CHECK_FALSE(row.turns[2].reply);
    CHECK(row.turns[2].text == "uno");
    CHECK(row.turns[2].edit == 0);
    const auto& phone = row.answers[0];
    CHECK(phone.score == 0.5);  // 1 to 10 become 0 to 1
    REQUIRE(phone.turn_scores.size() == 3);
    CHECK(phone.turn_scores[0] == 1);
    CHECK(phone.turn_scores[1] == 0);
    CHECK_FALSE(phone.turn_scores[2]);
    REQUIRE(phone.turn_output_chars.size() == 3);
    CHECK(phone.turn_output_chars[0] == 40);
    CHECK_FALSE(phone.turn_output_chars[1]);
    CHECK(phone.turn_output_chars[2] == 0);
    CHECK_FALSE(row.answers[1].score);  // the edge did not answer
}

TEST_CASE("prompts without answers are rows, too") {
    const auto row = read(R"({"id": "a", "benchmark": 3, "score_type": null, "turns": ["x"], "models": {}})");
    CHECK(row.benchmark == "");
    CHECK(row.models.empty());
    REQUIRE(row.answers.size() == 2);
    CHECK_FALSE(row.answers[0].score);
    CHECK(
        read(R"({"id": "a", "turns": ["x"], "models": {"phone": null, "edge": {"score": null, "turn_scores": null}}})")
            .answers[1]
            .turn_scores.empty());
}

TEST_CASE("a certain answer has a confidence of 1, also where it was rounded up") {
    for (const char* conf : {"0", "-0.0", "0.0001"})
        CHECK(read(R"({"id": "a", "turns": ["x"], "models": {"phone": {"conf": )" + std::string(conf) + "}}}")
                  .answers[0]
                  .confidence == 1);
}

TEST_CASE("who reads scores alone does not look at the rest") {
    const std::string line =
        R"({"id": "a", "turns": ["x"], "models": {"phone": {"score": 1, "output_tokens": "many", "conf": 3}}})";
    const auto row = read(line, outcome_part::scores);
    CHECK(row.answers[0].score == 1);
    CHECK_FALSE(row.answers[0].output_tokens);
    CHECK(complaint(line) == "models.phone.output_tokens: expected a number of 0 or more or null, got \"many\"");
}

TEST_CASE("a line that is no row says what is wrong, and what was expected") {
    const std::string expected =
        R"(; expected an object such as {"id": "a", "turns": ["hello"], "models": {"phi": {"score": 1}}})";
    CHECK(complaint("x") == "not JSON at byte 1" + expected);
    CHECK(complaint("{\"id\": \"\xff\"}") == "not UTF-8 at byte 9" + expected);
    CHECK(complaint("[1]") == "not an object but a list" + expected);
    CHECK(complaint(R"({"id": 1e999})") == "a number is too large; expected at most about 1e308");
    CHECK(complaint("{}") == "id: missing; expected a text or a whole number");
    CHECK(complaint(R"({"id": 1.5})") == "id: expected a text or a whole number, got 1.5");
    CHECK(complaint(R"({"id": 1})") == "turns: missing; expected a list of texts");
    CHECK(complaint(R"({"id": 1, "turns": []})") == "turns: expected a list of at least one text, got an empty list");
    CHECK(complaint(R"({"id": 1, "turns": ["x", 2]})") ==
          R"(turns[1]: expected a text or {"text": ..., "edit": k}, got 2)");
    CHECK(complaint(R"({"id": 1, "turns": [{"edit": 1}]})") == "turns[0].text: missing; expected a text");
    CHECK(complaint(R"({"id": 1, "turns": [{"text": 1}]})") == "turns[0].text: expected a text, got 1");
    CHECK(complaint(R"({"id": 1, "turns": [{"text": "x", "at": 1}]})") ==
          "turns[0].at: unknown key; known are text and edit");
    CHECK(complaint(R"({"id": 1, "turns": [{"text": "x", "edit": 1}]})") ==
          "turns[0].edit: expected the number of an earlier message of the user, but there is none, got 1");
    CHECK(complaint(R"({"id": 1, "turns": ["x", {"text": "x", "edit": 2}]})") ==
          "turns[1].edit: expected the number of an earlier message of the user, 1 to 1, got 2");
    CHECK(complaint(R"({"id": 1, "turns": ["x"]})") == "models: missing; expected an object of scores");
    CHECK(complaint(R"({"id": 1, "turns": ["x"], "models": 3})") == "models: expected an object of scores, got 3");
    CHECK(complaint(R"({"id": 1, "turns": ["x"], "models": {}, "score_type": 3})") ==
          "score_type: expected a text, got 3");
}

TEST_CASE("what is wrong with an answer names the model and the field") {
    CHECK(complaint_about("3") == "models.phone: expected an object with a score, got 3");
    CHECK(complaint_about(R"({"score": 2})") == "models.phone.score: expected a number from 0 to 1 or null, got 2");
    CHECK(complaint_about(R"({"score": "1"})") ==
          "models.phone.score: expected a number from 0 to 1 or null, got \"1\"");
    CHECK(complaint_about(R"({"turn_scores": [1, 1]})") ==
          "models.phone.turn_scores: expected a list of 1, as many as there are turns, got one of 2");
    CHECK(complaint_about(R"({"turn_scores": [-1]})") ==
          "models.phone.turn_scores[0]: expected a number from 0 to 1 or null, got -1");
    CHECK(complaint_about(R"({"output_chars": -1})") ==
          "models.phone.output_chars: expected a number of 0 or more or null, got -1");
    CHECK(complaint_about(R"({"input_tokens": [1]})") ==
          "models.phone.input_tokens: expected a number of 0 or more or null, got a list");
    CHECK(complaint_about(R"({"turn_output_chars": 3})") ==
          "models.phone.turn_output_chars: expected a list of 1, as many as there are turns, got 3");
    CHECK(complaint_about(R"({"conf": 0.5})") ==
          "models.phone.conf: expected the logarithm of a probability, 0 or less, or null, got 0.5");
    CHECK(complaint_about(R"({"np": 2})") == "models.phone.np: expected 0 or 1 or null, got 2");
    CHECK(complaint(R"({"id": 1, "turns": ["x"], "score_type": "judge10", "models": {"edge": {"score": 0.5}}})") ==
          "models.edge.score: expected a number from 1 to 10 or null, got 0.5");
}

TEST_CASE("parts of a row can be read by themselves") {
    const auto row = eval::row_object(R"({"id": 3, "turns": ["x", "y"]})", "{}");
    REQUIRE(row);
    CHECK(*eval::id_of(*row) == "3");
    CHECK(eval::turns_of(*row)->size() == 2);
    CHECK(eval::row_object("3", "{\"a\": 1}").error().message ==
          "not an object but 3; expected an object such as {\"a\": 1}");
    CHECK_FALSE(eval::turns_of(*eval::row_object("{}", "")));
    CHECK_FALSE(eval::id_of(*eval::row_object("{}", "")));
}

TEST_CASE("a stem is the same for the same question in another layout") {
    CHECK(eval::stem_of("What is it?\nA. this\nB. that") == "whatisit");
    CHECK(eval::stem_of("WHAT is  it\nA. that\nB. this") == "whatisit");
    CHECK(eval::stem_of("A. first") == "afirst");  // no choice: nothing is before it
    CHECK(eval::stem_of("\xc3\x9c 5") ==
          "\xc3\x9c"
          "5");
    CHECK(eval::stem_of("?") == "");
}

TEST_CASE("a digest is splitmix64 of every byte") {
    // splitmix64 of the seed 0 begins with 0xE220A8397B1DCDAF.
    CHECK(eval::hash_of("", 0) == 0xE220A8397B1DCDAF);
    CHECK(eval::hash_of("", 1) != eval::hash_of("", 0));
    CHECK(eval::hash_of("ab", 1) != eval::hash_of("ba", 1));
}

TEST_CASE("stems are dealt evenly, equal ones to one fold") {
    std::vector<std::string> stems;
    for (int i = 0; i < 10; ++i) stems.push_back("q" + std::to_string(i % 5));
    const auto folds = eval::folds_of(stems, 5, 1);
    REQUIRE(folds.size() == 10);
    for (std::size_t i = 0; i < 5; ++i) CHECK(folds[i] == folds[i + 5]);
    CHECK(std::set<std::size_t>(folds.begin(), folds.end()).size() == 5);
    CHECK(eval::folds_of(stems, 5, 1) == folds);
    CHECK(eval::folds_of({}, 5, 1).empty());
}
