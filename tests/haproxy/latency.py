"""What the agent adds to a request: the same HAProxy with the filter and without it, A B A B, one keep-alive client.

    python3 tests/haproxy/latency.py build/gcc-release/examples/haproxy/qlroute-spoa . [REQUESTS]
"""
import json
import os
import socket
import subprocess
import sys
import threading
import time

from support import EASY, HARD, Stack, assistant, free_port, listens, user, wait_until

BLOCK = 50
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def read_message(connection, waiting):
    """(head, what came after it) of a message with a content-length, or none."""
    while b"\r\n\r\n" not in waiting:
        more = connection.recv(1 << 20)
        if not more:
            return None, b""
        waiting += more
    head, _, waiting = waiting.partition(b"\r\n\r\n")
    size = 0
    for line in head.split(b"\r\n")[1:]:
        if line.lower().startswith(b"content-length:"):
            size = int(line[15:])
    while len(waiting) < size:
        waiting += connection.recv(1 << 20)
    return head, waiting[size:]


def serve(port):
    """A model server of its own process, as fast as Python allows."""
    def answer(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting = b""
        try:
            while True:
                head, waiting = read_message(connection, waiting)
                if head is None:
                    return
                connection.sendall(REPLY)
        except OSError:
            pass

    with socket.create_server(("127.0.0.1", port), backlog=128) as server:
        while True:
            threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


def post(connection, body):
    text = json.dumps({"messages": body}).encode()
    head = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"content-length: {len(text)}\r\n\r\n")
    begun = time.perf_counter()
    connection.sendall(head.encode() + text)
    answer, _ = read_message(connection, b"")
    took = time.perf_counter() - begun
    assert answer is not None and answer.startswith(b"HTTP/1.1 200"), answer
    return took, b"x-qlroute-cost" in answer


def quantile(sorted_times, share):
    return 1e6 * sorted_times[min(int(share * len(sorted_times)), len(sorted_times) - 1)]


def compare(agent, source, requests, dialogue):
    plain, model = free_port(), free_port()
    server = subprocess.Popen([sys.executable, __file__, "serve", str(model)])
    try:
        wait_until("the model server listens", lambda: listens(model))

        def edit_cfg(text):
            for stub in ("device1", "edge1"):
                line = next(line for line in text.splitlines() if f"server {stub} " in line)
                text = text.replace(line, f"    server {stub} 127.0.0.1:{model} check")
            return text + (f"\nfrontend plain\n    bind 127.0.0.1:{plain}\n    option http-buffer-request\n"
                           f"    default_backend edge\n")

        times = {"without": [], "with": []}
        with Stack(agent, source, edit_cfg=edit_cfg) as stack:
            clients = {}
            for name, port in (("without", plain), ("with", stack.port)):
                clients[name] = socket.create_connection(("127.0.0.1", port))
                clients[name].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wait_until("requests are routed", lambda: post(clients["with"], [user(EASY)])[1])
            decided = len(stack.decisions())
            for block in range(2 * (requests // BLOCK + 2)):
                name = ("without", "with")[block % 2]
                for _ in range(BLOCK):
                    took, routed = post(clients[name], dialogue)
                    assert routed == (name == "with")
                    if block >= 4:  # what comes first warms up
                        times[name].append(took)
            inside = sorted(row["decided_in_s"] for row in stack.decisions()[decided:])
    finally:
        server.kill()
        server.wait()
    rows = {}
    for name, all_of_it in times.items():
        all_of_it.sort()
        rows[name] = (quantile(all_of_it, 0.5), quantile(all_of_it, 0.99))
    added = tuple(b - a for a, b in zip(rows["without"], rows["with"]))
    print(f"  without {rows['without'][0]:6.0f} us p50 {rows['without'][1]:6.0f} us p99   with {rows['with'][0]:6.0f} "
          f"us p50 {rows['with'][1]:6.0f} us p99   added {added[0]:6.0f} us p50 {added[1]:6.0f} us p99   "
          f"of it deciding {quantile(inside, 0.5):.0f} us p50   {len(times['with'])} requests each", flush=True)


def main():
    if sys.argv[1] == "serve":
        return serve(int(sys.argv[2]))
    agent, source = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    requests = int(sys.argv[3]) if len(sys.argv) > 3 else 2000
    long_one = [user(HARD), assistant("Let G be such a group. " * 1000), user("Thanks! And what is 4 + 5?")]
    for name, dialogue in (("a short request", [user(EASY)]), ("a dialogue of 23 kB", long_one)):
        print(name)
        compare(agent, source, requests, dialogue)


main()
