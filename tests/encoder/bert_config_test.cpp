#include <qlroute/encoder/bert_config.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>
#include <optional>
#include <string>

using namespace qlroute;

namespace {

static_assert(bert_config{}.head_size() == 64);
static_assert(bert_config{.hidden = 384, .heads = 12}.head_size() == 32);
static_assert(bert_config{} == bert_config{} && bert_config{} != bert_config{.layers = 3});

/// The message of check(), after its code was compared; empty for none.
std::string complaint(const bert_config& config, errc code) {
    const auto why = check(config);
    if (!why) return "";
    CHECK(why->code == code);
    return why->message;
}

}  // namespace

TEST_CASE("the usual encoders can be used") {
    CHECK_FALSE(check(bert_config{}));
    CHECK_FALSE(check({.layers = 4, .hidden = 256, .heads = 4, .feed_forward = 1024}));
    CHECK_FALSE(check({.layers = 6, .hidden = 384, .heads = 12, .feed_forward = 1536}));
    CHECK_FALSE(check({.layers = 12, .hidden = 768, .heads = 12, .feed_forward = 3072}));
    CHECK_FALSE(check({.layers = 24, .hidden = 1024, .heads = 16, .feed_forward = 4096, .vocabulary = 119'547}));
    CHECK_FALSE(check({.hidden = 64, .heads = 4, .feed_forward = 64, .vocabulary = 1, .positions = 1}));
    CHECK_FALSE(check({.token_types = 1, .layer_norm_epsilon = 1e-5f}));
}

TEST_CASE("no size is zero, and the message names it") {
    const auto text = [](const bert_config& config) { return complaint(config, errc::out_of_range); };
    CHECK(text({.layers = 0}) == "num_hidden_layers is 0; expected a whole number from 1 to 1024");
    CHECK(text({.hidden = 0}) == "hidden_size is 0; expected a whole number from 1 to 16384");
    CHECK(text({.heads = 0}) == "num_attention_heads is 0; expected a whole number from 1 to 1024");
    CHECK(text({.feed_forward = 0}) == "intermediate_size is 0; expected a whole number from 1 to 65536");
    CHECK(text({.vocabulary = 0}) == "vocab_size is 0; expected a whole number from 1 to 4194304");
    CHECK(text({.positions = 0}) == "max_position_embeddings is 0; expected a whole number from 1 to 32768");
    CHECK(text({.token_types = 0}) == "type_vocab_size is 0; expected a whole number from 1 to 1024");
}

TEST_CASE("no size is so large that a product of sizes overflows") {
    std::size_t bert_config::*const sizes[] = {
        &bert_config::layers,     &bert_config::hidden,    &bert_config::heads,      &bert_config::feed_forward,
        &bert_config::vocabulary, &bert_config::positions, &bert_config::token_types};
    for (const auto size : sizes) {
        bert_config config;
        config.*size = std::numeric_limits<std::size_t>::max() / 64 * 64;
        const auto why = check(config);
        REQUIRE(why);
        CHECK(why->code == errc::out_of_range);
    }
    CHECK(complaint({.vocabulary = 4'194'305}, errc::out_of_range) ==
          "vocab_size is 4194305; expected a whole number from 1 to 4194304");
    CHECK_FALSE(check({.layers = 1024,
                       .hidden = 16'384,
                       .heads = 1024,
                       .feed_forward = 65'536,
                       .vocabulary = 4'194'304,
                       .positions = 32'768,
                       .token_types = 1024}));
}

TEST_CASE("sizes are multiples of what the kernels read at once") {
    CHECK(complaint({.hidden = 312, .heads = 12}, errc::unsupported) ==
          "hidden_size is 312; this build needs a multiple of 64");
    CHECK(complaint({.feed_forward = 1200}, errc::unsupported) ==
          "intermediate_size is 1200; this build needs a multiple of 64");
    CHECK(complaint({.hidden = 128, .heads = 16}, errc::unsupported) ==
          "hidden_size / num_attention_heads is 128 / 16 = 8; this build needs a multiple of 16");
}

TEST_CASE("the heads divide the hidden size") {
    CHECK(complaint({.hidden = 128, .heads = 3}, errc::out_of_range) ==
          "hidden_size / num_attention_heads is 128 / 3; expected a hidden_size that is a multiple of the heads");
    CHECK(complaint({.hidden = 64, .heads = 128}, errc::out_of_range) ==
          "hidden_size / num_attention_heads is 64 / 128; expected a hidden_size that is a multiple of the heads");
}

TEST_CASE("the epsilon of a layer norm is a small positive number") {
    for (const float epsilon :
         {0.0f, -1e-3f, 2.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        CAPTURE(epsilon);
        const std::string why = complaint({.layer_norm_epsilon = epsilon}, errc::out_of_range);
        CHECK(why.starts_with("layer_norm_eps is "));
        CHECK(why.ends_with("; expected a number above 0, at most 1"));
    }
}
