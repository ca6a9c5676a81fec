// One chat completion: where it goes, what comes back, and what is learnt from it.
#pragma once

#include "gateway.hpp"

#include "answer_reader.hpp"
#include "sse.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

class chat_relay {
public:
    chat_relay(gateway& at, client_stream& client, const httplib::Request& request, httplib::Response& response)
        : at_(at), client_(client), request_(request), response_(response) {}

    void run(const std::string& body);

private:
    /// One endpoint's try.
    struct attempt {
        upstream_call call{};
        answer_reader answer{};
        sse_splitter events{};
        int status = 0;
        std::string content_type;
        std::string request_id;
        std::string retry_after;
        bool streams = false;
        bool hides_usage = false;
        bool done = false;  // [DONE]
        bool has_content = false;
        bool upstream_complained = false;  // in its stream
        std::string held;                  // not yet sent
        std::string body;                  // of an answer that is no stream
        std::size_t sent_bytes = 0;
        std::optional<steady::time_point> first_content{};
        steady::time_point last_content{};
        std::size_t in_flight = 0;  // with it
        std::string fault;          // or empty: answered; quotes nothing of the request or the answer
        bool timed_out = false;
        bool lost_server = false;  // nobody listens there
    };

    void refuse(int status, std::string_view message, std::string_view code, std::string_view outcome);
    attempt try_at(std::size_t where, const std::string& body);
    std::string body_for(std::size_t where, const std::string& body) const;
    bool take_head(attempt& a, const httplib::Response& head);
    bool take_bytes(attempt& a, std::string_view bytes);
    bool pass_on(attempt& a);
    void judge(attempt& a);
    std::string explanation(const attempt& a) const;
    void answer(attempt& a);
    void finish_stream(attempt& a);
    void learn(std::size_t where, const attempt& a);
    void set_answer_headers(std::size_t where);
    bool client_left() const;
    qlroute::seconds since_read(steady::time_point t) const;

    gateway& at_;
    client_stream& client_;
    const httplib::Request& request_;
    httplib::Response& response_;

    chat_request chat_{};
    chat_turn turn_{};
    routed_turn routed_{};
    request_record record_{};
    std::string own_headers_;  // as lines
    bool committed_ = false;   // the client got bytes of an answer
    bool write_failed_ = false;
};
