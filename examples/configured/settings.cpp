#include "settings.hpp"

#include "engine_file.hpp"
#include "files.hpp"
#include "lexical_weights.hpp"
#include "section.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>

using namespace qlroute;
using nlohmann::json;

namespace qlroute_lexical {
std::span<const std::byte> lexical_safetensors();  // models/lexical.safetensors
}

lexical_difficulty built_in_lexical() {
    auto predictor = lexical_difficulty::view(qlroute_lexical::lexical_safetensors());
    if (!predictor) throw std::logic_error(predictor.error().message);
    return *predictor;
}

namespace {

constexpr std::pair<std::string_view, double> tiers[] = {{"small", 0}, {"medium", 1}, {"large", 2}, {"frontier", 3}};

/// A tier, a number, a known model, or an endpoint file.
void read_ability(section& at, settings& s, endpoint& e, const std::string& config_path) {
    const json* ability = at.find("ability");
    if (ability == nullptr) return;
    if (ability->is_number() && ability->get<double>() >= 0 && ability->get<double>() <= 3) {
        e.ability = ability->get<double>();
        return;
    }
    const std::string usual = "expected small, medium, large, frontier or a number from 0 to 3";
    const response_difficulty* predictor = s.predictor.response();
    if (!ability->is_string())
        at.fail("ability", usual + (predictor == nullptr ? "" : ", a known model or an endpoint file") + ", got " +
                               shown(*ability));
    const auto& text = ability->get_ref<const std::string&>();
    for (const auto& [name, where] : tiers)
        if (text == name) {
            e.ability = where;
            return;
        }
    if (predictor == nullptr)
        at.fail("ability",
                usual + ", got " + shown(*ability) + "; known models and endpoint files need the predictor response");
    if (names_endpoint_file(text)) {
        calibrated_endpoint read;
        try {
            read = read_endpoint_file(beside(config_path, text), *predictor);
        } catch (const usage_error& why) {
            at.fail("ability", why.what());
        }
        e.abilities = read.abilities();
        s.calibrated.insert_or_assign(std::string(e.name), std::move(read));
        return;
    }
    const auto known = predictor->known(text);
    if (!known)
        at.fail("ability", usual + ", the path of an endpoint file (.json), or a known model (nearest are " +
                               nearest_known(*predictor, text) + "; qlroute models lists all), got " + shown(*ability));
    e.abilities = *known;
}

/// Curves of the endpoints that have one.
void connect_curves(settings& s) {
    curves_by_name curves;
    for (const auto& [name, each] : s.calibrated)
        if (each.curve) curves.emplace(name, *each.curve);
    if (!curves.empty()) s.predictor.curves = std::make_shared<const curves_by_name>(std::move(curves));
}

/// Names, once each, in a line.
std::string listed(const std::vector<std::string_view>& names) {
    std::vector<std::string_view> told;
    std::string out;
    for (const std::string_view each : names) {
        if (std::find(told.begin(), told.end(), each) != told.end()) continue;
        told.push_back(each);
        (out += out.empty() ? "" : ", ") += each;
    }
    return out;
}

/// The text of a key that names a preset, or empty.
std::string preset_name(section& at, std::string_view key) {
    const json* name = at.find(key);
    if (name == nullptr) return {};
    if (!name->is_string() || name->get_ref<const std::string&>().empty())
        at.fail(key, "expected the name of a preset (docs/presets.md lists all), got " + shown(*name));
    return name->get<std::string>();
}

/// Speeds and the size of a cache from published figures: of a model on a device, or of a model alone.
const device_preset* read_presets(section& at, endpoint& e) {
    const std::string device = preset_name(at, "device");
    const std::string model = preset_name(at, "model");
    const model_card* card = model.empty() ? nullptr : presets::find_model(model);
    if (card != nullptr) e.kv_size = card->kv_size();
    if (device.empty()) {
        if (model.empty() || card != nullptr) return nullptr;
        std::vector<std::string_view> names;
        for (const model_card& each : presets::models) names.push_back(each.name);
        at.fail("model", "no preset of that name; without a device known are " + listed(names) + ", got " +
                             qlroute::detail::quoted(model));
    }
    std::vector<std::string_view> devices;
    std::vector<std::string_view> models;
    for (const device_preset& each : presets::devices) {
        devices.push_back(each.name);
        if (each.name == device) models.push_back(each.model);
    }
    if (models.empty())
        at.fail("device",
                "no preset of that name; known are " + listed(devices) + ", got " + qlroute::detail::quoted(device));
    if (model.empty()) at.fail("model", "missing; on " + device + " there are figures of " + listed(models));
    const device_preset* found = presets::find_device(device, model);
    if (found == nullptr)
        at.fail("model", "no figures of that model on " + device + "; there are of " + listed(models) + ", got " +
                             qlroute::detail::quoted(model));
    if (found->prefill_rate) e.prefill_rate = *found->prefill_rate;
    if (const auto tpot = found->tpot()) e.tpot = *tpot;
    return found;
}

/// A measured engine instead of the two speeds, which it then says itself, and what its server takes for a request.
void read_engine(section& at, settings& s, endpoint& e, const std::string& config_path) {
    s.engines.emplace_back();
    const json* file = at.find("engine");
    if (file == nullptr) return;
    if (!file->is_string() || file->get_ref<const std::string&>().empty())
        at.fail("engine", "expected the path of an endpoint file that qlroute profile wrote, got " + shown(*file));
    for (const char* key : {"prefill_rate", "tpot"})
        if (at.find(key) != nullptr)
            at.fail(key, "the engine of " + shown(*file) + " says this; leave out the one or the other");
    engine_file read;
    try {
        read = read_engine_file(beside(config_path, file->get<std::string>()));
    } catch (const usage_error& why) {
        at.fail("engine", why.what());
    }
    // One number each, for fault_in(): nothing is priced by them.
    constexpr tokens usual(512);
    constexpr tokens one(1);
    const scenario<> none;
    const seconds reading = read.engine.prefill_time(none, tokens(0), usual);
    const seconds writing = read.engine.decode_time(none, usual, one);
    const auto complain = [&](const std::string& what, const std::string& tests) {
        at.fail("engine", shown(*file) + ": by its figures " + what + " takes no time; measure again, with lines " +
                              tests + " too");
    };
    if (!(reading > seconds(0))) complain("reading", R"({"test": "prefill"})");
    if (!(writing > seconds(0))) complain("writing", R"({"test": "decode"})");
    e.prefill_rate = usual / reading;
    e.tpot = writing / one;
    s.engines.back() = std::move(read.engine);
    e.request_time = read.request_time;
    e.request_time_per_size = read.request_time_per_size;
}

endpoint read_endpoint(section& at, settings& s, const std::string& config_path, const more_keys& more) {
    const json& name = at.need("name", "a text, such as \"phone\"");
    if (!name.is_string() || name.get_ref<const std::string&>().empty())
        at.fail("name", "expected a text that is not empty, got " + shown(name));
    s.names.push_back(name.get<std::string>());

    endpoint e;
    e.name = s.names.back();
    if (more.of_endpoint) more.of_endpoint(at, e);
    at.read("remote", e.remote);
    at.read("available", e.available);
    read_ability(at, s, e, config_path);
    at.read("usual_success", e.usual_success, 0, 1);
    const device_preset* preset = read_presets(at, e);
    read_engine(at, s, e, config_path);
    const std::string none = preset == nullptr ? "" : ", because " + std::string(preset->source) + " gives none";
    if (e.prefill_rate == tokens_per_second(0) && at.find("prefill_rate") == nullptr)
        e.prefill_rate = more.usual_prefill_rate;
    if (e.tpot == seconds_per_token(0) && at.find("tpot") == nullptr) e.tpot = more.usual_tpot;
    if (e.prefill_rate == tokens_per_second(0)) at.need("prefill_rate", "a rate such as \"220 tok/s\"" + none);
    if (e.tpot == seconds_per_token(0)) at.need("tpot", "a time per token such as \"45 ms/tok\"" + none);
    at.read("prefill_rate", e.prefill_rate);
    at.read("tpot", e.tpot);
    at.read("queue_delay", e.queue_delay);
    at.read("context_window", e.context_window);
    at.read("kv_size", e.kv_size);
    at.read("kv_capacity", e.kv_capacity);
    at.read("kv_lifetime", e.kv_lifetime);
    at.read("kv_rate", e.kv_rate);
    if (e.kv_rate > bits_per_second(0) && e.kv_size == bits_per_token(0))
        at.need("kv_size", "the KV cache of a token such as \"28 KiB/tok\", because there is a kv_rate");
    at.read("kv_rollback", e.kv_rollback);
    double reply_kept = e.reply_kept.value();
    at.read("reply_kept", reply_kept, 0, 1);
    e.reply_kept = reply_kept;
    double tokenizer_ratio = e.tokenizer_ratio.value();
    at.read("tokenizer_ratio", tokenizer_ratio, 0.01, 100);
    e.tokenizer_ratio = tokenizer_ratio;
    double reply_ratio = e.reply_ratio.value();
    at.read("reply_ratio", reply_ratio, 0.01, 100);
    e.reply_ratio = reply_ratio;
    at.read("extra_rtt", e.extra_rtt);
    at.read("request_overhead", e.request_overhead);
    at.read("token_size", e.token_size);
    at.read("resends_history", e.resends_history);
    at.finish();
    if (const auto fault = fault_in(e)) at.fail_here(fault->message);
    return e;
}

/// Medians of a measured link. What was not measured must be in the configuration.
link_state read_link_preset(section& at, const std::string& name) {
    if (at.find("snr") != nullptr || at.find("bandwidth") != nullptr)
        at.fail("preset", "expected either a preset, or snr and bandwidth");
    const link_preset* found = presets::find_link(name);
    if (found == nullptr) {
        std::vector<std::string_view> names;
        for (const link_preset& each : presets::links) names.push_back(each.name);
        at.fail("preset",
                "no link of that name; known are " + listed(names) + ", got " + qlroute::detail::quoted(name));
    }
    const std::string none = ", because it was not measured for " + name;
    if (!found->uplink_rate) at.need("uplink_rate", "a rate such as \"20 Mbit/s\"" + none);
    if (!found->downlink_rate) at.need("downlink_rate", "a rate such as \"20 Mbit/s\"" + none);
    if (!found->rtt) at.need("rtt", "a time such as \"38 ms\"" + none);
    return {.uplink_rate = found->uplink_rate.value_or(bits_per_second(0)),
            .downlink_rate = found->downlink_rate.value_or(bits_per_second(0)),
            .rtt = found->rtt.value_or(seconds(0))};
}

any_transport read_transport(section at) {
    any_transport transport;
    if (at.choice("type", "serialised", {"serialised", "tcp"}) == "tcp") {
        constexpr std::pair<std::string_view, ratio> handshakes[] = {
            {"none", cost::handshake::none},
            {"tcp", cost::handshake::tcp},
            {"tcp_tls12", cost::handshake::tcp_tls12},
            {"tcp_tls13", cost::handshake::tcp_tls13},
            {"tcp_tls13_early_data", cost::handshake::tcp_tls13_early_data},
            {"quic", cost::handshake::quic},
            {"quic_early_data", cost::handshake::quic_early_data}};
        const std::string chosen =
            at.choice("handshake", "tcp_tls13",
                      {"none", "tcp", "tcp_tls12", "tcp_tls13", "tcp_tls13_early_data", "quic", "quic_early_data"});
        cost::tcp how;
        for (const auto& [name, trips] : handshakes)
            if (chosen == name) how.handshake = trips;
        at.read("lookup", how.lookup);
        at.read("keep_alive", how.keep_alive);
        double window = how.initial_window.value();
        at.read("initial_window", window, 1, 1e6);
        how.initial_window = window;
        double loss = 0;
        at.read("loss", loss, 0, 0.99);
        how.loss = loss;
        transport.how = how;
    }
    at.finish();
    return transport;
}

/// `transport` is left alone where the section has none.
link_state read_link(section at, link_state link, std::optional<any_transport>& transport) {
    const auto finish = [&] {
        if (const json* how = at.find("transport")) transport = read_transport(at.child("transport", *how));
        at.finish();
    };
    const std::string preset = preset_name(at, "preset");
    if (!preset.empty()) link = read_link_preset(at, preset);
    // Either rates, or a radio from which they follow.
    if (at.find("snr") == nullptr && at.find("bandwidth") == nullptr) {
        at.read("uplink_rate", link.uplink_rate);
        at.read("downlink_rate", link.downlink_rate);
        at.read("rtt", link.rtt);
        finish();
        return link;
    }
    const json& text = at.need("snr", "a ratio such as \"12 dB\"");
    if (!text.is_string())
        at.fail("snr", "expected a text with a number and a unit, such as \"12 dB\", got " + shown(text));
    const auto snr = parse_quantity<ratio>(text.get_ref<const std::string&>());
    if (!snr) at.fail("snr", snr.error().message);
    if (snr->value() < 0) at.fail("snr", "a ratio must not be negative, got " + shown(text) + "; did you mean dB?");
    hertz bandwidth(20e6);
    at.need("bandwidth", "a frequency such as \"20 MHz\"");
    at.read("bandwidth", bandwidth);
    if (at.choice("spectral_efficiency", "truncated_shannon", {"truncated_shannon", "cqi_table"}) == "cqi_table") {
        link.uplink_rate = link.downlink_rate = rate(*snr, bandwidth, cqi_table{});
    } else {
        link.uplink_rate = rate(*snr, bandwidth, truncated_shannon::uplink());
        link.downlink_rate = rate(*snr, bandwidth, truncated_shannon::downlink());
    }
    at.read("rtt", link.rtt);
    finish();
    return link;
}

any_estimator read_estimator(section at) {
    const std::string type = at.choice("type", "last_value", {"last_value", "ewma", "harmonic_mean"});
    any_estimator estimator = last_value{};
    if (type == "harmonic_mean") estimator = harmonic_mean<>{};
    if (type == "ewma") {
        ewma smooth;
        double keep = smooth.keep.value();
        at.read("keep", keep, 0, 0.999999);
        smooth.keep = keep;
        estimator = smooth;
    }
    at.finish();
    return estimator;
}

term_weights read_weights(section at) {
    term_weights w;
    constexpr double most = 1e9;
    at.read("quality_loss", w.quality_loss);
    at.read("uplink", w.uplink, 0, most);
    at.read("queueing", w.queueing, 0, most);
    at.read("switching", w.switching, 0, most);
    at.read("prefill", w.prefill, 0, most);
    at.read("decode", w.decode, 0, most);
    at.read("downlink", w.downlink, 0, most);
    at.finish();
    return w;
}

std::size_t read_place(section& at, std::string_view key, std::span<const endpoint> places, std::size_t fallback) {
    const json* name = at.find(key);
    if (name == nullptr && fallback < places.size()) return fallback;
    std::string all;
    for (std::size_t i = 0; i < places.size(); ++i) {
        if (name != nullptr && name->is_string() && name->get_ref<const std::string&>() == places[i].name) return i;
        all += (i == 0 ? "" : ", ") + std::string(places[i].name);
    }
    if (name == nullptr) at.fail(key, "this rule needs two endpoints, but only " + all + " is configured");
    at.fail(key, "expected the name of an endpoint (" + all + "), got " + shown(*name));
}

any_rule read_rule(section at, std::span<const endpoint> places) {
    const std::string type =
        at.choice("type", "lowest_cost", {"lowest_cost", "fused_score", "score_threshold", "always", "random_rate"});
    any_rule out;
    if (type == "lowest_cost") {
        lowest_cost<> rule{seconds(0.15)};
        at.read("hysteresis", rule.hysteresis);
        out.rule = rule;
    } else if (type == "always") {
        out.rule = always{read_place(at, "endpoint", places, 0)};
    } else {
        const std::size_t small = read_place(at, "small", places, 0);
        const std::size_t large = read_place(at, "large", places, 1);
        if (small == large)
            at.fail("large", "expected another endpoint than small, got " + std::string(places[large].name));
        if (type == "fused_score") {
            fused_score<expected_latency> rule{.small = small, .large = large, .latency = {}};
            double alpha = rule.alpha.value();
            at.read("alpha_per_s", alpha, 0, 1e9);
            at.read("theta", rule.theta, 0, 1);
            rule.alpha = hertz(alpha);
            out.rule = rule;
        } else if (type == "score_threshold") {
            score_threshold rule{.small = small, .large = large};
            at.read("theta", rule.theta, 0, 1);
            out.rule = rule;
        } else {
            random_rate rule{.small = small, .large = large};
            double seed = 1;
            at.read("rate", rule.rate, 0, 1);
            at.read("seed", seed, 0, 1e15);
            if (seed != std::floor(seed)) at.fail("seed", "expected a whole number, got " + json(seed).dump());
            rule.seed = static_cast<std::uint64_t>(seed);
            out.rule = rule;
        }
    }
    at.finish();
    return out;
}

any_predictor read_predictor(section at, const std::string& config_path) {
    any_predictor out;
    const std::string type = at.choice("type", "response", {"response", "lexical", "constant"});
    std::string path;
    if (const json* file = at.find("file"); file != nullptr) {
        if (type == "constant")
            at.fail("file", "the type constant has none; leave it out, or change the type to response or lexical");
        if (!file->is_string() || file->get_ref<const std::string&>().empty())
            at.fail("file", (type == "lexical" ? "expected the path of lexical weights, got "
                                               : "expected a folder with encoder.safetensors, response.safetensors "
                                                 "and vocab.txt, got ") +
                                shown(*file));
        path = beside(config_path, file->get<std::string>());
    }
    at.finish();
    if (type == "lexical" && path.empty()) out.predictor = built_in_lexical();
    else if (type == "lexical") {
        auto predictor = lexical_difficulty::load(path);
        if (!predictor) at.fail("file", predictor.error().message);
        out.predictor = *std::move(predictor);
    } else if (type == "response" && path.empty()) out.predictor = bundled_predictor();
    else if (type == "response") {
        auto predictor = load_predictor(path);
        if (!predictor) at.fail("file", predictor.error().message);
        out.predictor = *std::move(predictor);
    }
    return out;
}

/// All but the predictor, which is not read before it is needed.
settings usual_settings() {
    settings s;
    s.places = {{.name = "phone",
                 .ability = 0,
                 .usual_success = 0.55,
                 .prefill_rate = 239_tok_s,
                 .tpot = 25_ms / 1_tok,
                 .context_window = 8192_tok,
                 .kv_size = 28_KiB / 1_tok},
                {.name = "edge",
                 .remote = true,
                 .ability = 2,
                 .usual_success = 0.8,
                 .prefill_rate = 12'300_tok_s,
                 .tpot = 26.6_ms / 1_tok,
                 .queue_delay = 50_ms,
                 .context_window = 32'768_tok,
                 .kv_size = 320_KiB / 1_tok,
                 .kv_lifetime = 300_s,
                 .extra_rtt = 8_ms}};
    s.engines.resize(s.places.size());
    return s;
}

}  // namespace

any_predictor::difficulty any_predictor::operator()(std::span<const message> dialogue) const noexcept {
    if (const response_difficulty* encoder = response()) return {difficulty_of(*encoder, dialogue), curves.get()};
    if (const auto* lexical = std::get_if<lexical_difficulty>(&predictor)) return {(*lexical)(dialogue), curves.get()};
    return {std::get<constant_difficulty>(predictor)(dialogue), curves.get()};
}

seconds expected_latency::operator()(const scenario<>& s) const noexcept {
    return cost::end_to_end(way_of(*config), engines_of(*config), config->transport)(s);
}

any_rule bound_to(const settings& config, any_rule rule) {
    if (auto* fused = std::get_if<fused_score<expected_latency>>(&rule.rule)) fused->latency.config = &config;
    return rule;
}

settings default_settings() {
    settings s = usual_settings();
    s.predictor.predictor = bundled_predictor();
    return s;
}

void replace_endpoints(settings& config, const std::vector<std::string>& chosen) {
    const response_difficulty* predictor = config.predictor.response();
    if (predictor == nullptr)
        throw usage_error("--endpoint: the configuration has another predictor; expected the type response");
    config.places.clear();
    config.calibrated.clear();
    for (const std::string& text : chosen) {
        auto one = choose_endpoint(text, "--endpoint", *predictor);
        for (const endpoint& place : config.places)
            if (place.name == one.name)
                throw usage_error("--endpoint: two endpoints are named " + qlroute::detail::quoted(one.name) +
                                  "; expected different names");
        config.names.push_back(one.name);
        config.places.push_back({.name = config.names.back(), .abilities = one.abilities});
        if (one.calibrated) config.calibrated.emplace(one.name, *std::move(one.calibrated));
    }
    config.engines.assign(config.places.size(), {});
    connect_curves(config);
}

settings settings_from(const json& all, const std::string& path, const more_keys& more) {
    section at(all, path, "");
    settings s = usual_settings();
    // First, because the abilities of endpoints are read on its scale.
    if (const json* predictor = at.find("predictor"))
        s.predictor = read_predictor(at.child("predictor", *predictor), path);
    else s.predictor.predictor = bundled_predictor();
    if (const json* places = at.find("endpoints")) {
        if (!places->is_array() || places->empty())
            at.fail("endpoints", "expected a list of at least one endpoint, got " + shown(*places));
        s.places.clear();
        s.engines.clear();
        for (std::size_t i = 0; i < places->size(); ++i) {
            section one = at.child("endpoints", i, (*places)[i]);
            s.places.push_back(read_endpoint(one, s, path, more));
        }
        if (const auto fault = fault_in(s.places)) at.fail("endpoints", fault->message);
        connect_curves(s);
    }
    std::optional<any_transport> transport;
    if (const json* link = at.find("link")) s.link = read_link(at.child("link", *link), s.link, transport);
    if (const json* estimator = at.find("rate_estimator"))
        s.estimator = read_estimator(at.child("rate_estimator", *estimator));
    if (const json* weights = at.find("weights")) s.weights = read_weights(at.child("weights", *weights));
    if (const json* rule = at.find("rule")) s.rule = read_rule(at.child("rule", *rule), s.places);
    at.read("expected_output", s.expected_output, 1'000'000_tok);
    at.read("turn_interval", s.turn_interval, 24_h);
    if (const json* how = at.find("transport")) {
        if (transport) at.fail("transport", "found here and in link; expected it once");
        transport = read_transport(at.child("transport", *how));
    }
    if (transport) s.transport = *transport;
    if (more.of_file) more.of_file(at, s);
    at.finish();
    return s;
}

settings read_settings(const std::string& path, const more_keys& more) {
    return settings_from(parse_config(read_file(path), path), path, more);
}
