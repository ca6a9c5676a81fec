// What a server's KV cache holds of one conversation, token by token, as the client can know it.
//
//   token_mirror edge;
//   const auto now = edge.expect(prompt_ids);        // now.cached, now.evaluated: the server's cache_n and prompt_n
//   ... send, receive ...
//   edge.commit(prompt_ids, reply_ids);
//
// Where only texts are known, `session` does the same by digests.
#pragma once

#include <qlroute/core/literals.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace qlroute {

/// Token ids that one slot of a server holds. As llama-server keeps them: the longest common prefix of what it holds
/// and the prompt is reused; of the reply the last token was sampled, but never evaluated, so it is not held; and at
/// least one token of a prompt is evaluated, for its logits.
/// commit() allocates where a conversation grows; not thread-safe.
class token_mirror {
public:
    /// What a server reports after such a prompt.
    struct expectation {
        std::size_t cached = 0;     ///< cache_n
        std::size_t evaluated = 0;  ///< prompt_n
    };

    /// `rollback`: a cache can only be cut back to a multiple of so many tokens; 1 where it can be cut anywhere, 0
    /// where any cut loses all of it (recurrent and sliding-window models without checkpoints).
    explicit token_mirror(std::size_t rollback = 1) : rollback_(rollback) {}

    /// What answering this prompt would find. An empty prompt: nothing is cached, nothing evaluated.
    expectation expect(std::span<const std::int32_t> prompt) const noexcept {
        if (prompt.empty()) return {};
        const auto differ = std::mismatch(held_.begin(), held_.end(), prompt.begin(), prompt.end());
        auto common = static_cast<std::size_t>(differ.first - held_.begin());
        common = std::min(common, prompt.size() - 1);
        if (common < held_.size()) common = rollback_ == 0 ? 0 : common / rollback_ * rollback_;
        return {common, prompt.size() - common};
    }

    /// The prompt was answered with this reply. Of an empty reply, where the server was only asked to read, the whole
    /// prompt is held.
    void commit(std::span<const std::int32_t> prompt, std::span<const std::int32_t> reply) {
        held_.assign(prompt.begin(), prompt.end());
        if (!reply.empty()) held_.insert(held_.end(), reply.begin(), reply.end() - 1);
    }

    /// The server was restarted, or gave the slot to somebody else.
    void clear() noexcept { held_.clear(); }

    /// Tokens held now.
    std::size_t size() const noexcept { return held_.size(); }

private:
    std::vector<std::int32_t> held_;
    std::size_t rollback_;
};

}  // namespace qlroute
