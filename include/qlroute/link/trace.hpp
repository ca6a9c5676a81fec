// A recorded link: what rates and round trips a device saw, sample by sample.
//
//   auto drive = trace::parse(text_of_the_file);
//   if (!drive) return complain(drive.error().message);
//   link_state now = observed(drive->at(90_s), {.uplink_rate = 5_Mbps, .downlink_rate = 20_Mbps, .rtt = 50_ms});
//   seconds upload = drive->transfer_time(90_s, 40_kB, direction::uplink);
//
// The text is CSV, one sample a line, an empty field where nothing was measured (which is not a rate of 0):
//
//   t_s,uplink_bps,downlink_bps,rtt_s,snr_db
//   0,4100000,,0.052,11.5
//   1,3900000,,,11.0
//
// A sample holds until the next one. A trace is a loop: after its last sample comes its first.
#pragma once

#include <qlroute/core/literals.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/io/number.hpp>
#include <qlroute/link/link_state.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qlroute {

enum class direction { uplink, downlink };

/// One line of a trace. Empty = not measured.
struct trace_sample {
    seconds at{};
    std::optional<bits_per_second> uplink_rate{};
    std::optional<bits_per_second> downlink_rate{};
    std::optional<seconds> rtt{};
    std::optional<ratio> snr{};
};

/// What a router would have seen: the sample, and `fallback` where the sample measured nothing.
constexpr link_state observed(const trace_sample& sample, link_state fallback) {
    return {.uplink_rate = sample.uplink_rate.value_or(fallback.uplink_rate),
            .downlink_rate = sample.downlink_rate.value_or(fallback.downlink_rate),
            .rtt = sample.rtt.value_or(fallback.rtt)};
}

/// At least one sample, in the order of time. Thread-safety: const, may be shared.
class trace {
public:
    /// Reads a whole file. The header line names the five columns `t_s` [s], `uplink_bps` [bit/s],
    /// `downlink_bps` [bit/s], `rtt_s` [s] and `snr_db` [dB] in any order. Lines end in LF or CRLF.
    ///
    /// Errors say the line, the column, what was expected and what was found; `offset` is the byte of the field:
    ///   missing       no text, no sample, or a column is not there
    ///   malformed     a column unknown or named twice; too few or too many fields; not a finite number
    ///   out_of_range  a rate or an rtt below 0, a time before the one above it, decibels beyond 3000
    ///   unsupported   the text is still compressed
    /// Of several lines with one time, as a coarse clock writes them, the last one holds.
    static result<trace> parse(std::string_view csv);

    /// From the first sample until the loop begins again. The last sample lasts as long as the one before it;
    /// where there is none, 1 s. [s], > 0
    seconds duration() const noexcept { return duration_; }

    /// As recorded, not empty. Valid as long as the trace.
    std::span<const trace_sample> samples() const noexcept { return samples_; }

    /// The sample in force at a time of the recorder's clock; outside the recording the loop goes on, in both
    /// directions. A time that is not finite counts as the first sample's. Valid as long as the trace.
    const trace_sample& at(seconds t) const noexcept { return samples_[index_at(place_in_loop(t))]; }

    /// Whether any sample has a rate in this direction.
    bool measures(direction way) const noexcept { return !rates(way).empty(); }

    /// The time that `size` takes when it starts at `start` and gets all of the link, rtt not included. [s]
    ///   the least T with: integral from start to start + T of rate(t) dt = size
    /// A sample that did not measure this direction goes on with the last measured rate: a gap in a recording is
    /// no outage. Infinity if the rate is 0 everywhere, or was measured nowhere (see measures()); 0 for a size that
    /// is not positive. Takes time in proportion to the number of samples that the transfer lasts, at most three times
    /// all.
    seconds transfer_time(seconds start, bits size, direction way) const noexcept;

private:
    struct progress {
        bits sent{};
        seconds elapsed{};
    };

    explicit trace(std::vector<trace_sample> samples);

    const std::vector<bits_per_second>& rates(direction way) const noexcept {
        return way == direction::uplink ? uplink_rates_ : downlink_rates_;
    }
    seconds begin_of(std::size_t i) const noexcept { return samples_[i].at - samples_.front().at; }
    seconds end_of(std::size_t i) const noexcept { return i + 1 < samples_.size() ? begin_of(i + 1) : duration_; }

    seconds place_in_loop(seconds t) const noexcept;
    std::size_t index_at(seconds place) const noexcept;
    progress send_for_one_loop(seconds place, bits size, const std::vector<bits_per_second>& rates) const noexcept;

    std::vector<trace_sample> samples_;
    std::vector<bits_per_second> uplink_rates_;  // one a sample, gaps filled; empty if never measured
    std::vector<bits_per_second> downlink_rates_;
    seconds duration_{};
};

// --- implementation ------------------------------------------------------------------------------

namespace detail {

struct trace_column {
    std::string_view name;
    std::string_view expected;
    bool may_be_empty;
    double least;
    double most = std::numeric_limits<double>::max();
};

enum trace_field : std::size_t { time_field, uplink_field, downlink_field, rtt_field, snr_field, trace_fields };

// Times are bounded so that their differences stay exact enough, decibels so that the ratio stays finite.
inline constexpr std::array<trace_column, trace_fields> trace_columns{{
    {"t_s", "seconds between -1e12 and 1e12", false, -1e12, 1e12},
    {"uplink_bps", "a finite rate in bit/s, at least 0, or an empty field if it was not measured", true, 0},
    {"downlink_bps", "a finite rate in bit/s, at least 0, or an empty field if it was not measured", true, 0},
    {"rtt_s", "finite seconds, at least 0, or an empty field if it was not measured", true, 0},
    {"snr_db", "decibels between -3000 and 3000, or an empty field if it was not measured", true, -3000, 3000},
}};

/// Text from a file, fit for a message.
inline std::string found_text(std::string_view text) { return text.empty() ? "nothing" : quoted(text); }

/// Takes the text up to `separator`, and the separator, off the front of `rest`.
inline std::string_view take_until(char separator, std::string_view& rest) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    const auto taken = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return taken;
}

class trace_reader {
public:
    explicit trace_reader(std::string_view csv) : csv_(csv), rest_(csv) {}

    bool done() const { return rest_.empty(); }

    /// The order of the columns, from the header line.
    std::optional<error> read_header() {
        if (csv_.empty())
            return error{errc::missing, "line 1: expected the header " + header() + ", found an empty file"};
        if (csv_.substr(0, 2) == "\x1f\x8b")
            return error{errc::unsupported,
                         "line 1: expected the header " + header() + ", found gzip; decompress it first"};
        next_line();
        std::array<bool, trace_fields> seen{};
        for (const auto name : fields()) {
            const auto known = std::ranges::find(trace_columns, name, &trace_column::name);
            if (known == trace_columns.end())
                return complain(errc::malformed, name, quoted(name), "expected one of " + header());
            const auto column = static_cast<std::size_t>(known - trace_columns.begin());
            if (std::exchange(seen[column], true))
                return complain(errc::malformed, name, known->name, "expected each column once, found it twice");
            order_.push_back(column);
        }
        for (std::size_t column = 0; column < trace_fields; ++column)
            if (!seen[column])
                return complain(
                    errc::missing, end_of_line(), trace_columns[column].name,
                    "expected it in the header (its fields may be empty, except in t_s), found no such column");
        return std::nullopt;
    }

    std::optional<error> read_sample(trace_sample& sample) {
        next_line();
        const auto found = fields();
        if (found.size() < order_.size())
            return complain(errc::malformed, end_of_line(), trace_columns[order_[found.size()]].name,
                            "expected a field, found the end of the line after " + std::to_string(found.size()) +
                                " of " + std::to_string(order_.size()) + " fields");
        if (found.size() > order_.size())
            return complain(errc::malformed, found[order_.size()], trace_columns[order_.back()].name,
                            "expected the end of the line after it, found " + std::to_string(found.size()) + " fields");

        std::array<std::optional<double>, trace_fields> values;
        for (std::size_t i = 0; i < order_.size(); ++i) {
            const auto& column = trace_columns[order_[i]];
            if (found[i].empty() && column.may_be_empty) continue;
            const auto value = parse_number(found[i]);
            const bool in_range = value && *value >= column.least && *value <= column.most;
            if (!in_range)
                return complain(value ? errc::out_of_range : errc::malformed, found[i], column.name,
                                "expected " + std::string(column.expected) + ", found " + found_text(found[i]));
            if (order_[i] == time_field && *value < time_above_)
                return complain(errc::out_of_range, found[i], column.name,
                                "expected a time not before that of the line above, found " + found_text(found[i]));
            values[order_[i]] = value;
        }
        time_above_ = *values[time_field];
        sample.at = seconds(time_above_);
        if (const auto& x = values[uplink_field]) sample.uplink_rate = bits_per_second(*x);
        if (const auto& x = values[downlink_field]) sample.downlink_rate = bits_per_second(*x);
        if (const auto& x = values[rtt_field]) sample.rtt = seconds(*x);
        if (const auto& x = values[snr_field]) sample.snr = decibels(*x);
        return std::nullopt;
    }

    /// What to say when no line follows the header.
    error no_sample() const {
        return {errc::missing,
                "line 2, column t_s: expected at least one sample below the header, found the end of the file",
                csv_.size()};
    }

private:
    static std::string header() {
        std::string names;
        for (const auto& column : trace_columns) names.append(names.empty() ? "" : ",").append(column.name);
        return names;
    }

    void next_line() {
        line_ = take_until('\n', rest_);
        if (!line_.empty() && line_.back() == '\r') line_.remove_suffix(1);
        ++line_number_;
    }

    std::vector<std::string_view> fields() const {
        std::vector<std::string_view> found;
        auto rest = line_;
        found.push_back(take_until(',', rest));
        while (found.back().data() + found.back().size() != line_.data() + line_.size())
            found.push_back(take_until(',', rest));
        return found;
    }

    std::string_view end_of_line() const { return line_.substr(line_.size()); }

    error complain(errc code, std::string_view where, std::string_view column, std::string_view what) const {
        std::string message = "line " + std::to_string(line_number_) + ", column ";
        message.append(column).append(": ").append(what);
        return {code, std::move(message), static_cast<std::size_t>(where.data() - csv_.data())};
    }

    std::string_view csv_;
    std::string_view rest_;
    std::string_view line_;
    std::size_t line_number_ = 0;
    std::vector<std::size_t> order_;
    double time_above_ = trace_columns[time_field].least;
};

/// A value for every sample: what was not measured goes on as it was, around the loop. Empty if none was measured.
template <any_quantity Q>
std::vector<Q> with_gaps_filled(std::span<const trace_sample> samples, std::optional<Q> trace_sample::*column) {
    const auto measured = [&](const trace_sample& sample) { return (sample.*column).has_value(); };
    const auto last = std::find_if(samples.rbegin(), samples.rend(), measured);
    if (last == samples.rend()) return {};
    std::vector<Q> filled;
    filled.reserve(samples.size());
    auto in_force = *((*last).*column);
    for (const auto& sample : samples) filled.push_back(in_force = (sample.*column).value_or(in_force));
    return filled;
}

}  // namespace detail

inline result<trace> trace::parse(std::string_view csv) {
    detail::trace_reader reader(csv);
    if (auto wrong = reader.read_header()) return std::move(*wrong);
    if (reader.done()) return reader.no_sample();
    std::vector<trace_sample> samples;
    while (!reader.done())
        if (auto wrong = reader.read_sample(samples.emplace_back())) return std::move(*wrong);
    return trace(std::move(samples));
}

inline trace::trace(std::vector<trace_sample> samples)
    : samples_(std::move(samples)),
      uplink_rates_(detail::with_gaps_filled(samples_, &trace_sample::uplink_rate)),
      downlink_rates_(detail::with_gaps_filled(samples_, &trace_sample::downlink_rate)) {
    const seconds last = samples_.back().at;
    const auto before =
        std::find_if(samples_.rbegin(), samples_.rend(), [&](const auto& one) { return one.at < last; });
    const seconds length_of_last = before == samples_.rend() ? 1_s : last - before->at;
    duration_ = begin_of(samples_.size() - 1) + length_of_last;
}

inline seconds trace::place_in_loop(seconds t) const noexcept {
    seconds place(std::fmod((t - samples_.front().at).value(), duration_.value()));
    if (place < seconds{}) place += duration_;
    // False for NaN, and for a tiny negative remainder, which plus the duration rounds to the duration.
    return place < duration_ ? place : seconds{};
}

inline std::size_t trace::index_at(seconds place) const noexcept {
    const auto begins_later = [&](seconds t, const trace_sample& sample) {
        return t < sample.at - samples_.front().at;
    };
    const auto next = std::upper_bound(samples_.begin() + 1, samples_.end(), place, begins_later);
    return static_cast<std::size_t>(next - samples_.begin()) - 1;
}

/// Goes around the loop once from `place`, piece by piece, and stops early when `size` is sent.
inline trace::progress trace::send_for_one_loop(seconds place, bits size,
                                                const std::vector<bits_per_second>& rates) const noexcept {
    const std::size_t count = samples_.size();
    const std::size_t first = index_at(place);
    progress so_far;
    // The first sample comes twice: what is left of it now, and its beginning at the end of the loop.
    for (std::size_t k = 0; k <= count; ++k) {
        const std::size_t i = (first + k) % count;
        const seconds length = (k < count ? end_of(i) : place) - (k == 0 ? place : begin_of(i));
        const bits sent = so_far.sent + rates[i] * length;
        if (sent >= size) return {size, so_far.elapsed + (size - so_far.sent) / rates[i]};
        so_far = {sent, so_far.elapsed + length};
    }
    return so_far;
}

inline seconds trace::transfer_time(seconds start, bits size, direction way) const noexcept {
    constexpr seconds never(std::numeric_limits<double>::infinity());
    constexpr bits everything(std::numeric_limits<double>::infinity());
    if (!(size > bits{})) return seconds{};
    if (!measures(way)) return never;

    const seconds place = place_in_loop(start);
    const progress at_once = send_for_one_loop(place, size, rates(way));
    if (at_once.sent >= size) return at_once.elapsed;  // all but the longest transfers
    const bits per_loop = send_for_one_loop(place, everything, rates(way)).sent;
    if (!(per_loop > bits{})) return never;

    // A size of exactly n loops ends within the n-th, before an outage that closes it: hence ceil - 1.
    double whole_loops = std::max(std::ceil((size / per_loop).value()) - 1, 0.0);
    bits rest = whole_loops > 0 ? size - whole_loops * per_loop : size;
    if (!(rest > bits{})) {  // size / per_loop was rounded up
        whole_loops -= 1;
        rest = per_loop;
    }
    return whole_loops * duration_ + send_for_one_loop(place, smaller(rest, per_loop), rates(way)).elapsed;
}

}  // namespace qlroute
