#!/usr/bin/env python3
"""Write a random BERT of any size in Hugging Face's format, for benchmarks and tests.

The weights are not trained, but numbers flow through them as through a trained
model: a few dimensions of every token vector are far larger than the others,
attention prefers some tokens, and the feed-forward layers see inputs on both
sides of the bend of their activation.  Speed and rounding errors measured on
such a model are those of a real one; its answers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

SEED = 20240601

# --------------------------------------------------------------------------
# Config
# --------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """The sizes of an encoder."""
    layers: int = 2
    hidden: int = 128
    heads: int = 2
    feed_forward: int = 512
    vocabulary: int = 30522
    positions: int = 512
    token_types: int = 2
    layer_norm_epsilon: float = 1e-12

    @property
    def head_size(self) -> int:
        return self.hidden // self.heads


# Member of Config to key of config.json.
KEYS = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "feed_forward": "intermediate_size",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "token_types": "type_vocab_size",
    "layer_norm_epsilon": "layer_norm_eps",
}


def config_text(config: Config, architecture: str) -> str:
    """The content of config.json."""
    content: dict[str, Any] = {
        "architectures": [architecture],
        "model_type": "bert",
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
    }
    content |= {key: getattr(config, member) for member, key in KEYS.items()}
    return json.dumps(content, indent=2) + "\n"


def read_config(path: Path) -> Config:
    """The inverse of `config_text`, of any BERT's config.json."""
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("hidden_act", "gelu") != "gelu":
        raise ValueError(f"{path}: hidden_act is {content['hidden_act']!r}; expected 'gelu'")
    return Config(**{member: content[key] for member, key in KEYS.items() if key in content})


# --------------------------------------------------------------------------
# Weights
# --------------------------------------------------------------------------

Tensors = dict[str, np.ndarray]

# Standard deviations of what the matrices put out, for inputs of mean square 1.
QUERY_DEVIATION = 1.7
VALUE_DEVIATION = 1.4
CONTEXT_DEVIATION = 0.4
GELU_DEVIATION = 1.7
FOLDED_DEVIATION = 0.6
POOLER_DEVIATION = 0.7
CLASSIFIER_DEVIATION = 2.0
# Of a GELU whose inputs spread as above.
GELU_MEAN = 0.4

# Deviation and outliers of the word embeddings, deviation of the others.
WORD, WORD_OUTLIER, POSITION = 0.05, 0.4, 0.02
# Outliers of what a layer norm adds, and how little it keeps of those before it: else they grow
# from norm to norm, until the other dimensions vanish beside them.
BETA_OUTLIER, GAMMA_OUTLIER = 3.0, 0.3


def random_weights(config: Config, seed: int, classes: int = 0) -> Tensors:
    """float32 tensors by their names in a BertModel, or with `classes` in a
    BertForSequenceClassification."""
    generator = np.random.default_rng(seed)
    prefix = "bert." if classes else ""
    hidden, inner = config.hidden, config.feed_forward
    outliers = generator.choice(hidden, max(1, hidden // 64), replace=False)
    signs = np.zeros(hidden, dtype=np.float32)
    signs[outliers] = generator.choice(np.array([-1.0, 1.0]), len(outliers))
    tensors: Tensors = {}

    def normal(deviation: float, *shape: int) -> np.ndarray:
        return np.float32(deviation) * generator.standard_normal(shape, dtype=np.float32)

    def linear(name: str, out: int, inputs: int, deviation: float, bias: float = 0.1,
               mean: float = 0.0, centre: np.ndarray | float = 0.0) -> None:
        """`deviation`: of the outputs for inputs of mean square 1; `bias`, `mean`: deviation and
        mean of the bias, which also takes off what inputs that are all `centre` would add. Else
        what all tokens have in common grows from layer to layer, until they are all the same."""
        weight = normal(deviation / inputs ** 0.5, out, inputs)
        common = weight @ np.broadcast_to(np.float32(centre), (inputs,))
        tensors[f"{name}.weight"] = weight
        tensors[f"{name}.bias"] = normal(bias, out) + np.float32(mean) - common

    def norm(name: str) -> tuple[np.ndarray, np.ndarray]:
        gamma = generator.uniform(0.8, 1.2, hidden).astype(np.float32)
        gamma[outliers] = GAMMA_OUTLIER
        beta = normal(0.1, hidden) + np.float32(BETA_OUTLIER) * signs
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = gamma, beta
        return gamma, beta

    embeddings = f"{prefix}embeddings"
    tensors[f"{embeddings}.word_embeddings.weight"] = (
        normal(WORD, config.vocabulary, hidden) + np.float32(WORD_OUTLIER) * signs)
    tensors[f"{embeddings}.position_embeddings.weight"] = normal(POSITION, config.positions, hidden)
    tensors[f"{embeddings}.token_type_embeddings.weight"] = (
        normal(POSITION, config.token_types, hidden))
    gamma, beta = norm(f"{embeddings}.LayerNorm")
    square = WORD ** 2 + 2 * POSITION ** 2 + WORD_OUTLIER ** 2 * len(outliers) / hidden
    common = beta + gamma * signs * np.float32(WORD_OUTLIER / square ** 0.5)
    for layer in range(config.layers):
        name = f"{prefix}encoder.layer.{layer}"
        linear(f"{name}.attention.self.query", hidden, hidden, QUERY_DEVIATION, bias=0.3)
        linear(f"{name}.attention.self.key", hidden, hidden, QUERY_DEVIATION)
        linear(f"{name}.attention.self.value", hidden, hidden, VALUE_DEVIATION, centre=common)
        linear(f"{name}.attention.output.dense", hidden, hidden, CONTEXT_DEVIATION)
        common = norm(f"{name}.attention.output.LayerNorm")[1]
        linear(f"{name}.intermediate.dense", inner, hidden, GELU_DEVIATION, mean=-0.3,
               centre=common)
        linear(f"{name}.output.dense", hidden, inner, FOLDED_DEVIATION, centre=GELU_MEAN)
        common = norm(f"{name}.output.LayerNorm")[1]
    linear(f"{prefix}pooler.dense", hidden, hidden, POOLER_DEVIATION, centre=common)
    if classes:
        linear("classifier", classes, hidden, CLASSIFIER_DEVIATION)
    return tensors


# --------------------------------------------------------------------------
# Files
# --------------------------------------------------------------------------

DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"),
          "I8": np.dtype("i1"), "I32": np.dtype("<i4"), "I64": np.dtype("<i8")}
OF_ARRAY = {np.dtype("float32"): "F32", np.dtype("float16"): "F16",
            np.dtype("int8"): "I8", np.dtype("int32"): "I32", np.dtype("int64"): "I64"}


def to_bf16(values: np.ndarray) -> np.ndarray:
    """The upper halves of finite float32, rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values, dtype="<f4").view("<u4")
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
            >> np.uint32(16)).astype("<u2")


def from_bf16(bits: np.ndarray) -> np.ndarray:
    return (bits.astype("<u4") << np.uint32(16)).view("<f4")


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray], dtype: str = "",
                      metadata: Mapping[str, str] = {"format": "pt"}) -> None:
    """u64 header length, JSON header padded with spaces to a multiple of 8, raw data.
    float32 becomes `dtype` if that is given; every other array stays what it is."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    parts, end = [], 0
    for name, values in tensors.items():
        stored = OF_ARRAY[values.dtype]
        if stored == "F32" and dtype:
            stored = dtype
        converted = to_bf16(values) if stored == "BF16" else values
        raw = np.ascontiguousarray(converted, dtype=DTYPES[stored]).tobytes()
        header[name] = {"dtype": stored, "shape": list(values.shape),
                        "data_offsets": [end, end + len(raw)]}
        parts.append(raw)
        end += len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def read_safetensors(path: Path) -> Tensors:
    """The inverse of `write_safetensors`; F16 and BF16 become float32."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8:8 + length])
    header.pop("__metadata__", None)
    tensors: Tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = np.frombuffer(raw[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            values = from_bf16(values)
        tensors[name] = values.astype(np.float32) if entry["dtype"] == "F16" else values
    return tensors


# --------------------------------------------------------------------------
# Command line
# --------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="encoder_model.py", description=__doc__.split("\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="where config.json and model.safetensors are written")
    defaults = Config()
    for member in KEYS:
        if member == "layer_norm_epsilon":
            continue
        parser.add_argument("--" + member.replace("_", "-"), type=int, metavar="N",
                            default=getattr(defaults, member), help=KEYS[member])
    parser.add_argument("--classes", type=int, default=0, metavar="N",
                        help="rows of a classifier; 0 for none")
    parser.add_argument("--dtype", choices=("F32", "F16", "BF16"), default="F32",
                        help="of the stored weights")
    parser.add_argument("--seed", type=int, default=SEED, help="of the random numbers")
    options = parser.parse_args(arguments)
    sizes = {member: getattr(options, member) for member in KEYS if hasattr(options, member)}
    for member, size in sizes.items():
        if size < 1:
            parser.error(f"--{member.replace('_', '-')} is {size}; expected at least 1")
    config = Config(**sizes)
    if config.hidden % config.heads:
        parser.error(f"--hidden is {config.hidden}; expected a multiple of --heads, {config.heads}")
    if options.classes < 0:
        parser.error(f"--classes is {options.classes}; expected at least 0")

    options.out.mkdir(parents=True, exist_ok=True)
    architecture = "BertForSequenceClassification" if options.classes else "BertModel"
    (options.out / "config.json").write_text(config_text(config, architecture), encoding="utf-8")
    tensors = random_weights(config, options.seed, options.classes)
    write_safetensors(options.out / "model.safetensors", tensors, options.dtype)
    print(f"wrote {sum(t.size for t in tensors.values())} weights", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
