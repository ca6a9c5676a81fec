"""Requests through a real HAProxy go where the agent says. routing.py AGENT SOURCE_FOLDER"""
import json
import os
import socket
import sys

from support import EASY, HARD, Stack, assistant, user, wait_until


def easy_ones_stay_and_hard_ones_leave(stack):
    connection = stack.connection()
    for text, expected in ((EASY, "device"), (HARD, "edge")) * 3:
        who, headers, _ = stack.ask([user(text)], connection=connection)
        assert who == expected, (text, who)
        assert headers["x-qlroute-backend"] == expected
        assert float(headers["x-qlroute-cost"]) > 0
        assert "x-qlroute-explain" not in headers and "x-qlroute-error" not in headers
    connection.close()


def the_reason_is_for_whoever_asks(stack):
    _, headers, _ = stack.ask([user(HARD)], {"x-qlroute-explain": "1"})
    row = json.loads(headers["x-qlroute-explain"])
    assert row["endpoint"] == "edge" and set(row["breakdown"]) >= {"quality_loss", "prefill", "decode"}, row
    assert abs(row["total_s"] - float(headers["x-qlroute-cost"])) < 1e-3


def what_is_no_chat_request_gets_the_default_backend(stack):
    before = len(stack.decisions())
    who, headers, _ = stack.ask([user(EASY)], path="/v1/embeddings")
    assert who == "edge" and "x-qlroute-cost" not in headers
    assert len(stack.decisions()) == before, "the agent is not even asked"
    for body, kind, outcome in (("{\"messages\": [", "application/json", "not_json"), ("hello", "text/plain", "not_json"),
                                ("{\"input\": 5}", "application/json", "not_chat"), ("", "application/json", "not_json")):
        who, headers, _ = stack.ask(body=body, headers={"content-type": kind})
        assert who == "edge" and "x-qlroute-cost" not in headers, (body, who, headers)
        assert "x-qlroute-error" not in headers, headers
        assert stack.decisions()[-1]["outcome"] == outcome, stack.decisions()[-1]


def a_chunked_request_is_read_whole(stack):
    def pieces():
        text = json.dumps({"messages": [user(EASY)]}).encode()
        for at in range(0, len(text), 7):
            yield text[at:at + 7]

    client = stack.connection()
    client.request("POST", "/v1/chat/completions", pieces(), {"content-type": "application/json"}, encode_chunked=True)
    answer = client.getresponse()
    answer.read()
    assert answer.getheader("x-qlroute-backend") == "device", answer.getheaders()
    client.close()


def a_client_that_asks_before_it_sends_is_told_to_go_on(stack):
    """As curl does with more than a kilobyte."""
    text = json.dumps({"messages": [user(EASY)]}).encode()
    with socket.create_connection(("127.0.0.1", stack.port), 5) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\n"
                       b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text))
        assert client.recv(4096).startswith(b"HTTP/1.1 100")
        client.sendall(text)
        answer = b""
        while more := client.recv(4096):
            answer += more
    assert b"x-qlroute-backend: device" in answer, answer


def long_requests_are_read_up_to_the_buffer(stack):
    for size, routed in ((200_000, True), (600_000, False)):
        who, headers, _ = stack.ask([user("word " * (size // 5))])
        assert who == "edge", who
        assert ("x-qlroute-cost" in headers) == routed, (size, headers)
        assert "x-qlroute-error" not in headers, headers
    assert stack.decisions()[-1]["outcome"] == "truncated"


def a_backend_that_is_down_is_avoided(stack):
    stack.edge.http.shutdown()
    stack.edge.http.server_close()
    wait_until("haproxy sees that the edge is down",
               lambda: stack.ask([user(HARD)])[1].get("x-qlroute-backend") == "device")
    assert stack.ask([user(HARD)])[0] == "device"


def a_dialogue_stays_where_it_was_answered(agent, source):
    """Where the edge has read a long dialogue it goes on; an agent that knows nothing of that sends it to the device."""
    def slow_edge(text):
        for shipped, ours in (("239 tok/s", "2000 tok/s"), ("12300 tok/s", "1000 tok/s")):
            assert text.count(f'"{shipped}"') == 1
            text = text.replace(f'"{shipped}"', f'"{ours}"')
        return text

    dialogue = [user(HARD)]
    further = [assistant("Let G be such a group. " * 500), user("Thanks! And what is 4 + 5?")]

    def row_of(stack, messages, connection=None):
        who, headers, _ = stack.ask(messages, {"x-qlroute-explain": "1", "x-session-id": "s"}, connection=connection)
        row = json.loads(headers["x-qlroute-explain"])
        assert row["endpoint"] == who
        return row

    with Stack(agent, source, edit_config=slow_edge) as stack:
        stack.wait_until_routed()
        assert row_of(stack, dialogue)["endpoint"] == "edge"
        then = row_of(stack, dialogue + further)
        assert then["endpoint"] == "edge" and then["prefix_hit"] > 2000 and not then["switched"], then
    with Stack(agent, source, edit_config=slow_edge) as stack:
        stack.wait_until_routed()
        then = row_of(stack, dialogue + further)
        assert then["endpoint"] == "device" and then["prefix_hit"] == 0, then
    # HAProxy says what became of a request with the next one on that connection: an answer that failed was never read.
    for status in (503, 200):
        with Stack(agent, source, edit_config=slow_edge) as stack:
            stack.wait_until_routed()
            client = stack.connection()
            stack.edge.status = status
            assert stack.ask(dialogue, {"x-session-id": "s"}, connection=client)[0] == ("edge" if status == 200 else 503)
            stack.edge.status = 200
            row = row_of(stack, dialogue + further, client)
            assert (row["prefix_hit"] > 0) == (status == 200), (status, row)
            client.close()


def other_limits_of_haproxy_are_kept(agent, source):
    """With HAProxy's own buffers, 16 KiB."""
    with Stack(agent, source, edit_cfg=lambda text: text.replace("tune.bufsize 262144", "")) as stack:
        stack.wait_until_routed()
        for size in (1000, 5000, 10_000, 12_000, 14_000, 15_000, 15_500, 16_000, 16_300, 16_384, 16_500, 20_000, 100_000):
            who, headers, _ = stack.ask([user("w" * size)])
            assert who in ("edge", "device")
            assert "x-qlroute-error" not in headers, (size, headers)
            assert ("x-qlroute-cost" in headers) == (size <= 15_000) or 15_000 < size < 16_384, (size, headers)
        assert stack.ask([user(EASY)])[0] == "device"
    with Stack(agent, source, agent_options=["--max-frame-size", "1024", "--threads", "1"]) as stack:
        stack.wait_until_routed()
        who, headers, _ = stack.ask([user("w" * 2000)])
        assert who == "edge" and headers["x-qlroute-error"] == str(256 + 3), headers  # the frame is too big
        assert stack.ask([user(EASY)])[0] == "device"


def a_unix_socket_serves_as_well(agent, source):
    with Stack(agent, source, unix=True) as stack:
        stack.wait_until_routed()
        assert stack.ask([user(EASY)])[0] == "device"
        stack.stop_agent()  # leaves its socket behind
        stack.start_agent()
        stack.wait_until_routed()


def main():
    agent, source = sys.argv[1], os.path.abspath(sys.argv[2])
    with Stack(agent, source) as stack:
        stack.wait_until_routed()
        for check in (easy_ones_stay_and_hard_ones_leave, the_reason_is_for_whoever_asks,
                      what_is_no_chat_request_gets_the_default_backend, a_chunked_request_is_read_whole,
                      a_client_that_asks_before_it_sends_is_told_to_go_on,
                      long_requests_are_read_up_to_the_buffer, a_backend_that_is_down_is_avoided):
            check(stack)
            print("ok", check.__name__)
    for check in (a_dialogue_stays_where_it_was_answered, other_limits_of_haproxy_are_kept,
                  a_unix_socket_serves_as_well):
        check(agent, source)
        print("ok", check.__name__)


main()
