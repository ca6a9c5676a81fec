// The gateway: what its requests share, and the pages beside chat completions.
#pragma once

#include "config.hpp"
#include "decision_log.hpp"
#include "http_server.hpp"
#include "link_belief.hpp"
#include "metrics.hpp"
#include "upstream.hpp"

#include "configured/chat_keys.hpp"
#include "configured/chat_router.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

class gateway {
public:
    /// Asks all upstreams once. Throws usage_error.
    gateway(gateway_config config, bool explains);
    ~gateway();

    /// POST /v1/chat/completions.
    void chat(client_stream& client, const httplib::Request& request, std::string&& body, httplib::Response& response);
    /// Everything else.
    void get(const httplib::Request& request, httplib::Response& response);

    gateway_metrics& metrics() { return metrics_; }
    const gateway_config& config() const { return config_; }
    void count_connections_of(const http_server& server) { server_ = &server; }

private:
    friend class chat_relay;

    qlroute::seconds now() const;
    std::uint64_t key_of(const httplib::Request& request, const chat_request& chat);
    std::size_t endpoint_named(const std::string& name) const;  // or as many as there are
    void queue_changed(std::size_t where);
    void failed(std::size_t where, bool caches_are_gone);
    void look_after();
    std::string models() const;
    std::string metrics_text() const;

    gateway_config config_;
    bool explains_;
    steady::time_point start_ = steady::now();
    std::vector<std::unique_ptr<upstream>> upstreams_;
    chat_router router_;
    link_belief link_;
    gateway_metrics metrics_;
    decision_log log_;
    const http_server* server_ = nullptr;

    std::mutex keys_guard_;
    chat_keys keys_;

    std::mutex end_guard_;
    std::condition_variable end_;
    bool ends_ = false;
    std::thread doctor_;
};
