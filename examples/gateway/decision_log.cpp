#include "decision_log.hpp"

#include "configured/files.hpp"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>

using namespace qlroute;
using nlohmann::ordered_json;

namespace {

template <class T>
ordered_json or_null(const std::optional<T>& value) {
    if (!value) return nullptr;
    if constexpr (std::is_same_v<T, seconds>) return value->value();
    else return *value;
}

ordered_json text_or_null(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }

}  // namespace

std::string log_line(const request_record& r, double unix_time) {
    char chat[17];
    std::snprintf(chat, sizeof chat, "%016llx", static_cast<unsigned long long>(r.chat));
    ordered_json row{{"time", unix_time},
                     {"chat", chat},
                     {"endpoint", text_or_null(r.endpoint)},
                     {"pinned", r.pinned},
                     {"fallback_from", text_or_null(r.fallback_from)},
                     {"stream", r.stream},
                     {"status", r.status},
                     {"outcome", r.outcome},
                     {"error", text_or_null(r.error)},
                     {"cost_s", r.cost.value()}};
    row["predicted"] = nullptr;
    if (const auto& p = r.predicted) {
        row["predicted"] = {{"ttft_s", p->ttft.value()},          {"total_s", p->end_to_end.value()},
                            {"prefill_s", p->prefill.value()},    {"prefill_if_cached_s", p->prefill_if_cached.value()},
                            {"prompt_tokens", p->prompt.value()}, {"cached_tokens", p->cached.value()},
                            {"output_tokens", p->output.value()}, {"breakdown", ordered_json::object()}};
        for (const auto& [name, value] : p->breakdown) row["predicted"]["breakdown"][name] = value.value();
    }
    row["measured"] = {{"ttft_s", or_null(r.ttft)},
                       {"total_s", r.total.value()},
                       {"prompt_tokens", or_null(r.figures.prompt_tokens)},
                       {"cached_tokens", or_null(r.figures.cached_tokens)},
                       {"output_tokens", or_null(r.figures.output_tokens)},
                       {"prompt_ms", or_null(r.figures.prompt_ms)},
                       {"predicted_ms", or_null(r.figures.predicted_ms)},
                       {"finish_reason", text_or_null(r.finish_reason)},
                       {"request_bytes", r.request_bytes},
                       {"connected_s", or_null(r.connected)},
                       {"added_s", or_null(r.added)}};
    row["link"] = {{"uplink_bps", r.link.uplink_rate.value()},
                   {"downlink_bps", r.link.downlink_rate.value()},
                   {"rtt_s", r.link.rtt.value()}};
    return row.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

decision_log::decision_log(const std::string& path) : path_(path) {
    if (path.empty()) return;
    file_ = path == "-" ? STDOUT_FILENO : open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file_ < 0) throw usage_error("log: cannot write \"" + path + "\": " + std::strerror(errno));
}

decision_log::~decision_log() {
    if (file_ > STDERR_FILENO) close(file_);
}

void decision_log::write(const request_record& record) {
    if (file_ < 0) return;
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    const std::string line = log_line(record, now) + "\n";
    const std::lock_guard lock(guard_);
    std::size_t done = 0;
    while (done < line.size()) {
        const ssize_t n = ::write(file_, line.data() + done, line.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            if (!complained_) std::cerr << "qlroute-gateway: cannot write the log: " << std::strerror(errno) << '\n';
            complained_ = true;
            return;
        }
        done += static_cast<std::size_t>(n);
    }
}
