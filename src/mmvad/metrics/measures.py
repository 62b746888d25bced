"""What a score is worth in use, each measure stated once: reports, tables, intervals and pictures read `MEASURES`.

A measure is a function of a `Judged` score and of weights, as `measuring` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor
from typing import Any

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.calibration import brier_score, expected_calibration_error
from mmvad.metrics.evaluate import SCORES, no_score
from mmvad.metrics.judged import Judged, Thresholds, judged_scores
from mmvad.metrics.measuring import (
    Weights,
    calibrated,
    class_mean,
    delay_at,
    event_ap,
    event_f1,
    false_alarm_rate,
    found_at,
    latency_aware_ap,
    macro_auc,
    video_ap,
    video_auc,
)
from mmvad.metrics.scored_video import ScoredVideo

FIXED_THRESHOLD = 0.5
LIMITS = (1, 10)
"""False alarms an hour at which events found and their delay are given."""
NO_HELD_OUT = "no threshold: no training videos were held out (data.validation_share)"
REASONS, HELD_OUT, HOURS = "reasons", "held_out_threshold", "test_hours"
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
        held_out: it needs the threshold from held-out videos. of_events: it needs an event.
    """

    name: str
    heading: str
    of: Callable[[Judged, Weights], np.ndarray]
    missing: str
    unit: str = "fraction"
    held_out: bool = False
    of_events: bool = False

    def value(self, judged: Judged) -> float | None:
        """The figure of the test set; None where there is none."""
        found = float(self.of(judged, None)[0])
        return found if np.isfinite(found) else None

    def reason(self, judged: Judged) -> str:
        """Why `value` is None."""
        if self.of_events and not judged.events.any():
            return _NO_EVENT
        return NO_HELD_OUT if self.held_out and judged.held_out is None else self.missing


_NO_EVENT = "no event in the test set"
_NO_CLASS = "of the fine score alone, where a class has an event"
_ONE_KIND = "all test videos are of one kind"
_NO_NORMAL = "no normal test video"
_NO_PROBABILITIES = "scores are no probabilities"
_at_fixed = partial(event_f1, threshold=FIXED_THRESHOLD)


def _at(limit: int) -> tuple[Measure, Measure]:
    """Events found at so many false alarms an hour, and their delay."""
    found, delay = partial(found_at, limit=limit), partial(delay_at, limit=limit)
    none = f"no event is found at {limit} false alarm{'s' * (limit > 1)} an hour"
    return (
        Measure(f"found_at_{limit}", f"found at {limit}/h", found, _NO_EVENT, of_events=True),
        Measure(f"delay_at_{limit}", f"delay at {limit}/h (s)", delay, none, unit="seconds", of_events=True),
    )


_FOUND, _DELAYS = zip(*map(_at, LIMITS))
MEASURES: tuple[Measure, ...] = (
    Measure("macro_auc", "AUC a video", macro_auc, "no video has both abnormal and normal frames"),
    Measure("video_auc", "AUC of videos", video_auc, _ONE_KIND),
    Measure("video_ap", "AP of videos", video_ap, _ONE_KIND),
    Measure("false_alarm_rate", "FAR at 0.5", partial(false_alarm_rate, threshold=FIXED_THRESHOLD), _NO_NORMAL),
    Measure("false_alarm_rate_held_out", "FAR held out", false_alarm_rate, _NO_NORMAL, held_out=True),
    *_FOUND,
    *_DELAYS,
    Measure("event_f1", "event F1 at 0.5", _at_fixed, _NO_EVENT),
    Measure("event_f1_held_out", "event F1 held out", event_f1, _NO_EVENT, held_out=True, of_events=True),
    Measure("event_ap", "event AP", event_ap, _NO_EVENT),
    Measure("class_event_f1", "class event F1 at 0.5", partial(class_mean, of=_at_fixed), _NO_CLASS),
    Measure("class_event_ap", "class event AP", partial(class_mean, of=event_ap), _NO_CLASS),
    Measure("latency_ap", "latency-aware AP", latency_aware_ap, _NO_EVENT),
    Measure("ece", "ECE", partial(calibrated, of=expected_calibration_error), _NO_PROBABILITIES),
    Measure("brier", "Brier", partial(calibrated, of=brier_score), _NO_PROBABILITIES),
)


def measures(benchmark: Benchmark, videos: Sequence[ScoredVideo], held_out: Thresholds | None = None) -> dict[str, Any]:
    """Every measure of every score, as a report has them under `use`.

    Returns::

        {combined, coarse, fine}:
            {measure}: a fraction or seconds, or None
            held_out_threshold: the threshold that was chosen on held-out training videos, or None
            test_hours: how long the test videos are together
            reasons: {measure: why there is none}
    """
    by_score = judged_scores(benchmark, videos, held_out)
    return {name: _figures(by_score[name]) if name in by_score else _absent(no_score(name)) for name in SCORES}


def no_measures(reason: str) -> dict[str, Any]:
    """The same without any figure, all for one reason."""
    return {name: _absent(reason) for name in SCORES}


def allowed_alarms(hours: Sequence[float]) -> str:
    """How many false alarms test sets of so many hours allow at LIMITS: in a short one 1 an hour is none at all."""
    low, high = min(hours), max(hours)
    long = f"{high:.2f} hours" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f} hours"
    at = [f"{limit}/h {floor(limit * low + 1e-9)}" for limit in LIMITS]
    return f"{long} of test videos: false alarms allowed at {', at '.join(at)}"


def thresholds_in(report: Mapping[str, Any]) -> dict[str, float]:
    """By score, the thresholds from held-out videos that a run's report knows."""
    scores = report.get(USE, {})
    return {name: own[HELD_OUT] for name, own in scores.items() if own.get(HELD_OUT) is not None}


def _figures(judged: Judged) -> dict[str, Any]:
    values = {measure.name: measure.value(judged) for measure in MEASURES}
    reasons = {m.name: m.reason(judged) for m in MEASURES if values[m.name] is None}
    return {**values, HELD_OUT: judged.held_out, HOURS: float(judged.rows.hours.sum()), REASONS: reasons}


def _absent(reason: str) -> dict[str, Any]:
    names = [measure.name for measure in MEASURES]
    return {**dict.fromkeys(names), HELD_OUT: None, HOURS: None, REASONS: dict.fromkeys(names, reason)}
