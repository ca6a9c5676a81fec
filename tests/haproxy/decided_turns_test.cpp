#include <haproxy/decided_turns.hpp>

#include <qlroute/core/literals.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace qlroute;

namespace {

using dialogue = std::vector<message>;

const message sky{role::user, "Why is the sky blue?"};
const message light{role::assistant, "Because of scattering."};
const message more{role::user, "More, please."};
const message night{role::user, "And at night?"};
const message dark{role::assistant, "It is dark."};

}  // namespace

TEST_CASE("a turn was answered when the dialogue comes back with the answer") {
    decided_turns turns(10);
    turns.remember(dialogue{sky}, "", {.where = 1, .when = 5_s});
    CHECK_FALSE(turns.take_answered(dialogue{sky}, ""));        // asked again
    CHECK_FALSE(turns.take_answered(dialogue{sky, more}, ""));  // no answer follows
    const auto found = turns.take_answered(dialogue{sky, light, more}, "");
    REQUIRE(found);
    CHECK(found->decision.where == 1);
    CHECK(found->decision.when == 5_s);
    CHECK(found->messages == 1);
    CHECK_FALSE(turns.take_answered(dialogue{sky, light, more}, ""));  // it is known by now
}

TEST_CASE("a forked dialogue finds the turn that it goes on from") {
    decided_turns turns(10);
    turns.remember(dialogue{sky, light, more}, "", {.where = 0});
    turns.remember(dialogue{sky, light, night}, "", {.where = 1});
    CHECK(turns.take_answered(dialogue{sky, light, more, light, night}, "")->decision.where == 0);
    const auto longest = turns.take_answered(dialogue{sky, light, night, dark, more}, "");
    CHECK(longest->decision.where == 1);
    CHECK(longest->messages == 3);
}

TEST_CASE("users are not taken for one another") {
    decided_turns turns(10);
    turns.remember(dialogue{sky}, "alice", {.where = 1});
    CHECK_FALSE(turns.take_answered(dialogue{sky, light, more}, "bob"));
    CHECK(turns.take_answered(dialogue{sky, light, more}, "alice"));
}

TEST_CASE("the latest decision for a request counts, unless it was answered elsewhere or not at all") {
    decided_turns turns(10);
    turns.remember(dialogue{sky}, "", {.where = 0});
    const auto digest = turns.remember(dialogue{sky}, "", {.where = 1});
    CHECK(turns.size() == 1);
    turns.correct(digest, 2);
    CHECK(turns.take_answered(dialogue{sky, light, more}, "")->decision.where == 2);
    turns.forget(turns.remember(dialogue{sky}, "", {.where = 1}));
    CHECK_FALSE(turns.take_answered(dialogue{sky, light, more}, ""));
    turns.correct(digest, 2);  // unknown: nothing
    turns.forget(digest);
    CHECK(turns.size() == 0);
}

TEST_CASE("the oldest request makes room") {
    decided_turns turns(2);
    turns.remember(dialogue{sky}, "", {});
    turns.remember(dialogue{more}, "", {});
    turns.remember(dialogue{night}, "", {});
    CHECK(turns.size() == 2);
    CHECK_FALSE(turns.take_answered(dialogue{sky, light, more}, ""));
    CHECK(turns.take_answered(dialogue{more, light, more}, ""));
}
