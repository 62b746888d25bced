"""The figures of one judged score, each a function of it and of weights.

Weights [R, V] say how often each video counts in each of R resamples, and its R figures come back; without weights it
is the exact figure of the test set, [1]. NaN is no figure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmvad.metrics.alarms import LOCALISED, RAISED, alarms_at
from mmvad.metrics.judged import Judged
from mmvad.metrics.latency import exact_latency_ap, latency_ap
from mmvad.metrics.operating import envelope_area, resampled_point
from mmvad.metrics.video_level import weighted_ap, weighted_auc

Weights = np.ndarray | None


def macro_auc(judged: Judged, weights: Weights) -> np.ndarray:
    """The mean of the AUCs inside of single videos."""
    known = np.isfinite(judged.own_aucs)
    return _ratio(weights, np.where(known, judged.own_aucs, 0.0), known.astype(np.float64))


def video_auc(judged: Judged, weights: Weights) -> np.ndarray:
    """AUC of abnormal over normal videos, by their MIL scores."""
    return weighted_auc(judged.mil, ~judged.rows.normal, _weights(judged, weights))


def video_ap(judged: Judged, weights: Weights) -> np.ndarray:
    """AP of abnormal among all videos, likewise."""
    return weighted_ap(judged.mil, ~judged.rows.normal, _weights(judged, weights))


def false_alarm_rate(judged: Judged, weights: Weights, *, threshold: float | None = None) -> np.ndarray:
    """The share of frames of normal videos at or above a threshold; that from held-out videos by default."""
    rows, level = judged.rows, judged.held_out if threshold is None else threshold
    if level is None:
        return _none(weights)
    frames = np.where(rows.normal[rows.owner], rows.frames, 0)
    above = np.where(rows.scores >= level, frames, 0)
    return _ratio(weights, *(np.bincount(rows.owner, part, rows.videos) for part in (above, frames)))


def found_at(judged: Judged, weights: Weights, *, limit: float) -> np.ndarray:
    """The share of events found at so many false alarms an hour."""
    if weights is None:
        return np.array([judged.point(limit).share if judged.events.any() else np.nan])
    return resampled_point(judged.raised_grid, weights, judged.rows.hours, judged.events, limit)[0]


def delay_at(judged: Judged, weights: Weights, *, limit: float) -> np.ndarray:
    """Mean seconds from the onset of the events found there to their alarm."""
    if weights is not None:
        return resampled_point(judged.raised_grid, weights, judged.rows.hours, judged.events, limit)[1]
    alarms = alarms_at(judged.rows, judged.point(limit).threshold, RAISED)
    return np.array([alarms.delay[alarms.found].mean() if alarms.found.any() else np.nan])


def event_f1(judged: Judged, weights: Weights, *, threshold: float | None = None) -> np.ndarray:
    """F1 of events at a threshold: 2 found / (found + false alarms + events)."""
    level = judged.held_out if threshold is None else threshold
    if level is None or not judged.events.any():
        return _none(weights)
    alarms = alarms_at(judged.rows, level, LOCALISED)
    found = np.bincount(judged.rows.events.video, alarms.found, judged.rows.videos)
    return _ratio(weights, 2 * found, found + alarms.false + judged.events)


def event_ap(judged: Judged, weights: Weights) -> np.ndarray:
    """The area under the envelope of precision over recall of events, over all thresholds."""
    if not judged.events.any():
        return _none(weights)
    if weights is None:
        curve = judged.localised
        found = curve.found.astype(np.float64)
        return np.array([envelope_area(found, curve.false, judged.events.sum())])
    false, found, _ = (weights @ part for part in judged.localised_grid)
    events = weights @ judged.events
    return envelope_area(found, false, np.where(events > 0, events, np.nan))


def class_mean(judged: Judged, weights: Weights, *, of: Callable[[Judged, Weights], np.ndarray]) -> np.ndarray:
    """The mean of a figure over the classes that have an event, each by its own probability and events."""
    if not judged.of_classes:
        return _none(weights)
    figures = np.stack([of(own, weights) for own in judged.of_classes])
    known = np.isfinite(figures)  # a resample may have no event of a class
    total, count = np.where(known, figures, 0.0).sum(axis=0), known.sum(axis=0)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def latency_aware_ap(judged: Judged, weights: Weights) -> np.ndarray:
    """The latency-aware AP."""
    if weights is None:
        return np.array([exact_latency_ap(judged.rows)])
    events = _summed(weights, judged.events)
    return latency_ap(_summed(weights, judged.latency), np.where(events > 0, events, np.nan))


def calibrated(judged: Judged, weights: Weights, *, of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A figure of the calibration, from its sums over videos."""
    if judged.calibration is None:
        return _none(weights)
    return of(_summed(weights, judged.calibration))


def _weights(judged: Judged, weights: Weights) -> np.ndarray:
    return np.ones((1, judged.rows.videos)) if weights is None else weights


def _none(weights: Weights) -> np.ndarray:
    return np.full(1 if weights is None else len(weights), np.nan)


def _ratio(weights: Weights, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Sums over videos, divided; NaN where there is nothing to divide by."""
    over, under = _summed(weights, above), _summed(weights, below)
    return np.divide(over, under, out=np.full(len(under), np.nan), where=under > 0)


def _summed(weights: Weights, parts: np.ndarray) -> np.ndarray:
    """What videos [V, ...] have, summed for each resample: float64 [R, ...]."""
    if weights is None:  # not a product: a threaded BLAS may sum in another order from run to run
        return parts.sum(axis=0, dtype=np.float64)[None]
    return (weights @ parts.reshape(len(parts), -1)).reshape(len(weights), *parts.shape[1:])
