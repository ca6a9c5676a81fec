#include <configured/recent.hpp>

#include <doctest/doctest.h>

#include <string>

TEST_CASE("the entry that was unused for longest makes room") {
    recent<std::string> table(2);
    table.use(1) = "one";
    table.use(2) = "two";
    table.use(3) = "three";
    CHECK(table.size() == 2);
    CHECK(table.find(1) == nullptr);
    REQUIRE(table.find(2) != nullptr);
    CHECK(*table.find(2) == "two");
    CHECK(table.use(2) == "two");  // now the newest
    table.use(4) = "four";
    CHECK(table.find(3) == nullptr);
    CHECK(*table.find(2) == "two");
    CHECK(*table.find(4) == "four");
}

TEST_CASE("looking for an entry is no use of it") {
    recent<int> table(2);
    table.use(1) = 10;
    table.use(2) = 20;
    CHECK(*table.find(1) == 10);
    table.use(3) = 30;
    CHECK(table.find(1) == nullptr);
}

TEST_CASE("an entry that was erased is an empty one when it is used again") {
    recent<int> table(3);
    table.use(7) = 70;
    table.erase(7);
    table.erase(8);  // never was there
    CHECK(table.size() == 0);
    CHECK(table.find(7) == nullptr);
    CHECK(table.use(7) == 0);
    for (std::uint64_t key = 0; key < 100; ++key) table.use(key) = static_cast<int>(key);
    CHECK(table.size() == 3);
    CHECK(*table.find(99) == 99);
}
