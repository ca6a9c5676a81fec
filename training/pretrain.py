#!/usr/bin/env python3
"""Pre-train the encoder: guess masked pieces of plain text.

    pretrain.py --data DIR --program QLROUTE --vocabulary vocab.txt --out pretrained.pt
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import corpus
import tokens
from bert import CLS, ENCODER, MASK, SEP, Encoder

SEED = 20260901
BATCH = 40
RATE = 2e-3
WARM_UP = 200
MASKED = 0.15
EPOCHS = 2.0
FIRST_PIECE = 5  # ids before it are special


def sequences(ids: np.ndarray, length: int) -> np.ndarray:
    """[CLS] piece* [SEP], all of one length: documents one after the other, cut where a sequence is full."""
    inside = length - 2
    count = len(ids) // inside
    body = ids[:count * inside].reshape(count, inside)
    edge = np.full((count, 1), 1, dtype=np.int32)
    return np.hstack([edge * CLS, body, edge * SEP]).astype(np.int32)


def masked(batch: np.ndarray, random: np.random.Generator, vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """The batch with 15 % of its pieces to be guessed: 80 % of them masked, 10 % replaced, 10 % left as they are."""
    chosen = (random.random(batch.shape) < MASKED) & (batch >= FIRST_PIECE)
    what = random.random(batch.shape)
    shown = np.where(chosen & (what < 0.8), MASK, batch)
    other = random.integers(FIRST_PIECE, vocabulary, batch.shape)
    return np.where(chosen & (what >= 0.9), other, shown), chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True, help="the qlroute program, which tokenizes")
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    arguments = parser.parse_args()
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)

    found = tokens.tokenize(list(corpus.documents(arguments.data)), arguments.program, arguments.vocabulary)
    ids = np.concatenate([np.array(each[1:-1] + [SEP], dtype=np.int32) for each in found])
    rows = sequences(ids, ENCODER.positions)
    print(f"{len(ids):,} tokens, {len(rows):,} sequences", file=sys.stderr)

    model = Encoder()
    bias = torch.nn.Parameter(torch.zeros(ENCODER.vocabulary))
    transform = torch.nn.Sequential(torch.nn.Linear(ENCODER.hidden, ENCODER.hidden), torch.nn.GELU(),
                                    torch.nn.LayerNorm(ENCODER.hidden))
    parameters = [*model.parameters(), *transform.parameters(), bias]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01, betas=(0.9, 0.98))
    steps = max(1, int(arguments.epochs * len(rows) / BATCH))
    order = np.concatenate([random.permutation(len(rows)) for _ in range(math.ceil(arguments.epochs) + 1)])
    start, shown = time.time(), 0.0
    for step in range(steps):
        share = min((step + 1) / WARM_UP, max(0.02, (steps - step) / max(1, steps - WARM_UP)))
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, share)
        batch = rows[order[step * BATCH:(step + 1) * BATCH]]
        seen, chosen = masked(batch, random, ENCODER.vocabulary)
        where = torch.from_numpy(chosen)
        hidden = transform(model(torch.from_numpy(seen).long())[where])
        loss = functional.cross_entropy(hidden @ model.words.weight.t() + bias,
                                        torch.from_numpy(batch).long()[where])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        shown = loss.item() if step == 0 else 0.98 * shown + 0.02 * loss.item()
        if step % 100 == 99 or step + 1 == steps:
            rate = (step + 1) / (time.time() - start)
            print(f"step {step + 1} of {steps}, loss {shown:.3f}, {rate * BATCH * ENCODER.positions:,.0f} tokens/s, "
                  f"{(steps - step - 1) / rate / 60:.1f} min left", file=sys.stderr, flush=True)
        if step % 1000 == 999 or step + 1 == steps:
            torch.save(model.state_dict(), arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
