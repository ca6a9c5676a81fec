// Which of HAProxy's backends a chat request goes to.
#pragma once

#include "decided_turns.hpp"

#include <configured/chat_keys.hpp>
#include <configured/chat_router.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

/// What HAProxy says of a request. What it does not say is not checked.
struct forwarded_request {
    std::optional<std::string_view> method{};
    std::optional<std::string_view> path{};
    std::optional<std::string_view> content_type{};
    std::optional<std::uint64_t> body_size{};  // as announced; `body` is shorter where HAProxy's buffer was full
    std::string_view session{};                // keeps users apart
    std::string_view body{};
};

/// Chosen, or why no backend was: HAProxy then takes its default one.
enum class outcome { chosen, other_path, truncated, not_json, not_chat, failed };
inline constexpr std::size_t outcomes = 6;
std::string_view to_text(outcome what);

struct chosen_backend {
    outcome what = outcome::failed;
    std::string why{};  // where nothing was chosen
    // Where something was:
    std::size_t where = 0;
    std::uint64_t turn = 0;  // names the request in served()
    routed_turn routed{};
};

/// Endpoints are backends of the same name. Thread-safe; the predictor runs outside of all locks.
class backend_chooser {
public:
    /// `most_dialogues` are remembered. Throws usage_error if an endpoint's name cannot be that of a backend.
    backend_chooser(settings config, const std::string& path, std::size_t most_dialogues);

    /// Never throws: whatever goes wrong is an outcome.
    chosen_backend choose(const forwarded_request& request, qlroute::seconds now) noexcept;
    /// What HAProxy says of an earlier request: `backend` answered it, with that HTTP status.
    void served(std::uint64_t turn, std::string_view backend, std::uint64_t http_status) noexcept;
    /// How many of a backend's servers are up.
    void servers_up(std::size_t where, std::uint64_t servers) { router_.set_available(where, servers > 0); }

    std::size_t backends() const { return router_.configured().places.size(); }
    std::string_view name_of(std::size_t where) const { return router_.configured().places[where].name; }
    /// The decision as `qlroute route --json` says it.
    nlohmann::ordered_json row(const chosen_backend& chosen) const { return router_.row(chosen.routed); }
    /// How often choose() had that outcome.
    std::uint64_t count(outcome what) const { return counts_[static_cast<std::size_t>(what)]; }

private:
    chosen_backend chosen_for(const forwarded_request& request, qlroute::seconds now);

    chat_router router_;
    std::array<std::atomic<std::uint64_t>, outcomes> counts_{};
    std::mutex guard_;
    chat_keys keys_;
    decided_turns decided_;
};
