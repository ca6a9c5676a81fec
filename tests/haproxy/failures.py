"""Whatever becomes of the agent, requests are answered, and in time. failures.py AGENT SOURCE_FOLDER"""
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from support import EASY, HARD, Stack, listens, user, wait_until

# "timeout processing" of qlroute-spoe.conf, and what a busy machine may add to it.
PROCESSING = 0.1
SLACK = 0.4


def default_answers(stack, most=PROCESSING + SLACK):
    """EASY would go to the device."""
    who, headers, took = stack.ask([user(EASY)])
    assert who == "edge" and "x-qlroute-cost" not in headers, (who, headers)
    assert took < most, f"{took:.3f} s"
    return took, headers.get("x-qlroute-error")


def killed(stack):
    assert stack.ask([user(EASY)])[0] == "device"
    connection = stack.connection()
    stack.ask([user(EASY)], connection=connection)
    stack.stop_agent(signal.SIGKILL)
    taken = []
    for _ in range(10):
        taken.append(default_answers(stack))
        time.sleep(0.2)
    assert sorted(took for took, _ in taken[5:])[2] < PROCESSING, "once it is known to be down nobody waits"
    print("killed: " + ", ".join(f"{1e3 * took:.0f} ms (error {error})" for took, error in taken))
    stack.start_agent()
    stack.wait_until_routed()
    assert stack.ask([user(EASY)])[0] == "device"
    assert stack.ask([user(HARD)])[0] == "edge"


def told_to_stop(stack):
    assert stack.stop_agent(signal.SIGTERM) == 0
    default_answers(stack)
    assert "\"chosen\":" in stack.read("agent.out"), "it says what it counted"
    stack.start_agent()
    stack.wait_until_routed()


def is_stopped(pid):
    """All of its threads: a signal takes a while to reach them."""
    tasks = f"/proc/{pid}/task"
    return all(open(f"{tasks}/{task}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[0] == "T"
               for task in os.listdir(tasks))


def stalled(stack):
    stack.agent.send_signal(signal.SIGSTOP)
    wait_until("the agent is stopped", lambda: is_stopped(stack.agent.pid))
    took, error = default_answers(stack)
    assert took > 0.9 * PROCESSING and error == "1", (took, error)
    taken = [took] + [default_answers(stack)[0] for _ in range(5)]
    wait_until("its check fails, and nobody waits any more", lambda: stack.ask([user(EASY)])[2] < PROCESSING / 2)
    recovered = stack.read("haproxy.out").count("agent is UP")
    stack.agent.send_signal(signal.SIGCONT)
    print("stalled: " + ", ".join(f"{1e3 * one:.0f} ms" for one in taken))
    wait_until("its check passes again", lambda: stack.read("haproxy.out").count("agent is UP") > recovered)
    assert stack.ask([user(EASY)])[0] == "device"


def stalled_at_any_moment(stack, seconds=5):
    """No request waits for longer than the timeout, whatever the agent was doing when it stalled."""
    over = time.monotonic() + seconds
    seen, slowest, faults = {}, [0], []

    def stall_now_and_then():
        chance = random.Random(1)
        while time.monotonic() < over:
            stack.agent.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.01, 0.4))
            stack.agent.send_signal(signal.SIGCONT)
            time.sleep(chance.uniform(0.01, 0.3))

    def keep_asking():
        connection = stack.connection()
        try:
            while time.monotonic() < over:
                who, headers, took = stack.ask([user(EASY)], connection=connection)
                answer = who, headers.get("x-qlroute-error")
                seen[answer] = seen.get(answer, 0) + 1
                slowest[0] = max(slowest[0], took)
        except Exception as why:
            faults.append(why)
        connection.close()

    threads = [threading.Thread(target=each) for each in (stall_now_and_then, keep_asking, keep_asking)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    print(f"stalled now and then: {seen}, {1e3 * slowest[0]:.0f} ms at most")
    assert not faults and slowest[0] < PROCESSING + SLACK, faults
    assert seen.get(("device", None), 0) > 0 and seen.get(("edge", "1"), 0) > 0, seen
    stack.wait_until_routed()


def strangers(stack):
    """Whoever speaks nonsense to the agent loses that connection, and nobody else."""
    nonsense = (b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\0", b"\0\0\0\x07\x03\0\0\0\x01\0\0", b"\xff" * 100)
    for bytes_of_it in nonsense:
        with socket.create_connection(("127.0.0.1", stack.agent_port), 5) as stranger:
            stranger.sendall(bytes_of_it)
            said = b""
            while more := stranger.recv(4096):
                said += more
            assert said[4] == 102, said  # AGENT-DISCONNECT
        assert stack.ask([user(EASY)])[0] == "device"
    hangers_on = [socket.create_connection(("127.0.0.1", stack.agent_port), 5) for _ in range(20)]
    assert stack.ask([user(EASY)])[0] == "device"
    for one in hangers_on:
        one.close()


def too_many_connections(agent, source):
    with Stack(agent, source, agent_options=["--max-connections", "8"]) as stack:
        stack.wait_until_routed()
        crowd = [socket.create_connection(("127.0.0.1", stack.agent_port), 5) for _ in range(30)]
        refused = 0
        for one in crowd:
            one.settimeout(0.2)
            try:
                refused += one.recv(1) == b""
            except (TimeoutError, ConnectionResetError) as why:
                refused += isinstance(why, ConnectionResetError)
        assert refused >= 22, refused
        assert stack.ask([user(EASY)])[0] in ("device", "edge")
        for one in crowd:
            one.close()
        stack.wait_until_routed()


class FakeAgent:
    """Greets as an agent should, if it is to, and then answers every question in its own way."""

    HELLO = bytes.fromhex("00000040650000000100000776657273696f6e0803322e300e6d61782d6672616d652d73697a6503fcf07e0c63"
                          "61706162696c6974696573080a706970656c696e696e67")

    def __init__(self, port, answer, greets):
        self.answer, self.greets = answer, greets
        self.asked = 0
        self.clients = []
        self.server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client:
                client.recv(65536)
                client.sendall(self.HELLO if self.greets else self.answer(b"\0\1"))
                while asked := client.recv(65536):
                    self.asked += 1
                    client.sendall(self.answer(ids_of(asked)))
        except OSError:
            pass

    def close(self):
        for one in (self.server, *self.clients):
            try:
                one.shutdown(socket.SHUT_RDWR)  # ends accept() and recv(), too
            except OSError:
                pass
        self.server.close()


def frame(type_and_flags, ids_and_payload):
    body = type_and_flags + ids_and_payload
    return len(body).to_bytes(4, "big") + body


def ids_of(asked):
    """The two varints after length, type and flags."""
    at = 9
    for _ in range(2):
        if asked[at] >= 240:
            at += 1
            while asked[at] >= 128:
                at += 1
        at += 1
    return asked[9:at]


def acknowledges(actions):
    """The question, by its ids."""
    return lambda ids: frame(b"\x67\0\0\0\x01", ids + actions)


def always(answer):
    return lambda _: answer


# What an agent may say instead of an answer; then, what it may answer.
NOISE = {
    "noise": always(bytes(range(256)) * 20),
    "HTTP": always(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "a length and nothing else": always(b"\0\0\x10\0"),
    "an empty frame": always(b"\0\0\0\0"),
    "an answer to nobody": always(frame(b"\x67\0\0\0\x01", b"\x05\x07")),
    "an action that is none": acknowledges(b"\x09\x03\x02"),
    "an action that ends too early": acknowledges(b"\x01\x03\x02\x07back"),
}
ANSWERS = {
    "a variable that nobody knows": acknowledges(b"\x01\x03\x02\x05other\x08\x06device"),
    "a backend that nobody has": acknowledges(b"\x01\x03\x02\x07backend\x08\x06nobody"),
    "a backend that is a number": acknowledges(b"\x01\x03\x02\x07backend\x04\x05"),
    "nothing": acknowledges(b""),
}


def garbage(agent, source):
    with Stack(agent, source, start_agent=False) as stack:
        for greets in (True, False):
            for name, answer in (NOISE | ANSWERS).items():
                fake = FakeAgent(stack.agent_port, answer, greets)
                if greets:  # the health check sees no more than that
                    wait_until(f"{name}: haproxy asks", lambda: default_answers(stack) and fake.asked > 0)
                taken = [default_answers(stack) for _ in range(3)]
                if greets and name in ANSWERS:
                    assert all(error is None for _, error in taken), (name, taken)
                worst = 1e3 * max(took for took, _ in taken)
                print(f"{name}{'' if greets else ', not even a greeting'}: {worst:.0f} ms at most")
                fake.close()
        # The fake can be understood at all.
        fake = FakeAgent(stack.agent_port, acknowledges(b"\x01\x03\x02\x07backend\x08\x06device"), True)
        wait_until("an answer is believed", lambda: stack.ask([user(HARD)])[0] == "device")
        fake.close()
        assert stack.balancer.poll() is None
        wait_until("the port is free", lambda: not listens(stack.agent_port))
        stack.start_agent()
        stack.wait_until_routed()
        assert stack.ask([user(EASY)])[0] == "device"


def mistakes_of_the_user(agent, source):
    config = os.path.join(source, "examples", "haproxy", "config.json")
    with tempfile.TemporaryDirectory() as folder:
        odd = os.path.join(folder, "odd.json")
        with open(config, encoding="utf-8") as file, open(odd, "w", encoding="utf-8") as out:
            out.write(file.read().replace('"name": "device"', '"name": "the device"'))
        for options, said in ((["--config", "nowhere.json"], "nowhere.json"),
                              (["--config", odd], "odd.json: endpoints: expected names of HAProxy backends"),
                              (["--config", config, "--listen", "9731"], "--listen: cannot listen at"),
                              (["--config", config, "--log", "/nowhere/log"], "--log: cannot write"),
                              (["--config", config, "--threads", "0"], "--threads"),
                              ([], "--config")):
            done = subprocess.run([agent, *options], capture_output=True, text=True, timeout=30)
            assert done.returncode == 2 and said in done.stderr, (options, done)


def main():
    agent, source = sys.argv[1], os.path.abspath(sys.argv[2])
    with Stack(agent, source) as stack:
        stack.wait_until_routed()
        for check in (killed, told_to_stop, stalled, stalled_at_any_moment, strangers):
            check(stack)
            print("ok", check.__name__)
    for check in (too_many_connections, garbage, mistakes_of_the_user):
        check(agent, source)
        print("ok", check.__name__)


main()
