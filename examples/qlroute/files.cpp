#include "files.hpp"

#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>

std::string read_file(const std::string& path) {
    // gzopen() reads plain files as they are, but opens directories too and says little of what is wrong.
    if (std::ifstream probe(path, std::ios::binary); !probe || (probe.peek(), probe.bad()))
        throw usage_error("cannot read \"" + path + "\": " + std::strerror(errno == 0 ? EIO : errno));
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
    if (!file) throw usage_error("cannot read \"" + path + "\": " + std::strerror(errno));
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
