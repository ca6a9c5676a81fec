"""Rows with outcomes, and which of them may train weights that are shipped."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np

import lexical
from lexical import BARRED_COLUMN, TRAINING_BENCHMARKS, fold_of

__all__ = ["Rows", "load", "fold_of", "TRAINING_BENCHMARKS"]

LEAST_OF_TOPIC = 15  # rows; rarer ones are one topic


def model_name(name: str) -> str:
    """One name for a model that the sources spell differently."""
    out = name.lower().replace("_", "-")
    for old, new in (("qwen2-5", "qwen2.5"), ("phi-3-5", "phi-3.5"), ("llama-3-1", "llama-3.1"),
                     ("gemini-1-5", "gemini-1.5"), ("claude-3.5", "claude-3-5")):
        out = out.replace(old, new)
    return "meta-" + out if out.startswith("llama-3") else out


@dataclass
class Rows:
    """One user message a row."""
    ids: list[str]
    texts: list[str]
    stems: list[str]
    benchmarks: np.ndarray   # [N] of str
    categories: np.ndarray   # [N] of str
    topics: np.ndarray       # [N] of str
    models: list[str]        # [M]
    scores: np.ndarray       # [N, M], NaN where a model did not answer

    def column(self, model: str) -> np.ndarray:
        return self.scores[:, self.models.index(model)]


def trainable(model: str) -> bool:
    return not any(mark in model for mark in BARRED_COLUMN)


def topic_of(record: dict, benchmark: str) -> str:
    """The subject of a multiple-choice question; else the benchmark."""
    if benchmark == "mmlu_routellm":
        return record.get("category") or benchmark
    if benchmark == "mmlu_pro":
        return record.get("src", benchmark).replace("ori_mmlu-", "")
    return benchmark


def load(data: Path, benchmarks: Sequence[str] = TRAINING_BENCHMARKS, training: bool = True) -> Rows:
    """The rows of `DIR/outcomes/<benchmark>.jsonl.gz`. With `training`, only what shipped weights may learn from: of
    another file it refuses every row, and columns without a licence are not there."""
    ids, texts, stems, marks, categories, topics, found = [], [], [], [], [], [], []
    for benchmark in benchmarks:
        if training and benchmark not in TRAINING_BENCHMARKS:
            raise ValueError(f"{benchmark} must not train weights that are shipped: its licence does not allow it")
        with gzip.open(data / "outcomes" / f"{benchmark}.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                for turn, row in enumerate(lexical._rows_of_record(record, benchmark)):
                    scores = {model_name(m): s for m, s in row.scores.items() if trainable(m) or not training}
                    if not scores:
                        continue
                    ids.append(record.get("id", "") + (f"#{turn}" if len(record["turns"]) > 1 else ""))
                    texts.append(row.text.decode())
                    stems.append(row.stem)
                    marks.append(benchmark)
                    categories.append(record.get("category") or "")
                    topics.append(topic_of(record, benchmark))
                    found.append(scores)
    models = sorted({m for scores in found for m in scores})
    place = {m: k for k, m in enumerate(models)}
    table = np.full((len(texts), len(models)), np.nan, dtype=np.float32)
    for row, scores in enumerate(found):
        for m, score in scores.items():
            table[row, place[m]] = score
    names, counts = np.unique(topics, return_counts=True)
    rare = set(names[counts < LEAST_OF_TOPIC])
    return Rows(ids, texts, stems, np.array(marks), np.array(categories),
                np.array(["other" if t in rare else t for t in topics]), models, table)
