#include "encoder.hpp"

#include "files.hpp"

#include <qlroute/adapt/bundled_difficulty.hpp>
#include <qlroute/io/number.hpp>
#include <qlroute/simd/dispatch.hpp>

#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <utility>

using namespace qlroute;

const simd::kernel_set& chosen_kernels(const std::string& name, const std::string& option) {
    const char* variable = std::getenv("QLROUTE_SIMD");
    const std::string wanted = name.empty() && variable != nullptr ? variable : name;
    if (wanted.empty()) return simd::active_kernels();
    if (const simd::kernel_set* found = simd::find_kernels(wanted)) return *found;
    std::string all;
    for (const simd::kernel_set* each : simd::kernel_sets)
        if (simd::runs_here(each->isa)) all += (all.empty() ? "" : ", ") + std::string(each->name);
    throw usage_error((name.empty() ? "QLROUTE_SIMD" : option) + ": " + qlroute::detail::quoted(wanted) +
                      " does not run here; expected one of " + all);
}

result<bert_encoder> view_encoder(std::span<const std::byte> bytes) { return bert_encoder::view(bytes); }

const response_difficulty& bundled_predictor() {
    static const response_difficulty predictor = [] {
        auto opened = bundled_difficulty();
        if (!opened) throw std::logic_error("the weights of this program: " + opened.error().message);
        return *std::move(opened);
    }();
    return predictor;
}

result<response_difficulty> load_predictor(const std::string& folder) { return response_difficulty::load(folder); }

response_difficulty::difficulty difficulty_of(const response_difficulty& predictor,
                                              std::span<const message> dialogue) noexcept {
    return predictor(dialogue);
}

std::vector<double> theta_of(const response_difficulty& predictor, std::span<const message> dialogue) {
    const auto theta = predictor(dialogue).theta;
    return {theta.begin(), theta.begin() + static_cast<std::ptrdiff_t>(predictor.dimensions())};
}
