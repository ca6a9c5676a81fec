#include <qlroute/eval/workload.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace qlroute;
using eval::recorded_dialogue;
using eval::workload;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

/// Two endpoints; a dialogue of two turns and a question.
workload faultless() {
    return {.name = "chats",
            .models = {"small", "large"},
            .dialogues = {{.id = "a",
                           .document = 500_tok,
                           .read_by = 1,
                           .turns = {{.said = "Who wrote it?",
                                      .answers = {{.score = 0, .output = 1_tok}, {.score = 1, .output = 30_tok}}},
                                     {.said = "When?",
                                      .said_size = 3_tok,
                                      .reply = "In 1925.",
                                      .answers = {{.score = 0.5, .output = 20_tok, .confidence = 0},
                                                  {.score = 1, .output = 30_tok, .confidence = 1}}}}},
                          {.id = "b",
                           .turns = {{.said = "2 + 2?",
                                      .answers = {{.score = 1, .output = 1_tok}, {.score = 1, .output = 1_tok}}}}}}};
}

/// What is said of it when `spoil` has changed it; nothing where it is faultless.
template <class Spoil>
std::string complaint(const Spoil& spoil) {
    workload w = faultless();
    spoil(w);
    const auto fault = eval::fault_in(w, 2);
    return fault ? fault->message : "";
}

}  // namespace

TEST_CASE("a faultless workload has no fault, and counts its turns") {
    const workload w = faultless();
    CHECK_FALSE(eval::fault_in(w, 2));
    CHECK(w.turns() == 3);
    CHECK(workload{}.turns() == 0);
}

TEST_CASE("a workload needs a dialogue, and a dialogue a turn") {
    const auto fault = eval::fault_in(workload{.name = "nothing"}, 2);
    REQUIRE(fault);
    CHECK(fault->code == errc::missing);
    CHECK(fault->message == "workload \"nothing\" has no dialogues");
    CHECK(complaint([](workload& w) { w.dialogues[1].turns.clear(); }) ==
          "workload \"chats\", dialogue \"b\": it has no turns");
}

TEST_CASE("every fault of a dialogue says where it is") {
    CHECK(complaint([](workload& w) { w.dialogues[0].read_by = 2; }) ==
          "workload \"chats\", dialogue \"a\": read_by must name one of the 2 endpoints");
    CHECK(complaint([](workload& w) { w.dialogues[0].read_by = recorded_dialogue::nobody; }).empty());
    for (const double wrong : {-1.0, infinite, std::nan("")})
        CHECK(complaint([&](workload& w) { w.dialogues[0].document = tokens(wrong); }) ==
              "workload \"chats\", dialogue \"a\": document must be 0 or more and finite");
}

TEST_CASE("every turn needs an answer of each endpoint") {
    CHECK(complaint([](workload& w) { w.dialogues[0].turns[1].answers.pop_back(); }) ==
          "workload \"chats\", dialogue \"a\", turn 2: expected an answer of each of the 2 endpoints, got 1");
    const auto fault = eval::fault_in(faultless(), 3);
    REQUIRE(fault);
    CHECK(fault->code == errc::out_of_range);
}

TEST_CASE("a question has a size, or 0 where its text tells") {
    for (const double wrong : {-1.0, infinite, std::nan("")})
        CHECK(complaint([&](workload& w) { w.dialogues[0].turns[0].said_size = tokens(wrong); }) ==
              "workload \"chats\", dialogue \"a\", turn 1: said_size must be 0 or more and finite, got " +
                  std::to_string(wrong));
    CHECK(complaint([](workload& w) { w.dialogues[0].turns[0].said_size = 0_tok; }).empty());
}

TEST_CASE("scores and confidences lie between 0 and 1") {
    CHECK(complaint([](workload& w) { w.dialogues[0].turns[1].answers[0].score = 1.5; }) ==
          "workload \"chats\", dialogue \"a\", turn 2: scores must be between 0 and 1, got 1.500000");
    CHECK(complaint([](workload& w) { w.dialogues[1].turns[0].answers[1].confidence = -0.25; }) ==
          "workload \"chats\", dialogue \"b\", turn 1: confidences must be between 0 and 1, got -0.250000");
    for (const double wrong : {-0.1, 1.1, infinite, std::nan("")}) {
        CHECK_FALSE(complaint([&](workload& w) { w.dialogues[0].turns[0].answers[1].score = wrong; }).empty());
        CHECK_FALSE(complaint([&](workload& w) { w.dialogues[0].turns[0].answers[1].confidence = wrong; }).empty());
    }
}

TEST_CASE("an answer has at least one token, and an end") {
    CHECK(complaint([](workload& w) { w.dialogues[0].turns[0].answers[1].output = 0_tok; }) ==
          "workload \"chats\", dialogue \"a\", turn 1: an answer must have at least one token and be finite, got "
          "0.000000");
    for (const double wrong : {0.5, -3.0, infinite, std::nan("")})
        CHECK_FALSE(complaint([&](workload& w) { w.dialogues[0].turns[0].answers[0].output = tokens(wrong); }).empty());
}
