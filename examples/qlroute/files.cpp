#include "files.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

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
