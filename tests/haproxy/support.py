"""A real HAProxy with the shipped configuration, its agent and two model servers that are stubs, on loopback."""
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

MISSING = 77  # CTest: skipped


def haproxy_program():
    found = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        print("haproxy is not installed")
        sys.exit(MISSING)
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, holds, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


class ModelServer:
    """Answers every POST at once, and says who it is."""

    def __init__(self, name):
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                self.reply(200, b"{}")

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                server.bodies += 1
                self.reply(server.status, json.dumps({"answered_by": name, "body_bytes": len(body)}).encode())

            def reply(self, status, body):
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # health checks hang up
                pass

        self.status = 200
        self.bodies = 0
        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Stack:
    """with Stack(agent_program, source_folder) as stack: stack.ask(...)"""

    def __init__(self, agent, source, edit_cfg=lambda text: text, edit_spoe=lambda text: text,
                 edit_config=lambda text: text, start_agent=True, agent_options=(), unix=False):
        self.haproxy = haproxy_program()
        self.agent_program = agent
        self.agent_options = list(agent_options)
        self.shipped = os.path.join(source, "examples", "haproxy")
        self.folder = tempfile.mkdtemp(prefix="qlroute-haproxy-")
        self.config = os.path.join(self.folder, "config.json")
        self.log = os.path.join(self.folder, "decisions.jsonl")
        self.processes = []
        self.device, self.edge = ModelServer("device"), ModelServer("edge")
        self.port, self.agent_port = free_port(), free_port()
        cfg, spoe, config = (self.read_shipped(name) for name in ("haproxy.cfg", "qlroute-spoe.conf", "config.json"))
        for shipped, ours in ((8080, self.port), (8081, self.device.port), (8082, self.edge.port),
                              (9731, self.agent_port)):
            assert cfg.count(f"127.0.0.1:{shipped}") == 1, f"haproxy.cfg names port {shipped} once"
            cfg = cfg.replace(f"127.0.0.1:{shipped}", f"127.0.0.1:{ours}")
        self.agent_address = f"127.0.0.1:{self.agent_port}"
        if unix:
            path = os.path.join(self.folder, "agent.sock")
            cfg = cfg.replace(self.agent_address, "unix@" + path)
            self.agent_address = path
        self.write("haproxy.cfg", edit_cfg(cfg))
        self.write("qlroute-spoe.conf", edit_spoe(spoe))
        self.write("config.json", edit_config(config))
        self.agent = None
        try:
            if start_agent:
                self.start_agent()
            self.balancer = self.start([self.haproxy, "-db", "-f", "haproxy.cfg"], "haproxy")
            wait_until("haproxy listens", lambda: listens(self.port))
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def read_shipped(self, name):
        with open(os.path.join(self.shipped, name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
            return file.read()

    def start(self, command, name):
        with open(os.path.join(self.folder, name + ".out"), "ab") as out:
            process = subprocess.Popen(command, cwd=self.folder, stdout=out, stderr=out)
        self.processes.append(process)
        return process

    def start_agent(self):
        self.agent = self.start([self.agent_program, "--config", self.config, "--listen",
                                 self.agent_address, "--log", self.log, *self.agent_options], "agent")
        if "/" not in self.agent_address:
            wait_until("the agent listens", lambda: listens(self.agent_port), 60)

    def stop_agent(self, how=signal.SIGKILL):
        self.agent.send_signal(how)
        return self.agent.wait(20)

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def ask(self, messages=None, headers=None, path="/v1/chat/completions", body=None, connection=None, **more):
        """(who answered, headers of the answer in lower case, seconds)"""
        if body is None:
            body = json.dumps({"messages": messages, **more})
        client = connection or self.connection()
        begun = time.perf_counter()
        client.request("POST", path, body, {"content-type": "application/json", **(headers or {})})
        answer = client.getresponse()
        text = answer.read()
        took = time.perf_counter() - begun
        if connection is None:
            client.close()
        who = json.loads(text)["answered_by"] if answer.status == 200 else answer.status
        return who, {key.lower(): value for key, value in answer.getheaders()}, took

    def routed(self):
        return "x-qlroute-cost" in self.ask([{"role": "user", "content": "hello"}])[1]

    def wait_until_routed(self):
        wait_until("requests are routed", self.routed)

    def decisions(self):
        return [json.loads(line) for line in self.read("decisions.jsonl").splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None and kind is not SystemExit:
            for name in ("haproxy.out", "agent.out", "decisions.jsonl"):
                if os.path.exists(os.path.join(self.folder, name)):
                    print(f"--- {name}", self.read(name)[-4000:], sep="\n", file=sys.stderr)
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait(20)
        self.device.close()
        self.edge.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


EASY = "What is 2 + 3?"
HARD = ("Prove that every finite group of order p^2, p prime, is abelian, then write a complete C++20 program that "
        "enumerates all groups of order at most 16 up to isomorphism by searching Cayley tables with symmetry "
        "breaking. Derive its complexity, prove the pruning rules correct, and discuss when it stops being feasible.")
