// How fast an engine in this process reads and writes: measured, or read from an endpoint file.
#pragma once

#include "llama_engine.hpp"

#include <qlroute/qlroute.hpp>

#include <string>

/// What was measured, and the engine that was fitted to it.
struct calibrated_engine {
    qlroute::cost::batched fitted;
    std::size_t measurements = 0;
};

/// Reads and writes random tokens for about `budget`, and empties the cache afterwards. A short budget is exceeded
/// until some 500 tokens were read. Fits the simplest form that is good. Throws interrupted and turn_failed.
calibrated_engine calibrate(llama_engine& engine, qlroute::seconds budget);

/// The engine of an endpoint file, as qlroute profile or write_engine() writes it. `option` begins the message of the
/// usage_error where it is no engine that can go on learning.
qlroute::cost::batched read_batched_engine(const std::string& option, const std::string& path);

/// Throws usage_error if it cannot be written.
void write_engine(const std::string& path, const std::string& name, const calibrated_engine& engine);
