#include <qlroute/adapt/bundled_difficulty.hpp>

#include <nlohmann/json.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <fstream>
#include <string>

using namespace qlroute;

TEST_CASE("the weights in the program are those of models/difficulty") {
    const auto inside = bundled_difficulty();
    REQUIRE_MESSAGE(inside, (inside ? "" : inside.error().message));
    const auto outside = response_difficulty::load(QLROUTE_SOURCE_DIR "/models/difficulty");
    REQUIRE_MESSAGE(outside, (outside ? "" : outside.error().message));
    CHECK(inside->of("Is it so?").theta == outside->of("Is it so?").theta);
    CHECK(inside->known().size() == outside->known().size());
}

TEST_CASE("larger tiers answer an ordinary question at least as well") {
    const auto predict = bundled_difficulty();
    REQUIRE(predict);
    const auto difficulty =
        predict->of("What is the derivative of x^3 + 2x?\nA. 3x^2 + 2\nB. x^2\nC. 3x\nD. 2\nAnswer:");
    double last = 0;
    for (const double tier : {0.0, 1.0, 2.0, 3.0}) {
        const double p = difficulty(endpoint{.name = "x", .ability = tier});
        CHECK(p > last);
        last = p;
    }
}

TEST_CASE("predictions are those that training computed, within a thousandth") {
    const auto predict = bundled_difficulty();
    REQUIRE(predict);
    std::ifstream file(QLROUTE_SOURCE_DIR "/tests/golden/response.jsonl");
    REQUIRE(file);
    std::size_t rows = 0;
    for (std::string line; std::getline(file, line); ++rows) {
        const auto row = nlohmann::json::parse(line);
        const auto difficulty = predict->of(row["text"].get<std::string>());
        for (const auto& [name, p] : row["p"].items()) {
            const auto known = predict->known(name);
            REQUIRE(known);
            CHECK(std::abs(difficulty.success(*known) - p.get<double>()) < 1e-3);
        }
    }
    CHECK(rows == 1000);
}
