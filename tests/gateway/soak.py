#!/usr/bin/env python3
"""Many chats at once through the gateway while its upstreams fail: soak.py GATEWAY [--minutes M] [--chats N] [--json F].

Every chat streams one answer after another, on a history that grows and begins again. Meanwhile one upstream is killed
and started again, the other one stands still for a while, some answers are cut or stall or fail, and bad, huge and slow
requests come in between. Each answer must be whole, or plainly failed: never lost, never twice, never cut in silence; and
the gateway's heap must not grow. Not a test of CTest: it takes minutes. Exit status 1 where something was wrong.
"""
import argparse
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
STUB = os.path.join(HERE, "stub_upstream.py")
LOCK = threading.Lock()
counts = {}
wrong = []
ttfts = []  # (when, seconds), of whole answers


def count(what):
    with LOCK:
        counts[what] = counts.get(what, 0) + 1


def complain(what):
    with LOCK:
        wrong.append(what)


def words(n):
    return " ".join("w%d \u00e4\u20ac" % i for i in range(n))


class Stub:
    def __init__(self, name):
        self.name, self.port = name, 0
        self.start()

    def start(self):
        if os.path.exists(self.name):
            os.remove(self.name)
        self.process = subprocess.Popen([sys.executable, "-B", STUB, self.name] + ([str(self.port)] if self.port else []))
        for _ in range(500):
            if os.path.exists(self.name):
                break
            time.sleep(0.02)
        self.port = int(open(self.name).read())


def one_answer(port, messages, n, fault):
    """'whole', 'failed with STATUS' (before anything was said) or 'cut' (and said so)."""
    body = json.dumps({"model": "auto", "messages": messages, "stream": True})
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            said = json.loads(answer.read())
            if "message" not in said.get("error", {}):
                complain("an error without a message: %r" % said)
            time.sleep(min(float(answer.getheader("Retry-After", 0)), 5))
            return "failed with %d" % answer.status, ""
        text, first, done, error, complete = "", None, False, False, True
        try:
            while line := answer.readline():
                if line.startswith(b"data: [DONE]"):
                    done = True
                elif line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    error = error or "error" in event
                    for choice in event.get("choices", []):
                        more = choice["delta"].get("content") or ""
                        if more and first is None:
                            first = time.monotonic() - began
                        text += more
        except (http.client.HTTPException, ConnectionError):
            complete = False
        if done and not error:
            if text != words(n):
                complain("an answer that is not what was said: %r" % text[:200])
            with LOCK:
                ttfts.append((began, first, fault))
            return "whole", text
        if not error:
            complain("an answer that was cut in silence after %r (complete: %s)" % (text[-40:], complete))
        if not words(n).startswith(text):
            complain("the beginning of a cut answer is not what was said: %r" % text[:200])
        return "cut", text
    finally:
        connection.close()


def chat(port, number, end):
    chance = random.Random(number)
    messages = []
    while time.monotonic() < end:
        if len(messages) > 14:
            messages = []
        n = chance.randrange(5, 40)
        fault = chance.choices(["", "cut", "stall", "status 500", "nothing", "html", "complain"], [94, 1, 1, 1, 1, 1, 1])[0]
        ask = "chat %d turn %d %s say %d gap 0.02" % (number, chance.randrange(10**9), fault, n)
        messages.append({"role": "user", "content": ask})
        try:
            how, text = one_answer(port, messages, n, fault)
        except Exception as why:
            complain("no answer at all: %r" % why)
            how, text = "lost", ""
        count(how + (" as asked" if fault and how != "whole" else ""))
        if how == "whole":
            messages.append({"role": "assistant", "content": text})
        else:
            messages.pop()


def nuisances(port, end):
    """Malformed, huge and slow requests."""
    slow = []
    while time.monotonic() < end:
        for body, status in ((b"{", 400), (b'{"messages": 5}', 400), (b"[" * 100_000, 400)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/v1/chat/completions", body)
            if (got := connection.getresponse().status) != status:
                complain("%r was answered with %d" % (body[:20], got))
            connection.close()
            count("malformed")
        with socket.create_connection(("127.0.0.1", port), 30) as huge:
            huge.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
            if b" 413 " not in (got := huge.recv(200)):
                complain("a huge body was answered with %r" % got[:60])
            count("huge")
        one = socket.create_connection(("127.0.0.1", port), 30)
        one.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        slow.append(one)
        count("slow")
        for each in slow[-20:]:
            try:
                each.sendall(b" ")
            except OSError:
                pass
        if len(slow) > 40:
            slow.pop(0).close()
        time.sleep(1)
    for each in slow:
        each.close()


def memory(pid):
    for line in open("/proc/%d/status" % pid):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def median_between(samples, begin, end):
    return statistics.median(value for when, value in samples if begin < when < end)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gateway")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--chats", type=int, default=64)
    parser.add_argument("--json")
    o = parser.parse_args()
    program = os.path.abspath(o.gateway)
    report = os.path.abspath(o.json) if o.json else None
    os.chdir(tempfile.mkdtemp(prefix="qlroute-soak."))
    device, edge = Stub("device"), Stub("edge")
    config = {"listen": "127.0.0.1:0", "most_chats": 1000, "log": "log.jsonl",
              "timeouts": {"between_bytes": "2 s", "first_byte": "5 s", "request": "5 s"},
              "endpoints": [{"name": s.name, "url": "http://127.0.0.1:%d" % s.port, "parallel": 64} for s in (device, edge)]}
    with open("config.json", "w") as file:
        json.dump(config, file)
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", os.path.join(HERE, "heap_in_use.c"), "-o", "heap.so"], check=True)
    # What each thread keeps of freed memory for itself counts as in use; so nothing is kept.
    watched = dict(os.environ, LD_PRELOAD=os.path.abspath("heap.so"), HEAP_IN_USE="heap",
                   GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
    gateway = subprocess.Popen([program, "--config", "config.json"], stderr=open("err", "w"), env=watched)
    port = None
    for _ in range(500):
        if "listening on" in (said := open("err").read()):
            port = int(said.split("listening on http://127.0.0.1:")[1].split()[0].strip("/"))
            break
        time.sleep(0.02)
    began = time.monotonic()
    seconds = 60 * o.minutes
    end = began + seconds
    threads = [threading.Thread(target=chat, args=(port, i, end), daemon=True) for i in range(o.chats)]
    threads.append(threading.Thread(target=nuisances, args=(port, end), daemon=True))
    for one in threads:
        one.start()
    plan = [(0.25, "kill edge", lambda: (edge.process.kill(), edge.process.wait())), (0.3, "start edge", edge.start),
            (0.45, "stop device", lambda: device.process.send_signal(signal.SIGSTOP)),
            (0.48, "go on, device", lambda: device.process.send_signal(signal.SIGCONT)),
            (0.65, "kill device", lambda: (device.process.kill(), device.process.wait())), (0.68, "start device", device.start)]
    samples = []
    while (now := time.monotonic()) < end:
        while plan and now > began + plan[0][0] * seconds:
            print("%5.0f s: %s" % (now - began, plan[0][1]), file=sys.stderr)
            plan.pop(0)[2]()
        samples.append((now - began, memory(gateway.pid)))
        if gateway.poll() is not None:
            complain("the gateway ended with status %s" % gateway.returncode)
            break
        time.sleep(1)
    for one in threads:
        one.join(90)
    if any(one.is_alive() for one in threads):
        complain("chats that never ended")
    gateway.terminate()
    if (status := gateway.wait(30)) != 0:
        complain("the gateway's exit status is %d" % status)
    for stub in (device, edge):
        stub.process.kill()
    heap = [(float(at), int(in_use) / 1024) for at, in_use in map(str.split, open("heap"))]
    grown = {}
    for what, series in (("heap_in_use_kb", heap), ("resident_kb", samples)):
        grown[what] = {"early": median_between(series, 0.2 * seconds, 0.4 * seconds),
                       "late": median_between(series, 0.8 * seconds, seconds),
                       "every_10_s": [round(median_between(series, t - 0.5, t + 10)) for t in range(0, int(seconds), 10)]}
    early, late = grown["heap_in_use_kb"]["early"], grown["heap_in_use_kb"]["late"]
    if late > 1.05 * early:
        complain("the heap grew from %d kB to %d kB" % (early, late))
    undisturbed = sorted(s for t, s, fault in ttfts if not fault and not 0.24 * seconds < t - began < 0.72 * seconds)
    everything = sorted(s for _, s, _ in ttfts)
    at = lambda xs, q: round(1e3 * xs[min(len(xs) - 1, int(q * len(xs)))], 1) if xs else None
    out = {"minutes": o.minutes, "chats": o.chats, "answers": counts, **grown,
           "ttft_ms": {"undisturbed": {"n": len(undisturbed), "p50": at(undisturbed, 0.5), "p99": at(undisturbed, 0.99)},
                       "all": {"n": len(everything), "p50": at(everything, 0.5), "p99": at(everything, 0.99), "worst": at(everything, 1)}},
           "wrong": len(wrong)}
    print(json.dumps(out))
    if report:
        with open(report, "w") as file:
            json.dump(out, file)
    for what in wrong[:20]:
        print("WRONG: " + what, file=sys.stderr)
    sys.exit(1 if wrong else 0)


main()
