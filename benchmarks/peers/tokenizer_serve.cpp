// The tokenizer as a process that stays, for programs that compare others with it (tokenizers.mjs).
//
//   tokenizer_serve VOCAB [--cased] [--accents keep|strip] [--dirty] [--joined-cjk] [--no-added] [--path avx2]
//
// VOCAB is a vocab.txt. All numbers are little-endian, 4 bytes, but the seconds, which are a double.
//   asked:     kind, capacity, number of texts; for each text its size and its bytes
//   answered:  bytes that follow, number of texts, seconds; for each text (pair, for kind 2): n, ids of the first text,
//              truncated, n ids
// Kinds: 0 tokenize, 1 encode into `capacity` ids, 2 encode pairs into `capacity`, 3 as 0, but the ids are not sent,
// only counted. The seconds are those of the tokenizer alone.
#include <qlroute/text/wordpiece.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

using namespace qlroute;

namespace {

bool read_exactly(void* to, std::size_t size) { return size == 0 || std::fread(to, size, 1, stdin) == 1; }

bool read_number(std::uint32_t& number) { return read_exactly(&number, sizeof number); }

void append(std::string& out, const void* from, std::size_t size) { out.append(static_cast<const char*>(from), size); }

void append_number(std::string& out, std::size_t number) {
    const auto narrow = static_cast<std::uint32_t>(number);
    append(out, &narrow, sizeof narrow);
}

int complain(std::string_view what) {
    std::fprintf(stderr, "tokenizer_serve: %.*s\n", static_cast<int>(what.size()), what.data());
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) return complain("expected the path of a vocab.txt");
    wordpiece_options options;
    text_path path = text_paths().back();
    for (int i = 2; i < argc; ++i) {
        const std::string_view flag = argv[i];
        if (flag == "--cased") options.lowercase = false;
        else if (flag == "--dirty") options.clean_text = false;
        else if (flag == "--joined-cjk") options.isolate_cjk = false;
        else if (flag == "--no-added") options.added_tokens.emplace();
        else if (flag == "--accents" && i + 1 < argc) options.strip_accents = std::string_view(argv[++i]) == "strip";
        else if (flag == "--path" && i + 1 < argc) {
            ++i;
            bool is_here = false;
            for (const auto one : text_paths())
                if (name_of(one) == argv[i]) path = one, is_here = true;
            if (!is_here) return complain("this machine cannot read text that way: " + std::string(argv[i]));
        } else {
            return complain("unknown option " + std::string(flag));
        }
    }
    const auto loaded = wordpiece::load(argv[1], options);
    if (!loaded) return complain(loaded.error().message);
    const wordpiece words = loaded->by(path);

    std::uint32_t kind = 0;
    std::uint32_t capacity = 0;
    std::uint32_t count = 0;
    std::vector<std::string> texts;
    std::vector<std::int32_t> room;
    while (read_number(kind) && read_number(capacity) && read_number(count)) {
        texts.resize(count);
        std::size_t longest = 0;
        for (auto& text : texts) {
            std::uint32_t size = 0;
            if (!read_number(size)) return complain("the request is cut off");
            text.resize(size);
            if (!read_exactly(text.data(), size)) return complain("the request is cut off");
            longest = std::max<std::size_t>(longest, size);
        }
        // no byte becomes more than one id
        room.resize(std::max<std::size_t>(capacity, longest));
        const std::span<std::int32_t> all(room);
        std::string answer;
        const std::size_t answers = kind == 2 ? count / 2 : count;
        std::clock_t spent = 0;
        if (kind == 3) {
            std::vector<std::size_t> counts(count);
            const auto start = std::clock();
            for (std::size_t i = 0; i < count; ++i) counts[i] = words.tokenize(texts[i], all);
            spent = std::clock() - start;
            for (const auto n : counts) {
                append_number(answer, n);
                append_number(answer, n);
                append_number(answer, 0);
            }
        } else {
            for (std::size_t i = 0; i < answers; ++i) {
                const auto start = std::clock();
                wordpiece::encoding one;
                if (kind == 0) one.ids = all.first(words.tokenize(texts[i], all));
                else if (kind == 1) one = words.encode(texts[i], all.first(capacity));
                else one = words.encode(texts[2 * i], texts[2 * i + 1], all.first(capacity));
                spent += std::clock() - start;
                append_number(answer, one.ids.size());
                append_number(answer, one.first);
                append_number(answer, one.truncated ? 1 : 0);
                append(answer, one.ids.data(), one.ids.size_bytes());
            }
        }
        const double seconds = static_cast<double>(spent) / CLOCKS_PER_SEC;
        std::string head;
        append_number(head, answer.size() + 12);
        append_number(head, answers);
        append(head, &seconds, sizeof seconds);
        if (std::fwrite(head.data(), head.size(), 1, stdout) != 1 ||
            (!answer.empty() && std::fwrite(answer.data(), answer.size(), 1, stdout) != 1) || std::fflush(stdout) != 0)
            return complain("nobody reads the answer");
    }
    return 0;
}
