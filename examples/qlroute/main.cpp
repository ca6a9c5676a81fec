// qlroute: routes dialogues, scores prompts, calibrates and evaluates, tokenizes and encodes text, from the command
// line.
#include "commands.hpp"
#include "configured/files.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace {

/// "a,b" as a and b.
std::vector<std::string> names_in(const std::string& list) {
    std::vector<std::string> out;
    for (std::size_t begin = 0; begin <= list.size();) {
        const std::size_t end = std::min(list.find(',', begin), list.size());
        out.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    std::ios::sync_with_stdio(false);
    CLI::App app{"Which model should answer this turn: the small one here, or the large one there?"};
    app.require_subcommand(1);
    app.set_version_flag("--version", std::to_string(QLROUTE_VERSION_MAJOR) + "." +
                                          std::to_string(QLROUTE_VERSION_MINOR) + "." +
                                          std::to_string(QLROUTE_VERSION_PATCH));

    // An empty name is an unset variable of the shell rather than a wish for the defaults.
    const CLI::Validator named(
        [](const std::string& name) { return name.empty() ? "expected a file, got an empty name" : ""; }, "", "named");
    const CLI::Validator address(
        [](const std::string& url) { return url.empty() ? "expected a URL such as http://127.0.0.1:8080" : ""; }, "",
        "address");
    std::string config;
    std::string input = "-";
    route_options options;
    CLI::App* route = app.add_subcommand("route", "Route dialogues, turn by turn, with the reason in seconds");
    route->add_option("--config", config, "endpoints, link, weights and rule, as JSON (docs/program.md)")->check(named);
    route
        ->add_option("--trace", options.trace,
                     "a recorded link: t_s,uplink_bps,downlink_bps,rtt_s,snr_db as CSV, or gzipped")
        ->check(named);
    route->add_flag("--json", options.json, "one JSON object a turn");
    route->add_flag("--compare", options.compare,
                    "afterwards, the same dialogues always here, always there and at random");
    route->add_option("--explain", options.explain, "show all endpoints term by term at the first N changes of place")
        ->check(CLI::Range(0, 1000000));
    route->add_option("FILE", input, "JSON lines {\"id\",\"turns\":[...]}; - is standard input");

    CLI::App* score = app.add_subcommand("score", "Predict how likely each endpoint answers well");
    score->add_option("--config", config, "endpoints and predictor, as JSON")->check(named);
    score_options scoring;
    score->add_option("--endpoint", scoring.endpoints, "an endpoint file (.json) or a known model; may be repeated")
        ->allow_extra_args(false)
        ->check(named);
    score->add_flag("--intervals", scoring.intervals, "95 % intervals of P, for endpoint files");
    score->add_flag("--difficulty", scoring.difficulty, "the difficulty vector of each prompt");
    score->add_option("FILE", input, "JSON lines {\"id\",\"turns\":[...]}; - is standard input");

    calibrate_options calibrating;
    CLI::App* calibrate = app.add_subcommand("calibrate", "Fit an endpoint's ability to how well it answered");
    calibrate->add_option("--rows", calibrating.rows, "outcome rows as JSON lines, gzipped or not")->check(named);
    calibrate->add_option("--endpoint", calibrating.endpoint, "a model of the rows")->check(named);
    calibrate->add_option("--out", calibrating.out, "the endpoint file to write, .json")->check(named);
    calibrate->add_flag("--force", calibrating.force, "replace it if it exists");
    calibrate->add_option("--limit", calibrating.limit, "take so many rows, by chance")
        ->check(CLI::Range(1, 1000000000));
    calibrate->add_option("--seed", calibrating.seed, "of chance")->check(CLI::Range(0, 1000000000));
    calibrate->add_option("--known", calibrating.known, "a known model that this one is like")->check(named);

    thresholds_options choosing;
    CLI::App* thresholds = app.add_subcommand("thresholds", "Choose theta of the rule score_threshold");
    thresholds->add_option("--rows", choosing.rows, "JSON lines {\"id\",\"turns\":[...]}; - is standard input")
        ->check(named);
    thresholds->add_option("--small", choosing.small, "an endpoint file (.json) or a known model")->check(named);
    thresholds->add_option("--large", choosing.large, "another")->check(named);
    CLI::Option* call_rate =
        thresholds->add_option("--call-rate", choosing.call_rate, "at most this share goes to large")
            ->check(CLI::Range(0.0, 1.0));
    CLI::Option* quality =
        thresholds->add_option("--quality", choosing.quality, "at least this mean P(good answer), by fewest calls")
            ->check(CLI::Range(0.0, 1.0));
    quality->excludes(call_rate);
    thresholds->add_option("--cost", choosing.cost, "at most this mean cost, for the best quality")
        ->check(CLI::Range(0.0, 1e15))
        ->excludes(call_rate)
        ->excludes(quality);
    thresholds->add_option("--small-cost", choosing.small_cost, "of a call of small")->check(CLI::Range(0.0, 1e15));
    thresholds->add_option("--large-cost", choosing.large_cost, "of a call of large")->check(CLI::Range(0.0, 1e15));
    thresholds->add_flag("--json", choosing.json, "one JSON object");

    evaluate_options evaluating;
    CLI::App* evaluate = app.add_subcommand("evaluate", "Compare the predictor with others on recorded outcomes");
    evaluate->add_option("--rows", evaluating.rows, "outcome rows as JSON lines, gzipped or not")->check(named);
    evaluate->add_option("--small", evaluating.small, "a model of the rows")->check(named);
    evaluate->add_option("--large", evaluating.large, "another")->check(named);
    evaluate->add_option("--small-endpoint", evaluating.small_endpoint, "an endpoint file or a known model for it")
        ->check(named);
    evaluate->add_option("--large-endpoint", evaluating.large_endpoint, "an endpoint file or a known model for it")
        ->check(named);
    evaluate->add_option("--train", evaluating.train, "outcome rows to fit the baselines to")->check(named);
    evaluate
        ->add_option("--predictions", evaluating.predictions,
                     "JSON lines {\"id\",\"p_small\",\"p_large\"} instead of the built-in predictor")
        ->check(named);
    evaluate->add_option("--folds", evaluating.folds, "of the rows, for the baselines without --train")
        ->check(CLI::Range(2, 1000));
    evaluate->add_option("--resamples", evaluating.resamples, "of the bootstrap")->check(CLI::Range(1, 1000000));
    evaluate->add_option("--seed", evaluating.seed, "of chance")->check(CLI::Range(0, 1000000000));
    evaluate->add_flag("--reliability", evaluating.reliability, "what was predicted beside what happened, in 10 bins");
    evaluate->add_flag("--json", evaluating.json, "one JSON object");

    profile_options profiling;
    CLI::App* profile = app.add_subcommand("profile", "Fit an engine to measured times, or measure a server");
    profile->add_option("--from", profiling.from, "measurements as JSON lines, gzipped or not")->check(named);
    CLI::Option* url =
        profile->add_option("--url", profiling.url, "llama-server, or a server of the OpenAI API")->check(address);
    profile->add_option("--model", profiling.model, "of the server")->check(named)->needs(url);
    profile->add_option("--seconds", profiling.seconds, "that measuring may take")
        ->check(CLI::Range(5.0, 86400.0))
        ->needs(url);
    profile
        ->add_option("--measurements", profiling.measurements,
                     "keep what is measured in this file; a file that is there is gone on from")
        ->check(named)
        ->needs(url);
    profile->add_option("--out", profiling.out, "the endpoint file to write, .json")->check(named);
    profile->add_option("--name", profiling.name, "of the endpoint")->check(named);
    profile->add_option("--form", profiling.form, "of the engine, instead of the simplest that is good")
        ->check(CLI::IsMember({"linear_rate", "full_attention", "roofline", "batched", "profiled"}));
    profile->add_flag("--force", profiling.force, "replace --out if it exists");
    profile->add_flag("--json", profiling.json, "one JSON object");

    replay_options replaying;
    std::string replay_workloads = "all", replay_links = "all", replay_policies = "all";
    CLI::App* replay = app.add_subcommand("replay",
                                          "Compare policies on recorded outcomes, in a simulation of phones, "
                                          "recorded radio links and a shared edge server");
    replay->add_option("--data", replaying.data, "a folder with outcomes/ and traces/")->check(named)->required();
    replay->add_option("--workload", replay_workloads, "all, or names with commas between")->check(named);
    replay->add_option("--links", replay_links, "networks: all, or names with commas between")->check(named);
    replay->add_option("--policies", replay_policies, "others to compare with: all, or names with commas between")
        ->check(named);
    replay
        ->add_option("--predictions", replaying.predictions,
                     "JSON lines {\"id\",\"p_small\",\"p_large\"} instead of the built-in predictor")
        ->check(named);
    replay->add_option("--out", replaying.out, "the folder for report.json and report.txt")->check(named);
    replay->add_option("--device", replaying.speeds.device, "a device preset for the small models")->check(named);
    replay->add_option("--edge", replaying.speeds.edge, "a device preset for the large ones")->check(named);
    replay->add_option("--calibration", replaying.calibration, "share of the questions that policies are tuned on")
        ->check(CLI::Range(0.05, 0.95));
    replay->add_option("--load", replaying.load, "of the edge's throughput, if every turn went there")
        ->check(CLI::Range(0.001, 2.0));
    replay->add_option("--quality-price", replaying.quality_price, "seconds that a good answer is worth, to tune by")
        ->check(CLI::Range(0.0, 1e6));
    replay->add_option("--most-dialogues", replaying.most_dialogues, "of a workload, by chance; 0: all")
        ->check(CLI::Range(0, 1000000000));
    replay->add_option("--rounds", replaying.rounds, "that every dialogue is replayed, each time on another link")
        ->check(CLI::Range(1, 1000));
    replay->add_option("--resamples", replaying.resamples, "of the bootstrap")->check(CLI::Range(1, 1000000));
    replay->add_option("--seed", replaying.seed, "of chance")->check(CLI::Range(0, 1000000000));
    replay->add_flag("!--no-ablations", replaying.ablations, "leave out what each part is worth");

    bool models_as_json = false;
    CLI::App* models = app.add_subcommand("models", "List the known models");
    models->add_flag("--json", models_as_json, "with weights and bias, one JSON object a line");

    CLI::App* features = app.add_subcommand("features", "Print what a predictor reads off each text: layout and words");
    features->add_option("FILE", input, "a text as JSON a line; - is standard input");

    std::string vocab;
    CLI::App* tokenize =
        app.add_subcommand("tokenize", "Print the ids of each line, as BERT's tokenizer numbers words");
    tokenize->add_option("--vocab", vocab, "a vocab.txt, or the tokenizer.json of a BERT model")->check(named);
    tokenize->add_option("FILE", input, "text; - is standard input");

    encode_options encoding;
    CLI::App* encode = app.add_subcommand("encode", "Print the score, or the vector, of each line by a BERT encoder");
    encode->add_option("--model", encoding.model, "a folder with a BERT model (docs/program.md)")->check(named);
    encode->add_option("--of", encoding.of, "what is printed; without it logits where there are some, else first")
        ->check(CLI::IsMember({"first", "pooled", "logits", "tokens"}));
    encode->add_flag("--ids", encoding.ids, "lines are JSON lists of token ids");
    encode->add_option("--max-tokens", encoding.max_tokens, "read so many tokens of a text")
        ->check(CLI::Range(2, 32768));
    CLI::Option* simd = encode->add_option("--simd", encoding.simd, "the instruction set")->check(named);
    encode->add_flag("--float", encoding.floats, "in floats, slowly, instead of int8")->excludes(simd);
    encode->add_option("FILE", input, "text; - is standard input");

    quantize_options quantizing;
    CLI::App* quantize = app.add_subcommand("quantize", "Write the int8 weights of a BERT encoder");
    quantize->add_option("--model", quantizing.model, "a folder with config.json and model.safetensors")->check(named);
    quantize->add_option("--out", quantizing.out, "the file to write")->check(named);
    quantize->add_flag("--force", quantizing.force, "replace it if it exists");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& why) {
        return app.exit(why) == 0 ? 0 : 2;
    }
    try {
        if (*route || *score) {
            settings read = config.empty() ? default_settings() : read_settings(config);
            (*route ? options.config : scoring.config) = std::move(read);
        }
        replaying.workloads = names_in(replay_workloads);
        replaying.links = names_in(replay_links);
        replaying.policies = names_in(replay_policies);
        options.input = scoring.input = encoding.input = input;
        const int status = *tokenize     ? run_tokenize(vocab, input)
                           : *features   ? run_features(input)
                           : *encode     ? run_encode(encoding)
                           : *quantize   ? run_quantize(quantizing)
                           : *calibrate  ? run_calibrate(calibrating)
                           : *thresholds ? run_thresholds(choosing)
                           : *evaluate   ? run_evaluate(evaluating)
                           : *profile    ? run_profile(profiling)
                           : *replay     ? run_replay(replaying)
                           : *models     ? run_models(models_as_json)
                           : *score      ? run_score(std::move(scoring))
                                         : run_route(std::move(options));
        std::cout.flush();
        if (!std::cout) throw usage_error("cannot write to standard output");
        return status;
    } catch (const usage_error& why) {
        std::cerr << "qlroute: " << why.what() << '\n';
        return 2;
    } catch (const std::exception& why) {
        std::cerr << "qlroute: " << why.what() << '\n';
        return 2;
    }
}
