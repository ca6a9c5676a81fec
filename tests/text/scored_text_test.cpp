#include <qlroute/text/scored_text.hpp>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/allocations.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#if __has_include(<sys/mman.h>)
#include <sys/mman.h>
#endif

using namespace qlroute;
using json = nlohmann::json;
using pieces = std::vector<std::string>;

namespace {

pieces of(std::span<const message> dialogue, const scored_text_options& options = {}) {
    const scored_text got = text_to_score(dialogue, options);
    return {got.begin(), got.end()};
}

pieces of(std::string_view text, const scored_text_options& options = {}) {
    const message said[] = {{role::user, text}};
    return of(said, options);
}

bool is_untouched(std::string_view text) {
    const message said[] = {{role::user, text}};
    const scored_text got = text_to_score(said);
    return got.count == 1 && got.pieces[0].data() == text.data() && got.pieces[0].size() == text.size() &&
           got.bytes == text.size();
}

std::string repeated(std::string_view text, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += text;
    return out;
}

role role_named(const std::string& name) {
    return name == "system"      ? role::system
           : name == "assistant" ? role::assistant
           : name == "tool"      ? role::tool
                                 : role::user;
}

/// Of JSON, where invalid UTF-8 is written as one code point a byte.
std::string bytes_of(const json& text, bool code_points_are_bytes) {
    const auto utf8 = text.get<std::string>();
    if (!code_points_are_bytes) return utf8;
    std::string out;
    for (std::size_t i = 0; i < utf8.size(); ++i) {
        const auto byte = static_cast<unsigned char>(utf8[i]);
        if (byte < 0x80) out += utf8[i];
        else out += static_cast<char>(((byte & 3) << 6) | (static_cast<unsigned char>(utf8[++i]) & 0x3F));
    }
    return out;
}

std::vector<json> golden() {
    std::ifstream file(QLROUTE_SOURCE_DIR "/tests/golden/scored_text.jsonl");
    std::vector<json> rows;
    for (std::string line; std::getline(file, line);) rows.push_back(json::parse(line));
    return rows;
}

/// The texts of a golden row, and messages that look at them.
struct golden_dialogue {
    std::vector<std::string> texts;
    std::vector<message> messages;
    scored_text_options options;

    explicit golden_dialogue(const json& row) {
        const bool raw = row.value("code_points_are_bytes", false);
        for (const json& said : row["messages"]) texts.push_back(bytes_of(said["text"], raw));
        for (std::size_t i = 0; i < texts.size(); ++i)
            messages.push_back({role_named(row["messages"][i]["role"].get<std::string>()), texts[i], {}});
        const json set = row.value("options", json::object());
        options.window = set.value("window", options.window);
        options.context_below = set.value("context_below", options.context_below);
        options.earlier_user_turns = set.value("earlier_user_turns", options.earlier_user_turns);
    }
};

const std::string long_document =
    repeated("The crane was repaired, and the boats came back to the quay.\n", 20);  // 1.2 kB

}  // namespace

TEST_CASE("every golden dialogue is cut as written there") {
    const auto rows = golden();
    for (const json& row : rows) {
        CAPTURE(row["name"].get<std::string>());
        const golden_dialogue given(row);
        pieces expected;
        for (const json& piece : row["expected"])
            expected.push_back(bytes_of(piece, row.value("code_points_are_bytes", false)));
        CHECK(of(given.messages, given.options) == expected);
    }
    CHECK(rows.size() == 91);
}

TEST_CASE("pieces are views of the messages, in order, and no more than the window together") {
    for (const json& row : golden()) {
        CAPTURE(row["name"].get<std::string>());
        const golden_dialogue given(row);
        for (const std::size_t window : {0u, 1u, 2u, 3u, 7u, 64u, 500u, 4096u, 100000u}) {
            scored_text_options options = given.options;
            options.window = window;
            const scored_text got = text_to_score(given.messages, options);
            std::size_t bytes = 0;
            for (std::size_t i = 0; i < got.count; ++i) {
                const std::string_view piece = got.pieces[i];
                bytes += piece.size();
                CHECK(!piece.empty());
                const auto inside = [&](const std::string& text) {
                    return piece.data() >= text.data() && piece.data() + piece.size() <= text.data() + text.size();
                };
                CHECK(std::any_of(given.texts.begin(), given.texts.end(), inside));
                if (i > 0 && options.earlier_user_turns == 0)
                    CHECK(got.pieces[i - 1].data() + got.pieces[i - 1].size() <= piece.data());
            }
            CHECK(bytes <= window);
            CHECK(bytes <= got.bytes);
        }
    }
}

TEST_CASE("plain questions and instructions are one piece, byte for byte") {
    const char* const subjects[] = {"the tide",         "a violin",         "42 apples at 3.50 each",
                                    "x^2 - 5x + 6 = 0", "Größe und Maß",    "<b>bold</b> text",
                                    "std::vector<int>", "{1, 2, 3}",        "[a, b]",
                                    "C:\\temp\\*.log",  "\"quoted\" words", "user: and context: labels",
                                    "99 % of 1,000",    "光の速さ"};
    const char* const forms[] = {"What is {}?",
                                 "Explain {} to a child.",
                                 "{}",
                                 "Question: what about {}?\nAnswer:",
                                 "I wonder about {}.\n\nWhy is that so?",
                                 "Compare {} and {}:\n- cost\n- weight\n",
                                 "Context: {}\nQuestion: what is it?",
                                 "  {}\r\n",
                                 "```\n{}\n```\nWhat is wrong?"};
    for (const std::string_view form : forms)
        for (const std::string_view subject : subjects) {
            std::string text;
            for (std::size_t i = 0; i < form.size(); ++i) {
                if (form.substr(i, 2) != "{}") text += form[i];
                else text += subject, ++i;
            }
            CAPTURE(text);
            CHECK(is_untouched(text));
        }
}

TEST_CASE("multiple-choice prompts are one piece, byte for byte") {
    const std::string stems[] = {"Which gas do plants take in?",
                                 "Context: a lake freezes from above.\nQuestion: why?",
                                 "Context: " + long_document + "Question: What came back?",
                                 "Read the code.\n```c\nint f(int x) { return x ? f(x - 1) : 0; }\n```\nWhat is f(3)?",
                                 "This question refers to the following information.\n\"" +
                                     repeated("Four score and seven years ago. ", 60) + "\"\nWho said it?",
                                 "For all x in {1, 2}:\n{x} is a set.\n[Hint] count."};
    for (const std::string& stem : stems)
        for (const std::size_t options : {2u, 4u, 10u, 16u})
            for (const char* const end : {"", "\n", "\nAnswer:", "\n\nAnswer: "}) {
                std::string text = stem;
                for (std::size_t i = 0; i < options; ++i)
                    text += std::string("\n") + static_cast<char>('A' + i) + ". option " + std::to_string(i * 37);
                text += end;
                CAPTURE(text);
                CHECK(is_untouched(text));
            }
}

TEST_CASE("a long plain text is cut as prompt_reader cuts it, and keeps its length") {
    for (const std::size_t size : {4095u, 4096u, 4097u, 6001u, 65536u, 65537u, 200000u}) {
        CAPTURE(size);
        std::string text = repeated("A line about boats, without a question mark.\n", size / 45 + 1).substr(0, size);
        text.back() = '.';
        const message said[] = {{role::user, text}};
        const scored_text got = text_to_score(said);
        std::vector<std::uint64_t> expected;
        std::vector<std::uint64_t> found;
        prompt_reader whole([&](std::uint64_t hash, prompt_ngram) { expected.push_back(hash); });
        whole.read_window(text);
        prompt_reader in_pieces([&](std::uint64_t hash, prompt_ngram) { found.push_back(hash); });
        for (const std::string_view piece : got) in_pieces.read(piece);
        in_pieces.finish();
        CHECK(found == expected);
        CHECK(in_pieces.features(got.bytes) == whole.features(text.size()));
    }
}

TEST_CASE("only the user is read, and without a message of the user there is no piece") {
    const message dialogue[] = {{role::system, "Be brief."},
                                {role::user, "What is a fjord?"},
                                {role::assistant, "A drowned valley."},
                                {role::tool, "{}"}};
    CHECK(of(dialogue) == pieces{"What is a fjord?"});
    CHECK(of(std::span(dialogue).first(1)).empty());
    CHECK(of(std::span<const message>{}).empty());
    CHECK(of("").empty());
    CHECK(of(std::string(5000, ' ')) == pieces{std::string(2048, ' '), std::string(2048, ' ')});
}

TEST_CASE("every tag of a block is set aside with what is in it, in either case and with '-' for '_'") {
    for (const char* const name :
         {"context", "Document", "documents", "doc", "passage", "search_results", "system-reminder", "system_reminder",
          "tool_schema", "TOOLS", "functions", "tool-result", "function_results", "file_contents",
          "environment_details", "additional_data"}) {
        CAPTURE(name);
        const std::string open = std::string("<") + name + ">";
        const std::string close = std::string("</") + name + ">";
        CHECK(of("Before.\n" + open + "\nA mill.\n" + close + "\nAfter?") == pieces{"Before.", "After?"});
    }
    CHECK(is_untouched("Before.\n<mill>\nA mill.\n</mill>\nAfter?"));
    CHECK(is_untouched("Before.\n<contextual>\nA mill.\n</contextual>\nAfter?"));
    CHECK(is_untouched("Before.\n<context/>\nA mill.\n</context>\nAfter?"));
}

TEST_CASE("a block begins at the beginning of a line, and ends with one unless it is long") {
    CHECK(is_untouched("See <context>\nA mill.\n</context>\nWhy?"));
    CHECK(is_untouched(" <context>\nA mill.\n</context>\nWhy?"));
    CHECK(is_untouched("<context>A mill.</context> why?"));
    CHECK(of("<context>A mill.</context> \t\r\nwhy?") == pieces{"why?"});
    CHECK(of("<doc>A mill.</doc><doc>A dam.</doc>\nwhy?") == pieces{"why?"});
    CHECK(is_untouched("<context>\nwhere <context> is closed by\n</context>\nWhy?"));
    for (const std::size_t bytes : {255u, 256u}) {
        const std::string block = "<context>" + std::string(bytes - 19, 'x') + "</context>";
        CHECK(is_untouched(block + " why?") == (bytes < 256));
    }
}

TEST_CASE("of a question in its tag only the tags go") {
    CHECK(of("<user_query>\nWhy?\n</user_query>") == pieces{"Why?"});
    CHECK(of("Be kind.\n<question>Why?</question>\nThanks") == pieces{"Be kind.", "Why?", "Thanks"});
    CHECK(is_untouched("<question>\nWhy?"));
}

TEST_CASE("a tool schema is set aside, other JSON is not") {
    const std::string schema = R"({"name": "tide", "input_schema": {"type": "object", "properties": {}}})";
    const std::string called = R"([{ "type" : "function", "function": {"name": "tide"}}])";
    CHECK(of(schema + "\nIs it high?") == pieces{"Is it high?"});
    CHECK(of(called + "\nIs it high?") == pieces{"Is it high?"});
    CHECK(of(schema + ",\n" + schema + "\nIs it high?") == pieces{"Is it high?"});
    CHECK(of(R"({"type": "function", "about": "\"}"})"
             "\nIs it high?") == pieces{"Is it high?"});
    CHECK(is_untouched("{\"type\": \"function\", \"about\": \"\n\"}\nIs it high?"));
    CHECK(of("Is it high?\n```json\n" + schema + "\n```") == pieces{"Is it high?"});
    CHECK(is_untouched(R"({"name": "tide", "height": 3})"
                       "\nIs it high?"));
    CHECK(is_untouched("Tool: " + schema + "\nIs it high?"));
    CHECK(is_untouched(schema.substr(0, schema.size() - 1) + "\nIs it high?"));
    CHECK(is_untouched(schema + " is what I have. Is it right?"));
}

TEST_CASE("behind a long context the label of the question is followed, a short text before it stays") {
    const std::string context = "Context:\n" + long_document;
    CHECK(of(context + "Question: Why?") == pieces{"Why?"});
    CHECK(of("Be kind.\n" + context + "User: Why?") == pieces{"Be kind.", "Why?"});
    CHECK(of(context + "Question: Who?\n" + context + "Query:\nWhy?") == pieces{"Why?"});
    CHECK(of("<tools>" + long_document + "</tools>\nBe kind.\n" + context + "User: Why?") ==
          pieces{"Be kind.", "Why?"});
    CHECK(of(long_document + context + "User: Why?") == pieces{"Why?"});
    CHECK(is_untouched("```\n" + context + "Question: Why?\n```\nWhat is this format called?"));
    CHECK(is_untouched("Context:\nA mill.\nQuestion: Why?"));
    CHECK(is_untouched(long_document + "Question: Why?"));
    CHECK(is_untouched(context + " Question: Why?"));
    CHECK(is_untouched("Question: Why?\n" + context));
}

TEST_CASE("the label counts only behind 512 bytes of context") {
    for (const std::size_t before : {511u, 512u}) {
        const std::string context = "Context: " + std::string(before - 10, 'x') + "\n";
        CHECK(is_untouched(context + "Question: Why?") == (before < 512));
    }
}

TEST_CASE("code in fences stays whole while there is room") {
    const std::string code = "```\n" + repeated("x = x + 1\n", 300) + "```";
    CHECK(is_untouched("Why?\n" + code));
    CHECK(is_untouched(code));
}

TEST_CASE(
    "where there is no room, of long code in fences the ends stay beside a question, and alone it is a long text") {
    for (const std::size_t lines : {250u, 600u}) {
        const std::string code = "```\n" + repeated("x = x + 1\n", lines) + "```";
        const pieces got = of(code + "\nWhat does it do?\n" + code);
        REQUIRE(got.size() == 3);
        CHECK(got[1].find("What does it do?") != std::string::npos);
    }
    const std::string code = "```\n" + repeated("x = x + 1\n", 600) + "```";
    CHECK(of(code) == pieces{code.substr(0, 2048), code.substr(code.size() - 2048)});
    const std::string open = "Why?\n" + code.substr(0, code.size() - 3) + "\nend";
    CHECK(of(open) == pieces{open.substr(0, 2048), open.substr(open.size() - 2048)});
}

TEST_CASE("a question at the end of a long text is inside the window, whole") {
    for (const std::size_t words : {1u, 10u, 100u, 300u, 420u}) {
        const std::string question = repeated("why so ", words) + "much?";
        for (const char* const end : {"", "\n\n \n", ")", "\""}) {
            const pieces got = of(repeated(long_document, 6) + "\n" + question + end);
            CAPTURE(words);
            REQUIRE(!got.empty());
            CHECK(got.back().find(question) != std::string::npos);
        }
    }
    const std::string line = "Is that so, and if it is, does it matter to anybody at all?";
    const pieces got = of(repeated(long_document, 6) + line, {.window = 90});
    CHECK(got == pieces{long_document.substr(0, 90 - line.size()), line});
}

TEST_CASE("an instruction at the beginning of a long text is inside the window, whole") {
    for (const std::string instruction : {"Summarise the following, in German, for somebody who has never seen a boat.",
                                          "What is odd in this text, and what would you rather do about it?",
                                          "Hier ist ein langer Text, bitte einmal kurz und knapp zusammenfassen:"}) {
        const pieces got = of(instruction + "\n\n" + long_document, {.window = 110});
        CAPTURE(instruction);
        REQUIRE(got.size() == 2);
        CHECK(got[0] == instruction);
    }
    const std::string question = "And who pays for the crane of the boats?";
    const pieces both = of("Summarise the following, in German, for somebody who has never seen a boat.\n\n" +
                               long_document + "\n" + question,
                           {.window = 110});
    CHECK(both.back() == question);
    CHECK(of("Summaries of boats are what this is about, whatever it may look like.\n\n" + long_document,
             {.window = 110})[0]
              .size() == 55);
}

TEST_CASE("a short follow-up takes earlier messages along, as many as the options allow and until there is enough") {
    const message dialogue[] = {{role::user, "Explain the tides."},
                                {role::assistant, "The moon."},
                                {role::user, "make it shorter"},
                                {role::assistant, "Moon."},
                                {role::user, "and why?"}};
    CHECK(of(dialogue) == pieces{"and why?"});
    CHECK(of(dialogue, {.earlier_user_turns = 1}) == pieces{"and why?", "make it shorter"});
    CHECK(of(dialogue, {.earlier_user_turns = 9}) == pieces{"and why?", "make it shorter", "Explain the tides."});
    CHECK(of(dialogue, {.context_below = 23, .earlier_user_turns = 9}) == pieces{"and why?", "make it shorter"});
    CHECK(of(dialogue, {.context_below = 8, .earlier_user_turns = 9}) == pieces{"and why?"});
    CHECK(of(dialogue, {.window = 12, .earlier_user_turns = 1}) == pieces{"and why?", "ma", "er"});
    CHECK(text_to_score(dialogue, {.earlier_user_turns = 2}).bytes == 41);
}

TEST_CASE("it can be computed while compiling") {
    static constexpr message said[] = {{role::user, "<context>\nA mill.\n</context>\nWhy?"}};
    static constexpr scored_text got = text_to_score(said);
    static_assert(got.count == 1 && got.pieces[0] == "Why?" && got.bytes == 4);
    CHECK(got.pieces[0] == "Why?");
}

TEST_CASE("more blocks than there is room for stay in the text") {
    const std::string text = "and\n" + repeated("<doc>\nA mill.\n</doc>\nand\n", 100) + "Why?";
    const scored_text got = [&] {
        const message said[] = {{role::user, text}};
        return text_to_score(said);
    }();
    CHECK(got.count == 15);
    CHECK(got.pieces[0] == "and");
    CHECK(got.pieces[14].ends_with("</doc>\nand\nWhy?"));
}

TEST_CASE("nothing is allocated") {
    std::vector<golden_dialogue> dialogues;
    for (const json& row : golden()) dialogues.emplace_back(row);
    const std::size_t before = allocations;
    std::size_t count = 0;
    for (const golden_dialogue& each : dialogues) count += text_to_score(each.messages, each.options).count;
    CHECK(allocations == before);
    CHECK(count > 0);
}

TEST_CASE("random text made of what is special gives views of it, in order, and never nothing") {
    const char* const parts[] = {"<context>",
                                 "</context>",
                                 "<doc>",
                                 "</doc>",
                                 "<question>",
                                 "</question>",
                                 "```",
                                 "\n",
                                 "\n\n",
                                 " ",
                                 "{\"type\": \"function\"}",
                                 "{\"",
                                 "[{",
                                 "}",
                                 "]",
                                 "\"",
                                 "\\",
                                 "Context:",
                                 "Question:",
                                 "## User",
                                 "why?",
                                 "\r\n",
                                 "\xC3",
                                 "<",
                                 ">",
                                 "A. ",
                                 "\xEF\xBC\x9F",
                                 "long long long long long long long text"};
    std::uint64_t state = 1;
    const auto random = [&](std::size_t below) {
        state = state * 6364136223846793005 + 1442695040888963407;
        return static_cast<std::size_t>(state >> 33) % below;
    };
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        for (std::size_t n = random(120); n > 0; --n) text += parts[random(std::size(parts))];
        const std::size_t window = random(2) == 0 ? 4096 : random(300);
        CAPTURE(text);
        const message said[] = {{role::user, text}};
        const scored_text got = text_to_score(said, {.window = window});
        const char* at = text.data();
        std::size_t bytes = 0;
        bool in_order = true;
        for (const std::string_view piece : got) {
            in_order = in_order && !piece.empty() && piece.data() >= at;
            at = piece.data() + piece.size();
            bytes += piece.size();
        }
        CHECK(in_order);
        CHECK(at <= text.data() + text.size());
        CHECK(bytes <= window);
        CHECK((got.count > 0 || text.empty() || window == 0));
    }
}

TEST_CASE("of 10 MB the first and the last 32 kB decide, and a block that spans the middle is one") {
    const std::string middle(10'000'000, 'x');
    CHECK(of("<document>\n" + middle + "\n</document>\nWhy?") == pieces{"Why?"});
    CHECK(of("Why?\n<document>\n" + middle + "\n</document>\n") == pieces{"Why?"});
    CHECK(of("Context: " + middle + "\nQuestion: Why?") == pieces{"Why?"});
    CHECK(of("Why?\n" + middle) == pieces{"Why?\n" + middle.substr(0, 2043), middle.substr(0, 2048)});
    const std::string blanks(10'000'000, ' ');
    CHECK(of(blanks).size() == 2);
    CHECK(of("<doc>\nA mill.\n</doc>" + blanks).size() == 2);
}

TEST_CASE("the time of 10 MB is that of 64 kB, whatever is in it") {
    const char* const units[] = {"<context>\n",
                                 "</context>\n",
                                 "<context a",
                                 "{\"a\": \n",
                                 "[{\"",
                                 "```\n",
                                 "Context:\n",
                                 "Question:\n",
                                 "<",
                                 "\n",
                                 " ",
                                 "{",
                                 "<doc>\nx\n</doc>\ny\n",
                                 "<question>x\n</question>\n",
                                 "{\"type\": \"function\"}\n",
                                 "\"type\"",
                                 "?",
                                 "<document x>\n<doc>\n</document>z\n"};
    for (const std::string_view unit : units) {
        CAPTURE(unit);
        const auto shortest = [&](std::size_t bytes) {
            const std::string text = repeated(unit, bytes / unit.size());
            const message said[] = {{role::user, text}};
            auto best = std::chrono::steady_clock::duration::max();
            for (int round = 0; round < 5; ++round) {
                const auto begin = std::chrono::steady_clock::now();
                CHECK(text_to_score(said).count > 0);
                best = std::min(best, std::chrono::steady_clock::now() - begin);
            }
            return best;
        };
        CHECK(shortest(10'000'000) < 10 * shortest(65536));  // 153 times, were all of it read
    }
}

#if __has_include(<sys/mman.h>)
TEST_CASE("nothing but the first and the last 32 kB of a long message is touched") {
    constexpr std::size_t end = 65536;  // pages may have so many bytes
    constexpr std::size_t bytes = 10 * 1024 * 1024;
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    char* const text = static_cast<char*>(memory);
    REQUIRE(mprotect(text + end, bytes - 2 * end, PROT_NONE) == 0);
    const std::string_view whole(text + end - 32768, bytes - 2 * (end - 32768));
    for (const std::string_view unit :
         {" ", "Context:\nQuestion: \n", "\n", "x", "<context>\n", "{\"a\": ", "```\n", "Context:\nQuestion: ", "a?",
          "<doc>\nx\n</doc>\n", "{\"type\":\"function\"}\n", "</context>", "\xEF\xBC\x9F"}) {
        CAPTURE(unit);
        const auto fill = [&](char* to, std::string_view with, std::size_t shift) {
            for (std::size_t i = 0; i < 32768; ++i) to[i] = with[(i + shift) % with.size()];
        };
        for (const std::string_view other : {unit, std::string_view("x"), std::string_view(" ")})
            for (std::size_t shift = 0; shift < unit.size(); ++shift) {
                fill(text + end - 32768, unit, shift);
                fill(text + bytes - end, other, shift % other.size());
                const message said[] = {{role::user, whole}};
                for (const std::size_t window : {64u, 4096u, 60000u, 1u << 20})
                    CHECK(text_to_score(said, {.window = window}).count > 0);
            }
    }
    munmap(memory, bytes);
}
#endif
