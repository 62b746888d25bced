"""What a score is worth in use, each measure stated once: reports, tables, intervals and pictures read `MEASURES`.

A measure is a function of a `Judged` score and of weights. Weights [R, V] say how often each video counts in each of R
resamples, and its R figures come back; without weights it is the exact figure of the test set, [1]. NaN is no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.alarms import LOCALISED, RAISED, alarms_at
from mmvad.metrics.calibration import brier_score, expected_calibration_error
from mmvad.metrics.evaluate import SCORES, ScoredVideo, no_score
from mmvad.metrics.judged import Judged, Thresholds, judged_scores
from mmvad.metrics.latency import exact_latency_ap, latency_ap
from mmvad.metrics.operating import envelope_area, resampled_point
from mmvad.metrics.video_level import weighted_ap, weighted_auc

Weights = np.ndarray | None
FIXED_THRESHOLD = 0.5
LIMITS = (1, 10)
"""False alarms an hour at which events found and their delay are given."""
NO_HELD_OUT = "no threshold: no training videos were held out (data.validation_share)"
REASONS, HELD_OUT = "reasons", "held_out_threshold"
USE = "use"
"""The key of a report under which the measures stand."""


@dataclass(frozen=True)
class Measure:
    """One figure of a score.

    Attributes:
        name: its key in `report.json`. heading: of its column.
        of: its figures, as this module's docstring says.
        missing: why there is no figure where there is none.
        unit: `fraction` or `seconds`.
        held_out: it needs the threshold from held-out videos.
    """

    name: str
    heading: str
    of: Callable[[Judged, Weights], np.ndarray]
    missing: str
    unit: str = "fraction"
    held_out: bool = False

    def value(self, judged: Judged) -> float | None:
        """The figure of the test set; None where there is none."""
        found = float(self.of(judged, None)[0])
        return found if np.isfinite(found) else None

    def reason(self, judged: Judged) -> str:
        """Why `value` is None."""
        return NO_HELD_OUT if self.held_out and judged.held_out is None else self.missing


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


_NO_EVENT = "no event in the test set"
_NO_CLASS = "of the fine score alone, where a class has an event"
MEASURES = (
    Measure("macro_auc", "AUC a video", macro_auc, "no video has both abnormal and normal frames"),
    Measure("video_auc", "AUC of videos", video_auc, "all test videos are of one kind"),
    Measure("video_ap", "AP of videos", video_ap, "all test videos are of one kind"),
    Measure(
        "false_alarm_rate", "FAR at 0.5", partial(false_alarm_rate, threshold=FIXED_THRESHOLD), "no normal test video"
    ),
    Measure("false_alarm_rate_held_out", "FAR held out", false_alarm_rate, "no normal test video", held_out=True),
    *(
        Measure(f"found_at_{limit}", f"found at {limit}/h", partial(found_at, limit=limit), _NO_EVENT)
        for limit in LIMITS
    ),
    *(
        Measure(
            f"delay_at_{limit}",
            f"delay at {limit}/h (s)",
            partial(delay_at, limit=limit),
            f"no event is found at {limit} false alarm{'s' * (limit > 1)} an hour",
            unit="seconds",
        )
        for limit in LIMITS
    ),
    Measure("event_f1", "event F1 at 0.5", partial(event_f1, threshold=FIXED_THRESHOLD), _NO_EVENT),
    Measure("event_f1_held_out", "event F1 held out", event_f1, _NO_EVENT, held_out=True),
    Measure("event_ap", "event AP", event_ap, _NO_EVENT),
    Measure(
        "class_event_f1",
        "class event F1 at 0.5",
        partial(class_mean, of=partial(event_f1, threshold=FIXED_THRESHOLD)),
        _NO_CLASS,
    ),
    Measure("class_event_ap", "class event AP", partial(class_mean, of=event_ap), _NO_CLASS),
    Measure("latency_ap", "latency-aware AP", latency_aware_ap, _NO_EVENT),
    Measure("ece", "ECE", partial(calibrated, of=expected_calibration_error), "scores are no probabilities"),
    Measure("brier", "Brier", partial(calibrated, of=brier_score), "scores are no probabilities"),
)


def measures(benchmark: Benchmark, videos: Sequence[ScoredVideo], held_out: Thresholds | None = None) -> dict[str, Any]:
    """Every measure of every score, as a report has them under `use`.

    Returns::

        {combined, coarse, fine}:
            {measure}: a fraction or seconds, or None
            held_out_threshold: the threshold that was chosen on held-out training videos, or None
            reasons: {measure: why there is none}
    """
    by_score = judged_scores(benchmark, videos, held_out)
    return {name: _figures(by_score[name]) if name in by_score else _absent(no_score(name)) for name in SCORES}


def no_measures(reason: str) -> dict[str, Any]:
    """The same without any figure, all for one reason."""
    return {name: _absent(reason) for name in SCORES}


def thresholds_in(report: Mapping[str, Any]) -> dict[str, float]:
    """By score, the thresholds from held-out videos that a run's report knows."""
    scores = report.get(USE, {})
    return {name: own[HELD_OUT] for name, own in scores.items() if own.get(HELD_OUT) is not None}


def _figures(judged: Judged) -> dict[str, Any]:
    values = {measure.name: measure.value(judged) for measure in MEASURES}
    reasons = {m.name: m.reason(judged) for m in MEASURES if values[m.name] is None}
    return {**values, HELD_OUT: judged.held_out, REASONS: reasons}


def _absent(reason: str) -> dict[str, Any]:
    names = [measure.name for measure in MEASURES]
    return {**dict.fromkeys(names), HELD_OUT: None, REASONS: dict.fromkeys(names, reason)}


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
