"""The encoder as a reader of topics: fine-tuned on what a question is about, exported, and run as int8."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import encoder_model
from bert import ENCODER, Encoder

EPOCHS = 2
BATCH = 64
RATE = 1e-3
DROPOUT = 0.1
SEED = 1


class Reader(nn.Module):
    """tanh(pooler of [CLS]), as the library computes it."""

    def __init__(self, pretrained: Path | None):
        super().__init__()
        self.encoder = Encoder(ENCODER, DROPOUT)
        if pretrained is not None:
            self.encoder.load_state_dict(torch.load(pretrained))
        self.pooler = nn.Linear(ENCODER.hidden, ENCODER.hidden)

    def forward(self, ids: Sequence[np.ndarray]) -> torch.Tensor:
        lengths = np.array([len(each) for each in ids])
        padded = np.zeros((len(ids), lengths.max()), dtype=np.int64)
        for row, each in enumerate(ids):
            padded[row, :len(each)] = each
        hidden = self.encoder(torch.from_numpy(padded), torch.from_numpy(lengths))
        return torch.tanh(self.pooler(hidden[:, 0]))


def batches(rows: np.ndarray, ids: Sequence[np.ndarray], random: np.random.Generator) -> list[np.ndarray]:
    """Shuffled batches of texts of similar length."""
    out = []
    order = random.permutation(rows)
    for start in range(0, len(order), BATCH * 32):
        near = order[start:start + BATCH * 32]
        near = near[np.argsort([len(ids[i]) for i in near], kind="stable")]
        cut = [near[i:i + BATCH] for i in range(0, len(near), BATCH)]
        out += [cut[i] for i in random.permutation(len(cut))]
    return out


def train(ids: Sequence[np.ndarray], topics: np.ndarray, rows: np.ndarray, pretrained: Path | None,
          progress: Callable[[str], None], epochs: int = EPOCHS) -> Reader:
    """`topics`: numbers; only `rows` are read."""
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    model = Reader(pretrained)
    head = nn.Linear(ENCODER.hidden, int(topics.max()) + 1)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.01)
    drop = nn.Dropout(DROPOUT)
    labels = torch.from_numpy(topics.astype(np.int64))
    steps = epochs * (len(rows) // BATCH + 1)
    step, start = 0, time.time()
    for epoch in range(epochs):
        model.train()
        for batch in batches(rows, ids, random):
            step += 1
            optimizer.param_groups[0]["lr"] = RATE * min(1.0, step / 100) * max(0.02, 1 - step / steps)
            loss = functional.cross_entropy(head(drop(model([ids[i] for i in batch]))), labels[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            if step % 100 == 0:
                progress(f"encoder: step {step} of {steps}, loss {loss.item():.2f}, {time.time() - start:.0f} s")
    return model.eval()


def export(model: Reader, program: Path, out: Path) -> None:
    """int8 weights, as `qlroute quantize` makes them."""
    with tempfile.TemporaryDirectory() as folder:
        tensors = model.encoder.tensors()
        tensors["pooler.dense.weight"] = model.pooler.weight.detach().numpy().copy()
        tensors["pooler.dense.bias"] = model.pooler.bias.detach().numpy().copy()
        encoder_model.write_safetensors(Path(folder) / "model.safetensors", tensors)
        (Path(folder) / "config.json").write_text(encoder_model.config_text(ENCODER, "BertModel"))
        subprocess.run([program, "quantize", "--model", folder, "--out", out, "--force"], check=True,
                       stdout=subprocess.DEVNULL)


def pooled(encoder: Path, ids: Sequence[np.ndarray], program: Path) -> np.ndarray:
    """[N, H] by the int8 encoder itself."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "encoder.safetensors").symlink_to(encoder.resolve())
        lines = "\n".join(json.dumps(each.tolist()) for each in ids) + "\n"
        done = subprocess.run([program, "encode", "--model", folder, "--ids", "--of", "pooled"],
                              input=lines.encode(), stdout=subprocess.PIPE, check=True)
    return np.array([json.loads(line) for line in done.stdout.splitlines()], dtype=np.float32)
