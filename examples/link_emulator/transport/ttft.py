"""Times to first token over the link and at the edge itself, alternately: ttft.py MBIT_PER_S RTT_MS SAMPLES CONGESTION

One line a size of request: rate [bit/s], rtt [s], bytes of the request, median at the edge [s], over the link [s], its
quartiles [s]. The prompt is in the server's cache, each connection is new, and the clock runs from before it is opened.
Runs in the device's namespace as COMMAND of qlroute-link.
"""
import ctypes
import json
import os
import socket
import statistics
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
EDGE = (os.environ["QLROUTE_EDGE_ADDRESS"], 8080)
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)
THERE = os.open("/run/netns/" + os.environ["QLROUTE_EDGE_NAMESPACE"], os.O_RDONLY)
WORDS = "the model reads this text once and then finds it in its cache so that it answers at once ".split()


def enter(namespace):
    if libc.setns(namespace, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def socket_in(namespace):
    """A socket stays in the namespace in which it was made."""
    enter(namespace)
    made = socket.socket()
    enter(HOME)
    return made


def request_of(size):
    """A request of about `size` bytes: a prompt of 2 KB, and a field that the server skips. So what it computes is the
    same for every size, and little."""
    fields = {"prompt": " ".join(WORDS * 23), "n_predict": 1, "stream": True, "cache_prompt": True, "temperature": 0}
    body = json.dumps(fields | {"padding": "x" * (size - 2400)})
    return (f"POST /completion HTTP/1.1\r\nHost: {EDGE[0]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}").encode()


def ttft(namespace, request, congestion):
    with socket_in(namespace) as tcp:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
        tcp.settimeout(60)
        began = time.monotonic()
        tcp.connect(EDGE)
        tcp.sendall(request)
        reply, first = b"", None
        while data := tcp.recv(1 << 16):
            reply += data
            if first is None and b"data: " in reply:
                first = time.monotonic() - began
        if first is None:
            sys.exit(f"no token: {reply[:300]}")
        return first


def main():
    rate, rtt, samples, congestion = float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    for size in (4096, 65536):
        request = request_of(size)
        ttft(THERE, request, congestion)  # reads the prompt, if it has not yet
        ttft(HOME, request, congestion)
        here, over = [], []
        for _ in range(samples):
            here.append(ttft(THERE, request, congestion))
            over.append(ttft(HOME, request, congestion))
        low, middle, high = statistics.quantiles(over, n=4)
        print(f"{rate * 1e6:.0f} {rtt / 1e3:.4f} {len(request)} {statistics.median(here):.5f} {middle:.5f} {low:.5f} {high:.5f}",
              flush=True)


main()
