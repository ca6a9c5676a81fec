// The encoder and what predicts with it. Its kernels for every processor are compiled in one file, encoder.cpp: each
// other file that asks the library for active_kernels() would compile them all again.
#pragma once

#include <qlroute/difficulty/response_difficulty.hpp>
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/simd/kernel_set.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

/// The instruction set of that name; where it is empty, the one of QLROUTE_SIMD, else the best that runs here. Throws
/// usage_error beginning with `option`, or with QLROUTE_SIMD, for one that does not run here.
const qlroute::simd::kernel_set& chosen_kernels(const std::string& name, const std::string& option);

/// As bert_encoder::view().
qlroute::result<qlroute::bert_encoder> view_encoder(std::span<const std::byte> bytes);

/// The weights that are part of the program, read when they are first asked for.
const qlroute::response_difficulty& bundled_predictor();

/// As response_difficulty::load().
qlroute::result<qlroute::response_difficulty> load_predictor(const std::string& folder);

/// As predictor(dialogue).
qlroute::response_difficulty::difficulty difficulty_of(const qlroute::response_difficulty& predictor,
                                                       std::span<const qlroute::message> dialogue) noexcept;

/// theta of a dialogue, as fit_ability() takes it.
std::vector<double> theta_of(const qlroute::response_difficulty& predictor, std::span<const qlroute::message> dialogue);
