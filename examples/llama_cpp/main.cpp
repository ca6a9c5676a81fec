// qlroute-llama-chat: a chat whose turns are routed between two models that llama.cpp runs in this process.
#include "calibration.hpp"
#include "dialogues.hpp"
#include "llama_engine.hpp"
#include "reports.hpp"
#include "routed_chat.hpp"

#include "configured/endpoints.hpp"
#include "configured/files.hpp"
#include "configured/nearest.hpp"

#include <qlroute/qlroute.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace qlroute;

namespace {

struct chat_options {
    std::array<std::string, 2> models;
    std::array<std::string, 2> abilities{"qwen2.5-3b-instruct", "qwen2.5-32b-instruct"};
    std::array<std::string, 2> engine_files;
    std::string backends;
    std::string script;
    std::size_t turns = 0;  // 0: all
    std::vector<std::string> plan;
    double calibration = 10;
    double quality_price = 6;
    std::string link;
    std::string uplink;
    std::string downlink;
    std::string rtt;
    std::size_t most_written = 64;
    llama_settings llama;
    bool is_quiet = false;
    bool json = false;
};

template <class Quantity>
void read_quantity(const std::string& option, const std::string& text, Quantity& out) {
    if (text.empty()) return;
    const auto read = parse_quantity<Quantity>(text);
    if (!read) throw usage_error(option + ": " + read.error().message);
    if (!(*read >= Quantity(0))) throw usage_error(option + ": expected 0 or more, got " + text);
    out = *read;
}

std::optional<link_state> link_of(const chat_options& options) {
    if (options.link.empty() && options.uplink.empty() && options.downlink.empty() && options.rtt.empty())
        return std::nullopt;
    link_state out;
    if (!options.link.empty()) {
        const link_preset* preset = presets::find_link(options.link);
        if (preset == nullptr) {
            std::vector<std::string_view> names;
            for (const auto& each : presets::links) names.push_back(each.name);
            std::string like;
            for (const auto name : nearest_names(names, options.link, 3))
                like += (like.empty() ? "" : ", ") + std::string(name);
            throw usage_error("--link: \"" + options.link + "\" is no preset; nearest are " + like);
        }
        out.uplink_rate = preset->uplink_rate.value_or(bits_per_second(0));
        out.downlink_rate = preset->downlink_rate.value_or(bits_per_second(0));
        out.rtt = preset->rtt.value_or(seconds(0));
    }
    read_quantity("--uplink", options.uplink, out.uplink_rate);
    read_quantity("--downlink", options.downlink, out.downlink_rate);
    read_quantity("--rtt", options.rtt, out.rtt);
    if (out.uplink_rate == bits_per_second(0))
        throw usage_error(options.link.empty() ? "--uplink: expected the rate of the link, such as 20Mbit/s"
                                               : "--link: " + options.link + " has no uplink rate; give --uplink");
    if (out.downlink_rate == bits_per_second(0)) out.downlink_rate = out.uplink_rate;
    return out;
}

std::vector<std::size_t> plan_of(const chat_options& options) {
    std::vector<std::size_t> out;
    for (const std::string& name : options.plan) {
        const auto at = std::find(endpoint_names.begin(), endpoint_names.end(), name);
        if (at == endpoint_names.end())
            throw usage_error("--plan: expected device and edge with commas between, got \"" + name + "\"");
        out.push_back(static_cast<std::size_t>(at - endpoint_names.begin()));
    }
    return out;
}

/// Engines as they are believed to be at first: from files, or measured, and then kept where a file was named.
cost::batched believed_engine(std::size_t where, llama_engine& model, const chat_options& options) {
    const std::string option = "--" + std::string(endpoint_names[where]) + "-engine";
    const std::string& file = options.engine_files[where];
    if (!file.empty() && std::filesystem::exists(file)) return read_batched_engine(option, file);
    if (!options.json)
        std::cerr << "calibrating " << endpoint_names[where] << ", " << options.calibration << " s ...\n";
    const calibrated_engine measured = calibrate(model, seconds(options.calibration));
    if (!file.empty()) write_engine(file, model.name(), measured);
    return measured.fitted;
}

/// A line of standard input; nothing at its end or after Ctrl-C. (std::getline would go on waiting.)
std::optional<std::string> next_line() {
    char* text = nullptr;
    std::size_t size = 0;
    errno = 0;
    const ssize_t count = is_interrupted() ? -1 : getline(&text, &size, stdin);
    std::optional<std::string> out;
    if (count >= 0) out.emplace(text, static_cast<std::size_t>(count));
    const int reason = errno;
    std::free(text);
    if (is_interrupted()) throw interrupted();
    if (!out && std::ferror(stdin) != 0)
        throw usage_error(std::string("cannot read standard input: ") + std::strerror(reason));
    while (out && (out->ends_with('\n') || out->ends_with('\r'))) out->pop_back();
    return out;
}

/// Asks turn by turn, prints what comes, and remembers whether all went well.
class chat_program {
public:
    chat_program(routed_chat& chat, const chat_options& options)
        : chat_(chat), options_(options), plan_(plan_of(options)) {}

    bool is_done() const { return options_.turns != 0 && asked_ == options_.turns; }

    /// False where the turn failed.
    bool ask(const std::string& id, const eval::user_turn& said, std::size_t number) {
        std::optional<std::size_t> forced;
        if (!plan_.empty()) forced = plan_[asked_ % plan_.size()];
        ++asked_;
        const bool shows_text = !options_.json && !options_.is_quiet;
        bool has_begun = false;
        const auto show = [&](std::size_t where, std::string_view text) {
            if (!shows_text) return;
            if (!std::exchange(has_begun, true)) std::cout << endpoint_names[where] << "> ";
            std::cout << text << std::flush;
        };
        try {
            const turn_report report = chat_.answer(said, forced, show);
            if (has_begun) std::cout << '\n';
            medians_.add(report, number == 1);
            if (options_.json) print_json(std::cout, id, number, report, !options_.is_quiet);
            else print_turn(std::cout, report);
            return true;
        } catch (const turn_failed& why) {
            if (has_begun) std::cout << '\n' << std::flush;
            std::cerr << "qlroute-llama-chat: " << id << ", turn " << number << ": " << why.what() << '\n';
            failed_ = true;
            return false;
        }
    }

    void run_script() {
        std::ifstream in(options_.script);
        if (!in) throw usage_error("--script: cannot read \"" + options_.script + "\"");
        const std::size_t bad = read_dialogues(in, options_.script, [&](const dialogue& each) {
            chat_.begin();
            for (std::size_t i = 0; i < each.turns.size() && !is_done(); ++i) {
                if (!options_.json) std::cout << each.id << '/' << i + 1 << "> " << each.turns[i].text << '\n';
                if (ask(each.id, each.turns[i], i + 1)) continue;
                std::cerr << "qlroute-llama-chat: " << each.id << ": its other turns are left out\n";
                break;
            }
        });
        failed_ = failed_ || bad > 0;
    }

    void run_lines() {
        const bool asks = !options_.json && isatty(STDIN_FILENO) != 0;
        std::size_t dialogues = 1;
        std::size_t number = 0;
        while (!is_done()) {
            if (asks) std::cout << "you> " << std::flush;
            const auto line = next_line();
            if (!line) break;
            if (line->find_first_not_of(" \t") == std::string::npos) continue;
            if (ask("chat-" + std::to_string(dialogues), {.text = *line}, ++number)) continue;
            std::cerr << "qlroute-llama-chat: the next line begins a new dialogue\n";
            chat_.begin();
            ++dialogues;
            number = 0;
        }
    }

    void print_medians() const {
        if (!options_.json) medians_.print(std::cout);
    }
    bool has_failed() const { return failed_; }

private:
    routed_chat& chat_;
    const chat_options& options_;
    std::vector<std::size_t> plan_;
    error_medians medians_;
    std::size_t asked_ = 0;
    bool failed_ = false;
};

int run(const chat_options& options) {
    // What can be wrong without a model is said before one is loaded.
    load_backends(options.backends);
    const auto templates = known_templates();
    if (std::find(templates.begin(), templates.end(), options.llama.fallback_template) == templates.end()) {
        std::string all;
        for (const std::string& name : templates) all += (all.empty() ? "" : ", ") + name;
        throw usage_error("--template: \"" + options.llama.fallback_template + "\" is none of " + all);
    }
    chat_settings settings{.quality_price = seconds(options.quality_price),
                           .most_written = options.most_written,
                           .link = link_of(options)};
    plan_of(options);
    for (std::size_t p = 0; p < endpoint_names.size(); ++p)
        settings.abilities[p] = choose_endpoint(options.abilities[p],
                                                "--" + std::string(endpoint_names[p]) + "-ability", bundled_predictor())
                                    .abilities;

    llama_engine device("--device", options.models[0], options.llama);
    llama_engine edge("--edge", options.models[1], options.llama);
    const std::array<llama_engine*, 2> models{&device, &edge};
    watch_for_interrupts();
    try {
        std::array<cost::batched, 2> believed;
        for (std::size_t p = 0; p < models.size(); ++p) {
            if (!models[p]->note().empty()) std::cerr << "qlroute-llama-chat: " << models[p]->note() << '\n';
            believed[p] = believed_engine(p, *models[p], options);
            if (options.json) continue;
            const double read = 512 / believed[p].prefill_time(scenario<>{}, 0_tok, 512_tok).value();
            const double tpot = believed[p].decode_time(scenario<>{}, 512_tok, 1_tok).value();
            std::fprintf(stderr, "%s: %s, reads 512 tokens at %.0f a second, then writes one in %.1f ms\n",
                         endpoint_names[p].data(), models[p]->name().c_str(), read, 1e3 * tpot);
        }
        routed_chat chat(models, believed, settings);
        chat_program program(chat, options);
        try {
            if (options.script.empty()) program.run_lines();
            else program.run_script();
        } catch (const interrupted&) {
            if (!options.json) std::cout << '\n';
            program.print_medians();
            throw;
        }
        program.print_medians();
        return program.has_failed() ? 1 : 0;
    } catch (const interrupted&) {
        return 128 + SIGINT;
    } catch (const turn_failed& why) {
        throw usage_error(why.what());
    }
}

}  // namespace

int main(int argc, char** argv) {
    chat_options options;
    CLI::App app{"A chat whose turns are routed between two models that llama.cpp runs in this process"};
    const CLI::Validator named(
        [](const std::string& name) { return name.empty() ? "expected a file, got an empty name" : ""; }, "", "named");
    for (std::size_t p = 0; p < endpoint_names.size(); ++p) {
        const std::string option = "--" + std::string(endpoint_names[p]);
        app.add_option(option, options.models[p], "the GGUF file of its model")->check(named)->required();
        app.add_option(option + "-ability", options.abilities[p],
                       "a known model that it is like, or an endpoint file (.json) of qlroute calibrate")
            ->check(named)
            ->capture_default_str();
        app.add_option(
               option + "-engine", options.engine_files[p],
               "its endpoint file (.json), as qlroute profile writes it; measured, and written, if there is none")
            ->check(named);
    }
    app.add_option("--backends", options.backends, "the folder of libggml-cpu*.so; without it, that of libllama")
        ->check(named);
    app.add_option("--script", options.script,
                   R"(JSON lines {"id","turns":[...]}; without it, lines of standard input)")
        ->check(named);
    app.add_option("--turns", options.turns, "answer so many turns; 0: all")->check(CLI::Range(0, 1000000000));
    app.add_option("--plan", options.plan,
                   "device,edge,...: who answers, turn by turn and over again, whatever it costs")
        ->delimiter(',');
    app.add_option("--calibration", options.calibration, "seconds that measuring a model may take")
        ->check(CLI::Range(0.0, 3600.0))
        ->capture_default_str();
    app.add_option("--quality-price", options.quality_price, "seconds that a good answer is worth")
        ->check(CLI::Range(0.0, 1e6))
        ->capture_default_str();
    app.add_option("--link", options.link,
                   "assume this preset (qlroute presets) before the edge, and sleep its seconds")
        ->check(named);
    app.add_option("--uplink", options.uplink, "of the assumed link, such as 20Mbit/s")->check(named);
    app.add_option("--downlink", options.downlink, "of the assumed link; without it, as fast as up")->check(named);
    app.add_option("--rtt", options.rtt, "of the assumed link, such as 30ms")->check(named);
    app.add_option("--tokens", options.most_written, "most that a reply may have")
        ->check(CLI::Range(1, 1000000))
        ->capture_default_str();
    app.add_option("--temperature", options.llama.temperature, "0: always the likeliest token")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str();
    app.add_option("--seed", options.llama.seed, "of chance")->capture_default_str();
    app.add_option("--template", options.llama.fallback_template,
                   "for a model without a chat template that llama.cpp knows")
        ->check(named)
        ->capture_default_str();
    app.add_option("-t,--threads", options.llama.threads, "of each model")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    app.add_option("-c,--context", options.llama.context, "tokens of prompt and answer together")
        ->check(CLI::Range(64, 100000000))
        ->capture_default_str();
    app.add_option("-b,--batch", options.llama.batch, "most tokens that are read at once")
        ->check(CLI::Range(1, 65536))
        ->capture_default_str();
    app.add_flag("--quiet", options.is_quiet, "without the text of the replies");
    app.add_flag("--json", options.json, "one JSON object a turn");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& why) {
        return app.exit(why) == 0 ? 0 : 2;
    }
    try {
        const int status = run(options);
        std::cout.flush();
        if (!std::cout) throw usage_error("cannot write to standard output");
        return status;
    } catch (const std::exception& why) {
        std::cerr << "qlroute-llama-chat: " << why.what() << '\n';
        return 2;
    }
}
