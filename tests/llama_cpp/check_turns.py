"""check_turns.py FILE CONDITION: evaluates a condition over `turns`, the JSON lines of FILE, after what holds for any."""
import json
import math
import re
import sys

turns = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]


def numbers(value):
    if isinstance(value, dict):
        for one in value.values():
            yield from numbers(one)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def prefill(turn):
    """Predicted for reading: the turn's own tokens and the history that is not cached."""
    return turn["breakdown"]["prefill"] + turn["breakdown"]["switching"]


def as_device_reads(said):
    """The device's tokens of a dialogue: ChatML's marks, and bytes."""
    text = "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in said) + "<|im_start|>assistant\n"
    return re.findall(rb"<\|im_start\|>|<\|im_end\|>|[\x00-\xff]", text.encode(), re.DOTALL)


def common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def follows_device(dialogues):
    """Whether the device read and held what it should, by the test's own count. dialogues: lists of (text, edit or None)."""
    held, at = [], 0
    for moves in dialogues:
        said = []
        for text, edit in moves:
            if edit is not None:
                users = [i for i, (role, _) in enumerate(said) if role == "user"]
                del said[users[edit]:]
            said.append(("user", text))
            turn, asked = turns[at], as_device_reads(said)
            at += 1
            assert turn["prompt_tokens"]["device"] == len(asked), (at, turn["prompt_tokens"], len(asked))
            if turn["endpoint"] == "device":
                cached = min(common(held, asked), len(asked) - 1)
                assert turn["tokens"]["cached"] == cached, (at, turn["tokens"], cached)
                held = asked + re.findall(rb"[\x00-\xff]", turn["text"].encode())
                if turn["tokens"]["stop"] != "end":
                    held.pop()  # was written, but not read
                assert turn["engine"]["positions"] == len(held), (at, turn["engine"], len(held))
            said.append(("assistant", turn["text"]))
    return at == len(turns)


for turn in turns:
    tokens, engine = turn["tokens"], turn["engine"]
    assert all(math.isfinite(x) for x in numbers(turn)), turn
    assert tokens["cached"] + tokens["evaluated"] == tokens["prompt"] == turn["prompt_tokens"][turn["endpoint"]], turn
    assert tokens["evaluated"] >= 1 and tokens["written"] >= 1, turn
    assert abs(tokens["expected_evaluated"] - tokens["evaluated"]) < 1e-6, turn
    assert engine["positions"] == engine["mirrored"] == tokens["prompt"] + tokens["written"] - 1, turn
    if tokens["evaluated"] > 1 and tokens["written"] > 1:  # llama.cpp reports 1 where it counted none
        assert engine["evaluated"] == tokens["evaluated"] + tokens["written"] - 1, turn
    assert abs(sum(turn["breakdown"].values()) - turn["cost_s"]) < 1e-9 * max(1, turn["cost_s"]), turn
    for times in turn["predicted"], turn["measured"]:
        assert times["ttft_s"] > 0 and abs(times["ttft_s"] + times["decode_s"] - times["total_s"]) < 1e-6, turn
assert eval(sys.argv[2]), "it does not hold"
