// From measured times to an engine policy.
//
//   const engine_observation seen[] = {{.cached = 0_tok, .new_tokens = 512_tok, .time = 611_ms}, ...};
//   auto fitted = fit_engine(engine_form::batched, seen);
//   if (!fitted) return complain(fitted.error().message);
//   const auto report = compare_engines(seen);             // every form, with its error on what it was not fitted to
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/cost/any_engine.hpp>
#include <qlroute/fit/least_absolute.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

/// A request and how long it took: `new_tokens` read behind `cached` ones, then `output_tokens` written. Where tokens
/// are read, the first of the answer comes with them; where none are, each is a step of its own.
struct engine_observation {
    tokens cached{};
    tokens new_tokens{};
    tokens output_tokens{};
    seconds time{};

    /// Tokens that are written after those that come with the prompt.
    tokens steps() const { return new_tokens > tokens(0) ? positive_part(output_tokens - tokens(1)) : output_tokens; }
};

/// The forms that can be fitted, the simplest first.
enum class engine_form {
    linear_rate,     ///< a constant time per token
    full_attention,  ///< fixed + per_token n + per_pair n (p + (n + 1) / 2), however long
    roofline,        ///< counted operations over one fitted rate
    batched,         ///< the sum over batches, two sets of figures
    profiled,        ///< batched, corrected by a table
};

inline constexpr std::array<engine_form, 5> all_engine_forms{engine_form::linear_rate, engine_form::full_attention,
                                                             engine_form::roofline, engine_form::batched,
                                                             engine_form::profiled};

constexpr std::string_view to_text(engine_form form) {
    constexpr std::string_view names[] = {"linear_rate", "full_attention", "roofline", "batched", "profiled"};
    return names[static_cast<std::size_t>(form)];
}

/// What is known beside the times.
struct engine_knowledge {
    tokens batch{512};                         ///< most that the engine reads at once (n_ubatch); 0 = no limit
    std::optional<tokens> tile{};              ///< least batch of its fast kernel; tried if not known
    std::optional<cost::roofline> geometry{};  ///< sizes of the model; without them there is no roofline
};

/// |predicted - measured| / measured over some observations.
struct relative_error {
    std::size_t n = 0;
    double median = 0;
    double mean = 0;
    double max = 0;
};

inline relative_error summarised(std::vector<double> errors) {
    relative_error e{.n = errors.size()};
    if (errors.empty()) return e;
    std::sort(errors.begin(), errors.end());
    for (const double one : errors) e.mean += one / static_cast<double>(errors.size());
    e.max = errors.back();
    const std::size_t half = errors.size() / 2;
    e.median = errors.size() % 2 == 1 ? errors[half] : (errors[half - 1] + errors[half]) / 2;
    return e;
}

/// What an engine says an observation took. `s` is what the engine reads beside counts; the fitted ones read nothing.
inline seconds predicted(const cost::any_engine& engine, const engine_observation& o, const scenario<>& s = {}) {
    return engine.prefill_time(s, o.cached, o.new_tokens) + engine.decode_time(s, o.cached + o.new_tokens, o.steps());
}

namespace detail {

/// (whole batches: 1, n, pairs; smaller batches: the same; tokens written, contexts they were written behind)
using engine_features = relative_features<8>;

inline engine_features features_of(const engine_observation& o, double batch, double tile) {
    engine_features x{};
    const double n = o.new_tokens.value();
    const auto [whole, rest] = cost::detail::in_batches(n, batch);
    double before = o.cached.value();
    const auto add = [&](double count, double size, double first_before) {
        if (!(count > 0 && size > 0)) return;
        const std::size_t kernel = size >= tile ? 0 : 3;
        x[kernel] += count;
        x[kernel + 1] += count * size;
        x[kernel + 2] += count * size * (first_before + (size + 1) / 2) + size * size * count * (count - 1) / 2;
    };
    add(whole, batch, before);
    before += whole * batch;
    add(rest > 0 ? 1 : 0, rest, before);
    const double written = o.steps().value();
    x[6] = written;
    x[7] = written * (o.cached.value() + n + std::max(written - 1, 0.0) / 2);
    return x;
}

inline cost::batched as_batched(const std::array<double, 8>& w, tokens batch, tokens tile) {
    const auto kernel = [&](std::size_t from) {
        return cost::batch_time{seconds(w[from]), seconds_per_token(w[from + 1]), cost::seconds_per_pair(w[from + 2])};
    };
    return {.batch = batch,
            .tile = tile,
            .tiled = kernel(0),
            .untiled = kernel(3),
            .decode = {seconds_per_token(w[6]), cost::seconds_per_pair(w[7])}};
}

/// Fits the features in `used` (a bit each) to times.
inline std::array<double, 8> fitted_features(std::span<const engine_observation> seen, double batch, double tile,
                                             unsigned used) {
    std::vector<engine_features> rows;
    rows.reserve(seen.size());
    for (const auto& o : seen) {
        engine_features x = features_of(o, batch, tile);
        for (std::size_t k = 0; k < x.size(); ++k) x[k] *= (used >> k & 1U) != 0 ? 1 / o.time.value() : 0;
        rows.push_back(x);
    }
    return least_absolute<8>(rows);
}

inline double mean_error(const cost::any_engine& engine, std::span<const engine_observation> seen) {
    double sum = 0;
    for (const auto& o : seen) sum += std::abs((predicted(engine, o) / o.time).value() - 1);
    return sum / static_cast<double>(seen.size());
}

/// The sizes at which engines are known, or likely, to change kernels; 0 is one kernel for all.
inline tokens tile_of(std::span<const engine_observation> seen, const engine_knowledge& known) {
    if (known.tile) return *known.tile;
    // A second set of figures must take a tenth of the error away, and more than noise.
    constexpr double worth = 0.9;
    constexpr double noise = 0.002;
    tokens best{};
    double least = 0;
    for (const double tile : {0.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0}) {
        const auto one = as_batched(fitted_features(seen, known.batch.value(), tile, 0xFF), known.batch, tokens(tile));
        const double error = mean_error(one, seen);
        if (tile == 0 || error < (best == tokens(0) ? worth * least - noise : least)) {
            least = error;
            best = tokens(tile);
        }
    }
    return best;
}

inline cost::roofline fitted_roofline(std::span<const engine_observation> seen, const cost::roofline& geometry) {
    // Reading: an overhead and a time per operation. Writing: an overhead and a time per bit moved.
    std::vector<relative_features<4>> rows;
    for (const auto& o : seen) {
        const double written = o.steps().value();
        const double context = o.cached.value() + o.new_tokens.value() + std::max(written - 1, 0.0) / 2;
        relative_features<4> x{o.new_tokens > tokens(0) ? 1.0 : 0.0,
                               geometry.operation_count(o.cached.value(), o.new_tokens.value()), written,
                               written * (geometry.weights.value() + geometry.kv_size.value() * context)};
        for (double& one : x) one /= o.time.value();
        rows.push_back(x);
    }
    const auto w = least_absolute<4>(rows);
    constexpr double at_once = 1e-30;  // nothing was seen to take time
    cost::roofline fitted = geometry;
    fitted.compute_efficiency = fitted.memory_efficiency = ratio(1);
    fitted.prefill_overhead = seconds(w[0]);
    fitted.operations = hertz(1 / std::max(w[1], at_once));
    fitted.decode_overhead = seconds(w[2]);
    fitted.bandwidth = bits_per_second(1 / std::max(w[3], at_once));
    return fitted;
}

/// At most `most` points of an axis: all values, or as many by rank.
inline std::vector<double> axis_of(std::vector<double> values, std::size_t most = 24) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    if (values.size() <= most) return values;
    std::vector<double> picked;
    for (std::size_t k = 0; k < most; ++k) picked.push_back(values[k * (values.size() - 1) / (most - 1)]);
    return picked;
}

inline std::size_t nearest(const std::vector<double>& axis, double x) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < axis.size(); ++i)
        if (std::abs(std::log1p(axis[i]) - std::log1p(x)) < std::abs(std::log1p(axis[best]) - std::log1p(x))) best = i;
    return best;
}

struct ratio_at {
    double row;
    double column;
    double ratio;
};

inline cost::measured_ratio table_of(const std::vector<ratio_at>& seen, double kink) {
    if (seen.empty()) return {};
    std::vector<double> rows;
    std::vector<double> columns;
    for (const auto& one : seen) {
        rows.push_back(one.row);
        columns.push_back(one.column);
    }
    rows = axis_of(std::move(rows));
    columns = axis_of(std::move(columns));
    std::vector<std::vector<double>> cells(rows.size() * columns.size());
    for (const auto& one : seen)
        cells[nearest(rows, one.row) * columns.size() + nearest(columns, one.column)].push_back(one.ratio);
    std::vector<double> ratios;
    for (auto& cell : cells) ratios.push_back(summarised(std::move(cell)).median);  // 0, not measured, where empty
    return {std::move(rows), std::move(columns), std::move(ratios), kink};
}

inline cost::profiled with_tables(const cost::batched& formula, std::span<const engine_observation> seen) {
    std::vector<ratio_at> reading;
    std::vector<ratio_at> writing;
    for (const auto& o : seen) {
        const double said = predicted(formula, o).value();
        if (!(said > 0)) continue;
        const double beyond = o.time.value() / said;
        if (o.steps() == tokens(0)) reading.push_back({o.cached.value(), o.new_tokens.value(), beyond});
        else if (o.new_tokens == tokens(0)) writing.push_back({o.cached.value(), 0, beyond});
    }
    return {formula, table_of(reading, formula.tile.value()), table_of(writing, 0)};
}

inline cost::any_engine fit_checked(engine_form form, std::span<const engine_observation> seen,
                                    const engine_knowledge& known, tokens tile) {
    switch (form) {
        case engine_form::linear_rate:
            return as_batched(fitted_features(seen, 0, 0, 0b0100'0010), {}, {});
        case engine_form::full_attention:
            return as_batched(fitted_features(seen, 0, 0, 0b1100'0111), {}, {});
        case engine_form::roofline:
            return fitted_roofline(seen, *known.geometry);
        case engine_form::batched:
        case engine_form::profiled:
            break;
    }
    const auto formula = as_batched(fitted_features(seen, known.batch.value(), tile.value(), 0xFF), known.batch, tile);
    if (form == engine_form::batched) return formula;
    return with_tables(formula, seen);
}

}  // namespace detail

/// What is wrong with some observations, if anything.
inline std::optional<error> fault_in(std::span<const engine_observation> seen) {
    if (seen.empty()) return error{errc::missing, "no observations; an engine is fitted to at least one"};
    for (std::size_t i = 0; i < seen.size(); ++i) {
        const auto& o = seen[i];
        const auto complain = [&](std::string_view member, std::string_view expected, double got) {
            return error{errc::out_of_range, "observation " + std::to_string(i) + ": " + std::string(member) +
                                                 " must be " + std::string(expected) + ", got " + std::to_string(got)};
        };
        const std::pair<std::string_view, tokens> counts[] = {
            {"cached", o.cached}, {"new_tokens", o.new_tokens}, {"output_tokens", o.output_tokens}};
        for (const auto& [member, count] : counts)
            if (!(count >= tokens(0) && count <= tokens(1e9))) return complain(member, "from 0 to 1e9", count.value());
        if (o.new_tokens + o.steps() == tokens(0)) return complain("new_tokens + output_tokens", "more than 0", 0);
        if (!(o.time > seconds(0) && o.time < seconds(1e9)))
            return complain("time", "more than 0 and less than 1e9 s", o.time.value());
    }
    return std::nullopt;
}

/// Fits one form by least absolute relative errors. Errors: faulty observations; a roofline without geometry.
inline result<cost::any_engine> fit_engine(engine_form form, std::span<const engine_observation> seen,
                                           const engine_knowledge& known = {}) {
    if (auto fault = fault_in(seen)) return *std::move(fault);
    if (form == engine_form::roofline && !known.geometry)
        return error{errc::missing, "a roofline needs the sizes of the model: engine_knowledge::geometry"};
    const bool tiles = form == engine_form::batched || form == engine_form::profiled;
    return detail::fit_checked(form, seen, known, tiles ? detail::tile_of(seen, known) : tokens(0));
}

/// How far a form is off on observations that it was not fitted to.
struct scored_form {
    engine_form form;
    relative_error reading;           ///< left out one by one: rows that write nothing
    relative_error writing;           ///< rows that read nothing
    relative_error both;              ///< rows that do both
    relative_error fitted;            ///< rows that write nothing, with all of them in the fit
    relative_error fitted_writing;    ///< rows that read nothing, likewise
    relative_error unseen_histories;  ///< these, with all rows of their `cached` left out; none for less than 3 of them
};

namespace detail {

/// Calls `use(left_out, engine)` for groups of observations, each predicted by an engine fitted to the others.
inline void cross_validated(engine_form form, std::span<const engine_observation> seen, const engine_knowledge& known,
                            tokens tile, const std::vector<std::size_t>& group_of, std::size_t groups, auto&& use) {
    std::vector<engine_observation> rest;
    for (std::size_t g = 0; g < groups; ++g) {
        rest.clear();
        for (std::size_t i = 0; i < seen.size(); ++i)
            if (group_of[i] != g) rest.push_back(seen[i]);
        if (rest.empty()) continue;
        const auto engine = fit_checked(form, rest, known, tile);
        for (std::size_t i = 0; i < seen.size(); ++i)
            if (group_of[i] == g) use(seen[i], engine);
    }
}

}  // namespace detail

/// Leave-one-out errors of one form; over 200 observations, in 200 groups. The tile is chosen once, with all of them.
/// Errors: those of fit_engine().
inline result<scored_form> score_engine(engine_form form, std::span<const engine_observation> seen,
                                        const engine_knowledge& known = {}) {
    const auto whole = fit_engine(form, seen, known);
    if (!whole) return whole.error();
    const bool tiles = form == engine_form::batched || form == engine_form::profiled;
    const tokens tile = tiles ? detail::tile_of(seen, known) : tokens(0);

    const auto error_of = [](const cost::any_engine& engine, const engine_observation& o) {
        return std::abs((predicted(engine, o) / o.time).value() - 1);
    };
    std::vector<double> reading;
    std::vector<double> writing;
    std::vector<double> both;
    const std::size_t groups = std::min<std::size_t>(seen.size(), 200);
    std::vector<std::size_t> group_of(seen.size());
    for (std::size_t i = 0; i < seen.size(); ++i) group_of[i] = i % groups;
    detail::cross_validated(form, seen, known, tile, group_of, groups, [&](const auto& o, const auto& engine) {
        auto& kind = o.steps() == tokens(0) ? reading : o.new_tokens == tokens(0) ? writing : both;
        kind.push_back(error_of(engine, o));
    });

    std::vector<double> fitted;
    std::vector<double> fitted_writing;
    std::vector<double> histories;
    for (const auto& o : seen) {
        if (o.new_tokens == tokens(0)) fitted_writing.push_back(error_of(*whole, o));
        if (o.steps() != tokens(0)) continue;
        fitted.push_back(error_of(*whole, o));
        histories.push_back(o.cached.value());
    }
    histories = detail::axis_of(std::move(histories), 200);
    std::vector<double> unseen;
    if (histories.size() >= 3) {
        for (std::size_t i = 0; i < seen.size(); ++i)
            group_of[i] =
                seen[i].steps() == tokens(0) ? detail::nearest(histories, seen[i].cached.value()) : histories.size();
        detail::cross_validated(form, seen, known, tile, group_of, histories.size(),
                                [&](const auto& o, const auto& engine) { unseen.push_back(error_of(engine, o)); });
    }
    return scored_form{form,
                       summarised(std::move(reading)),
                       summarised(std::move(writing)),
                       summarised(std::move(both)),
                       summarised(std::move(fitted)),
                       summarised(std::move(fitted_writing)),
                       summarised(std::move(unseen))};
}

/// Every form that can be fitted, and the simplest whose mean leave-one-out error is within 0.02 of the best.
struct engine_comparison {
    std::vector<scored_form> forms;
    engine_form chosen = engine_form::linear_rate;
};

/// Errors: faulty observations.
inline result<engine_comparison> compare_engines(std::span<const engine_observation> seen,
                                                 const engine_knowledge& known = {}) {
    if (auto fault = fault_in(seen)) return *std::move(fault);
    engine_comparison all;
    engine_knowledge settled = known;
    settled.tile = detail::tile_of(seen, known);
    for (const engine_form form : all_engine_forms) {
        auto scored = score_engine(form, seen, settled);
        if (scored) all.forms.push_back(*std::move(scored));
    }
    const auto mean = [](const scored_form& one) {
        const auto sum = [](const relative_error& e) { return static_cast<double>(e.n) * e.mean; };
        const auto n = static_cast<double>(one.reading.n + one.writing.n + one.both.n);
        return (sum(one.reading) + sum(one.writing) + sum(one.both)) / n;
    };
    double least = mean(all.forms.front());
    for (const auto& one : all.forms) least = std::min(least, mean(one));
    for (const auto& one : all.forms)
        if (mean(one) <= least + 0.02) {
            all.chosen = one.form;
            break;
        }
    return all;
}

}  // namespace qlroute
