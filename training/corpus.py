"""Plain text for pre-training and for the vocabulary: documents of the corpus folder, and prompts without labels.

No row that carries an outcome is read here, so pre-trained weights know nothing of any question they are later
measured on.
"""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Iterator

# Megabytes of each file that are read, evenly spread over it: instructions and word problems whole, as they are what
# users write; of novels and of dialogues made from templates a part.
CORPUS = {"books_public_domain": 16.0, "sgd_dialogues": 4.0, "gpteacher_instructions": 8.0, "gsm8k_train_qa": 4.0}
UNLABELLED = ("gsm8k_train_unlabelled", "mtbench101")
PIECE = 1 << 14


def pieces(text: str, megabytes: float, seed: int) -> Iterator[str]:
    """Text in pieces of about 16 kB, cut at blank lines, a random choice of them up to a size."""
    parts, part, size = [], [], 0
    for document in text.split("\n\n"):
        part.append(document)
        size += len(document) + 2
        if size >= PIECE:
            parts.append("\n\n".join(part))
            part, size = [], 0
    if part:
        parts.append("\n\n".join(part))
    random.Random(seed).shuffle(parts)
    left = megabytes * 1e6
    for each in parts:
        if left <= 0:
            return
        left -= len(each)
        yield each


def documents(data: Path, seed: int = 1) -> Iterator[str]:
    """Every document, in a fixed order."""
    for name, megabytes in CORPUS.items():
        with gzip.open(data / "corpus" / f"{name}.txt.gz", "rt", encoding="utf-8", errors="replace") as file:
            for piece in pieces(file.read(), megabytes, seed):
                yield from (d for d in piece.split("\n\n") if d.strip())
    for name in UNLABELLED:
        with gzip.open(data / "outcomes" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                row = json.loads(line)
                if row.get("models"):
                    raise ValueError(f"{name}: a row with outcomes has no place in the corpus")
                yield "\n".join(row["turns"])
