#include <qlroute/core/result.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

using namespace qlroute;

namespace {

result<int> half(int n) {
    if (n % 2 != 0) return error{.code = errc::out_of_range, .message = "an odd number has no half", .offset = 3};
    return n / 2;
}

static_assert(!std::is_convertible_v<result<int>, bool>, "only an if or a ! may ask");
static_assert(!std::is_copy_constructible_v<result<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<result<std::unique_ptr<int>>>);

}  // namespace

TEST_CASE("a result holds the value") {
    auto four = half(8);
    CHECK(four.has_value());
    CHECK(static_cast<bool>(four));
    CHECK(*four == 4);
    *four = 5;
    CHECK(*std::as_const(four) == 5);
}

TEST_CASE("a result holds the error with its place") {
    const auto none = half(7);
    CHECK_FALSE(none.has_value());
    CHECK(!none);
    CHECK(none.error().code == errc::out_of_range);
    CHECK(none.error().message == "an odd number has no half");
    CHECK(none.error().offset == 3);
}

TEST_CASE("an error is malformed input at the start unless told otherwise") {
    const error plain;
    CHECK(plain.code == errc::malformed);
    CHECK(plain.message.empty());
    CHECK(plain.offset == 0);
}

TEST_CASE("an arrow reaches into the value") {
    result<std::string> text = std::string("abc");
    CHECK(text->size() == 3);
    text->push_back('d');
    CHECK(std::as_const(text)->size() == 4);
}

TEST_CASE("a value that can only be moved goes in and comes out") {
    result<std::unique_ptr<int>> made = std::make_unique<int>(7);
    CHECK(made.has_value());
    const std::unique_ptr<int> taken = *std::move(made);
    CHECK(*taken == 7);
}

TEST_CASE("a result can hold text although an error has text too") {
    result<std::string> text = std::string("fine");
    CHECK(text.has_value());
    text = error{.message = "gone"};
    CHECK_FALSE(text.has_value());
    CHECK(text.error().message == "gone");
}
