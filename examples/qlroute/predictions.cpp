#include "predictions.hpp"

#include "dialogues.hpp"
#include "configured/files.hpp"
#include "configured/shown.hpp"

#include <nlohmann/json.hpp>

#include <sstream>

using nlohmann::json;

std::size_t read_predictions(const std::string& path, const std::function<void(const predicted_pair&)>& each) {
    std::istringstream lines(read_file(path));
    return read_lines(lines, path, [&](const std::string& line) {
        const json row = parse_row(line, R"({"id": "a", "p_small": 0.4, "p_large": 0.9})");
        predicted_pair out;
        out.id = id_of(row);
        const auto probability = [&](const std::string& key) {
            const auto value = row.find(key);
            if (value == row.end()) throw bad_line(key + ": missing; expected a number from 0 to 1");
            if (!value->is_number() || !(value->get<double>() >= 0 && value->get<double>() <= 1))
                throw bad_line(key + ": expected a number from 0 to 1, got " + shown(*value));
            return value->get<double>();
        };
        const auto name = [&](const std::string& key) {
            const auto value = row.find(key);
            if (value == row.end() || value->is_null()) return std::string();
            if (!value->is_string()) throw bad_line(key + ": expected a text, got " + shown(*value));
            return value->get<std::string>();
        };
        out.small = probability("p_small");
        out.large = probability("p_large");
        out.benchmark = name("benchmark");
        out.small_model = name("small");
        out.large_model = name("large");
        each(out);
    });
}
