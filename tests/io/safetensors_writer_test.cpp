#include <qlroute/io/safetensors_writer.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace qlroute;

TEST_CASE("what is written is what safetensors reads") {
    safetensors_writer file;
    const std::vector<float> bias{1, 2, 3};
    const std::vector<std::int8_t> weight(6, -7);
    file.metadata("format", "mine");
    file.metadata("format", "ours");
    file.tensor<float>("bias", {3}, bias);
    file.tensor<std::int8_t>("weight", {2, 3}, weight);
    file.tensor<double>("number", {}, std::vector<double>{0.5});
    const aligned_bytes image = file.image();

    const auto read = safetensors::parse(image.bytes());
    REQUIRE(read);
    CHECK(read->metadata("format") == "ours");
    CHECK(read->tensors().size() == 3);
    const auto values = read->values<float>("bias", 3);
    REQUIRE(values);
    CHECK(std::vector<float>(values->begin(), values->end()) == bias);
    const auto bytes = read->values<std::int8_t>("weight", 2, 3);
    REQUIRE(bytes);
    CHECK((*bytes)[5] == -7);
    const auto number = read->values<double>("number");
    REQUIRE(number);
    CHECK((*number)[0] == 0.5);
}

TEST_CASE("tensors of whole cache lines begin on cache lines, whatever is written before them") {
    safetensors_writer file;
    file.tensor<std::int8_t>("odd", {3}, std::vector<std::int8_t>(3));
    file.tensor<float>("large", {2, 16}, std::vector<float>(32, 1.5f));
    file.tensor<float>("small", {5}, std::vector<float>(5));
    file.tensor<std::int8_t>("panel", {64}, std::vector<std::int8_t>(64));
    const aligned_bytes image = file.image();
    const auto read = safetensors::parse(image.bytes());
    REQUIRE(read);
    for (const char* name : {"large", "panel"})
        CHECK(reinterpret_cast<std::uintptr_t>(read->find(name)->data.data()) % 64 == 0);
    CHECK(read->values<float>("small", 5));  // aligned for its elements
    CHECK(read->tensors().back().name == "odd");
}

TEST_CASE("names and metadata may hold any characters") {
    safetensors_writer file;
    const std::string odd = "a \"b\" \\ \n \x01 \xC3\xA9";
    file.metadata(odd, odd);
    file.tensor<float>(odd, {1}, std::vector<float>{4});
    const aligned_bytes image = file.image();
    const auto read = safetensors::parse(image.bytes());
    REQUIRE(read);
    CHECK(read->metadata(odd) == odd);
    CHECK(read->find(odd) != nullptr);
}

TEST_CASE("a file without tensors can be read, too") {
    const aligned_bytes image = safetensors_writer().image();
    const auto read = safetensors::parse(image.bytes());
    REQUIRE(read);
    CHECK(read->tensors().empty());
}
