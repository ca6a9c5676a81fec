#include <qlroute/text/message.hpp>

#include <doctest/doctest.h>

#include <qlroute/core/literals.hpp>

using namespace qlroute;

TEST_CASE("tokens are the host's count where it is given, else bytes / 4 rounded up") {
    CHECK(token_count({role::user, "12345678", 3_tok}) == 3_tok);
    CHECK(token_count({role::user, "12345678", {}}) == 2_tok);
    CHECK(token_count({role::user, "123456789", {}}) == 3_tok);
    CHECK(token_count({role::user, "", {}}) == 0_tok);
}

TEST_CASE("a message weighs its text, or 4 bytes a token where there is none") {
    CHECK(byte_count({role::user, "12345", 100_tok}) == 5);
    CHECK(byte_count({role::assistant, "", 100_tok}) == 400);
    CHECK(byte_count({role::assistant, "", -5_tok}) == 0);
    CHECK(token_count({role::assistant, "12345678", -5_tok}) == 2_tok);
}

TEST_CASE("the last text of a role is found, and is empty where there is none") {
    const message dialogue[] = {
        {role::user, "first"}, {role::assistant, "answer"}, {role::user, "second"}, {role::tool, "result"}};
    CHECK(last_text(dialogue, role::user) == "second");
    CHECK(last_text(dialogue, role::assistant) == "answer");
    CHECK(last_text(dialogue, role::tool) == "result");
    CHECK(last_text(dialogue, role::system).empty());
    CHECK(last_text({}, role::user).empty());
}
