// Which words of a dialogue say how hard it is: the user's own, without the documents, tool schemas and wrappers that
// programs put around them.
#pragma once

#include <qlroute/text/message.hpp>
#include <qlroute/text/prompt_features.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace qlroute {

struct scored_text_options {
    std::size_t window = prompt_window_bytes;  ///< bytes that are handed on at most
    std::size_t context_below = 48;            ///< so few bytes from the user need an earlier message to be understood
    std::size_t earlier_user_turns = 0;        ///< so many earlier messages may be added then; 0 = the last one only
};

/// Views of the messages: those of the last one from the user, in its order, then those of earlier ones.
struct scored_text {
    static constexpr std::size_t most_pieces = 16;

    std::array<std::string_view, most_pieces> pieces{};
    std::size_t count = 0;
    std::size_t bytes = 0;  ///< of what counts, before it was cut to the window

    constexpr const std::string_view* begin() const noexcept { return pieces.data(); }
    constexpr const std::string_view* end() const noexcept { return pieces.data() + count; }
};

namespace detail {

constexpr bool is_blank_byte(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }
constexpr bool is_digit_byte(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char lower_byte(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool is_word_byte(char c) noexcept {
    const char low = lower_byte(c);
    return is_digit_byte(c) || (low >= 'a' && low <= 'z') || static_cast<unsigned char>(c) >= 0x80;
}

/// Whether `text` begins with `name`, which is in lower case and has '_' for '_' and '-'.
constexpr bool begins_with_name(std::string_view text, std::string_view name) noexcept {
    if (text.size() < name.size()) return false;
    for (std::size_t i = 0; i < name.size(); ++i)
        if ((text[i] == '-' ? '_' : lower_byte(text[i])) != name[i]) return false;
    return true;
}

/// A part of a text.
struct text_range {
    std::size_t begin = 0;
    std::size_t end = 0;

    constexpr std::size_t size() const noexcept { return end - begin; }
};

/// What is looked at of a text: all of it up to 64 kB, else its first and its last 32 kB.
struct seen_text {
    static constexpr std::size_t most_at_an_end = 32768;

    std::string_view text;
    std::size_t head_end;
    std::size_t tail_begin;  ///< more than head_end only if something is not seen

    constexpr explicit seen_text(std::string_view all) noexcept
        : text(all),
          head_end(all.size() <= 2 * most_at_an_end ? all.size() : most_at_an_end),
          tail_begin(all.size() <= 2 * most_at_an_end ? all.size() : all.size() - most_at_an_end) {}

    constexpr bool sees(text_range r) const noexcept { return r.end <= head_end || r.begin >= tail_begin; }

    /// Without blanks at its ends, as far as they are seen.
    constexpr text_range trimmed(text_range r) const noexcept {
        const std::size_t front = sees(r) ? r.end : std::max(r.begin, head_end);
        const std::size_t back = sees(r) ? r.begin : std::min(r.end, tail_begin);
        while (r.begin < front && is_blank_byte(text[r.begin])) ++r.begin;
        while (r.end > std::max(r.begin, back) && is_blank_byte(text[r.end - 1])) --r.end;
        return r;
    }

    constexpr bool is_blank(text_range r) const noexcept {
        if (!sees(r)) return false;
        while (r.end > r.begin && is_blank_byte(text[r.end - 1])) --r.end;
        return r.end == r.begin;
    }

    /// Whether it has a letter or a digit; what is not seen may have one.
    constexpr bool has_words(text_range r) const noexcept {
        if (!sees(r)) return true;
        while (r.begin < r.end && !is_word_byte(text[r.begin])) ++r.begin;
        return r.begin < r.end;
    }
};

/// Parts of one text that are set aside, in order.
class cut_list {
public:
    static constexpr std::size_t most = 14;

    constexpr std::size_t size() const noexcept { return count_; }
    constexpr text_range operator[](std::size_t i) const noexcept { return cuts_[i]; }
    constexpr void clear() noexcept { count_ = 0; }

    /// Swallows cuts that lie in it, and joins those from which only blanks divide it. Nothing if there is no room.
    constexpr void add(const seen_text& seen, text_range cut) noexcept {
        std::size_t first = count_;
        while (first > 0 && cuts_[first - 1].end > cut.begin) --first;
        std::size_t last = first;
        for (; last < count_ && cuts_[last].begin < cut.end; ++last) {
            cut.begin = std::min(cut.begin, cuts_[last].begin);
            cut.end = std::max(cut.end, cuts_[last].end);
        }
        if (first > 0 && seen.is_blank({cuts_[first - 1].end, cut.begin})) cut.begin = cuts_[--first].begin;
        if (last < count_ && seen.is_blank({cut.end, cuts_[last].begin})) cut.end = cuts_[last++].end;
        if (first == last) {
            if (count_ == most) return;
            for (std::size_t i = count_++; i > first; --i) cuts_[i] = cuts_[i - 1];
        } else {
            for (std::size_t i = last; i < count_; ++i) cuts_[first + 1 + i - last] = cuts_[i];
            count_ -= last - first - 1;
        }
        cuts_[first] = cut;
    }

private:
    std::array<text_range, most> cuts_{};
    std::size_t count_ = 0;
};

/// What is left of a text.
struct kept_text {
    std::array<text_range, cut_list::most + 1> parts{};
    std::size_t count = 0;
    std::size_t bytes = 0;

    /// Parts that were cut out have no blanks at their ends; a text without cuts stays as it is, or is `trim`med too.
    constexpr kept_text(const seen_text& seen, const cut_list& cuts, bool trim) noexcept {
        const std::size_t size = seen.text.size();
        std::size_t begin = 0;
        for (std::size_t i = 0; i <= cuts.size(); ++i) {
            text_range part{begin, i < cuts.size() ? cuts[i].begin : size};
            if (cuts.size() > 0 || trim) part = seen.trimmed(part);
            if (part.size() > 0) parts[count++] = part;
            bytes += part.size();
            if (i < cuts.size()) begin = cuts[i].end;
        }
    }

    constexpr bool has_words(const seen_text& seen) const noexcept {
        for (std::size_t i = 0; i < count; ++i)
            if (seen.has_words(parts[i])) return true;
        return false;
    }
};

/// Finds what programs add to a user's words. Definition: docs/scored-text.md.
class boilerplate_reader {
public:
    static constexpr std::size_t most_fences = 8;

    constexpr explicit boilerplate_reader(const seen_text& seen) noexcept : seen_(seen), text_(seen.text) {
        read({0, seen.head_end});
        read({seen.tail_begin, text_.size()});
        set_layout_aside();
        if (cuts_.size() > 0 && !kept_text(seen, cuts_, true).has_words(seen)) cuts_.clear();
    }

    constexpr const cut_list& cuts() const noexcept { return cuts_; }
    constexpr std::size_t fences() const noexcept { return fence_count_; }
    constexpr text_range fence(std::size_t i) const noexcept { return fences_[i]; }

private:
    static constexpr std::size_t most_open = 16;
    static constexpr std::size_t most_bad_json = 8;
    static constexpr std::size_t most_tag_bytes = 256;
    static constexpr std::size_t long_block = 256;   // bytes, with its tags
    static constexpr std::size_t long_layout = 512;  // bytes, before the question's label
    static constexpr std::size_t none = std::string_view::npos;

    static constexpr std::string_view block_names[] = {"context",
                                                       "contexts",
                                                       "retrieved_context",
                                                       "retrieved_documents",
                                                       "document",
                                                       "documents",
                                                       "document_content",
                                                       "document_contents",
                                                       "doc",
                                                       "docs",
                                                       "passage",
                                                       "passages",
                                                       "search_result",
                                                       "search_results",
                                                       "system_reminder",
                                                       "system_prompt",
                                                       "tool_schema",
                                                       "tool_schemas",
                                                       "tools",
                                                       "functions",
                                                       "tool_result",
                                                       "tool_results",
                                                       "tool_response",
                                                       "function_results",
                                                       "file_content",
                                                       "file_contents",
                                                       "environment_details",
                                                       "environment_context",
                                                       "additional_data"};
    /// The tags go, what is between them stays.
    static constexpr std::string_view question_names[] = {"question",     "query",        "user_query", "user_question",
                                                          "user_message", "user_request", "user_input", "user_prompt"};
    static constexpr std::size_t blocks = std::size(block_names);

    static constexpr std::string_view context_labels[] = {
        "context",   "contexts",          "context information", "document",
        "documents", "retrieved context", "retrieved documents", "search results"};
    static constexpr std::string_view context_openings[] = {"context information is below",
                                                            "use the following pieces of context",
                                                            "use the following pieces of retrieved context"};
    static constexpr std::string_view question_labels[] = {"question",      "user",       "query",
                                                           "user question", "user query", "user input"};

    struct tag {
        std::size_t name = none;
        bool closes = false;
        std::size_t end = 0;
    };

    struct open_tag {
        std::size_t name = 0;
        text_range at;
        bool begins_line = false;
    };

    constexpr char at(std::size_t i, std::size_t stop) const noexcept { return i < stop ? text_[i] : '\n'; }
    constexpr bool begins_line(std::size_t i) const noexcept {
        return i == 0 || (i != seen_.tail_begin && text_[i - 1] == '\n');
    }
    constexpr std::size_t end_of_line(std::size_t from, std::size_t stop) const noexcept {
        return from + std::min(text_.substr(from, stop - from).find('\n'), stop - from);
    }
    /// Past spaces, tabs and carriage returns.
    constexpr std::size_t skip_blanks(std::size_t i, std::size_t stop) const noexcept {
        while (i < stop && text_[i] != '\n' && is_blank_byte(text_[i])) ++i;
        return i;
    }
    constexpr std::size_t skip_lines(std::size_t i, std::size_t stop) const noexcept {
        while (i < stop && is_blank_byte(text_[i])) ++i;
        return i;
    }

    constexpr bool in_block() const noexcept {
        for (std::size_t i = 0; i < open_count_; ++i)
            if (open_[i].name < blocks) return true;
        return false;
    }

    constexpr void read(text_range seen) noexcept {
        std::size_t begin = seen.begin;
        while (begin < seen.end) {
            const bool whole = begins_line(begin) && !in_block();
            if (whole) {
                const std::size_t end = read_json(begin, seen.end);
                if (end > begin) {
                    begin = end;
                    continue;
                }
            }
            const std::size_t end = end_of_line(begin, seen.end);
            if (whole) {
                read_fence({begin, end});
                if (!in_fence_) read_label({begin, end});
            }
            if (!in_fence_) read_tags({begin, end});
            begin = std::min(end + 1, seen.end);
        }
    }

    // Code fences.

    /// A line of three backticks or more; 0 if it is none, 1 if it opens a fence, 2 if it opens or closes one.
    constexpr int fence_kind(text_range line) const noexcept {
        std::size_t i = line.begin;
        while (i < line.end && i < line.begin + 3 && text_[i] == ' ') ++i;
        const std::size_t ticks = i;
        while (i < line.end && text_[i] == '`') ++i;
        if (i < ticks + 3) return 0;
        if (skip_blanks(i, line.end) == line.end) return 2;
        return text_.substr(i, line.end - i).find('`') == none ? 1 : 0;
    }

    constexpr void read_fence(text_range line) noexcept {
        const int kind = fence_kind(line);
        if (!in_fence_ && kind > 0) {
            in_fence_ = true;
            fence_ = line;
        } else if (in_fence_ && kind == 2) {
            in_fence_ = false;
            if (fence_count_ < most_fences) fences_[fence_count_++] = {fence_.begin, line.end};
        }
    }

    // Tool schemas in JSON.

    /// Where the JSON that begins here ends; `begin` if there is none. A tool schema is set aside.
    constexpr std::size_t read_json(std::size_t begin, std::size_t stop) noexcept {
        if (bad_json_ == most_bad_json || (text_[begin] != '{' && text_[begin] != '[')) return begin;
        const std::size_t first = skip_lines(begin + 1, stop);
        if (first == stop || (text_[begin] == '{' ? text_[first] != '"' : text_[first] != '{')) return begin;
        std::size_t end = json_end(begin, stop);
        if (end == begin) {
            ++bad_json_;
            return begin;
        }
        if (!is_tool_schema(text_.substr(begin, end - begin))) return end;
        if (at(end, stop) == ',') ++end;
        text_range cut{begin, end};
        if (in_fence_ && skip_lines(fence_.end, stop) == begin) {
            // The fence around it goes as well.
            const std::size_t closing = skip_lines(end, stop);
            const std::size_t closing_end = end_of_line(closing, stop);
            if (fence_kind({closing, closing_end}) == 2) {
                cut = {fence_.begin, closing_end};
                in_fence_ = false;
            }
        }
        if (at(skip_blanks(cut.end, stop), stop) == '\n') cuts_.add(seen_, cut);
        return cut.end;
    }

    constexpr std::size_t json_end(std::size_t begin, std::size_t stop) const noexcept {
        std::size_t depth = 0;
        bool quoted = false;
        for (std::size_t i = begin; i < stop; ++i) {
            const char c = text_[i];
            if (quoted) {
                if (c == '\n') return begin;
                if (c == '\\') ++i;
                else if (c == '"') quoted = false;
            } else if (c == '"') {
                quoted = true;
            } else if (c == '{' || c == '[') {
                ++depth;
            } else if ((c == '}' || c == ']') && --depth == 0) {
                return i + 1;
            }
        }
        return begin;
    }

    /// Whether `key`, with its quotes, is somewhere followed by a colon and `value`.
    static constexpr bool has_pair(std::string_view json, std::string_view key, std::string_view value) noexcept {
        for (std::size_t i = json.find(key); i != none; i = json.find(key, i)) {
            i += key.size();
            while (i < json.size() && is_blank_byte(json[i])) ++i;
            if (i == json.size() || json[i] != ':') continue;
            ++i;
            while (i < json.size() && is_blank_byte(json[i])) ++i;
            if (json.substr(i, value.size()) == value) return true;
        }
        return false;
    }

    static constexpr bool is_tool_schema(std::string_view json) noexcept {
        if (has_pair(json, "\"type\"", "\"function\"")) return true;
        return has_pair(json, "\"name\"", "\"") && has_pair(json, "\"properties\"", "{") &&
               (has_pair(json, "\"parameters\"", "{") || has_pair(json, "\"input_schema\"", "{") ||
                has_pair(json, "\"inputSchema\"", "{"));
    }

    // Tags.

    constexpr tag tag_at(std::size_t begin, std::size_t stop) const noexcept {
        tag found;
        std::size_t i = begin + 1;
        found.closes = at(i, stop) == '/';
        if (found.closes) ++i;
        std::size_t end = i;
        while (end < stop && end < i + most_tag_bytes &&
               (is_word_byte(text_[end]) || text_[end] == '_' || text_[end] == '-'))
            ++end;
        const std::size_t name = name_of_tag(text_.substr(i, end - i));
        if (name == none) return found;
        stop = std::min(stop, begin + most_tag_bytes);
        if (!found.closes && end < stop && (text_[end] == ' ' || text_[end] == '\t'))
            while (end < stop && text_[end] != '>' && text_[end] != '<') ++end;
        if (end >= stop || text_[end] != '>' || text_[end - 1] == '/') return found;
        found.end = end + 1;
        found.name = name;
        return found;
    }

    static constexpr std::size_t name_of_tag(std::string_view name) noexcept {
        for (std::size_t k = 0; k < blocks + std::size(question_names); ++k) {
            const std::string_view known = k < blocks ? block_names[k] : question_names[k - blocks];
            if (known.size() == name.size() && begins_with_name(name, known)) return k;
        }
        return none;
    }

    constexpr void read_tags(text_range line) noexcept {
        const auto next = [&](std::size_t from) {
            const std::size_t found = text_.substr(from, line.end - from).find('<');
            return found == none ? line.end : from + found;
        };
        for (std::size_t i = next(line.begin); i < line.end;) {
            const tag found = tag_at(i, line.end);
            if (found.name == none) {
                i = next(i + 1);
                continue;
            }
            if (found.closes) close(found, i, line.end);
            else open(found, i);
            i = next(found.end);
        }
    }

    constexpr void open(const tag& found, std::size_t begin) noexcept {
        const bool first = begins_line(begin) || begin == block_end_;
        if ((first || open_count_ > 0) && open_count_ < most_open)
            open_[open_count_++] = {found.name, {begin, found.end}, first};
    }

    constexpr void close(const tag& found, std::size_t begin, std::size_t line_end) noexcept {
        std::size_t k = open_count_;
        while (k > 0 && open_[k - 1].name != found.name) --k;
        if (k == 0) return;
        open_count_ = k - 1;
        const open_tag& opened = open_[k - 1];
        if (!opened.begins_line) return;
        if (found.name >= blocks) {
            cuts_.add(seen_, opened.at);
            cuts_.add(seen_, {begin, found.end});
            return;
        }
        const char after = at(skip_blanks(found.end, line_end), line_end);
        if (after != '\n' && after != '<' && found.end - opened.at.begin < long_block) return;
        cuts_.add(seen_, {opened.at.begin, found.end});
        block_end_ = found.end;
    }

    // Labels: "Context:" ... "Question:".

    /// Where what follows the label begins; 0 if the line does not begin with `name`.
    constexpr std::size_t label_end(text_range line, std::string_view name) const noexcept {
        std::size_t i = line.begin;
        const bool heading = at(i, line.end) == '#';
        while (i < line.end && (text_[i] == '#' || text_[i] == '*')) ++i;
        if (heading) i = skip_blanks(i, line.end);
        if (!begins_with_name(text_.substr(i, line.end - i), name)) return 0;
        i = skip_blanks(i + name.size(), line.end);
        while (i < line.end && (is_digit_byte(text_[i]) || text_[i] == '[' || text_[i] == ']' || text_[i] == '*')) ++i;
        if (heading && skip_blanks(i, line.end) == line.end) return line.end;
        if (i == line.end || text_[i] != ':') return 0;
        ++i;
        while (i < line.end && text_[i] == '*') ++i;
        return i;
    }

    constexpr void read_label(text_range line) noexcept {
        if (context_ == none) {
            for (const std::string_view name : context_labels)
                if (label_end(line, name) > 0) context_ = line.begin;
            for (const std::string_view words : context_openings)
                if (begins_with_name(text_.substr(line.begin, line.end - line.begin), words)) context_ = line.begin;
            return;
        }
        for (const std::string_view name : question_labels)
            if (const std::size_t end = label_end(line, name); end > 0) question_ = {line.begin, end};
    }

    constexpr void set_layout_aside() noexcept {
        if (context_ == none || question_.begin < context_ + long_layout) return;
        if (!seen_.has_words({question_.end, text_.size()})) return;
        const std::size_t stop = question_.end <= seen_.head_end ? seen_.head_end : text_.size();
        const std::string_view asked = text_.substr(question_.end, stop - question_.end);
        const std::size_t options = asked.find("\nA. ");
        if (options != none && asked.find("\nB. ", options) != none) return;
        std::size_t before = context_;
        for (std::size_t i = 0; i < cuts_.size(); ++i)
            if (cuts_[i].end <= context_) before -= cuts_[i].size();
        cuts_.add(seen_, {before < long_layout ? context_ : 0, question_.end});
    }

    seen_text seen_;
    std::string_view text_;
    cut_list cuts_;
    std::array<text_range, most_fences> fences_{};
    std::size_t fence_count_ = 0;
    bool in_fence_ = false;
    text_range fence_;  // the opening line of the one that is open
    std::array<open_tag, most_open> open_{};
    std::size_t open_count_ = 0;
    std::size_t block_end_ = none;
    std::size_t bad_json_ = 0;
    std::size_t context_ = none;
    text_range question_;
};

/// Adds one message to what is scored.
class window_writer {
public:
    constexpr window_writer(scored_text& out, std::string_view text, std::size_t window) noexcept
        : out_(out), seen_(text), window_(window) {}

    constexpr void write() noexcept {
        if (seen_.text.empty()) return;
        const boilerplate_reader reader(seen_);
        kept_text kept(seen_, reader.cuts(), false);
        out_.bytes += kept.bytes;
        if (kept.bytes > window_) kept = shortened(reader);
        if (kept.bytes <= window_) return write(kept, kept.bytes, 0);
        const std::size_t head = head_bytes(kept);
        write(kept, head, window_ - head);
    }

private:
    /// Without blanks at the ends; and long code in fences gives way first, where there are words besides it.
    constexpr kept_text shortened(const boilerplate_reader& reader) const noexcept {
        cut_list cuts = reader.cuts();
        cut_list outside = cuts;
        for (std::size_t i = 0; i < reader.fences(); ++i) {
            const text_range fence = reader.fence(i);
            outside.add(seen_, fence);
            if (fence.size() > window_ / 4) cuts.add(seen_, {fence.begin + window_ / 8, fence.end - window_ / 8});
        }
        const kept_text whole(seen_, reader.cuts(), true);
        if (whole.bytes == 0) return {seen_, reader.cuts(), false};
        return kept_text(seen_, outside, true).has_words(seen_) ? kept_text(seen_, cuts, true) : whole;
    }

    /// Bytes from the beginning: half of the window, or what leaves room for a long question at the end, or holds a
    /// long instruction at the beginning.
    constexpr std::size_t head_bytes(const kept_text& kept) const noexcept {
        const std::size_t half = window_ / 2;
        const std::size_t most = std::min(window_ - window_ / 4, seen_text::most_at_an_end);
        const std::size_t asked = question_bytes(kept.parts[kept.count - 1], most);
        const std::size_t told = instruction_bytes(kept.parts[0], most);
        if (asked > window_ - half) return window_ - asked;
        if (told > half) return std::min(told, window_ - asked);
        return half;
    }

    /// Of the last paragraph if it asks and is no longer than `most`, or else of the last line; 0 if neither.
    constexpr std::size_t question_bytes(text_range part, std::size_t most) const noexcept {
        const std::string_view text =
            seen_.text.substr(part.end - std::min(part.size(), most), std::min(part.size(), most));
        if (!seen_.sees({part.end - text.size(), part.end})) return 0;
        std::size_t end = text.size();
        while (end > 0 && is_closing(text[end - 1])) --end;
        if (!asks(text.substr(0, end))) return 0;
        std::size_t last_line = 0;
        std::size_t line = 0;  // where the one that was read last begins
        bool blank = false;
        for (std::size_t i = text.size(); i > 0; --i) {
            if (text[i - 1] != '\n') {
                blank = blank && is_blank_byte(text[i - 1]);
                continue;
            }
            if (blank) return text.size() - line;
            line = i;
            blank = true;
            if (last_line == 0) last_line = text.size() - i;
        }
        return text.size() == part.size() ? text.size() : last_line;
    }

    /// Of the first paragraph if it is an instruction and no longer than `most`; else 0.
    constexpr std::size_t instruction_bytes(text_range part, std::size_t most) const noexcept {
        const std::string_view text = seen_.text.substr(part.begin, std::min(part.size(), most));
        if (!seen_.sees({part.begin, part.begin + text.size()})) return 0;
        std::size_t end = 0;
        for (bool blank = false; end < text.size(); ++end) {
            if (text[end] == '\n' && blank) break;
            blank = text[end] == '\n' || (blank && is_blank_byte(text[end]));
        }
        if (end == text.size() && part.size() > end) return 0;
        while (end > 0 && is_blank_byte(text[end - 1])) --end;
        if (end == 0) return 0;
        if (text[end - 1] == ':' || asks(text.substr(0, end))) return end;
        for (const std::string_view verb : instruction_verbs)
            if (begins_with_name(text, verb) && (verb.size() == end || !is_word_byte(text[verb.size()]))) return end;
        return 0;
    }

    static constexpr bool is_closing(char c) noexcept {
        return std::string_view("\"')]*_").find(c) != std::string_view::npos;
    }

    /// Whether it ends with a question mark: Latin, full width or Arabic.
    static constexpr bool asks(std::string_view text) noexcept {
        return text.ends_with('?') || text.ends_with("\xEF\xBC\x9F") || text.ends_with("\xD8\x9F");
    }

    /// Bytes [0, head) and the last `tail` of all parts together.
    constexpr void write(const kept_text& kept, std::size_t head, std::size_t tail) noexcept {
        const std::size_t tail_begin = kept.bytes - tail;
        std::size_t before = 0;
        for (std::size_t i = 0; i < kept.count; ++i) {
            const text_range part = kept.parts[i];
            const std::size_t first = std::min(part.size(), head - std::min(head, before));
            add(part.begin, part.begin + first);
            const std::size_t last = tail_begin - std::min(tail_begin, before);
            if (last < part.size()) add(part.begin + std::max(first, last), part.end);
            before += part.size();
        }
    }

    constexpr void add(std::size_t begin, std::size_t end) noexcept {
        if (begin < end && out_.count < scored_text::most_pieces)
            out_.pieces[out_.count++] = seen_.text.substr(begin, end - begin);
    }

    static constexpr std::string_view instruction_verbs[] = {
        "please",  "summarise", "summarize", "translate", "rewrite", "rephrase", "proofread", "correct", "explain",
        "extract", "list",      "find",      "fix",       "review",  "analyse",  "analyze",   "compare", "classify",
        "answer",  "convert",   "describe",  "write",     "reply",   "shorten",  "edit",      "check"};

    scored_text& out_;
    seen_text seen_;
    std::size_t window_;
};

}  // namespace detail

/// What to score of a dialogue: the last message from the user without boilerplate, and, where that is too short to be
/// understood and the options allow it, earlier ones behind it. Plain messages up to the window are one piece, byte for
/// byte; longer ones lose their middle. Where nothing would be left, the message stays whole. Without a message from
/// the user, or with an empty one, there is no piece.
/// Linear in the bytes looked at: at most the first and the last 32 kB of a message. Allocates nothing, and cannot
/// fail. Thread-safe. Definition: docs/scored-text.md.
constexpr scored_text text_to_score(std::span<const message> dialogue,
                                    const scored_text_options& options = {}) noexcept {
    scored_text out;
    std::size_t room = options.window;
    std::size_t turns = 0;
    for (std::size_t i = dialogue.size(); i > 0 && turns <= options.earlier_user_turns; --i) {
        if (dialogue[i - 1].from != role::user) continue;
        if (turns > 0 && out.bytes >= options.context_below) break;
        const std::size_t first = out.count;
        detail::window_writer(out, dialogue[i - 1].text, room).write();
        for (std::size_t k = first; k < out.count; ++k) room -= out.pieces[k].size();
        ++turns;
    }
    return out;
}

}  // namespace qlroute
