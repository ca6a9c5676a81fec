// What a replay says: means with intervals, what one policy gains on another, and what quality costs.
//
//   const auto ours = eval::summary_of(records, 30_s);
//   const auto gain = eval::change_between(records, those_of_a_rival);   // paired: the same dialogues
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/core/literals.hpp>
#include <qlroute/eval/metrics.hpp>
#include <qlroute/eval/replay.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <vector>

namespace qlroute::eval {

/// Sums over the turns of one dialogue.
struct dialogue_totals {
    std::size_t dialogue = 0;
    double turns = 0;
    double latency = 0;  // s
    double ttft = 0;     // s
    double score = 0;
    double remote = 0;  // turns that called a remote place
    double switches = 0;
    double reread = 0;  // tok
    double energy = 0;  // J
    double late = 0;    // turns that took longer than the deadline
    double gave_up = 0;
};

/// One a dialogue, by its index.
inline std::vector<dialogue_totals> totals_of(std::span<const turn_record> records,
                                              seconds deadline = seconds(std::numeric_limits<double>::infinity())) {
    std::map<std::size_t, dialogue_totals> all;
    for (const turn_record& r : records) {
        dialogue_totals& d = all[r.dialogue];
        d.dialogue = r.dialogue;
        d.turns += 1;
        d.latency += r.latency.value();
        d.ttft += r.ttft.value();
        d.score += r.score;
        d.remote += r.remote_calls > 0 ? 1 : 0;
        d.switches += r.switched ? 1 : 0;
        d.reread += r.reread.value();
        d.energy += r.energy.value();
        d.late += r.latency > deadline ? 1 : 0;
        d.gave_up += r.gave_up ? 1 : 0;
    }
    std::vector<dialogue_totals> out;
    out.reserve(all.size());
    for (const auto& [index, totals] : all) out.push_back(totals);
    return out;
}

namespace detail {

/// Sum over the picked dialogues of one total by that of another.
inline double ratio_of(std::span<const dialogue_totals> all, std::span<const std::size_t> picked,
                       double dialogue_totals::*what, double dialogue_totals::*by) {
    double sum = 0, count = 0;
    for (const std::size_t k : picked) {
        sum += all[k].*what;
        count += all[k].*by;
    }
    return sum / count;
}

/// The smallest value that at least a share of them does not exceed. NaN of none.
inline double percentile(std::vector<double> values, double share) {
    if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    const std::size_t place = std::clamp<std::size_t>(rank, 1, values.size()) - 1;
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(place), values.end());
    return values[place];
}

}  // namespace detail

/// A mean over turns, with its 95 % interval over draws of dialogues.
inline estimate mean_over_turns(std::span<const dialogue_totals> all, double dialogue_totals::*what,
                                std::size_t resamples = 1000, std::uint64_t seed = 1) {
    return bootstrap(
        all.size(),
        [&](std::span<const std::size_t> picked) {
            return detail::ratio_of(all, picked, what, &dialogue_totals::turns);
        },
        resamples, seed);
}

/// What came of a policy. Latencies in seconds; shares and means are of turns.
struct replay_summary {
    std::size_t dialogues = 0;
    std::size_t turns = 0;
    estimate quality{};
    estimate latency{};
    estimate ttft{};
    estimate remote{};  ///< share of turns that called a remote place
    double latency_p50 = 0, latency_p95 = 0, latency_p99 = 0;
    double ttft_p50 = 0, ttft_p95 = 0;
    double switches = 0;  ///< a turn
    double reread = 0;    ///< tokens a turn
    double energy = 0;    ///< J a turn
    double late = 0;      ///< share that took longer than the deadline
    double gave_up = 0;   ///< share of turns
};

/// Intervals by drawing dialogues. Percentiles are observed values: the smallest that so many turns do not exceed.
inline replay_summary summary_of(std::span<const turn_record> records, seconds deadline, std::size_t resamples = 1000,
                                 std::uint64_t seed = 1) {
    const auto all = totals_of(records, deadline);
    const auto mean = [&](double dialogue_totals::*what) { return mean_over_turns(all, what, resamples, seed); };
    const auto plain = [&](double dialogue_totals::*what) { return mean_over_turns(all, what, 0, seed).value; };
    std::vector<double> latencies, ttfts;
    for (const turn_record& r : records) {
        latencies.push_back(r.latency.value());
        ttfts.push_back(r.ttft.value());
    }
    replay_summary s;
    s.dialogues = all.size();
    s.turns = records.size();
    s.quality = mean(&dialogue_totals::score);
    s.latency = mean(&dialogue_totals::latency);
    s.ttft = mean(&dialogue_totals::ttft);
    s.remote = mean(&dialogue_totals::remote);
    s.latency_p50 = detail::percentile(latencies, 0.50);
    s.latency_p95 = detail::percentile(latencies, 0.95);
    s.latency_p99 = detail::percentile(latencies, 0.99);
    s.ttft_p50 = detail::percentile(ttfts, 0.50);
    s.ttft_p95 = detail::percentile(ttfts, 0.95);
    s.switches = plain(&dialogue_totals::switches);
    s.reread = plain(&dialogue_totals::reread);
    s.energy = plain(&dialogue_totals::energy);
    s.late = plain(&dialogue_totals::late);
    s.gave_up = plain(&dialogue_totals::gave_up);
    return s;
}

/// What a policy changes against a rival on the same dialogues.
struct replay_change {
    estimate latency{};       ///< (ours - rival) / rival, of the means
    estimate remote_calls{};  ///< the same; NaN where the rival makes none
    estimate quality{};       ///< ours - rival
};

/// Paired: every draw of dialogues is the same for both. Precondition: the same dialogues.
inline replay_change change_between(std::span<const dialogue_totals> ours, std::span<const dialogue_totals> rival,
                                    std::size_t resamples = 1000, std::uint64_t seed = 1) {
    QLROUTE_EXPECTS(ours.size() == rival.size());
    const auto change = [&](double dialogue_totals::*what, bool relative) {
        return bootstrap(
            ours.size(),
            [&](std::span<const std::size_t> picked) {
                const double a = detail::ratio_of(ours, picked, what, &dialogue_totals::turns);
                const double b = detail::ratio_of(rival, picked, what, &dialogue_totals::turns);
                if (!relative) return a - b;
                return b > 0 ? (a - b) / b : std::numeric_limits<double>::quiet_NaN();
            },
            resamples, seed);
    };
    return {change(&dialogue_totals::latency, true), change(&dialogue_totals::remote, true),
            change(&dialogue_totals::score, false)};
}

// --- what quality costs ---------------------------------------------------------------------------

/// Where a policy stands with one setting.
struct operating_point {
    double remote = 0;   ///< share of turns that call a remote place
    double quality = 0;  ///< mean score
    double latency = 0;  ///< mean, s
};

/// The least mean latency at which a mean quality of at least `quality` is reached by drawing lots between two of the
/// points: the lower hull. NaN where none reaches it.
inline double latency_at_quality(std::span<const operating_point> points, double quality) {
    double least = std::numeric_limits<double>::quiet_NaN();
    const auto offer = [&](double latency) {
        if (std::isnan(least) || latency < least) least = latency;
    };
    for (const auto& a : points) {
        if (a.quality >= quality) offer(a.latency);
        for (const auto& b : points)
            if (a.quality < quality && b.quality >= quality) {
                const double share = (quality - a.quality) / (b.quality - a.quality);
                offer(a.latency + share * (b.latency - a.latency));
            }
    }
    return least;
}

/// Mean of latency_at_quality() over `steps` qualities evenly from `low` to `high`: the area under the quality-latency
/// curve by its width. Seconds; NaN where the points do not reach `high`.
inline double curve_area(std::span<const operating_point> points, double low, double high, std::size_t steps = 101) {
    double sum = 0;
    for (std::size_t k = 0; k < steps; ++k)
        sum +=
            latency_at_quality(points, std::lerp(low, high, static_cast<double>(k) / static_cast<double>(steps - 1)));
    return sum / static_cast<double>(steps);
}

namespace detail {

/// By share of calls, with the two ends that every policy has: never, and always.
inline std::vector<operating_point> by_calls(std::span<const operating_point> points, double weak, double strong) {
    std::vector<operating_point> sorted(points.begin(), points.end());
    sorted.push_back({.remote = 0, .quality = weak});
    sorted.push_back({.remote = 1, .quality = strong});
    std::sort(sorted.begin(), sorted.end(), [](const operating_point& a, const operating_point& b) {
        return a.remote != b.remote ? a.remote < b.remote : a.quality < b.quality;
    });
    return sorted;
}

}  // namespace detail

/// Area of (quality - weak) / (strong - weak) over the share of calls, linear between the points of a policy's
/// settings. NaN unless strong > weak.
inline double apgr_of_points(std::span<const operating_point> points, double weak, double strong) {
    if (!(strong > weak)) return std::numeric_limits<double>::quiet_NaN();
    const auto sorted = detail::by_calls(points, weak, strong);
    double area = 0;
    for (std::size_t k = 1; k < sorted.size(); ++k)
        area += (sorted[k].remote - sorted[k - 1].remote) * (sorted[k].quality + sorted[k - 1].quality - 2 * weak) / 2;
    return area / (strong - weak);
}

/// The least share of calls, linear between the points, at which (quality - weak) / (strong - weak) is `recovered`.
inline double cpt_of_points(std::span<const operating_point> points, double weak, double strong, double recovered) {
    if (!(strong > weak)) return std::numeric_limits<double>::quiet_NaN();
    const auto sorted = detail::by_calls(points, weak, strong);
    const double wanted = weak + recovered * (strong - weak);
    for (std::size_t k = 0; k < sorted.size(); ++k) {
        if (sorted[k].quality < wanted) continue;
        if (k == 0) return sorted[0].remote;
        const double rise = sorted[k].quality - sorted[k - 1].quality;
        const double share = rise > 0 ? (wanted - sorted[k - 1].quality) / rise : 1;
        return sorted[k - 1].remote + std::clamp(share, 0.0, 1.0) * (sorted[k].remote - sorted[k - 1].remote);
    }
    return 1;
}

}  // namespace qlroute::eval
