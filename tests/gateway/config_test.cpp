#include <gateway/config.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

using namespace qlroute;

namespace {

/// Of a configuration with this endpoint, and these keys beside.
gateway_config read(const std::string& endpoint, const std::string& more = "") {
    return gateway_config_from(
        R"({"predictor": {"type": "constant"}, "endpoints": [{"name": "a", )" + endpoint + "}]" + more + "}", "test");
}

std::string complaint(const std::string& endpoint, const std::string& more = "") {
    try {
        read(endpoint, more);
    } catch (const usage_error& why) {
        return why.what();
    }
    return "none";
}

const std::string here = R"("url": "http://127.0.0.1:8081")";

}  // namespace

TEST_CASE("two addresses are enough") {
    const auto config = gateway_config_from(
        R"({"predictor": {"type": "constant"}, "endpoints": [{"name": "device", "url": "http://localhost:1/v1/"},
                                                             {"name": "edge", "url": "https://edge.example/api"}]})",
        "test");
    CHECK(config.host == "127.0.0.1");
    CHECK(config.port == 8080);
    REQUIRE(config.upstreams.size() == 2);
    CHECK(config.upstreams[0].origin == "http://localhost:1");
    CHECK(config.upstreams[0].prefix == "");
    CHECK_FALSE(config.upstreams[0].remote);
    CHECK(config.upstreams[1].origin == "https://edge.example");
    CHECK(config.upstreams[1].prefix == "/api");
    CHECK(config.routing.places[1].remote);
    CHECK(config.routing.places[1].ability == 2);
    CHECK(config.routing.places[1].resends_history);
    CHECK(config.routing.places[0].prefill_rate == 1000_tok_s);
}

TEST_CASE("keys of a decision stay as they are, and win over what is guessed") {
    const auto config = read(here + R"(, "remote": true, "ability": "small", "tpot": "10 ms/tok")",
                             R"(, "weights": {"quality_loss": "2 s"}, "listen": "[::1]:99", "max_body": "2 KiB")");
    CHECK(config.upstreams[0].remote);
    CHECK(config.routing.places[0].remote);
    CHECK(config.routing.places[0].ability == 0);
    CHECK(config.routing.places[0].tpot == 10_ms / 1_tok);
    CHECK(config.routing.weights.quality_loss == 2_s);
    CHECK(config.host == "::1");
    CHECK(config.max_body == 2048);
}

TEST_CASE("what is wrong is named") {
    const auto has = [](const std::string& text, const std::string& part) {
        INFO(text);
        CHECK(text.find("test: " + part) != std::string::npos);
    };
    has(complaint("\"x\": 1"), "endpoints[0].url: missing; expected a URL");
    for (const char* url : {"127.0.0.1:80", "ftp://x", "http://", "http://x:0", "http://x:99999", "http://x:8o",
                            "http://u@x", "http://x/?a", "http://a b"})
        has(complaint("\"url\": \"" + std::string(url) + "\""), "endpoints[0].url: expected a URL");
    has(complaint(here + ", \"url2\": 1"), "endpoints[0].url2: unknown key");
    has(complaint(here + ", \"parallel\": 0"), "endpoints[0].parallel: expected a number from 1");
    has(complaint(here + ", \"parallel\": 1.5"), "endpoints[0].parallel: expected a whole number");
    has(complaint(here + ", \"ca_file\": \"/nowhere.pem\""), "endpoints[0].ca_file: cannot read");
    has(complaint(here + ", \"api_key_env\": \"QLROUTE_TEST_NOT_SET\""),
        "endpoints[0].api_key_env: the environment variable");
    for (const char* listen : {"80", "x:", ":80", "::1:80", "1.2.3.4:123456"})
        has(complaint(here, ", \"listen\": \"" + std::string(listen) + "\""), "listen: expected an address");
    has(complaint(here, ", \"timeouts\": {\"connect\": \"0 s\"}"), "timeouts.connect: expected at least 1 ms");
    has(complaint(here, ", \"timeouts\": {\"conect\": \"1 s\"}"), "timeouts.conect: unknown key");
    has(complaint(here, ", \"session_header\": \"a b\""), "session_header: expected letters");
    has(complaint(here, ", \"more\": 1"), "more: unknown key");
}

TEST_CASE("a key comes from the environment, and is never part of a message") {
    setenv("QLROUTE_TEST_KEY", "sk-1", 1);
    CHECK(read(here + ", \"api_key_env\": \"QLROUTE_TEST_KEY\"").upstreams[0].api_key == "sk-1");
    setenv("QLROUTE_TEST_KEY", "sk-1\r\nX: y", 1);
    const std::string text = complaint(here + ", \"api_key_env\": \"QLROUTE_TEST_KEY\"");
    CHECK(text.find("control character") != std::string::npos);
    CHECK(text.find("sk-1") == std::string::npos);
    unsetenv("QLROUTE_TEST_KEY");
}

TEST_CASE("loopback is told from the rest") {
    for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost"}) CHECK(is_loopback(host));
    for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "example.org", "127.0.0.1.example.org"})
        CHECK_FALSE(is_loopback(host));
}
