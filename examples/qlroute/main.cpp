// qlroute: routes dialogues, scores prompts, tokenizes and encodes text, from the command line.
#include "commands.hpp"
#include "files.hpp"

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>
#include <string>

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
    score->add_option("FILE", input, "JSON lines {\"id\",\"turns\":[...]}; - is standard input");

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
        options.config = config.empty() ? default_settings() : read_settings(config);
        options.input = input;
        encoding.input = input;
        const int status = *tokenize   ? run_tokenize(vocab, input)
                           : *encode   ? run_encode(encoding)
                           : *quantize ? run_quantize(quantizing)
                           : *score    ? run_score(options.config, input)
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
