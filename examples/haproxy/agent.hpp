// HAProxy's messages as questions to the chooser, and its choices as variables of HAProxy: what qlroute-spoe.conf
// names.
#pragma once

#include "backend_chooser.hpp"
#include "spop.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

/// A JSON object a line, appended.
class json_lines {
public:
    /// Nothing is written without a path. Throws usage_error if the file cannot be opened.
    explicit json_lines(const std::string& path);

    bool wanted() const { return file_ != nullptr; }
    void write(const nlohmann::ordered_json& row);

private:
    std::mutex guard_;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

/// Thread-safe.
class agent {
public:
    agent(backend_chooser& chooser, json_lines& log);

    /// One NOTIFY. Never throws; what it cannot answer gets no variables.
    void answer(std::span<const spop::message> messages, spop::actions& out) noexcept;

private:
    void answer_request(const spop::message& asked, spop::actions& out);
    void take_report(const spop::message& asked);
    qlroute::seconds now() const;

    backend_chooser* chooser_;
    json_lines* log_;
    std::vector<std::string> servers_of_;  // the arguments that say how many servers a backend has
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};
