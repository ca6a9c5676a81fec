"""The gateway from outside, between stub upstreams and clients of its own: gateway.py PROGRAM. Takes some 20 seconds."""
import faulthandler
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = os.path.abspath(sys.argv[1])
STUB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stub_upstream.py")
ENVIRONMENT = dict(os.environ, STUB_KEY="sk-very-secret")
PATIENCE = 30
failures = []


def check(what, expected, found):
    if expected != found:
        failures.append(what)
        print("FAILED: %s\n  expected: %.600r\n  found:    %.600r" % (what, expected, found), file=sys.stderr)


def holds(what, condition, found=""):
    if not condition:
        failures.append(what)
        print("FAILED: %s\n  found: %.900r" % (what, found), file=sys.stderr)


def soon(condition, most=PATIENCE):
    end = time.monotonic() + most
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Stub:
    def __init__(self, name, *certificate):
        self.name, self.port, self.certificate = name, 0, certificate
        self.start()

    def start(self):
        if os.path.exists(self.name):
            os.remove(self.name)
        again = [str(self.port), *self.certificate] if self.port or self.certificate else []
        self.process = subprocess.Popen([sys.executable, "-B", STUB, self.name] + again)
        assert soon(lambda: os.path.exists(self.name)), "the stub did not start"
        self.port = int(open(self.name).read())

    def stop(self):
        self.process.kill()
        self.process.wait()

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())

    def seen(self):
        return self.ask("/seen")["requests"]


class Gateway:
    def __init__(self, config, *options):
        self.log = config.get("log")
        with open("config.json", "w") as file:
            json.dump(config, file)
        self.stderr = open("gateway.err", "w+")
        self.process = subprocess.Popen([PROGRAM, "--config", "config.json"] + list(options), stderr=self.stderr,
                                        stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        assert soon(lambda: "listening on" in self.errors() or self.process.poll() is not None), "it did not start"
        assert self.process.poll() is None, self.errors()
        self.port = int(re.search(r"listening on http://[^ ]*:(\d+)", self.errors()).group(1))

    def errors(self):
        return open("gateway.err").read()

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "it had to be killed"
        check("exit status of the gateway", 0, status)
        holds("no complaint of a sanitizer", "Sanitizer" not in self.errors() and "runtime error" not in self.errors(),
              self.errors())

    def request(self, method, path, body=None, headers=None, whole=True):
        """Status, headers, bytes, and whether they were all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        data, complete = b"", True
        try:
            data = answer.read()
        except http.client.IncompleteRead as part:
            data, complete = part.partial, False
        except (ConnectionError, OSError):
            complete = False
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, data, complete

    def chat(self, text, headers=None, **more):
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **more}
        return self.request("POST", "/v1/chat/completions", json.dumps(body), headers)

    def lines(self):
        """Of the log, once nothing is added any more: a line comes just after the answer's end."""
        size = -1
        while size != os.path.getsize(self.log):
            size = os.path.getsize(self.log)
            time.sleep(0.1)
        with open(self.log) as file:
            return [json.loads(line) for line in file]

    def last(self):
        return self.lines()[-1]

    def metrics(self):
        return self.request("GET", "/metrics")[2].decode()


def events(data):
    return [json.loads(e[6:]) if e != b"data: [DONE]" else "done" for e in data.split(b"\n\n") if e]


def spoken(data):
    out = ""
    for event in events(data):
        if event != "done" and event.get("choices"):
            out += event["choices"][0]["delta"].get("content") or ""
    return out


def error_of(data):
    try:
        error = json.loads(data)["error"]
        holds("the form of an error", set(error) >= {"message", "type", "code"}, error)
        return error["code"]
    except (ValueError, KeyError):
        return data


def config(device, edge, **more):
    return {"listen": "127.0.0.1:0", "log": "log.jsonl", "predictor": {"type": "constant"},
            "timeouts": {"connect": "1 s", "first_byte": "1 s", "between_bytes": "1 s", "request": "1 s",
                         "drain": "3 s"},
            "endpoints": [{"name": "device", "url": "http://127.0.0.1:%d" % device.port, "usual_success": 0.9},
                          {"name": "edge", "url": "http://127.0.0.1:%d/v1/" % edge.port, "usual_success": 0.8,
                           "api_key_env": "STUB_KEY", "ability": "small"}], **more}


def streams(gateway, device):
    status, headers, data, complete = gateway.chat("odd say 4", stream=True)
    check("status of a stream", 200, status)
    check("content-type of a stream", "text/event-stream", headers.get("content-type"))
    check("cache-control of a stream", "no-cache", headers.get("cache-control"))
    check("the endpoint in a header", "device", headers.get("x-qlroute-endpoint"))
    holds("the cost in a header", float(headers.get("x-qlroute-cost", "nan")) > 0, headers)
    holds("the terms with --explain", "prefill=" in headers.get("x-qlroute-explain", ""), headers)
    holds("a whole stream", complete and data.endswith(b"data: [DONE]\n\n"), data)
    check("what was said", "w0 ä€ w1 ä€ w2 ä€ w3 ä€", spoken(data))
    holds("no usage where none was asked for", b'"usage"' not in data, data)
    sent = json.loads(device.seen()[-1]["body"])
    check("the model that was asked for", "device", sent["model"])
    check("usage is asked for by the gateway", {"include_usage": True}, sent["stream_options"])

    # As the upstream says it, where the client asked for all of it.
    body = {"model": "m", "messages": [{"role": "user", "content": "say 5"}], "stream": True,
            "stream_options": {"include_usage": True}}
    raw = json.dumps(body, indent=2)
    through = gateway.request("POST", "/v1/chat/completions", raw)
    direct = http.client.HTTPConnection("127.0.0.1", device.port, timeout=PATIENCE)
    direct.request("POST", "/v1/chat/completions", raw)
    check("the bytes of a stream", direct.getresponse().read(), through[2])
    check("the bytes of a request", raw, device.seen()[-2]["body"])

    # Chunk by chunk: the first arrives long before the last.
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    began = time.monotonic()
    connection.request("POST", "/v1/chat/completions", json.dumps(
        {"messages": [{"role": "user", "content": "say 6 gap 0.1"}], "stream": True}))
    answer = connection.getresponse()
    answer.read(100)
    first = time.monotonic() - began
    answer.read()
    holds("chunks without waiting", first < 0.35 and time.monotonic() - began > 0.55, first)

    _, _, data, complete = gateway.chat("call", stream=True, tools=[{"type": "function", "function": {"name": "look"}}])
    calls = [e["choices"][0]["delta"].get("tool_calls") for e in events(data) if e != "done"]
    check("a tool call in a stream", "look", [c for c in calls if c][0][0]["function"]["name"])
    holds("tools go up", "tools" in json.loads(device.seen()[-1]["body"]))


def whole_answers(gateway, device):
    status, headers, data, _ = gateway.chat("say 2", temperature=0.70)
    check("status", 200, status)
    check("content-type", "application/json", headers.get("content-type"))
    check("what was said", "w0 w1", json.loads(data)["choices"][0]["message"]["content"])
    holds("numbers stay as they are written", '"temperature": 0.7' in device.seen()[-1]["body"], device.seen()[-1])
    _, _, data, _ = gateway.chat("large 300 say 1")
    check("a large answer", 300000, len(json.loads(data)["choices"][0]["message"]["content"]))
    _, _, data, _ = gateway.chat("call")
    check("a tool call", "look", json.loads(data)["choices"][0]["message"]["tool_calls"][0]["function"]["name"])
    parts = [{"type": "text", "text": "say"}, {"type": "text", "text": "1"}]
    status, _, data, _ = gateway.request("POST", "/v1/chat/completions",
                                         json.dumps({"messages": [{"role": "user", "content": parts}]}))
    check("content in parts", (200, "w0"), (status, json.loads(data)["choices"][0]["message"]["content"]))
    status, headers, data, _ = gateway.chat("say 1", {"x-qlroute-endpoint": "edge"})
    check("a pinned endpoint", (200, "edge"), (status, headers.get("x-qlroute-endpoint")))
    check("pinned in the log", True, gateway.last()["pinned"])
    status, _, data, _ = gateway.chat("say 1", {"x-qlroute-endpoint": "moon"})
    check("an unknown endpoint", (400, "unknown_endpoint"), (status, error_of(data)))


def pages(gateway):
    status, _, data, _ = gateway.request("GET", "/v1/models")
    check("models", ["auto", "device", "edge"], [m["id"] for m in json.loads(data)["data"]])
    check("health", 200, gateway.request("GET", "/health")[0])
    status, _, data, _ = gateway.request("GET", "/v2/none")
    check("no such page", (404, "not_found"), (status, error_of(data)))
    status, headers, data, _ = gateway.request("GET", "/v1/chat/completions")
    check("not to be got", (405, "method_not_allowed", "POST"), (status, error_of(data), headers.get("allow")))
    status, _, data, _ = gateway.request("POST", "/v1/models", "{}")
    check("not to be posted to", (405, "method_not_allowed"), (status, error_of(data)))


def bad_requests(gateway, device):
    before = len(device.seen())
    for body, code, part in [("{\"model\"", "invalid_json", "not valid JSON"),
                             ("[]", "invalid_request", "the body"),
                             ("{}", "invalid_request", "messages: missing"),
                             ('{"messages":[{"role":"king","content":"x"}]}', "invalid_request", "messages[0].role"),
                             ('{"messages":[{"role":"user","content":"x"}],"stream":"yes"}', "invalid_request",
                              "stream: expected true or false"),
                             ("[" * 5000 + "]" * 5000, "invalid_request", "nested too deeply"),
                             ('{"messages":[{"role":"user","content":"\xff"}]}', "invalid_json", "not valid JSON")]:
        status, _, data, _ = gateway.request("POST", "/v1/chat/completions", body.encode("latin-1"))
        check("a bad request: %.60s" % body, (400, code), (status, error_of(data)))
        holds("it is named", part in json.loads(data)["error"]["message"], data)
    check("upstreams see no bad requests", before, len(device.seen()))
    status, headers, data, _ = gateway.chat("status 404")
    check("a complaint of an upstream goes on as it is", (404, "as asked"),
          (status, json.loads(data)["error"]["message"]))
    check("and is no reason for another", None, gateway.last()["fallback_from"])

    def raw(request, most=PATIENCE):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=most) as s:
            for piece in request:
                try:
                    s.sendall(piece)
                except OSError:
                    break
            out = b""
            try:
                while True:
                    more = s.recv(65536)
                    if not more:
                        return out
                    out += more
            except OSError:
                return out

    post = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
    holds("a huge body", raw([post + b"Content-Length: 99999999\r\n\r\n"]).startswith(b"HTTP/1.1 413 "))
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = raw([post + b"Transfer-Encoding: chunked\r\n\r\n"] + [chunk] * 40)
    holds("a huge body in chunks", answer.startswith(b"HTTP/1.1 413 ") and b"request_too_large" in answer, answer)
    answer = raw([post + b"X: " + b"y" * 40000 + b"\r\n\r\n"])
    holds("huge headers", answer.startswith(b"HTTP/1.1 431 "), answer)
    began = time.monotonic()
    slow = [threading.Thread(target=lambda: [None, raw([post])]) for _ in range(30)]
    for one in slow:
        one.start()
    check("answered while 30 are slow", 200, gateway.chat("say 1")[0])
    for one in slow:
        one.join()
    answer = raw([post + b"Content-Length: 10\r\n\r\n{"])
    holds("a slow request is ended", answer.startswith(b"HTTP/1.1 408 ") and time.monotonic() - began < 12, answer)
    answer = raw([b"nonsense\r\n\r\n"])
    holds("no HTTP", answer.startswith(b"HTTP/1.1 400 "), answer)
    two = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = raw([two + two[:-2] + b"Connection: close\r\n\r\n"])
    check("two requests in one packet", 2, answer.count(b"HTTP/1.1 200 "))
    body = b'{"messages":[{"role":"user","content":"say 1"}],"stream":true}'
    answer = raw([b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body])
    holds("a stream for HTTP/1.0", b"chunked" not in answer and answer.endswith(b"data: [DONE]\n\n"), answer)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE) as polite:
        polite.sendall(post + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        answer = polite.recv(100)
        polite.sendall(body)
        answer += polite.recv(100)
    holds("a client that asks before it sends", re.match(rb"HTTP/1.1 100 [^\r]*\r\n\r\nHTTP/1.1 200 ", answer), answer)


def failing(gateway, device, edge):
    def fails(text, name, **more):
        before = len(edge.seen())
        status, headers, data, complete = gateway.chat(text, stream=True, **more)
        check("%s: another one answers" % name, (200, "edge", True), (status, headers.get("x-qlroute-endpoint"), complete))
        check("%s: once" % name, before + 1, len(edge.seen()))
        check("%s: in the log" % name, "device", gateway.last()["fallback_from"])

    fails("status 500 at device say 2", "an error")
    check("the breaker counts from the last success", 200, gateway.chat("say 1")[0])
    fails("status 429 at device say 2", "too many requests")
    status, _, data, _ = gateway.chat("status 503", stream=True)
    check("where both fail, the last one's own words", (503, "as asked"), (status, json.loads(data)["error"]["message"]))
    gateway.chat("say 1", {"x-qlroute-endpoint": "edge"})
    gateway.chat("say 1")
    status, _, data, _ = gateway.chat("html")
    check("no answer at all", (502, "upstream_error"), (status, error_of(data)))
    gateway.chat("say 1", {"x-qlroute-endpoint": "edge"})
    gateway.chat("say 1")
    status, _, data, _ = gateway.chat("complain", {"x-qlroute-endpoint": "device"}, stream=True)
    check("an error before the first token", (502, "upstream_error"), (status, error_of(data)))

    # After the first token never.
    gateway.chat("say 1")
    before = len(edge.seen())
    for text, outcome in (("say 4 cut", "upstream_error"), ("say 4 stall", "timeout")):
        status, headers, data, complete = gateway.chat(text, stream=True)
        check("%s: status" % text, (200, "device"), (status, headers.get("x-qlroute-endpoint")))
        check("%s: the client sees that something is missing" % text, False, complete)
        check("%s: an error ends it" % text, "upstream_error", events(data)[-1]["error"]["code"])
        check("%s: what was said before" % text, "w0 ä€ w1 ä€", spoken(data))
        check("%s: in the log" % text, outcome, gateway.last()["outcome"])
        gateway.chat("say 1")
    check("nobody else was asked", before, len(edge.seen()))

    began = time.monotonic()
    status, headers, _, _ = gateway.chat("hang at device", {"x-qlroute-endpoint": "device"}, stream=True)
    check("no answer in time", 504, status)
    holds("in time", time.monotonic() - began < 8, time.monotonic() - began)
    gateway.chat("say 1")

    # A client that leaves: so does the gateway, at once.
    gone = device.ask("/seen")["gone"]
    for text, stream in (("hang", True), ("say 4 stall", True), ("hang on", False)):
        client = socket.create_connection(("127.0.0.1", gateway.port))
        body = json.dumps({"messages": [{"role": "user", "content": text}], "stream": stream}).encode()
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        holds("the upstream has it", soon(lambda: text in str(device.seen()[-1]["body"])))
        client.close()
        gone += 1
        holds("the upstream sees the client leave (%s)" % text, soon(lambda: device.ask("/seen")["gone"] >= gone, 0.9))
    holds("in the log", soon(lambda: gateway.last()["outcome"] == "client_left"), gateway.last())

    # A slow client holds back the upstream for longer than one may stall, and gets everything.
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.settimeout(PATIENCE)
    client.connect(("127.0.0.1", gateway.port))
    body = json.dumps({"messages": [{"role": "user", "content": "large 1 say 6000"}], "stream": True}).encode()
    client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
                   + body)
    got = b""
    for _ in range(15):
        time.sleep(0.1)
        got += client.recv(1 << 16)
    while True:
        more = client.recv(1 << 20)
        if not more:
            break
        got += more
    client.close()
    holds("a slow client gets all", got.endswith(b"0\r\n\r\n") and got.count(b"w" * 1000) >= 6000, len(got))


def killed(gateway, device, edge):
    device.stop()
    status, headers, _, _ = gateway.chat("say 1", stream=True)
    check("the other one answers", (200, "edge"), (status, headers.get("x-qlroute-endpoint")))
    for _ in range(3):
        status, _, data, _ = gateway.chat("say 1", {"x-qlroute-endpoint": "device"})
        check("nobody listens there", (502, "upstream_error"), (status, error_of(data)))
    holds("told by the metrics", 'qlroute_up{endpoint="device"} 0' in gateway.metrics(), gateway.metrics())
    check("answered elsewhere", 200, gateway.chat("say 1")[0])
    check("and left alone", ("edge", None), (gateway.last()["endpoint"], gateway.last()["fallback_from"]))
    edge.stop()
    for _ in range(3):
        status, headers, data, _ = gateway.chat("say 1")
        holds("nobody is there", status in (502, 503), status)
    status, headers, data, _ = gateway.chat("say 1")
    check("none is up", (503, "no_endpoint"), (status, error_of(data)))
    holds("when to come back", int(headers.get("retry-after", 0)) >= 1, headers)
    check("health", 503, gateway.request("GET", "/health")[0])
    device.start()
    holds("it is back", soon(lambda: gateway.chat("say 1")[0] == 200, 10))
    check("where it was", "device", gateway.last()["endpoint"])
    edge.start()
    holds("both are back", soon(lambda: 'qlroute_up{endpoint="edge"} 1' in gateway.metrics(), 10))


def sessions(gateway):
    long = "say 3 " + "word " * 4000
    first = {"role": "user", "content": long}
    for how, headers in (("with a header", {"x-qlroute-session": "mine"}), ("without one", {})):
        messages = [{**first, "content": long + how}]
        status, _, data, _ = gateway.request("POST", "/v1/chat/completions", json.dumps({"messages": messages}),
                                             {**headers, "x-qlroute-endpoint": "edge"})
        reply = json.loads(data)["choices"][0]["message"]
        one = gateway.last()
        messages += [reply, {"role": "user", "content": "say 3"}]
        status, got, _, _ = gateway.request("POST", "/v1/chat/completions", json.dumps({"messages": messages}), headers)
        two = gateway.last()
        check("%s: the same dialogue" % how, one["chat"], two["chat"])
        check("%s: it stays where its history is" % how, "edge", got.get("x-qlroute-endpoint"))
        holds("%s: most of it is cached" % how, two["predicted"]["cached_tokens"] > 4000, two)
    # The next turn of a quick client finds the one before it.
    messages = []
    for turn in range(12):
        messages.append({"role": "user", "content": "say 2 " + "more " * 40})
        body = json.dumps({"messages": messages, "stream": True})
        data = gateway.request("POST", "/v1/chat/completions", body, {"x-qlroute-endpoint": "device"})[2]
        messages.append({"role": "assistant", "content": spoken(data)})
    rows = gateway.lines()[-12:]
    holds("each turn is remembered before the next", all(
        b["predicted"]["prompt_tokens"] - b["predicted"]["cached_tokens"] < 1.7 * rows[0]["predicted"]["prompt_tokens"]
        for b in rows[1:]), [(b["predicted"]["prompt_tokens"], b["predicted"]["cached_tokens"]) for b in rows])
    gateway.chat("something else")
    holds("another dialogue", gateway.last()["chat"] not in (one["chat"], two["chat"]))
    gateway.chat("to be told apart", user="a")
    a = gateway.last()["chat"]
    gateway.chat("to be told apart", user="b")
    holds("users are told apart", gateway.last()["chat"] != a)


def log_and_metrics(gateway):
    text = open("log.jsonl").read()
    for secret in ("sk-very-secret", "word word", "w0", "as asked", "king"):
        holds("no texts and no keys in the log: %s" % secret, secret not in text)
        holds("nor on stderr: %s" % secret, secret not in gateway.errors())
    gateway.chat("say 7", stream=True)
    row = gateway.last()
    check("fields of the log", ["time", "chat", "endpoint", "pinned", "fallback_from", "stream", "status", "outcome",
                                "error", "cost_s", "predicted", "measured", "link"], list(row))
    check("predicted", ["ttft_s", "total_s", "prefill_s", "prefill_if_cached_s", "prompt_tokens",
                        "cached_tokens", "output_tokens", "breakdown"],
          list(row["predicted"]))
    check("output tokens", 7, row["measured"]["output_tokens"])
    check("llama-server's times", 35, row["measured"]["predicted_ms"])
    holds("times", 0 < row["measured"]["ttft_s"] <= row["measured"]["total_s"] < 20, row)
    holds("abs. time", abs(row["time"] - time.time()) < 60, row)
    metrics = gateway.metrics()
    for line in metrics.splitlines():
        holds("a line of the metrics", line.startswith("# ") or re.fullmatch(
            r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+.e0-9]+', line), line)
    for name in ("qlroute_requests_total", "qlroute_fallbacks_total", "qlroute_refused_total", "qlroute_in_flight",
                 "qlroute_ttft_seconds_bucket", "qlroute_total_seconds_sum", "qlroute_added_seconds_count",
                 "qlroute_prediction_error_bucket", "qlroute_link_rtt_seconds",
                 "qlroute_learnt_prefill_tokens_per_second", "qlroute_learnt_tpot_seconds"):
        holds("metrics have %s" % name, "\n" + name in metrics)
    holds("nothing is in flight", 'qlroute_in_flight{endpoint="device"} 0' in metrics, metrics)
    match = re.search(r'qlroute_learnt_tpot_seconds\{endpoint="device"\} (\S+)', metrics)
    holds("a speed was learnt", match and abs(float(match.group(1)) - 0.0055) < 0.0025, match and match.group(0))


def many(gateway, device):
    results = []

    def one(i):
        status, _, data, complete = gateway.chat("say 10 gap 0.05", stream=True)
        results.append((status, complete, spoken(data).count("w")))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(64)]
    began = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("64 streams at once", [(200, True, 10)] * 64, results)
    return time.monotonic() - began


def overload(device, edge):
    gateway = Gateway(config(device, edge, max_concurrent=2, max_queue=1))
    statuses = []

    def one():
        statuses.append(gateway.chat("wait 0.5 say 1")[0])

    threads = [threading.Thread(target=one) for _ in range(8)]
    for t in threads:
        t.start()
    time.sleep(0.2)
    check("metrics while all is busy", 200, gateway.request("GET", "/metrics")[0])
    for t in threads:
        t.join()
    holds("some are answered and some refused", set(statuses) == {200, 503} and statuses.count(200) >= 3, statuses)
    # It ends when its answers have.
    answer = []
    late = threading.Thread(target=lambda: answer.append(gateway.chat("wait 0.5 say 2", stream=True)))
    late.start()
    time.sleep(0.25)
    gateway.stop(signal.SIGINT)
    late.join()
    check("an answer on its way when the gateway ends", (200, True), (answer[0][0], answer[0][3]))


def tls(device):
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
                           "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                           "subjectAltName=DNS:localhost"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if made.returncode != 0:
        return
    with open("both.pem", "w") as both:
        both.write(open("key.pem").read() + open("cert.pem").read())
    secure = Stub("secure", "both.pem")
    try:
        def with_keys(**keys):
            described = config(device, device, log="tls.jsonl")
            described["endpoints"][1].update({"url": "https://localhost:%d" % secure.port, **keys})
            return Gateway(described)

        for keys, status in (({}, 502), ({"ca_file": "cert.pem"}, 200), ({"verify_tls": False}, 200)):
            gateway = with_keys(**keys)
            for stream in (False, True):
                got = gateway.chat("say 3", {"x-qlroute-endpoint": "edge"}, stream=stream)
                check("TLS with %s" % keys, (status, True), (got[0], got[3]))
            gateway.stop()
        check("the key goes with TLS", "Bearer sk-very-secret",
              json.loads(plain(secure, "/seen"))["requests"][-1]["headers"].get("Authorization"))
    finally:
        secure.stop()


def plain(secure, path):
    connection = http.client.HTTPSConnection("localhost", secure.port, timeout=PATIENCE,
                                             context=ssl._create_unverified_context())
    connection.request("GET", path)
    return connection.getresponse().read()


def bad_configurations():
    def fails(what, message, **environment):
        with open("bad.json", "w") as file:
            file.write(what)
        done = subprocess.run([PROGRAM, "--config", "bad.json", "--check"], capture_output=True, text=True,
                              timeout=PATIENCE, env={**ENVIRONMENT, **environment})
        check("exit status for %.80s" % what, 2, done.returncode)
        holds("the message for %.80s" % what, "bad.json: " + message in done.stderr, done.stderr)

    fails("{", "not valid JSON")
    fails("{}", "endpoints: missing")
    fails('{"endpoints":[{"name":"a"}]}', "endpoints[0].url: missing")
    fails('{"endpoints":[{"name":"a","url":"ftp://x"}]}', "endpoints[0].url: expected a URL")
    fails('{"endpoints":[{"name":"a","url":"http://x","api_key_env":"NOT_SET_HERE"}]}',
          'endpoints[0].api_key_env: the environment variable "NOT_SET_HERE" is not set')
    fails('{"endpoints":[{"name":"a","url":"http://x","key":"sk-1"}]}', "endpoints[0].key: unknown key")
    fails('{"endpoints":[{"name":"a","url":"http://x"}],"listen":"80"}', "listen: expected an address")


def main():
    faulthandler.dump_traceback_later(100, exit=True)
    work = tempfile.mkdtemp(prefix="qlroute-gateway.")
    os.chdir(work)
    bad_configurations()
    device, edge = Stub("device"), Stub("edge")
    try:
        gateway = Gateway(config(device, edge, max_body="1 MiB"), "--explain")
        for part, arguments in ((streams, (device,)), (whole_answers, (device,)), (pages, ()), (sessions, ()),
                                (bad_requests, (device,)), (failing, (device, edge)), (killed, (device, edge)),
                                (many, (device,)), (log_and_metrics, ())):
            began = time.monotonic()
            part(gateway, *arguments)
            print("%-18s %5.1f s" % (part.__name__, time.monotonic() - began))
        check("the key reaches its upstream", "Bearer sk-very-secret", edge_key(gateway, edge))
        gateway.stop()
        overload(device, edge)
        tls(device)
    finally:
        device.stop()
        edge.stop()
        if "gateway" in locals() and gateway.process.poll() is None:
            gateway.process.kill()
    print("failed: %d" % len(failures))
    subprocess.run(["rm", "-rf", work])
    sys.exit(1 if failures else 0)


def edge_key(gateway, edge):
    gateway.chat("say 1", {"x-qlroute-endpoint": "edge", "Authorization": "Bearer of-the-client"})
    return edge.seen()[-1]["headers"].get("Authorization")


main()
