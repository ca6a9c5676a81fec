// What is printed of a turn, and of all of them.
#pragma once

#include "routed_chat.hpp"

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

/// One JSON object and the end of the line. The reply's text is in it only where `with_text`.
void print_json(std::ostream& out, const std::string& id, std::size_t turn, const turn_report& report, bool with_text);

/// Predicted and measured seconds side by side.
void print_turn(std::ostream& out, const turn_report& report);

/// Medians of |predicted - measured|, over all turns and apart for stays, switches and first turns.
class error_medians {
public:
    void add(const turn_report& report, bool is_first);
    void print(std::ostream& out) const;

private:
    struct row {
        turn_times predicted;
        turn_times measured;
        bool is_first = false;
        bool switched = false;
    };
    std::vector<row> rows_;
};
