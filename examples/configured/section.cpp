#include "section.hpp"

#include <set>

using nlohmann::json;

std::string beside(const std::string& config_path, const std::string& path) {
    const std::size_t slash = config_path.rfind('/');
    return path.starts_with('/') || slash == std::string::npos ? path : config_path.substr(0, slash + 1) + path;
}

std::string without_name(const json::exception& why) {
    const std::string_view all(why.what());  // "[json.exception.parse_error.101] parse error at line 3, ..."
    const std::size_t end = all.find("] ");
    return std::string(end == all.npos ? all : all.substr(end + 2));
}

json parse_config(const std::string& text, const std::string& path) {
    std::vector<std::set<std::string>> open;  // the keys of the objects around the place that is read
    const auto refuse_twins = [&](int, json::parse_event_t event, json& value) {
        if (event == json::parse_event_t::object_start) open.emplace_back();
        if (event == json::parse_event_t::object_end) open.pop_back();
        if (event == json::parse_event_t::key && !open.back().insert(value.get<std::string>()).second)
            throw usage_error(path + ": " + value.get<std::string>() + ": found twice in one object; expected it once");
        return true;
    };
    try {
        return json::parse(text, refuse_twins, true, true);  // comments are welcome
    } catch (const json::exception& why) {
        throw usage_error(path + ": not valid JSON: " + without_name(why));
    }
}
