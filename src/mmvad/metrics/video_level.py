"""Figures of whole videos: the MIL score of each, how well it tells abnormal videos, and the AUC inside of each."""

from __future__ import annotations

import numpy as np

from mmvad.metrics.frame import rank, roc_auc
from mmvad.metrics.rows import ScoredRows

SEGMENTS_A_PICK = 16


def bag_size(rows: int) -> int:
    """k = floor(n / 16) + 1: how many of n rows speak for a video (eqs. 4, 9, 10)."""
    return rows // SEGMENTS_A_PICK + 1


def mil_score(scores: np.ndarray) -> float:
    """The mean of a video's k highest scores [n]."""
    return float(np.sort(np.asarray(scores, dtype=np.float64))[-bag_size(len(scores)) :].mean())


def mil_scores(rows: ScoredRows) -> np.ndarray:
    """The MIL score of every video, float64 [V]."""
    return np.array([mil_score(rows.scores[i:j]) for i, j in zip(rows.first, rows.first[1:])])


def own_aucs(rows: ScoredRows) -> np.ndarray:
    """The AUC over the frames of each video alone, float64 [V]; NaN for a video whose frames are of one kind."""
    found = np.full(rows.videos, np.nan)
    for video in np.flatnonzero(~rows.normal):
        own = slice(rows.first[video], rows.first[video + 1])
        value = roc_auc(rank(rows.scores[own], rows.positives[own], rows.frames[own]).curve()).value
        found[video] = np.nan if value is None else value
    return found


def weighted_auc(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AUC over items that count `weights` [R, n] times; a tie counts one half; NaN without both kinds: float64 [R]."""
    hits, misses = _counts(scores, positive, weights)
    step, missed = np.diff(hits, axis=1, prepend=0), np.diff(misses, axis=1, prepend=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (missed * (hits - step / 2)).sum(axis=1) / (hits[:, -1] * misses[:, -1])


def weighted_ap(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """AP in the step form, likewise."""
    hits, misses = _counts(scores, positive, weights)
    step = np.diff(hits, axis=1, prepend=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(hits + misses > 0, hits / (hits + misses), 1.0)
        return np.where(misses[:, -1] > 0, (step * precision).sum(axis=1) / hits[:, -1], np.nan)


def _counts(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many positives and negatives lie at or above each distinct score, [R, m] each."""
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(falling[1:] != falling[:-1], True)[: len(falling)]
    ordered = weights[:, order]
    return tuple(np.cumsum(ordered * kind[order], axis=1)[:, last] for kind in (positive, ~positive))  # type: ignore[return-value]
