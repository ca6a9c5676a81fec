#!/usr/bin/env python3
"""Train, evaluate and export the bundled predictor.

    difficulty.py --data DIR --program QLROUTE --vocabulary vocab.txt --pretrained pretrained.pt --work WORK
                  --out ../models/difficulty [--report]

Every fit leaves its result in WORK and is not repeated. `training/run` calls this.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

import encoder_model
import features
import lexical
import measures
import response
import rows as rows_module
import semantic

FOLDS = 5
DRAWS = 5
LEFT_OUT_SUBJECTS = 6
LEFT_OUT_BENCHMARKS = ("mmlu_routellm", "mmlu_pro", "gsm8k_test")
CALIBRATION_ROWS = 200
DRAWS_OF_ROWS = 40
PAIRS = (("mmlu_routellm", "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"),
         ("mmlu_pro", "phi-3-mini-4k-instruct", "meta-llama-3.1-70b-instruct"),
         ("gsm8k_test", "gemma-2-2b-it", "meta-llama-3.1-70b-instruct"),
         ("math_l5_zeroeval", "phi-3.5-mini-instruct", "qwen2-72b-instruct"))
# Scored, never trained on: benchmark, small, large.
EVALUATED = (("mmlu_cascade", "llama3.2-3b", "llama3.1-70b"),
             ("medmcqa_cascade", "llama3.2-3b", "llama3.1-70b"),
             ("truthfulqa_cascade", "llama3.2-3b", "llama3.1-70b"),
             ("gsm8k_cascade_train300", "llama3.2-3b", "llama3.1-70b"),
             ("math_oenowen", "qwen2.5-1.5b-instruct-bnb4", "qwen2.5-14b-instruct-bnb4"))


def say(message: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


@dataclass
class Setting:
    """What every fit needs; made once, inherited by the processes that fit."""
    rows: rows_module.Rows
    prompts: features.Prompts
    program: Path
    pretrained: Path | None
    work: Path
    encoder_epochs: int
    epochs: int


SETTING: Setting


def fit(name: str, use: np.ndarray) -> str:
    """One fit on the rows `use`: WORK/name.npz with theta [N, D] of all rows and abilities [B, M, D + 1]."""
    s, out = SETTING, SETTING.work / f"{name}.npz"
    if out.exists():
        return name
    torch.set_num_threads(1)
    progress = lambda message: say(f"{name}: {message}")
    names = sorted(set(s.rows.topics))
    topics = np.array([names.index(t) for t in s.rows.topics])
    encoder = s.work / f"{name}.encoder.safetensors"
    if not encoder.exists():
        reader = semantic.train(s.prompts.ids, topics, use, s.pretrained, progress, s.encoder_epochs)
        part = s.work / f"{name}.encoder.part"
        semantic.export(reader, s.program, part)
        part.rename(encoder)
    pooled = semantic.pooled(encoder, s.prompts.ids, s.program)
    trained = response.train(s.rows, s.prompts, pooled, use, progress, s.epochs)
    torch.save(trained, s.work / f"{name}.pt")
    abilities = np.array([[response.ability(trained, m, b) for m in trained.models] for b in trained.benchmarks])
    part = s.work / f"{name}.part.npz"
    np.savez(part, theta=response.thetas(trained, s.prompts, pooled), abilities=abilities)
    part.rename(out)
    return name


def fold_of(rows: rows_module.Rows) -> np.ndarray:
    return np.array([rows_module.fold_of(stem, FOLDS, lexical.SEED) for stem in rows.stems])


def draws(rows: rows_module.Rows) -> list[np.ndarray]:
    """Masks of the rows of six MMLU subjects that are left out, five times; of the other sets what is of these
    subjects or has one of their stems is left out of training, too."""
    mmlu = rows.benchmarks == "mmlu_routellm"
    subjects = sorted(set(rows.categories[mmlu]))
    order = np.random.default_rng(lexical.SEED).permutation(len(subjects))
    out = []
    for draw in range(DRAWS):
        chosen = {subjects[i] for i in order[draw * LEFT_OUT_SUBJECTS:(draw + 1) * LEFT_OUT_SUBJECTS]}
        out.append(mmlu & np.isin(rows.categories, list(chosen)))
    return out


def rest_of(rows: rows_module.Rows, out: np.ndarray) -> np.ndarray:
    """The rows that may train when `out` are to be scored."""
    stems = {rows.stems[i] for i in np.flatnonzero(out)}
    topics = set(rows.topics[out]) if len(set(rows.benchmarks[out])) == 1 else set()
    return np.flatnonzero([not o and stem not in stems and topic not in topics
                           for o, stem, topic in zip(out, rows.stems, rows.topics)])


def tfidf(texts: list[str], label: np.ndarray, use: np.ndarray, score: np.ndarray) -> np.ndarray:
    """P(label = 1) of the rows `score`, by the words and pairs of the rows `use`."""
    vectors = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    seen = vectors.fit_transform([texts[i] for i in use])
    model = LogisticRegression(C=1, max_iter=1000).fit(seen, label[use] > 0.5)
    return model.predict_proba(vectors.transform([texts[i] for i in score]))[:, 1]


def map_ability(theta: np.ndarray, score: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> np.ndarray:
    """The most probable abilities given outcomes: Newton's method, as fit_ability() does it."""
    x = np.hstack([theta, np.ones((len(theta), 1))])
    w = mean.astype(float)
    for _ in range(50):
        p = 1 / (1 + np.exp(-(x @ w)))
        gradient = x.T @ (p - score) + precision @ (w - mean)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + precision
        step = np.linalg.solve(hessian, gradient)
        w = w - step * min(1.0, 3.0 / max(1e-9, np.abs(x @ step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return w


def prior_of(abilities: np.ndarray, answered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and precision of abilities over the models, each on the benchmarks it answered."""
    known = abilities[answered].astype(float)
    mean = known.mean(0)
    # Wider than the known models are: a new one may differ in every direction, and most of all in how good it is.
    covariance = np.cov(known.T) + 0.1 * np.eye(known.shape[1])
    covariance[-1, -1] += 1.0
    return mean, np.linalg.inv(covariance)


def answered(rows: rows_module.Rows) -> np.ndarray:
    """[B, M]"""
    names = sorted(set(rows.benchmarks))
    return np.array([(~np.isnan(rows.scores[rows.benchmarks == b])).any(0) for b in names])


def tier_members() -> list[list[str]]:
    return [[rows_module.model_name(m) for m in members] for members in lexical.TIERS.values()]


def export(trained: response.Trained, rows: rows_module.Rows, out: Path) -> None:
    """response.safetensors"""
    network = trained.network
    values, scale = response.table(network)
    numpy = lambda t: t.detach().numpy().astype(np.float32).copy()
    have = answered(rows)
    each = np.array([[response.ability(trained, m, b) for m in trained.models] for b in trained.benchmarks])
    names, known = [], []
    for k, m in enumerate(trained.models):
        names.append(m)
        known.append(each[have[:, k], k].mean(0))
    for b, benchmark in enumerate(trained.benchmarks):
        for k, m in enumerate(trained.models):
            if have[b, k]:
                names.append(f"{m}@{benchmark}")
                known.append(each[b, k])
    known = np.array(known, dtype=np.float32)
    tiers = np.array([np.mean([known[names.index(m)] for m in members if m in names], axis=0)
                      for members in tier_members()], dtype=np.float32)
    mean, precision = prior_of(each, have)
    tensors = {
        "ngram.table": values, "ngram.scale": scale, "layout.mean": numpy(network.mean),
        "layout.inverse_deviation": numpy(network.inverse_deviation), "layout.linear": numpy(network.linear),
        "layout.hidden": numpy(network.hidden.weight.t()), "layout.hidden_bias": numpy(network.hidden.bias),
        "layout.output": numpy(network.output), "encoder.difficulty": numpy(network.encoder_difficulty),
        "encoder.topic": numpy(network.encoder_topic), "topic.weight": numpy(network.topic.weight.t()),
        "topic.bias": numpy(network.topic.bias), "topic.difficulty": numpy(network.topic_difficulty),
        "tiers.weights": np.ascontiguousarray(tiers[:, :-1]), "tiers.bias": np.ascontiguousarray(tiers[:, -1]),
        "abilities.weights": np.ascontiguousarray(known[:, :-1]),
        "abilities.bias": np.ascontiguousarray(known[:, -1]), "prior.mean": mean.astype(np.float32),
        "prior.precision": precision.astype(np.float32)}
    metadata = {"format": "qlroute.response_difficulty", "version": "1", "names": "\n".join(names),
                "trained_on": " ".join(rows_module.TRAINING_BENCHMARKS)}
    out.mkdir(parents=True, exist_ok=True)
    encoder_model.write_safetensors(out / "response.safetensors", tensors, metadata=metadata)


def column(rows: rows_module.Rows, model: str) -> np.ndarray:
    return rows.scores[:, rows.models.index(model)]


def in_domain(rows: rows_module.Rows, work: Path) -> dict:
    """Every row scored by the fold that has not seen its stem."""
    fold, benchmarks, report = fold_of(rows), sorted(set(rows.benchmarks)), {}
    found = [np.load(work / f"fold{k}.npz") for k in range(FOLDS)]
    lines = []
    for benchmark, small, large in PAIRS:
        weak, strong = column(rows, small), column(rows, large)
        index = np.flatnonzero((rows.benchmarks == benchmark) & ~np.isnan(weak) & ~np.isnan(strong))
        b = benchmarks.index(benchmark)
        p = {}
        for m in (small, large):
            p[m] = np.empty(len(index))
            for k in range(FOLDS):
                mine = fold[index] == k
                p[m][mine] = response.success(found[k]["theta"][index[mine]],
                                              found[k]["abilities"][b, rows.models.index(m)])
        rival = {m: np.empty(len(index)) for m in (small, large)}
        for k in range(FOLDS):
            mine = fold[index] == k
            for m in (small, large):
                rival[m][mine] = tfidf(rows.texts, column(rows, m), index[~mine], index[mine])
        lines += [json.dumps({"id": rows.ids[i], "benchmark": benchmark, "small": small, "large": large,
                              "p_small": round(float(a), 6), "p_large": round(float(c), 6)})
                  for i, a, c in zip(index, p[small], p[large])]
        y, z = weak[index], strong[index]

        def statistic(pick: np.ndarray) -> dict[str, float]:
            ours = measures.pair(y[pick], z[pick], p[small][pick], p[large][pick])
            theirs = measures.pair(y[pick], z[pick], rival[small][pick], rival[large][pick])
            return ({f"ours.{n}": v for n, v in ours.items()} | {f"tfidf.{n}": v for n, v in theirs.items()}
                    | {f"difference.{n}": ours[n] - theirs[n] for n in ours})

        report[benchmark] = {"small": small, "large": large, "n": len(index)} | measures.bootstrap(len(index), statistic)
        say(f"{benchmark}: " + ", ".join(f"{n} {v[0]:.4f} [{v[1]:.4f}, {v[2]:.4f}]" for n, v in report[benchmark].items()
                                         if isinstance(v, list) and n.split(".")[1] in ("auc_small", "auc_large", "apgr", "ece_small", "cpt50")))
    (work / "out_of_fold.jsonl").write_text("\n".join(lines) + "\n")
    return report


def unseen_subjects(rows: rows_module.Rows, work: Path) -> dict:
    """MMLU subjects of which nothing was seen."""
    benchmark, small, large = PAIRS[0]
    b, weak, strong = sorted(set(rows.benchmarks)).index(benchmark), column(rows, small), column(rows, large)
    report, all_rows = {}, []
    for draw, out in enumerate(draws(rows)):
        index, found = np.flatnonzero(out), np.load(work / f"subjects{draw}.npz")
        use = rest_of(rows, out)
        use = use[(rows.benchmarks[use] == benchmark)]
        p = [response.success(found["theta"][index], found["abilities"][b, rows.models.index(m)]) for m in (small, large)]
        rival = [tfidf(rows.texts, column(rows, m), use, index) for m in (small, large)]
        y, z = weak[index], strong[index]
        report[f"draw{draw}"] = {"subjects": sorted(set(rows.categories[index])), "n": len(index)} | measures.bootstrap(
            len(index), lambda pick: {f"{who}.{n}": v for who, q in (("ours", p), ("tfidf", rival))
                                      for n, v in measures.pair(y[pick], z[pick], q[0][pick], q[1][pick]).items()})
        all_rows.append((y, z, p, rival))
    for who in ("ours", "tfidf"):
        for name in ("auc_small", "apgr"):
            report[f"mean.{who}.{name}"] = float(np.mean([report[f"draw{d}"][f"{who}.{name}"][0] for d in range(DRAWS)]))

    def mean_of(pick: np.random.Generator) -> dict[str, float]:
        values = []
        for y, z, p, rival in all_rows:
            k = pick.integers(0, len(y), len(y))
            values.append([lexical.auc(y[k], p[0][k]), lexical.apgr(y[k], z[k], p[1][k] - p[0][k]),
                           lexical.auc(y[k], rival[0][k]), lexical.apgr(y[k], z[k], rival[1][k] - rival[0][k])])
        return np.mean(values, axis=0)
    random = np.random.default_rng(measures.SEED)
    drawn = np.array([mean_of(random) for _ in range(measures.RESAMPLES)])
    for k, name in enumerate(("ours.auc_small", "ours.apgr", "tfidf.auc_small", "tfidf.apgr")):
        report[f"interval.{name}"] = np.quantile(drawn[:, k], [0.025, 0.975]).tolist()
    say("unseen subjects: " + ", ".join(f"{n} {v}" for n, v in report.items() if n.startswith(("mean", "interval"))))
    return report


def calibrated(theta: np.ndarray, score: np.ndarray, prior: tuple, random: np.random.Generator,
               count: int = CALIBRATION_ROWS) -> dict[str, float]:
    """A new endpoint, half of its rows to be measured on: from `count` rows of the other half, and from all of it."""
    order = random.permutation(len(score))
    test, train = order[:len(order) // 2], order[len(order) // 2:]
    few = map_ability(theta[train[:count]], score[train[:count]], *prior)
    all_ = map_ability(theta[train], score[train], *prior)
    p, q = response.success(theta[test], few), response.success(theta[test], all_)
    return {"auc_few": lexical.auc(score[test], p), "auc_all": lexical.auc(score[test], q),
            "ece_few": lexical.expected_calibration_error(score[test], p)}


def new_endpoints(rows: rows_module.Rows, setting: Setting, data: Path, vocabulary: Path) -> tuple[dict, dict]:
    """Models and benchmarks that no weight has seen."""
    trained: response.Trained = torch.load(setting.work / "final.pt")
    found = np.load(setting.work / "final.npz")
    prior = prior_of(found["abilities"], answered(rows))
    seen = set(rows.stems)
    endpoints, sets = {}, {}
    for benchmark, small, large in EVALUATED:
        others = rows_module.load(data, [benchmark], training=False)
        keep = np.array([stem not in seen for stem in others.stems])
        prompts = features.read(others.texts, setting.program, vocabulary)
        pooled = semantic.pooled(setting.work / "final.encoder.safetensors", prompts.ids, setting.program)
        theta = response.thetas(trained, prompts, pooled)
        for m in others.models:
            score = others.column(m)
            index = np.flatnonzero(keep & ~np.isnan(score))
            if len(index) < 2 * CALIBRATION_ROWS or not 0.03 < score[index].mean() < 0.97:
                continue
            drawn = [calibrated(theta[index], score[index], prior, np.random.default_rng(s)) for s in range(10)]
            endpoints[f"{m} on {benchmark}"] = {"n": len(index)} | {k: float(np.mean([d[k] for d in drawn])) for k in drawn[0]}
        y, z = others.column(small), others.column(large)
        index = np.flatnonzero(keep & ~np.isnan(y) & ~np.isnan(z))
        # Each half scored by abilities fitted to 200 rows of the other.
        order = np.random.default_rng(0).permutation(index)
        halves, p = (order[::2], order[1::2]), {m: np.empty(len(others.ids)) for m in (small, large)}
        for score, train in (halves, halves[::-1]):
            for m in (small, large):
                w = map_ability(theta[train[:CALIBRATION_ROWS]], others.column(m)[train[:CALIBRATION_ROWS]], *prior)
                p[m][score] = response.success(theta[score], w)
        sets[benchmark] = {"small": small, "large": large, "n": len(index)} | measures.bootstrap(
            len(index), lambda pick: measures.pair(y[index[pick]], z[index[pick]], p[small][index[pick]], p[large][index[pick]]))
        say(f"{benchmark} (left out): " + ", ".join(f"{n} {v[0]:.4f}" for n, v in sets[benchmark].items() if isinstance(v, list)))
    return endpoints, sets


def left_out_benchmarks(rows: rows_module.Rows, work: Path) -> dict:
    """A benchmark without a row in training: abilities from 200 of its rows, measured on the others."""
    report = {}
    for benchmark in LEFT_OUT_BENCHMARKS:
        found = np.load(work / f"without_{benchmark}.npz")
        b = sorted(set(rows.benchmarks)).index(benchmark)
        have = answered(rows)
        have[b] = False
        prior = prior_of(found["abilities"], have)
        _, small, large = next(p for p in PAIRS if p[0] == benchmark)
        y, z = column(rows, small), column(rows, large)
        index = np.flatnonzero((rows.benchmarks == benchmark) & ~np.isnan(y) & ~np.isnan(z))
        drawn = []
        for draw in range(DRAWS_OF_ROWS):
            order = np.random.default_rng(draw).permutation(index)
            use, score = order[:CALIBRATION_ROWS], order[CALIBRATION_ROWS:]
            p = [response.success(found["theta"][score], map_ability(found["theta"][use], column(rows, m)[use], *prior))
                 for m in (small, large)]
            drawn.append(measures.pair(y[score], z[score], p[0], p[1]))
        # Which 200 rows there are matters more than which others are measured on: the range is over draws of them.
        report[benchmark] = {"small": small, "large": large, "n": len(index) - CALIBRATION_ROWS} | {
            name: [float(np.mean([d[name] for d in drawn])), *np.quantile([d[name] for d in drawn], [0.025, 0.975])]
            for name in drawn[0]}
        say(f"without {benchmark}: " + ", ".join(f"{n} {v[0]:.4f}" for n, v in report[benchmark].items() if isinstance(v, list)))
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--pretrained", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--report", action="store_true", help="cross-validate as well")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--encoder-epochs", type=int, default=semantic.EPOCHS)
    parser.add_argument("--epochs", type=int, default=response.EPOCHS)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)

    rows = rows_module.load(arguments.data)
    say(f"{len(rows.ids):,} rows, {len(rows.models)} models")
    global SETTING
    SETTING = Setting(rows, features.read(rows.texts, arguments.program, arguments.vocabulary), arguments.program,
                      arguments.pretrained, arguments.work, arguments.encoder_epochs, arguments.epochs)
    jobs = [("final", np.arange(len(rows.ids)))]
    if arguments.report:
        fold = fold_of(rows)
        jobs += [(f"fold{k}", np.flatnonzero(fold != k)) for k in range(FOLDS)]
        jobs += [(f"subjects{k}", rest_of(rows, out)) for k, out in enumerate(draws(rows))]
        jobs += [(f"without_{b}", np.flatnonzero(rows.benchmarks != b)) for b in LEFT_OUT_BENCHMARKS]
    torch.set_num_threads(1)
    with ProcessPoolExecutor(max_workers=max(1, min(arguments.jobs, len(jobs)))) as pool:
        for done in [pool.submit(fit, *job) for job in jobs]:
            say(f"{done.result()}: done")

    trained = torch.load(arguments.work / "final.pt")
    export(trained, rows, arguments.out)
    (arguments.out / "encoder.safetensors").write_bytes((arguments.work / "final.encoder.safetensors").read_bytes())
    if arguments.vocabulary.resolve() != (arguments.out / "vocab.txt").resolve():
        (arguments.out / "vocab.txt").write_bytes(arguments.vocabulary.read_bytes())
    if arguments.report:
        endpoints, sets = new_endpoints(rows, SETTING, arguments.data, arguments.vocabulary)
        report = {"in_domain": in_domain(rows, arguments.work), "unseen_subjects": unseen_subjects(rows, arguments.work),
                  "left_out_benchmarks": left_out_benchmarks(rows, arguments.work), "evaluate_only": sets,
                  "new_endpoints": endpoints}
        (arguments.work / "report.json").write_text(json.dumps(report, indent=1) + "\n")
        say(f"{arguments.work / 'report.json'}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
