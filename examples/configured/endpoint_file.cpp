#include "endpoint_file.hpp"

#include "files.hpp"
#include "section.hpp"
#include "shown.hpp"

using nlohmann::json;

json open_endpoint_file(const std::string& path, std::string_view command) {
    const std::string expected = " that qlroute " + std::string(command) + " wrote";
    const std::string text = read_file(path);
    json all;
    try {
        all = json::parse(text);
    } catch (const json::exception& why) {
        throw usage_error(path + ": not valid JSON: " + without_name(why) + "; expected a file" + expected);
    }
    if (!all.is_object() || !all.contains("format") || all["format"] != "qlroute.endpoint")
        throw usage_error(path + ": not an endpoint file; expected one" + expected);
    if (!all.contains("version") || all["version"] != 1)
        throw usage_error(path + ": version: expected 1, got " +
                          (all.contains("version") ? shown(all["version"]) : "nothing") + "; " + std::string(command) +
                          " again with this program");
    return all;
}
