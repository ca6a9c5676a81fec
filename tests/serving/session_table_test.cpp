#include <qlroute/serving/session_table.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace qlroute;

namespace {

std::vector<endpoint> two_places(tokens first_capacity, tokens second_capacity) {
    return {{.name = "device", .prefill_rate = 100_tok_s, .tpot = 50_ms / 1_tok, .kv_capacity = first_capacity},
            {.name = "edge", .prefill_rate = 100_tok_s, .tpot = 50_ms / 1_tok, .kv_capacity = second_capacity}};
}

/// One more exchange of `size` tokens in all.
void exchange(session_table& chats, std::uint64_t id, std::size_t where, double size, seconds now = {}) {
    const message question{role::user, "", tokens(size - 1)};
    chats.next_turn(id, {&question, 1}, now);
    chats.commit(id, where, {role::assistant, "", 1_tok}, now);
}

}  // namespace

TEST_CASE("dialogues are kept apart by their ids") {
    const auto places = two_places(0_tok, 0_tok);
    session_table chats(10, places);
    exchange(chats, 7, 0, 100);
    exchange(chats, 8, 1, 200);
    CHECK(chats.size() == 2);
    CHECK(chats.at(7).held_by(0).cached.size == 100_tok);
    CHECK(chats.at(7).held_by(1).cached.size == 0_tok);
    CHECK(chats.at(8).held_by(1).cached.size == 200_tok);
    CHECK(chats.find_session(9) == nullptr);
    CHECK(chats.cached_at(0) == 100_tok);
    CHECK(chats.cached_at(1) == 200_tok);
}

TEST_CASE("the dialogue unused for longest makes room for a new one") {
    const auto places = two_places(0_tok, 0_tok);
    session_table chats(2, places);
    exchange(chats, 1, 0, 100);
    exchange(chats, 2, 0, 100);
    exchange(chats, 1, 0, 100);
    exchange(chats, 3, 0, 50);
    CHECK(chats.size() == 2);
    CHECK(chats.find_session(2) == nullptr);
    CHECK(chats.find_session(1) != nullptr);
    CHECK(chats.cached_at(0) == 150_tok);
}

TEST_CASE("a full cache loses the dialogues unused there for longest") {
    const auto places = two_places(250_tok, 0_tok);
    session_table chats(10, places);
    exchange(chats, 1, 0, 100);
    exchange(chats, 2, 0, 100);
    exchange(chats, 1, 1, 100);  // elsewhere: does not renew its cache here
    exchange(chats, 3, 0, 100);
    CHECK(chats.at(1).held_by(0).cached.size == 0_tok);
    CHECK(chats.at(1).held_by(1).cached.size == 100_tok);
    CHECK(chats.at(2).held_by(0).cached.size == 100_tok);
    CHECK(chats.cached_at(0) == 200_tok);
}

TEST_CASE("a dialogue larger than the cache evicts all others and stays") {
    const auto places = two_places(250_tok, 0_tok);
    session_table chats(10, places);
    exchange(chats, 1, 0, 100);
    exchange(chats, 2, 0, 400);
    CHECK(chats.at(1).held_by(0).cached.size == 0_tok);
    CHECK(chats.at(2).held_by(0).cached.size == 400_tok);
}

TEST_CASE("the host may drop the cache of one dialogue or of all") {
    const auto places = two_places(0_tok, 0_tok);
    session_table chats(10, places);
    for (const std::uint64_t id : {1u, 2u, 3u}) exchange(chats, id, 0, 100);
    chats.cache_dropped(0, 2);
    CHECK(chats.cached_at(0) == 200_tok);
    CHECK(chats.at(2).held_by(0).cached.size == 0_tok);
    chats.cache_dropped(0, 99);  // unknown: nothing happens
    chats.cache_dropped(0);
    CHECK(chats.cached_at(0) == 0_tok);
    CHECK(chats.at(1).held_by(0).cached.size == 0_tok);
    exchange(chats, 1, 0, 100);
    CHECK(chats.cached_at(0) == 100_tok);
}

TEST_CASE("a random history of dialogues agrees with a naive model of the two rules") {
    const auto places = two_places(700_tok, 1500_tok);
    constexpr std::size_t most = 12;
    session_table chats(most, places);
    struct cache {
        std::uint64_t id;
        double dialogue;  // its whole size, which here tells its content
        double held;
    };
    struct naive {
        std::vector<std::uint64_t> recent;  // oldest first
        std::vector<cache> cached[2];       // oldest first
    } model;
    const double capacity[] = {700, 1500};
    std::mt19937 random(11);
    for (int step = 0; step < 20'000; ++step) {
        const std::uint64_t id = random() % 30;
        const std::size_t where = random() % 2;
        const auto size = static_cast<double>(2 + random() % 200);
        if (random() % 50 == 0) {
            chats.cache_dropped(where, id);
            std::erase_if(model.cached[where], [&](auto& c) { return c.id == id; });
            continue;
        }
        exchange(chats, id, where, size);

        if (std::erase(model.recent, id) == 0 && model.recent.size() == most) {
            for (auto& all : model.cached) std::erase_if(all, [&](auto& c) { return c.id == model.recent[0]; });
            model.recent.erase(model.recent.begin());
        }
        model.recent.push_back(id);
        // The same question again keeps all but its answer of one token; another question keeps nothing.
        for (auto& all : model.cached)
            for (auto& [who, dialogue, held] : all)
                if (who == id) held = dialogue == size ? std::min(held, size - 1) : 0;
        std::erase_if(model.cached[where], [&](auto& c) { return c.id == id; });
        model.cached[where].push_back({id, size, size});
        const auto used = [&] {
            double all = 0;
            for (auto& each : model.cached[where]) all += each.held;
            return all;
        };
        while (used() > capacity[where] && model.cached[where].size() > 1)
            model.cached[where].erase(model.cached[where].begin());

        REQUIRE(chats.size() == model.recent.size());
        for (const std::size_t place : {0u, 1u}) {
            double all = 0;
            for (auto& each : model.cached[place]) {
                REQUIRE(chats.at(each.id).held_by(place).cached.size.value() == each.held);
                all += each.held;
            }
            REQUIRE(chats.cached_at(place).value() == all);
        }
    }
}

TEST_CASE("what the host observed of one dialogue's cache is counted as what the endpoint holds") {
    const auto places = two_places(0_tok, 0_tok);
    session_table chats(10, places);
    exchange(chats, 7, 1, 100, 1_s);
    exchange(chats, 8, 1, 200, 2_s);
    chats.cache_observed(7, 1, 30_tok, 3_s);
    CHECK(chats.at(7).held_by(1).cached.size == 30_tok);
    CHECK(chats.at(7).held_by(1).last_used == 3_s);
    CHECK(chats.cached_at(1) == 230_tok);
    chats.cache_observed(9, 1, 30_tok, 3_s);  // not held
    CHECK(chats.size() == 2);
    CHECK(chats.cached_at(1) == 230_tok);
}
