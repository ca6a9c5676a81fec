#include <configured/chat_keys.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace qlroute;

namespace {

using dialogue = std::vector<message>;

const message hello{role::user, "hello"};
const message answer{role::assistant, "hello, how can I help?"};
const message sky{role::user, "Why is the sky blue?"};
const message light{role::assistant, "Because of scattering."};
const message more{role::user, "More, please."};

}  // namespace

TEST_CASE("the turns of one dialogue have one key, whatever its answers look like when they come back") {
    chat_keys keys(100);
    const auto key = keys.key_of(dialogue{sky});
    CHECK(keys.key_of(dialogue{sky, light, more}) == key);
    CHECK(keys.key_of(dialogue{sky, {role::assistant, "with its thoughts left out"}, {role::user, "And at night?"}}) ==
          key);
    CHECK(keys.key_of(dialogue{sky, light, more, light, more}) == key);
}

TEST_CASE("other dialogues have other keys") {
    chat_keys keys(100);
    const auto key = keys.key_of(dialogue{sky});
    CHECK(keys.key_of(dialogue{hello}) != key);
    CHECK(keys.key_of(dialogue{hello, answer, sky}) != key);
    // The same words from somebody else, or cut elsewhere.
    CHECK(keys.key_of(dialogue{{role::system, "Why is the sky blue?"}}) != key);
    CHECK(keys.key_of(dialogue{{role::user, "Why is the "}, {role::user, "sky blue?"}}) != key);
}

TEST_CASE("an edited dialogue is the one that it was edited from") {
    chat_keys keys(100);
    const auto key = keys.key_of(dialogue{sky});
    CHECK(keys.key_of(dialogue{sky, light, more}) == key);
    CHECK(keys.key_of(dialogue{sky, light, hello}) == key);
    CHECK(keys.key_of(dialogue{sky}) == key);  // regenerated
}

TEST_CASE("users are not taken for one another") {
    chat_keys keys(100);
    const auto key = keys.key_of(dialogue{sky}, "alice");
    CHECK(keys.key_of(dialogue{sky}, "bob") != key);
    CHECK(keys.key_of(dialogue{sky, light, more}, "alice") == key);
    CHECK(keys.key_of(dialogue{sky, light, more}, "bob") != key);
}

TEST_CASE("the request that is oldest is forgotten first") {
    chat_keys keys(2);
    const auto key = keys.key_of(dialogue{sky});
    keys.key_of(dialogue{hello});
    CHECK(keys.key_of(dialogue{sky}) == key);  // used again
    keys.key_of(dialogue{more});
    CHECK(keys.size() == 2);
    CHECK(keys.key_of(dialogue{sky}) == key);
    CHECK(keys.key_of(dialogue{hello, answer, sky}) != keys.key_of(dialogue{hello, answer, more}));  // both new
}
