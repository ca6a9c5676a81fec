#include <qlroute/serving/endpoint.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace qlroute;

namespace {

const endpoint phone{.name = "phone", .prefill_rate = 100_tok_s, .tpot = 50_ms / 1_tok};

std::string complaint(const endpoint& e) {
    const auto fault = fault_in(e);
    return fault ? fault->message : "";
}

}  // namespace

TEST_CASE("a local endpoint needs a name and two speeds, all else has defaults") { CHECK(!fault_in(phone)); }

TEST_CASE("each wrong member of an endpoint is named, with what was expected") {
    endpoint e = phone;
    e.prefill_rate = 0_tok_s;
    CHECK(complaint(e) == "endpoint \"phone\": prefill_rate must be more than 0, got 0.000000");
    e = phone;
    e.tpot = -(1_ms / 1_tok);
    CHECK(complaint(e).find("tpot must be more than 0") != std::string::npos);
    e = phone;
    e.queue_delay = seconds(std::numeric_limits<double>::quiet_NaN());
    CHECK(complaint(e).find("queue_delay must be 0 or more, got nan") != std::string::npos);
    e = phone;
    e.prefill_rate = tokens_per_second(std::numeric_limits<double>::infinity());
    CHECK(complaint(e).find("prefill_rate must be finite") != std::string::npos);
    e = phone;
    e.kv_lifetime = 0_s;
    CHECK(complaint(e).find("kv_lifetime must be more than 0") != std::string::npos);
    e = phone;
    e.kv_rate = 1_Gbps;
    e.kv_size = {};
    CHECK(complaint(e).find("kv_size must be more than 0 where kv_rate is") != std::string::npos);
    e = phone;
    e.tokenizer_ratio = 0;
    CHECK(complaint(e).find("tokenizer_ratio must be more than 0") != std::string::npos);
    e = phone;
    e.reply_ratio = 0;
    CHECK(complaint(e).find("reply_ratio must be more than 0") != std::string::npos);
    e = phone;
    e.reply_kept = -0.5;
    CHECK(complaint(e).find("reply_kept must be between 0 and 1, got -0.5") != std::string::npos);
    e.reply_kept = std::numeric_limits<double>::quiet_NaN();
    CHECK(complaint(e).find("reply_kept must be between 0 and 1, got nan") != std::string::npos);
    e = phone;
    e.usual_success = 1.5;
    CHECK(complaint(e).find("usual_success must be between 0 and 1, got 1.5") != std::string::npos);
    e = phone;
    e.ability = std::numeric_limits<double>::quiet_NaN();
    CHECK(complaint(e).find("ability must be finite") != std::string::npos);
    e = phone;
    e.name = "";
    CHECK(complaint(e) == "an endpoint needs a name");
}

TEST_CASE("a set of endpoints is not empty and has no name twice") {
    CHECK(fault_in(std::span<const endpoint>{})->message == "there must be at least one endpoint");
    const endpoint twice[] = {phone, phone};
    CHECK(fault_in(twice)->message == "two endpoints are named \"phone\"");
    const endpoint one[] = {phone};
    CHECK(!fault_in(one));
}
