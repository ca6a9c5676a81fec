// A server of the OpenAI API: connections that are kept, what is known of it, and whether it is well.
#pragma once

#include "breaker.hpp"
#include "config.hpp"
#include "tcp_probe.hpp"
#include "watch.hpp"

#include <httplib.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// How a request to an upstream went, as far as the connection is concerned.
struct upstream_call {
    httplib::Error error = httplib::Error::Success;
    int status = 0;  // 0: no answer came
    bool was_new = false;
    std::optional<qlroute::seconds> connected{};  // where it was new: until the request could be sent
    std::optional<tcp_measured> link{};
    steady::time_point began{};
};

/// What the answer is given to. Both say whether to go on.
struct answer_sink {
    std::function<bool(const httplib::Response&)> head;
    std::function<bool(std::string_view)> bytes;
};

/// Thread-safe.
class upstream {
public:
    upstream(const upstream_config& config, const gateway_timeouts& timeouts, std::size_t breaker_failures);
    ~upstream();

    /// POST /v1/chat/completions. `over` ends it early.
    upstream_call post(std::string_view body, bool stream, watch& over, const answer_sink& to);

    const upstream_config& config() const { return config_; }

    /// One more request, or one less: how many there are now.
    std::size_t enter();
    /// It took so long, where it was answered.
    std::size_t leave(std::optional<qlroute::seconds> took);
    std::size_t in_flight() const;
    /// How many it serves at once; 0: not known, taken for any number.
    std::size_t parallel() const;
    qlroute::seconds service_time() const;

    /// Asks for its models and slots. False where it does not answer, or says that it is not ready.
    bool ask();
    std::vector<std::string> models() const;

    /// True where the breaker has just opened.
    bool failed(qlroute::seconds now);
    void succeeded();
    bool is_open() const;
    bool wants_probe(qlroute::seconds now) const;
    /// True where it is back.
    bool probed(bool answered, qlroute::seconds now);
    qlroute::seconds wait(qlroute::seconds now) const;

private:
    struct connection;
    std::unique_ptr<connection> take();
    void give_back(std::unique_ptr<connection> one);
    std::unique_ptr<connection> make() const;

    upstream_config config_;
    gateway_timeouts timeouts_;
    mutable std::mutex guard_;
    std::vector<std::unique_ptr<connection>> idle_;
    breaker breaker_;
    std::size_t in_flight_ = 0;
    std::size_t slots_ = 0;
    qlroute::seconds service_time_{};
    std::vector<std::string> models_;
};
