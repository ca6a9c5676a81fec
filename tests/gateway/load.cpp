// Load for the gateway: a stub upstream, and clients that measure.
//
//   qlroute_gateway_load stub PORT [TOKENS [GAP_MS]]      answers every chat completion at once, or token by token
//   qlroute_gateway_load ttft URL URL [SECONDS]           streams, alternately here and there: medians, and their
//   difference qlroute_gateway_load rate URL [CONNECTIONS [SECONDS]] short completions, one after the other on each
//   connection
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;

double ms_since(steady::time_point t) { return std::chrono::duration<double, std::milli>(steady::now() - t).count(); }

double quantile(std::vector<double>& all, double q) {
    if (all.empty()) return 0;
    std::sort(all.begin(), all.end());
    return all[std::min(all.size() - 1, static_cast<std::size_t>(q * static_cast<double>(all.size())))];
}

const std::string usage = R"("usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10})";

std::string chunk(const std::string& inside, const std::string& more = "") {
    return "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"choices\":[" + inside + "]" + more + "}\n\n";
}

int serve(int port, int count, int gap_ms) {
    httplib::Server server;
    server.new_task_queue = [] { return new httplib::ThreadPool(160); };
    server.set_tcp_nodelay(true);
    server.set_keep_alive_max_count(100'000'000);
    server.Get(".*", [](const httplib::Request&, httplib::Response& response) {
        response.set_content(R"({"object":"list","data":[{"id":"stub","object":"model"}]})", "application/json");
    });
    server.Post(".*", [=](const httplib::Request& request, httplib::Response& response) {
        const bool streams = request.body.find("\"stream\":true") != std::string::npos;
        if (!streams) {
            response.set_content(
                R"({"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],)" +
                    usage + "}",
                "application/json");
            return;
        }
        response.set_chunked_content_provider("text/event-stream", [=](std::size_t, httplib::DataSink& sink) {
            bool ok = true;
            const auto say = [&](const std::string& text) { ok = ok && sink.write(text.data(), text.size()); };
            for (int i = 0; i < count && ok; ++i) {
                say(chunk(R"({"index":0,"delta":{"content":"yes "},"finish_reason":null})"));
                if (gap_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(gap_ms));
            }
            say(chunk(R"({"index":0,"delta":{},"finish_reason":"stop"})"));
            say(chunk("", "," + usage));
            say("data: [DONE]\n\n");
            sink.done();
            return ok;
        });
    });
    std::fprintf(stderr, "listening on http://127.0.0.1:%d\n", port);
    return server.listen("127.0.0.1", port) ? 0 : 1;
}

httplib::Client client_of(const std::string& url) {
    httplib::Client client(url);
    client.set_keep_alive(true);
    client.set_tcp_nodelay(true);
    client.set_decompress(false);
    client.set_read_timeout(60);
    return client;
}

std::string question(bool streams, long number) {
    return R"({"model":"auto","messages":[{"role":"user","content":"Is )" + std::to_string(number) +
           R"( a prime number? Answer with yes or no."}],"max_tokens":16,"stream":)" + (streams ? "true}" : "false}");
}

/// Milliseconds to the first content of a stream; negative where there was none.
double first_content(httplib::Client& client, long number) {
    httplib::Request request;
    request.method = "POST";
    request.path = "/v1/chat/completions";
    request.headers = {{"Content-Type", "application/json"}};
    request.body = question(true, number);
    double first = -1;
    const auto began = steady::now();
    request.content_receiver = [&](const char* bytes, std::size_t size, std::uint64_t, std::uint64_t) {
        if (first < 0 && std::string_view(bytes, size).find("\"content\"") != std::string_view::npos)
            first = ms_since(began);
        return true;
    };
    httplib::Response response;
    auto error = httplib::Error::Success;
    return client.send(request, response, error) && response.status == 200 ? first : -1;
}

int compare(const std::string& direct, const std::string& through, double seconds) {
    auto a = client_of(direct);
    auto b = client_of(through);
    std::vector<double> at_a;
    std::vector<double> at_b;
    std::vector<double> added;
    long number = 0;
    for (const auto began = steady::now(); ms_since(began) < 1e3 * seconds; number += 2) {
        const double one = first_content(a, number);
        const double two = first_content(b, number + 1);
        if (one < 0 || two < 0) return std::fprintf(stderr, "a request failed\n"), 1;
        at_a.push_back(one);
        at_b.push_back(two);
        added.push_back(two - one);
    }
    std::printf("ttft p50 direct %.3f ms, through %.3f ms; added p50 %.3f ms, p90 %.3f ms, p99 %.3f ms; %zu pairs\n",
                quantile(at_a, 0.5), quantile(at_b, 0.5), quantile(added, 0.5), quantile(added, 0.9),
                quantile(added, 0.99), added.size());
    return 0;
}

int measure_rate(const std::string& url, int connections, double seconds) {
    std::atomic<long> number = 0;
    std::atomic<long> bad = 0;
    std::vector<std::vector<double>> took(static_cast<std::size_t>(connections));
    std::vector<std::thread> threads;
    const auto began = steady::now();
    for (auto& mine : took)
        threads.emplace_back([&] {
            auto client = client_of(url);
            while (ms_since(began) < 1e3 * seconds) {
                const auto start = steady::now();
                const auto got = client.Post("/v1/chat/completions", question(false, ++number), "application/json");
                if (got && got->status == 200) mine.push_back(ms_since(start));
                else ++bad;
            }
        });
    for (auto& one : threads) one.join();
    const double whole = ms_since(began) / 1e3;
    std::vector<double> all;
    for (const auto& mine : took) all.insert(all.end(), mine.begin(), mine.end());
    const double rate = static_cast<double>(all.size()) / whole;
    std::printf("%.0f requests/s, p50 %.3f ms, p99 %.3f ms; %zu answered, %ld failed, %d connections\n", rate,
                quantile(all, 0.5), quantile(all, 0.99), all.size(), bad.load(), connections);
    return bad == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const auto text = [&](int i, const char* fallback) { return std::string(i < argc ? argv[i] : fallback); };
    const std::string what = text(1, "");
    if (what == "stub" && argc >= 3)
        return serve(std::atoi(argv[2]), std::atoi(text(3, "8").c_str()), std::atoi(text(4, "0").c_str()));
    if (what == "ttft" && argc >= 4) return compare(argv[2], argv[3], std::atof(text(4, "10").c_str()));
    if (what == "rate" && argc >= 3)
        return measure_rate(argv[2], std::atoi(text(3, "8").c_str()), std::atof(text(4, "10").c_str()));
    std::fprintf(stderr,
                 "usage: stub PORT [TOKENS [GAP_MS]] | ttft DIRECT_URL GATEWAY_URL [SECONDS] | "
                 "rate URL [CONNECTIONS [SECONDS]]\n");
    return 2;
}
