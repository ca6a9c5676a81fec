#include <qlroute/eval/shared_server.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <vector>

using namespace qlroute;
using eval::server_event;
using eval::server_request;
using eval::shared_server;

namespace {

// 1 ms a token read; 10 ms a step, 2 ms for each further request.
constexpr eval::engine_physics simple{.read = 1_ms / 1_tok, .step = 10_ms / 1_tok, .beside = 2_ms / 1_tok};

struct times {
    double first = NAN, last = NAN, read = NAN;
};

/// Everything that comes of the requests, by ticket.
std::map<std::uint64_t, times> served(shared_server& server, seconds until = 1e6_s) {
    std::map<std::uint64_t, times> out;
    server.advance(until, [&](const server_event& e) {
        auto& t = out[e.ticket];
        (e.what == server_event::first_token ? t.first : t.last) = e.at.value();
        t.read = e.read.value();
    });
    return out;
}

}  // namespace

TEST_CASE("a request alone is read and then written step by step") {
    shared_server server({.engine = simple});
    server.submit({.ticket = 1, .context = 100_tok, .output = 11_tok}, 5_s);
    const auto t = served(server)[1];
    CHECK(t.first == doctest::Approx(5.1));
    CHECK(t.last == doctest::Approx(5.2));  // 10 steps
    CHECK(t.read == 100);
}

TEST_CASE("an answer of one token is finished when it is read") {
    shared_server server({.engine = simple});
    server.submit({.ticket = 1, .context = 100_tok, .output = 1_tok}, 0_s);
    const auto t = served(server)[1];
    CHECK(t.first == doctest::Approx(0.1));
    CHECK(t.last == t.first);
}

TEST_CASE("requests beside each other slow each other, and a prompt stalls those that write") {
    shared_server server({.engine = simple});
    server.submit({.ticket = 1, .dialogue = 1, .context = 100_tok, .output = 11_tok}, 0_s);
    server.submit({.ticket = 2, .dialogue = 2, .context = 50_tok, .output = 6_tok}, 0_s);
    auto t = served(server);
    // Both are read first: 100 ms, 50 ms. Then 5 steps of 12 ms, and 5 of 10 ms.
    CHECK(t[1].first == doctest::Approx(0.100));
    CHECK(t[2].first == doctest::Approx(0.150));
    CHECK(t[2].last == doctest::Approx(0.210));
    CHECK(t[1].last == doctest::Approx(0.260));
}

TEST_CASE("a request that comes in the middle of a step waits for its end") {
    shared_server server({.engine = simple});
    server.submit({.ticket = 1, .dialogue = 1, .context = 100_tok, .output = 11_tok}, 0_s);
    served(server, 0.115_s);  // steps end at 110 and 120 ms
    server.submit({.ticket = 2, .dialogue = 2, .context = 50_tok, .output = 1_tok}, 0.115_s);
    const auto t = served(server);
    CHECK(t.at(2).first == doctest::Approx(0.170));
    CHECK(t.at(1).last == doctest::Approx(0.250));  // 10 steps and a stall of 50 ms
}

TEST_CASE("advancing in many small parts gives what advancing at once gives") {
    const auto run = [](double part) {
        shared_server server({.engine = {.start = 3_ms,
                                         .read = 1_ms / 1_tok,
                                         .step = 10_ms / 1_tok,
                                         .beside = 2_ms / 1_tok,
                                         .context = 5_us / 1_tok / 1_tok},
                              .slots = 3,
                              .kv_capacity = 500_tok});
        std::vector<double> out;
        const auto note = [&](const server_event& e) {
            out.push_back(e.at.value() + 1000 * static_cast<double>(e.ticket));
        };
        double now = 0;
        for (std::uint64_t k = 0; k < 40; ++k) {
            const double next = 0.13 * static_cast<double>(k * k % 7 + k);
            for (; part > 0 && now + part < next; now += part) server.advance(seconds(now), note);
            server.advance(seconds(next), note);
            now = std::max(now, next);
            server.submit({.ticket = k,
                           .dialogue = k % 9,
                           .history = tokens(10.0 * static_cast<double>(k / 9)),
                           .context = tokens(40.0 + 10.0 * static_cast<double>(k / 9)),
                           .output = tokens(1.0 + static_cast<double>(k % 23))},
                          seconds(now));
        }
        server.advance(1e6_s, note);
        return out;
    };
    const auto at_once = run(0), in_parts = run(0.0007);
    REQUIRE(at_once.size() == 80);
    REQUIRE(in_parts.size() == 80);
    for (std::size_t k = 0; k < 80; ++k) CHECK(in_parts[k] == doctest::Approx(at_once[k]).epsilon(1e-9));
}

TEST_CASE("next_event says when the next token comes") {
    shared_server server({.engine = simple});
    CHECK(std::isinf(server.next_event().value()));
    server.submit({.ticket = 1, .context = 100_tok, .output = 3_tok}, 1_s);
    CHECK(server.next_event().value() == doctest::Approx(1.1));
    served(server, 1.1_s);
    CHECK(server.next_event().value() == doctest::Approx(1.12));
}

TEST_CASE("answers of broken lengths end") {
    shared_server server({.engine = simple});
    for (std::uint64_t k = 0; k < 20; ++k)
        server.submit(
            {.ticket = k, .dialogue = k, .context = tokens(10.1), .output = tokens(0.7 + 1.1 * static_cast<double>(k))},
            0_s);
    const auto t = served(server);
    REQUIRE(t.size() == 20);
    CHECK(t.at(0).read == 11);
    CHECK(t.at(0).last == t.at(0).first);  // 0.7 of a token are one
}

TEST_CASE("more requests than slots wait in order") {
    shared_server server({.engine = simple, .slots = 1});
    for (std::uint64_t k = 0; k < 3; ++k)
        server.submit({.ticket = k, .dialogue = k, .context = 100_tok, .output = 11_tok}, 0_s);
    served(server, 0.05_s);
    CHECK(server.running() == 1);
    CHECK(server.waiting() == 2);
    auto t = served(server);
    CHECK(t[1].first == doctest::Approx(0.3));
    CHECK(t[2].last == doctest::Approx(0.6));
}

TEST_CASE("a dialogue finds its cache again and reads only what is new") {
    shared_server server({.engine = simple});
    server.submit({.ticket = 1, .dialogue = 7, .context = 100_tok, .output = 11_tok}, 0_s);
    served(server);
    CHECK(server.cached(7) == 111_tok);
    server.submit({.ticket = 2, .dialogue = 7, .history = 111_tok, .context = 131_tok, .output = 1_tok}, 2e6_s);
    const auto t = served(server, 3e6_s);
    CHECK(t.at(2).read == 20);
    CHECK(t.at(2).first == doctest::Approx(2e6 + 0.020));
}

TEST_CASE("at least one token is read, however much is cached") {
    shared_server server({.engine = simple});
    server.submit({.ticket = 1, .dialogue = 7, .context = 100_tok, .output = 1_tok}, 0_s);
    served(server);
    server.submit({.ticket = 2, .dialogue = 7, .history = 100_tok, .context = 100_tok, .output = 1_tok}, 2e6_s);
    CHECK(served(server, 3e6_s).at(2).read == 1);
}

TEST_CASE("where memory is short, the cache unused for longest is dropped") {
    shared_server server({.engine = simple, .kv_capacity = 250_tok});
    for (std::uint64_t k = 1; k <= 2; ++k)
        server.submit({.ticket = k, .dialogue = k, .context = 99_tok, .output = 1_tok}, 0_s);
    served(server);
    CHECK(server.cached(1) == 100_tok);
    CHECK(server.cached(2) == 100_tok);
    server.submit({.ticket = 3, .dialogue = 3, .context = 99_tok, .output = 1_tok}, 2e6_s);
    served(server, 3e6_s);
    CHECK(server.cached(1) == 0_tok);
    CHECK(server.cached(2) == 100_tok);
    CHECK(server.cached(3) == 100_tok);
}

TEST_CASE("a request waits for memory that others hold, and one larger than all of it runs alone") {
    shared_server server({.engine = simple, .kv_capacity = 250_tok});
    server.submit({.ticket = 1, .dialogue = 1, .context = 100_tok, .output = 50_tok}, 0_s);
    server.submit({.ticket = 2, .dialogue = 2, .context = 400_tok, .output = 1_tok}, 0_s);
    const auto t = served(server);
    CHECK(t.at(1).last == doctest::Approx(0.1 + 49 * 0.010));
    CHECK(t.at(2).first == doctest::Approx(0.59 + 0.4));
}

TEST_CASE("a projection is what really comes if nobody else arrives, and changes nothing") {
    shared_server server({.engine = simple, .slots = 2});
    server.submit({.ticket = 1, .dialogue = 1, .context = 100_tok, .output = 30_tok}, 0_s);
    server.submit({.ticket = 2, .dialogue = 2, .context = 100_tok, .output = 10_tok}, 0_s);
    served(server, 0.21_s);
    const server_request mine{.ticket = 3, .dialogue = 1, .context = 80_tok, .output = 20_tok};
    const auto foreseen = server.project(mine, 0.25_s);
    served(server, 0.25_s);
    server.submit(mine, 0.25_s);
    const auto t = served(server);
    CHECK(t.at(3).first == doctest::Approx(foreseen.first_token.value()));
    CHECK(t.at(3).last == doctest::Approx(foreseen.finished.value()));
}

TEST_CASE("an adopted cache is found as if a request had left it") {
    shared_server server({.engine = simple});
    server.adopt(5, 1000_tok);
    server.submit({.ticket = 1, .dialogue = 5, .history = 1000_tok, .context = 1020_tok, .output = 1_tok}, 0_s);
    CHECK(served(server).at(1).read == 20);
}

TEST_CASE("inter-token latency is the line that continuous batching is known for") {
    // a + kappa N of ITL, and a queue once all slots are taken.
    for (const std::size_t n : {1u, 5u, 25u}) {
        shared_server server({.engine = simple, .slots = 64});
        for (std::size_t k = 0; k < n; ++k)
            server.submit({.ticket = k, .dialogue = k, .context = 1_tok, .output = 101_tok}, 0_s);
        auto t = served(server);
        const double itl = (t[0].last - static_cast<double>(n) * 0.001) / 100;
        CHECK(itl == doctest::Approx(0.010 + 0.002 * static_cast<double>(n - 1)));
    }
}
