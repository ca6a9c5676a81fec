// The subcommands. Each returns the exit status: 0, or 1 when input lines were skipped.
#pragma once

#include "configured/settings.hpp"
#include "workloads.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

struct route_options {
    settings config;
    std::string trace;        // a file, or empty: the link of the configuration
    std::string input = "-";  // a file, or - for stdin
    bool json = false;        // one object a turn instead of a line for people
    bool compare = false;     // afterwards, the same dialogues under fixed rules
    std::size_t explain = 0;  // all endpoints side by side, at so many changes of place
};

struct score_options {
    settings config;
    std::vector<std::string> endpoints;  // files or known models, instead of those of the configuration
    std::string input = "-";             // a file, or - for stdin
    bool intervals = false;              // of endpoint files
    bool difficulty = false;             // theta
};

struct calibrate_options {
    std::string rows;       // outcome rows
    std::string endpoint;   // one of their models
    std::string out;        // the endpoint file
    std::string known;      // the known model that the prior is centred on, or empty
    std::size_t limit = 0;  // of rows; 0: all
    std::uint64_t seed = 1;
    bool force = false;  // out may exist
};

struct thresholds_options {
    std::string rows;   // a file, or - for stdin
    std::string small;  // endpoint files or known models
    std::string large;
    std::optional<double> call_rate, quality, cost;  // one of them
    std::optional<double> small_cost, large_cost;    // with cost
    bool json = false;
};

struct evaluate_options {
    std::string rows;
    std::string small;  // models of the rows
    std::string large;
    std::string small_endpoint;  // files or known models; empty: by name
    std::string large_endpoint;
    std::string train;        // rows for the baselines; empty: the other folds of `rows`
    std::string predictions;  // instead of the program's own; or empty
    std::size_t folds = 5;
    std::size_t resamples = 300;
    std::uint64_t seed = 1;
    bool json = false;
    bool reliability = false;
};

struct replay_options {
    std::string data;  // the folder of outcomes/ and traces/
    std::vector<std::string> workloads{"all"};
    std::vector<std::string> links{"all"};
    std::vector<std::string> policies{"all"};
    std::string predictions;  // a file, or empty: the program's own
    std::string out;          // a folder, or empty
    speed_choice speeds;
    double calibration = 0.4;   // the share of questions that policies are tuned on
    double load = 0.7;          // of the edge's throughput, if every turn went there
    double quality_price = 30;  // seconds that a good answer is worth when policies are tuned
    std::size_t most_dialogues = 4000;
    std::size_t rounds = 3;  // every dialogue so often, on other links
    std::size_t resamples = 1000;
    std::uint64_t seed = 1;
    bool ablations = true;
};

struct profile_options {
    std::string from;          // measurements as JSON lines
    std::string url;           // or a server
    std::string model;         // of the server; empty: its first
    std::string measurements;  // where the server's are kept, and gone on from; or empty
    std::string out;           // the endpoint file, or empty
    std::string name;          // of the endpoint
    std::string form;          // of the engine; empty: chosen
    double seconds = 150;      // that measuring may take
    bool json = false;
    bool force = false;  // out may exist
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
int run_score(score_options options);
int run_calibrate(const calibrate_options& options);
int run_thresholds(const thresholds_options& options);
int run_replay(const replay_options& options);
int run_profile(const profile_options& options);
int run_evaluate(const evaluate_options& options);
int run_models(bool json);
int run_features(const std::string& input);
int run_tokenize(const std::string& vocab, const std::string& input);
int run_encode(const encode_options& options);
int run_quantize(const quantize_options& options);
