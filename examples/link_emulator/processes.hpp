// Programs in network namespaces, and all that they start, until the end.
#pragma once

#include "namespaces.hpp"

#include <sys/types.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

/// The variables that a program finds in its environment beside ours.
using environment = std::vector<std::pair<std::string, std::string>>;

/// Makes this process the parent of whatever its programs leave behind, so that end_descendants() finds it; and has the
/// signals that end it wait until they are asked for. Before any thread is started.
void adopt_descendants();

/// Throws usage_error if it cannot be started, with what the system says. It is sent SIGTERM if this process dies.
/// `quiet`: reads nothing.
pid_t start(const network_namespace& where, const std::vector<std::string>& command, const environment& variables,
            bool quiet);

/// Waits for a child that ends, or a signal to end, for at most so long.
struct event {
    int signal = 0;  ///< SIGINT, SIGTERM or SIGHUP
    pid_t ended = 0;
    int status = 0;  ///< of the one that ended: as a shell counts, 128 + signal for one that was killed
};
event next_event(std::chrono::milliseconds at_most);

/// SIGTERM to all that was started from here and still runs, and after `patience` SIGKILL. At the end there is nothing
/// left of it.
void end_descendants(std::chrono::milliseconds patience);
