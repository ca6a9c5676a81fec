// qlroute: which model should answer this turn, the small one here or the large one there?
//
//   #include <qlroute/qlroute.hpp>
//   using namespace qlroute;
//
//   const endpoint places[] = {
//       {.name = "phone", .usual_success = 0.6, .prefill_rate = 239_tok_s, .tpot = 25_ms / 1_tok},
//       {.name = "edge", .remote = true, .usual_success = 0.8, .prefill_rate = 4000_tok_s, .tpot = 32_ms / 1_tok}};
//   constexpr auto objective = 6_s * cost::quality_loss{} + cost::end_to_end();
//   const router route{constant_difficulty{}, objective, lowest_cost{150_ms}};
//
//   session chat(std::size(places));
//   const message said[] = {{role::user, "why is the sky blue?"}};
//   const auto choice = route(chat, chat.next_turn(said), places, {20_Mbps, 80_Mbps, 38_ms});
//   for (const auto& [name, value] : explain(objective, choice.facts)) ...     // seconds, term by term
//   chat.commit(choice.where, reply);
//
// The includes below are in the order in which data flows; a header includes only folders before its own.
// Array support is not among them: qlroute/adapt/eigen.hpp, qlroute/adapt/xtensor.hpp, qlroute/eval/sweep.hpp.
#pragma once

#include <qlroute/core/config.hpp>
#include <qlroute/core/rep.hpp>
#include <qlroute/core/units.hpp>
#include <qlroute/core/literals.hpp>
#include <qlroute/core/result.hpp>
#include <qlroute/core/aligned.hpp>
#include <qlroute/core/half.hpp>

#include <qlroute/io/number.hpp>
#include <qlroute/io/quantity_text.hpp>
#include <qlroute/io/mapped_file.hpp>
#include <qlroute/io/safetensors.hpp>
#include <qlroute/io/safetensors_writer.hpp>

#include <qlroute/text/message.hpp>
#include <qlroute/text/prompt_features.hpp>
#include <qlroute/text/scored_text.hpp>
#include <qlroute/text/content_hash.hpp>
#include <qlroute/text/unicode_tables.hpp>
#include <qlroute/text/unicode.hpp>
#include <qlroute/text/word_split.hpp>
#include <qlroute/text/wordpiece.hpp>

#include <qlroute/simd/kernel_set.hpp>
#include <qlroute/simd/panels.hpp>
#include <qlroute/simd/scalar.hpp>
#include <qlroute/simd/avx2.hpp>
#include <qlroute/simd/avx_vnni.hpp>
#include <qlroute/simd/avx512_vnni.hpp>
#include <qlroute/simd/amx_int8.hpp>
#include <qlroute/simd/neon_dotprod.hpp>
#include <qlroute/simd/dispatch.hpp>
#include <qlroute/encoder/bert_config.hpp>
#include <qlroute/encoder/bert_weights.hpp>
#include <qlroute/encoder/quantize.hpp>
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/link/link_state.hpp>
#include <qlroute/link/special_functions.hpp>
#include <qlroute/link/path_loss.hpp>
#include <qlroute/link/spectral_efficiency.hpp>
#include <qlroute/link/link_budget.hpp>
#include <qlroute/link/fading.hpp>
#include <qlroute/link/nr_rate.hpp>
#include <qlroute/link/wifi.hpp>
#include <qlroute/link/sharing.hpp>
#include <qlroute/link/harq.hpp>
#include <qlroute/link/rate_estimator.hpp>
#include <qlroute/link/rate_belief.hpp>
#include <qlroute/link/rate_from_rsrp.hpp>
#include <qlroute/link/radio_state.hpp>
#include <qlroute/link/trace.hpp>

#include <qlroute/serving/model_card.hpp>
#include <qlroute/serving/endpoint.hpp>
#include <qlroute/serving/turn.hpp>
#include <qlroute/serving/session.hpp>
#include <qlroute/serving/token_mirror.hpp>
#include <qlroute/serving/session_table.hpp>

#include <qlroute/presets/models.hpp>
#include <qlroute/presets/devices.hpp>
#include <qlroute/presets/links.hpp>

#include <qlroute/difficulty/predictor.hpp>
#include <qlroute/difficulty/response_difficulty.hpp>
#include <qlroute/difficulty/text_encoder.hpp>
#include <qlroute/difficulty/ability.hpp>
#include <qlroute/difficulty/ability_fit.hpp>
#include <qlroute/difficulty/calibration.hpp>
#include <qlroute/difficulty/lexical.hpp>
#include <qlroute/difficulty/encoder_predictor.hpp>
#include <qlroute/difficulty/fused_difficulty.hpp>

#include <qlroute/cost/scenario.hpp>
#include <qlroute/cost/expression.hpp>
#include <qlroute/cost/quality.hpp>
#include <qlroute/cost/transport.hpp>
#include <qlroute/cost/communication.hpp>
#include <qlroute/cost/radio_wakeup.hpp>
#include <qlroute/cost/computation.hpp>
#include <qlroute/cost/by_endpoint.hpp>
#include <qlroute/cost/batched.hpp>
#include <qlroute/cost/roofline.hpp>
#include <qlroute/cost/profiled.hpp>
#include <qlroute/cost/any_engine.hpp>
#include <qlroute/cost/switching.hpp>
#include <qlroute/cost/kv_ways.hpp>
#include <qlroute/cost/queueing.hpp>
#include <qlroute/cost/congestion.hpp>
#include <qlroute/cost/continuous_batching.hpp>
#include <qlroute/cost/throttling.hpp>
#include <qlroute/cost/energy.hpp>
#include <qlroute/cost/money.hpp>
#include <qlroute/cost/objective.hpp>

#include <qlroute/fit/least_absolute.hpp>
#include <qlroute/fit/engine_fit.hpp>
#include <qlroute/fit/online_engine.hpp>
#include <qlroute/fit/output_length.hpp>

#include <qlroute/route/facts.hpp>
#include <qlroute/route/selection.hpp>
#include <qlroute/route/router.hpp>
