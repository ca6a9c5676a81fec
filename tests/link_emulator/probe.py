"""What the tests send over the link.

probe.py serve             at $QLROUTE_EDGE_ADDRESS: echoes UDP packets, and sends or takes so many bytes over TCP
probe.py ping COUNT        round trips of small UDP packets, one a line, in ms; "lost" after 1 s
probe.py flood COUNT SIZE  sends so many UDP packets of SIZE bytes of payload at once, and prints how many came back
probe.py up|down BYTES     the seconds that a transfer takes on a new TCP connection, until the last byte has come
"""
import os
import socket
import sys
import threading
import time

PORT = 7077
EDGE = os.environ["QLROUTE_EDGE_ADDRESS"]


def read_exactly(connection, count):
    while count > 0:
        got = len(connection.recv(min(count, 1 << 16)))
        if got == 0:
            raise EOFError("the other side closed the connection")
        count -= got


def answer(connection):
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        way, count = connection.recv(64).decode().split()
        if way == "down":
            connection.sendall(bytes(int(count)))
        else:
            connection.sendall(b"?")
            read_exactly(connection, int(count))
            connection.sendall(b".")


def serve():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    udp.bind((EDGE, PORT))

    def echo():
        while True:
            data, sender = udp.recvfrom(1 << 16)
            udp.sendto(data, sender)

    threading.Thread(target=echo, daemon=True).start()
    tcp = socket.create_server((EDGE, PORT))
    while True:
        threading.Thread(target=answer, args=(tcp.accept()[0],), daemon=True).start()


def ping(count):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.connect((EDGE, PORT))
    udp.settimeout(1)
    for i in range(count):
        sent = time.monotonic()
        udp.send(i.to_bytes(4, "big"))
        try:
            while udp.recv(64) != i.to_bytes(4, "big"):
                pass
            print(f"{(time.monotonic() - sent) * 1e3:.3f}", flush=True)
        except TimeoutError:
            print("lost", flush=True)


def flood(count, size):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    udp.connect((EDGE, PORT))
    for _ in range(count):
        udp.send(bytes(size))
    udp.settimeout(1)
    back = 0
    try:
        while True:
            udp.recv(1 << 16)
            back += 1
    except TimeoutError:
        print(back)


def transfer(way, count):
    began = time.monotonic()
    with socket.create_connection((EDGE, PORT)) as tcp:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tcp.sendall(f"{way} {count}".encode())
        if way == "up":
            read_exactly(tcp, 1)
            tcp.sendall(bytes(count))
            read_exactly(tcp, 1)
        else:
            read_exactly(tcp, count)
    print(f"{time.monotonic() - began:.4f}")


what, *rest = sys.argv[1:]
if what == "serve":
    serve()
elif what == "ping":
    ping(int(rest[0]))
elif what == "flood":
    flood(int(rest[0]), int(rest[1]))
else:
    transfer(what, int(rest[0]))
