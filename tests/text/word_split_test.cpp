#include <qlroute/text/word_split.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace qlroute;

namespace {

struct pieces {
    std::vector<std::pair<std::size_t, std::size_t>> all;
    std::string folded;
    bool is_open = false;
    bool operator==(const pieces&) const = default;
};

pieces split(text_path path, std::string_view text, bool lowercase = true) {
    // exactly as long as it is, so that a sanitizer sees what is read beyond
    const std::vector<char> exact(text.begin(), text.end());
    const auto room = std::make_unique<detail::split_pieces>();
    detail::split_by(path)({exact.data(), exact.size()}, lowercase, *room);
    pieces out;
    for (std::size_t i = 0; i < room->count; ++i) out.all.emplace_back(room->begins[i], room->ends[i]);
    out.folded.assign(room->folded, text.size());
    out.is_open = room->is_open;
    return out;
}

/// One byte at a time.
pieces expected(std::string_view text, bool lowercase = true) {
    pieces out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        const auto byte = static_cast<unsigned char>(c);
        const bool is_blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        const bool is_strange = byte >= 0x7F || (byte < 0x20 && !is_blank);
        const bool is_upper = c >= 'A' && c <= 'Z';
        const bool is_letter = is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || is_strange;
        out.folded += is_strange ? '\xFF' : is_upper && lowercase ? static_cast<char>(c + 32) : c;
        if (is_letter && out.is_open) out.all.back().second = at + 1;
        else if (!is_blank) out.all.emplace_back(at, at + 1);
        out.is_open = is_letter;
    }
    return out;
}

template <class Check>
void for_every_path(Check check) {
    for (const auto path : text_paths()) {
        if (path == text_path::scalar) continue;
        INFO("path: ", name_of(path));
        check(path);
    }
}

}  // namespace

TEST_CASE("a piece is a run between blanks and punctuation, or one punctuation character") {
    for_every_path([](text_path path) {
        const auto some = split(path, "It's  42,\tNO?");
        CHECK(some.folded == "it's  42,\tno?");
        CHECK(some.all == std::vector<std::pair<std::size_t, std::size_t>>{
                              {0, 2}, {2, 3}, {3, 4}, {6, 8}, {8, 9}, {10, 12}, {12, 13}});
        CHECK_FALSE(some.is_open);
        CHECK(split(path, "No", false).folded == "No");
        CHECK(split(path, "").all.empty());
        CHECK(split(path, " \n").all.empty());
    });
}

TEST_CASE("bytes that are not plain ASCII belong to a run, and are marked") {
    for_every_path([](text_path path) {
        const auto some = split(path, "caf\xC3\xA9 a\x01z\x7F");
        CHECK(some.folded == "caf\xFF\xFF a\xFFz\xFF");
        CHECK(some.all == std::vector<std::pair<std::size_t, std::size_t>>{{0, 5}, {6, 10}});
        CHECK(some.is_open);
    });
}

TEST_CASE("every byte is classified alike wherever it stands") {
    for_every_path([](text_path path) {
        for (int byte = 0; byte < 256; ++byte)
            for (std::size_t before : {0u, 1u, 15u, 16u, 31u, 32u, 62u, 63u, 64u}) {
                const std::string text = std::string(before, 'a') + static_cast<char>(byte) + "b";
                REQUIRE(split(path, text) == expected(text));
            }
    });
}

TEST_CASE("text of any length and any kind is cut like one byte at a time") {
    for_every_path([](text_path path) {
        std::mt19937 random(7);
        constexpr std::string_view kinds[] = {"ab ", "aB1.", ".,; ", "a", " ", ".", "ab \xC3\xA9.\x01\n"};
        for (int round = 0; round < 3000; ++round) {
            const auto from = kinds[random() % std::size(kinds)];
            std::string text(random() % (round % 10 == 0 ? detail::split_pieces::window + 1 : 200), ' ');
            for (auto& c : text) c = from[random() % from.size()];
            const bool lowercase = round % 2 == 0;
            REQUIRE(split(path, text, lowercase) == expected(text, lowercase));
        }
        for (const char c : {'a', '.', ' ', '\xFF'}) {
            const std::string full(detail::split_pieces::window, c);
            REQUIRE(split(path, full) == expected(full));
        }
    });
}

TEST_CASE("the scalar path is always there, and no other twice") {
    REQUIRE_FALSE(text_paths().empty());
    CHECK(text_paths().front() == text_path::scalar);
    CHECK_FALSE(static_cast<bool>(detail::split_by(text_path::scalar)));
    for (std::size_t i = 1; i < text_paths().size(); ++i) CHECK(text_paths()[i] > text_paths()[i - 1]);
}
