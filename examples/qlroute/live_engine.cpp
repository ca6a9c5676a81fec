#include "live_engine.hpp"

#include "configured/files.hpp"
#include "configured/shown.hpp"

#include <httplib.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <set>
#include <utility>

using namespace qlroute;
using nlohmann::json;

namespace {

// Common short words: about a token each for most tokenizers.
constexpr std::string_view words[] = {
    "time",    "year",        "people", "way",       "day",     "man",       "thing",   "woman",   "life",
    "child",   "world",       "school", "state",     "family",  "student",   "group",   "country", "problem",
    "hand",    "part",        "place",  "case",      "week",    "company",   "system",  "program", "question",
    "work",    "government",  "number", "night",     "point",   "home",      "water",   "room",    "mother",
    "area",    "money",       "story",  "fact",      "month",   "lot",       "right",   "study",   "book",
    "eye",     "job",         "word",   "business",  "issue",   "side",      "kind",    "head",    "house",
    "service", "friend",      "father", "power",     "hour",    "game",      "line",    "end",     "member",
    "law",     "car",         "city",   "community", "name",    "president", "team",    "minute",  "idea",
    "body",    "information", "back",   "parent",    "face",    "others",    "level",   "office",  "door",
    "health",  "person",      "art",    "war",       "history", "party",     "result",  "change",  "morning",
    "reason",  "research",    "girl",   "guy",       "moment",  "air",       "teacher", "force"};

json parsed(const std::string& text) {
    json out = json::parse(text, nullptr, false);
    return out.is_discarded() ? json() : out;
}

/// A number at a path of an object, or nothing.
std::optional<double> number_at(const json& all, std::initializer_list<const char*> path) {
    const json* at = &all;
    for (const char* key : path) {
        if (!at->is_object() || !at->contains(key)) return std::nullopt;
        at = &(*at)[key];
    }
    return at->is_number() ? std::optional(at->get<double>()) : std::nullopt;
}

/// What a server complains of, in one line.
std::string complaint_in(const httplib::Result& got) {
    if (!got) return "no answer (" + httplib::to_string(got.error()) + ")";
    const json all = parsed(got->body);
    std::string why;
    if (all.is_object() && all.contains("error"))
        why = all["error"].is_object() && all["error"].contains("message") ? shown(all["error"]["message"])
                                                                           : shown(all["error"]);
    return "HTTP status " + std::to_string(got->status) + (why.empty() ? "" : ": " + why);
}

std::mt19937_64& chance() {
    static std::mt19937_64 bits(std::random_device{}());
    return bits;
}

}  // namespace

struct live_engine::connection {
    httplib::Client client;
    std::string prefix;  // of the path, such as "/api"
    std::string path;    // of completions
    seconds rtt{};       // of an empty request

    explicit connection(const std::string& host) : client(host) {}

    httplib::Result post(const std::string& to, const json& body) {
        return client.Post(prefix + to, body.dump(-1, ' ', false, json::error_handler_t::replace), "application/json");
    }
};

live_engine::~live_engine() = default;

live_engine::live_engine(const std::string& url, const std::string& model, seconds patience) : model_(model) {
    const std::size_t scheme = url.find("://");
    if (scheme == std::string::npos || (url.substr(0, scheme) != "http" && url.substr(0, scheme) != "https"))
        throw usage_error("--url: expected a URL such as http://127.0.0.1:8080, got " + qlroute::detail::quoted(url));
    std::size_t path = url.find('/', scheme + 3);
    if (path == std::string::npos) path = url.size();
    const std::string host = url.substr(0, path);
    try {
        connection_ = std::make_unique<connection>(host);
    } catch (const std::exception& why) {
        throw usage_error("--url: " + qlroute::detail::quoted(url) + ": " + why.what());
    }
    if (!connection_->client.is_valid())
        throw usage_error("--url: expected a URL such as http://127.0.0.1:8080, got " + qlroute::detail::quoted(url));
    connection_->prefix = url.substr(path);
    while (connection_->prefix.ends_with('/')) connection_->prefix.pop_back();
    if (connection_->prefix.ends_with("/v1")) connection_->prefix.resize(connection_->prefix.size() - 3);

    auto& client = connection_->client;
    client.set_connection_timeout(5);
    client.set_read_timeout(static_cast<time_t>(patience.value()) + 1);
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    if (const char* key = std::getenv("QLROUTE_API_KEY"); key != nullptr && *key != '\0')
        client.set_bearer_token_auth(key);

    const auto models = client.Get(connection_->prefix + "/v1/models");
    const auto props = client.Get(connection_->prefix + "/props");
    if (!models && !props)
        throw usage_error("--url: " + url + " does not answer (" + httplib::to_string(models.error()) +
                          "); is the server running there?");
    if (model_.empty() && models) {
        const json all = parsed(models->body);
        if (all.is_object() && all.contains("data") && all["data"].is_array() && !all["data"].empty() &&
            all["data"][0].is_object() && all["data"][0].contains("id") && all["data"][0]["id"].is_string())
            model_ = all["data"][0]["id"].get<std::string>();
    }
    std::vector<double> trips;
    for (int i = 0; i < 5; ++i) {
        const auto start = std::chrono::steady_clock::now();
        if (!client.Get(connection_->prefix + "/v1/models")) break;
        trips.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    connection_->rtt = seconds(summarised(std::move(trips)).median);

    if (const json all = props ? parsed(props->body) : json();
        all.is_object() && all.contains("default_generation_settings")) {
        kind_ = "llama-server";
        connection_->path = "/completion";
        context_ = static_cast<std::size_t>(number_at(all, {"default_generation_settings", "n_ctx"}).value_or(0));
        std::string text;
        for (const auto& word : words) text += " " + std::string(word);
        const auto ids = connection_->post("/tokenize", {{"content", text}});
        const json list = ids ? parsed(ids->body) : json();
        if (list.is_object() && list.contains("tokens") && list["tokens"].is_array()) {
            std::set<int> all_ids;
            for (const json& id : list["tokens"])
                if (id.is_number_integer()) all_ids.insert(id.get<int>());
            vocabulary_.assign(all_ids.begin(), all_ids.end());
        }
        if (vocabulary_.empty())
            throw usage_error("--url: " + host + connection_->prefix + "/tokenize: " + complaint_in(ids));
        return;
    }
    kind_ = "OpenAI API";
    if (!models || models->status != 200)
        throw usage_error("--url: " + host + connection_->prefix + "/v1/models: " + complaint_in(models) +
                          "; expected llama-server or a server of the OpenAI API" +
                          (models && models->status == 401 ? "; its key goes into QLROUTE_API_KEY" : ""));
    for (std::size_t i = 0; i < std::size(words); ++i) vocabulary_.push_back(static_cast<int>(i));
    for (const char* to : {"/v1/completions", "/v1/chat/completions"}) {
        connection_->path = to;
        if (ask(0, 8, 1)) return;
    }
    throw usage_error("--url: " + host + connection_->prefix + ": " + failure_ +
                      "; expected llama-server or a server of the OpenAI API");
}

void live_engine::extend_history(std::size_t pieces) {
    while (history_.size() < pieces) history_.push_back(vocabulary_[chance()() % vocabulary_.size()]);
}

std::optional<live_answer> live_engine::ask(std::size_t past, std::size_t fresh, std::size_t output) {
    extend_history(past);
    return kind_ == "llama-server" ? ask_llama(past, fresh, output) : ask_openai(past, fresh, output);
}

std::optional<live_answer> live_engine::ask_llama(std::size_t past, std::size_t fresh, std::size_t output) {
    std::vector<int> prompt(history_.begin(), history_.begin() + static_cast<std::ptrdiff_t>(past));
    for (std::size_t i = 0; i < fresh; ++i) prompt.push_back(vocabulary_[chance()() % vocabulary_.size()]);
    const json body{
        {"prompt", prompt},   {"n_predict", output}, {"cache_prompt", true}, {"id_slot", 0},
        {"ignore_eos", true}, {"temperature", 0},    {"stream", false},      {"response_fields", {"timings"}}};
    const auto start = std::chrono::steady_clock::now();
    const auto got = connection_->post(connection_->path, body);
    live_answer out;
    out.elapsed = seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    out.bytes = body.dump().size();
    const json all = got && got->status == 200 ? parsed(got->body) : json();
    const auto figure = [&](const char* key) { return number_at(all, {"timings", key}); };
    const auto cache_n = figure("cache_n");
    const auto prompt_n = figure("prompt_n");
    const auto prompt_ms = figure("prompt_ms");
    if (!prompt_n || !prompt_ms) {
        failure_ =
            connection_->path + ": " +
            (got && got->status == 200 ? "the answer has no timings; is it an older llama-server?" : complaint_in(got));
        return std::nullopt;
    }
    out.outside = out.elapsed - seconds(*prompt_ms / 1e3) - connection_->rtt;
    const tokens cached(cache_n.value_or(static_cast<double>(prompt.size()) - *prompt_n));
    out.seen.push_back({.cached = cached, .new_tokens = tokens(*prompt_n), .time = seconds(*prompt_ms / 1e3)});
    const double written = figure("predicted_n").value_or(0);
    const double writing_ms = figure("predicted_ms").value_or(0);
    if (written >= 2 && writing_ms > 0) {
        // The first came with the prompt; predicted_ms counts from it.
        out.seen.push_back({.cached = cached + tokens(*prompt_n),
                            .output_tokens = tokens(written - 1),
                            .time = seconds(writing_ms / 1e3)});
        out.outside -= seconds(writing_ms / 1e3);
    }
    return out;
}

std::optional<live_answer> live_engine::ask_openai(std::size_t past, std::size_t fresh, std::size_t output) {
    std::string text;
    for (std::size_t i = 0; i < past; ++i) text += std::string(words[static_cast<std::size_t>(history_[i])]) + " ";
    for (std::size_t i = 0; i < fresh; ++i)
        text += std::string(words[static_cast<std::size_t>(vocabulary_[chance()() % vocabulary_.size()])]) + " ";
    json body{{"max_tokens", output}, {"temperature", 0}, {"stream", false}};
    if (!model_.empty()) body["model"] = model_;
    if (connection_->path == "/v1/completions") body["prompt"] = text;
    else body["messages"] = json::array({{{"role", "user"}, {"content", text}}});
    const auto start = std::chrono::steady_clock::now();
    const auto got = connection_->post(connection_->path, body);
    live_answer out;
    out.elapsed = seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    out.bytes = body.dump().size();
    const json all = got && got->status == 200 ? parsed(got->body) : json();
    const auto read = number_at(all, {"usage", "prompt_tokens"});
    if (!read) {
        failure_ = connection_->path + ": " +
                   (got && got->status == 200 ? "the answer has no usage.prompt_tokens" : complaint_in(got));
        return std::nullopt;
    }
    const double cached = number_at(all, {"usage", "prompt_tokens_details", "cached_tokens"}).value_or(0);
    const double written = number_at(all, {"usage", "completion_tokens"}).value_or(static_cast<double>(output));
    const seconds time = larger(out.elapsed - connection_->rtt, seconds(1e-6));
    out.seen.push_back({.cached = tokens(cached),
                        .new_tokens = tokens(std::max(*read - cached, 1.0)),
                        .output_tokens = tokens(written),
                        .time = time});
    return out;
}
