#!/usr/bin/env python3
"""Write the figures of a report into the model card, between its markers: card.py REPORT.json MODEL_CARD.md"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

NAMES = {"auc_small": "AUC small", "auc_large": "AUC large", "brier_small": "Brier small", "ece_small": "ECE small",
         "ece_large": "ECE large", "apgr": "APGR", "cpt50": "CPT(50 %)", "cpt80": "CPT(80 %)"}


def cell(value: list[float]) -> str:
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def in_domain(report: dict) -> str:
    out = ["| set, pair | n | measure | bundled | TF-IDF + LR, same folds | difference |", "|---|---|---|---|---|---|"]
    for benchmark, found in report.items():
        title = f"`{benchmark}`, {found['small']} → {found['large']} | {found['n']}"
        for name, shown in NAMES.items():
            out.append(f"| {title} | {shown} | {cell(found['ours.' + name])} | {cell(found['tfidf.' + name])} | "
                       f"{cell(found['difference.' + name])} |")
            title = " | "
    return "\n".join(out)


def unseen(report: dict) -> str:
    out = ["| left out | n | AUC small, bundled | TF-IDF | APGR, bundled | TF-IDF |", "|---|---|---|---|---|---|"]
    for name, found in report.items():
        if name.startswith("draw"):
            out.append(f"| {', '.join(s.replace('_', ' ') for s in found['subjects'])} | {found['n']} | "
                       + " | ".join(cell(found[k]) for k in ("ours.auc_small", "tfidf.auc_small", "ours.apgr", "tfidf.apgr")) + " |")
    out.append("| **mean of the five** | | " + " | ".join(
        "**" + cell([report[f"mean.{k}"], *report[f"interval.{k}"]]) + "**"
        for k in ("ours.auc_small", "tfidf.auc_small", "ours.apgr", "tfidf.apgr")) + " |")
    return "\n".join(out)


def sets(report: dict) -> str:
    shown = ("auc_small", "auc_large", "ece_small", "ece_large", "apgr", "cpt50")
    out = ["| set, pair | n | " + " | ".join(NAMES[k] for k in shown) + " |", "|---|---|" + "---|" * len(shown)]
    for benchmark, found in report.items():
        out.append(f"| `{benchmark}`, {found['small']} → {found['large']} | {found['n']} | "
                   + " | ".join(cell(found[k]) for k in shown) + " |")
    return "\n".join(out)


def endpoints(report: dict) -> str:
    out = ["| endpoint | n | AUC from 200 rows | from all of its half | ratio | ECE from 200 |", "|---|---|---|---|---|---|"]
    ratios = []
    for name, found in report.items():
        ratio = found["auc_few"] / found["auc_all"]
        ratios.append(ratio)
        out.append(f"| {name} | {found['n']} | {found['auc_few']:.3f} | {found['auc_all']:.3f} | {ratio:.3f} | {found['ece_few']:.3f} |")
    out.append(f"| **mean of {len(ratios)}**, least | | | | **{sum(ratios) / len(ratios):.3f}**, {min(ratios):.3f} | |")
    return "\n".join(out)


def main() -> int:
    report, card = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    text = card.read_text()
    for mark, table in (("in_domain", in_domain(report["in_domain"])), ("unseen_subjects", unseen(report["unseen_subjects"])),
                        ("left_out_benchmarks", sets(report["left_out_benchmarks"])),
                        ("evaluate_only", sets(report["evaluate_only"])), ("new_endpoints", endpoints(report["new_endpoints"]))):
        text, count = re.subn(rf"(<!-- {mark} -->\n).*?(<!-- end -->)", lambda m: m[1] + table + "\n" + m[2], text, flags=re.S)
        if count != 1:
            raise ValueError(f"{card}: expected one place <!-- {mark} --> ... <!-- end -->, found {count}")
    card.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
