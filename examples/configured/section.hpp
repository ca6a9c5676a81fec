// One object of a configuration file, read key by key.
#pragma once

#include "files.hpp"
#include "shown.hpp"

#include <qlroute/core/units.hpp>
#include <qlroute/io/quantity_text.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A relative path is relative to the configuration that names it.
std::string beside(const std::string& config_path, const std::string& path);

/// What the exception says of the text, without the name that it gives itself.
std::string without_name(const nlohmann::json::exception& why);

/// JSON with comments. Throws usage_error naming `path`, also where an object has a key twice.
nlohmann::json parse_config(const std::string& text, const std::string& path);

/// One JSON object of the configuration. Every key must be asked for; finish() complains of the others.
class section {
public:
    section(const nlohmann::json& object, std::string file, std::string path)
        : object_(&object), file_(std::move(file)), path_(std::move(path)) {
        if (!object.is_object()) fail_here("expected an object, such as {...}, got " + shown(object));
    }

    [[noreturn]] void fail(std::string_view key, const std::string& why) const {
        throw usage_error(file_ + ": " + path_ + (path_.empty() ? "" : ".") + std::string(key) + ": " + why);
    }
    [[noreturn]] void fail_here(const std::string& why) const {
        throw usage_error(file_ + ": " + (path_.empty() ? "the whole file" : path_) + ": " + why);
    }

    const nlohmann::json* find(std::string_view key) {
        if (std::find(asked_.begin(), asked_.end(), key) == asked_.end()) asked_.emplace_back(key);
        const auto at = object_->find(std::string(key));
        return at == object_->end() ? nullptr : &*at;
    }
    const nlohmann::json& need(std::string_view key, const std::string& expected) {
        const nlohmann::json* value = find(key);
        if (value == nullptr) fail(key, "missing; expected " + expected);
        return *value;
    }
    section child(std::string_view key, const nlohmann::json& value) const {
        return section(value, file_, path_ + (path_.empty() ? "" : ".") + std::string(key));
    }
    section child(std::string_view key, std::size_t index, const nlohmann::json& value) const {
        return section(value, file_,
                       path_ + (path_.empty() ? "" : ".") + std::string(key) + "[" + std::to_string(index) + "]");
    }

    /// A quantity written as text with its unit: "38 ms". Bounded, so that no cost overflows.
    template <qlroute::any_quantity Q>
    void read(std::string_view key, Q& into, Q most = Q(1e15)) {
        const nlohmann::json* value = find(key);
        if (value == nullptr) return;
        // What is not a text has no unit, and parse_quantity() says so.
        const auto quantity =
            qlroute::parse_quantity<Q>(value->is_string() ? value->get<std::string>() : shown(*value));
        if (!quantity) fail(key, quantity.error().message);
        if (quantity->value() < 0) fail(key, "must not be negative, got " + shown(*value));
        if (*quantity > most) fail(key, "expected at most " + qlroute::to_text(most) + ", got " + shown(*value));
        if (quantity->value() > 0 && quantity->value() < 1e-15)
            fail(key, "expected 0 or at least " + qlroute::to_text(Q(1e-15)) + ", got " + shown(*value));
        into = *quantity;
    }

    /// A plain number between two bounds.
    void read(std::string_view key, double& into, double least, double most) {
        const nlohmann::json* value = find(key);
        if (value == nullptr) return;
        const bool number = value->is_number() && std::isfinite(value->get<double>());
        if (!number || value->get<double>() < least || value->get<double>() > most) {
            fail(key, "expected a number from " + bound(least) + " to " + bound(most) + ", got " + shown(*value));
        }
        into = value->get<double>();
    }

    void read(std::string_view key, bool& into) {
        const nlohmann::json* value = find(key);
        if (value == nullptr) return;
        if (!value->is_boolean()) fail(key, "expected true or false, got " + shown(*value));
        into = value->get<bool>();
    }

    std::string choice(std::string_view key, const std::string& fallback,
                       std::initializer_list<std::string_view> allowed) {
        const nlohmann::json* value = find(key);
        if (value == nullptr) return fallback;
        std::string all;
        for (const auto each : allowed) {
            if (value->is_string() && value->get_ref<const std::string&>() == each) return std::string(each);
            all += (all.empty() ? "" : ", ") + std::string(each);
        }
        fail(key, "expected one of " + all + ", got " + shown(*value));
    }

    void finish() const {
        for (const auto& [key, value] : object_->items()) {
            if (std::find(asked_.begin(), asked_.end(), key) != asked_.end()) continue;
            std::string all;
            for (const auto& each : asked_) all += (all.empty() ? "" : ", ") + each;
            fail(key, "unknown key; known here are " + all);
        }
    }

private:
    static std::string bound(double value) {
        char text[32];
        std::snprintf(text, sizeof text, "%.10g", value);
        return text;
    }

    const nlohmann::json* object_;
    std::string file_;
    std::string path_;
    std::vector<std::string> asked_;
};
