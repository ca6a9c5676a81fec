#!/usr/bin/env python3
"""Write what training computes for 1,000 prompts of our own, so that the C++ predictor can be compared.

    response_golden.py --program QLROUTE --work WORK --out ../tests/golden/response.jsonl

The network is that of WORK/final.pt, in PyTorch; the vectors of the encoder are those of its int8 weights.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch

import features
import response
import semantic

MODELS = (("gemma-2-2b-it", "gsm8k_test"), ("meta-llama-3.1-70b-instruct", "mmlu_pro"),
          ("mixtral-8x7b-instruct-v0.1", "mmlu_routellm"), ("gpt-4-1106-preview", "mmlu_routellm"))

ASKED = ("What is the capital of {0}?", "Explain {1} to a child of eight.", "Write a poem of {2} lines about {1}.",
         "Translate into French: the {3} of {0} is older than {1}.", "If {2} {3}s cost {4} dollars, what do {5} cost?",
         "Prove that {2} divides n^{5} - n for every n.", "Summarise the history of {0} in {2} sentences.",
         "def f(x):\n    return x * {2} + {5}\nWhat does f({4}) return?", "Which of these is NOT true of {1}?",
         "A train leaves {0} at {2}:{4}0 and travels {4}{5} km. When does it arrive at {2}{5} km/h?",
         "List {2} reasons why {1} matters, as JSON with the keys \"reason\" and \"weight\".",
         "Is {1} the same as {3}? Answer yes or no.", "{1}?", "Fix this SQL: SELEC * FORM {3}s WHERE id = {4}",
         "The {3} was ____ by the people of {0} after {4}{5}{2} years of {1}.",
         "Find the integral of x^{2} * sin({5}x) dx from 0 to {4}.")
PLACES = ("Portugal", "Mongolia", "the Moon", "Zürich", "東京")
IDEAS = ("photosynthesis", "inflation", "the second law of thermodynamics", "habeas corpus", "recursion")
THINGS = ("bridge", "apple", "enzyme", "contract", "lighthouse")
OPTIONS = ("", "\nA. {2}\nB. {4}\nC. {5}\nD. none of these\nAnswer:",
           "\nA. {1}\nB. the {3}\nC. both of the above\nD. neither {1} nor the {3}\nE. it depends\nAnswer:")


def prompts() -> list[str]:
    out = []
    for k, (asked, options, place) in enumerate(itertools.product(ASKED, OPTIONS, range(5))):
        for turn in range(4):
            n = k * 4 + turn
            values = (PLACES[place], IDEAS[n % 5], 2 + n % 7, THINGS[(n // 5) % 5], 3 + n % 17, 1 + n % 6)
            out.append((asked + options).format(*values))
    out += ["", " ", "?", "hello", "a" * 300, "word " * 900, "1 " * 700, "é" * 200, "\n\n\n", "x\n\nA. \nB. "]
    out += [(asked + " ").format("Rome", "gravity", 3, "stone", 5, 2) * k for asked in ASKED for k in range(2, 9)]
    return list(dict.fromkeys(out))[:1000]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    trained: response.Trained = torch.load(arguments.work / "final.pt")
    texts = prompts()
    read = features.read(texts, arguments.program, arguments.vocabulary)
    theta = response.thetas(trained, read, semantic.pooled(arguments.work / "final.encoder.safetensors", read.ids,
                                                           arguments.program))
    lines = []
    p = {f"{m}@{b}": response.success(theta, response.ability(trained, m, b)) for m, b in MODELS}
    for row, text in enumerate(texts):
        lines.append(json.dumps({"text": text, "p": {name: round(float(values[row]), 6) for name, values in p.items()}}))
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    spread = np.array([np.std(values) for values in p.values()])
    print(f"{arguments.out}: {len(texts)} prompts, standard deviation of P {spread.min():.3f} to {spread.max():.3f}",
          file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
