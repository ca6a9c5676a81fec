#include "commands.hpp"
#include "files.hpp"

#include <qlroute/adapt/bert_directory.hpp>
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/encoder/quantize.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <system_error>

namespace {

/// A device or a folder must not be replaced by a file, whatever --force says.
void check_place(const std::string& path, bool force) {
    std::error_code none;
    const auto status = std::filesystem::status(path, none);
    if (!std::filesystem::exists(status)) return;
    if (!std::filesystem::is_regular_file(status))
        throw usage_error("--out: \"" + path + "\" is not a file; expected the path of one");
    if (!force) throw usage_error("--out: \"" + path + "\" exists; give another path, or --force to replace it");
}

[[noreturn]] void cannot_write(const std::string& path, int reason) {
    throw usage_error("cannot write \"" + path + "\": " + std::strerror(reason != 0 ? reason : EIO));
}

/// Under another name first: whoever opens `path` finds the whole file, the one before, or none.
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

}  // namespace

int run_quantize(const quantize_options& options) {
    if (options.model.empty())
        throw usage_error("quantize needs --model: a folder with config.json and model.safetensors");
    if (options.out.empty()) throw usage_error("quantize needs --out: the file to write, such as encoder.safetensors");
    check_place(options.out, options.force);
    const auto weights = qlroute::load_bert_weights(options.model);
    if (!weights) throw usage_error(weights.error().message);
    const auto image = qlroute::quantize(*weights);
    // What cannot be loaded again is better known now.
    const auto encoder = qlroute::bert_encoder::view(image.bytes());
    if (!encoder) throw usage_error(options.model + ": " + encoder.error().message);
    write_file(options.out, image.bytes());

    const auto& sizes = weights->config;
    std::error_code none;
    const auto before = std::filesystem::file_size(std::filesystem::path(options.model) / "model.safetensors", none);
    std::cout << options.out << ": " << image.bytes().size() << " bytes from " << before << "; " << sizes.layers
              << " layers, hidden size " << sizes.hidden << ", " << sizes.vocabulary << " tokens, "
              << encoder->classes() << " classes\n";
    return 0;
}
