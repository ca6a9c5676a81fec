#include "upstream.hpp"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

using namespace qlroute;
using nlohmann::json;

namespace {

constexpr std::size_t most_idle = 32;
/// Weight of the past in the mean time of an answer, an answer.
constexpr double forgetting = 0.8;

std::chrono::microseconds in_us(seconds t) {
    return std::chrono::microseconds(static_cast<std::int64_t>(1e6 * t.value()));
}

json parsed(const httplib::Result& got) {
    json out = got && got->status == 200 ? json::parse(got->body, nullptr, false) : json();
    return out.is_discarded() ? json() : out;
}

}  // namespace

/// Its socket is held a second time: to be shut down by another thread, a number must not come to mean another socket.
struct upstream::connection {
    httplib::Client client;
    int socket = -1;
    bool is_new = false;
    std::function<void()> connecting;

    explicit connection(const std::string& origin) : client(origin) {}
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection() { forget(); }

    void forget() {
        if (socket >= 0) close(socket);
        socket = -1;
    }
};

upstream::upstream(const upstream_config& config, const gateway_timeouts& timeouts, std::size_t breaker_failures)
    : config_(config), timeouts_(timeouts), breaker_({.failures = breaker_failures}) {
    const auto probe = make();
    if (!probe->client.is_valid())
        throw usage_error("endpoint \"" + config.name + "\": no connection can be made to " + config.origin +
                          "; expected a URL of a server");
}

upstream::~upstream() = default;

std::unique_ptr<upstream::connection> upstream::make() const {
    auto one = std::make_unique<connection>(config_.origin);
    auto& client = one->client;
    client.set_connection_timeout(in_us(timeouts_.connect));
    // The watch ends what takes too long; this is for when nobody watches.
    client.set_read_timeout(in_us(timeouts_.total + 5_s));
    client.set_write_timeout(in_us(timeouts_.between_bytes));
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    client.set_decompress(false);
    client.set_url_encode(false);
    client.enable_server_certificate_verification(config_.verify_tls);
    if (!config_.ca_file.empty()) client.set_ca_cert_path(config_.ca_file);
    client.set_socket_options([self = one.get()](socket_t socket) {
        self->forget();
        // Above those that select() can wait for, which are left to the library.
        self->socket = fcntl(socket, F_DUPFD_CLOEXEC, 1024);
        if (self->socket < 0) self->socket = fcntl(socket, F_DUPFD_CLOEXEC, 0);
        self->is_new = true;
        if (self->connecting) self->connecting();
    });
    return one;
}

std::unique_ptr<upstream::connection> upstream::take() {
    {
        const std::lock_guard lock(guard_);
        if (!idle_.empty()) {
            auto one = std::move(idle_.back());
            idle_.pop_back();
            return one;
        }
    }
    return make();
}

void upstream::give_back(std::unique_ptr<connection> one) {
    one->connecting = nullptr;
    if (!one->client.is_socket_open()) one->forget();
    const std::lock_guard lock(guard_);
    if (idle_.size() < most_idle) idle_.push_back(std::move(one));
}

upstream_call upstream::post(std::string_view body, bool stream, watch& over, const answer_sink& to) {
    upstream_call out;
    for (int tries = 0; tries < 2; ++tries) {
        auto on = take();
        out = {.began = steady::now()};
        on->is_new = false;
        // Of an answer that is no stream, nothing comes before all of it.
        const auto limit = stream ? out.began + in_us(timeouts_.first_byte) : steady::time_point::max();
        const struct release_at_end {
            watch& over;
            ~release_at_end() { over.release(); }
        } always{over};
        bool is_over = false;
        const auto hold = [&] { is_over = !over.hold(on->socket, ending::first_byte, limit) || is_over; };
        on->connecting = hold;
        if (on->socket >= 0) hold();
        if (is_over) {
            give_back(std::move(on));
            out.error = httplib::Error::Canceled;
            return out;
        }

        bool sent = false;
        httplib::Request request;
        request.method = "POST";
        request.path = config_.prefix + "/v1/chat/completions";
        request.headers = {{"Content-Type", "application/json"},
                           {"Accept", stream ? "text/event-stream, application/json" : "application/json"},
                           {"Accept-Encoding", "identity"},
                           {"User-Agent", "qlroute-gateway"}};
        if (!config_.api_key.empty()) request.headers.emplace("Authorization", "Bearer " + config_.api_key);
        // As Client::Post() with a provider does, which takes no receiver: says when the connection stands, and the
        // library makes no copies of the body.
        request.content_length_ = body.size();
        request.content_provider_ = [&](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
            if (!sent && on->is_new)
                out.connected = seconds(std::chrono::duration<double>(steady::now() - out.began).count());
            sent = true;
            return !is_over && sink.write(body.data() + offset, length);
        };
        request.response_handler = [&](const httplib::Response& head) {
            out.status = head.status;
            out.link = tcp_probe(on->socket);
            return to.head(head);
        };
        request.content_receiver = [&](const char* bytes, std::size_t size, std::uint64_t, std::uint64_t) {
            over.extend(ending::total, steady::time_point::max());  // the client may take its time
            const bool goes_on = to.bytes({bytes, size});
            over.extend(ending::between_bytes, steady::now() + in_us(timeouts_.between_bytes));
            return goes_on;
        };
        httplib::Response response;
        on->client.send(request, response, out.error);
        out.was_new = on->is_new;
        over.release();
        const bool stale = !out.was_new && out.status == 0 && over.ended() == ending::none &&
                           (out.error == httplib::Error::Read || out.error == httplib::Error::Write);
        if (out.error != httplib::Error::Success) on->client.stop();
        give_back(std::move(on));
        if (!stale) break;  // a kept connection may have been closed just when it was used
        const std::lock_guard lock(guard_);
        idle_.clear();
    }
    return out;
}

std::size_t upstream::enter() {
    const std::lock_guard lock(guard_);
    return ++in_flight_;
}

std::size_t upstream::leave(std::optional<seconds> took) {
    const std::lock_guard lock(guard_);
    if (took)
        service_time_ = service_time_ > seconds(0) ? forgetting * service_time_ + (1 - forgetting) * *took : *took;
    return --in_flight_;
}

std::size_t upstream::in_flight() const {
    const std::lock_guard lock(guard_);
    return in_flight_;
}

std::size_t upstream::parallel() const {
    const std::lock_guard lock(guard_);
    return config_.parallel.value_or(slots_);
}

seconds upstream::service_time() const {
    const std::lock_guard lock(guard_);
    return service_time_;
}

bool upstream::ask() {
    const auto one = make();
    auto& client = one->client;
    const auto patience = in_us(smaller(timeouts_.first_byte, 5_s));
    client.set_read_timeout(patience);
    httplib::Headers headers{{"Accept-Encoding", "identity"}, {"User-Agent", "qlroute-gateway"}};
    if (!config_.api_key.empty()) headers.emplace("Authorization", "Bearer " + config_.api_key);
    const auto health = client.Get(config_.prefix + "/health", headers);
    if (health && health->status >= 500) return false;  // llama-server: 503 while it loads
    if (!health && health.error() == httplib::Error::Connection) return false;
    const auto list = client.Get(config_.prefix + "/v1/models", headers);
    if (!list || list->status >= 500) return false;
    const json all = parsed(list);
    std::vector<std::string> names;
    if (const auto data = all.is_object() ? all.find("data") : all.end(); data != all.end() && data->is_array())
        for (const json& model : *data)
            if (model.is_object() && model.contains("id") && model["id"].is_string())
                names.push_back(model["id"].get<std::string>());
    const json props = config_.parallel ? json() : parsed(client.Get(config_.prefix + "/props", headers));
    std::size_t slots = 0;
    if (props.is_object() && props.contains("total_slots") && props["total_slots"].is_number_unsigned())
        slots = props["total_slots"].get<std::size_t>();
    const std::lock_guard lock(guard_);
    models_ = std::move(names);
    if (slots > 0) slots_ = slots;
    return true;
}

std::vector<std::string> upstream::models() const {
    const std::lock_guard lock(guard_);
    return models_;
}

bool upstream::failed(seconds now) {
    const std::lock_guard lock(guard_);
    return breaker_.failed(now);
}

void upstream::succeeded() {
    const std::lock_guard lock(guard_);
    if (!breaker_.is_open()) breaker_.succeeded();  // an answer begun before it failed does not bring it back
}

bool upstream::is_open() const {
    const std::lock_guard lock(guard_);
    return breaker_.is_open();
}

bool upstream::wants_probe(seconds now) const {
    const std::lock_guard lock(guard_);
    return breaker_.wants_probe(now);
}

bool upstream::probed(bool answered, seconds now) {
    const std::lock_guard lock(guard_);
    return breaker_.probed(answered, now);
}

seconds upstream::wait(seconds now) const {
    const std::lock_guard lock(guard_);
    return breaker_.wait(now);
}
