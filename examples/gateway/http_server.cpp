#include "http_server.hpp"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace {

/// Of a body that is waited for without a thread.
constexpr std::size_t gathered_at_most = 256 << 10;
constexpr std::size_t written_at_once = 16 << 10;
constexpr auto tick = std::chrono::milliseconds(50);
/// For a client to read the answer to a request that was not read to its end.
constexpr auto farewell = std::chrono::seconds(1);
constexpr std::size_t other_threads = 2;

enum class phase { waiting, busy, leaving };

thread_local client_stream* current = nullptr;

std::string_view without_blanks(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t') || text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

/// The value of a header in the head of a request, or nothing.
std::string_view header_in(std::string_view head, std::string_view name) {
    for (std::size_t at = head.find('\n'); at != std::string_view::npos;) {
        const std::size_t end = std::min(head.find('\n', at + 1), head.size());
        const std::string_view line = head.substr(at + 1, end - at - 1);
        const std::size_t colon = line.find(':');
        if (colon != std::string_view::npos && same_name(line.substr(0, colon), name))
            return without_blanks(line.substr(colon + 1));
        at = end == head.size() ? std::string_view::npos : end;
    }
    return {};
}

std::string_view reason_of(int status) {
    switch (status) {
        case 408:
            return "Request Timeout";
        case 413:
            return "Payload Too Large";
        case 431:
            return "Request Header Fields Too Large";
        default:
            return "Service Unavailable";
    }
}

/// cpp-httplib calls a longer one no request at all.
bool has_long_line(std::string_view head) {
    constexpr std::size_t longest = 8190;
    for (std::size_t at = 0; head.size() - at > longest;) {
        const std::size_t end = head.find('\n', at);
        if (std::min(end, head.size()) - at > longest) return true;
        if (end == std::string_view::npos) return false;
        at = end + 1;
    }
    return false;
}

int unsent(int socket) {
    int bytes = 0;
    return ioctl(socket, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

void address_of(int socket, int (*ask)(int, sockaddr*, socklen_t*), std::string& ip, int& port) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (ask(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
    char text[NI_MAXHOST] = "";
    char service[NI_MAXSERV] = "";
    if (getnameinfo(reinterpret_cast<sockaddr*>(&address), size, text, sizeof text, service, sizeof service,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    ip = text;
    port = std::atoi(service);
}

}  // namespace

struct client_connection {
    int fd = -1;
    std::uint64_t id = 0;
    phase is = phase::waiting;
    std::string in;            // received and not yet read
    std::size_t searched = 0;  // of it, for the end of the head
    steady::time_point deadline;
    bool client_left = false;
    watch guard;

    explicit client_connection(int socket) : fd(socket) {}
    client_connection(const client_connection&) = delete;
    client_connection& operator=(const client_connection&) = delete;
    ~client_connection() { close(fd); }
};

std::string error_body(std::string_view message, std::string_view type, std::string_view code) {
    const nlohmann::ordered_json body{{"error", {{"message", message}, {"type", type}, {"code", code}}}};
    return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

client_stream::client_stream(client_connection& on, const http_limits& limits)
    : on_(&on), limits_(&limits), deadline_(steady::now() + limits.request), read_at_(steady::now()) {}

watch& client_stream::guard() const { return on_->guard; }

socket_t client_stream::socket() const { return on_->fd; }

void client_stream::get_remote_ip_and_port(std::string& ip, int& port) const {
    address_of(on_->fd, getpeername, ip, port);
}
void client_stream::get_local_ip_and_port(std::string&, int&) const {}  // nobody asks

ssize_t client_stream::read(char* to, std::size_t size) {
    auto& in = on_->in;
    std::size_t& read = on_->searched;  // while a request is served, this is how much of it was read
    if (read < in.size()) {
        const std::size_t n = std::min(size, in.size() - read);
        std::memcpy(to, in.data() + read, n);
        read += n;
        return static_cast<ssize_t>(n);
    }
    if (!flush()) return -1;  // 100 Continue
    for (;;) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - steady::now()).count();
        pollfd ready{on_->fd, POLLIN, 0};
        const int n = left <= 0 ? 0 : poll(&ready, 1, static_cast<int>(left));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            too_late_ = true;
            return -1;
        }
        const ssize_t got = recv(on_->fd, to, size, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        return got;
    }
}

ssize_t client_stream::write(const char* from, std::size_t size) {
    if (own_answer_) return static_cast<ssize_t>(size);
    out_.append(from, size);
    if (out_.size() >= written_at_once && !flush()) return -1;
    return static_cast<ssize_t>(size);
}

bool client_stream::begin_own_answer(std::string_view head) {
    own_answer_ = true;
    out_ = head;
    return !broken_;
}

bool client_stream::write_now(std::string_view bytes) {
    out_ += bytes;
    return flush();
}

bool client_stream::flush() {
    std::size_t done = 0;
    while (!broken_ && done < out_.size()) {
        const ssize_t n = send(on_->fd, out_.data() + done, out_.size() - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            done += static_cast<std::size_t>(n);
            continue;
        }
        if (errno == EINTR) continue;
        if (errno != EAGAIN) broken_ = true;
        // A slow client: nothing more is read for it meanwhile. Slow is what still takes some of it.
        int before = unsent(on_->fd);
        for (auto until = steady::now() + limits_->write; !broken_;) {
            pollfd ready{on_->fd, POLLOUT, 0};
            const int got = poll(&ready, 1, 200);
            if (got > 0 && (ready.revents & POLLOUT) != 0) break;
            if (const int left = unsent(on_->fd); left < before) {
                before = left;
                until = steady::now() + limits_->write;
            }
            if (got > 0 || (got < 0 && errno != EINTR) || steady::now() >= until) broken_ = true;
            if (on_->guard.ended() == ending::client_left || on_->guard.ended() == ending::stopping) broken_ = true;
        }
    }
    out_.clear();
    return !broken_;
}

http_server::http_server(const http_limits& limits, std::string post_path, get_handler get, post_handler post,
                         refused_handler refused)
    : limits_(limits),
      post_path_(std::move(post_path)),
      get_(std::move(get)),
      post_(std::move(post)),
      refused_(std::move(refused)) {
    keep_alive_max_count_ = 1'000'000;
    keep_alive_timeout_sec_ = std::chrono::duration_cast<std::chrono::seconds>(limits.idle).count();
    payload_max_length_ = limits.max_body;
    set_socket_options([](socket_t socket) {  // not SO_REUSEPORT, with which two gateways could share a port
        const int yes = 1;
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
        if (request.is_multipart_form_data()) response.status = 415;
        else if (request.method == "POST" && request.path == post_path_) return HandlerResponse::Unhandled;
        if (request.has_header("Content-Length") || request.has_header("Transfer-Encoding"))
            current->close_afterwards();  // its body is not read
        if (response.status != 415) get_(request, response);
        return HandlerResponse::Handled;
    });
    Post(".*",
         [this](const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& reader) {
             std::string body;
             if (!read_body(*current, reader, body, response)) return;
             current->set_read();
             post_(*current, request, std::move(body), response);
         });
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
        if (!response.body.empty()) return;
        const auto say = [&](std::string_view message, std::string_view code) {
            response.set_content(error_body(message, "invalid_request_error", code), "application/json");
        };
        if (response.status == 413) say("the body is too large", "request_too_large");
        else if (response.status == 414) say("the address is too long", "uri_too_long");
        else if (response.status == 415) say("expected a body of application/json", "unsupported_media_type");
        else if (response.status == 400) say("this is no request of HTTP/1.1", "bad_request");
        if (response.status < 500) current->close_afterwards();
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
        response.status = 500;
        response.set_content(error_body("the gateway failed; please try again", "server_error", "internal_error"),
                             "application/json");
        current->close_afterwards();
    });
    posts_.most_waiting = limits.max_queue;
    others_.most_waiting = limits.max_connections;
}

http_server::~http_server() {
    if (svr_sock_ != INVALID_SOCKET) close(svr_sock_);
    if (epoll_ >= 0) close(epoll_);
    if (wake_ >= 0) close(wake_);
}

int http_server::bind(const std::string& host, int port) {
    if (port != 0 && !bind_to_port(host, port)) return -1;
    if (port == 0 && (port = bind_to_any_port(host)) < 0) return -1;
    fcntl(svr_sock_, F_SETFL, fcntl(svr_sock_, F_GETFL) | O_NONBLOCK);
    ::listen(svr_sock_, 1024);  // the library's backlog of 5 loses bursts
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (const auto& [fd, id] : {std::pair{static_cast<int>(svr_sock_), 0}, std::pair{wake_, 1}}) {
        epoll_event event{.events = EPOLLIN, .data = {.u64 = static_cast<std::uint64_t>(id)}};
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) return -1;
    }
    return port;
}

void http_server::stop() {
    stopping_ = true;
    const std::uint64_t one = 1;
    if (write(wake_, &one, sizeof one) < 0) return;  // it wakes up by itself soon
}

std::size_t http_server::connections() const {
    const std::lock_guard lock(guard_);
    return all_.size();
}

void http_server::serve(std::chrono::nanoseconds drain) {
    for (std::size_t i = 0; i < limits_.post_threads; ++i) posts_.threads.emplace_back([this] { work(posts_); });
    for (std::size_t i = 0; i < other_threads; ++i) others_.threads.emplace_back([this] { work(others_); });

    auto give_up = steady::time_point::max();
    auto next_tick = steady::now() + tick;
    std::array<epoll_event, 64> events{};
    for (;;) {
        const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(std::chrono::milliseconds(tick).count()));
        const std::lock_guard lock(guard_);
        for (int i = 0; i < n; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            const std::uint64_t id = event.data.u64;  // a copy: events are packed, and it may be anywhere
            if (id == 0) accept_all();
            if (id <= 1) continue;
            const auto at = all_.find(id);
            if (at == all_.end()) continue;
            client_connection& on = *at->second;
            if (on.is != phase::busy) {
                receive(on);
            } else if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
                epoll_ctl(epoll_, EPOLL_CTL_DEL, on.fd, nullptr);
                on.client_left = true;
                on.guard.end(ending::client_left);
            }
        }
        const auto now = steady::now();
        if (now >= next_tick) {
            look_after(now);
            next_tick = now + tick;
        }
        if (!stopping_) continue;
        if (give_up == steady::time_point::max()) {
            give_up = now + drain;
            close(svr_sock_.exchange(INVALID_SOCKET));
            std::vector<std::uint64_t> waiting;
            for (const auto& [id, on] : all_)
                if (on->is == phase::waiting) waiting.push_back(id);
            for (const auto id : waiting) drop(id);
        }
        if (now >= give_up)
            for (const auto& [id, on] : all_) on->guard.end(ending::stopping);
        if (busy_ == 0 && (all_.empty() || now >= give_up)) break;
        if (now >= give_up + std::chrono::seconds(5)) break;
    }
    {
        const std::lock_guard lock(guard_);
        ended_ = true;
    }
    for (workers* of : {&posts_, &others_}) {
        of->wake.notify_all();
        for (auto& one : of->threads) one.join();
    }
    all_.clear();
}

void http_server::accept_all() {
    for (int i = 0; i < 64; ++i) {
        const int fd = accept4(svr_sock_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;  // none left, or too many files are open: then it is asked again
        if (all_.size() >= limits_.max_connections) close_one_idle();
        const int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        auto on = std::make_unique<client_connection>(fd);
        on->id = ++last_id_;
        on->deadline = steady::now() + limits_.request;
        epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.u64 = on->id}};
        if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) continue;
        client_connection& added = *on;
        all_.emplace(on->id, std::move(on));
        if (all_.size() > limits_.max_connections)
            refuse(added, 503, "too many connections; please try again later", "too_many_connections");
        else receive(added);
    }
}

/// The one that is waited for longest makes room.
void http_server::close_one_idle() {
    std::uint64_t oldest = 0;
    auto least = steady::time_point::max();
    for (const auto& [id, on] : all_)
        if (on->is != phase::busy && on->in.empty() && on->deadline < least) {
            least = on->deadline;
            oldest = id;
        }
    if (oldest != 0) drop(oldest);
}

void http_server::receive(client_connection& from) {
    char buffer[16 << 10];
    const bool was_empty = from.in.empty();
    for (int i = 0; i < 32; ++i) {
        const ssize_t n = recv(from.fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) return drop(from.id);
        if (from.is == phase::leaving) continue;
        from.in.append(buffer, static_cast<std::size_t>(n));
        if (static_cast<std::size_t>(n) < sizeof buffer) break;
    }
    if (from.is == phase::leaving) return;
    if (was_empty && !from.in.empty()) from.deadline = steady::now() + limits_.request;
    advance(from);
}

/// Is a request there?
void http_server::advance(client_connection& on) {
    const std::size_t first = on.in.find_first_not_of("\r\n");  // allowed between requests
    if (first != 0 && on.searched == 0) on.in.erase(0, std::min(first, on.in.size()));
    if (on.in.empty()) return;
    const std::size_t end = on.in.find("\r\n\r\n", on.searched < 3 ? 0 : on.searched - 3);
    if (std::min(end, on.in.size()) > limits_.max_header)
        return refuse(on, 431, "the headers are too large", "headers_too_large");
    if (end == std::string::npos) {
        on.searched = on.in.size();
        return;
    }
    const std::string_view head(on.in.data(), end);
    if (has_long_line(head)) return refuse(on, 431, "a header is too long", "headers_too_large");
    const std::string length(header_in(head, "content-length"));
    const std::uint64_t body = std::strtoull(length.c_str(), nullptr, 10);
    if (body > limits_.max_body)
        return refuse(on, 413,
                      "the body is too large; at most " + std::to_string(limits_.max_body) + " bytes are taken",
                      "request_too_large");
    const bool asks_first = !header_in(head, "expect").empty();
    const std::size_t wanted = asks_first ? 0 : std::min<std::size_t>(body, gathered_at_most);
    if (on.in.size() < end + 4 + wanted) {
        on.searched = end;
        return;
    }
    dispatch(on, head.starts_with("POST "));
}

void http_server::dispatch(client_connection& on, bool is_post) {
    workers& to = is_post ? posts_ : others_;
    if (to.waiting.size() >= to.most_waiting + to.idle)
        return refuse(on, 503, "all is busy; please try again later", "overloaded");
    on.is = phase::busy;
    on.searched = 0;
    ++busy_;
    epoll_event event{.events = EPOLLRDHUP, .data = {.u64 = on.id}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, on.fd, &event);
    to.waiting.push_back(on.id);
    to.wake.notify_one();
}

/// Without a thread: what the socket takes at once must do.
void http_server::refuse(client_connection& on, int status, std::string_view message, std::string_view code) {
    refused_(status);
    const std::string body = error_body(message, status == 503 ? "server_error" : "invalid_request_error", code);
    std::string answer =
        "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_of(status)) +
        "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
        (status == 503 ? "\r\nRetry-After: 1" : "") + "\r\n\r\n" + body;
    send(on.fd, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    leave(on);
}

/// Closed at once, a socket with unread bytes would take the answer away from its client.
void http_server::leave(client_connection& on) {
    shutdown(on.fd, SHUT_WR);
    on.is = phase::leaving;
    on.in.clear();
    on.deadline = steady::now() + farewell;
    epoll_event event{.events = EPOLLIN, .data = {.u64 = on.id}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, on.fd, &event);
}

void http_server::drop(std::uint64_t id) { all_.erase(id); }

void http_server::look_after(steady::time_point now) {
    std::vector<client_connection*> late;
    for (const auto& [id, on] : all_) {
        if (on->is == phase::busy) on->guard.tick(now);
        else if (now >= on->deadline) late.push_back(on.get());
    }
    for (client_connection* on : late) {
        if (on->is == phase::waiting && !on->in.empty())
            refuse(*on, 408, "the request took too long to arrive", "request_timeout");
        else drop(on->id);
    }
}

void http_server::work(workers& of) {
    std::unique_lock lock(guard_);
    for (;;) {
        ++of.idle;
        of.wake.wait(lock, [&] { return !of.waiting.empty() || ended_; });
        --of.idle;
        if (of.waiting.empty()) return;
        client_connection& on = *all_.at(of.waiting.front());
        of.waiting.pop_front();
        lock.unlock();
        serve_one(on);
        lock.lock();
    }
}

void http_server::serve_one(client_connection& on) {
    client_stream stream(on, limits_);
    current = &stream;
    bool closed = false;
    const bool served = process_request(stream, stopping_, closed, [&](httplib::Request& request) {
        request.headers.erase("Accept-Encoding");  // answers go on as they came
        request.ranges.clear();
    });
    const bool written = stream.flush();
    current = nullptr;

    const std::lock_guard lock(guard_);
    --busy_;
    if (on.client_left || !written) return drop(on.id);
    if (!served || closed || stream.closes() || stopping_) return leave(on);
    on.in.erase(0, on.searched);
    on.searched = 0;
    on.is = phase::waiting;
    on.deadline = steady::now() + (on.in.empty() ? limits_.idle : limits_.request);
    epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.u64 = on.id}};
    epoll_ctl(epoll_, EPOLL_CTL_MOD, on.fd, &event);
    if (!on.in.empty()) advance(on);
}

bool http_server::read_body(client_stream& from, const httplib::ContentReader& reader, std::string& body,
                            httplib::Response& response) const {
    bool too_large = false;
    const bool all = reader([&](const char* bytes, std::size_t size) {
        too_large = body.size() + size > limits_.max_body;
        if (!too_large) body.append(bytes, size);
        return !too_large;
    });
    if (all) return true;
    from.close_afterwards();
    if (too_large) response.status = 413;
    else if (from.is_too_late()) {
        response.status = 408;
        response.set_content(
            error_body("the request took too long to arrive", "invalid_request_error", "request_timeout"),
            "application/json");
    } else if (response.status < 400) response.status = 400;
    refused_(response.status);
    return false;
}
