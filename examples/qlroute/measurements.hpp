// Measured times of an engine as JSON lines, and what they say of it.
#pragma once

#include <qlroute/qlroute.hpp>

#include <cstddef>
#include <string>
#include <vector>

/// What a file of measurements holds.
struct measurements {
    std::vector<qlroute::engine_observation> seen;
    qlroute::engine_knowledge known;  ///< what its line {"test": "load"} says of model and engine
    std::size_t others = 0;           ///< lines of other tests
};

/// Reads JSON lines, gzipped or not:
///   {"test": "load", "n_params": .., "n_layer": .., "n_embd": .., "n_head": .., "n_head_kv": .., "n_vocab": ..,
///    "size": .., "ub": ..}                                             sizes of the model, bytes; largest batch
///   {"test": "prefill", "new": 512, "ms_min": 611}                      read, nothing cached
///   {"test": "extend", "past": 1024, "new": 64, "ms_min": 98.5}         read behind `past` cached tokens
///   {"test": "decode", "ctx": 1024, "ms_min": 46.6}                     one token written
///   {"test": "request", "past": 10, "new": 20, "output": 5, "ms": 93}   both
/// `ms_min` is taken where there is one, because disturbances only add; then `ms_med`, then `ms`. Throws usage_error
/// naming the file, the line, the key and what was expected.
measurements read_measurements(const std::string& path);
