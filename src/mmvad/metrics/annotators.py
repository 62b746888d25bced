"""Several annotators of one test set: figures by each, over their mean truth, and how far they agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmvad.benchmarks.timeline import frame_truth
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.frame import average_precision, rank, roc_auc, row_positives, trapezoid_precision
from mmvad.metrics.scored_video import ScoredVideo

FIRST = "events"
"""The annotator whose events decide every other figure, as a benchmark's file calls them."""
ANNOTATORS = "annotators"
"""The key of a report under which these figures stand; a benchmark of one annotator has none."""
Intervals = Sequence[tuple[int, int]]


def annotator_figures(videos: Sequence[ScoredVideo], *, trapezoid: bool = False) -> dict[str, Any] | None:
    """AP and AUC of the combined score by every annotator; None where there is one alone.

    Over the mean truth a frame that a of n annotators call abnormal counts as a share a / n of an abnormal frame, and
    the rest as normal.

    Returns::

        {ap, auc}: {name: figure}, mean, low, high (over annotators), mean_truth
        agreement: {kappa: Cohen's or Fleiss', kind, agree: share of frames in which all agree}
    """
    names = annotator_names(videos)
    if len(names) < 2:
        return None
    ordered = sorted(videos, key=lambda video: video.name)
    scores, frames = frame_scores(ordered)["combined"], np.concatenate([video.row_frames for video in ordered])
    by_name = {name: _positives(ordered, name) for name in names}
    curves = {name: rank(scores, positives, frames).curve() for name, positives in by_name.items()}
    together = rank(scores, np.sum(list(by_name.values()), axis=0), len(names) * frames).curve()
    found: dict[str, Any] = {}
    for metric, of in (("ap", trapezoid_precision if trapezoid else average_precision), ("auc", roc_auc)):
        values = {name: of(curve).value for name, curve in curves.items()}
        known = [value for value in values.values() if value is not None]
        found[metric] = {
            "by": values,
            "mean": float(np.mean(known)) if known else None,
            "low": min(known, default=None),
            "high": max(known, default=None),
            "mean_truth": of(together).value,
        }
    return {**found, "agreement": agreement(ordered, names)}


def annotator_names(videos: Sequence[ScoredVideo]) -> tuple[str, ...]:
    """The annotators of a test set, the first first."""
    further = dict.fromkeys(name for video in videos for name, _ in video.annotators)
    return (FIRST, *further)


def agreement(videos: Sequence[ScoredVideo], names: Sequence[str]) -> dict[str, Any]:
    """Kappa over all frames, Cohen's of two annotators and Fleiss' of more; None where one answer alone was given."""
    votes = np.concatenate([_votes(video, names) for video in videos], axis=1)
    kappa = cohen_kappa(*votes) if len(names) == 2 else fleiss_kappa(votes.sum(axis=0), len(names))
    together = votes.sum(axis=0)
    return {
        "kappa": kappa,
        "kind": "Cohen" if len(names) == 2 else "Fleiss",
        "agree": float(((together == 0) | (together == len(names))).mean()),
    }


def cohen_kappa(one: np.ndarray, other: np.ndarray) -> float | None:
    """(p_o - p_e) / (1 - p_e) of two annotators, bool [frames] each, p_e by each one's own share of abnormal frames."""
    observed, p, q = float((one == other).mean()), float(one.mean()), float(other.mean())
    by_chance = p * q + (1 - p) * (1 - q)
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)


def fleiss_kappa(abnormal: np.ndarray, annotators: int) -> float | None:
    """Fleiss' kappa, given how many of the annotators call each frame abnormal, int [frames]."""
    normal = annotators - abnormal
    pairs = abnormal * (abnormal - 1.0) + normal * (normal - 1.0)
    observed, p = float(pairs.mean()) / (annotators * (annotators - 1)), float(abnormal.mean()) / annotators
    by_chance = p**2 + (1 - p) ** 2
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)


def _intervals(video: ScoredVideo, name: str) -> Intervals:
    known: Mapping[str, Intervals] = {FIRST: video.intervals, **dict(video.annotators)}
    return known.get(name, ())  # an annotator who marked nothing in a video


def _positives(videos: Sequence[ScoredVideo], name: str) -> np.ndarray:
    return np.concatenate([row_positives(_intervals(video, name), video.frame_edges) for video in videos])


def _votes(video: ScoredVideo, names: Sequence[str]) -> np.ndarray:
    """Who calls which frame abnormal, bool [annotators, frames]."""
    frames = int(video.frame_edges[-1])
    return np.stack([frame_truth(_intervals(video, name), frames) for name in names])
