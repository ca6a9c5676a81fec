// The subcommands. Each returns the exit status: 0, or 1 when input lines were skipped.
#pragma once

#include "settings.hpp"

#include <cstddef>
#include <string>

struct route_options {
    settings config;
    std::string trace;        // a file, or empty: the link of the configuration
    std::string input = "-";  // a file, or - for stdin
    bool json = false;        // one object a turn instead of a line for people
    bool compare = false;     // afterwards, the same dialogues under fixed rules
    std::size_t explain = 0;  // all endpoints side by side, at so many changes of place
};

struct encode_options {
    std::string model;           // a folder
    std::string input = "-";     // a file, or - for stdin
    std::string of;              // first, pooled, logits or tokens; empty: logits where there are some, else first
    std::string simd;            // an instruction set, or empty: what QLROUTE_SIMD says, or the best
    std::size_t max_tokens = 0;  // of a text; 0: as many as the model reads
    bool ids = false;            // lines are lists of token ids instead of texts
    bool floats = false;         // the formulas in floats instead of int8
};

struct quantize_options {
    std::string model;   // a folder
    std::string out;     // a file
    bool force = false;  // it may exist
};

int run_route(route_options options);
int run_score(const settings& config, const std::string& input);
int run_tokenize(const std::string& vocab, const std::string& input);
int run_encode(const encode_options& options);
int run_quantize(const quantize_options& options);
