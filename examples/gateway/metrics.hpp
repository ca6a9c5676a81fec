// What the gateway counts, as Prometheus reads it.
#pragma once

#include "request_record.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

/// Buckets double from one to the next.
class histogram {
public:
    static constexpr std::size_t buckets = 20;
    explicit histogram(double first_bound = 1e-3) : first_(first_bound) {}

    void observe(double value);
    /// `labels` such as `endpoint="edge"`, or empty.
    void print(std::string& to, const std::string& name, const std::string& labels) const;

private:
    double first_;
    std::array<std::uint64_t, buckets + 1> counts_{};
    double sum_ = 0;
};

/// Thread-safe.
class gateway_metrics {
public:
    void count(const request_record& record);
    void refused(int status);

    struct endpoint_state {
        std::string name;
        std::size_t in_flight = 0;
        bool is_up = true;
        double prefill_rate = 0;  // tok/s, of a prompt of 512 tokens
        double tpot = 0;
        double tokenizer_ratio = 1;
    };
    struct state {
        std::vector<endpoint_state> endpoints;
        qlroute::link_state link{};
        std::size_t connections = 0;
    };
    std::string text(const state& now) const;

private:
    struct of_endpoint {
        histogram ttft;
        histogram total;
        histogram prediction_error{1.0 / 1024};  // |predicted / measured - 1|
        std::uint64_t prompt_tokens = 0;
        std::uint64_t cached_tokens = 0;
        std::uint64_t output_tokens = 0;
    };

    mutable std::mutex guard_;
    std::map<std::pair<std::string, std::string>, std::uint64_t> requests_;  // by endpoint and outcome
    std::map<std::string, std::uint64_t> fallbacks_;                         // by the endpoint that failed
    std::map<int, std::uint64_t> refused_;
    std::map<std::string, of_endpoint> endpoints_;
    histogram added_{32e-6};
};
