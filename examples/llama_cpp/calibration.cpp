#include "calibration.hpp"

#include "configured/engine_file.hpp"
#include "configured/files.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <span>
#include <vector>

using namespace qlroute;
using nlohmann::ordered_json;

namespace {

class measuring {
public:
    measuring(llama_engine& engine, seconds budget)
        : engine_(engine), budget_(budget), vocabulary_(engine.ordinary_tokens()) {}

    std::vector<engine_observation> run() {
        read(0, std::min<std::size_t>(32, room()), 2);  // the first one also allocates
        seen_.clear();
        // Whatever the budget: batches of three kinds with and without a history, else a fit would have to guess what a
        // history costs.
        const std::size_t first_history = std::min<std::size_t>(256, room() / 4);
        for (const std::size_t past : {std::size_t{0}, first_history})
            for (const std::size_t size : {std::size_t{4}, std::size_t{24}, std::size_t{96}}) {
                if (past > 0 && size == 4) read(0, past, 0);
                read(past, size, size == 4 ? 8 : 0);
            }
        // Sizes around which engines change kernels, and a batch or more; the most telling first.
        constexpr std::size_t sizes[] = {64, 256, 16, 512, 32, 128, 600, 48, 384, 1, 192, 63};
        constexpr std::size_t longer[] = {1024, 2048, 4096};
        std::vector<std::size_t> histories{0, first_history};
        for (const std::size_t p : longer)
            if (p + 700 <= room()) histories.push_back(p);
        for (bool has_read = true; has_read && elapsed() < budget_;) {
            has_read = false;
            for (std::size_t h = 0; h < histories.size(); ++h) {
                // Each history may take an equal part of what is left.
                const seconds part = positive_part(budget_ - elapsed()) / static_cast<double>(histories.size() - h);
                const seconds stop = elapsed() + part;
                const std::size_t there = h == 0 ? 0 : histories[h - 1];
                const std::size_t missing = histories[h] - there;
                if (missing > 0) {
                    if (expected(there, missing) > 0.6 * part) break;
                    read(there, missing, h == 1 ? 8 : 0);
                }
                for (const std::size_t size : sizes) {
                    if (histories[h] + size + 12 > room()) continue;
                    if (elapsed() + expected(histories[h], size) > stop) continue;
                    read(histories[h], size, size == 16 || size == 256 ? 8 : 0);
                    has_read = true;
                }
            }
        }
        return std::move(seen_);
    }

private:
    std::size_t room() const { return engine_.context(); }

    seconds elapsed() const {
        return seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
    }

    seconds expected(std::size_t past, std::size_t count) const {
        return believed_.prefill_time(scenario<>{}, tokens(static_cast<double>(past)),
                                      tokens(static_cast<double>(count)));
    }

    void read(std::size_t past, std::size_t count, std::size_t output) {
        std::vector<std::int32_t> ids(count);
        for (auto& id : ids) id = vocabulary_[chance_() % vocabulary_.size()];
        const std::size_t before = seen_.size();
        engine_.measure(past, ids, output, seen_);
        for (const auto& one : std::span(seen_).subspan(before)) believed_.observe(one);
    }

    llama_engine& engine_;
    seconds budget_;
    std::vector<std::int32_t> vocabulary_;
    std::mt19937_64 chance_{1};
    std::vector<engine_observation> seen_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    online_engine believed_{cost::batched{.tiled = {.per_token = 2_ms / 1_tok},
                                          .untiled = {.per_token = 2_ms / 1_tok},
                                          .decode = {.fixed = 20_ms / 1_tok}},
                            learning::from_a_guess()};
};

}  // namespace

calibrated_engine calibrate(llama_engine& engine, seconds budget) {
    const auto seen = measuring(engine, budget).run();
    engine.clear();
    const auto fitted = fit_engine(engine_form::batched, seen, {.batch = tokens(static_cast<double>(engine.batch()))});
    if (!fitted) throw turn_failed("calibration: " + fitted.error().message);
    return {*fitted->get<cost::batched>(), seen.size()};
}

cost::batched read_batched_engine(const std::string& option, const std::string& path) {
    const engine_file file = read_engine_file(path);
    if (const auto* batched = file.engine.get<cost::batched>()) return *batched;
    if (const auto* profiled = file.engine.get<cost::profiled>()) return profiled->formula;
    throw usage_error(option + ": " + path + ": engine.policy: expected batched or profiled, which can go on learning");
}

void write_engine(const std::string& path, const std::string& name, const calibrated_engine& engine) {
    ordered_json out{{"format", "qlroute.endpoint"}, {"version", 1}, {"name", name}};
    out["engine"] = engine_section(engine.fitted);
    out["measured"] = {{"measurements", engine.measurements}};
    const std::string text = out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
    write_file(path, std::as_bytes(std::span(text)));
}
