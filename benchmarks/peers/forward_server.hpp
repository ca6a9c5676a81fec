// What every contender of `encoders` shares: the input, the clock and the protocol.
//
//   peers::serve([&](std::vector<std::int32_t> ids) { input = std::move(ids); }, [&] { return logit_of(input); });
#pragma once

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace peers {

/// The value of `--name=value`, or `otherwise`.
inline std::string option(int count, char** words, std::string_view name, std::string_view otherwise = {}) {
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word.starts_with(name) && word.substr(name.size()).starts_with('=')) {
            return std::string{word.substr(name.size() + 1)};
        }
    }
    return std::string{otherwise};
}

inline bool has_flag(int count, char** words, std::string_view name) {
    return std::any_of(words + 1, words + count, [&](std::string_view word) { return word == name; });
}

[[noreturn]] inline void fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(2);
}

/// [CLS], a fixed sequence, [SEP]; `ort_models.py` has the same formula. All token types are 0.
inline std::vector<std::int32_t> token_ids(std::size_t length) {
    std::vector<std::int32_t> ids(length);
    for (std::size_t i = 0; i < length; ++i) ids[i] = static_cast<std::int32_t>(1000 + i * 7919 % 20000);
    ids.front() = 101;
    ids.back() = 102;
    return ids;
}

/// Of this process, all threads: with one thread the elapsed time, less what other programs take of the core.
inline double cpu_microseconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

/// Answers each line "tokens iterations" with "minimum median p90 logit", in microseconds of one forward pass.
template <class Prepare, class Forward>
void serve(Prepare prepare, Forward forward) {
    std::printf("ready\n");
    std::fflush(stdout);
    std::size_t length = 0, prepared = 0, iterations = 0;
    std::vector<double> times;
    while (std::scanf("%zu %zu", &length, &iterations) == 2 && length >= 2 && iterations >= 1) {
        if (length != prepared) prepare(token_ids(length));
        prepared = length;
        times.resize(iterations);
        float logit = 0;
        for (int i = 0; i < 5; ++i) logit = forward();
        for (double& time : times) {
            const double start = cpu_microseconds();
            logit = forward();
            time = cpu_microseconds() - start;
        }
        std::sort(times.begin(), times.end());
        std::printf("%.3f %.3f %.3f %.7f\n", times.front(), times[iterations / 2], times[iterations * 9 / 10],
                    static_cast<double>(logit));
        std::fflush(stdout);
    }
}

}  // namespace peers
