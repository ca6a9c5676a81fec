// What a user would otherwise pick, to be trained on the same rows as a predictor that is evaluated: scikit-learn's
// usual TF-IDF with logistic regression, and the nearest neighbours. Definitions: docs/evaluation.md.
//
//   const auto words = eval::tfidf::fit(training_texts);
//   const auto rows = words.rows(training_texts);
//   const auto model = eval::logistic::fit(rows, labels);
//   const auto neighbours = eval::nearest::fit(rows, labels);
//   const double p = model(words(text)), q = neighbours(words(text));
#pragma once

#include <qlroute/core/config.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace qlroute::eval {

/// One value of a row that is not zero.
struct sparse_value {
    std::uint32_t column = 0;
    double value = 0;
};

/// Rows of which most values are zero. Like a vector, it may be read in several threads at once.
class sparse_rows {
public:
    /// No column may occur twice.
    void push_back(std::span<const sparse_value> row) {
        for (const sparse_value& each : row) columns_ = std::max<std::size_t>(columns_, each.column + std::size_t{1});
        values_.insert(values_.end(), row.begin(), row.end());
        starts_.push_back(values_.size());
    }

    std::size_t size() const noexcept { return starts_.size() - 1; }
    /// One more than the largest column that occurs.
    std::size_t columns() const noexcept { return columns_; }
    std::span<const sparse_value> operator[](std::size_t row) const noexcept {
        return std::span(values_).subspan(starts_[row], starts_[row + 1] - starts_[row]);
    }

private:
    std::vector<sparse_value> values_;
    std::vector<std::size_t> starts_{0};
    std::size_t columns_ = 0;
};

/// Words and pairs of words of a text, the rarer the heavier. A word is a run of two or more of `A-Z a-z 0-9 _` and
/// bytes from 0x80, `A-Z` lower-cased; a pair is two words with no other word between them. Of n texts, df hold the
/// term; terms of one text are left out. Where the text holds it tf times,
///
///     value = (1 + ln tf) idf / length,   idf = ln((1 + n) / (1 + df)) + 1,   length: so that the row's is 1
///
/// As scikit-learn's TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), apart from characters outside
/// ASCII: all of them are in words there only if they are letters or digits, and are lower-cased. Thread-safe once
/// fitted.
class tfidf {
public:
    static tfidf fit(std::span<const std::string_view> texts) {
        struct seen {
            std::size_t texts = 0;
            std::size_t last = 0;  // counted from 1
        };
        std::unordered_map<std::string, std::uint32_t> numbers;  // by first appearance
        std::vector<seen> terms;
        std::vector<const std::string*> names;
        for (std::size_t text = 1; text <= texts.size(); ++text)
            for_each_term(texts[text - 1], [&](const std::string& term) {
                const auto [at, is_new] = numbers.try_emplace(term, static_cast<std::uint32_t>(terms.size()));
                if (is_new) {
                    terms.emplace_back();
                    names.push_back(&at->first);
                }
                seen& one = terms[at->second];
                if (one.last != text) ++one.texts;
                one.last = text;
            });
        tfidf fitted;
        for (std::size_t k = 0; k < terms.size(); ++k) {
            if (terms[k].texts < least_texts) continue;
            fitted.columns_.emplace(*names[k], static_cast<std::uint32_t>(fitted.idf_.size()));
            const double df = static_cast<double>(terms[k].texts);
            fitted.idf_.push_back(std::log((1 + static_cast<double>(texts.size())) / (1 + df)) + 1);
        }
        return fitted;
    }

    /// The row of one text, by column. Terms that were not fitted do not count; without any the row is empty.
    std::vector<sparse_value> operator()(std::string_view text) const {
        std::vector<std::uint32_t> found;
        for_each_term(text, [&](const std::string& term) {
            if (const auto at = columns_.find(term); at != columns_.end()) found.push_back(at->second);
        });
        std::sort(found.begin(), found.end());
        std::vector<sparse_value> row;
        double square = 0;
        for (auto at = found.begin(); at != found.end();) {
            const auto next = std::upper_bound(at, found.end(), *at);
            const double value = (1 + std::log(static_cast<double>(next - at))) * idf_[*at];
            row.push_back({*at, value});
            square += value * value;
            at = next;
        }
        for (sparse_value& each : row) each.value /= std::sqrt(square);
        return row;
    }

    sparse_rows rows(std::span<const std::string_view> texts) const {
        sparse_rows all;
        for (const std::string_view text : texts) all.push_back((*this)(text));
        return all;
    }

    /// How many terms there are.
    std::size_t columns() const noexcept { return idf_.size(); }
    /// Of a word, or of a pair with a blank between its words, in lower case. Columns are in the order in which the
    /// terms first appear.
    std::optional<std::uint32_t> column_of(const std::string& term) const {
        const auto at = columns_.find(term);
        return at == columns_.end() ? std::nullopt : std::optional(at->second);
    }
    double idf(std::uint32_t column) const noexcept { return idf_[column]; }

private:
    static constexpr std::size_t least_texts = 2;
    static constexpr std::size_t least_bytes = 2;

    static bool in_word(char c) noexcept {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               static_cast<unsigned char>(c) >= 0x80;
    }

    template <class Use>
    static void for_each_term(std::string_view text, const Use& use) {
        std::string previous, word, pair;
        for (std::size_t at = 0; at < text.size(); ++at) {
            if (!in_word(text[at])) continue;
            word.clear();
            for (; at < text.size() && in_word(text[at]); ++at) {
                const char c = text[at];
                word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
            }
            if (word.size() < least_bytes) continue;
            use(word);
            if (!previous.empty()) use((pair = previous) += ' ' + word);
            previous.swap(word);
        }
    }

    std::unordered_map<std::string, std::uint32_t> columns_;
    std::vector<double> idf_;
};

/// Logistic regression: probability = 1 / (1 + exp(-(w x + b))), where w and b make
///
///     |w|^2 / 2 + c sum over rows of -(y ln p + (1 - y) ln(1 - p))
///
/// least, for labels y in 0..1; the intercept b is free of penalty. As scikit-learn's LogisticRegression(C=c), solved
/// to a gradient of at most 1e-8 max(1, c). If every label is 0, or every one 1, so is every probability; without rows
/// it is 1/2. Thread-safe once fitted.
class logistic {
public:
    static logistic fit(const sparse_rows& rows, std::span<const double> labels, double c = 1) {
        QLROUTE_EXPECTS(rows.size() == labels.size());
        QLROUTE_EXPECTS(c > 0);
        logistic fitted;
        fitted.weights_.assign(rows.columns(), 0);
        if (labels.empty()) return fitted;
        const double mean = std::accumulate(labels.begin(), labels.end(), 0.0) / static_cast<double>(labels.size());
        fitted.intercept_ = std::log(mean) - std::log1p(-mean);
        if (std::isfinite(fitted.intercept_)) newton(rows, labels, c).solve(fitted);
        return fitted;
    }

    /// The probability of one row. Columns that were not fitted do not count.
    double operator()(std::span<const sparse_value> row) const noexcept {
        double z = intercept_;
        for (const sparse_value& each : row)
            if (each.column < weights_.size()) z += weights_[each.column] * each.value;
        return probability(z);
    }

    std::span<const double> weights() const noexcept { return weights_; }
    double intercept() const noexcept { return intercept_; }

private:
    using numbers = std::vector<double>;

    static double probability(double z) noexcept { return 1 / (1 + std::exp(-z)); }
    static double dot(const numbers& a, const numbers& b) noexcept {
        return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
    }

    /// Newton's method; each step is found by conjugate gradients, preconditioned with the diagonal of the Hessian, and
    /// shortened until it lowers the loss. The last of the unknowns is the intercept.
    class newton {
    public:
        newton(const sparse_rows& rows, std::span<const double> labels, double c)
            : rows_(rows), labels_(labels), c_(c) {}

        void solve(logistic& fitted) const {
            numbers x = fitted.weights_;
            x.push_back(fitted.intercept_);
            numbers margins = times(x);
            for (int k = 0; k < most_steps; ++k) {
                const numbers gradient = gradient_at(x, margins);
                if (std::sqrt(dot(gradient, gradient)) <= 1e-8 * std::max(1.0, c_)) break;
                const numbers step = step_from(gradient, margins);
                if (!walk(x, margins, gradient, step)) break;
            }
            fitted.intercept_ = x.back();
            x.pop_back();
            fitted.weights_ = std::move(x);
        }

    private:
        static constexpr int most_steps = 100;
        static constexpr int most_halvings = 40;

        /// Rows times unknowns.
        numbers times(const numbers& x) const {
            numbers out(rows_.size(), x.back());
            for (std::size_t i = 0; i < out.size(); ++i)
                for (const sparse_value& each : rows_[i]) out[i] += x[each.column] * each.value;
            return out;
        }

        /// Unknowns times (1, ..., 1, 0) plus c times the transposed rows times `of_row`.
        numbers penalised(const numbers& x, const numbers& of_row) const {
            numbers out = x;
            out.back() = 0;
            for (std::size_t i = 0; i < of_row.size(); ++i) {
                for (const sparse_value& each : rows_[i]) out[each.column] += c_ * of_row[i] * each.value;
                out.back() += c_ * of_row[i];
            }
            return out;
        }

        numbers gradient_at(const numbers& x, const numbers& margins) const {
            numbers off(margins.size());
            for (std::size_t i = 0; i < off.size(); ++i) off[i] = probability(margins[i]) - labels_[i];
            return penalised(x, off);
        }

        /// -gradient / Hessian, as far as it is worth while.
        numbers step_from(const numbers& gradient, const numbers& margins) const {
            numbers curvature(margins.size());
            numbers diagonal(gradient.size(), 1);
            diagonal.back() = 0;
            for (std::size_t i = 0; i < margins.size(); ++i) {
                const double p = probability(margins[i]);
                curvature[i] = p * (1 - p);
                for (const sparse_value& each : rows_[i])
                    diagonal[each.column] += c_ * curvature[i] * each.value * each.value;
                diagonal.back() += c_ * curvature[i];
            }
            if (diagonal.back() == 0) diagonal.back() = 1;
            const auto scaled = [&](const numbers& r) {
                numbers out(r.size());
                std::transform(r.begin(), r.end(), diagonal.begin(), out.begin(),
                               [](double a, double d) { return a / d; });
                return out;
            };

            numbers step(gradient.size(), 0), residual(gradient.size());
            std::transform(gradient.begin(), gradient.end(), residual.begin(), [](double g) { return -g; });
            numbers towards = scaled(residual);
            double energy = dot(residual, towards);
            const double size = std::sqrt(dot(gradient, gradient));
            const double enough = size * std::min(0.1, std::sqrt(size));
            for (std::size_t k = 0; k < gradient.size() && std::sqrt(dot(residual, residual)) > enough; ++k) {
                numbers bent = times(towards);
                for (std::size_t i = 0; i < bent.size(); ++i) bent[i] *= curvature[i];
                const numbers image = penalised(towards, bent);
                const double bend = dot(towards, image);
                if (!(bend > 0)) break;
                const double length = energy / bend;
                for (std::size_t j = 0; j < step.size(); ++j) {
                    step[j] += length * towards[j];
                    residual[j] -= length * image[j];
                }
                const numbers next = scaled(residual);
                const double left = dot(residual, next);
                for (std::size_t j = 0; j < step.size(); ++j) towards[j] = next[j] + left / energy * towards[j];
                energy = left;
            }
            return step;
        }

        /// Goes along the step as far as the loss falls; whether it got anywhere.
        bool walk(numbers& x, numbers& margins, const numbers& gradient, const numbers& step) const {
            const numbers change = times(step);
            const double slope = dot(gradient, step);
            const double before = loss(x, margins);
            double length = 1;
            for (int k = 0; k < most_halvings; ++k, length /= 2) {
                numbers to = x, margins_there = margins;
                for (std::size_t j = 0; j < to.size(); ++j) to[j] += length * step[j];
                for (std::size_t i = 0; i < margins.size(); ++i) margins_there[i] += length * change[i];
                // near the optimum the loss falls by less than it is rounded
                if (loss(to, margins_there) > before + 1e-4 * length * slope + 1e-12 * std::abs(before)) continue;
                x = std::move(to);
                margins = std::move(margins_there);
                return true;
            }
            return false;
        }

        double loss(const numbers& x, const numbers& margins) const {
            double sum = 0;
            for (std::size_t i = 0; i < margins.size(); ++i) {
                const double z = margins[i];
                sum += std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))) - labels_[i] * z;
            }
            return (dot(x, x) - x.back() * x.back()) / 2 + c_ * sum;
        }

        const sparse_rows& rows_;
        std::span<const double> labels_;
        double c_;
    };

    numbers weights_;
    double intercept_ = 0;
};

/// The labels of the most similar rows: over the k rows of the largest cosine, among equals the first,
///
///     sum of cosine^2 label / sum of cosine^2
///
/// Only rows of a positive cosine count; where there is none, it is the mean of all labels (1/2 without rows). Rows
/// need not be of length 1. Thread-safe once fitted.
class nearest {
public:
    static nearest fit(const sparse_rows& rows, std::span<const double> labels, std::size_t k = 60) {
        QLROUTE_EXPECTS(rows.size() == labels.size());
        nearest fitted;
        fitted.k_ = k;
        fitted.labels_.assign(labels.begin(), labels.end());
        if (!labels.empty())
            fitted.mean_ = std::accumulate(labels.begin(), labels.end(), 0.0) / static_cast<double>(labels.size());
        fitted.columns_.resize(rows.columns());
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const double length = length_of(rows[i]);
            for (const sparse_value& each : rows[i])
                if (each.value != 0) fitted.columns_[each.column].push_back({i, each.value / length});
        }
        return fitted;
    }

    double operator()(std::span<const sparse_value> row) const {
        // The length of the row asked for changes neither the order nor the ratio of the weights.
        std::vector<double> cosines(labels_.size(), 0);
        for (const sparse_value& each : row)
            if (each.column < columns_.size())
                for (const auto& [other, value] : columns_[each.column]) cosines[other] += each.value * value;
        std::vector<std::size_t> similar;
        for (std::size_t i = 0; i < cosines.size(); ++i)
            if (cosines[i] > 0) similar.push_back(i);
        const std::size_t used = std::min(k_, similar.size());
        std::partial_sort(
            similar.begin(), similar.begin() + static_cast<std::ptrdiff_t>(used), similar.end(),
            [&](std::size_t a, std::size_t b) { return cosines[a] != cosines[b] ? cosines[a] > cosines[b] : a < b; });
        double sum = 0, weights = 0;
        for (std::size_t n = 0; n < used; ++n) {
            const double weight = cosines[similar[n]] * cosines[similar[n]];
            sum += weight * labels_[similar[n]];
            weights += weight;
        }
        return weights > 0 ? sum / weights : mean_;
    }

private:
    struct posting {
        std::size_t row;
        double value;  // of the row at length 1
    };

    static double length_of(std::span<const sparse_value> row) noexcept {
        double square = 0;
        for (const sparse_value& each : row) square += each.value * each.value;
        return std::sqrt(square);
    }

    std::vector<std::vector<posting>> columns_;
    std::vector<double> labels_;
    double mean_ = 0.5;
    std::size_t k_ = 60;
};

}  // namespace qlroute::eval
