#include "measurements.hpp"

#include "configured/files.hpp"
#include "configured/shown.hpp"

#include <nlohmann/json.hpp>

#include <sstream>
#include <string_view>

using namespace qlroute;
using nlohmann::json;

namespace {

/// One line while it is read.
class row {
public:
    row(const json& all, std::string where) : all_(&all), where_(std::move(where)) {}

    [[noreturn]] void fail(const std::string& key, const std::string& why) const {
        throw usage_error(where_ + ": " + key + ": " + why);
    }
    bool has(const std::string& key) const {
        const auto at = all_->find(key);
        return at != all_->end() && !at->is_null();
    }
    double number(const std::string& key, double least, double most, const std::string& expected) const {
        if (!has(key)) fail(key, "missing; expected " + expected);
        const json& value = (*all_)[key];
        const double x = value.is_number() ? value.get<double>() : -1;
        if (!(x >= least && x <= most)) fail(key, "expected " + expected + ", got " + shown(value));
        return x;
    }
    tokens count(const std::string& key) const {
        return tokens(number(key, 0, 1e9, "a number of tokens from 0 to 1e9"));
    }
    seconds time() const {
        for (const char* key : {"ms_min", "ms_med", "ms"})
            if (has(key)) return seconds(number(key, 1e-9, 1e12, "milliseconds above 0") / 1e3);
        fail("ms", "missing; expected milliseconds, as ms_min, ms_med or ms");
    }
    double size(const std::string& key) const { return number(key, 1, 1e18, "a number of at least 1"); }

private:
    const json* all_;
    std::string where_;
};

void read_load(const row& at, engine_knowledge& known) {
    if (at.has("ub")) known.batch = tokens(at.number("ub", 0, 1e9, "the largest batch, in tokens"));
    if (!at.has("n_params")) return;
    cost::roofline sizes;
    const double width = at.size("n_embd");
    sizes.parameters = at.size("n_params") - at.size("n_vocab") * width;
    if (sizes.parameters <= 0) at.fail("n_params", "expected more than n_vocab * n_embd");
    sizes.layers = at.size("n_layer");
    sizes.attention_width = width;
    sizes.weights = bits(8 * at.size("size"));
    constexpr double f16 = 16;
    sizes.kv_size = bits_per_token(2 * sizes.layers * width * at.size("n_head_kv") / at.size("n_head") * f16);
    known.geometry = sizes;
}

}  // namespace

measurements read_measurements(const std::string& path) {
    measurements out;
    std::istringstream lines(read_file(path));
    std::size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        const std::string where = path + ": line " + std::to_string(number);
        json all;
        try {
            all = json::parse(line);
        } catch (const json::exception&) {
            throw usage_error(
                where +
                R"(: not valid JSON; expected an object such as {"test": "prefill", "new": 512, "ms_min": 611})");
        }
        if (!all.is_object() || !all.contains("test") || !all["test"].is_string())
            throw usage_error(
                where +
                R"(: test: expected an object with "test", such as {"test": "prefill", "new": 512, "ms_min": 611})");
        const row at(all, where);
        const auto& test = all["test"].get_ref<const std::string&>();
        engine_observation o;
        if (test == "load") {
            read_load(at, out.known);
            continue;
        }
        if (test == "prefill" || test == "extend") {
            if (test == "extend" || at.has("past")) o.cached = at.count("past");
            o.new_tokens = at.count("new");
        } else if (test == "decode") {
            o.cached = at.count("ctx");
            o.output_tokens = tokens(1);
        } else if (test == "request") {
            o.cached = at.count("past");
            o.new_tokens = at.count("new");
            o.output_tokens = at.count("output");
        } else {
            ++out.others;
            continue;
        }
        if (o.new_tokens + o.output_tokens == tokens(0)) at.fail("new", "expected at least 1, got 0");
        o.time = at.time();
        out.seen.push_back(o);
    }
    if (out.seen.empty())
        throw usage_error(
            path + ": no measurements" +
            (out.others > 0 ? ", only " + std::to_string(out.others) + " lines of other tests" : std::string()) +
            R"(; expected lines such as {"test": "prefill", "new": 512, "ms_min": 611})");
    return out;
}
