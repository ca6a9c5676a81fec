"""Servers that answer as an engine of known figures would: fake_servers.py PORT_FILE, which gets the port.

The first part of the path says which: /llama is a llama-server, which says what it took without taking it; /openai a
server of the OpenAI API, which takes it; the others fail in ways of their own.
"""
import http.server
import json
import os
import socket
import sys
import threading
import time

BATCH, TILE = 512, 64
TILED = (8e-3, 0.8e-3, 2e-6)  # s a batch, a token, a pair
UNTILED = (12e-3, 0.9e-3, 30e-6)
DECODE = (12e-3, 40e-6)  # s a token, and a token of context


def reading(cached, count):
    total = 0
    while count > 0:
        n = min(count, BATCH)
        fixed, token, pair = TILED if n >= TILE else UNTILED
        total += fixed + token * n + pair * n * (cached + (n + 1) / 2)
        cached, count = cached + n, count - n
    return total


def writing(context, count):
    return count * (DECODE[0] + DECODE[1] * (context + (count - 1) / 2)) if count > 0 else 0


class Engine:
    """One slot, which keeps the tokens of the last request."""

    def __init__(self):
        self.slot = []
        self.answered = 0
        self.lock = threading.Lock()

    def take(self, tokens):
        with self.lock:
            cached = 0
            while cached < min(len(tokens), len(self.slot)) and tokens[cached] == self.slot[cached]:
                cached += 1
            self.slot = list(tokens)
            self.answered += 1
            return min(cached, len(tokens) - 1)


ENGINES = {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        self.answer(json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0)))))

    def answer(self, body):
        _, kind, rest = self.path.split("/", 2)
        if kind == "closes":
            self.close_connection = True
            return
        if kind == "fails":
            return self.send(500, {"error": {"message": "out of memory"}})
        if kind == "nonsense":
            return self.send(200, "<html>")
        if kind == "secret" and self.headers.get("Authorization") != "Bearer open sesame":
            return self.send(401, {"error": {"message": "no key"}})
        engine = ENGINES.setdefault(kind, Engine())
        if rest == "v1/models":
            return self.send(200, {"data": [{"id": "fake-" + kind}]})
        if kind in ("openai", "secret", "chat", "no-usage", "openai-breaks"):
            return self.openai(kind, rest, body, engine)
        self.llama(kind, rest, body, engine)

    def llama(self, kind, rest, body, engine):
        if rest == "props":
            return self.send(200, {"default_generation_settings": {"n_ctx": 1300}})
        if rest == "tokenize":
            return self.send(200, {"tokens": list(range(10, 110))})
        if kind == "breaks" or (kind == "tires" and engine.answered >= 40):
            return self.send(500, {"error": {"message": "slot is gone"}})
        cached = engine.take(body["prompt"])
        fresh = len(body["prompt"]) - cached
        out = {"prompt_ms": 1e3 * reading(cached, fresh), "prompt_n": fresh, "cache_n": cached,
               "predicted_n": body["n_predict"],
               "predicted_ms": 1e3 * writing(len(body["prompt"]), body["n_predict"] - 1)}
        self.send(200, {} if kind == "no-timings" else {"timings": out})

    def openai(self, kind, rest, body, engine):
        if rest not in ("v1/completions", "v1/chat/completions") or (kind == "chat" and rest == "v1/completions"):
            return self.send(404, {"error": {"message": "not here"}})
        if kind == "openai-breaks":
            return self.send(503, {"error": "loading"})
        words = (body["prompt"] if "prompt" in body else body["messages"][0]["content"]).split()
        cached = engine.take(words)
        fresh = len(words) - cached
        time.sleep(4e-3 + 20e-6 * fresh + 2e-3 * (body["max_tokens"] - 1))
        usage = {"prompt_tokens": len(words), "completion_tokens": body["max_tokens"],
                 "prompt_tokens_details": {"cached_tokens": cached}}
        self.send(200, {} if kind == "no-usage" else {"usage": usage})

    def send(self, status, content):
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    address_family = socket.AF_INET


server = Server(("127.0.0.1", 0), Handler)
with open(sys.argv[1] + ".part", "w") as port:
    port.write(str(server.server_address[1]))
os.rename(sys.argv[1] + ".part", sys.argv[1])
server.serve_forever()
