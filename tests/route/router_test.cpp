#include <qlroute/route/router.hpp>

#include <doctest/doctest.h>

#include "support/allocations.hpp"

#include <limits>
#include <thread>
#include <type_traits>
#include <vector>

using namespace qlroute;

namespace {

const endpoint phone{.name = "phone", .usual_success = 0.6, .prefill_rate = 100_tok_s, .tpot = 50_ms / 1_tok};
const endpoint edge{
    .name = "edge", .remote = true, .usual_success = 0.9, .prefill_rate = 5000_tok_s, .tpot = 10_ms / 1_tok};
const endpoint cloud{.name = "cloud",
                     .remote = true,
                     .usual_success = 0.95,
                     .prefill_rate = 9000_tok_s,
                     .tpot = 15_ms / 1_tok,
                     .extra_rtt = 60_ms};
const link_state good{.uplink_rate = 10_Mbps, .downlink_rate = 40_Mbps, .rtt = 30_ms};
const link_state tunnel{};

constexpr auto objective = 6_s * cost::quality_loss{} + cost::end_to_end();

const message question{role::user, "why is the sky blue?", {}};

}  // namespace

TEST_CASE("a good link takes the turn to the edge, a tunnel keeps it on the phone") {
    const endpoint places[] = {phone, edge};
    const router route{constant_difficulty{}, objective};
    session chat(2);
    const turn t = chat.next_turn({&question, 1});
    CHECK(route(chat, t, places, good).where == 1);
    CHECK(route(chat, t, places, tunnel).where == 0);
}

TEST_CASE("the cost of a decision is its objective under its facts, and the lines sum to it") {
    const endpoint places[] = {phone, edge, cloud};
    const router route{constant_difficulty{}, objective};
    session chat(3);
    const auto choice = route(chat, chat.next_turn({&question, 1}), places, good);
    CHECK(choice.cost == objective(choice.facts));
    CHECK(explain(objective, choice.facts).total() == choice.cost);
    CHECK(choice.p_success() == doctest::Approx(places[choice.where].usual_success));
}

TEST_CASE("leaving the endpoint that holds the history shows its price as switching") {
    const endpoint places[] = {phone, edge};
    const router route{constant_difficulty{}, objective, always{1}};
    session chat(2);
    std::vector<message> said{question};
    chat.next_turn(said);
    const message reply{role::assistant, "", 995_tok};
    chat.commit(0, reply);
    said.push_back(reply);
    said.push_back({role::user, "prove it", {}});
    const auto choice = route(chat, chat.next_turn(said), places, good);
    CHECK(choice.switched);
    // 5 + 995 tokens at 5000 / s, and (2 + 20 + 2 + 3980) bytes at 10 Mbit/s
    CHECK(explain(objective, choice.facts).find("switching")->value() ==
          doctest::Approx(1000.0 / 5000 + 8 * 4004 / 10e6));
    chat.commit(1, {role::assistant, "", 10_tok});
    const auto stay = route(chat, chat.next_turn(said), places, good);
    CHECK(!stay.switched);
    CHECK(explain(objective, stay.facts).find("switching")->value() == 0);
}

TEST_CASE("an endpoint that is down or too small is not chosen while another one can serve") {
    endpoint places[] = {phone, edge};
    const router route{constant_difficulty{}, objective};
    session chat(2);
    const turn t = chat.next_turn({&question, 1});
    places[1].available = false;
    CHECK(route(chat, t, places, good).where == 0);
    places[0].context_window = 10_tok;
    const auto none = route(chat, t, places, good);
    CHECK(!none.can_serve);
}

TEST_CASE("unmeasured or absurd links never lead to a cost that is not a number") {
    const endpoint places[] = {phone, edge};
    const router route{constant_difficulty{}, objective, always{1}};
    session chat(2);
    const turn t = chat.next_turn({&question, 1});
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const link_state& link : {link_state{}, link_state{bits_per_second(nan), bits_per_second(nan), seconds(nan)},
                                   link_state{bits_per_second(-5), 1_Mbps, seconds(-1)}}) {
        const auto choice = route(chat, t, places, link);
        CHECK(choice.cost >= 0_s);
        CHECK(choice.cost < 1e9_s);
    }
}

TEST_CASE("a cost may be money, or any unit that its terms share") {
    const endpoint places[] = {phone, edge};
    const auto price = cost::term<"price">([](const auto& s) { return (0.6_USD / 1e6_tok) * s.output_tokens; });
    const router route{constant_difficulty{}, 0.01_USD * cost::quality_loss{} + price, lowest_cost{0.001_USD}};
    session chat(2);
    const auto choice = route(chat, chat.next_turn({&question, 1}), places, good);
    static_assert(std::is_same_v<decltype(choice.cost), const dollars> ||
                  std::is_same_v<decltype(choice.cost), dollars>);
    CHECK(choice.where == 1);
    CHECK(choice.cost.value() == doctest::Approx(0.001 + 0.00012));
}

TEST_CASE("a predictor of the host's own is a call that returns a call") {
    struct by_length {
        struct difficulty {
            std::size_t bytes;
            double operator()(const endpoint& place) const noexcept {
                return place.remote ? 0.9 : bytes < 100 ? 0.9 : 0.1;
            }
        };
        difficulty operator()(std::span<const message> said) const noexcept { return {said.back().text.size()}; }
    };
    const endpoint places[] = {phone, edge};
    const router route{by_length{}, 100_s * cost::quality_loss{} + cost::end_to_end(), lowest_cost{}};
    session chat(2);
    const std::string text(200, 'x');
    const message hard{role::user, text, {}};
    CHECK(route(chat, chat.next_turn({&hard, 1}), places, link_state{10_Mbps, 10_Mbps, 30_ms}).where == 1);
    CHECK(route(chat, chat.next_turn({&question, 1}), places, link_state{2_kbps, 2_kbps, 30_ms}).where == 0);
}

TEST_CASE("a decision allocates nothing and cannot throw") {
    const endpoint places[] = {phone, edge, cloud};
    const router route{constant_difficulty{}, objective, lowest_cost{150_ms}};
    session chat(3);
    std::vector<message> said;
    said.reserve(64);
    const std::string text(2000, 'x');
    const std::size_t before = allocations;
    for (int k = 0; k < 20; ++k) {
        said.push_back({role::user, text, {}});
        const turn t = chat.next_turn(said, seconds(k));
        static_assert(noexcept(route(chat, t, places, good)));
        const auto choice = route(chat, t, places, good);
        const auto lines = explain(objective, choice.facts);
        const message reply{role::assistant, text, {}};
        chat.commit(choice.where, reply, seconds(k));
        said.push_back(reply);
        if (lines.size() == 0) break;
    }
    CHECK(allocations == before);
}

TEST_CASE("one router serves many threads") {
    const endpoint places[] = {phone, edge, cloud};
    const router route{constant_difficulty{}, objective, lowest_cost{150_ms}};
    const auto dialogue = [&](std::size_t& where) {
        session chat(3);
        std::vector<message> said;
        for (int k = 0; k < 200; ++k) {
            said.push_back(question);
            const auto choice = route(chat, chat.next_turn(said), places, k % 3 ? good : tunnel);
            chat.commit(choice.where, {role::assistant, "because", {}});
            said.push_back({role::assistant, "because", {}});
            where += (choice.where + 1) * static_cast<std::size_t>(k);
        }
    };
    std::size_t alone = 0;
    dialogue(alone);
    std::vector<std::size_t> sums(4, 0);
    std::vector<std::thread> threads;
    for (auto& sum : sums) threads.emplace_back([&] { dialogue(sum); });
    for (auto& thread : threads) thread.join();
    for (const auto sum : sums) CHECK(sum == alone);
}
