// Carries packets between two TUN devices as two shapers say.
#pragma once

#include "file_descriptor.hpp"
#include "shaper.hpp"
#include "traffic.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

/// Runs in a thread of its own from construction until stop(). Its memory is that of the packets that the shapers hold.
class forwarder {
public:
    /// `device` and `edge` do not block, and stay open until stop().
    forwarder(int device, int edge, shaper up, shaper down);
    forwarder(const forwarder&) = delete;
    forwarder& operator=(const forwarder&) = delete;
    ~forwarder() { stop(); }

    void stop();

    /// Whether it ended by itself: a device is gone.
    bool is_broken() const { return broken_.load(); }

    /// Once stopped.
    const traffic& up() const { return up_.seen; }
    const traffic& down() const { return down_.seen; }

private:
    struct packet {
        qlroute::seconds arrives;
        std::uint64_t order;
        std::vector<std::byte> bytes;
    };
    struct one_way {
        int from, to;
        shaper shape;
        traffic seen{};
        std::vector<packet> under_way{};  // a heap, the next to arrive on top
    };

    qlroute::seconds now() const;
    void run();
    bool take(one_way& way);  // false: the device is gone
    void deliver(one_way& way);

    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    one_way up_, down_;
    file_descriptor stop_;
    std::atomic<bool> broken_ = false;
    std::thread thread_;
};
