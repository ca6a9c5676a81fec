// What waiting for the target costs.
//
// Where the wait comes from is a policy:
//
//   queueing{}                                                       what the target announces
//   queueing{from_counters{.slots = 32, .service_time = 4_s}}        its live counters
//   queueing{mmc{.servers = 4, .arrival_rate = 1.5_Hz, .service_time = 2_s}}   a model of its load
//
// A policy of your own is a struct with a const operator() that takes a scenario and returns seconds.
//
// Bad input has one answer everywhere: an arrival rate or a service time that is not above 0 (or NaN) means that nobody
// waits; a queue that grows without bound, and one longer than that, is priced at overload_wait.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/cost/switching.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <type_traits>

namespace qlroute {

/// The wait at which a queue that grows without bound is priced: eleven days and a half.
///
/// In an overloaded queue the wait has no mean. Infinity would make two overloaded endpoints equally hopeless and turn
/// weights of zero into NaN. A million seconds lose against everything that works, and leave room beside them: the
/// other terms still decide between two overloaded endpoints, to 0.06 s in a float.
inline constexpr seconds overload_wait(1e6);

namespace detail {

/// Erlang's C by the recursion of his B, which neither overflows nor cancels. 0 < load < servers.
constexpr double erlang_c(std::size_t servers, double load) {
    double blocked = 1;
    for (std::size_t k = 1; k <= servers; ++k) blocked = load * blocked / (static_cast<double>(k) + load * blocked);
    return blocked / (1 - load / static_cast<double>(servers) * (1 - blocked));
}

enum class queue { empty, stable, overloaded };

constexpr queue state_of_queue(double servers, double arrival_rate, double service_time) {
    if (!(arrival_rate > 0) || !(service_time > 0)) return queue::empty;
    return arrival_rate * service_time < servers ? queue::stable : queue::overloaded;
}

constexpr double no_longer_than_overload(double wait) { return std::min(wait, overload_wait.value()); }

/// `variability` = (Ca^2 + Cs^2) / 2.
constexpr double mean_wait(std::size_t servers, double arrival_rate, double service_time, double variability) {
    const auto c = static_cast<double>(servers);
    const queue state = state_of_queue(c, arrival_rate, service_time);
    if (state != queue::stable) return state == queue::empty ? 0 : overload_wait.value();
    const double load = arrival_rate * service_time;
    const double poisson = erlang_c(servers, load) * service_time / (c - load);
    return no_longer_than_overload(variability > 0 ? variability * poisson : 0);
}

}  // namespace detail

/// P(wait > 0) where `servers` share one queue of Poisson arrivals and exponential services (M/M/c, Erlang C).
///   B_0 = 1,  B_k = a B_(k-1) / (k + a B_(k-1)),  C = B_c / (1 - rho (1 - B_c)),  a = load, rho = a / c      [-]
/// load = arrival_rate * service_time. 0 if the load is not above 0, or NaN; 1 if it is at least `servers`.
template <representation Rep>
constexpr auto erlang_c(std::size_t servers, const quantity<dim::none, Rep>& load) {
    return elementwise<dim::none>(
        [servers](auto a) {
            using number = decltype(a);
            if (!(a > 0)) return number(0);
            if (!(static_cast<double>(a) < static_cast<double>(servers))) return number(1);
            return static_cast<number>(detail::erlang_c(servers, static_cast<double>(a)));
        },
        load);
}

/// Mean wait in M/M/c.
///   C(c, a) service_time / (c - a),  a = arrival_rate * service_time         [s]
/// 0 without arrivals or service; overload_wait if a >= c. Takes time proportional to `servers`.
template <representation A, representation S>
constexpr auto mmc_wait(std::size_t servers, const quantity<dim::frequency, A>& arrival_rate,
                        const quantity<dim::time, S>& service_time) {
    return elementwise<dim::time>(
        [servers](auto rate, auto service) {
            using number = std::common_type_t<decltype(rate), decltype(service)>;
            return static_cast<number>(
                detail::mean_wait(servers, static_cast<double>(rate), static_cast<double>(service), 1));
        },
        arrival_rate, service_time);
}

/// P(wait > t) in M/M/c.
///   C(c, a) exp(-(c - a) t / service_time),  a = arrival_rate * service_time [-]
/// 0 without arrivals or service, 1 if a >= c; a negative t counts as 0.
template <representation A, representation S, representation T>
constexpr auto mmc_wait_exceeds(std::size_t servers, const quantity<dim::frequency, A>& arrival_rate,
                                const quantity<dim::time, S>& service_time, const quantity<dim::time, T>& t) {
    return elementwise<dim::none>(
        [servers](auto rate, auto service, auto limit) {
            using number = std::common_type_t<decltype(rate), decltype(service), decltype(limit)>;
            const auto c = static_cast<double>(servers);
            const auto lambda = static_cast<double>(rate);
            const auto mean = static_cast<double>(service);
            const auto state = detail::state_of_queue(c, lambda, mean);
            if (state != detail::queue::stable) return state == detail::queue::empty ? number(0) : number(1);
            const double load = lambda * mean;
            const double longer = limit > 0 ? std::exp(-(c - load) * static_cast<double>(limit) / mean) : 1;
            return static_cast<number>(detail::erlang_c(servers, load) * longer);
        },
        arrival_rate, service_time, t);
}

// --- a server that batches -----------------------------------------------------------------------

/// A server that decodes all its running requests together, a token of each at every step.
///   inter-token latency of N requests: base + per_request * N                 [s/tok]
///   time in service: prefill + output * that                                  [s]
struct batching_server {
    seconds_per_token base{};         ///< of a step, whatever its batch
    seconds_per_token per_request{};  ///< what each request of the batch adds: its KV reads, and others' prefills
    seconds prefill{};                ///< of a typical request
    tokens output{};                  ///< of a typical request
    std::size_t slots = 256;          ///< requests that run at once; the others queue

    constexpr seconds_per_token inter_token(double requests) const { return base + per_request * requests; }
    constexpr seconds service_time(double requests) const { return prefill + output * inter_token(requests); }
};

/// What a batching server settles at.
struct batch_load {
    ratio requests{};                 ///< N, running at once
    seconds_per_token inter_token{};  ///< at that N
    bool stable = true;  ///< false: requests queue without bound; the others are then those of a full batch
};

/// Where arrivals and a batching server balance, by Little's law.
///   N = lambda (prefill + output ITL(N))  =>  N = lambda (prefill + output base) / (1 - lambda output per_request)
/// Unstable from lambda output per_request = 1, or where N would exceed the slots. An arrival rate that is not above 0
/// gives N = 0.
constexpr batch_load continuous_batching_fixed_point(const batching_server& server, hertz arrival_rate) {
    if (!(arrival_rate > hertz(0))) return {0, server.inter_token(0), true};
    const ratio slowdown = arrival_rate * server.output * server.per_request;
    const ratio requests = arrival_rate * server.service_time(0) / (1 - slowdown.value());
    const auto most = static_cast<double>(server.slots);
    if (!(slowdown < ratio(1)) || !(requests <= ratio(most))) return {most, server.inter_token(most), false};
    return {requests, server.inter_token(requests.value()), true};
}

/// The long run of a batching server under Poisson arrivals.
struct batch_statistics {
    ratio running{};  ///< requests in a slot, mean
    ratio waiting{};  ///< requests in the queue, mean
    ratio p_wait{};   ///< share of requests that find no slot free
    seconds wait{};   ///< mean, until a slot is free; overload_wait if unstable
    bool stable = true;
};

/// The exact answer where services are exponential: a birth-death chain in the number of requests N.
///   birth rate lambda, death rate mu_N = n / service_time(n), n = min(N, slots)
/// Stable iff lambda < mu_slots. If not: all slots run, everybody waits, and `waiting` is lambda * overload_wait. Takes
/// time proportional to the slots. No slots, or a service time that is not above 0: as in the other queues.
constexpr batch_statistics batch_birth_death(const batching_server& server, hertz arrival_rate) {
    if (!(arrival_rate > hertz(0)) || !(server.service_time(1) > seconds(0))) return {};
    const auto most = static_cast<double>(server.slots);
    const auto death_rate = [&](double n) { return n / server.service_time(n).value(); };
    const double lambda = arrival_rate.value();
    if (!(server.slots > 0) || !(lambda < death_rate(most)))
        return {most, lambda * overload_wait.value(), 1, overload_wait, false};

    // Weights relative to an empty server; rescaled, because they grow like e^N.
    double weight = 1;
    double all = 1;      // of the states below a full batch
    double running = 0;  // N times weight, of the same
    for (std::size_t n = 1; n <= server.slots; ++n) {
        weight *= lambda / death_rate(static_cast<double>(n));
        if (n < server.slots) {
            all += weight;
            running += static_cast<double>(n) * weight;
        }
        if (weight > 1e100) {
            all /= weight;
            running /= weight;
            weight = 1;
        }
    }
    const double rho = lambda / death_rate(most);
    const double full = weight / (1 - rho);  // every state from a full batch on
    all += full;
    const double waiting = weight * rho / ((1 - rho) * (1 - rho)) / all;
    return {(running + most * full) / all, waiting, full / all,
            seconds(detail::no_longer_than_overload(waiting / lambda)), true};
}

}  // namespace qlroute

namespace qlroute::cost {

/// The wait that the target announces.
///   queue_delay                                                              [s]
struct announced {
    constexpr auto operator()(const auto& s) const { return s.queue_delay; }
};

/// Poisson arrivals, exponential services, several servers: mmc_wait().      [s]
/// Reads no fact.
struct mmc {
    std::size_t servers = 1;
    hertz arrival_rate{};
    seconds service_time{};

    constexpr seconds operator()(const auto& /*s*/) const { return mmc_wait(servers, arrival_rate, service_time); }
};

/// Poisson arrivals, any service, one server: Pollaczek and Khinchine.
///   rho / (1 - rho) (1 + Cs^2) / 2 service_time,  rho = arrival_rate * service_time                [s]
/// squared_cv = Cs^2 = Var(service) / service_time^2: 0 always the same, 1 exponential. Below 0 or NaN it counts as 0.
struct mg1 {
    hertz arrival_rate{};
    seconds service_time{};
    ratio squared_cv = 1;

    constexpr seconds operator()(const auto& /*s*/) const {
        const double cv = squared_cv > ratio(0) ? squared_cv.value() : 0;
        return seconds(qlroute::detail::mean_wait(1, arrival_rate.value(), service_time.value(), (1 + cv) / 2));
    }
};

/// Any arrivals, any service, several servers, after Allen and Cunneen.
///   mmc_wait (Ca^2 + Cs^2) / 2                                               [s]
/// An approximation; exact for M/M/c and M/G/1. A squared coefficient of variation below 0 or NaN counts as 0.
struct ggc {
    std::size_t servers = 1;
    hertz arrival_rate{};
    seconds service_time{};
    ratio squared_cv_of_arrivals = 1;
    ratio squared_cv_of_service = 1;

    constexpr seconds operator()(const auto& /*s*/) const {
        const double ca = squared_cv_of_arrivals > ratio(0) ? squared_cv_of_arrivals.value() : 0;
        const double cs = squared_cv_of_service > ratio(0) ? squared_cv_of_service.value() : 0;
        return seconds(qlroute::detail::mean_wait(servers, arrival_rate.value(), service_time.value(), (ca + cs) / 2));
    }
};

/// One server that works on all requests at once, each at an equal share (M/G/1-PS): no one queues, everyone is slower.
///   x rho / (1 - rho),  rho = arrival_rate * service_time                    [s]
/// What sharing adds to the work x of this turn alone:
///   x = prefill_time(cached = prefix_hit, count = missing + new_tokens) + decode_time(count = max(output_tokens - 1,
///   0))
/// with missing = max(prefix_tokens - prefix_hit, 0). Exact for any distribution of services. `service_time` is the
/// mean work of everyone's requests. Reads these tokens and what the engine policy reads.
template <class Engine = linear_rate>
struct processor_sharing {
    static_assert(detail::is_computation<Engine>());
    hertz arrival_rate{};
    seconds service_time{};
    Engine engine{};

    constexpr auto operator()(const auto& s) const {
        const double rate = arrival_rate.value();
        const double service = service_time.value();
        const auto work =
            engine.prefill_time(s, s.prefix_hit, detail::missing_prefix(s) + s.new_tokens) +
            engine.decode_time(s, s.prefix_tokens + s.new_tokens, positive_part(s.output_tokens - tokens(1)));
        return elementwise<dim::time>(
            [rate, service](auto x) {
                using number = decltype(x);
                using qlroute::detail::queue;
                const auto state = qlroute::detail::state_of_queue(1, rate, service);
                if (state != queue::stable)
                    return static_cast<number>(state == queue::empty ? 0 : overload_wait.value());
                const double rho = rate * service;
                return static_cast<number>(
                    qlroute::detail::no_longer_than_overload(static_cast<double>(x) * rho / (1 - rho)));
            },
            work);
    }
};

/// What the target's own counters say: the requests that must leave before this one gets a slot, at the rate at which
/// a full server finishes them.
///   max(requests_waiting + 1 - max(slots - requests_running, 0), 0) service_time / slots           [s]
/// Exact in the mean for exponential services. For services that all take the same time it is too long, at a single
/// slot by half a service_time. `service_time` is that of a request in a full server. Reads requests_running and
/// requests_waiting; what is below 0 or NaN counts as 0. No slots: overload_wait.
struct from_counters {
    std::size_t slots = 1;
    seconds service_time{};

    constexpr auto operator()(const auto& s) const {
        const auto c = static_cast<double>(slots);
        const double service = service_time.value();
        return elementwise<dim::time>(
            [c, service](auto running, auto waiting) {
                using number = std::common_type_t<decltype(running), decltype(waiting)>;
                if (!(c > 0)) return static_cast<number>(overload_wait.value());
                if (!(service > 0)) return number(0);
                const double r = running > 0 ? static_cast<double>(running) : 0;
                const double w = waiting > 0 ? static_cast<double>(waiting) : 0;
                const double before_this_one = w + 1 - std::max(c - r, 0.0);
                return static_cast<number>(
                    qlroute::detail::no_longer_than_overload(std::max(before_this_one, 0.0) * service / c));
            },
            s.requests_running, s.requests_waiting);
    }
};

/// The mean wait for a slot of a batching server, from how often requests come: batch_birth_death().   [s]
/// Reads no fact. Computed at every call, in time proportional to the slots.
struct batch_slots {
    batching_server server{};
    hertz arrival_rate{};

    constexpr seconds operator()(const auto& /*s*/) const { return batch_birth_death(server, arrival_rate).wait; }
};

template <class T>
concept queueing_policy = requires(const T& policy, const scenario<>& s) {
    { policy(s) } -> std::convertible_to<seconds>;
};

/// Time in the target's queue.
///   by the policy; queue_delay unless one is given                           [s]
template <class Policy = announced>
struct queueing {
    static_assert(queueing_policy<Policy>,
                  "qlroute: a queueing policy needs a const operator() that takes a scenario and returns seconds");
    static constexpr std::string_view name = "queueing";
    Policy policy{};
    constexpr auto operator()(const auto& s) const { return policy(s); }
};
template <class Policy>
queueing(Policy) -> queueing<Policy>;

}  // namespace qlroute::cost
