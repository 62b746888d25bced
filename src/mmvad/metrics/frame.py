"""Frame-level figures: average precision (AP), area under the ROC curve (AUC), and their curves.

A row's score counts for its frames (16 of a snippet, 1 where every frame has a score), so an item here is a score with
so many abnormal and so many normal frames; frames are never written out. Counts are integers and figures float64:
exact, ties handled as scikit-learn does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmvad.benchmarks.timeline import PUBLISHED, SNIPPET_FRAMES
from mmvad.errors import UserError


@dataclass(frozen=True)
class MetricValue:
    """A metric's value as a fraction in [0, 1], or None; `reason` says why there is none, or why it had to be 0."""

    value: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Curve:
    """What lies at or above each distinct score.

    Attributes:
        thresholds: the distinct scores, falling, float64 [m].
        hits: positives (abnormal frames) at or above each, int64 [m].
        false_alarms: negatives (normal frames) at or above each, int64 [m].
    """

    thresholds: np.ndarray
    hits: np.ndarray
    false_alarms: np.ndarray

    @property
    def positives(self) -> int:
        return int(self.hits[-1]) if len(self.hits) else 0

    @property
    def negatives(self) -> int:
        return int(self.false_alarms[-1]) if len(self.false_alarms) else 0

    @property
    def undefined(self) -> str | None:
        """Why no figure can be had from this curve, or None where one can."""
        if self.positives and self.negatives:
            return None
        if self.positives:
            return "no negatives: everything is abnormal"
        return "no positives: nothing is abnormal" if self.negatives else "nothing to score"


@dataclass(frozen=True)
class Ranking:
    """Items by falling score; sorted once, so that every subset's curve costs no further sort.

    Attributes:
        order: the items' places in the input, [n].
        scores: float64 [n], falling.
        positives, negatives: counts behind each item, int64 [n], in the same order.
    """

    order: np.ndarray
    scores: np.ndarray
    positives: np.ndarray
    negatives: np.ndarray

    def curve(self, keep: np.ndarray | None = None) -> Curve:
        """The curve over the items that `keep` (bool [n], in the input's order) selects; over all without it."""
        chosen = slice(None) if keep is None else keep[self.order]
        scores = self.scores[chosen]
        # Equal scores cannot be told apart by any threshold: a curve has points only where the score changes.
        last_of_ties = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
        return Curve(
            scores[last_of_ties],
            np.cumsum(self.positives[chosen])[last_of_ties],
            np.cumsum(self.negatives[chosen])[last_of_ties],
        )


def snippet_positives(intervals: Sequence[tuple[int, int]], snippets: int) -> np.ndarray:
    """Abnormal frames of each snippet, int64 [snippets], 0 to 16.

    Intervals are (start, end) in frames, end-exclusive; they may overlap and pass the video's ends.
    """
    return row_positives(intervals, snippet_frame_edges(snippets))


def snippet_frame_edges(snippets: int) -> np.ndarray:
    """The frame at which each snippet begins, and the last one's end: int64 [snippets + 1]."""
    return PUBLISHED.borders(snippets)


def row_positives(intervals: Sequence[tuple[int, int]], edges: np.ndarray) -> np.ndarray:
    """Abnormal frames of each row, int64 [n], given the frames at which rows begin and the last one ends, [n + 1].

    Intervals as `snippet_positives` takes them.
    """
    starts, ends = edges[:-1], edges[1:]
    counts = np.zeros(len(starts), dtype=np.int64)
    covered = 0  # everything before it is counted, so that overlapping intervals count once
    for start, end in sorted(intervals):
        first = max(start, covered)
        counts += np.clip(np.minimum(ends, end) - np.maximum(starts, first), 0, None)
        covered = max(covered, end)
    return counts


def require_finite(scores: np.ndarray, where: object) -> None:
    """Raises UserError, naming `where`, when a score is NaN or infinite: it would turn every figure into nonsense."""
    bad = int(scores.size - np.count_nonzero(np.isfinite(scores)))
    if bad:
        raise UserError(
            where,
            f"{bad} of {scores.size} values are NaN or infinite",
            expected="finite scores",
            fix="look for a diverged loss or damaged features; the run cannot be evaluated",
        )


def rank(
    scores: np.ndarray,
    positives: np.ndarray,
    weight: int | np.ndarray = SNIPPET_FRAMES,
    where: object = "frame scores",
) -> Ranking:
    """Ranks items by falling score.

    Args:
        scores: [n], any real dtype.
        positives: how many of the `weight` frames behind each item are abnormal, int [n].
        weight: frames behind one item: 16 for snippets, 1 for frames or videos; int [n] where items differ.
        where: what an error names.

    Raises:
        UserError: a score is not finite.
        ValueError: shapes differ, or a count lies outside 0..weight.
    """
    scores = np.asarray(scores, dtype=np.float64)
    positives = np.asarray(positives).astype(np.int64)
    if scores.ndim != 1 or scores.shape != positives.shape:
        raise ValueError(f"{where}: scores {scores.shape} and positives {positives.shape} must be one shape [n]")
    negatives = weight - positives
    if len(positives) and min(positives.min(), negatives.min()) < 0:
        raise ValueError(f"{where}: positives must lie in 0..{np.max(weight)}, the frames behind their item")
    require_finite(scores, where)
    order = np.argsort(-scores)
    return Ranking(order, scores[order], positives[order], negatives[order])


def average_precision(curve: Curve) -> MetricValue:
    """AP = sum_i (R_i - R_{i-1}) P_i over falling thresholds: the step form, as VadCLIP's family computes it."""
    if curve.undefined:
        return MetricValue(None, curve.undefined)
    precision = curve.hits / (curve.hits + curve.false_alarms)
    # Not a dot product: a threaded BLAS may sum in another order from run to run.
    return MetricValue(float((np.diff(curve.hits, prepend=0) * precision).sum()) / curve.positives)


def trapezoid_precision(curve: Curve) -> MetricValue:
    """The area under straight lines between the points of the precision-recall curve, as RTFM's family computes it.

    The curve begins at recall 0 with precision 1. Between its points it promises more than a detector can give.
    """
    if curve.undefined:
        return MetricValue(None, curve.undefined)
    precision = np.append(1.0, curve.hits / (curve.hits + curve.false_alarms))
    steps = np.diff(curve.hits, prepend=0)
    return MetricValue(float((steps * (precision[1:] + precision[:-1])).sum()) / (2 * curve.positives))


def roc_auc(curve: Curve) -> MetricValue:
    """AUC: the share of (positive, negative) pairs in the right order, a tie counting one half."""
    if curve.undefined:
        return MetricValue(None, curve.undefined)
    # Twice the area in whole pairs: integers, so that nothing is rounded before the one division.
    previous_hits = curve.hits - np.diff(curve.hits, prepend=0)
    twice = int(np.diff(curve.false_alarms, prepend=0) @ (curve.hits + previous_hits))
    return MetricValue(twice / (2 * curve.positives * curve.negatives))


def precision_recall_points(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision for a figure, float64 [m + 1] each, recall rising from 0 (where precision is set to 1).

    Draw as steps (matplotlib's `where="pre"`): then the area drawn is the AP. Raises UserError without both classes.
    """
    _require_both_classes(curve)
    recall = curve.hits / curve.positives
    precision = curve.hits / (curve.hits + curve.false_alarms)
    return np.append(0.0, recall), np.append(1.0, precision)


def roc_points(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates for a figure, float64 [m + 1] each, rising from (0, 0) to (1, 1).

    Raises UserError without both classes.
    """
    _require_both_classes(curve)
    return np.append(0, curve.false_alarms) / curve.negatives, np.append(0, curve.hits) / curve.positives


def _require_both_classes(curve: Curve) -> None:
    if curve.undefined:
        raise UserError("curve", curve.undefined, expected="abnormal and normal frames")
