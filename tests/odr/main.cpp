// Files compiled with different flags agree on types, decisions and costs, to the last bit.
#include "decide.hpp"

#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>
#include <type_traits>
#include <vector>

using namespace qlroute;

namespace {

template <class T>
bool same_bits(const T& a, const T& b) {
    static_assert(std::is_trivially_copyable_v<T>);
    return std::memcmp(&a, &b, sizeof(a)) == 0;
}

bool same(const verdict& a, const verdict& b) {
    return a.sizes == b.sizes && a.choice.where == b.choice.where && a.choice.can_serve == b.choice.can_serve &&
           a.choice.switched == b.choice.switched && same_bits(a.choice.facts, b.choice.facts) &&
           same_bits(a.choice.cost, b.choice.cost) && same_bits(a.lines, b.lines);
}

}  // namespace

int main() {
#ifdef QLROUTE_ODR_AVX2
    if (!__builtin_cpu_supports("avx2")) {
        std::puts("skipped: this processor has no AVX2");
        return 77;
    }
#endif
    const auto predictor = lexical_difficulty::load(QLROUTE_SOURCE_DIR "/models/lexical.safetensors");
    if (!predictor) {
        std::puts(predictor.error().message.c_str());
        return 1;
    }
    const endpoint places[] = {
        {.name = "phone", .ability = 0, .prefill_rate = 239_tok_s, .tpot = 25_ms / 1_tok},
        {.name = "edge", .remote = true, .ability = 1.5, .prefill_rate = 4000_tok_s, .tpot = 15_ms / 1_tok},
        {.name = "cloud",
         .remote = true,
         .ability = 3,
         .prefill_rate = 9000_tok_s,
         .tpot = 20_ms / 1_tok,
         .extra_rtt = 60_ms}};
    const link_state links[] = {{20_Mbps, 80_Mbps, 38_ms}, {200_kbps, 1_Mbps, 90_ms}, {}, {5_Mbps, 20_Mbps, 45_ms}};
    const std::string questions[] = {"why is the sky blue?", "Prove that there are infinitely many primes.",
                                     "What is 12 * 7?\nA. 84\nB. 94\n", std::string(5000, '?')};
    session chat(std::size(places));
    std::vector<message> said;
    std::vector<int> chosen(std::size(places));
    for (std::size_t k = 0; k < 100; ++k) {
        said.push_back({role::user, questions[k % 4], {}});
        const seconds now(static_cast<double>(k));
        const turn question = chat.next_turn(said, now);
        const link_state& link = links[k / 4 % 4];
        const verdict a = decide_plainly(*predictor, chat, question, places, link);
        const verdict b = decide_optimised(*predictor, chat, question, places, link);
        if (!same(a, b)) {
            std::printf("turn %zu: %.17g s at endpoint %zu, and %.17g s at endpoint %zu\n", k, a.choice.cost.value(),
                        a.choice.where, b.choice.cost.value(), b.choice.where);
            return 1;
        }
        const message reply{role::assistant, "Because.", {}};
        chat.commit(a.choice.where, reply, now);
        said.push_back(reply);
        ++chosen[a.choice.where];
    }
    std::printf("100 turns: the same to the last bit; %d on the phone, %d at the edge, %d in the cloud\n", chosen[0],
                chosen[1], chosen[2]);
}
