#!/usr/bin/env python3
"""Write a small random BERT and what PyTorch makes of it, for the tests.

    encoder_golden.py tests/golden

writes bert_small.safetensors, bert_small.json (its config) and
bert_small_outputs.safetensors: for inputs of several lengths the ids, the
token types and every tensor on the way to the logits, as `n<length>.<name>`.
`forward` is also the reference of encoder_check.py.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np
import torch
from torch.nn import functional

import encoder_model
from encoder_model import Config

SEED = 20240602
CONFIG = Config(layers=2, hidden=64, heads=2, feed_forward=128, vocabulary=150, positions=40)
CLASSES = 3
LENGTHS = (1, 2, 7, 40)

# --------------------------------------------------------------------------
# Model
# --------------------------------------------------------------------------


class Model:
    """The tensors of a BertModel or of a model that has one as "bert.", as one floating type."""

    def __init__(self, config: Config, tensors: Mapping[str, np.ndarray], dtype: torch.dtype):
        self.config = config
        self.prefix = "bert." if "bert.embeddings.word_embeddings.weight" in tensors else ""
        self.tensors = {name: torch.from_numpy(values.copy()).to(dtype)
                        for name, values in tensors.items() if values.dtype == np.float32}

    def __contains__(self, name: str) -> bool:
        return name in self.tensors or self.prefix + name in self.tensors

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.tensors[name if name.startswith("classifier.") else self.prefix + name]

    def linear(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self[f"{name}.weight"], self[f"{name}.bias"])

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        old = f"{name}.gamma" in self
        gamma, beta = (self[f"{name}.{part}"]
                       for part in (("gamma", "beta") if old else ("weight", "bias")))
        return functional.layer_norm(x, (self.config.hidden,), gamma, beta,
                                     self.config.layer_norm_epsilon)


def load(directory: Path, dtype: torch.dtype = torch.float32) -> Model:
    """The model of a directory with config.json and model.safetensors."""
    return Model(encoder_model.read_config(directory / "config.json"),
                 encoder_model.read_safetensors(directory / "model.safetensors"), dtype)


@torch.no_grad()
def forward(model: Model, ids: Sequence[int], types: Sequence[int] | None = None
            ) -> dict[str, torch.Tensor]:
    """Every tensor on the way; `output` is the last hidden state [T, H], without pooler no
    `pooled`, and without classifier no `logits`. T tokens, H hidden, A heads, D = H / A."""
    config, taps = model.config, {}
    rows = torch.tensor(list(ids))                                              # [T]
    kinds = torch.tensor(list(types)) if types is not None else torch.zeros_like(rows)
    length = len(rows)

    def heads(x: torch.Tensor) -> torch.Tensor:                                 # [A, T, D]
        return x.view(length, config.heads, config.head_size).transpose(0, 1)

    x = (functional.embedding(rows, model["embeddings.word_embeddings.weight"])
         + model["embeddings.position_embeddings.weight"][:length]
         + functional.embedding(kinds, model["embeddings.token_type_embeddings.weight"]))
    x = taps["embedding"] = model.norm("embeddings.LayerNorm", x)               # [T, H]
    for layer in range(config.layers):
        name, tap = f"encoder.layer.{layer}", f"layer.{layer}."
        query, key, value = (model.linear(f"{name}.attention.self.{part}", x)   # [T, H]
                             for part in ("query", "key", "value"))
        scores = heads(query) @ heads(key).transpose(1, 2) / math.sqrt(config.head_size)
        probabilities = functional.softmax(scores, dim=-1)                      # [A, T, T]
        context = (probabilities @ heads(value)).transpose(0, 1).reshape(length, config.hidden)
        attention = model.norm(f"{name}.attention.output.LayerNorm",            # [T, H]
                               x + model.linear(f"{name}.attention.output.dense", context))
        inner = functional.gelu(model.linear(f"{name}.intermediate.dense", attention))  # [T, F]
        x = model.norm(f"{name}.output.LayerNorm",                              # [T, H]
                       attention + model.linear(f"{name}.output.dense", inner))
        taps |= {tap + "query": query, tap + "key": key, tap + "value": value,
                 tap + "probabilities": probabilities, tap + "context": context,
                 tap + "attention_output": attention, tap + "intermediate": inner,
                 tap + "output": x}
    taps["output"] = x
    if "pooler.dense.weight" in model:
        taps["pooled"] = torch.tanh(model.linear("pooler.dense", x[0]))         # [H]
        if "classifier.weight" in model:
            taps["logits"] = model.linear("classifier", taps["pooled"])         # [C]
    return taps


# --------------------------------------------------------------------------
# Files
# --------------------------------------------------------------------------


def small_weights() -> encoder_model.Tensors:
    """Matrices as float16, so that the file stays small, vectors as float32, and the positions
    that some versions of PyTorch models hold beside the weights."""
    tensors = encoder_model.random_weights(CONFIG, SEED, CLASSES)
    tensors = {name: values.astype(np.float16) if values.ndim > 1 else values
               for name, values in tensors.items()}
    tensors["bert.embeddings.position_ids"] = np.arange(CONFIG.positions, dtype=np.int64)[None]
    return tensors


def inputs() -> dict[int, tuple[list[int], list[int]]]:
    """Ids and token types by length: a first part of type 0, the rest of type 1."""
    generator = np.random.default_rng(SEED)
    made = {}
    for length in LENGTHS:
        ids = generator.integers(0, CONFIG.vocabulary, length).tolist()
        split = (length + 1) // 2
        made[length] = (ids, [0] * split + [1] * (length - split))
    return made


def outputs(model: Model) -> encoder_model.Tensors:
    """The taps of all inputs, as float32."""
    tensors: encoder_model.Tensors = {}
    for length, (ids, types) in inputs().items():
        tensors[f"n{length}.ids"] = np.array(ids, dtype=np.int32)
        tensors[f"n{length}.types"] = np.array(types, dtype=np.int32)
        for name, values in forward(model, ids, types).items():
            if name != "output":  # that of the last layer
                tensors[f"n{length}.{name}"] = values.to(torch.float32).numpy()
    return tensors


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    (target / "bert_small.json").write_text(
        encoder_model.config_text(CONFIG, "BertForSequenceClassification"), encoding="utf-8")
    path = target / "bert_small.safetensors"
    encoder_model.write_safetensors(path, small_weights())
    # Computed in double precision: as exact as the stored float32, and the same on every machine.
    model = Model(CONFIG, encoder_model.read_safetensors(path), torch.float64)
    encoder_model.write_safetensors(target / "bert_small_outputs.safetensors", outputs(model))
    return 0


if __name__ == "__main__":
    sys.exit(main())
