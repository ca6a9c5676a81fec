"""AUC, Brier, ECE, APGR, CPT with 95 % bootstrap intervals."""

from __future__ import annotations

from typing import Callable

import numpy as np

from lexical import apgr, auc, brier, expected_calibration_error

RESAMPLES = 400
SEED = 20240601


def cpt(weak: np.ndarray, strong: np.ndarray, gap: np.ndarray, recovered: float) -> float:
    """Least share of strong calls, largest gap first, that recovers so much of the gap in quality."""
    gain = np.concatenate([[0.0], np.cumsum((strong - weak)[np.argsort(-gap, kind="stable")])])
    total = gain[-1]
    if total <= 0:
        return float("nan")
    reached = gain / total >= recovered
    k = int(np.argmax(reached))
    if not reached[k]:
        return 1.0
    if k == 0:
        return 0.0
    low, high = gain[k - 1] / total, gain[k] / total
    return float((k - 1 + (recovered - low) / (high - low)) / (len(gain) - 1))


def pair(weak: np.ndarray, strong: np.ndarray, p_weak: np.ndarray, p_strong: np.ndarray) -> dict[str, float]:
    gap = p_strong - p_weak
    return {"auc_small": auc(weak, p_weak), "auc_large": auc(strong, p_strong), "brier_small": brier(weak, p_weak),
            "ece_small": expected_calibration_error(weak, p_weak),
            "ece_large": expected_calibration_error(strong, p_strong), "apgr": apgr(weak, strong, gap),
            "cpt50": cpt(weak, strong, gap, 0.5), "cpt80": cpt(weak, strong, gap, 0.8)}


def bootstrap(count: int, statistic: Callable[[np.ndarray], dict[str, float]]) -> dict[str, list[float]]:
    """{name: [value, low, high]}"""
    random = np.random.default_rng(SEED)
    value = statistic(np.arange(count))
    drawn = [statistic(random.integers(0, count, count)) for _ in range(RESAMPLES)]
    return {name: [value[name], *np.nanquantile([d[name] for d in drawn], [0.025, 0.975]).tolist()] for name in value}
