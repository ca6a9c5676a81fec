#include <qlroute/difficulty/predictor.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <span>
#include <string_view>

using namespace qlroute;

namespace {

using dialogue = std::span<const message>;

/// The least that a predictor may be: short texts are easy.
struct by_length {
    struct difficulty {
        std::size_t bytes = 0;
        double operator()(const endpoint& place) const noexcept { return place.ability > 1 || bytes < 100 ? 0.9 : 0.2; }
    };
    difficulty operator()(dialogue said) const noexcept { return {said.empty() ? 0 : said.back().text.size()}; }
};

constexpr auto as_closures = [](dialogue said) noexcept {
    return [empty = said.empty()](const endpoint& place) noexcept {
        return empty ? 1.0f : static_cast<float>(place.ability);
    };
};

struct no_predictor {};

struct says_it_at_once {
    double operator()(dialogue) const noexcept { return 0.5; }
};

struct says_nothing {
    void operator()(dialogue) const noexcept {}
};

struct not_a_number {
    struct difficulty {
        std::string_view operator()(const endpoint&) const noexcept { return "hard"; }
    };
    difficulty operator()(dialogue) const noexcept { return {}; }
};

struct reads_a_string {
    constant_difficulty::difficulty operator()(std::string_view) const noexcept { return {}; }
};

struct may_throw_on_reading {
    constant_difficulty::difficulty operator()(dialogue) const { return {}; }
};

struct may_throw_on_asking {
    struct difficulty {
        double operator()(const endpoint&) const { return 0.5; }
    };
    difficulty operator()(dialogue) const noexcept { return {}; }
};

struct learns_while_reading {
    constant_difficulty::difficulty operator()(dialogue) noexcept { return {}; }
};

struct learns_while_asked {
    struct difficulty {
        double operator()(const endpoint&) noexcept { return 0.5; }
    };
    difficulty operator()(dialogue) const noexcept { return {}; }
};

static_assert(difficulty_predictor<constant_difficulty>);
static_assert(difficulty_predictor<by_length>);
static_assert(difficulty_predictor<decltype(as_closures)>);

static_assert(!difficulty_predictor<no_predictor>);
static_assert(!difficulty_predictor<double>);
static_assert(!difficulty_predictor<says_it_at_once>);
static_assert(!difficulty_predictor<says_nothing>);
static_assert(!difficulty_predictor<not_a_number>);
static_assert(!difficulty_predictor<reads_a_string>);
static_assert(!difficulty_predictor<may_throw_on_reading>);
static_assert(!difficulty_predictor<may_throw_on_asking>);
static_assert(!difficulty_predictor<learns_while_reading>);
static_assert(!difficulty_predictor<learns_while_asked>);

// It may be asked at compile time.
static_assert(constant_difficulty{}({})({.name = "edge", .usual_success = 0.75}) == 0.75);

}  // namespace

TEST_CASE("under constant difficulty every prompt succeeds as often as the endpoint usually does") {
    const endpoint phone{.name = "phone", .usual_success = 0.6};
    const endpoint cloud{.name = "cloud", .ability = 3, .usual_success = 0.9};
    const message said[] = {
        {role::user, "What is 2 + 2?", {}}, {role::assistant, "4", {}}, {role::user, "Prove it.", {}}};
    const constant_difficulty predictor;
    for (const std::size_t count : {0u, 1u, 2u, 3u}) {
        const auto difficulty = predictor(dialogue(said, count));
        CHECK(difficulty(phone) == 0.6);
        CHECK(difficulty(cloud) == 0.9);
    }
}

TEST_CASE("a dialogue is read once, and then any number of endpoints can be asked about") {
    const message hard{role::user,
                       "a text of more than one hundred bytes: it goes on and on, and it does not come to "
                       "the point before its very last word, which is this one",
                       {}};
    const auto difficulty = by_length{}({&hard, 1});
    CHECK(difficulty({.name = "small", .ability = 0}) == 0.2);
    CHECK(difficulty({.name = "large", .ability = 2}) == 0.9);
    CHECK(as_closures({&hard, 1})({.name = "half", .ability = 0.5}) == 0.5f);
}
