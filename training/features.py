"""What the predictor reads off a prompt, by the program that the library ships: training and use cannot differ."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np

import tokens

MOST_TOKENS = 128
TABLE_BITS = 16
HASH_BITS = 24  # of each hash, as the program prints it


@dataclass
class Prompts:
    """Texts as numbers; row i's words are words[begin[i]:begin[i + 1]], each once, with counts / sqrt(all)."""
    layout: np.ndarray       # [N, F] float32
    begin: np.ndarray        # [N + 1]
    words: np.ndarray        # buckets
    weights: np.ndarray      # float32
    ids: list[np.ndarray]    # of pieces, the middle cut where there are too many

    def __len__(self) -> int:
        return len(self.layout)


def windowed(ids: Sequence[int], most: int = MOST_TOKENS) -> np.ndarray:
    """The first half and the last half of what may be read."""
    if len(ids) > most:
        ids = list(ids[:most // 2]) + list(ids[len(ids) - (most - most // 2):])
    return np.array(ids, dtype=np.int32)


def read(texts: Sequence[str], program: Path, vocabulary: Path) -> Prompts:
    lines = "\n".join(json.dumps(text) for text in texts) + "\n"
    done = subprocess.run([program, "features"], input=lines.encode(), stdout=subprocess.PIPE, check=True)
    layout, begin, words, weights, scored = [], [0], [], [], []
    for line in done.stdout.splitlines():
        row = json.loads(line)
        layout.append(row["features"])
        buckets, counts = np.unique(np.array(row["ngrams"], dtype=np.int64) >> (HASH_BITS - TABLE_BITS),
                                    return_counts=True)
        words.append(buckets)
        weights.append(counts / np.sqrt(max(1, counts.sum())))
        begin.append(begin[-1] + len(buckets))
        scored.append(row["text"])
    if len(layout) != len(texts):
        raise RuntimeError(f"{program} features: {len(layout)} lines for {len(texts)} texts")
    ids = tokens.tokenize(scored, program, vocabulary)
    return Prompts(np.array(layout, dtype=np.float32), np.array(begin), np.concatenate(words),
                   np.concatenate(weights).astype(np.float32), [windowed(each) for each in ids])
