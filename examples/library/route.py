#!/usr/bin/env python3
"""Routes recorded dialogues through libqlroute.so, by ctypes: route.py libqlroute.so config.json dialogues.jsonl

Prints the lines of `qlroute route --json --config config.json dialogues.jsonl`. Router is all that a program of its own
needs.
"""
import ctypes
import json
import sys

ABI = 0  # QLROUTE_ABI of qlroute.h


class RouterError(Exception):
    """What the library says is wrong; `status` is one of QLROUTE_BAD_CALL ... of qlroute.h."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Router:
    """The router of a configuration file. Requests are the keys of docs/c-api.md; answers are JSON texts."""

    def __init__(self, library, path):
        self._handle = None
        self._library = ctypes.CDLL(library)
        if self._library.qlroute_abi() != ABI:
            raise RouterError(0, f"{library} has interface {self._library.qlroute_abi()}; expected {ABI}")
        text, out = ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)  # void: freed by its address
        for name, inputs, outputs in (("load", 1, 1), ("score", 1, 1), ("route", 1, 1), ("explain", 1, 1), ("observe", 1, 0),
                                      ("answered", 1, 0), ("link", 1, 0), ("endpoint", 1, 0), ("describe", 0, 1)):
            router = [] if name == "load" else [ctypes.c_void_p]
            function = getattr(self._library, f"qlroute_{name}")
            function.argtypes = router + inputs * [text, ctypes.c_size_t] + outputs * [out] + [out]
            function.restype = ctypes.c_int32
        self._library.qlroute_free.argtypes = [ctypes.c_void_p]
        self._library.qlroute_free.restype = None
        self._library.qlroute_free_text.argtypes = [ctypes.c_void_p]
        self._library.qlroute_free_text.restype = None
        handle, name = ctypes.c_void_p(), path.encode()
        self._check(self._library.qlroute_load, name, len(name), ctypes.byref(handle))
        self._handle = handle

    def score(self, **request):
        return self._ask(self._library.qlroute_score, request)

    def route(self, **request):
        return self._ask(self._library.qlroute_route, request)

    def explain(self, **request):
        return self._ask(self._library.qlroute_explain, request)

    def observe(self, **request):
        self._tell(self._library.qlroute_observe, request)

    def answered(self, **request):
        self._tell(self._library.qlroute_answered, request)

    def link(self, **request):
        self._tell(self._library.qlroute_link, request)

    def endpoint(self, **request):
        self._tell(self._library.qlroute_endpoint, request)

    def describe(self):
        answer = ctypes.c_void_p()
        self._check(self._library.qlroute_describe, self._handle, ctypes.byref(answer))
        return self._take(answer)

    def close(self):
        handle, self._handle = self._handle, None
        if handle:
            self._library.qlroute_free(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _ask(self, function, request):
        answer, text = ctypes.c_void_p(), json.dumps(request).encode()
        self._check(function, self._handle, text, len(text), ctypes.byref(answer))
        return self._take(answer)

    def _tell(self, function, request):
        text = json.dumps(request).encode()
        self._check(function, self._handle, text, len(text))

    def _check(self, function, *arguments):
        error = ctypes.c_void_p()
        status = function(*arguments, ctypes.byref(error))
        if status != 0:
            raise RouterError(status, self._take(error))

    def _take(self, text):
        try:
            return ctypes.string_at(text).decode()
        finally:
            self._library.qlroute_free_text(text)


def say(messages, turn):
    """The user's move: a text, or {"text", "edit": k} in the place of their k-th message, with which the rest goes."""
    text = turn if isinstance(turn, str) else turn["text"]
    if not isinstance(turn, str) and "edit" in turn:
        users = [i for i, each in enumerate(messages) if each["role"] == "user"]
        del messages[users[turn["edit"] - 1]:]
    messages.append({"role": "user", "content": text})


def decisions(router, dialogues):
    """Routes dialogues one after another, a turn every turn_interval; yields the program's lines."""
    configured = json.loads(router.describe())
    places = {each["endpoint"]: each for each in configured["endpoints"]}
    now = 0.0
    for number, dialogue in enumerate(dialogues):
        messages = []
        for k, turn in enumerate(dialogue["turns"]):
            say(messages, turn)
            asked = {"chat": str(number), "messages": messages, "now_s": now}
            text = router.route(**asked)
            # The numbers as the library wrote them. Inside of a JSON text there is no quote without a backslash.
            row = text[1:text.index(',"ttft_s":')]
            name = json.dumps(str(dialogue["id"]), ensure_ascii=False)
            yield f'{{"id":{name},"turn":{k + 1},{row}}}'

            # The reply that was recorded, or as much as is expected; it is there when an answer of that length is.
            decided = json.loads(text)
            place = places[decided["endpoint"]]
            recorded = (dialogue.get("assistant_ref") or [])[k:k + 1]
            if recorded and recorded[0]:
                reply = {"content": recorded[0]}
                asked["output_tokens"] = place["tokenizer_ratio"] * ((len(recorded[0].encode()) + 3) // 4)
                decided = json.loads(router.route(**asked, endpoint=place["endpoint"]))
                del asked["output_tokens"]
            else:
                reply = {"tokens": place["reply_ratio"] * configured["expected_output"]}
            asked["now_s"] += decided["end_to_end_s"]
            router.answered(**asked, endpoint=place["endpoint"], reply=reply)
            messages.append({"role": "assistant", **reply})
            now += configured["turn_interval_s"]


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    library, config, dialogues = sys.argv[1:]
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    try:
        with Router(library, config) as router, open(dialogues, encoding="utf-8") as lines:
            for line in decisions(router, (json.loads(each) for each in lines if each.strip())):
                print(line)
    except (RouterError, OSError) as why:
        sys.exit(f"route.py: {why}")


if __name__ == "__main__":
    main()
