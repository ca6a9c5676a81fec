#include <qlroute/presets/devices.hpp>

#include <doctest/doctest.h>

using namespace qlroute;

TEST_CASE("a device is found by its name and model") {
    constexpr const device_preset* phone = presets::find_device("phone_8elite_cpu", "qwen2.5-1.5b");
    static_assert(phone->decode_rate.has_value());
    CHECK((phone->prefill_rate == 93.1_tok_s));
    CHECK((phone->decode_rate == 31.5_tok_s));
    CHECK(phone->tpot()->value() == doctest::Approx(1 / 31.5));
    CHECK((phone->power == 12.7_W));
    CHECK(presets::find_device("phone_8elite_cpu", "qwen2.5-72b") == nullptr);
    CHECK(presets::find_device("phone", "qwen2.5-1.5b") == nullptr);
}

TEST_CASE("the format chooses among rows of one device and model") {
    CHECK((presets::find_device("rtx4090", "llama-3-8b")->decode_rate == 130.6_tok_s));
    CHECK((presets::find_device("rtx4090", "llama-3-8b", "F16 llama.cpp")->decode_rate == 54.8_tok_s));
    CHECK(presets::find_device("rtx4090", "llama-3-8b", "F16") == nullptr);
}

TEST_CASE("what a source does not say is empty, not zero") {
    const device_preset* phone = presets::find_device("phone_a18pro_gpu", "qwen2.5-1.5b");
    REQUIRE(phone != nullptr);
    CHECK(!phone->prefill_rate);
    CHECK(!phone->power);
    const device_preset* thor = presets::find_device("agx_thor", "llama-3.1-8b", "NVFP4 TRT-Edge-LLM");
    REQUIRE(thor != nullptr);
    CHECK(!thor->tpot());
}

TEST_CASE("every row says where it is from, has a speed, and is found") {
    for (const device_preset& each : presets::devices) {
        CAPTURE(each.name);
        CAPTURE(each.model);
        CHECK(!each.source.empty());
        CHECK((each.prefill_rate || each.decode_rate));
        CHECK((!each.prefill_rate || *each.prefill_rate > 0_tok_s));
        CHECK((!each.decode_rate || *each.decode_rate > 0_tok_s));
        CHECK(!(each.power && each.power_limit));
        CHECK(presets::find_device(each.name, each.model, each.format) == &each);
    }
}
