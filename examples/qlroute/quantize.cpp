#include "commands.hpp"
#include "configured/encoder.hpp"
#include "configured/files.hpp"

#include <qlroute/adapt/bert_directory.hpp>
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/encoder/quantize.hpp>

#include <cstddef>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>

int run_quantize(const quantize_options& options) {
    if (options.model.empty())
        throw usage_error("quantize needs --model: a folder with config.json and model.safetensors");
    if (options.out.empty()) throw usage_error("quantize needs --out: the file to write, such as encoder.safetensors");
    check_place(options.out, options.force);
    const auto weights = qlroute::load_bert_weights(options.model);
    if (!weights) throw usage_error(weights.error().message);
    const auto image = qlroute::quantize(*weights);
    // What cannot be loaded again is better known now.
    const auto encoder = view_encoder(image.bytes());
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
