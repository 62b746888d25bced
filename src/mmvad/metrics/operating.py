"""Operating points: what is found at so many false alarms an hour, exactly and over resamples of the videos."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmvad.metrics.alarms import AlarmCurve, Rule, alarms_at
from mmvad.metrics.rows import ScoredRows

GRID = 150
"""Thresholds at which resamples are looked at; the figures themselves know all."""


class Point(NamedTuple):
    """The operating point with most events found under a limit of false alarms: the highest threshold of equals.

    `share` of the events found, false alarms an hour, threshold; the share is 0 and the threshold infinite where no
    threshold keeps the limit.
    """

    share: float
    false_an_hour: float
    threshold: float


def best_point(curve: AlarmCurve, hours: float, events: int, limit: float) -> Point:
    """The best point with at most `limit` false alarms an hour."""
    allowed = np.flatnonzero(curve.false <= limit * hours + 1e-9)
    if not len(allowed) or not curve.found[allowed].any():
        return Point(0.0, 0.0, float("inf"))
    best = allowed[np.argmax(curve.found[allowed])]
    return Point(curve.found[best] / events, curve.false[best] / hours, float(curve.thresholds[best]))


def envelope_area(found: np.ndarray, false: np.ndarray, events: np.ndarray | float) -> np.ndarray:
    """The area under the highest precision at each recall or a higher one, [...]; found and false are [..., k].

    Precision is found / (found + false), recall found / events. Both may fall as thresholds do, since alarms merge.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(found + false > 0, found / (found + false), 0.0)
    order = np.argsort(-found, axis=-1, kind="stable")
    recall = np.take_along_axis(found, order, axis=-1)
    highest = np.maximum.accumulate(np.take_along_axis(precision, order, axis=-1), axis=-1)
    # of equal recalls the last has seen all of them
    step = recall - np.concatenate([recall[..., 1:], np.zeros_like(recall[..., :1])], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (step * highest).sum(axis=-1) / events


class GridCounts(NamedTuple):
    """What falling thresholds raise in each video: false alarms, events found, seconds of delay; float64 [V, k]."""

    false: np.ndarray
    found: np.ndarray
    delay: np.ndarray


def grid_counts(rows: ScoredRows, curve: AlarmCurve, rule: Rule) -> GridCounts:
    """The counts at thresholds that are dense where false alarms are few."""
    events, parts = rows.events, []
    for threshold in grid_thresholds(curve):
        alarms = alarms_at(rows, threshold, rule)
        delay = np.where(alarms.found, np.nan_to_num(alarms.delay), 0.0)
        found = np.bincount(events.video, alarms.found, rows.videos)
        parts.append((alarms.false, found, np.bincount(events.video, delay, rows.videos)))
    columns = zip(*parts) if parts else ((), (), ())
    return GridCounts(*(np.array(column, dtype=np.float64).reshape(-1, rows.videos).T for column in columns))


def grid_thresholds(curve: AlarmCurve) -> np.ndarray:
    """Up to GRID of the curve's thresholds, falling: half evenly over the events found, half over log false alarms."""
    count = len(curve.thresholds)
    if count <= GRID:
        return curve.thresholds
    most = np.maximum.accumulate(curve.false), np.maximum.accumulate(curve.found)
    few = np.searchsorted(most[0], np.geomspace(1, max(most[0][-1], 1), GRID // 2))
    some = np.searchsorted(most[1], np.linspace(1, max(most[1][-1], 1), GRID - GRID // 2))
    return curve.thresholds[np.unique(np.concatenate([few, some]).clip(0, count - 1))]


def resampled_point(
    counts: GridCounts, weights: np.ndarray, hours: np.ndarray, events: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Share of events found and their mean delay at the best point of every resample, float64 [R] each.

    NaN where a resample has no event; of delays also where none is found.

    Args:
        weights: how often each video is drawn, [R, V].
        hours, events: of each video, [V].
    """
    false, found, delay = (weights @ part for part in counts)
    usable = np.where(false <= limit * (weights @ hours)[:, None] + 1e-9, found, 0.0)
    best = usable.argmax(axis=1)[:, None] if usable.shape[1] else np.zeros((len(weights), 0), dtype=np.int64)
    if not usable.shape[1]:
        return np.zeros(len(weights)), np.full(len(weights), np.nan)
    most, late = (np.take_along_axis(part, best, axis=1)[:, 0] for part in (usable, delay))
    with np.errstate(divide="ignore", invalid="ignore"):
        return most / (weights @ events), np.where(most > 0, late / most, np.nan)
