"""Token ids by the program that the library ships, so that training and use cannot read a text differently."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Sequence


def tokenize(texts: Sequence[str], program: Path, vocabulary: Path) -> list[list[int]]:
    """The ids of each text, [CLS] and [SEP] included."""
    lines = "\n".join(text.replace("\r", " ").replace("\n", " ") for text in texts) + "\n"
    done = subprocess.run([program, "tokenize", "--vocab", vocabulary], input=lines.encode("utf-8", "replace"),
                          stdout=subprocess.PIPE, check=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if len(found) != len(texts):
        raise RuntimeError(f"{program} tokenize: {len(found)} lines for {len(texts)} texts")
    return found
