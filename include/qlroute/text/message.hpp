// What was said so far: views of text that the host owns.
#pragma once

#include <qlroute/core/units.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace qlroute {

enum class role : std::uint8_t { system, user, assistant, tool };

/// One message of a dialogue. `text` is a view: the host keeps the characters alive during the call.
struct message {
    role from = role::user;
    std::string_view text;
    tokens size{};  ///< by the model's tokenizer, where the host knows it; 0 or less = estimate from the text
};

/// The text of the last message from `from`; empty if there is none.
constexpr std::string_view last_text(std::span<const message> dialogue, role from) noexcept {
    std::size_t end = dialogue.size();
    while (end > 0 && dialogue[end - 1].from != from) --end;
    return end == 0 ? std::string_view() : dialogue[end - 1].text;
}

/// Bytes of text that make one token, over languages and tokenizers, when nothing better is known.
/// English prose has about 4.3 characters a token, arithmetic word problems 3.2-3.7.
inline constexpr std::size_t bytes_per_token = 4;

/// The message's own count, or its bytes / 4 rounded up.
constexpr tokens token_count(const message& m) noexcept {
    if (m.size > tokens(0)) return m.size;
    return tokens(static_cast<double>((m.text.size() + bytes_per_token - 1) / bytes_per_token));
}

/// Bytes to send the message: its text, or 4 a token where only the count is given.
constexpr std::size_t byte_count(const message& m) noexcept {
    return m.text.empty() ? static_cast<std::size_t>(token_count(m).value()) * bytes_per_token : m.text.size();
}

}  // namespace qlroute
