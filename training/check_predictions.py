#!/usr/bin/env python3
"""Compare the program's probabilities with the formula, written out in numpy, on real prompts.

    check_predictions.py --data DIR --program QLROUTE [--rows 1000]

Reads the shipped files alone. Exit status 1 where a probability is off by more than 1e-3.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

import encoder_model
import features
import rows as rows_module
import semantic

MODEL = Path(__file__).resolve().parent.parent / "models" / "difficulty"
NAMES = ("gemma-2-2b-it@gsm8k_test", "meta-llama-3.1-70b-instruct", "gpt-4-1106-preview@mmlu_routellm")


def names_of(path: Path) -> list[str]:
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    return json.loads(raw[8:8 + length])["__metadata__"]["names"].split("\n")


def thetas(w: encoder_model.Tensors, read: features.Prompts, pooled: np.ndarray) -> np.ndarray:
    dimensions = w["layout.linear"].shape[1]
    out = []
    for row in range(len(read)):
        part = slice(read.begin[row], read.begin[row + 1])
        n = read.weights[part] @ w["ngram.table"][read.words[part]].astype(np.float64) * w["ngram.scale"]
        topic = n[dimensions:] @ w["topic.weight"] + pooled[row] @ w["encoder.topic"] + w["topic.bias"]
        topic = np.exp(topic - topic.max())
        x = np.clip((read.layout[row] - w["layout.mean"]) * w["layout.inverse_deviation"], -4, 4)
        out.append(n[:dimensions] + pooled[row] @ w["encoder.difficulty"]
                   + topic / topic.sum() @ w["topic.difficulty"] + x @ w["layout.linear"]
                   + np.maximum(0, x @ w["layout.hidden"] + w["layout.hidden_bias"]) @ w["layout.output"])
    return np.array(out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1000)
    arguments = parser.parse_args()
    found = rows_module.load(arguments.data)
    pick = np.random.default_rng(1).permutation(len(found.texts))[:arguments.rows]
    texts = [found.texts[i] for i in pick]
    read = features.read(texts, arguments.program, MODEL / "vocab.txt")
    w = encoder_model.read_safetensors(MODEL / "response.safetensors")
    theta = thetas(w, read, semantic.pooled(MODEL / "encoder.safetensors", read.ids, arguments.program))
    lines = "\n".join(json.dumps({"id": str(k), "turns": [text]}) for k, text in enumerate(texts)) + "\n"
    done = subprocess.run([arguments.program, "score", *(x for name in NAMES for x in ("--endpoint", name))],
                          input=lines.encode(), stdout=subprocess.PIPE, check=True)
    scored = [json.loads(line)["p_success"] for line in done.stdout.splitlines()]
    known, worst = names_of(MODEL / "response.safetensors"), 0.0
    for name in NAMES:
        k = known.index(name)
        p = 1 / (1 + np.exp(-(theta @ w["abilities.weights"][k] + w["abilities.bias"][k])))
        worst = max(worst, np.abs(p - [s[name] for s in scored]).max())
    print(f"{len(texts)} prompts, {len(NAMES)} endpoints: largest difference {worst:.1e}")
    return 0 if worst < 1e-3 and len(scored) == len(texts) else 1


if __name__ == "__main__":
    sys.exit(main())
