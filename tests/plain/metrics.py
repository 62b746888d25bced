"""The metrics in their plainest form: every frame written out, events as sets of frames, loops throughout.

Slow and obviously right; the source's interval arithmetic is held against them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FRAMES = 16

PlainEvent = tuple[int, int, int]
"""(class, first frame, frame behind the last)."""


def frames_of(snippet_scores: Sequence[float]) -> list[float]:
    """Every snippet's score, once for each of its frames."""
    return [score for score in snippet_scores for _ in range(FRAMES)]


def average_precision(scores: Sequence[float], truth: Sequence[bool]) -> float:
    """At each distinct score: the precision there, times the recall it adds."""
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        found = [is_positive for score, is_positive in zip(scores, truth) if score >= threshold]
        recall = sum(found) / sum(truth)
        total += (recall - recall_before) * sum(found) / len(found)
        recall_before = recall
    return total


def roc_auc(scores: Sequence[float], truth: Sequence[bool]) -> float:
    """The share of pairs of a positive and a negative in which the positive scores higher; a tie is half a pair."""
    positives = [score for score, is_positive in zip(scores, truth) if is_positive]
    negatives = [score for score, is_positive in zip(scores, truth) if not is_positive]
    won = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    return won / (len(positives) * len(negatives))


def iou(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other)


def runs_of(scores: Sequence[float]) -> list[tuple[float, set[int]]]:
    """(score, frames) of one class's runs in one video, from the class's score at every frame; NMS included."""
    threshold = max(scores) - 0.6 * (max(scores) - min(scores))
    stretches: list[list[int]] = [[]]
    for frame, score in enumerate(scores):
        if score > threshold:
            stretches[-1].append(frame)
        elif stretches[-1]:
            stretches.append([])
    highest = sorted(scores, reverse=True)[: len(scores) // FRAMES]
    bonus = 0.7 * (sum(highest) / len(highest))  # in this order: rounding decides between equal scores
    runs = [(max(scores[f] for f in frames) + bonus, set(frames)) for frames in stretches if len(frames) >= 2]
    kept: list[tuple[float, set[int]]] = []
    for score, frames in sorted(runs, key=lambda run: -run[0]):
        if all(iou(frames, other) <= 0.6 for _, other in kept):
            kept.append((score, frames))
    return kept


def class_ap(
    probabilities: Sequence[np.ndarray], events: Sequence[Sequence[PlainEvent]], label: int, threshold: float
) -> float | None:
    """AP of one class, or None when it has no run in any video."""
    runs = []
    for video, rows in enumerate(probabilities):
        runs += [(score, video, frames) for score, frames in runs_of(frames_of(rows[:, label].tolist()))]
    if not runs:
        return None
    runs.sort(key=lambda run: (-run[0], run[1], min(run[2])))
    unused = [(video, set(range(s, e))) for video, own in enumerate(events) for c, s, e in own if c == label]
    wanted, hits, total = len(unused), 0, 0.0
    for place, (_, video, frames) in enumerate(runs, start=1):
        candidates = [event for event in unused if event[0] == video]
        best = max(candidates, key=lambda event: iou(frames, event[1]), default=None)
        if best is not None and iou(frames, best[1]) >= threshold:
            unused.remove(best)
            hits += 1
            total += hits / place
    return total / wanted if hits else 0.0


def published_map(
    probabilities: Sequence[np.ndarray],
    normal: Sequence[bool],
    events: Sequence[Sequence[PlainEvent]],
    normal_events: bool,
    threshold: float,
) -> float:
    """The mean over all classes; 0 when one of them has no run in any video."""
    whole = [[(0, 0, FRAMES * len(rows))] if normal_events else [] for rows in probabilities]
    all_events = [[*own, *(extra if is_normal else [])] for own, extra, is_normal in zip(events, whole, normal)]
    aps = [class_ap(probabilities, all_events, label, threshold) for label in range(probabilities[0].shape[1])]
    return 0.0 if None in aps else sum(ap for ap in aps if ap is not None) / len(aps)


def clean_map(
    probabilities: Sequence[np.ndarray],
    normal: Sequence[bool],
    events: Sequence[Sequence[PlainEvent]],
    threshold: float,
) -> float | None:
    """Abnormal videos and classes only, events cut to the features; None when no event is left."""
    abnormal = [video for video, is_normal in enumerate(normal) if not is_normal]
    rows = [probabilities[video] for video in abnormal]
    cut = []
    for video, own in zip(rows, [events[video] for video in abnormal]):
        inside = [(c, max(s, 0), min(e, FRAMES * len(video))) for c, s, e in own]
        cut.append([(c, s, e) for c, s, e in inside if s < e and c != 0])
    present = {c for own in cut for c, _, _ in own}
    aps = [class_ap(rows, cut, label, threshold) or 0.0 for label in sorted(present)]
    return sum(aps) / len(aps) if aps else None
