// An HTTP/1.1 server in which only requests that are there hold threads. Parsing and answering are cpp-httplib's;
// accepting, waiting, and the limits of time and size are not.
#pragma once

#include "watch.hpp"

#include <httplib.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

struct http_limits {
    std::size_t max_body = std::size_t{16} << 20;
    std::size_t max_header = 16 << 10;
    std::size_t max_connections = 512;
    std::size_t post_threads = 128;  // POST requests served at once
    std::size_t max_queue = 128;     // and waiting for a thread
    std::chrono::nanoseconds request = std::chrono::seconds(30);
    std::chrono::nanoseconds idle = std::chrono::seconds(60);
    std::chrono::nanoseconds write = std::chrono::seconds(30);
};

/// {"error": {"message", "type", "code"}}, as the OpenAI API has it.
std::string error_body(std::string_view message, std::string_view type, std::string_view code);

struct client_connection;

/// One request of a client, and the way back to it.
class client_stream : public httplib::Stream {
public:
    client_stream(client_connection& on, const http_limits& limits);

    /// The handler writes the answer itself: what cpp-httplib would write goes nowhere.
    bool begin_own_answer(std::string_view head);
    bool write_now(std::string_view bytes);
    bool flush();
    /// What was written is not a whole answer, or the request was not read to its end.
    void close_afterwards() { close_ = true; }
    bool closes() const { return close_; }
    bool is_too_late() const { return too_late_; }

    watch& guard() const;
    steady::time_point read_at() const { return read_at_; }
    void set_read() { read_at_ = steady::now(); }

    bool is_readable() const override { return true; }
    bool is_writable() const override { return true; }
    ssize_t read(char* to, std::size_t size) override;
    ssize_t write(const char* from, std::size_t size) override;
    void get_remote_ip_and_port(std::string& ip, int& port) const override;
    void get_local_ip_and_port(std::string& ip, int& port) const override;
    socket_t socket() const override;

private:
    client_connection* on_;
    const http_limits* limits_;
    steady::time_point deadline_;  // for reading
    steady::time_point read_at_;
    std::string out_;
    bool own_answer_ = false;
    bool broken_ = false;
    bool close_ = false;
    bool too_late_ = false;
};

class http_server : private httplib::Server {
public:
    using get_handler = std::function<void(const httplib::Request&, httplib::Response&)>;
    using post_handler =
        std::function<void(client_stream&, const httplib::Request&, std::string&& body, httplib::Response&)>;
    /// Of answers that are given before any handler is asked: 408, 413, 431, 503.
    using refused_handler = std::function<void(int status)>;

    /// `post_path` is the only one that takes a body; `get` answers all others, also with 404 and 405.
    http_server(const http_limits& limits, std::string post_path, get_handler get, post_handler post,
                refused_handler refused);
    ~http_server() override;

    /// The port, or -1. Port 0: any that is free.
    int bind(const std::string& host, int port);
    /// Until stop(); then waits for the answers on their way, `drain` at most.
    void serve(std::chrono::nanoseconds drain);
    void stop();

    std::size_t connections() const;

private:
    struct workers {
        std::deque<std::uint64_t> waiting;
        std::size_t idle = 0;
        std::size_t most_waiting = 0;
        std::condition_variable wake;
        std::vector<std::thread> threads;
    };

    void accept_all();
    void close_one_idle();
    void receive(client_connection& from);
    void advance(client_connection& on);
    void dispatch(client_connection& on, bool is_post);
    void refuse(client_connection& on, int status, std::string_view message, std::string_view code);
    void leave(client_connection& on);
    void drop(std::uint64_t id);
    void look_after(steady::time_point now);
    void work(workers& of);
    void serve_one(client_connection& on);
    bool read_body(client_stream& from, const httplib::ContentReader& reader, std::string& body,
                   httplib::Response& response) const;

    http_limits limits_;
    std::string post_path_;
    get_handler get_;
    post_handler post_;
    refused_handler refused_;
    int epoll_ = -1;
    int wake_ = -1;
    std::atomic<bool> stopping_ = false;
    bool ended_ = false;

    mutable std::mutex guard_;
    std::unordered_map<std::uint64_t, std::unique_ptr<client_connection>> all_;
    std::uint64_t last_id_ = 1;
    std::size_t busy_ = 0;
    workers posts_;
    workers others_;
};
