// Both functions say the same of 1000 random turns, to the last bit.
#include "by_hand.hpp"

#include <cstdio>
#include <cstring>
#include <random>

int main() {
    static_assert(sizeof(plain_facts) == sizeof(qlroute::scenario<>));
    std::mt19937 random(1);
    const auto below = [&](double limit) { return limit * static_cast<double>(random()) / 4294967296.0; };
    for (int k = 0; k < 1000; ++k) {
        plain_facts plain{};
        plain.new_tokens = 1 + below(2000);
        plain.prefix_tokens = below(8000);
        plain.prefix_hit = below(1.25 * plain.prefix_tokens);
        plain.output_tokens = 1 + below(1000);
        plain.prompt_size = below(1e6);
        plain.unseen_history = below(1e6);
        plain.token_size = 100 + below(4000);
        plain.rtt = below(0.2);
        plain.uplink_rate = 1e4 + below(1e8);
        plain.downlink_rate = 1e4 + below(k % 2 == 0 ? 1e5 : 1e8);  // slower than the decoder, and faster
        plain.prefill_rate = 50 + below(20'000);
        plain.tpot = 0.005 + below(0.1);
        plain.kv_size = 1e5 + below(3e6);
        plain.kv_rate = below(1e10);
        plain.queue_delay = below(2);
        plain.quality_loss = below(1);

        qlroute::scenario<> facts;
        std::memcpy(static_cast<void*>(&facts), &plain, sizeof(facts));
        const double a = cost_by_expression(facts);
        const double b = cost_by_hand(plain);
        if (std::memcmp(&a, &b, sizeof(a)) != 0) {
            std::printf("turn %d: %.17g by expression, %.17g by hand\n", k, a, b);
            return 1;
        }
    }
    std::printf("1000 random turns: the same to the last bit\n");
}
