// An engine as it was measured: a formula, and a table of what the formula misses.
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/cost/batched.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace qlroute::cost {

/// What was measured over what a formula says, at points of one axis or two. 1 where nothing is known.
/// Between points linear in log(1 + tokens), beyond the outermost ones constant. Points on the other side of `kink`
/// are not mixed in along the second axis: where an engine changes kernels, its error changes, too.
/// Not measured (NaN) points are filled from their neighbours. Value type; allocates when made, not when asked.
class measured_ratio {
public:
    measured_ratio() = default;

    /// `ratios` [rows][columns]; both axes ascending and not empty. Ratios that are not positive and finite count as
    /// not measured.
    measured_ratio(std::vector<double> rows, std::vector<double> columns, std::vector<double> ratios, double kink = 0)
        : rows_(std::move(rows)), columns_(std::move(columns)), ratios_(std::move(ratios)), kink_(kink) {
        QLROUTE_EXPECTS(!rows_.empty() && !columns_.empty() && ratios_.size() == rows_.size() * columns_.size());
        QLROUTE_EXPECTS(std::is_sorted(rows_.begin(), rows_.end()) && std::is_sorted(columns_.begin(), columns_.end()));
        for (double& one : ratios_)
            if (!(one > 0 && one < infinite)) one = unknown;
        fill_holes();
    }

    double at(double row, double column) const {
        if (ratios_.empty()) return 1;
        const between r = place(rows_, row);
        between c = place(columns_, column);
        if (beyond_kink(columns_[c.low]) != beyond_kink(columns_[c.high]))
            c.share = beyond_kink(column) == beyond_kink(columns_[c.low]) ? 0 : 1;
        const auto across = [&](std::size_t i) { return (1 - c.share) * ratio(i, c.low) + c.share * ratio(i, c.high); };
        return (1 - r.share) * across(r.low) + r.share * across(r.high);
    }

    std::span<const double> rows() const { return rows_; }
    std::span<const double> columns() const { return columns_; }
    std::span<const double> ratios() const { return ratios_; }
    double kink() const { return kink_; }

private:
    static constexpr double unknown = 0;
    static constexpr double infinite = std::numeric_limits<double>::infinity();

    struct between {
        std::size_t low;
        std::size_t high;
        double share;  // of high
    };

    static between place(const std::vector<double>& axis, double x) {
        const auto above = static_cast<std::size_t>(std::upper_bound(axis.begin(), axis.end(), x) - axis.begin());
        if (above == 0) return {0, 0, 0};
        if (above == axis.size()) return {above - 1, above - 1, 0};
        const double low = std::log1p(axis[above - 1]);
        return {above - 1, above, (std::log1p(x) - low) / (std::log1p(axis[above]) - low)};
    }

    bool beyond_kink(double column) const { return column >= kink_; }
    double ratio(std::size_t i, std::size_t j) const { return ratios_[i * columns_.size() + j]; }

    /// A hole becomes the mean of its neighbours, those of the same kernel only; from the rims of holes inwards.
    void fill_holes() {
        const std::size_t width = columns_.size();
        for (std::size_t round = 0; round < rows_.size() + width; ++round) {
            const std::vector<double> before = ratios_;
            bool holes = false;
            for (std::size_t i = 0; i < rows_.size(); ++i)
                for (std::size_t j = 0; j < width; ++j) {
                    if (before[i * width + j] != unknown) continue;
                    double sum = 0;
                    int known = 0;
                    const auto ask = [&](std::size_t other_i, std::size_t other_j) {
                        const double one = before[other_i * width + other_j];
                        if (one == unknown || beyond_kink(columns_[j]) != beyond_kink(columns_[other_j])) return;
                        sum += one;
                        ++known;
                    };
                    if (i > 0) ask(i - 1, j);
                    if (i + 1 < rows_.size()) ask(i + 1, j);
                    if (j > 0) ask(i, j - 1);
                    if (j + 1 < width) ask(i, j + 1);
                    if (known > 0) ratios_[i * width + j] = sum / known;
                    else holes = true;
                }
            if (!holes) return;
        }
        for (double& one : ratios_)
            if (one == unknown) one = 1;
    }

    std::vector<double> rows_;
    std::vector<double> columns_;
    std::vector<double> ratios_;
    double kink_ = 0;
};

/// A measured engine: a formula for the shape, kinks included, and what was measured beyond it.
///   prefill_time = formula.prefill_time(cached, count) * reading(cached, count)      [s]
///   decode_time  = formula.decode_time(context, count) * writing(context)            [s]
/// With empty tables it is the formula. Made by fit_profiled(). Asking allocates nothing; safe to share once made.
struct profiled {
    static constexpr std::string_view name = "profiled";

    batched formula{};
    measured_ratio reading{};  ///< rows: cached, columns: count
    measured_ratio writing{};  ///< rows: context, one column

    auto prefill_time(const auto& s, const auto& cached, const auto& count) const {
        return formula.prefill_time(s, cached, count) *
               elementwise<dim::none>([this](auto p, auto n) { return this->asked(this->reading, p, n); }, cached,
                                      count);
    }
    auto decode_time(const auto& s, const auto& context, const auto& count) const {
        return formula.decode_time(s, context, count) *
               elementwise<dim::none>([this](auto c) { return this->asked(this->writing, c, decltype(c)(0)); },
                                      context);
    }

private:
    template <class T>
    static T asked(const measured_ratio& table, T row, T column) {
        return static_cast<T>(table.at(static_cast<double>(row), static_cast<double>(column)));
    }
};

}  // namespace qlroute::cost
