#include "agent_server.hpp"

#include <configured/files.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <unordered_map>
#include <utility>

using std::chrono::steady_clock;

descriptor& descriptor::operator=(descriptor&& from) noexcept {
    if (fd_ >= 0 && fd_ != from.fd_) ::close(fd_);
    fd_ = from.release();
    return *this;
}

descriptor::~descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

namespace {

constexpr int backlog = 128;
/// Answers that HAProxy has not read yet; until it has, nothing more is asked of it.
constexpr std::size_t most_unread = 1u << 18;

[[noreturn]] void cannot_listen(const std::string& where, const std::string& why) {
    throw usage_error("--listen: cannot listen at \"" + where + "\": " + why);
}

descriptor checked(int fd, const char* what) {
    if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
    return descriptor(fd);
}

bool nobody_listens(const sockaddr_un& address) {
    const descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
           errno == ECONNREFUSED;
}

descriptor listen_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) cannot_listen(path, "the path is too long");
    path.copy(address.sun_path, path.size());
    descriptor out(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const auto bound = [&] {
        return ::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    };
    bool done = bound();
    if (!done && errno == EADDRINUSE && nobody_listens(address)) {  // left behind by one that was killed
        ::unlink(path.c_str());
        done = bound();
    }
    if (!done || ::listen(out.get(), backlog) != 0) cannot_listen(path, std::strerror(errno));
    return out;
}

descriptor listen_tcp(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos || colon == 0)
        cannot_listen(address, "expected host:port, or the path of a socket with a / in it");
    std::string host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int fault = ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found); fault != 0)
        cannot_listen(address, ::gai_strerror(fault));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(found, ::freeaddrinfo);
    descriptor out(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    ::setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(out.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(out.get(), backlog) != 0)
        cannot_listen(address, std::strerror(errno));
    return out;
}

std::string port_of(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    char port[16] = "";
    auto* address = reinterpret_cast<sockaddr*>(&storage);
    if (::getsockname(fd, address, &size) == 0)
        ::getnameinfo(address, size, nullptr, 0, port, sizeof port, NI_NUMERICSERV);
    return port;
}

}  // namespace

/// One thread's connections. All threads take new ones from the one listener.
class agent_server::loop {
public:
    explicit loop(agent_server& server)
        : server_(&server), epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
        watch(server_->listener_.get(), EPOLLIN | EPOLLEXCLUSIVE, EPOLL_CTL_ADD);
        watch(server_->stop_.get(), EPOLLIN, EPOLL_CTL_ADD);
    }

    void run() {
        std::array<epoll_event, 64> events;
        auto next_sweep = steady_clock::now() + sweep_interval;
        for (;;) {
            const int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                           static_cast<int>(sweep_interval.count()));
            for (int i = 0; i < ready; ++i) {
                const epoll_event& event = events[static_cast<std::size_t>(i)];
                if (event.data.fd == server_->stop_.get()) return leave();
                if (event.data.fd == server_->listener_.get()) take_connections();
                else serve(event.data.fd, event.events);
            }
            if (steady_clock::now() < next_sweep) continue;
            close_the_stuck();
            next_sweep = steady_clock::now() + sweep_interval;
        }
    }

private:
    static constexpr std::chrono::milliseconds sweep_interval{500};

    struct peer {
        descriptor socket;
        spop::connection says;
        steady_clock::time_point last_progress = steady_clock::now();
        std::uint32_t watched = EPOLLIN;
    };

    void watch(int fd, std::uint32_t events, int operation) {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        ::epoll_ctl(epoll_.get(), operation, fd, &event);
    }

    void take_connections() {
        for (;;) {
            descriptor socket(::accept4(server_->listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            if (socket.get() < 0) return;
            if (server_->open_.fetch_add(1) >= server_->options_.max_connections) {
                --server_->open_;
                ++server_->counts_.refused;
                continue;
            }
            ++server_->counts_.connections;
            const int on = 1;
            ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on Unix sockets, as it may
            const int fd = socket.get();
            peers_.try_emplace(
                fd, peer{std::move(socket), spop::connection(server_->options_.max_frame_size, server_->answer_)});
            watch(fd, EPOLLIN, EPOLL_CTL_ADD);
        }
    }

    void serve(int fd, std::uint32_t events) {
        const auto at = peers_.find(fd);
        if (at == peers_.end()) return;
        peer& one = at->second;
        // One read a turn, so that nobody keeps the others waiting.
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !one.says.ended() && !read_from(one)) return close(at);
        if (!flush(one)) return close(at);
        const bool drained = one.says.output().empty();
        if (one.says.ended() && drained) {
            if (*one.says.ended() != spop::status::normal) ++server_->counts_.faults;
            return close(at);
        }
        const bool listening = !one.says.ended() && one.says.output().size() < most_unread;
        const std::uint32_t wanted = (listening ? EPOLLIN : 0u) | (drained ? 0u : EPOLLOUT);
        if (wanted != std::exchange(one.watched, wanted)) watch(fd, wanted, EPOLL_CTL_MOD);
    }

    bool read_from(peer& one) {
        const ssize_t got = ::recv(one.socket.get(), buffer_.data(), buffer_.size(), 0);
        if (got < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        if (got == 0) return false;
        // The clock of a frame starts with its first byte: trickling does not keep it alive.
        if (!one.says.inside_frame() && one.says.greeted()) one.last_progress = steady_clock::now();
        one.says.receive({buffer_.data(), static_cast<std::size_t>(got)});
        return true;
    }

    static bool flush(peer& one) {
        std::string& out = one.says.output();
        std::size_t sent = 0;
        while (sent < out.size()) {
            const ssize_t now = ::send(one.socket.get(), out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
            if (now < 0 && errno == EINTR) continue;
            if (now < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
            if (now < 0) break;
            sent += static_cast<std::size_t>(now);
            one.last_progress = steady_clock::now();
        }
        out.erase(0, sent);
        return true;
    }

    /// HELLO, the rest of a frame, or room for an answer that did not come in time.
    void close_the_stuck() {
        const auto deadline = steady_clock::now() - server_->options_.patience;
        for (auto at = peers_.begin(); at != peers_.end();) {
            const auto each = at++;
            peer& one = each->second;
            const bool waits = !one.says.greeted() || one.says.inside_frame() || !one.says.output().empty();
            if (!waits || one.last_progress > deadline) continue;
            ++server_->counts_.faults;
            one.says.disconnect(spop::status::timeout);
            flush(one);
            close(each);
        }
    }

    void leave() {
        for (auto& [fd, one] : peers_) {
            one.says.disconnect(spop::status::normal);
            flush(one);
        }
        server_->open_ -= peers_.size();
        peers_.clear();
    }

    void close(std::unordered_map<int, peer>::iterator at) {
        peers_.erase(at);
        --server_->open_;
    }

    agent_server* server_;
    descriptor epoll_;
    std::unordered_map<int, peer> peers_;
    std::vector<char> buffer_ = std::vector<char>(std::size_t{1} << 16);
};

agent_server::agent_server(const server_options& options, spop::connection::answer answer)
    : options_(options), answer_(std::move(answer)), address_(options.listen) {
    const bool is_path = options.listen.find('/') != std::string::npos;
    listener_ = is_path ? listen_unix(options.listen) : listen_tcp(options.listen);
    if (is_path) unix_path_ = options.listen;
    else address_ = options.listen.substr(0, options.listen.rfind(':') + 1) + port_of(listener_.get());
    stop_ = checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    for (unsigned i = 0; i < options.threads; ++i)
        threads_.emplace_back([mine = std::make_shared<loop>(*this)] { mine->run(); });
}

agent_server::~agent_server() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t told = ::write(stop_.get(), &one, sizeof one);  // seen by every loop: none reads it
    threads_.clear();
    if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
}
