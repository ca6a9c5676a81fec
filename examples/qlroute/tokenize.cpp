#include "commands.hpp"
#include "configured/files.hpp"

#include <qlroute/adapt/tokenizer_json.hpp>
#include <qlroute/text/wordpiece.hpp>

#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

/// A tokenizer.json begins with a brace; a vocab.txt whose first token is one would be strange.
qlroute::wordpiece read_vocabulary(const std::string& path) {
    if (path.empty()) throw usage_error("tokenize needs --vocab: a vocab.txt, or the tokenizer.json of a BERT model");
    const std::string text = read_file(path);
    const bool is_json = text.find_first_not_of(" \t\r\n") == text.find('{') && text.find('{') != std::string::npos;
    const auto words = is_json ? qlroute::parse_tokenizer_json(text) : qlroute::wordpiece::from_lines(text);
    if (!words) throw usage_error(path + ": " + words.error().message);
    return *words;
}

}  // namespace

int run_tokenize(const std::string& vocab, const std::string& input) {
    const qlroute::wordpiece words = read_vocabulary(vocab);
    std::istringstream file(input == "-" ? "" : read_file(input));
    std::istream& lines = input == "-" ? std::cin : file;
    std::vector<std::int32_t> room;
    std::string row;
    for (std::string line; std::getline(lines, line);) {
        room.resize(line.size() + 2);  // no byte becomes more than one id
        row = "[";
        for (const std::int32_t id : words.encode(line, room).ids)
            (row += row.size() > 1 ? "," : "") += std::to_string(id);
        std::cout << row << "]\n";
    }
    if (lines.bad()) throw usage_error("cannot read standard input");
    return 0;
}
