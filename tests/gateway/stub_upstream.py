"""A server of the OpenAI API that answers as its last message says: stub_upstream.py PORT_FILE [PORT [CERTIFICATE]].

The last user message is a list of words: "say N" writes N tokens, "wait S" waits before the first, "gap S" between
them, "status N" fails so, "stall" stops in mid-stream, "cut" closes there, "hang" never answers, "complain" says an
error in the stream, "nothing" closes without an answer, "call" answers with a tool call, "odd" sends events in odd
pieces, "html" answers with a page, "large N" answers with N kB. Without any of them it says 3 tokens. All that came is
told by GET /seen.
"""
import http.server
import json
import os
import socket
import ssl
import sys
import threading
import time

SEEN = []
GONE = []
LOCK = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/seen":
            with LOCK:
                return self.send(200, {"requests": SEEN, "gone": len(GONE)})
        if self.path == "/v1/models":
            return self.send(200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        if self.path == "/props":
            return self.send(200, {"total_slots": 4})
        if self.path == "/health":
            return self.send(200, {"status": "ok"})
        self.send(404, {"error": {"message": "not here"}})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(raw)
        with LOCK:
            SEEN.append({"path": self.path, "body": raw.decode(), "headers": dict(self.headers)})
        content = body["messages"][-1].get("content") or ""
        if not isinstance(content, str):
            content = " ".join(part.get("text", "") for part in content)
        words = content.split()
        options = {w: words[i + 1] if i + 1 < len(words) else "" for i, w in enumerate(words)}
        try:
            self.answer(body, options)
        except (BrokenPipeError, ConnectionResetError):
            with LOCK:
                GONE.append(time.monotonic())
            self.close_connection = True

    def answer(self, body, options):
        if "nothing" in options:
            self.close_connection = True
            return
        if "hang" in options:
            self.await_hangup(60)
            return
        time.sleep(float(options.get("wait", 0)))
        if "status" in options and (options.get("at", MODEL) == MODEL):
            return self.send(int(options["status"]), {"error": {"message": "as asked", "type": "stub", "code": None}})
        if "html" in options:
            return self.send(200, "<html>", "text/html")
        count = int(options.get("say", 3))
        prompt = sum(len(str(m.get("content") or "")) for m in body["messages"]) // 4 + 4 * len(body["messages"])
        timings = {"cache_n": 0, "prompt_n": prompt, "prompt_ms": 2.0 * prompt, "predicted_n": count,
                   "predicted_ms": 5.0 * count}
        usage = {"prompt_tokens": prompt, "completion_tokens": count, "total_tokens": prompt + count,
                 "prompt_tokens_details": {"cached_tokens": 0}}
        call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\": \"moon\"}"}}
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body.get("model")}
        if not body.get("stream"):
            message = {"role": "assistant", "content": "w" * 1000 * int(options["large"]) if "large" in options
                       else " ".join("w%d" % i for i in range(count))}
            if "call" in options:
                message = {"role": "assistant", "content": None, "tool_calls": [call]}
            out = {"id": "x", "object": "chat.completion", "created": 1, "model": body.get("model"),
                   "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
            return self.send(200, out)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.event({**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": None},
                                         "finish_reason": None}]})
        if "complain" in options:
            return self.event({"error": {"message": "out of memory", "code": 500}})
        if "call" in options:
            half = {"index": 0, "function": {"arguments": "\"moon\"}"}}
            first = {**call, "index": 0, "function": {"name": "look", "arguments": "{\"at\": "}}
            for one in (first, half):
                self.event({**head, "choices": [{"index": 0, "delta": {"tool_calls": [one]}, "finish_reason": None}]})
            count = 0
        for i in range(count):
            if i == count // 2:
                if "stall" in options:
                    self.await_hangup(60)
                    return
                if "cut" in options:
                    self.close_connection = True
                    return
            text = ("" if i == 0 else " ") + ("w" * 1000 if "large" in options else "w%d \u00e4\u20ac" % i)
            self.event({**head, "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
                       odd="odd" in options)
            if "gap" in options:
                time.sleep(float(options["gap"]))
        self.event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            self.event({**head, "choices": [], "usage": usage, "timings": timings})
        self.chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")
        if "keep" not in options:
            self.close_connection = True  # as llama-server does

    def await_hangup(self, most):
        self.connection.settimeout(most)
        try:
            if self.connection.recv(1) == b"":
                with LOCK:
                    GONE.append(time.monotonic())
        except (socket.timeout, ConnectionResetError):
            pass
        self.close_connection = True

    def event(self, content, odd=False):
        data = b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"
        if not odd:
            return self.chunk(data)
        for at in range(0, len(data), 7):
            self.chunk(data[at:at + 7])

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def send(self, status, content, kind="application/json"):
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


if __name__ == "__main__":
    MODEL = os.path.basename(sys.argv[1])
    server = Server(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0), Handler)
    if len(sys.argv) > 3:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[3])
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with open(sys.argv[1] + ".part", "w") as port:
        port.write(str(server.server_address[1]))
    os.rename(sys.argv[1] + ".part", sys.argv[1])
    server.serve_forever()
