#include "gateway.hpp"

#include "header_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

using namespace qlroute;
using nlohmann::ordered_json;

namespace {

/// Models may change behind a server.
constexpr auto asked_again_after = std::chrono::seconds(60);

void answer_error(httplib::Response& response, int status, std::string_view message, std::string_view code) {
    response.status = status;
    response.set_content(error_body(message, "invalid_request_error", code), "application/json");
}

}  // namespace

gateway::gateway(gateway_config config, bool explains)
    : config_(std::move(config)),
      explains_(explains),
      router_(config_.routing, config_.most_chats),
      link_(config_.routing),
      log_(config_.log),
      keys_(4 * config_.most_chats) {
    for (const auto& each : config_.upstreams)
        upstreams_.push_back(std::make_unique<upstream>(each, config_.timeouts, config_.breaker_failures));
    std::vector<std::thread> asking;
    for (const auto& each : upstreams_) asking.emplace_back([&each] { each->ask(); });
    for (auto& one : asking) one.join();
    doctor_ = std::thread([this] { look_after(); });
}

gateway::~gateway() {
    {
        const std::lock_guard lock(end_guard_);
        ends_ = true;
    }
    end_.notify_all();
    doctor_.join();
}

seconds gateway::now() const { return seconds(std::chrono::duration<double>(steady::now() - start_).count()); }

std::uint64_t gateway::key_of(const httplib::Request& request, const chat_request& chat) {
    if (const std::string name = request.get_header_value(config_.session_header); !name.empty()) {
        content_hash hash;
        hash.feed("session ");
        hash.feed(name);
        return hash.digest();
    }
    const std::lock_guard lock(keys_guard_);
    return keys_.key_of(chat.messages.view(), chat.user);
}

std::size_t gateway::endpoint_named(const std::string& name) const {
    std::size_t where = 0;
    while (where < upstreams_.size() && upstreams_[where]->config().name != name) ++where;
    return where;
}

/// What a request would wait that came now.
void gateway::queue_changed(std::size_t where) {
    const upstream& at = *upstreams_[where];
    const double flying = static_cast<double>(at.in_flight());
    const double parallel = static_cast<double>(at.parallel());
    if (parallel == 0) return router_.set_queue(where, seconds(0), flying, 0);
    const double running = std::min(flying, parallel);
    const double ahead = std::max(0.0, flying + 1 - parallel) / parallel;
    router_.set_queue(where, ahead * at.service_time(), running, flying - running);
}

void gateway::failed(std::size_t where, bool caches_are_gone) {
    if (caches_are_gone) router_.caches_dropped(where);
    if (upstreams_[where]->failed(now())) router_.set_available(where, false);
}

/// Asks those that failed whether they are back, and all of them now and then what they serve.
void gateway::look_after() {
    auto next = steady::now() + asked_again_after;
    std::unique_lock lock(end_guard_);
    while (!end_.wait_for(lock, std::chrono::milliseconds(100), [&] { return ends_; })) {
        lock.unlock();
        const bool all = steady::now() >= next;
        if (all) next = steady::now() + asked_again_after;
        for (std::size_t where = 0; where < upstreams_.size(); ++where) {
            upstream& one = *upstreams_[where];
            if (one.is_open()) {
                if (!one.wants_probe(now()) || !one.probed(one.ask(), now())) continue;
                router_.caches_dropped(where);
                router_.set_available(where, config_.routing.places[where].available);
            } else if (all) {
                one.ask();
            }
        }
        lock.lock();
    }
}

std::string gateway::models() const {
    ordered_json data = ordered_json::array();
    std::set<std::string> told;
    const auto tell = [&](const std::string& id, const std::string& owner) {
        if (told.insert(id).second)
            data.push_back({{"id", id}, {"object", "model"}, {"created", 0}, {"owned_by", owner}});
    };
    tell("auto", "qlroute");
    for (const auto& each : upstreams_)
        for (const std::string& id : each->models()) tell(id, each->config().name);
    return ordered_json{{"object", "list"}, {"data", data}}.dump(-1, ' ', false,
                                                                 ordered_json::error_handler_t::replace);
}

std::string gateway::metrics_text() const {
    gateway_metrics::state state{.endpoints = {}, .link = router_.link_now()};
    if (server_ != nullptr) state.connections = server_->connections();
    for (std::size_t where = 0; where < upstreams_.size(); ++where) {
        const endpoint place = router_.endpoint_now(where);
        const auto speed = router_.speed_now(where);
        state.endpoints.push_back({.name = std::string(place.name),
                                   .in_flight = upstreams_[where]->in_flight(),
                                   .is_up = !upstreams_[where]->is_open(),
                                   .prefill_rate = speed.prefill_rate.value(),
                                   .tpot = speed.tpot.value(),
                                   .tokenizer_ratio = place.tokenizer_ratio.value()});
    }
    return metrics_.text(state);
}

void gateway::get(const httplib::Request& request, httplib::Response& response) {
    const std::string_view path = request.path;
    const bool is_page = path == "/v1/models" || path == "/health" || path == "/metrics";
    if (!is_page && path != "/v1/chat/completions")
        return answer_error(response, 404, "there is no " + header_text(path, 200), "not_found");
    const std::string allowed = is_page ? "GET" : "POST";
    if (!is_page || (request.method != "GET" && request.method != "HEAD")) {
        response.set_header("Allow", allowed);
        return answer_error(response, 405, std::string(path) + " takes " + allowed + " only", "method_not_allowed");
    }
    if (path == "/v1/models") return response.set_content(models(), "application/json");
    if (path == "/metrics") return response.set_content(metrics_text(), "text/plain; version=0.0.4; charset=utf-8");
    const auto is_up = [](const auto& each) { return !each->is_open(); };
    const auto up = static_cast<std::size_t>(std::count_if(upstreams_.begin(), upstreams_.end(), is_up));
    ordered_json body{{"status", up == 0 ? "no endpoint is up" : "ok"}};
    for (const auto& each : upstreams_) body["endpoints"][each->config().name] = each->is_open() ? "down" : "up";
    response.status = up == 0 ? 503 : 200;
    response.set_content(body.dump(-1, ' ', false, ordered_json::error_handler_t::replace), "application/json");
}
