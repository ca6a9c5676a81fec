// How long the next answer will be, from those that came, where some were cut off.
//
//   output_length edge(200_tok);
//   edge.observe(64_tok, true);                           // stopped by max_tokens: it would have been longer
//   turn.expected_output = edge.expected(max_tokens);
#pragma once

#include <qlroute/core/literals.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

namespace qlroute {

/// Mean length of an answer under a limit, by the product-limit estimator over the last answers:
///   E[min(X, limit)] = integral of S from 0 to limit,   S(t) = product over x_i <= t of (1 - ended_i / at_risk_i)
///   [tok]
/// ended_i: answers of length x_i that ended by themselves; at_risk_i: answers at least that long, the cut ones
/// included. A plain mean of lengths would take a limit for the model's habit. The prior counts as one answer that
/// ended by itself, until `window` - 1 have come. Beyond the longest answer that was seen S stays where it is, so that
/// answers which were all cut are expected to reach any limit; without a limit the integral ends there. No errors:
/// lengths that are not above 0 are ignored. Allocates nothing; not thread-safe while observing. Source: Kaplan, Meier,
/// "Nonparametric estimation from incomplete observations", J. Am. Stat. Assoc. 53, 1958.
class output_length {
public:
    static constexpr std::size_t window = 64;
    static constexpr tokens no_limit{std::numeric_limits<double>::infinity()};

    constexpr explicit output_length(tokens prior = 200_tok) noexcept : prior_(prior) {}

    /// An answer of that many tokens; `cut`: by its limit or by the user, so that it says only "at least".
    constexpr void observe(tokens length, bool cut) noexcept {
        if (!(length > tokens(0)) || !(length < no_limit)) return;
        seen_[next_] = {length, cut};
        next_ = (next_ + 1) % seen_.size();
        count_ = std::min(count_ + 1, seen_.size());
    }

    constexpr tokens expected(tokens limit = no_limit) const noexcept {
        std::array<answer, window> all{};
        std::copy(seen_.begin(), seen_.begin() + static_cast<std::ptrdiff_t>(count_), all.begin());
        std::size_t at_risk = count_;
        if (count_ < seen_.size()) all[at_risk++] = {prior_, false};
        // Those that ended come before those cut at the same length, which are known to be no shorter.
        std::sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(at_risk),
                  [](const answer& a, const answer& b) {
                      return a.length != b.length ? a.length < b.length : a.cut < b.cut;
                  });
        double still_going = 1;
        tokens mean(0);
        tokens at(0);
        for (std::size_t i = 0; at_risk > 0; ++i, --at_risk) {
            const tokens next = smaller(all[i].length, limit);
            mean += still_going * (next - at);
            at = next;
            if (at == limit) return mean;
            if (!all[i].cut) still_going *= 1 - 1 / static_cast<double>(at_risk);
        }
        return limit < no_limit ? mean + still_going * (limit - at) : mean;
    }

    constexpr tokens prior() const noexcept { return prior_; }
    /// How many answers it goes by; the prior is none.
    constexpr std::size_t count() const noexcept { return count_; }

private:
    struct answer {
        tokens length{};
        bool cut = false;
    };
    tokens prior_;
    std::array<answer, window> seen_{};
    std::size_t next_ = 0;
    std::size_t count_ = 0;
};

}  // namespace qlroute
