#!/usr/bin/env python3
"""Train, evaluate and export `lexical_difficulty`.

The model predicts, from the text of one user message alone, the probability
that a language model of a given ability answers it well.  It is a logistic
regression on hashed words and word pairs plus a few layout features, with one
head per ability tier.  `docs/lexical-difficulty.md` holds the definition that
another implementation has to follow byte by byte; the functions of the
section "features" are its reference.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import math
import re
import struct
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterable, Iterator, Sequence

import numpy as np
from scipy import optimize, sparse
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

ABILITIES = ("small", "medium", "large", "frontier")
HEADS = len(ABILITIES)
SEED = 20240601

# --------------------------------------------------------------------------
# Features
# --------------------------------------------------------------------------

WINDOW_BYTES = 4096
BUCKET_BITS = 15
BUCKETS = 1 << BUCKET_BITS
MASK64 = (1 << 64) - 1
FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x00000100000001B3
BIGRAM_FACTOR = 0x9E3779B97F4A7C15
MIX_FACTOR_1 = 0xBF58476D1CE4E5B9
MIX_FACTOR_2 = 0x94D049BB133111EB
MAX_DIGITS = 6

DENSE_FEATURES = (
    "log_bytes",
    "log_tokens",
    "digit_share",
    "non_ascii_share",
    "upper_share",
    "has_options",
    "log_option_lines",
    "has_question",
    "log_newlines",
    "math_share",
    "code_share",
    "mean_word_bytes",
)
MATH_BYTES = b"$%*+/<=>\\^_|"
CODE_BYTES = b"#&()@;[]`{}~"

TOKEN = re.compile(rb"[A-Za-z0-9\x80-\xff]+|[^A-Za-z0-9\x80-\xff\t\n\v\f\r ]")
WORD = re.compile(rb"[A-Za-z0-9\x80-\xff]+")
OPTION_LINE = re.compile(rb"\n[A-P]\. ")


def pieces(text: bytes) -> list[bytes]:
    """The bytes that are looked at: all, or the first and the last half window."""
    if len(text) <= WINDOW_BYTES:
        return [text]
    half = WINDOW_BYTES // 2
    return [text[:half], text[-half:]]


def tokens(piece: bytes) -> list[bytes]:
    """Lower-cased words, numbers reduced to their digit count, single other bytes."""
    found = TOKEN.findall(piece.lower())
    return [b"0" * min(len(t), MAX_DIGITS) if t.isdigit() else t for t in found]


def mix(value: int) -> int:
    """The output function of splitmix64."""
    value = ((value ^ (value >> 30)) * MIX_FACTOR_1) & MASK64
    value = ((value ^ (value >> 27)) * MIX_FACTOR_2) & MASK64
    return value ^ (value >> 31)


def token_hash(token: bytes) -> int:
    """mix(FNV-1a-64(token))."""
    value = FNV_OFFSET
    for byte in token:
        value = ((value ^ byte) * FNV_PRIME) & MASK64
    return mix(value)


def bigram_hash(first: int, second: int) -> int:
    """mix(first * BIGRAM_FACTOR + second) of two token hashes, modulo 2^64."""
    return mix((first * BIGRAM_FACTOR + second) & MASK64)


def bucket(value: int) -> int:
    """The highest BUCKET_BITS bits."""
    return value >> (64 - BUCKET_BITS)


_hash_cache: dict[bytes, int] = {}


def _cached_token_hash(token: bytes) -> int:
    value = _hash_cache.get(token)
    if value is None:
        value = _hash_cache[token] = token_hash(token)
    return value


def _bigram_hashes(hashes: np.ndarray) -> np.ndarray:
    """`bigram_hash` of all neighbours at once (uint64 wraps around)."""
    value = hashes[:-1] * np.uint64(BIGRAM_FACTOR) + hashes[1:]
    value = (value ^ (value >> np.uint64(30))) * np.uint64(MIX_FACTOR_1)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(MIX_FACTOR_2)
    return value ^ (value >> np.uint64(31))


def ngram_buckets(text: bytes) -> np.ndarray:
    """Bucket of every occurrence of a token and of a pair of neighbouring tokens."""
    parts = [np.empty(0, dtype=np.uint64)]
    for piece in pieces(text):
        hashes = np.array([_cached_token_hash(t) for t in tokens(piece)], dtype=np.uint64)
        parts.append(hashes)
        if len(hashes) > 1:
            parts.append(_bigram_hashes(hashes))
    return (np.concatenate(parts) >> np.uint64(64 - BUCKET_BITS)).astype(np.int32)


def _count(piece: bytes, members: bytes) -> int:
    return len(piece) - len(piece.translate(None, members))


DIGIT_BYTES = bytes(range(0x30, 0x3A))
UPPER_BYTES = bytes(range(0x41, 0x5B))
NON_ASCII_BYTES = bytes(range(0x80, 0x100))


def dense_features(text: bytes) -> np.ndarray:
    """The values of DENSE_FEATURES, not yet standardised.

    Logarithms are ln(1 + count); shares are per byte of the window; all counts
    but the length of the text are of the window.
    """
    window = pieces(text)
    size = max(1, sum(len(p) for p in window))
    words = [w for p in window for w in WORD.findall(p)]

    def total(members: bytes) -> int:
        return sum(_count(p, members) for p in window)

    return np.array([
        math.log1p(len(text)),
        math.log1p(sum(len(tokens(p)) for p in window)),
        total(DIGIT_BYTES) / size,
        total(NON_ASCII_BYTES) / size,
        total(UPPER_BYTES) / size,
        float(any(b"\nA. " in p for p in window)),
        math.log1p(sum(len(OPTION_LINE.findall(p)) for p in window)),
        float(any(b"?" in p for p in window)),
        math.log1p(total(b"\n")),
        total(MATH_BYTES) / size,
        total(CODE_BYTES) / size,
        sum(len(w) for w in words) / max(1, len(words)),
    ])


def feature_matrices(texts: Sequence[bytes]) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Hashed n-grams, count / sqrt(occurrences in the text), and dense features."""
    indptr, indices, values = [0], [], []
    for text in texts:
        found, counts = np.unique(ngram_buckets(text), return_counts=True)
        indices.append(found)
        values.append(counts / math.sqrt(max(1, counts.sum())))
        indptr.append(indptr[-1] + len(found))
    ngrams = sparse.csr_matrix(
        (np.concatenate(values), np.concatenate(indices), np.array(indptr)),
        shape=(len(texts), BUCKETS))
    return ngrams, np.array([dense_features(t) for t in texts])


# --------------------------------------------------------------------------
# Data
# --------------------------------------------------------------------------

# Only these files may train weights that are shipped (Apache-2.0 or MIT).
TRAINING_BENCHMARKS = ("gsm8k_test", "math_l5_zeroeval", "mmlu_pro", "mmlu_routellm",
                       "mtbench", "structflow")
# Scored for the report only: no licence file, or a non-commercial one.
REPORT_ONLY_BENCHMARKS = ("math_oenowen", "mmlu_cascade")
# A column of a file that may train, if its name holds one of these, may not.
BARRED_COLUMN = ("@oenowen", "#suspect")

# Chat models by tier: parameter count first, and where a model of an earlier
# generation measures like much smaller ones of a later one, its measured mean.
# Base models, which nobody would route to, are in no tier.
TIERS: dict[str, tuple[str, ...]] = {
    "small": (
        "Phi-3-mini-4k-instruct", "Phi-3.5-mini-instruct", "Qwen2.5-3B-Instruct",
        "gemma-2-2b-it", "phi_3_5_mini_instruct",
    ),
    "medium": (
        "Meta-Llama-3-8B-Instruct", "Meta-Llama-3.1-8B-Instruct", "Mistral-Nemo-Instruct-2407",
        "Mixtral-8x7B-Instruct-v0.1", "Qwen1.5-72B-Chat", "Qwen2-7B-Instruct",
        "Qwen2.5-7B-Instruct", "Yi-1.5-9B-Chat", "c4ai-command-r-v01", "command-r",
        "deepseek_R1_llama_8b", "deepseek_R1_qwen_7b", "gemma-2-9b-it", "glm_4_9b_chat",
        "gpt-3.5-turbo-0125", "jamba-1.5-large", "llama-3-8b-quantized",
        "llama_3_1_8b_instruct", "mathstral-7B", "mistral_7b_instruct_v0_3",
        "mixtral-8x7b-instruct-v0.1", "qwen2_5_14b_instruct", "qwen2_5_7b_instruct",
    ),
    "large": (
        "Athene-70B", "DeepSeek-Coder-V2", "Meta-Llama-3-70B-Instruct",
        "Meta-Llama-3.1-70B-Instruct", "Qwen2-72B-Instruct", "Qwen2.5-32B-Instruct",
        "Qwen2.5-72B-Instruct", "Yi-1.5-34B-Chat", "claude-3-haiku-20240307",
        "command-r-plus", "gemini-1.5-flash", "gemini-1.5-flash-002", "gemma-2-27b-it",
        "gpt-4o-mini-2024-07-18", "yi-large",
    ),
    "frontier": (
        "Llama-3.1-405B-Inst-fp8@together", "Llama-3.1-405B-Inst@hyperbolic",
        "Llama-3.1-405B-Inst@sambanova", "Mistral-Large-2", "chatgpt-4o-latest-24-09-07",
        "claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022", "claude-3-opus-20240229",
        "claude_3_5_sonnet_20241022", "deepseek-v2.5-0908", "deepseek_v3",
        "gemini-1.5-pro", "gemini-1.5-pro-002", "gemini-1.5-pro-exp-0801",
        "gemini-1.5-pro-exp-0827", "gemini_1_5_pro", "gpt-4-0314", "gpt-4-1106-preview",
        "gpt-4-turbo-2024-04-09", "gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "gpt-4o@tiger",
        "gpt4o", "grok-2-1212",
    ),
}
TIER_OF = {name: tier for tier, name_list in enumerate(TIERS.values()) for name in name_list}


@dataclass(frozen=True)
class Row:
    """One user message with the score in 0..1 of every model that answered it."""
    benchmark: str
    stem: str
    text: bytes
    scores: dict[str, float] = field(default_factory=dict)


def stem_of(first_turn: str) -> str:
    """The question up to its options, lower-cased, runs of other than letters and digits
    as one space; rows with equal stems always share a fold."""
    question = first_turn.split("\nA. ", 1)[0].removesuffix("\nAnswer:").lower()
    return " ".join(re.findall(r"[^\W_]+", question)) or question.strip()


def _unit_score(score: float, score_type: str) -> float:
    """Judge grades 1..10 onto 0..1; everything else is 0..1 already."""
    return (score - 1.0) / 9.0 if score_type.startswith("judge10") else float(score)


def _rows_of_record(record: dict[str, Any], benchmark: str) -> Iterator[Row]:
    """One row for a single question, one row per turn where turns were scored."""
    stem, kind = stem_of(record["turns"][0]), record["score_type"]
    for turn, text in enumerate(record["turns"]):
        scores: dict[str, float] = {}
        for model, outcome in record["models"].items():
            if len(record["turns"]) == 1:
                score = outcome["score"]
            else:
                per_turn = outcome.get("turn_scores") or []
                score = per_turn[turn] if turn < len(per_turn) else None
            if score is not None:
                scores[model] = _unit_score(score, kind)
        if scores:
            yield Row(benchmark, stem, text.encode(), scores)


def load(data: Path, benchmarks: Iterable[str]) -> list[Row]:
    """The scored rows of `DIR/outcomes/<benchmark>.jsonl.gz`."""
    rows: list[Row] = []
    for benchmark in benchmarks:
        with gzip.open(data / "outcomes" / f"{benchmark}.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                rows.extend(_rows_of_record(json.loads(line), benchmark))
    return rows


def trainable_scores(row: Row) -> dict[str, float]:
    """The scores of a row that shipped weights may be trained on."""
    if row.benchmark not in TRAINING_BENCHMARKS:
        return {}
    return {m: s for m, s in row.scores.items()
            if m in TIER_OF and not any(mark in m for mark in BARRED_COLUMN)}


def fold_of(stem: str, folds: int, seed: int) -> int:
    """Fold of a stem, 0 <= fold < folds, from a seeded hash of the stem."""
    digest = hashlib.sha256(f"{seed}:{stem}".encode()).digest()
    return int.from_bytes(digest[:8], "little") % folds


@dataclass
class TrainingSet:
    """Features, soft labels in 0..1 and weights (0 where a tier is missing)."""
    ngrams: sparse.csr_matrix
    dense: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    benchmarks: np.ndarray

    def take(self, index: np.ndarray) -> "TrainingSet":
        return TrainingSet(self.ngrams[index], self.dense[index], self.labels[index],
                           self.weights[index], self.benchmarks[index])


# One model's answer counts 1 / (1 + 0.5) = 2/3 as much as the mean of very many models.
WEIGHT_HALF = 0.5


def soft_labels(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Per row and head: the mean score of the tier's n models, and n / (n + WEIGHT_HALF)."""
    totals, counts = np.zeros((len(rows), HEADS)), np.zeros((len(rows), HEADS))
    for index, row in enumerate(rows):
        for model, score in trainable_scores(row).items():
            totals[index, TIER_OF[model]] += score
            counts[index, TIER_OF[model]] += 1.0
    return totals / np.maximum(1.0, counts), counts / (counts + WEIGHT_HALF)


BENCHMARK_POWER = 0.25


def balance(benchmarks: np.ndarray) -> np.ndarray:
    """Weight rows^-BENCHMARK_POWER per row of a benchmark, mean 1 over all rows."""
    names, inverse, counts = np.unique(benchmarks, return_inverse=True, return_counts=True)
    weight = counts[inverse] ** -BENCHMARK_POWER
    return weight / weight.mean()


def training_set(rows: Sequence[Row], ngrams: sparse.csr_matrix, dense: np.ndarray) -> TrainingSet:
    """The part of the rows that may train; the matrices are of all `rows`."""
    labels, weights = soft_labels(rows)
    index = np.flatnonzero(weights.sum(axis=1))
    names = np.array([row.benchmark for row in rows])[index]
    return TrainingSet(ngrams[index], dense[index], labels[index],
                       weights[index] * balance(names)[:, None], names)


# --------------------------------------------------------------------------
# Model
# --------------------------------------------------------------------------

@dataclass(frozen=True)
class Hyper:
    """`penalty`: L2 strength; `coupling`: prior correlation of neighbouring heads;
    `idf_power`: exponent of the inverse document frequency that scales the prior."""
    penalty: float
    coupling: float
    idf_power: float = 0.5
    dense_penalty: float = 0.1


GRID = tuple(Hyper(penalty, coupling)
             for penalty in (8.0, 16.0) for coupling in (0.5, 0.8))


@dataclass(frozen=True)
class Model:
    """logits = ngrams @ ngram_weights + dense @ dense_weights + bias."""
    ngram_weights: np.ndarray
    dense_weights: np.ndarray
    bias: np.ndarray

    def logits(self, ngrams: sparse.csr_matrix, dense: np.ndarray) -> np.ndarray:
        return ngrams @ self.ngram_weights + dense @ self.dense_weights + self.bias


def head_factor(coupling: float) -> np.ndarray:
    """L with L L^T = C, C[i][j] = coupling^|i - j|: the prior covariance of the heads."""
    heads = np.arange(HEADS)
    return np.linalg.cholesky(coupling ** np.abs(heads[:, None] - heads[None, :]))


def fit(data: TrainingSet, hyper: Hyper) -> Model:
    """Minimise  sum_i,h weight * cross_entropy(label, sigmoid(logit))
                 + penalty / 2 * sum_b w_b^T C^-1 w_b / idf_b^(2 idf_power)
    over the n-gram weights w_b (one vector of heads per bucket), the weights of the
    standardised dense features (the same prior, `dense_penalty`) and a free bias.
    Solved by L-BFGS in the whitened variables u = w L^-T / idf."""
    mean, deviation = data.dense.mean(axis=0), data.dense.std(axis=0)
    deviation = np.where(deviation > 0.0, deviation, 1.0)
    standard = (data.dense - mean) / deviation
    rows = data.ngrams.shape[0]
    document_count = np.bincount(data.ngrams.indices, minlength=BUCKETS)
    idf = np.log((1.0 + rows) / (1.0 + document_count)) ** hyper.idf_power
    idf = np.maximum(idf, 1e-3)
    ngrams = (data.ngrams @ sparse.diags(idf)).tocsr()
    transposed = ngrams.T.tocsr()
    factor = head_factor(hyper.coupling)
    cut = BUCKETS * HEADS, (BUCKETS + len(DENSE_FEATURES)) * HEADS

    def split(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return (flat[:cut[0]].reshape(-1, HEADS), flat[cut[0]:cut[1]].reshape(-1, HEADS),
                flat[cut[1]:])

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        u_ngrams, u_dense, bias = split(flat)
        logit = (ngrams @ u_ngrams + standard @ u_dense) @ factor.T + bias
        loss = np.sum(data.weights * (np.logaddexp(0.0, logit) - data.labels * logit))
        error = data.weights * (expit(logit) - data.labels)
        whitened = error @ factor
        value = (loss + 0.5 * hyper.penalty * np.sum(u_ngrams ** 2)
                 + 0.5 * hyper.dense_penalty * np.sum(u_dense ** 2))
        gradient = np.concatenate([
            (transposed @ whitened + hyper.penalty * u_ngrams).ravel(),
            (standard.T @ whitened + hyper.dense_penalty * u_dense).ravel(),
            error.sum(axis=0)])
        return value, gradient

    solution = optimize.minimize(objective, np.zeros(cut[1] + HEADS), jac=True,
                                 method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-7})
    u_ngrams, u_dense, bias = split(solution.x)
    dense_weights = (u_dense @ factor.T) / deviation[:, None]
    return Model((u_ngrams * idf[:, None]) @ factor.T, dense_weights,
                 bias - mean @ dense_weights)


def log_loss(model: Model, data: TrainingSet) -> float:
    """Weighted mean cross entropy, nats."""
    logit = model.logits(data.ngrams, data.dense)
    loss = data.weights * (np.logaddexp(0.0, logit) - data.labels * logit)
    return float(loss.sum() / data.weights.sum())


INNER_FOLDS = 5


def choose(data: TrainingSet, stems: Sequence[str], seed: int) -> Hyper:
    """The point of GRID with the least log loss on one inner, stem-disjoint fold."""
    inner = np.array([fold_of(stem, INNER_FOLDS, seed + 1) for stem in stems])
    train, held = data.take(np.flatnonzero(inner != 0)), data.take(np.flatnonzero(inner == 0))
    losses = [log_loss(fit(train, hyper), held) for hyper in GRID]
    for hyper, loss in zip(GRID, losses):
        progress(f"  inner log loss {loss:.4f} for {hyper}")
    return GRID[int(np.argmin(losses))]


# --------------------------------------------------------------------------
# Quantisation and file
# --------------------------------------------------------------------------

@dataclass(frozen=True)
class QuantisedModel:
    """What is stored: int8 n-gram weights, one float32 scale per head, the rest float32."""
    ngram_weights: np.ndarray
    ngram_scale: np.ndarray
    dense_weights: np.ndarray
    bias: np.ndarray

    def model(self) -> Model:
        """The float64 model with exactly the stored values."""
        return Model(self.ngram_weights * self.ngram_scale.astype(np.float64),
                     self.dense_weights.astype(np.float64), self.bias.astype(np.float64))


def quantise(model: Model) -> QuantisedModel:
    """Symmetric rounding to -127..127 with scale = largest magnitude of the head / 127."""
    scale = (np.abs(model.ngram_weights).max(axis=0) / 127.0).astype(np.float32)
    scale = np.where(scale > 0.0, scale, np.float32(1.0))
    weights = np.clip(np.rint(model.ngram_weights / scale), -127, 127).astype(np.int8)
    return QuantisedModel(weights, scale, model.dense_weights.astype(np.float32),
                          model.bias.astype(np.float32))


DTYPES = {"I8": np.dtype("int8"), "F32": np.dtype("<f4")}


def metadata(seed: int, hyper: Hyper) -> dict[str, str]:
    """String to string, as the format demands."""
    return {
        "format": "qlroute.lexical_difficulty",
        "version": "1",
        "abilities": ",".join(ABILITIES),
        "dense_features": ",".join(DENSE_FEATURES),
        "token_hash": "fnv1a64+splitmix64",
        "bigram_hash": "splitmix64(first*0x9e3779b97f4a7c15+second)",
        "bucket_bits": str(BUCKET_BITS),
        "normalisation": "sqrt_occurrences",
        "max_digits": str(MAX_DIGITS),
        "window_bytes": str(WINDOW_BYTES),
        "trained_on": ",".join(TRAINING_BENCHMARKS),
        "penalty": str(hyper.penalty),
        "coupling": str(hyper.coupling),
        "idf_power": str(hyper.idf_power),
        "seed": str(seed),
    }


def write_safetensors(path: Path, model: QuantisedModel, meta: dict[str, str]) -> None:
    """u64 header length, JSON header padded with spaces to a multiple of 8, raw data."""
    tensors = {
        "ngram_weights": ("I8", model.ngram_weights),
        "ngram_scale": ("F32", model.ngram_scale),
        "dense_weights": ("F32", model.dense_weights),
        "bias": ("F32", model.bias),
    }
    header: dict[str, Any] = {"__metadata__": meta}
    data = b""
    for name, (dtype, values) in tensors.items():
        raw = np.ascontiguousarray(values, dtype=DTYPES[dtype]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path: Path) -> tuple[QuantisedModel, dict[str, str]]:
    """The inverse of `write_safetensors`."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8:8 + length])
    meta = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(raw[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return QuantisedModel(**tensors), meta


# --------------------------------------------------------------------------
# Evaluation
# --------------------------------------------------------------------------

@dataclass(frozen=True)
class Pair:
    """Two models of one benchmark, the heads that predict them, and the published floor
    (AUC small right, AUC large right, APGR) of TF-IDF on another split."""
    benchmark: str
    weak: str
    weak_head: int
    strong: str
    strong_head: int
    floor: tuple[float, float, float]


PAIRS = (
    Pair("mmlu_routellm", "mixtral-8x7b-instruct-v0.1", 1, "gpt-4-1106-preview", 3,
         (0.670, 0.700, 0.630)),
    Pair("mmlu_pro", "Phi-3-mini-4k-instruct", 0, "Meta-Llama-3.1-70B-Instruct", 2,
         (0.690, 0.608, 0.587)),
    Pair("mmlu_cascade", "llama3.2-3b", 0, "llama3.1-70b", 2, (0.593, 0.688, 0.536)),
    Pair("gsm8k_test", "gemma-2-2b-it", 0, "Meta-Llama-3.1-70B-Instruct", 2,
         (0.557, 0.591, 0.508)),
    Pair("math_oenowen", "qwen2.5-1.5b-instruct-bnb4", 0, "qwen2.5-14b-instruct-bnb4", 1,
         (0.687, 0.752, 0.556)),
)


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """Probability that a right answer scores above a wrong one, ties half."""
    positives = label.sum()
    negatives = len(label) - positives
    if positives == 0 or negatives == 0:
        return math.nan
    ranks = rankdata(score)[label > 0.5].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def apgr(weak: np.ndarray, strong: np.ndarray, gap: np.ndarray) -> float:
    """Area under (quality - q_weak) / (q_strong - q_weak) over the share of calls that go
    to the strong model, largest predicted gap first; 0.5 is chance."""
    difference = strong - weak
    if difference.sum() <= 0.0:
        return math.nan
    gained = np.cumsum(difference[np.argsort(-gap, kind="stable")]) / difference.sum()
    curve = np.concatenate([[0.0], gained])
    return float((curve[1:] + curve[:-1]).mean() / 2.0)


def pair_metrics(weak: np.ndarray, strong: np.ndarray,
                 p_weak: np.ndarray, p_strong: np.ndarray) -> np.ndarray:
    """AUC small right, AUC large right, APGR."""
    return np.array([auc(weak, p_weak), auc(strong, p_strong),
                     apgr(weak, strong, p_strong - p_weak)])


def with_interval(weak: np.ndarray, strong: np.ndarray, p_weak: np.ndarray,
                  p_strong: np.ndarray, seed: int, resamples: int = 1000) -> dict[str, list[float]]:
    """[value, lower, upper] of each metric, 95 % percentile bootstrap over rows."""
    generator = np.random.default_rng(seed)
    samples = []
    for _ in range(resamples):
        pick = generator.integers(0, len(weak), len(weak))
        samples.append(pair_metrics(weak[pick], strong[pick], p_weak[pick], p_strong[pick]))
    low, high = np.nanpercentile(np.array(samples), [2.5, 97.5], axis=0)
    value = pair_metrics(weak, strong, p_weak, p_strong)
    names = ("auc_weak", "auc_strong", "apgr")
    return {name: [round(float(x), 4) for x in (value[i], low[i], high[i])]
            for i, name in enumerate(names)}


def brier(label: np.ndarray, probability: np.ndarray) -> float:
    return float(np.mean((probability - label) ** 2))


def expected_calibration_error(label: np.ndarray, probability: np.ndarray, bins: int = 10) -> float:
    """Mean |observed - predicted| over equally wide bins, weighted by their rows."""
    index = np.minimum((probability * bins).astype(int), bins - 1)
    gaps = np.bincount(index, weights=label - probability, minlength=bins)
    return float(np.abs(gaps).sum() / len(label))


def tfidf_baseline(texts: Sequence[str], label: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Out-of-fold probabilities of TF-IDF uni- and bigrams with logistic regression."""
    probability = np.zeros(len(texts))
    for held in np.unique(fold):
        train, test = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        vectoriser = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        matrix = vectoriser.fit_transform([texts[i] for i in train])
        model = LogisticRegression(max_iter=300).fit(matrix, label[train])
        probability[test] = model.predict_proba(
            vectoriser.transform([texts[i] for i in test]))[:, 1]
    return probability


def evaluate_pair(pair: Pair, rows: Sequence[Row], fold: np.ndarray, logits: np.ndarray,
                  stored_logits: np.ndarray, seed: int) -> dict[str, Any]:
    """All numbers of one line of the results table."""
    index = np.array([i for i, row in enumerate(rows) if row.benchmark == pair.benchmark
                      and pair.weak in row.scores and pair.strong in row.scores])
    weak = np.array([rows[i].scores[pair.weak] for i in index])
    strong = np.array([rows[i].scores[pair.strong] for i in index])
    texts = [rows[i].text.decode() for i in index]
    p_weak, p_strong = (expit(stored_logits[index, h]) for h in (pair.weak_head, pair.strong_head))
    float_weak, float_strong = (expit(logits[index, h]) for h in (pair.weak_head, pair.strong_head))
    baseline = [tfidf_baseline(texts, label, fold[index]) for label in (weak, strong)]
    return {
        "benchmark": pair.benchmark, "weak": pair.weak, "strong": pair.strong,
        "heads": [ABILITIES[pair.weak_head], ABILITIES[pair.strong_head]], "n": len(index),
        "mean_weak": float(weak.mean()), "mean_strong": float(strong.mean()),
        "mean_p_weak": float(p_weak.mean()), "mean_p_strong": float(p_strong.mean()),
        "lexical": with_interval(weak, strong, p_weak, p_strong, seed),
        "lexical_float": dict(zip(("auc_weak", "auc_strong", "apgr"),
                                  pair_metrics(weak, strong, float_weak, float_strong).tolist())),
        "tfidf": with_interval(weak, strong, *baseline, seed),
        "published_floor": pair.floor,
        "brier": [brier(weak, p_weak), brier(strong, p_strong)],
        "ece": [expected_calibration_error(weak, p_weak),
                expected_calibration_error(strong, p_strong)],
        "tfidf_brier": [brier(weak, baseline[0]), brier(strong, baseline[1])],
        "gap_below_zero": float(np.mean(p_strong < p_weak)),
    }


def cross_validate(rows: Sequence[Row], ngrams: sparse.csr_matrix, dense: np.ndarray,
                   folds: int, seed: int) -> dict[str, Any]:
    """Every row scored by the model whose training rows share no stem with it."""
    fold = np.array([fold_of(row.stem, folds, seed) for row in rows])
    logits, stored_logits = np.zeros((len(rows), HEADS)), np.zeros((len(rows), HEADS))
    chosen, losses, stored_losses = [], [], []
    for held in range(folds):
        progress(f"fold {held}")
        train, test = np.flatnonzero(fold != held), np.flatnonzero(fold == held)
        data, stems = take_training(rows, ngrams, dense, train)
        hyper = choose(data, stems, seed)
        model = fit(data, hyper)
        stored = quantise(model).model()
        logits[test] = model.logits(ngrams[test], dense[test])
        stored_logits[test] = stored.logits(ngrams[test], dense[test])
        held_data, _ = take_training(rows, ngrams, dense, test)
        chosen.append(vars(hyper))
        losses.append(log_loss(model, held_data))
        stored_losses.append(log_loss(stored, held_data))
    results = []
    for pair in PAIRS:
        progress(f"evaluating {pair.benchmark}")
        results.append(evaluate_pair(pair, rows, fold, logits, stored_logits, seed))
    return {"folds": folds, "seed": seed, "hyper": chosen, "pairs": results,
            "log_loss": losses, "log_loss_int8": stored_losses,
            "largest_logit_change_by_int8": float(np.abs(logits - stored_logits).max())}


def take_training(rows: Sequence[Row], ngrams: sparse.csr_matrix, dense: np.ndarray,
                  index: np.ndarray) -> tuple[TrainingSet, list[str]]:
    """The training set of the chosen rows and its stems."""
    picked = [rows[i] for i in index]
    stems = [row.stem for row in picked if trainable_scores(row)]
    return training_set(picked, ngrams[index], dense[index]), stems


# --------------------------------------------------------------------------
# Command line
# --------------------------------------------------------------------------

def progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lexical.py", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--report", type=Path, metavar="FILE.json",
                        help="cross-validate and write the results; without it, only train")
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args(arguments)

    started = time.monotonic()
    rows = load(options.data, TRAINING_BENCHMARKS + REPORT_ONLY_BENCHMARKS)
    progress(f"{len(rows)} rows")
    ngrams, dense = feature_matrices([row.text for row in rows])
    if options.report:
        report = cross_validate(rows, ngrams, dense, options.folds, SEED)

    progress("training on all allowed rows")
    data, stems = take_training(rows, ngrams, dense, np.arange(len(rows)))
    hyper = choose(data, stems, SEED)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_safetensors(options.out, quantise(fit(data, hyper)), metadata(SEED, hyper))
    if options.report:
        report |= {"final_hyper": vars(hyper), "training_rows": len(stems),
                   "seconds": time.monotonic() - started}
        options.report.write_text(json.dumps(report, indent=1) + "\n")
    progress(f"wrote {options.out.name}, {options.out.stat().st_size} bytes, "
             f"{time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
