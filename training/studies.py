#!/usr/bin/env python3
"""Two questions about the bundled predictor, on rows that it has not seen.

    studies.py --data DIR --program QLROUTE --vocabulary vocab.txt --work WORK

1. Which turns of a dialogue matter (StructFlowBench, by the fold that has not seen the dialogue)?
2. What does the small model's own confidence add (mmlu_cascade, questions without a stem in training)?
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression

import difficulty
import features
import lexical
import measures
import response
import rows as rows_module
import semantic

RESAMPLES = 1000
SIGNAL_FOLDS = 5


def interval(count: int, statistic) -> str:
    random = np.random.default_rng(measures.SEED)
    drawn = [statistic(random.integers(0, count, count)) for _ in range(RESAMPLES)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"{statistic(np.arange(count)):.3f} [{low:.3f}, {high:.3f}]"


def turns(arguments: argparse.Namespace) -> None:
    """How well predictions order the turns' mean scores over the models, for several choices of text."""
    rows = rows_module.load(arguments.data)
    fold, b = difficulty.fold_of(rows), sorted(set(rows.benchmarks)).index("structflow")
    index = np.flatnonzero(rows.benchmarks == "structflow")
    by_dialogue: dict[str, list[int]] = {}
    for i in index:
        by_dialogue.setdefault(rows.ids[i].split("#")[0], []).append(i)
    mean = np.nanmean(rows.scores[index], axis=1)
    answered = difficulty.answered(rows)[b]
    for name, text_of in (("the last message", lambda before, last: last),
                          ("the last two", lambda before, last: "\n".join(before[-1:] + [last])),
                          ("all of the user's", lambda before, last: "\n".join(before + [last])),
                          ("the first and the last", lambda before, last: "\n".join(before[:1] + [last]))):
        texts = []
        for i in index:
            mates = by_dialogue[rows.ids[i].split("#")[0]]
            texts.append(text_of([rows.texts[k] for k in mates if k < i], rows.texts[i]))
        read = features.read(texts, arguments.program, arguments.vocabulary)
        p = np.empty(len(index))
        for k in range(difficulty.FOLDS):
            trained = torch.load(arguments.work / f"fold{k}.pt")
            pooled = semantic.pooled(arguments.work / f"fold{k}.encoder.safetensors", read.ids, arguments.program)
            theta = response.thetas(trained, read, pooled)
            each = np.array([response.success(theta, response.ability(trained, m, "structflow"))
                             for m, have in zip(trained.models, answered) if have])
            mine = fold[index] == k
            p[mine] = each.mean(0)[mine]
        first = np.array([rows.ids[i].endswith("#0") for i in index])
        print(f"{name}: rank correlation {interval(len(index), lambda k: spearmanr(p[k], mean[k])[0])}, "
              f"of later turns {interval(int((~first).sum()), lambda k: spearmanr(p[~first][k], mean[~first][k])[0])}, "
              f"n {len(index)}")


def confidence(arguments: argparse.Namespace) -> None:
    rows = rows_module.load(arguments.data)
    seen = set(rows.stems)
    trained = torch.load(arguments.work / "final.pt")
    found = np.load(arguments.work / "final.npz")
    prior = difficulty.prior_of(found["abilities"], difficulty.answered(rows))
    texts, small, large, sure = [], [], [], []
    with gzip.open(arguments.data / "outcomes" / "mmlu_cascade.jsonl.gz", "rt") as file:
        for line in file:
            row = json.loads(line)
            one = row["models"]["llama3.2-3b"]
            if lexical.stem_of(row["turns"][0]) in seen or one.get("conf") is None:
                continue
            texts.append(row["turns"][0])
            small.append(one["score"])
            large.append(row["models"]["llama3.1-70b"]["score"])
            sure.append(one["conf"])
    small, large, sure = np.array(small), np.array(large), np.array(sure)
    read = features.read(texts, arguments.program, arguments.vocabulary)
    theta = response.thetas(trained, read, semantic.pooled(arguments.work / "final.encoder.safetensors", read.ids,
                                                           arguments.program))
    fold = np.random.default_rng(1).permutation(len(small)) % SIGNAL_FOLDS
    p = {name: np.empty(len(small)) for name in ("text", "confidence", "both")}
    q = {name: np.empty(len(small)) for name in p}
    for k in range(SIGNAL_FOLDS):
        use, score = fold != k, fold == k
        for label, out in ((small, p), (large, q)):
            w = difficulty.map_ability(theta[use], label[use], *prior)
            logit = (theta @ w[:-1] + w[-1])[:, None]
            for name, x in (("text", logit), ("confidence", sure[:, None]), ("both", np.hstack([logit, sure[:, None]]))):
                out[name][score] = LogisticRegression(C=10).fit(x[use], label[use]).predict_proba(x[score])[:, 1]
    for name in p:
        print(f"{name}: AUC small right {interval(len(small), lambda k: lexical.auc(small[k], p[name][k]))}, "
              f"APGR {interval(len(small), lambda k: lexical.apgr(small[k], large[k], (q[name] - p[name])[k]))}, "
              f"n {len(small)}")
    gain = interval(len(small), lambda k: lexical.auc(small[k], p["both"][k]) - lexical.auc(small[k], p["confidence"][k]))
    print(f"both - confidence: AUC {gain}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    turns(arguments)
    confidence(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
