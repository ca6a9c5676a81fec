#include "commands.hpp"
#include "configured/engine_file.hpp"
#include "configured/files.hpp"
#include "measurements.hpp"
#include "configured/shown.hpp"
#ifdef QLROUTE_PROGRAM_HAS_HTTP
#include "live_engine.hpp"
#endif

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <span>
#include <utility>

using namespace qlroute;
using nlohmann::ordered_json;

namespace {

/// What is known of an engine, from a file or from measuring it now.
struct profile {
    measurements measured;
    std::string name;
    std::optional<std::pair<seconds, double>> outside;  // server time a request, and seconds a byte
    std::vector<double> checked;                        // |predicted / measured - 1| of fresh requests
};

std::string percent(double fraction) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %%", 100 * fraction);
    return text;
}

ordered_json error_section(const relative_error& e) {
    return {{"n", e.n}, {"median_error", e.median}, {"mean_error", e.mean}, {"max_error", e.max}};
}

#ifdef QLROUTE_PROGRAM_HAS_HTTP

class stopwatch {
public:
    seconds elapsed() const {
        return seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
    }

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Measures a server within a time, and keeps what it measured in a file as it goes.
class measuring {
public:
    measuring(live_engine& server, const profile_options& options, profile& out)
        : server_(server), options_(options), out_(out) {
        if (options.measurements.empty()) return;
        file_.open(options.measurements, std::ios::app);
        if (!file_) throw usage_error("cannot write \"" + options.measurements + "\"");
    }

    void run() {
        constexpr double share_for_checks = 0.2;
        const seconds until = (1 - share_for_checks) * seconds(options_.seconds);
        warm_up();
        // Sizes around which engines change kernels, and a batch or more; the most telling first.
        constexpr std::size_t counts[] = {64, 256, 16, 512, 32, 128, 600, 4, 48, 384, 1, 96, 192, 63, 65};
        std::vector<std::size_t> histories{0};
        const std::size_t room =
            server_.context() == 0 ? 4096 : server_.context() - std::min<std::size_t>(server_.context(), 700);
        constexpr std::size_t longer[] = {128, 512, 1024, 2048, 4096, 8192, 16384};
        for (const std::size_t p : longer)
            if (p <= room) histories.push_back(p);
        for (std::size_t h = 0; h < histories.size(); ++h) {
            // Each history may take an equal part of what is left; a long one that does not fit into it ends the round.
            const seconds part = (until - watch_.elapsed()) / static_cast<double>(histories.size() - h);
            const seconds stop = watch_.elapsed() + part;
            if (part <= seconds(0)) break;
            const std::size_t missing = histories[h] - longest_;
            if (missing > 0) {
                if (h > 1 && expected(longest_, missing) > 0.6 * part) break;
                if (!measure(histories[h], 1, 12)) break;  // reads the history on from the one before
                longest_ = histories[h];
            }
            for (const std::size_t count : counts) {
                if (have(histories[h], count)) continue;
                if (watch_.elapsed() + expected(histories[h], count) > stop) continue;
                if (!measure(histories[h], count, count == 256 || count == 16 ? 12 : 1)) return;
            }
        }
        settle_outside();
    }

    /// Requests that nothing was fitted to.
    void check(const cost::any_engine& engine) {
        std::mt19937_64 chance(std::random_device{}());
        const auto between = [&](double low, double high) {  // evenly in the logarithm
            const double u = static_cast<double>(chance() >> 11) * 0x1p-53;
            return static_cast<std::size_t>(std::exp(std::log(low) + u * std::log(high / low)));
        };
        for (int i = 0; i < 16 && watch_.elapsed() < seconds(options_.seconds); ++i) {
            const std::size_t past = longest_ < 32 ? 0 : between(16, static_cast<double>(longest_));
            const auto answer = server_.ask(past, between(2, 600), 1 + between(2, 16));
            if (!answer) return;
            seconds said{};
            seconds took{};
            for (const auto& o : answer->seen) {
                said += predicted(engine, o);
                took += o.time;
            }
            out_.checked.push_back(std::abs((said / took).value() - 1));
        }
    }

private:
    void warm_up() {
        for (int i = 0; i < 2; ++i)
            if (!server_.ask(0, 32, 2)) throw usage_error("--url: " + options_.url + ": " + server_.failure());
        for (const auto& o : out_.measured.seen) believed_.observe(o);
    }

    /// By what was measured so far.
    seconds expected(std::size_t past, std::size_t fresh) const {
        return believed_.prefill_time(scenario<>{}, tokens(static_cast<double>(past)),
                                      tokens(static_cast<double>(fresh)));
    }

    bool have(std::size_t past, std::size_t count) const {
        // The OpenAI API counts tokens, not words: near is enough.
        const auto near = [](tokens a, std::size_t b) {
            const auto wanted = static_cast<double>(b);
            return std::abs(a.value() - wanted) <= 0.02 * wanted + 1;
        };
        return std::any_of(out_.measured.seen.begin(), out_.measured.seen.end(), [&](const engine_observation& o) {
            return near(o.cached, past) && near(o.new_tokens, count) &&
                   std::abs(o.new_tokens.value() - static_cast<double>(count)) < 0.5;
        });
    }

    bool measure(std::size_t past, std::size_t fresh, std::size_t output) {
        const auto answer = server_.ask(past, fresh, output);
        if (!answer) {
            std::cerr << "qlroute: " << server_.failure() << "; going on with what was measured\n";
            return false;
        }
        for (const auto& o : answer->seen) {
            out_.measured.seen.push_back(o);
            believed_.observe(o);
            keep(o);
        }
        sizes_.push_back({static_cast<double>(answer->bytes), answer->outside.value()});
        char line[160];
        std::snprintf(line, sizeof line, "  %5.1f s of %.0f s   %6.0f cached + %4.0f new: %9.1f ms\n",
                      watch_.elapsed().value(), options_.seconds, answer->seen[0].cached.value(),
                      answer->seen[0].new_tokens.value(), answer->seen[0].time.value() * 1e3);
        if (!options_.json) std::cerr << line;
        return true;
    }

    void keep(const engine_observation& o) {
        if (!file_.is_open()) return;
        ordered_json row;
        if (o.steps() == tokens(0)) {
            row["test"] = o.cached == tokens(0) ? "prefill" : "extend";
            row["past"] = o.cached.value();
            row["new"] = o.new_tokens.value();
        } else {
            row["test"] = "request";
            row["past"] = o.cached.value();
            row["new"] = o.new_tokens.value();
            row["output"] = o.output_tokens.value();
        }
        row["ms"] = o.time.value() * 1e3;
        file_ << row.dump() << std::endl;
    }

    /// Time outside of reading and writing, over the size of the request.
    void settle_outside() {
        if (server_.kind() != "llama-server") return;
        std::vector<relative_features<2>> rows;
        for (const auto& [bytes, took] : sizes_)
            if (took > 0) rows.push_back({1 / took, bytes / took});
        if (rows.size() < 5) return;
        const auto w = least_absolute<2>(std::span<const relative_features<2>>(rows));
        out_.outside = {seconds(w[0]), w[1]};
    }

    live_engine& server_;
    const profile_options& options_;
    profile& out_;
    std::ofstream file_;
    stopwatch watch_;
    std::size_t longest_ = 0;
    std::vector<std::pair<double, double>> sizes_;
    online_engine believed_{cost::batched{.tiled = {.per_token = 2_ms / 1_tok},
                                          .untiled = {.per_token = 2_ms / 1_tok},
                                          .decode = {.fixed = 20_ms / 1_tok}},
                            learning::from_a_guess()};
};

#endif

/// What fits, and how well.
struct verdict {
    engine_comparison forms;
    cost::any_engine chosen;
};

verdict fitted(const profile& p, const profile_options& options) {
    const auto compared = compare_engines(p.measured.seen, p.measured.known);
    if (!compared) throw usage_error((options.from.empty() ? "--url" : options.from) + ": " + compared.error().message);
    if (options.form == to_text(engine_form::roofline) && !p.measured.known.geometry)
        throw usage_error(
            "--form: a roofline needs the sizes of the model; expected a line "
            R"({"test": "load", "n_params": ..., "n_layer": ..., "n_embd": ..., "n_head": ..., "n_head_kv": ..., )"
            R"("n_vocab": ..., "size": ...} among the measurements)");
    engine_form form = compared->chosen;
    if (!options.form.empty()) {
        const auto named = std::find_if(all_engine_forms.begin(), all_engine_forms.end(),
                                        [&](engine_form each) { return to_text(each) == options.form; });
        form = *named;  // checked by the command line
    }
    auto engine = fit_engine(form, p.measured.seen, p.measured.known);
    if (!engine) throw usage_error("--form: " + engine.error().message);
    verdict out{*compared, *std::move(engine)};
    out.forms.chosen = form;
    return out;
}

ordered_json report_of(const profile& p, const verdict& v) {
    ordered_json out;
    out["measurements"] = p.measured.seen.size();
    const auto by_form = [&](auto&& member) {
        ordered_json all;
        for (const auto& one : v.forms.forms)
            if (const relative_error& e = member(one); e.n > 0) all[std::string(to_text(one.form))] = error_section(e);
        return all;
    };
    out["leave_one_out"] = by_form([](const scored_form& f) -> const relative_error& {
        return f.reading.n > 0 ? f.reading : f.both.n > 0 ? f.both : f.writing;
    });
    out["all_rows"] = by_form([](const scored_form& f) -> const relative_error& { return f.fitted; });
    out["unseen_histories"] = by_form([](const scored_form& f) -> const relative_error& { return f.unseen_histories; });
    out["decode"] = by_form([](const scored_form& f) -> const relative_error& { return f.writing; });
    out["decode_all_rows"] = by_form([](const scored_form& f) -> const relative_error& { return f.fitted_writing; });
    out["chosen"] = to_text(v.forms.chosen);
    if (!p.checked.empty()) out["fresh_requests"] = error_section(summarised(p.checked));
    return out;
}

ordered_json endpoint_of(const profile& p, const verdict& v) {
    ordered_json out{{"format", "qlroute.endpoint"}, {"version", 1}, {"name", p.name}};
    out["engine"] = engine_section(v.chosen);
    if (p.outside) out["request_time"] = {{"fixed_s", p.outside->first.value()}, {"per_byte_s", p.outside->second}};
    out["measured"] = report_of(p, v);
    return out;
}

void print(const profile& p, const verdict& v, bool is_forced) {
    std::printf(
        "%zu measurements; relative errors of forms on what they were not fitted to:\n\n"
        "  %-16s%22s%10s%10s%20s%20s\n",
        p.measured.seen.size(), "", "reading: median", "mean", "max", "unseen histories", "decode: mean");
    for (const auto& one : v.forms.forms) {
        const relative_error& read = one.reading.n > 0 ? one.reading : one.both;
        std::printf("%c %-16s%22s%10s%10s%20s%20s\n", one.form == v.forms.chosen ? '*' : ' ',
                    std::string(to_text(one.form)).c_str(), percent(read.median).c_str(), percent(read.mean).c_str(),
                    percent(read.max).c_str(),
                    one.unseen_histories.n > 0 ? percent(one.unseen_histories.mean).c_str() : "-",
                    one.writing.n > 0 ? percent(one.writing.mean).c_str() : "-");
    }
    std::printf(is_forced ? "\n* was asked for\n" : "\n* is the simplest within two percent of the best\n");
    if (!p.checked.empty()) {
        const auto e = summarised(p.checked);
        std::printf("%zu fresh requests: median error %s, mean %s, worst %s\n", e.n, percent(e.median).c_str(),
                    percent(e.mean).c_str(), percent(e.max).c_str());
    }
    std::fflush(stdout);
}

}  // namespace

int run_profile(const profile_options& options) {
    if (options.from.empty() == options.url.empty())
        throw usage_error("profile: expected either --from FILE, measurements as JSON lines, or --url URL, a server");
    if (!options.out.empty()) check_place(options.out, options.force);
    profile p;
    verdict v;
    if (!options.from.empty()) {
        p.measured = read_measurements(options.from);
        p.name = options.name.empty() ? std::filesystem::path(options.from).stem().string() : options.name;
        v = fitted(p, options);
    } else {
#ifdef QLROUTE_PROGRAM_HAS_HTTP
        live_engine server(options.url, options.model, seconds(options.seconds));
        p.name = options.name.empty() ? server.model() : options.name;
        if (!options.measurements.empty() && std::filesystem::exists(options.measurements) &&
            !std::filesystem::is_empty(options.measurements))
            p.measured = read_measurements(options.measurements);
        if (!options.json)
            std::cerr << server.kind() << (server.model().empty() ? "" : ", " + server.model()) << ", context "
                      << server.context()
                      << (p.measured.seen.empty()
                              ? ""
                              : "; going on after " + std::to_string(p.measured.seen.size()) + " measurements")
                      << '\n';
        measuring now(server, options, p);
        now.run();
        v = fitted(p, options);
        now.check(v.chosen);
#else
        throw usage_error(
            "--url: this program was built without cpp-httplib; install libcpp-httplib-dev and build again, "
            "or measure elsewhere and give --from");
#endif
    }
    if (p.name.empty()) p.name = "endpoint";
    if (!options.out.empty()) {
        const std::string text = endpoint_of(p, v).dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
        write_file(options.out, std::as_bytes(std::span(text)));
    }
    if (options.json) {
        ordered_json out = report_of(p, v);
        out["engine"] = engine_section(v.chosen);
        std::cout << out.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << '\n';
    } else {
        print(p, v, !options.form.empty());
        if (!options.out.empty()) std::cout << options.out << ": " << p.name << '\n';
    }
    return 0;
}
