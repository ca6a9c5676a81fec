#include "chat_relay.hpp"

#include "header_text.hpp"
#include "request_edit.hpp"

#include "configured/section.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

using namespace qlroute;
using nlohmann::json;

namespace {

constexpr std::size_t deepest_request = 128;
constexpr std::size_t most_answer = std::size_t{64} << 20;
/// Of a stream that has not said anything yet.
constexpr std::size_t most_held = 64 << 10;

std::string in_seconds(seconds t) {
    char text[40];
    std::snprintf(text, sizeof text, "%.6g", t.value());
    return text;
}

/// Not this server's fault, or it may be well again soon: another one may do.
bool is_failure(int status) {
    return status < 200 || (status >= 300 && status < 400) || status == 408 || status == 429 || status >= 500;
}

std::string reason_of(const upstream_call& call) {
    if (call.error == httplib::Error::ConnectionTimeout) return "no connection in time";
    if (call.error == httplib::Error::Connection) return "no connection";
    if (call.error == httplib::Error::Read && call.status == 0) return "it closed the connection without an answer";
    if (call.error == httplib::Error::Read) return "its answer ended too early";
    return httplib::to_string(call.error);
}

void append_chunk(std::string& to, std::string_view bytes) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    ((to += size) += bytes) += "\r\n";
}

}  // namespace

void gateway::chat(client_stream& client, const httplib::Request& request, std::string&& body,
                   httplib::Response& response) {
    chat_relay(*this, client, request, response).run(body);
}

seconds chat_relay::since_read(steady::time_point t) const {
    return seconds(std::chrono::duration<double>(t - client_.read_at()).count());
}

bool chat_relay::client_left() const { return write_failed_ || client_.guard().ended() == ending::client_left; }

void chat_relay::refuse(int status, std::string_view message, std::string_view code, std::string_view outcome) {
    response_.status = status;
    const std::string_view type = status < 500 ? "invalid_request_error" : "server_error";
    response_.set_content(error_body(message, type, code), "application/json");
    record_.status = status;
    record_.outcome = outcome;
    record_.error = code;  // the message may quote the request
    record_.total = since_read(steady::now());
}

void chat_relay::run(const std::string& body) {
    const gateway_timeouts& limits = at_.config_.timeouts;
    client_.guard().begin(client_.read_at() +
                          std::chrono::microseconds(static_cast<std::int64_t>(1e6 * limits.total.value())));
    const auto count = [&] {
        at_.metrics_.count(record_);
        at_.log_.write(record_);
    };
    try {
        if (json_nesting(body, deepest_request) > deepest_request)
            throw bad_request("the body: nested too deeply; expected at most " + std::to_string(deepest_request) +
                              " levels");
        chat_ = chat_request_from(json::parse(body), usual_framing);
    } catch (const bad_request& why) {
        refuse(400, why.what(), "invalid_request", "bad_request");
        return count();
    } catch (const json::exception& why) {
        refuse(400, "the body: not valid JSON: " + without_name(why), "invalid_json", "bad_request");
        return count();
    }
    record_.stream = chat_.stream;
    std::optional<std::size_t> pinned;
    if (request_.has_header("x-qlroute-endpoint")) {
        const std::string name = request_.get_header_value("x-qlroute-endpoint");
        pinned = at_.endpoint_named(name);
        if (*pinned == at_.upstreams_.size()) {
            refuse(400, "x-qlroute-endpoint: there is no endpoint " + header_text(name, 100), "unknown_endpoint",
                   "bad_request");
            return count();
        }
        record_.pinned = true;
    }

    turn_ = {.chat = at_.key_of(request_, chat_),
             .messages = chat_.messages.view(),
             .most_output = chat_.most_output,
             .now = at_.now()};
    content_hash digest;  // keys are small numbers, or of what a client chose
    digest.feed({reinterpret_cast<const char*>(&turn_.chat), sizeof turn_.chat});
    record_.chat = digest.digest();
    record_.link = at_.router_.link_now();
    routed_ = at_.router_.route(turn_, pinned);
    std::size_t where = routed_.where;
    if (!pinned && !routed_.chosen().decision.can_serve) {
        if (const auto other = routed_.next_best(where)) where = *other;
        else if (at_.upstreams_[where]->is_open() || !at_.router_.endpoint_now(where).available) {
            seconds wait(at_.config_.timeouts.first_byte);
            for (const auto& each : at_.upstreams_)
                if (each->is_open()) wait = smaller(wait, each->wait(at_.now()));
            response_.set_header("Retry-After", std::to_string(static_cast<int>(wait.value()) + 1));
            refuse(503, "no endpoint is up; please try again later", "no_endpoint", "unavailable");
            return count();
        }
    }

    attempt a = try_at(where, body);
    if (!a.fault.empty() && !committed_ && !pinned && !client_left() && client_.guard().ended() != ending::total &&
        client_.guard().ended() != ending::stopping) {
        if (const auto other = routed_.next_best(where)) {
            record_.fallback_from = at_.upstreams_[where]->config().name;
            where = *other;
            client_.guard().again();
            a = try_at(where, body);
        }
    }
    record_.ttft = a.first_content && a.streams ? std::optional(since_read(*a.first_content)) : std::nullopt;
    record_.figures = a.answer.figures();
    record_.finish_reason = header_text(a.answer.finish_reason(), 40);
    record_.connected = a.call.connected;
    // First, because a client may send its next turn as soon as it has the end of this one.
    if (a.status >= 200 && a.status < 300) learn(where, a);
    answer(a);
    record_.total = since_read(steady::now());
    count();
}

std::string chat_relay::body_for(std::size_t where, const std::string& body) const {
    const upstream_config& to = at_.upstreams_[where]->config();
    std::string out = body;
    if (!to.served_model.empty()) {
        out = with_model(out, to.served_model);
    } else if (chat_.model == "auto" || chat_.model == "qlroute") {
        const auto models = at_.upstreams_[where]->models();
        if (!models.empty()) out = with_model(out, models.front());
    }
    if (chat_.stream && !chat_.include_usage && to.include_usage) out = with_usage(out);
    return out;
}

void chat_relay::set_answer_headers(std::size_t where) {
    const priced_endpoint& priced = routed_.endpoints[where];
    std::vector<std::pair<std::string, std::string>> all{
        {"x-qlroute-endpoint", header_text(at_.upstreams_[where]->config().name, 200)},
        {"x-qlroute-cost", in_seconds(priced.decision.cost)}};
    if (at_.explains_) {
        std::string terms;
        for (const auto& [name, value] : priced.expected.breakdown)
            terms += (terms.empty() ? "" : ", ") + name + "=" + in_seconds(value);
        all.emplace_back("x-qlroute-explain", header_text(terms));
    }
    own_headers_.clear();
    for (const auto& [name, value] : all) {
        response_.headers.erase(name);
        response_.set_header(name, value);
        own_headers_ += name + ": " + value + "\r\n";
    }
}

chat_relay::attempt chat_relay::try_at(std::size_t where, const std::string& body) {
    upstream& to = *at_.upstreams_[where];
    const priced_endpoint& priced = routed_.endpoints[where];
    set_answer_headers(where);
    record_.endpoint = to.config().name;
    record_.predicted = priced.expected;
    record_.cost = priced.decision.cost;

    attempt a;
    a.hides_usage = chat_.stream && !chat_.include_usage && to.config().include_usage;
    a.in_flight = to.enter();
    std::optional<seconds> took;
    const struct leave_at_end {
        gateway& at;
        std::size_t where;
        const std::optional<seconds>& took;
        ~leave_at_end() {
            at.upstreams_[where]->leave(took);
            at.queue_changed(where);
        }
    } always{at_, where, took};
    at_.queue_changed(where);
    const std::string sent = body_for(where, body);
    record_.request_bytes = sent.size();
    if (!record_.added) record_.added = since_read(steady::now());
    a.call = to.post(sent, chat_.stream, client_.guard(),
                     {.head = [&](const httplib::Response& head) { return take_head(a, head); },
                      .bytes = [&](std::string_view bytes) { return take_bytes(a, bytes); }});
    judge(a);
    const bool answered = a.fault.empty();
    if (answered) took = seconds(std::chrono::duration<double>(steady::now() - a.call.began).count());
    if (answered || (a.status == 429 && !a.timed_out)) to.succeeded();
    else if (!client_left() && client_.guard().ended() != ending::stopping) at_.failed(where, a.lost_server);
    return a;
}

bool chat_relay::take_head(attempt& a, const httplib::Response& head) {
    a.status = head.status;
    a.content_type = header_text(head.get_header_value("Content-Type"), 200);
    a.request_id = header_text(head.get_header_value("x-request-id"), 200);
    a.retry_after = header_text(head.get_header_value("Retry-After"), 100);
    a.streams = chat_.stream && a.status >= 200 && a.status < 300 && a.content_type.starts_with("text/event-stream");
    return true;
}

bool chat_relay::take_bytes(attempt& a, std::string_view bytes) {
    if (!a.streams) {
        if (a.body.size() + bytes.size() > most_answer) return false;
        a.body += bytes;
        return true;
    }
    const auto now = steady::now();
    const bool goes_on = a.events.feed(bytes, [&](const sse_event& event) {
        const chunk_kind kind = a.answer.take_chunk(event.data);
        if (kind.is_error) a.upstream_complained = true;
        if (kind.is_error && !committed_) return false;
        if (kind.is_content) {
            if (!a.first_content) a.first_content = now;
            a.last_content = now;
            a.has_content = true;
        }
        if (kind.is_last) a.done = true;
        if (!(kind.is_usage && a.hides_usage)) a.held += event.raw;
        return true;
    });
    if (!goes_on) return false;
    if (a.done) return true;  // its end waits until it has been learnt from
    const bool says_something = a.has_content || a.held.size() > most_held;
    return committed_ || says_something ? pass_on(a) : true;
}

/// What is held goes to the client, behind the head where it is the first.
bool chat_relay::pass_on(attempt& a) {
    const bool in_chunks = request_.version != "HTTP/1.0";
    std::string out;
    if (!committed_) {
        std::string head = "HTTP/1.1 200 OK\r\nContent-Type: " + a.content_type +
                           "\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n" + own_headers_;
        if (!a.request_id.empty()) head += "x-request-id: " + a.request_id + "\r\n";
        if (in_chunks) head += "Transfer-Encoding: chunked\r\n";
        if (!in_chunks || request_.get_header_value("Connection") == "close") head += "Connection: close\r\n";
        if (!in_chunks) client_.close_afterwards();
        committed_ = true;
        write_failed_ = !client_.begin_own_answer(head + "\r\n");
    }
    if (!a.held.empty()) {
        if (in_chunks) append_chunk(out, a.held);
        else out = a.held;
        a.sent_bytes += a.held.size();
        a.held.clear();
    }
    write_failed_ = write_failed_ || !client_.write_now(out);
    return !write_failed_;
}

/// What was wrong with it, if anything.
void chat_relay::judge(attempt& a) {
    const ending why = client_.guard().ended();
    if (client_left()) a.fault = "the client left";
    else if (why == ending::stopping) a.fault = "the gateway is ending";
    else if (a.done && !a.upstream_complained) return;  // whatever came behind its end
    else if (why == ending::first_byte) a.fault = "no answer in time";
    else if (why == ending::between_bytes) a.fault = "its answer stalled";
    else if (why == ending::total) a.fault = "its answer took too long";
    else if (a.upstream_complained) a.fault = "it reported an error in its stream";
    else if (a.call.error != httplib::Error::Success) a.fault = reason_of(a.call);
    else if (is_failure(a.status)) a.fault = "it answered with HTTP status " + std::to_string(a.status);
    a.timed_out = why == ending::first_byte || why == ending::between_bytes || why == ending::total ||
                  a.call.error == httplib::Error::ConnectionTimeout;
    a.lost_server = a.call.error == httplib::Error::Connection && a.call.status == 0;
    if (!a.fault.empty() || a.status >= 300) return;
    if (a.streams) {
        if (const auto rest = a.events.rest(); !rest.empty()) {
            a.done = a.done || rest.find("[DONE]") != rest.npos;
            a.held += rest;
        }
        if (!a.done && a.answer.finish_reason().empty()) a.fault = "its answer ended too early";
    } else if (!a.answer.take_whole(a.body)) {
        a.fault = "its answer is no chat completion";
    }
}

/// For the client.
std::string chat_relay::explanation(const attempt& a) const {
    const std::string& more = a.answer.error();
    return header_text(record_.endpoint + ": " + a.fault + (more.empty() ? "" : ": " + more), 400);
}

void chat_relay::finish_stream(attempt& a) {
    const bool in_chunks = request_.version != "HTTP/1.0";
    if (a.fault.empty()) {
        if (pass_on(a) && in_chunks) write_failed_ = !client_.write_now("0\r\n\r\n");
    } else if (!client_left()) {
        // Without the chunk that ends it: nobody takes this for a whole answer.
        if (!a.upstream_complained) {
            a.held = "data: " + error_body(explanation(a), "server_error", "upstream_error") + "\n\n";
        }
        pass_on(a);
        client_.close_afterwards();
    }
}

void chat_relay::answer(attempt& a) {
    record_.status = a.status;
    record_.outcome = "ok";
    if (!a.fault.empty()) {
        record_.error = a.fault;
        record_.outcome = client_left()                                 ? "client_left"
                          : client_.guard().ended() == ending::stopping ? "stopping"
                          : a.timed_out                                 ? "timeout"
                                                                        : "upstream_error";
    } else if (a.status >= 400) {
        record_.outcome = "client_error";
        record_.error = "it answered with HTTP status " + std::to_string(a.status);
    }
    if (committed_ || (a.fault.empty() && a.streams)) {
        finish_stream(a);
        if (a.fault.empty() && write_failed_) record_.outcome = "client_left";
        return;
    }
    if (client_left()) {
        record_.status = 0;
        response_.status = 499;  // nobody reads it
        client_.close_afterwards();
        return;
    }
    // A server's own complaint goes on as it is; so does its answer.
    if (a.call.error == httplib::Error::Success && a.status >= 200 && (a.fault.empty() || a.status >= 400)) {
        response_.status = a.status;
        response_.body = std::move(a.body);
        response_.set_header("Content-Type", a.content_type.empty() ? "application/json" : a.content_type);
        if (!a.request_id.empty()) response_.set_header("x-request-id", a.request_id);
        if (!a.retry_after.empty()) response_.set_header("Retry-After", a.retry_after);
        return;
    }
    const std::string message = record_.endpoint + ": " + a.fault;
    const std::string outcome = record_.outcome;
    if (outcome == "stopping") refuse(503, "the gateway is ending", "stopping", outcome);
    else
        refuse(a.timed_out ? 504 : 502, header_text(message, 300), a.timed_out ? "upstream_timeout" : "upstream_error",
               outcome);
}

/// From what the answer said, or else from what was seen of it.
void chat_relay::learn(std::size_t where, const attempt& a) {
    const answer_figures& said = a.answer.figures();
    const forecast& expected = routed_.endpoints[where].expected;
    const bool complete = a.fault.empty();
    if (at_.config_.learn && complete) {
        const auto count = [](const std::optional<double>& n) { return n ? std::optional(tokens(*n)) : std::nullopt; };
        const auto ms = [](const std::optional<double>& n) {
            return n ? std::optional(seconds(1e-3 * *n)) : std::nullopt;
        };
        observed_answer seen{.prompt_tokens = count(said.prompt_tokens),
                             .cached_tokens = count(said.cached_tokens),
                             .output_tokens = count(said.output_tokens),
                             .cut = a.answer.finish_reason() == "length",
                             .prefill = ms(said.prompt_ms),
                             .decode = ms(said.predicted_ms)};
        const std::size_t parallel = at_.upstreams_[where]->parallel();
        const bool waited = parallel > 0 && a.in_flight > parallel;
        const bool remote = at_.upstreams_[where]->config().remote;
        if (!seen.prefill && a.first_content && !waited && (seen.cached_tokens || expected.cached == tokens(0))) {
            const link_state link = usable(at_.router_.link_now());
            seconds took(std::chrono::duration<double>(*a.first_content - a.call.began).count());
            took -= a.call.connected.value_or(seconds(0));
            if (remote) took -= link.rtt + bits(8.0 * static_cast<double>(record_.request_bytes)) / link.uplink_rate;
            if (took > seconds(0)) seen.prefill = took;
        }
        if (seen.prefill && said.prompt_ms && a.first_content && !waited && record_.fallback_from.empty())
            seen.beyond_forecast = since_read(*a.first_content) - expected.ttft - (*seen.prefill - expected.prefill);
        if (!seen.decode && a.first_content && a.last_content > *a.first_content)
            seen.decode = seconds(std::chrono::duration<double>(a.last_content - *a.first_content).count());
        at_.router_.observe(turn_, where, seen);
        if (remote && a.call.link) at_.router_.set_link(at_.link_.observe(where, *a.call.link));
    }
    // The engine holds what it has read, also where the answer was cut off.
    if (!complete && !a.has_content) return;
    const owned_messages reply = a.answer.reply(usual_framing);
    at_.router_.answered(turn_, where, reply.view().front(), at_.now());
}
