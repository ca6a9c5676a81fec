// An encoder with its tokenizer and the memory of several threads: text in, vector out.
#pragma once

#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/text/wordpiece.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace qlroute {

/// What is left out of a text that has too many tokens.
enum class cut { end, middle };

/// What predictors over an encoder share. Allocates when it is made, and never again.
/// Thread-safe: a call of encode() takes one of `threads` workspaces, and waits only while all of them are taken.
class text_encoder {
public:
    /// At most `most_tokens` tokens of a text are read, and never more than the encoder has positions. Where the middle
    /// is cut, of a text of up to `window` bytes the last tokens are read as well.
    /// Preconditions: most_tokens >= 2, threads >= 1, no id of the tokenizer is beyond the encoder's vocabulary.
    text_encoder(bert_encoder encoder, wordpiece tokenizer, std::size_t most_tokens, std::size_t threads,
                 cut where = cut::end, std::size_t window = 0)
        : encoder_(std::move(encoder)),
          tokenizer_(std::move(tokenizer)),
          most_ids_(std::min(most_tokens, encoder_.config().positions)) {
        const std::size_t room =
            where == cut::end ? most_ids_ : std::max(most_ids_, window + 2);  // a byte is a token at most
        for (std::size_t k = 0; k < threads; ++k) slots_.push_back(std::make_unique<slot>(encoder_, room));
    }
    text_encoder(const text_encoder&) = delete;
    text_encoder& operator=(const text_encoder&) = delete;

    const bert_encoder& encoder() const noexcept { return encoder_; }
    const wordpiece& tokenizer() const noexcept { return tokenizer_; }
    std::size_t most_tokens() const noexcept { return most_ids_; }

    /// Encodes `text` and calls use(encoder, workspace), in which its [CLS] vector, pooled() and logits() are.
    template <class Use>
    void encode(std::string_view text, Use&& use) const noexcept {
        slot& mine = take();
        std::span<const std::int32_t> ids = tokenizer_.encode(text, mine.ids).ids;
        if (ids.size() > most_ids_) {  // the first half of them, and the last
            const std::size_t tail = most_ids_ - most_ids_ / 2;
            std::copy(ids.end() - static_cast<std::ptrdiff_t>(tail), ids.end(),
                      mine.ids.begin() + static_cast<std::ptrdiff_t>(most_ids_ / 2));
            ids = ids.first(most_ids_);
        }
        (void)encoder_.encode(ids, mine.memory);
        use(encoder_, mine.memory);
        mine.taken.clear(std::memory_order_release);
    }

private:
    struct slot {
        slot(const bert_encoder& encoder, std::size_t room) : memory(encoder), ids(room) {}

        std::atomic_flag taken = ATOMIC_FLAG_INIT;
        bert_encoder::workspace memory;
        std::vector<std::int32_t> ids;
    };

    slot& take() const noexcept {
        while (true) {
            for (const auto& each : slots_)
                if (!each->taken.test_and_set(std::memory_order_acquire)) return *each;
            std::this_thread::yield();
        }
    }

    bert_encoder encoder_;
    wordpiece tokenizer_;
    std::size_t most_ids_;
    std::vector<std::unique_ptr<slot>> slots_;
};

}  // namespace qlroute
