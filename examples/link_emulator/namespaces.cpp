#include "namespaces.hpp"

#include "configured/files.hpp"

#include <qlroute/io/number.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

using namespace qlroute;

namespace {

const std::string run_netns = "/run/netns/";

std::string reason(int code) { return std::strerror(code); }

/// What `ip` said, and whether it did what it should.
struct ip_result {
    bool done = false;
    std::string said;
};

ip_result run_ip(const std::vector<std::string>& arguments) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw usage_error("cannot make a pipe: " + reason(errno));
    const file_descriptor read_end(ends[0]);
    file_descriptor write_end(ends[1]);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
    std::string program = "ip";
    std::vector<char*> argv{program.data()};
    auto copies = arguments;
    for (auto& one : copies) argv.push_back(one.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int failed = posix_spawnp(&pid, "ip", &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failed == ENOENT)
        throw usage_error("there is no program `ip` in the path; install iproute2 (Debian: apt install iproute2)");
    if (failed != 0) throw usage_error("cannot run `ip`: " + reason(failed));
    write_end = file_descriptor();
    ip_result out;
    std::array<char, 4096> buffer;
    for (;;) {
        const ssize_t got = read(read_end.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (out.said.size() < 10'000) out.said.append(buffer.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    out.done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    while (!out.said.empty() && out.said.back() == '\n') out.said.pop_back();
    return out;
}

void must_ip(const std::vector<std::string>& arguments) {
    const ip_result ran = run_ip(arguments);
    if (ran.done) return;
    std::string command = "ip";
    for (const auto& one : arguments) command += ' ' + one;
    throw usage_error('`' + command + "` failed: " + ran.said);
}

file_descriptor open_namespace(const std::string& name) {
    return file_descriptor(open((run_netns + name).c_str(), O_RDONLY | O_CLOEXEC));
}

void check_name(const std::string& name) {
    if (name.empty() || name.size() > 200 || name.find('/') != std::string::npos || name.front() == '.' ||
        name.front() == '-')
        throw usage_error("expected the name of a network namespace such as qlr-device, got " + detail::quoted(name));
}

}  // namespace

void check_rights() {
    const file_descriptor tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    const int why = errno;
    // Root in a container may lack the right; then the first `ip` says so.
    if (geteuid() != 0)
        throw usage_error("only root may make network namespaces and TUN devices; run it with sudo, or as root");
    if (tun) return;
    if (why == ENOENT || why == ENODEV || why == ENXIO)
        throw usage_error(
            "there is no /dev/net/tun; load the module (modprobe tun), or give the container that device");
    throw usage_error("cannot open /dev/net/tun: " + reason(why));
}

// --- namespaces ----------------------------------------------------------------------------------

inside_namespace::inside_namespace(int target) : home_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (!home_ || setns(target, CLONE_NEWNET) != 0)
        throw usage_error("cannot enter a network namespace: " + reason(errno) + "; it needs CAP_SYS_ADMIN");
}

inside_namespace::~inside_namespace() {
    if (setns(home_.get(), CLONE_NEWNET) == 0) return;
    std::perror("qlroute-link: cannot leave a network namespace");  // everything after that would be in the wrong place
    std::abort();
}

network_namespace network_namespace::create(const std::string& name) {
    check_name(name);
    if (open_namespace(name)) {
        const bool is_used = run_ip({"-n", name, "link", "show", "dev", link_device}).done;
        throw usage_error("the network namespace " + name + " exists already, " +
                          (is_used ? "and a link is up in it; choose other names for a second one (--device-namespace, "
                                     "--edge-namespace)"
                                   : "left by a qlroute-link that was killed, or not one of its; remove it with: ip "
                                     "netns del " +
                                         name + "; or use it as it is with --existing"));
    }
    must_ip({"netns", "add", name});
    network_namespace out(name, open_namespace(name), true);
    if (!out.handle_) {
        run_ip({"netns", "del", name});
        throw usage_error("cannot open " + run_netns + name + " after `ip netns add`: " + reason(errno));
    }
    must_ip({"-n", name, "link", "set", "lo", "up"});
    return out;
}

network_namespace network_namespace::existing(const std::string& name) {
    check_name(name);
    file_descriptor handle = open_namespace(name);
    if (!handle)
        throw usage_error("there is no network namespace " + name + " (" + run_netns + name + ": " + reason(errno) +
                          "); make it with: ip netns add " + name + "; or leave out --existing");
    if (run_ip({"-n", name, "link", "show", "dev", link_device}).done)
        throw usage_error("a link is up already in the network namespace " + name + ": it has a device " + link_device);
    return network_namespace(name, std::move(handle), false);
}

network_namespace::~network_namespace() {
    if (!handle_ || !is_ours_) return;
    try {
        must_ip({"netns", "del", name_});
    } catch (const std::exception& why) {
        std::fprintf(stderr, "qlroute-link: %s; remove the network namespace with: ip netns del %s\n", why.what(),
                     name_.c_str());
    }
}

// --- devices -------------------------------------------------------------------------------------

file_descriptor open_link_device(const network_namespace& where, const std::string& own, const std::string& peer) {
    file_descriptor tun;
    {
        const inside_namespace here(where.get());
        tun = file_descriptor(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
        ifreq request{};
        request.ifr_flags = IFF_TUN | IFF_NO_PI;
        std::strncpy(request.ifr_name, link_device, IFNAMSIZ - 1);
        if (!tun || ioctl(tun.get(), TUNSETIFF, &request) != 0)
            throw usage_error(std::string("cannot make the TUN device ") + link_device + " in " + where.name() + ": " +
                              reason(errno));
        // No packets that nobody asked for. Where the kernel has no IPv6, there is no such file and nothing to do.
        std::ofstream(std::string("/proc/sys/net/ipv6/conf/") + link_device + "/disable_ipv6") << 1;
    }
    must_ip({"-n", where.name(), "addr", "add", own, "peer", peer, "dev", link_device});
    must_ip({"-n", where.name(), "link", "set", link_device, "up"});
    return tun;
}

// --- listeners -----------------------------------------------------------------------------------

std::string listener_on(const network_namespace& where, const std::string& address, int port) {
    const inside_namespace here(where.get());
    std::string elsewhere;
    for (const bool six : {false, true}) {
        // sl, local_address, rem_address, st: addresses as hexadecimal words of the machine
        std::ifstream table(six ? "/proc/thread-self/net/tcp6" : "/proc/thread-self/net/tcp");
        std::string line;
        while (std::getline(table, line)) {
            std::array<char, 40> local{};
            unsigned local_port = 0, state = 0;
            if (std::sscanf(line.c_str(), " %*d: %39[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x", local.data(), &local_port,
                            &state) != 3)
                continue;
            constexpr unsigned listening = 0x0A;
            if (state != listening || local_port != static_cast<unsigned>(port)) continue;
            const std::string hex = local.data();
            if (hex.find_first_not_of('0') == std::string::npos) return address;  // of every address
            if (six) continue;
            const in_addr found{.s_addr = static_cast<in_addr_t>(std::strtoul(hex.c_str(), nullptr, 16))};
            std::array<char, INET_ADDRSTRLEN> text{};
            inet_ntop(AF_INET, &found, text.data(), text.size());
            if (address == text.data()) return address;
            elsewhere = text.data();
        }
    }
    return elsewhere;
}
