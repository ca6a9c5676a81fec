// Leaves a server alone after it has failed often, and asks now and then whether it is back.
#pragma once

#include <qlroute/core/literals.hpp>

#include <cstddef>

/// Closed: used. Open: left alone until a probe, whose failure doubles the wait. Not thread-safe.
class breaker {
public:
    struct limits {
        std::size_t failures = 3;  // one after the other, until it opens
        qlroute::seconds first_wait{1};
        qlroute::seconds longest_wait{30};
    };

    breaker() = default;
    explicit breaker(const limits& at) : limits_(at), wait_(at.first_wait) {}

    bool is_open() const { return open_; }

    void succeeded() {
        failures_ = 0;
        open_ = false;
        wait_ = limits_.first_wait;
    }

    /// True where this failure opens it.
    bool failed(qlroute::seconds now) {
        ++failures_;
        if (open_ || failures_ < limits_.failures) return false;
        open_ = true;
        next_probe_ = now + wait_;
        return true;
    }

    bool wants_probe(qlroute::seconds now) const { return open_ && now >= next_probe_; }

    /// Of an open one. True where it is now closed.
    bool probed(bool answered, qlroute::seconds now) {
        if (answered) {
            const bool was_open = open_;
            succeeded();
            return was_open;
        }
        wait_ = smaller(2.0 * wait_, limits_.longest_wait);
        next_probe_ = now + wait_;
        return false;
    }

    /// Until it may be back.
    qlroute::seconds wait(qlroute::seconds now) const {
        return open_ ? qlroute::larger(next_probe_ - now, qlroute::seconds(0)) : qlroute::seconds(0);
    }

private:
    limits limits_;
    bool open_ = false;
    std::size_t failures_ = 0;
    qlroute::seconds wait_{1};
    qlroute::seconds next_probe_{};
};
