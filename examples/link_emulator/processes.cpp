#include "processes.hpp"

#include "configured/files.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

namespace {

sigset_t watched() {
    sigset_t set;
    sigemptyset(&set);
    for (const int one : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, one);
    return set;
}

/// In the child: nothing but calls that are safe between fork and exec. Returns only if that failed.
void become(int target, char* const* argv, bool quiet, pid_t parent) {
    const sigset_t set = watched();
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);  // it died before that
    if (quiet) {
        const int nothing = open("/dev/null", O_RDONLY);
        if (nothing >= 0) dup2(nothing, STDIN_FILENO);
    }
    if (setns(target, CLONE_NEWNET) == 0) execvp(argv[0], argv);
}

std::vector<pid_t> descendants() {
    std::multimap<pid_t, pid_t> children;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", none)) {
        const auto pid = static_cast<pid_t>(std::strtol(entry.path().filename().c_str(), nullptr, 10));
        if (pid <= 0) continue;
        // "pid (name) state parent": the name may hold anything
        std::ifstream file(entry.path() / "stat");
        std::string text;
        std::getline(file, text, '\0');
        const auto end = text.rfind(')');
        int parent = 0;
        char state = 0;
        if (end == std::string::npos || std::sscanf(text.c_str() + end + 1, " %c %d", &state, &parent) != 2) continue;
        children.emplace(parent, pid);
    }
    std::vector<pid_t> out{getpid()};
    for (std::size_t i = 0; i < out.size(); ++i)
        for (auto [at, last] = children.equal_range(out[i]); at != last; ++at) out.push_back(at->second);
    out.erase(out.begin());
    return out;
}

}  // namespace

void adopt_descendants() {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const sigset_t set = watched();
    sigprocmask(SIG_BLOCK, &set, nullptr);
}

pid_t start(const network_namespace& where, const std::vector<std::string>& command, const environment& variables,
            bool quiet) {
    for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
    std::vector<std::string> words = command;
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        throw usage_error(std::string("cannot make a pipe: ") + std::strerror(errno));
    const file_descriptor read_end(ends[0]);
    file_descriptor write_end(ends[1]);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) throw usage_error(std::string("cannot start a process: ") + std::strerror(errno));
    if (pid == 0) {
        become(where.get(), argv.data(), quiet, parent);
        const int why = errno;
        if (write(write_end.get(), &why, sizeof why) < 0) _exit(126);
        _exit(127);
    }
    // The pipe closes when the program runs, and says why before that if it does not.
    write_end = file_descriptor();
    int why = 0;
    ssize_t got = 0;
    while ((got = read(read_end.get(), &why, sizeof why)) < 0 && errno == EINTR) continue;
    if (got != sizeof why) return pid;
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
    throw usage_error("cannot run \"" + command.front() + "\" in " + where.name() + ": " + std::strerror(why));
}

event next_event(std::chrono::milliseconds at_most) {
    const auto until = std::chrono::steady_clock::now() + at_most;
    const sigset_t set = watched();
    for (;;) {
        // First the children: several that end may leave one signal.
        int status = 0;
        const pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended > 0)
            return {.ended = ended, .status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
        const auto left =
            std::chrono::duration_cast<std::chrono::nanoseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) return {};
        const timespec wait{.tv_sec = static_cast<time_t>(left.count() / 1'000'000'000),
                            .tv_nsec = static_cast<long>(left.count() % 1'000'000'000)};
        const int signal = sigtimedwait(&set, nullptr, &wait);
        if (signal > 0 && signal != SIGCHLD) return {.signal = signal};
    }
}

void end_descendants(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    constexpr std::chrono::seconds for_the_kernel{5};  // one that cannot even be killed does not keep us
    std::set<pid_t> told;
    for (auto left = descendants(); !left.empty(); left = descendants()) {
        const auto now = std::chrono::steady_clock::now();
        const bool patient = now < until;
        if (now > until + for_the_kernel) return;
        for (const pid_t pid : left) {
            if (!patient) kill(pid, SIGKILL);
            else if (told.insert(pid).second) kill(pid, SIGTERM);
        }
        next_event(std::chrono::milliseconds(patient ? 20 : 5));
    }
}
