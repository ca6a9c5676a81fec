// Two network namespaces with a TUN device in each, removed again at the end.
#pragma once

#include "file_descriptor.hpp"

#include <string>

/// Runs in the namespace that a descriptor names, and goes back at the end of the scope. Of the calling thread only.
class inside_namespace {
public:
    /// Throws usage_error.
    explicit inside_namespace(int target);
    inside_namespace(const inside_namespace&) = delete;
    inside_namespace& operator=(const inside_namespace&) = delete;
    ~inside_namespace();

private:
    file_descriptor home_;
};

/// A named network namespace: made here and removed at the end, or one that was there and stays.
class network_namespace {
public:
    /// Throws usage_error, where it exists with what to do about that.
    static network_namespace create(const std::string& name);
    static network_namespace existing(const std::string& name);

    network_namespace(network_namespace&&) = default;
    network_namespace& operator=(network_namespace&&) = delete;
    ~network_namespace();

    const std::string& name() const { return name_; }
    int get() const { return handle_.get(); }

private:
    network_namespace(std::string name, file_descriptor handle, bool is_ours)
        : name_(std::move(name)), handle_(std::move(handle)), is_ours_(is_ours) {}

    std::string name_;
    file_descriptor handle_;  // empty once moved from
    bool is_ours_;
};

/// The name of the TUN device in both.
inline constexpr const char* link_device = "qlr0";

/// Opens a TUN device that is there as long as its descriptor, with `own` as its address and a route to `peer`. Throws
/// usage_error.
file_descriptor open_link_device(const network_namespace& where, const std::string& own, const std::string& peer);

/// Throws usage_error if this process may not make namespaces or devices, or if something is missing.
void check_rights();

/// The IPv4 address on which somebody listens in the namespace, as far as `address` reaches it; of another address, as
/// 127.0.0.1, that one; empty if nobody does.
std::string listener_on(const network_namespace& where, const std::string& address, int port);
