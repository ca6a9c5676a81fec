#include "commands.hpp"
#include "configured/files.hpp"

#include <qlroute/difficulty/response_difficulty.hpp>

#include <nlohmann/json.hpp>

#include <iostream>
#include <sstream>

int run_features(const std::string& input) {
    std::istringstream file(input == "-" ? "" : read_file(input));
    std::istream& in = input == "-" ? std::cin : file;
    std::string line;
    std::size_t number = 0;
    std::size_t bad = 0;
    while (std::getline(in, line)) {
        ++number;
        const auto text = nlohmann::json::parse(line, nullptr, false);
        if (!text.is_string()) {
            std::cerr << (input == "-" ? "stdin" : input) << ':' << number
                      << ": expected a text as JSON, such as \"Is it so?\"\n";
            std::cout << "null\n";
            ++bad;
            continue;
        }
        const auto& prompt = text.get_ref<const std::string&>();
        nlohmann::ordered_json row{{"features", nullptr}, {"ngrams", nlohmann::json::array()}};
        auto& ngrams = row["ngrams"];
        qlroute::prompt_reader reader([&](std::uint64_t hash, qlroute::prompt_ngram) { ngrams.push_back(hash >> 40); });
        const qlroute::message only[] = {{qlroute::role::user, prompt}};
        qlroute::joined_text joined;
        const std::string_view scored = joined.of(qlroute::text_to_score(only));
        reader.read(scored);
        reader.finish();
        row["features"] = reader.features(scored.size());
        row["text"] = scored;
        std::cout << row.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
    }
    return bad == 0 ? 0 : 1;
}
