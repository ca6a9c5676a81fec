#!/usr/bin/env python3
"""Compare the vectors of another encoder with PyTorch's, prompt by prompt.

    encoder_model.py --out model --classes 3
    <other encoder> < ids.jsonl > vectors.jsonl
    encoder_check.py --model model --ids ids.jsonl --vectors vectors.jsonl

Line k of --ids is the token ids of prompt k as a JSON array, with the special
tokens that the encoder sees; line k of --vectors is its vector, a JSON array
of H numbers.  PyTorch runs in float32, and all tokens are of type 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Sequence

import numpy as np
import torch

import encoder_golden

# What one prompt's vector can be, given the taps of `forward`.
VECTORS = {
    "pooled": lambda taps: taps["pooled"],
    "first": lambda taps: taps["output"][0],
    "mean": lambda taps: taps["output"].mean(dim=0),
}


def fail(message: str) -> None:
    raise SystemExit(f"encoder_check.py: {message}")


def read_arrays(path: Path, kind: type) -> list[list]:
    """A JSON array of numbers from every line that is not blank."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as why:
            fail(f"{path}:{number}: not valid JSON: {why}")
        wanted = (int,) if kind is int else (int, float)
        if not isinstance(row, list) or not row or not all(
                isinstance(x, wanted) and not isinstance(x, bool) for x in row):
            fail(f"{path}:{number}: expected an array of {'whole ' if kind is int else ''}numbers")
        rows.append(row)
    return rows


def check_ids(path: Path, rows: Sequence[Sequence[int]], config: encoder_golden.Config) -> None:
    for number, ids in enumerate(rows, 1):
        if len(ids) > config.positions:
            fail(f"{path}: prompt {number} has {len(ids)} tokens; expected at most "
                 f"{config.positions}")
        if min(ids) < 0 or max(ids) >= config.vocabulary:
            fail(f"{path}: prompt {number} has an id that is not from 0 to "
                 f"{config.vocabulary - 1}")


def matrix(path: Path, count: int, width: int) -> np.ndarray:
    rows = read_arrays(path, float)
    if len(rows) != count:
        fail(f"{path}: {len(rows)} arrays; expected one for each of {count} prompts")
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            fail(f"{path}: array {number} has {len(row)} numbers; expected {width}")
    found = np.array(rows, dtype=np.float64)
    if not np.isfinite(found).all():
        fail(f"{path}: not all numbers are finite")
    return found


def relative_errors(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Per row the largest difference, by the largest magnitude that was expected."""
    return np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)


def cosines(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return (found * expected).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="encoder_check.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, metavar="DIR",
                        help="with config.json and model.safetensors")
    parser.add_argument("--ids", type=Path, required=True, metavar="FILE",
                        help="token ids, a JSON array a line")
    parser.add_argument("--vectors", type=Path, required=True, metavar="FILE",
                        help="the other encoder's vectors, a JSON array of H numbers a line")
    parser.add_argument("--of", choices=sorted(VECTORS), default="pooled",
                        help="what they are: the pooler's output, the first token's last hidden "
                             "state, or the mean of all tokens' (default: pooled)")
    parser.add_argument("--logits", type=Path, metavar="FILE",
                        help="the other encoder's logits, a JSON array of C numbers a line; "
                             "without it, pooled vectors go through the model's own classifier")
    parser.add_argument("--tolerance", type=float, metavar="X",
                        help="exit with 1 if the largest relative error is above X")
    options = parser.parse_args(arguments)

    try:
        model = encoder_golden.load(options.model)
        rows = read_arrays(options.ids, int)
        check_ids(options.ids, rows, model.config)
        if not rows:
            fail(f"{options.ids}: no prompts")
        if options.of == "pooled" and "pooler.dense.weight" not in model:
            fail(f"{options.model}: the model has no pooler; use --of first or --of mean")
        if options.logits and "classifier.weight" not in model:
            fail(f"{options.model}: the model has no classifier, so there are no logits")
        vectors = matrix(options.vectors, len(rows), model.config.hidden)
        all_taps = [encoder_golden.forward(model, ids) for ids in rows]
        expected = np.array([VECTORS[options.of](taps).numpy() for taps in all_taps],
                            dtype=np.float64)
        logit_error = None
        if "logits" in all_taps[0] and (options.logits or options.of == "pooled"):
            expected_logits = np.array([taps["logits"].numpy() for taps in all_taps],
                                       dtype=np.float64)
            if options.logits:
                logits = matrix(options.logits, len(rows), expected_logits.shape[1])
            else:
                logits = model.linear(
                    "classifier", torch.from_numpy(vectors.astype(np.float32))).numpy()
            logit_error = float(np.abs(logits - expected_logits).max())
    except (OSError, ValueError, KeyError) as why:
        fail(f"{type(why).__name__}: {why}")

    errors, cosine = relative_errors(vectors, expected), cosines(vectors, expected)
    print(f"n                    {len(rows)}")
    print(f"tokens               {sum(len(ids) for ids in rows)}")
    print(f"max relative error   {errors.max():.3g}")
    print(f"mean relative error  {errors.mean():.3g}")
    print(f"min cosine           {cosine.min():.9f}")
    print(f"mean cosine          {cosine.mean():.9f}")
    if logit_error is not None:
        print(f"max logit error      {logit_error:.3g}")
    return 1 if options.tolerance is not None and errors.max() > options.tolerance else 0


if __name__ == "__main__":
    sys.exit(main())
