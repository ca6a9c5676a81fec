// All that is kept of one request: for the log and the metrics. No texts.
#pragma once

#include "answer_reader.hpp"
#include "configured/chat_router.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

struct request_record {
    std::uint64_t chat = 0;  // a digest
    std::string endpoint;    // or empty: none was tried
    bool pinned = false;
    std::string fallback_from;  // or empty
    bool stream = false;
    std::optional<forecast> predicted{};
    qlroute::seconds cost{};
    std::optional<qlroute::seconds> ttft{};  // since the request was read
    qlroute::seconds total{};
    std::optional<qlroute::seconds> added{};  // by the gateway, before the request went on
    answer_figures figures{};
    std::string finish_reason;
    std::size_t request_bytes = 0;
    std::optional<qlroute::seconds> connected{};  // where the connection was new
    qlroute::link_state link{};                   // as it was priced
    int status = 0;                               // as the client got it; 0: it left before
    std::string outcome;  // "ok", "client_error", "upstream_error", "timeout", "client_left", ...
    std::string error;    // or empty
};
