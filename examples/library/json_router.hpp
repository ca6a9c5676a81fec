// The configured router, spoken to in JSON: what the C interface does, with exceptions.
#pragma once

#include "configured/chat_keys.hpp"
#include "configured/chat_router.hpp"

#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>

/// A request names an endpoint that is not configured; the message lists those that are.
struct unknown_endpoint : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Requests and answers are those of qlroute.h; docs/c-api.md has every key. Thread-safe. Throws usage_error that names
/// the call, the key and what was expected, or unknown_endpoint; nothing has then changed.
class json_router {
public:
    explicit json_router(settings config);

    std::string score(std::string_view request) const;
    std::string route(std::string_view request);
    std::string explain(std::string_view request);
    void observe(std::string_view request);
    void answered(std::string_view request);
    void link(std::string_view request);
    void endpoint(std::string_view request);
    std::string describe() const;

private:
    struct asked;

    asked turn_in(section& at, const std::string& call) const;
    void identify(asked& one);
    std::optional<std::size_t> endpoint_in(section& at, const std::string& call) const;
    std::size_t need_endpoint(section& at, const std::string& call) const;
    routed_turn routed(std::string_view request, const std::string& call);
    nlohmann::ordered_json row(const routed_turn& routed) const;

    chat_router router_;
    std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
    std::mutex guard_keys_;
    chat_keys keys_;
    std::mutex guard_updates_;  // of what is read, changed and written back
};
