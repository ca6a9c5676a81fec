#include "engine_file.hpp"

#include "endpoint_file.hpp"
#include "files.hpp"
#include "shown.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

using namespace qlroute;
using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr double largest = 1e30;

ordered_json kernel_section(const cost::batch_time& b) {
    return {{"fixed_s", b.fixed.value()}, {"per_token_s", b.per_token.value()}, {"per_pair_s", b.per_pair.value()}};
}

ordered_json batched_section(const cost::batched& e) {
    return {{"batch_tok", e.batch.value()},
            {"tile_tok", e.tile.value()},
            {"tiled", kernel_section(e.tiled)},
            {"untiled", kernel_section(e.untiled)},
            {"decode", {{"fixed_s", e.decode.fixed.value()}, {"per_context_s", e.decode.per_context.value()}}}};
}

ordered_json table_section(const cost::measured_ratio& t) {
    const auto list = [](std::span<const double> all) { return std::vector<double>(all.begin(), all.end()); };
    return {{"rows", list(t.rows())}, {"columns", list(t.columns())}, {"ratios", list(t.ratios())}, {"kink", t.kink()}};
}

/// An object of an endpoint file while it is read.
class figures {
public:
    figures(const json& object, std::string file, std::string path)
        : object_(&object), file_(std::move(file)), path_(std::move(path)) {
        if (!object.is_object()) fail("", "expected an object, got " + shown(object));
    }

    [[noreturn]] void fail(const std::string& key, const std::string& why) const {
        throw usage_error(file_ + ": " + path_ + (key.empty() ? "" : "." + key) + ": " + why);
    }
    const json& need(const std::string& key) const {
        const auto at = object_->find(key);
        if (at == object_->end()) fail(key, "missing; expected what qlroute profile writes");
        return *at;
    }
    figures child(const std::string& key) const { return {need(key), file_, path_ + "." + key}; }

    double number(const std::string& key, double least = 0) const { return number(key, need(key), least); }
    std::vector<double> numbers(const std::string& key) const {
        const json& list = need(key);
        if (!list.is_array()) fail(key, "expected a list of numbers, got " + shown(list));
        std::vector<double> out;
        for (std::size_t i = 0; i < list.size(); ++i)
            out.push_back(number(key + "[" + std::to_string(i) + "]", list[i], 0));
        return out;
    }

private:
    double number(const std::string& key, const json& value, double least) const {
        const double x = value.is_number() ? value.get<double>() : -1;
        if (x > largest) fail(key, "expected a number of at most 1e30, got " + shown(value));
        if (!(x >= least))
            fail(key, std::string("expected a number ") + (least > 0 ? "above 0" : "of at least 0") + ", got " +
                          shown(value));
        return x;
    }

    const json* object_;
    std::string file_;
    std::string path_;
};

cost::batch_time read_kernel(const figures& at) {
    return {seconds(at.number("fixed_s")), seconds_per_token(at.number("per_token_s")),
            cost::seconds_per_pair(at.number("per_pair_s"))};
}

cost::batched read_batched(const figures& at) {
    const figures decode = at.child("decode");
    return {.batch = tokens(at.number("batch_tok")),
            .tile = tokens(at.number("tile_tok")),
            .tiled = read_kernel(at.child("tiled")),
            .untiled = read_kernel(at.child("untiled")),
            .decode = {seconds_per_token(decode.number("fixed_s")),
                       cost::seconds_per_pair(decode.number("per_context_s"))}};
}

cost::measured_ratio read_table(const figures& at) {
    auto rows = at.numbers("rows");
    auto columns = at.numbers("columns");
    auto ratios = at.numbers("ratios");
    if (rows.empty() && columns.empty() && ratios.empty()) return {};
    for (const auto& [key, axis] : {std::pair{"rows", &rows}, std::pair{"columns", &columns}})
        if (axis->empty() || std::adjacent_find(axis->begin(), axis->end(), std::greater_equal<>()) != axis->end())
            at.fail(key, "expected numbers that grow, at least one");
    if (ratios.size() != rows.size() * columns.size())
        at.fail("ratios", "expected " + std::to_string(rows.size() * columns.size()) +
                              " numbers, one for each row and column, got " + std::to_string(ratios.size()));
    return {std::move(rows), std::move(columns), std::move(ratios), at.number("kink")};
}

constexpr double above_zero = 1e-30;

cost::roofline read_roofline(const figures& at) {
    return {.parameters = at.number("parameters"),
            .layers = at.number("layers"),
            .attention_width = at.number("attention_width"),
            .weights = bits(at.number("weights_bit")),
            .kv_size = bits_per_token(at.number("kv_bit_per_token")),
            .operations = hertz(at.number("operations_per_s", above_zero)),
            .bandwidth = bits_per_second(at.number("bandwidth_bit_per_s", above_zero)),
            .prefill_overhead = seconds(at.number("prefill_overhead_s")),
            .decode_overhead = seconds(at.number("decode_overhead_s"))};
}

cost::any_engine read_engine(const figures& at) {
    const json& policy = at.need("policy");
    if (policy == cost::batched::name) return read_batched(at);
    if (policy == cost::profiled::name)
        return cost::profiled{read_batched(at.child("formula")), read_table(at.child("reading")),
                              read_table(at.child("writing"))};
    if (policy == cost::roofline::name) return read_roofline(at);
    at.fail("policy", "expected batched, profiled or roofline, got " + shown(policy));
}

}  // namespace

ordered_json engine_section(const cost::any_engine& engine) {
    if (const auto* e = engine.get<cost::batched>()) {
        ordered_json out{{"policy", e->name}};
        out.update(batched_section(*e));
        return out;
    }
    if (const auto* e = engine.get<cost::profiled>())
        return {{"policy", e->name},
                {"formula", batched_section(e->formula)},
                {"reading", table_section(e->reading)},
                {"writing", table_section(e->writing)}};
    if (const auto* e = engine.get<cost::roofline>())
        return {{"policy", e->name},
                {"parameters", e->parameters},
                {"layers", e->layers},
                {"attention_width", e->attention_width},
                {"weights_bit", e->weights.value()},
                {"kv_bit_per_token", e->kv_size.value()},
                {"operations_per_s", (e->compute_efficiency * e->operations).value()},
                {"bandwidth_bit_per_s", (e->memory_efficiency * e->bandwidth).value()},
                {"prefill_overhead_s", e->prefill_overhead.value()},
                {"decode_overhead_s", e->decode_overhead.value()}};
    return {};
}

engine_file read_engine_file(const std::string& path) {
    const json all = open_endpoint_file(path, "profile");
    if (!all.contains("engine"))
        throw usage_error(path + ": engine: missing; expected a file that qlroute profile wrote" +
                          (all.contains("abilities") ? ", this one is from qlroute calibrate" : ""));
    engine_file out;
    out.engine = read_engine(figures(all["engine"], path, "engine"));
    if (all.contains("request_time")) {
        const figures at(all["request_time"], path, "request_time");
        constexpr double bits_in_a_byte = 8;
        out.request_time = seconds(at.number("fixed_s"));
        out.request_time_per_size = at.number("per_byte_s") / bits_in_a_byte * seconds(1) / bits(1);
    }
    return out;
}
