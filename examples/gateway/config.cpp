#include "config.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <utility>

using namespace qlroute;
using nlohmann::json;

namespace {

struct host_and_port {
    std::string host;  // without brackets
    int port = 0;
};

/// "127.0.0.1:8080", "[::1]:8080", "localhost:8080".
std::optional<host_and_port> split_address(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == text.size() || text.size() - colon > 6)
        return std::nullopt;
    host_and_port out{.host = text.substr(0, colon)};
    for (const char c : text.substr(colon + 1)) {
        if (c < '0' || c > '9') return std::nullopt;
        out.port = 10 * out.port + (c - '0');
    }
    if (out.port > 65535) return std::nullopt;
    const bool bracketed = out.host.front() == '[' && out.host.back() == ']';
    if (bracketed) out.host = out.host.substr(1, out.host.size() - 2);
    if (out.host.empty() || (!bracketed && out.host.find(':') != std::string::npos)) return std::nullopt;
    return out;
}

std::string text_at(section& at, std::string_view key, const std::string& expected, std::string fallback) {
    const json* value = at.find(key);
    if (value == nullptr) return fallback;
    if (!value->is_string() || value->get_ref<const std::string&>().empty())
        at.fail(key, "expected " + expected + ", got " + shown(*value));
    return value->get<std::string>();
}

void read_count(section& at, std::string_view key, std::size_t& into, double least, double most) {
    double value = static_cast<double>(into);
    at.read(key, value, least, most);
    if (value != static_cast<double>(static_cast<std::size_t>(value)))
        at.fail(key, "expected a whole number, got " + shown(*at.find(key)));
    into = static_cast<std::size_t>(value);
}

/// "16 MiB".
void read_size(section& at, std::string_view key, std::size_t& into, bits most) {
    bits size(8.0 * static_cast<double>(into));
    at.read(key, size, most);
    if (size < 1_KiB) at.fail(key, "expected at least 1 KiB, got " + shown(*at.find(key)));
    into = static_cast<std::size_t>(size.value() / 8);
}

void read_time(section& at, std::string_view key, seconds& into) {
    at.read(key, into, 24_h);
    if (into < 1_ms) at.fail(key, "expected at least 1 ms, got " + shown(*at.find(key)));
}

void read_url(section& at, upstream_config& to) {
    const std::string expected = "a URL such as \"http://127.0.0.1:8081\"";
    const json& value = at.need("url", expected);
    const auto complain = [&] { at.fail("url", "expected " + expected + ", got " + shown(value)); };
    if (!value.is_string()) complain();
    const auto& url = value.get_ref<const std::string&>();
    const std::size_t scheme = url.find("://");
    if (scheme == std::string::npos) complain();
    const std::string kind = url.substr(0, scheme);
    if (kind != "http" && kind != "https") complain();
    const auto is_odd = [](char c) { return c <= ' ' || c >= 0x7F || c == '?' || c == '#' || c == '"' || c == '@'; };
    if (std::any_of(url.begin(), url.end(), is_odd))
        at.fail("url", "expected " + expected + ", without a user, a query or blanks; a key goes into api_key_env");
    const std::size_t path = std::min(url.find('/', scheme + 3), url.size());
    std::string authority = url.substr(scheme + 3, path - scheme - 3);
    if (authority.empty()) complain();
    const bool has_port = authority.back() != ']' && authority.find_last_of(':') != std::string::npos;
    if (!has_port) authority += kind == "https" ? ":443" : ":80";
    const auto parts = split_address(authority);
    if (!parts || parts->port == 0) complain();
    to.origin = url.substr(0, path);
    to.prefix = url.substr(path);
    while (to.prefix.ends_with('/')) to.prefix.pop_back();
    if (to.prefix.ends_with("/v1")) to.prefix.resize(to.prefix.size() - 3);
    to.remote = !is_loopback(parts->host);
}

void read_key(section& at, upstream_config& to) {
    const std::string name = text_at(at, "api_key_env", "the name of an environment variable", "");
    if (name.empty()) return;
    const char* key = std::getenv(name.c_str());
    if (key == nullptr || *key == '\0')
        at.fail("api_key_env", "the environment variable " + qlroute::detail::quoted(name) + " is not set");
    to.api_key = key;
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    if (std::any_of(to.api_key.begin(), to.api_key.end(), is_control))
        at.fail("api_key_env", "the environment variable " + qlroute::detail::quoted(name) +
                                   " holds a line break or another control character; expected a key");
}

void read_upstream(section& at, endpoint& e, std::vector<upstream_config>& upstreams, const std::string& path) {
    upstream_config to;
    to.name = e.name;
    read_url(at, to);
    read_key(at, to);
    to.served_model = text_at(at, "served_model", "the name of a model, as the server knows it", "");
    if (at.find("parallel") != nullptr) {
        std::size_t parallel = 1;
        read_count(at, "parallel", parallel, 1, 1e6);
        to.parallel = parallel;
    }
    at.read("verify_tls", to.verify_tls);
    to.ca_file = text_at(at, "ca_file", "the path of a file of certificates", "");
    if (!to.ca_file.empty()) {
        to.ca_file = beside(path, to.ca_file);
        std::string certificates;
        try {
            certificates = read_file(to.ca_file);
        } catch (const usage_error& why) {
            at.fail("ca_file", why.what());
        }
        if (certificates.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
            at.fail("ca_file", "expected certificates as PEM, found none in " + qlroute::detail::quoted(to.ca_file));
    }
    at.read("include_usage", to.include_usage);
    at.read("remote", to.remote);
    // What nobody configured: a small model here, a large one there, and the whole dialogue sent each turn.
    e.remote = to.remote;
    e.ability = to.remote ? 2 : 0;
    e.usual_success = to.remote ? 0.8 : 0.55;
    e.resends_history = true;
    upstreams.push_back(std::move(to));
}

void read_timeouts(section at, gateway_timeouts& to) {
    read_time(at, "request", to.request);
    read_time(at, "idle", to.idle);
    read_time(at, "connect", to.connect);
    read_time(at, "first_byte", to.first_byte);
    read_time(at, "between_bytes", to.between_bytes);
    read_time(at, "total", to.total);
    read_time(at, "drain", to.drain);
    at.finish();
}

void read_rest(section& at, gateway_config& to, const std::string& path) {
    at.need("endpoints", "a list of endpoints such as {\"name\": \"device\", \"url\": \"http://127.0.0.1:8081\"}");
    const std::string expected = "an address such as \"127.0.0.1:8080\"";
    const std::string listen = text_at(at, "listen", expected, "127.0.0.1:8080");
    const auto address = split_address(listen);
    if (!address) at.fail("listen", "expected " + expected + ", got " + qlroute::detail::quoted(listen));
    to.host = address->host;
    to.port = address->port;
    to.log = text_at(at, "log", "a path, or \"-\" for standard output", "");
    if (!to.log.empty() && to.log != "-") to.log = beside(path, to.log);
    if (const json* timeouts = at.find("timeouts")) read_timeouts(at.child("timeouts", *timeouts), to.timeouts);
    read_size(at, "max_body", to.max_body, 1_GiB);
    read_size(at, "max_header", to.max_header, 1_MiB);
    read_count(at, "max_concurrent", to.max_concurrent, 1, 256);
    read_count(at, "max_queue", to.max_queue, 0, 100'000);
    read_count(at, "max_connections", to.max_connections, 1, 600);
    read_count(at, "most_chats", to.most_chats, 1, 1e8);
    read_count(at, "breaker_failures", to.breaker_failures, 1, 1e6);
    at.read("learn", to.learn);
    to.session_header = text_at(at, "session_header", "the name of a header", to.session_header);
    const auto is_token = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
    if (!std::all_of(to.session_header.begin(), to.session_header.end(), is_token))
        at.fail("session_header", "expected letters, digits, - and _, got " + shown(*at.find("session_header")));
}

}  // namespace

bool is_loopback(const std::string& host) {
    in_addr v4{};
    if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
    return host == "::1" || host == "localhost";
}

gateway_config gateway_config_from(const std::string& text, const std::string& path) {
    gateway_config out;
    more_keys more;
    more.usual_prefill_rate = 1000_tok_s;
    more.usual_tpot = 30_ms / 1_tok;
    more.of_endpoint = [&](section& at, endpoint& e) { read_upstream(at, e, out.upstreams, path); };
    more.of_file = [&](section& at, const settings&) { read_rest(at, out, path); };
    out.routing = settings_from(parse_config(text, path), path, more);
    return out;
}
