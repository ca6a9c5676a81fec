// What a small BERT says about a prompt's difficulty.
//
//   auto predictor = encoder_predictor::load("models/encoder.safetensors", "models/vocab.txt");
//   if (!predictor) return complain(predictor.error().message);
//   const router route{*predictor, objective, lowest_cost{}};
#pragma once

#include <qlroute/difficulty/ability.hpp>
#include <qlroute/difficulty/predictor.hpp>
#include <qlroute/difficulty/text_encoder.hpp>
#include <qlroute/encoder/bert_encoder.hpp>
#include <qlroute/text/wordpiece.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace qlroute {

struct encoder_predictor_options {
    std::size_t most_tokens = 512;  ///< longer prompts are cut; never more than the encoder has positions
    std::size_t threads = 1;        ///< so many may predict at the same time; others wait for one of them
};

/// The last message of the user, through tokenizer, encoder and classifier: one logit per ability of an endpoint, from
/// 0 on. P(good answer) is success_at() of the endpoint's ability.
/// Copies share weights and workspaces. Thread-safe: a prediction takes one of `threads` workspaces, and waits only
/// while all of them are taken.
class encoder_predictor {
public:
    static constexpr std::size_t most_abilities = 16;

    /// The logits of one prompt.
    struct difficulty {
        std::array<double, most_abilities> logits{};
        std::size_t abilities = 1;

        double operator()(const endpoint& place) const noexcept {
            return success_at(place.ability, std::span(logits).first(abilities));
        }
    };

    /// `weights`: an int8 file that quantize() wrote; `vocabulary`: a vocab.txt.
    /// Errors: those of bert_encoder::load(), wordpiece::load() and from().
    static result<encoder_predictor> load(const std::string& weights, const std::string& vocabulary,
                                          encoder_predictor_options options = {}) {
        auto encoder = bert_encoder::load(weights);
        if (!encoder) return encoder.error();
        auto tokenizer = wordpiece::load(vocabulary);
        if (!tokenizer) return tokenizer.error();
        return from(*std::move(encoder), *std::move(tokenizer), options);
    }

    /// Errors: an encoder without classifier, or with more classes than most_abilities; a tokenizer with ids that the
    /// encoder does not know; options of 0.
    static result<encoder_predictor> from(bert_encoder encoder, wordpiece tokenizer,
                                          encoder_predictor_options options = {}) {
        const std::size_t classes = encoder.classes();
        if (classes == 0 || classes > most_abilities)
            return error{errc::unsupported, "the encoder has " + std::to_string(classes) +
                                                " classes; a predictor needs a classifier with 1 to " +
                                                std::to_string(most_abilities) + ", one per ability"};
        if (tokenizer.size() > encoder.config().vocabulary)
            return error{errc::out_of_range,
                         "the tokenizer has " + std::to_string(tokenizer.size()) + " tokens, but the encoder only " +
                             std::to_string(encoder.config().vocabulary) + "; do they belong together?"};
        if (options.most_tokens < 2 || options.threads == 0)
            return error{errc::out_of_range, "most_tokens must be 2 or more and threads 1 or more, got " +
                                                 std::to_string(options.most_tokens) + " and " +
                                                 std::to_string(options.threads)};
        encoder_predictor out;
        out.shared_ = std::make_shared<text_encoder>(std::move(encoder), std::move(tokenizer), options.most_tokens,
                                                     options.threads);
        return out;
    }

    const bert_encoder& encoder() const noexcept { return shared_->encoder(); }
    const wordpiece& tokenizer() const noexcept { return shared_->tokenizer(); }

    difficulty operator()(std::span<const message> dialogue) const noexcept {
        return of(last_text(dialogue, role::user));
    }

    /// Of one text.
    difficulty of(std::string_view text) const noexcept {
        difficulty out;
        shared_->encode(text, [&](const bert_encoder& encoder, bert_encoder::workspace& memory) {
            const auto logits = encoder.logits(memory);
            out.abilities = logits.size();
            std::copy(logits.begin(), logits.end(), out.logits.begin());
        });
        return out;
    }

private:
    encoder_predictor() = default;

    std::shared_ptr<text_encoder> shared_;
};

}  // namespace qlroute
