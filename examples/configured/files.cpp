#include "files.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

namespace {

[[noreturn]] void cannot_write(const std::string& path, int reason) {
    throw usage_error("cannot write \"" + path + "\": " + std::strerror(reason != 0 ? reason : EIO));
}

}  // namespace

std::string read_file(const std::string& path) {
    // gzopen() reads plain files as they are, but opens directories too. Nothing is read here to try: a pipe gives its
    // bytes only once.
    if (std::error_code none; std::filesystem::is_directory(path, none))
        throw usage_error("cannot read \"" + path + "\": it is a directory; expected a file");
    errno = 0;
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
    if (!file) throw usage_error("cannot read \"" + path + "\": " + std::strerror(errno == 0 ? ENOMEM : errno));
    std::string text;
    char buffer[1 << 16];
    for (int got = 1; got != 0;) {
        got = gzread(file.get(), buffer, sizeof buffer);
        if (got < 0) {
            int code = 0;
            throw usage_error("cannot read \"" + path + "\": " + gzerror(file.get(), &code) +
                              "; is it a complete gzip file?");
        }
        text.append(buffer, static_cast<std::size_t>(got));
    }
    // A truncated gzip file ends without an error from gzread().
    int code = Z_OK;
    const char* why = gzerror(file.get(), &code);
    if (code != Z_OK && code != Z_STREAM_END)
        throw usage_error("cannot read \"" + path + "\": " + std::string(why) + "; is it a complete gzip file?");
    return text;
}

void check_place(const std::string& path, bool force) {
    std::error_code none;
    const auto status = std::filesystem::status(path, none);
    if (!std::filesystem::exists(status)) return;
    if (!std::filesystem::is_regular_file(status))
        throw usage_error("--out: \"" + path + "\" is not a file; expected the path of one");
    if (!force) throw usage_error("--out: \"" + path + "\" exists; give another path, or --force to replace it");
}

void write_file(const std::string& path, std::span<const std::byte> bytes) {
    const std::string part = path + ".part";
    errno = 0;
    std::FILE* file = std::fopen(part.c_str(), "wb");
    if (file == nullptr) cannot_write(part, errno);
    const bool is_written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
    int reason = errno;
    const bool is_closed = std::fclose(file) == 0;
    if (is_written && !is_closed) reason = errno;
    if (is_written && is_closed) {
        if (std::rename(part.c_str(), path.c_str()) == 0) return;
        reason = errno;
    }
    std::remove(part.c_str());
    cannot_write(path, reason);
}
