#include "metrics.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string_view>

namespace {

std::string number(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.9g", value);
    return text;
}

/// As a label's value.
std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n') out += "\\n";
        else out += c;
    }
    return out;
}

std::string label(std::string_view key, std::string_view value) {
    return std::string(key) + "=\"" + escaped(value) + "\"";
}

void head(std::string& to, std::string_view name, std::string_view type, std::string_view help) {
    to += "# HELP " + std::string(name) + " " + std::string(help) + "\n# TYPE " + std::string(name) + " " +
          std::string(type) + "\n";
}

void line(std::string& to, std::string_view name, const std::string& labels, double value) {
    to += std::string(name) + (labels.empty() ? "" : "{" + labels + "}") + " " + number(value) + "\n";
}

}  // namespace

void histogram::observe(double value) {
    if (!(value >= 0)) return;
    std::size_t at = 0;
    for (double bound = first_; at < buckets && value > bound; bound *= 2) ++at;
    ++counts_[at];
    sum_ += value;
}

void histogram::print(std::string& to, const std::string& name, const std::string& labels) const {
    std::uint64_t so_far = 0;
    double bound = first_;
    const std::string more = labels.empty() ? "" : labels + ",";
    for (std::size_t i = 0; i <= buckets; ++i, bound *= 2) {
        so_far += counts_[i];
        line(to, name + "_bucket", more + label("le", i == buckets ? "+Inf" : number(bound)),
             static_cast<double>(so_far));
    }
    line(to, name + "_sum", labels, sum_);
    line(to, name + "_count", labels, static_cast<double>(so_far));
}

void gateway_metrics::count(const request_record& r) {
    const std::lock_guard lock(guard_);
    ++requests_[{r.endpoint, r.outcome}];
    if (!r.fallback_from.empty()) ++fallbacks_[r.fallback_from];
    if (r.added) added_.observe(r.added->value());
    if (r.endpoint.empty() || r.outcome != "ok") return;
    of_endpoint& to = endpoints_[r.endpoint];
    to.total.observe(r.total.value());
    if (r.ttft) to.ttft.observe(r.ttft->value());
    if (r.predicted) {
        const double measured = r.ttft ? r.ttft->value() : r.total.value();
        const double predicted = r.ttft ? r.predicted->ttft.value() : r.predicted->end_to_end.value();
        if (measured > 0) to.prediction_error.observe(std::abs(predicted / measured - 1));
    }
    const auto add = [](std::uint64_t& sum, const std::optional<double>& n) {
        if (n) sum += static_cast<std::uint64_t>(*n);
    };
    add(to.prompt_tokens, r.figures.prompt_tokens);
    add(to.cached_tokens, r.figures.cached_tokens);
    add(to.output_tokens, r.figures.output_tokens);
}

void gateway_metrics::refused(int status) {
    const std::lock_guard lock(guard_);
    ++refused_[status];
}

std::string gateway_metrics::text(const state& now) const {
    const std::lock_guard lock(guard_);
    std::string out;
    head(out, "qlroute_requests_total", "counter", "Chat completions, by the endpoint that answered and how it ended.");
    for (const auto& [key, n] : requests_)
        line(out, "qlroute_requests_total", label("endpoint", key.first) + "," + label("outcome", key.second),
             static_cast<double>(n));
    head(out, "qlroute_fallbacks_total", "counter",
         "Requests that went on to another endpoint, by the one that failed.");
    for (const auto& [name, n] : fallbacks_)
        line(out, "qlroute_fallbacks_total", label("endpoint", name), static_cast<double>(n));
    head(out, "qlroute_refused_total", "counter", "Requests that were refused before they were routed.");
    for (const auto& [status, n] : refused_)
        line(out, "qlroute_refused_total", label("status", std::to_string(status)), static_cast<double>(n));
    head(out, "qlroute_tokens_total", "counter", "Tokens, by the endpoints' own counts.");
    for (const auto& [name, one] : endpoints_) {
        const std::string where = label("endpoint", name) + ",";
        line(out, "qlroute_tokens_total", where + label("kind", "prompt"), static_cast<double>(one.prompt_tokens));
        line(out, "qlroute_tokens_total", where + label("kind", "cached"), static_cast<double>(one.cached_tokens));
        line(out, "qlroute_tokens_total", where + label("kind", "output"), static_cast<double>(one.output_tokens));
    }
    head(out, "qlroute_in_flight", "gauge", "Requests that an endpoint is answering.");
    for (const auto& one : now.endpoints)
        line(out, "qlroute_in_flight", label("endpoint", one.name), static_cast<double>(one.in_flight));
    head(out, "qlroute_up", "gauge", "1 where the endpoint is used, 0 while its breaker is open.");
    for (const auto& one : now.endpoints) line(out, "qlroute_up", label("endpoint", one.name), one.is_up ? 1 : 0);
    head(out, "qlroute_connections", "gauge", "Connections of clients.");
    line(out, "qlroute_connections", "", static_cast<double>(now.connections));

    head(out, "qlroute_ttft_seconds", "histogram", "From the request read to the first byte of content, of streams.");
    for (const auto& [name, one] : endpoints_) one.ttft.print(out, "qlroute_ttft_seconds", label("endpoint", name));
    head(out, "qlroute_total_seconds", "histogram", "From the request read to the last byte.");
    for (const auto& [name, one] : endpoints_) one.total.print(out, "qlroute_total_seconds", label("endpoint", name));
    head(out, "qlroute_added_seconds", "histogram", "From the request read until it went on.");
    added_.print(out, "qlroute_added_seconds", "");
    head(out, "qlroute_prediction_error", "histogram",
         "abs(predicted / measured - 1) of the time to first token, or of the whole answer where it was no stream.");
    for (const auto& [name, one] : endpoints_)
        one.prediction_error.print(out, "qlroute_prediction_error", label("endpoint", name));

    head(out, "qlroute_link_rtt_seconds", "gauge", "Round trip, as believed now.");
    line(out, "qlroute_link_rtt_seconds", "", now.link.rtt.value());
    head(out, "qlroute_link_rate_bits_per_second", "gauge", "Rates of the link, as believed now.");
    line(out, "qlroute_link_rate_bits_per_second", label("direction", "up"), now.link.uplink_rate.value());
    line(out, "qlroute_link_rate_bits_per_second", label("direction", "down"), now.link.downlink_rate.value());
    head(out, "qlroute_learnt_prefill_tokens_per_second", "gauge", "Of a new prompt of 512 tokens, as believed now.");
    for (const auto& one : now.endpoints)
        line(out, "qlroute_learnt_prefill_tokens_per_second", label("endpoint", one.name), one.prefill_rate);
    head(out, "qlroute_learnt_tpot_seconds", "gauge", "A token behind 512 others, as believed now.");
    for (const auto& one : now.endpoints)
        line(out, "qlroute_learnt_tpot_seconds", label("endpoint", one.name), one.tpot);
    head(out, "qlroute_learnt_tokenizer_ratio", "gauge", "The endpoint's tokens to those counted here.");
    for (const auto& one : now.endpoints)
        line(out, "qlroute_learnt_tokenizer_ratio", label("endpoint", one.name), one.tokenizer_ratio);
    return out;
}
