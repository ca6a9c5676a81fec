#include "forwarder.hpp"

#include "configured/files.hpp"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

using namespace qlroute;

namespace {

/// The most that a TUN device hands over at once.
constexpr std::size_t largest_packet = 65'536;

/// Of one direction before the other, and what is due, get their turn.
constexpr int packets_at_once = 16;

const auto later = [](const auto& a, const auto& b) {
    return a.arrives > b.arrives || (a.arrives == b.arrives && a.order > b.order);
};

/// Packets leave on time also where other programs compute. Without the right to ask for that, they leave a bit later.
void hurry() {
    prctl(PR_SET_TIMERSLACK, 1UL);
    const sched_param lowest{.sched_priority = sched_get_priority_min(SCHED_RR)};
    pthread_setschedparam(pthread_self(), SCHED_RR, &lowest);
}

timespec in_timespec(seconds wait) {
    const double s = std::clamp(wait.value(), 0.0, 3600.0);
    const auto whole = static_cast<time_t>(s);
    return {.tv_sec = whole, .tv_nsec = static_cast<long>((s - static_cast<double>(whole)) * 1e9)};
}

}  // namespace

forwarder::forwarder(int device, int edge, shaper up, shaper down)
    : up_{.from = device, .to = edge, .shape = std::move(up)},
      down_{.from = edge, .to = device, .shape = std::move(down)},
      stop_(eventfd(0, EFD_CLOEXEC)) {
    if (!stop_) throw usage_error(std::string("cannot make an eventfd: ") + std::strerror(errno));
    thread_ = std::thread([this] { run(); });
}

void forwarder::stop() {
    if (!thread_.joinable()) return;
    const std::uint64_t once = 1;
    while (write(stop_.get(), &once, sizeof once) < 0 && errno == EINTR) continue;
    thread_.join();
}

seconds forwarder::now() const {
    return seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count());
}

void forwarder::run() {
    hurry();
    std::array<pollfd, 3> polled{{{up_.from, POLLIN, 0}, {down_.from, POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    for (;;) {
        deliver(up_);
        deliver(down_);
        timespec wait{};
        const timespec* until_due = nullptr;  // nothing under way: as long as it takes
        for (const auto* way : {&up_, &down_}) {
            if (way->under_way.empty()) continue;
            const timespec due = in_timespec(way->under_way.front().arrives - now());
            const bool sooner = due.tv_sec < wait.tv_sec || (due.tv_sec == wait.tv_sec && due.tv_nsec < wait.tv_nsec);
            if (until_due == nullptr || sooner) wait = due;
            until_due = &wait;
        }
        if (ppoll(polled.data(), polled.size(), until_due, nullptr) <= 0) continue;
        if (polled[2].revents != 0) return;
        if ((polled[0].revents != 0 && !take(up_)) || (polled[1].revents != 0 && !take(down_))) {
            broken_ = true;
            return;
        }
    }
}

bool forwarder::take(one_way& way) {
    std::array<std::byte, largest_packet> buffer;
    for (int i = 0; i < packets_at_once; ++i) {
        const ssize_t length = read(way.from, buffer.data(), buffer.size());
        if (length <= 0) return length < 0 && (errno == EAGAIN || errno == EINTR);
        const auto size = static_cast<std::size_t>(length);
        way.seen.bytes += size;
        const passage p = way.shape.admit(now(), bits(8.0 * static_cast<double>(size)));
        const std::uint64_t order = way.seen.packets++;
        if (p.fate == fate::dropped) ++way.seen.dropped;
        else way.seen.queue_delay.add(p.waited);
        if (p.fate == fate::lost) ++way.seen.lost;
        if (p.fate != fate::carried) continue;
        way.under_way.push_back({p.arrives, order, {buffer.data(), buffer.data() + size}});
        std::push_heap(way.under_way.begin(), way.under_way.end(), later);
    }
    return true;
}

void forwarder::deliver(one_way& way) {
    while (!way.under_way.empty() && way.under_way.front().arrives <= now()) {
        std::pop_heap(way.under_way.begin(), way.under_way.end(), later);
        const packet next = std::move(way.under_way.back());
        way.under_way.pop_back();
        way.seen.lateness.add(now() - next.arrives);
        const bool taken = write(way.to, next.bytes.data(), next.bytes.size()) >= 0;
        if (taken) way.seen.carried_bytes += next.bytes.size();
        ++(taken ? way.seen.carried : way.seen.refused);
    }
}
