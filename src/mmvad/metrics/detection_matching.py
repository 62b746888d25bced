"""Which detected runs find an event: intervals of frames of many videos, matched class by class in each video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Intervals:
    """Runs or events of many videos as parallel arrays [r], by video and class; `start` and `end` in frames."""

    video: np.ndarray
    label: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def key(self, classes: int) -> np.ndarray:
        """One number for each pair of video and class."""
        return self.video * classes + self.label


def select(intervals: Intervals, keep: np.ndarray) -> Intervals:
    """Some of them, by a mask or by their places."""
    return Intervals(intervals.video[keep], intervals.label[keep], intervals.start[keep], intervals.end[keep])


def ranked_hits(
    events: Intervals, runs: Intervals, scores: np.ndarray, classes: int, thresholds: Sequence[float]
) -> tuple[Intervals, np.ndarray]:
    """The runs, best first, and which of them find an event at each IoU, bool [thresholds, r].

    Args:
        scores: of the runs, [r].
        classes: how many there are.
        thresholds: of the IoU, rising.
    """
    order = np.argsort(-scores, kind="stable")
    runs = select(runs, order)
    pairs = _overlapping_pairs(events, runs, classes, thresholds[0])
    return runs, np.stack([_hits(pairs, threshold, len(order), len(events.label)) for threshold in thresholds])


def _overlapping_pairs(events: Intervals, runs: Intervals, classes: int, lowest: float) -> list[tuple[float, int, int]]:
    """(IoU, run, event) of one video and class, down to the lowest IoU; by run, then best IoU, then event."""
    run_keys, event_keys = runs.key(classes), events.key(classes)
    by_key = np.argsort(run_keys, kind="stable")
    first, last = (np.searchsorted(run_keys[by_key], event_keys, side=side) for side in ("left", "right"))
    counts = last - first
    event = np.repeat(np.arange(len(counts)), counts)
    run = by_key[np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts - first, counts)]
    shared = np.minimum(runs.end[run], events.end[event]) - np.maximum(runs.start[run], events.start[event])
    shared = np.clip(shared, 0, None)
    lengths = runs.end[run] - runs.start[run] + np.clip(events.end[event] - events.start[event], 0, None)
    iou = shared / (lengths - shared)
    keep = np.flatnonzero(iou >= lowest)
    keep = keep[np.lexsort((event[keep], -iou[keep], run[keep]))]
    return list(zip(iou[keep].tolist(), run[keep].tolist(), event[keep].tolist()))


def _hits(pairs: Sequence[tuple[float, int, int]], threshold: float, runs: int, events: int) -> np.ndarray:
    """Which runs, best first, find an event: each takes the unused one of highest IoU, at or above the threshold."""
    hit, used = np.zeros(runs, dtype=bool), [False] * events
    for iou, run, event in pairs:
        if iou >= threshold and not hit[run] and not used[event]:
            hit[run] = used[event] = True
    return hit
