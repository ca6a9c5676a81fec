// The decision log: a JSON object a line.
#pragma once

#include "request_record.hpp"

#include <mutex>
#include <string>

/// Thread-safe. A line is written whole, or reported as lost on standard error.
class decision_log {
public:
    /// "-" is standard output, empty is none. Throws usage_error where the file cannot be written.
    explicit decision_log(const std::string& path);
    ~decision_log();
    decision_log(const decision_log&) = delete;
    decision_log& operator=(const decision_log&) = delete;

    void write(const request_record& record);

private:
    int file_ = -1;
    std::string path_;
    std::mutex guard_;
    bool complained_ = false;
};

/// Of the log, without the line's end.
std::string log_line(const request_record& record, double unix_time);
