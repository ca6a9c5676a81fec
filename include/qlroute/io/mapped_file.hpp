// A whole file as read-only bytes.
//
//   auto file = mapped_file::open("model.safetensors");
//   if (!file) return complain(file.error().message);
//   std::span<const std::byte> all = file->bytes();
#pragma once

#include <qlroute/core/result.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#if __has_include(<sys/mman.h>)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace qlroute {

namespace detail {

/// The system's own words for an errno value, and advice where there is an obvious one.
inline error cannot_open(const std::string& path, int reason) {
    std::string message = "cannot open \"" + path + "\": " + std::generic_category().message(reason);
    const bool missing = reason == ENOENT || reason == ENOTDIR;
    if (missing) message += "; check the path";
    if (reason == EACCES || reason == EPERM) message += "; make the file readable for this user";
    if (reason == EISDIR) message += "; give the path of a file in it";
    return {.code = missing ? errc::missing : errc::unsupported, .message = std::move(message)};
}

/// The file read into memory, for systems without mmap. Release with std::free.
inline result<std::span<const std::byte>> read_file(const std::string& path) {
    errno = 0;
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return cannot_open(path, errno != 0 ? errno : EIO);
    std::byte* data = nullptr;
    std::size_t size = 0;
    std::size_t capacity = 0;
    int reason = 0;
    while (reason == 0 && std::feof(file) == 0) {
        if (size == capacity) {
            capacity = capacity == 0 ? std::size_t{1} << 16 : capacity * 2;
            void* larger = std::realloc(data, capacity);
            if (larger == nullptr) {
                reason = ENOMEM;
                break;
            }
            data = static_cast<std::byte*>(larger);
        }
        errno = 0;
        size += std::fread(data + size, 1, capacity - size, file);
        if (std::ferror(file) != 0) reason = errno != 0 ? errno : EIO;
    }
    std::fclose(file);
    if (reason == 0) return std::span<const std::byte>(data, size);
    std::free(data);
    return cannot_open(path, reason);
}

#if __has_include(<sys/mman.h>)
/// The file mapped into memory. Release with munmap, unless it is empty.
inline result<std::span<const std::byte>> map_file(const std::string& path) {
    // O_NONBLOCK: opening a pipe would otherwise wait for its writer. It means nothing for a file.
    int descriptor = -1;
    do {
        descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0) return cannot_open(path, errno);

    int reason = 0;
    void* data = nullptr;
    std::size_t size = 0;
    struct stat info {};
    if (::fstat(descriptor, &info) != 0) {
        reason = errno;
    } else if (S_ISDIR(info.st_mode)) {
        reason = EISDIR;
    } else if (!S_ISREG(info.st_mode)) {
        reason = ENODEV;  // what mmap itself says of pipes and terminals
    } else if (!std::in_range<std::size_t>(info.st_size)) {
        reason = EFBIG;
    } else if (info.st_size > 0) {  // an empty file has nothing to map, and mmap refuses it
        size = static_cast<std::size_t>(info.st_size);
        data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (data == MAP_FAILED) reason = errno;
    }
    ::close(descriptor);  // the mapping stays
    if (reason != 0) return cannot_open(path, reason);
    return std::span<const std::byte>(static_cast<const std::byte*>(data), size);
}
#endif

}  // namespace detail

/// A file mapped into memory (POSIX), or read into it (elsewhere).
///
/// Lifetime: bytes() stay where they are until this object ends or is assigned to; a move keeps them.
/// The file must not shrink in the meantime: the system ends a program that reads a page which is no
/// longer there. To replace a file that may be in use, write a new one and rename it over the old.
/// Thread-safety: reading is safe from any number of threads.
class mapped_file {
public:
    /// An empty file.
    mapped_file() = default;

    /// The file at `path`; it may be empty. Errors: `missing` if there is none; `unsupported` if it is
    /// there but is a directory or a device, may not be read, or does not fit into memory.
    static result<mapped_file> open(const std::string& path) {
        // the system would read a path only up to its first NUL, and open another file
        if (path.find('\0') != std::string::npos) return detail::cannot_open(path.c_str(), EINVAL);
#if __has_include(<sys/mman.h>)
        auto bytes = detail::map_file(path);
#else
        auto bytes = detail::read_file(path);
#endif
        if (!bytes) return bytes.error();
        mapped_file file;
        file.bytes_ = *bytes;
        return file;
    }

    mapped_file(mapped_file&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    mapped_file& operator=(mapped_file&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    mapped_file(const mapped_file&) = delete;
    mapped_file& operator=(const mapped_file&) = delete;

    ~mapped_file() {
#if __has_include(<sys/mman.h>)
        if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
#else
        std::free(const_cast<std::byte*>(bytes_.data()));
#endif
    }

    /// The whole file.
    std::span<const std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<const std::byte> bytes_;
};

}  // namespace qlroute
