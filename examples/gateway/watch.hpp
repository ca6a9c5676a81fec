// What ends a request before its answer is complete.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <mutex>

using steady = std::chrono::steady_clock;

enum class ending { none, client_left, first_byte, between_bytes, total, stopping };

/// One thread waits on a socket; another one sees the client leave or a limit of time pass, and shuts that socket down.
/// The socket must stay open until release(). Thread-safe.
class watch {
public:
    /// For each request.
    void begin(steady::time_point total) {
        const std::lock_guard lock(guard_);
        socket_ = -1;
        if (ended_ != ending::client_left && ended_ != ending::stopping) ended_ = ending::none;
        total_ = total;
        limit_ = steady::time_point::max();
    }

    /// From now on it waits for this one. False if it need not begin.
    bool hold(int socket, ending why, steady::time_point limit) {
        const std::lock_guard lock(guard_);
        if (ended_ != ending::none) return false;
        socket_ = socket;
        why_ = why;
        limit_ = limit;
        return true;
    }
    /// Something came: now for the next.
    void extend(ending why, steady::time_point limit) {
        const std::lock_guard lock(guard_);
        why_ = why;
        limit_ = limit;
    }
    void release() {
        const std::lock_guard lock(guard_);
        socket_ = -1;
        limit_ = steady::time_point::max();
    }
    ending ended() const {
        const std::lock_guard lock(guard_);
        return ended_;
    }
    /// A limit that passed ended one try, and another one begins.
    void again() {
        const std::lock_guard lock(guard_);
        if (ended_ == ending::first_byte || ended_ == ending::between_bytes) ended_ = ending::none;
    }

    /// Of the other thread.
    void end(ending why) {
        const std::lock_guard lock(guard_);
        end_locked(why);
    }
    void tick(steady::time_point now) {
        const std::lock_guard lock(guard_);
        if (socket_ < 0) return;
        if (now >= total_) end_locked(ending::total);
        else if (now >= limit_) end_locked(why_);
    }

private:
    void end_locked(ending why) {
        if (ended_ == ending::none || why == ending::client_left || why == ending::stopping) ended_ = why;
        if (socket_ >= 0) shutdown(socket_, SHUT_RDWR);
    }

    mutable std::mutex guard_;
    int socket_ = -1;
    ending ended_ = ending::none;
    ending why_ = ending::none;
    steady::time_point limit_ = steady::time_point::max();
    steady::time_point total_ = steady::time_point::max();
};
