// Server-sent events, taken apart as they come, whatever the borders of the chunks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// One event: all of its bytes, with the blank line that ends it, and what its data: lines say.
struct sse_event {
    std::string_view raw;
    std::string_view data;
};

/// Lines end with \n, \r\n or \r. Views are valid during the call only.
class sse_splitter {
public:
    /// Calls `take(sse_event)` for each event that is complete now, until it says false. False where `take` did.
    bool feed(std::string_view bytes, auto&& take) {
        pending_ += bytes;
        std::size_t from = 0;
        bool goes_on = true;
        while (goes_on) {
            const std::size_t end = end_of_event(from);
            if (end == std::string::npos) break;
            const std::string_view raw = std::string_view(pending_).substr(from, end - from);
            read_data(raw);
            goes_on = take(sse_event{raw, data_});
            from = end;
            looked_at_ = end;
        }
        pending_.erase(0, from);
        looked_at_ = looked_at_ > from ? looked_at_ - from : 0;
        return goes_on;
    }

    /// What came after the last event.
    std::string_view rest() const { return pending_; }

private:
    /// Behind the next blank line, or npos. A \r that is the last byte may be half of a \r\n.
    std::size_t end_of_event(std::size_t from) {
        std::size_t line = looked_at_ > from ? looked_at_ : from;
        for (;;) {
            const std::size_t at = pending_.find_first_of("\r\n", line);
            if (at == std::string::npos) break;
            if (pending_[at] == '\r' && at + 1 == pending_.size()) break;
            const std::size_t next = at + (pending_[at] == '\r' && pending_[at + 1] == '\n' ? 2 : 1);
            if (at == line) return next;
            line = next;
        }
        looked_at_ = line;  // lines before it are whole and not blank
        return std::string::npos;
    }

    void read_data(std::string_view raw) {
        data_.clear();
        bool first = true;
        while (!raw.empty()) {
            const std::size_t end = raw.find_first_of("\r\n");
            std::string_view line = raw.substr(0, end);
            raw.remove_prefix(end == std::string_view::npos ? raw.size() : end + 1);
            if (!line.starts_with("data:")) continue;
            line.remove_prefix(5);
            if (line.starts_with(' ')) line.remove_prefix(1);
            if (!first) data_ += '\n';
            data_ += line;
            first = false;
        }
    }

    std::string pending_;
    std::size_t looked_at_ = 0;
    std::string data_;
};
