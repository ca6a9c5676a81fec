#include "agent.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

using namespace qlroute;
using nlohmann::ordered_json;

namespace {

/// Fits into a header of HAProxy's answer, with room for the others.
constexpr std::size_t most_explanation = 4096;

std::string to_fixed(double number) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4f", number);
    return text;
}

}  // namespace

json_lines::json_lines(const std::string& path) : file_(nullptr, std::fclose) {
    if (path.empty()) return;
    file_.reset(std::fopen(path.c_str(), "ae"));
    if (!file_) throw usage_error("--log: cannot write \"" + path + "\": " + std::strerror(errno));
    std::setvbuf(file_.get(), nullptr, _IOLBF, 1 << 16);
}

void json_lines::write(const ordered_json& row) {
    if (!file_) return;
    const std::string line = one_line(row) + '\n';
    const std::lock_guard lock(guard_);
    std::fwrite(line.data(), 1, line.size(), file_.get());  // a full disk costs lines, never requests
}

agent::agent(backend_chooser& chooser, json_lines& log) : chooser_(&chooser), log_(&log) {
    for (std::size_t i = 0; i < chooser.backends(); ++i)
        servers_of_.push_back("servers." + std::string(chooser.name_of(i)));
}

seconds agent::now() const {
    return seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
}

void agent::answer(std::span<const spop::message> messages, spop::actions& out) noexcept {
    for (const spop::message& one : messages) {
        try {
            if (one.name == "qlroute-request") answer_request(one, out);
        } catch (const std::exception&) {  // out of memory: the request goes to the default backend
        }
    }
}

void agent::take_report(const spop::message& asked) {
    // A turn is 64 bits of a digest, and HAProxy's integers have a sign.
    const spop::value turn = asked.arg("last-turn");
    const auto* digest = std::get_if<std::int64_t>(&turn);
    const auto backend = spop::text_in(asked.arg("last-backend"));
    const auto http_status = spop::count_in(asked.arg("last-status"));
    if (digest == nullptr || !backend || !http_status) return;
    chooser_->served(static_cast<std::uint64_t>(*digest), *backend, *http_status);
}

void agent::answer_request(const spop::message& asked, spop::actions& out) {
    const seconds begun = now();
    take_report(asked);
    for (std::size_t i = 0; i < servers_of_.size(); ++i)
        if (const auto servers = spop::count_in(asked.arg(servers_of_[i]))) chooser_->servers_up(i, *servers);
    const chosen_backend chosen =
        chooser_->choose({.method = spop::text_in(asked.arg("method")),
                          .path = spop::text_in(asked.arg("path")),
                          .content_type = spop::text_in(asked.arg("content-type")),
                          .body_size = spop::count_in(asked.arg("body-size")),
                          .session = spop::text_in(asked.arg("session")).value_or(std::string_view{}),
                          .body = spop::text_in(asked.arg("body")).value_or(std::string_view{})},
                         begun);
    const bool is_chosen = chosen.what == outcome::chosen;
    const bool explain = is_chosen && spop::text_in(asked.arg("explain")).has_value();
    ordered_json row;
    if (is_chosen && (explain || log_->wanted())) row = chooser_->row(chosen);
    if (is_chosen) {
        using spop::scope;
        out.set(scope::transaction, "backend", chooser_->name_of(chosen.where));
        out.set(scope::transaction, "turn", chosen.turn);
        const std::string cost = to_fixed(chosen.routed.chosen().decision.cost.value());
        out.set(scope::transaction, "cost", std::string_view(cost));
        if (explain) {
            const std::string why = row.dump(-1, ' ', true, ordered_json::error_handler_t::replace);
            if (why.size() <= most_explanation) out.set(scope::transaction, "explain", std::string_view(why));
        }
    }
    if (!log_->wanted()) return;
    ordered_json line{{"t_s", begun.value()}, {"outcome", to_text(chosen.what)}};
    if (is_chosen) line.update(row);
    else line["why"] = chosen.why;
    line["decided_in_s"] = (now() - begun).value();
    log_->write(line);
}
