#!/usr/bin/env python3
"""Write a little data in the layout that training/run reads: tiny_data.py DIR. All of it is made up here."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np

import corpus
import lexical

MODELS = ("Phi-3-mini-4k-instruct", "gemma-2-2b-it", "Meta-Llama-3.1-8B-Instruct", "Meta-Llama-3.1-70B-Instruct",
          "Qwen2-72B-Instruct", "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview", "gpt-4o-2024-08-06")
THINGS = ("apples", "proofs", "statutes", "enzymes", "poems")


def row(random: np.random.Generator, benchmark: str, number: int) -> dict:
    thing, n = THINGS[number % 5], int(random.integers(2, 90))
    text = f"If {n} {thing} are counted {number} times in room {random.integers(1000)}, how many {thing} are there?"
    if benchmark.startswith("mmlu"):
        text += "".join(f"\n{letter}. {int(random.integers(2, 9000))}" for letter in "ABCD") + "\nAnswer:"
    right = 1 / (1 + np.exp(n / 30 - np.arange(len(MODELS)) / 2))
    scores = {m: {"score": int(random.random() < p)} for m, p in zip(MODELS, right)}
    scores["gpt-5@oenowen"] = {"score": 1}
    return {"id": f"{benchmark}/{number}", "benchmark": benchmark, "score_type": "binary", "category": thing,
            "src": f"ori_mmlu-{thing}", "turns": [text], "models": scores}


def main() -> int:
    folder = Path(sys.argv[1])
    random = np.random.default_rng(1)
    for name in ("corpus", "outcomes"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in corpus.CORPUS:
        with gzip.open(folder / "corpus" / f"{name}.txt.gz", "wt") as file:
            file.write("\n\n".join(row(random, "text", k)["turns"][0] for k in range(400)))
    for name in corpus.UNLABELLED:
        with gzip.open(folder / "outcomes" / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps({"turns": row(random, name, k)["turns"]}) + "\n" for k in range(50))
    for name in lexical.TRAINING_BENCHMARKS:
        with gzip.open(folder / "outcomes" / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row(random, name, k)) + "\n" for k in range(200))
    return 0


if __name__ == "__main__":
    sys.exit(main())
