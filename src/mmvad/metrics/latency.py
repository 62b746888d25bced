"""Latency-aware AP: the area under precision over a recall that loses what comes late.

After Liu et al., "Rethinking Metrics and Benchmarks of Video Anomaly Detection" (arXiv 2505.19022), which keeps the
precision of frames and lets an event's share of the recall decay with the time to its first detection. Its text leaves
the decay to its code, which could not be compared: here it is linear over the event.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mmvad.metrics.alarms import totals_by_threshold
from mmvad.metrics.rows import ScoredRows

CREDIT, HITS, FALSE = range(3)


def latency_changes(rows: ScoredRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each score adds to its video's counts once a threshold is down to it: scores, videos [m], changes [m, 3].

    The three are the events' credit, abnormal frames and normal frames. An event of n frames whose first row at or
    above the threshold begins d frames after its onset has credit 1 - d / n, and 0 where no row is.
    """
    scores, videos, credits = _credit_changes(rows)
    changes = np.zeros((len(rows.scores) + len(scores), 3))
    changes[: len(rows.scores), HITS] = rows.positives
    changes[: len(rows.scores), FALSE] = rows.frames - rows.positives
    changes[len(rows.scores) :, CREDIT] = credits
    return np.concatenate([rows.scores, scores]), np.concatenate([rows.owner, videos]), changes


def latency_ap(counts: np.ndarray, events: np.ndarray | float) -> np.ndarray:
    """sum_i (R_i - R_{i-1}) P_i over falling thresholds, R the mean credit of events, P the precision of frames.

    Args:
        counts: [..., k, 3], at or above each threshold.
        events: how many there are, [...].
    """
    step = np.diff(counts[..., CREDIT], axis=-1, prepend=0)
    reached = counts[..., HITS] + counts[..., FALSE]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(reached > 0, counts[..., HITS] / reached, 1.0)
        return (step * precision).sum(axis=-1) / events


def exact_latency_ap(rows: ScoredRows) -> float:
    """The latency-aware AP over all thresholds; NaN without an event."""
    scores, _, changes = latency_changes(rows)
    _, counts = totals_by_threshold(scores, changes)
    return float(latency_ap(counts, len(rows.events.start) or np.nan))


def _credit_changes(rows: ScoredRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, videos and gains of credit: at every row of an event that is higher than all rows of it before."""
    events = rows.events
    values = rows.scores[events.pair_row]
    late = np.maximum(rows.start[events.pair_row] - events.start[events.pair_event], 0)
    credit = 1 - late / events.frames[events.pair_event]
    kept, gains = [], []
    borders = np.searchsorted(events.pair_event, np.arange(len(events.start) + 1))
    for begin, end in pairwise(borders):
        own = values[begin:end]
        records = np.flatnonzero(own > np.append(-np.inf, np.maximum.accumulate(own)[:-1]))
        kept.append(begin + records)
        # the last record is reached first, as thresholds fall, and every earlier one betters its credit
        gains.append(-np.diff(np.append(credit[begin + records], 0.0)))
    chosen = np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)
    gained = np.concatenate(gains) if gains else np.zeros(0)
    return values[chosen], events.video[events.pair_event[chosen]], gained
