"""The figures of one run's report as records: `score`, `metric`, `class`, `value`, `unit` and `reason`.

score        metric                                                    class
combined     ap, auc, ano_auc, ano_ap                                  all, or one abnormal class (ap, auc)
coarse       the same                                                  the same
fine         the same                                                  the same
combined, coarse, fine: the measures of use (`metrics/measures.py`), test_hours   all
events       map@0.1 .. map@0.5, map_avg, as the field computes them   all, or one class
events_clean the same, as the papers describe them                     all, or one abnormal class
cost         trainable_parameters, train_seconds, test_fps, test_snippets (a second)   all
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mmvad.metrics.detection import MAP_SCORES
from mmvad.metrics.measures import HELD_OUT, HOURS, MEASURES, USE

FIGURE_COLUMNS = ("score", "metric", "class", "value", "unit", "reason")
_NOT_METRICS = {"reasons", "classes", "videos", "events", "runs", HELD_OUT}
_UNITS = {
    "trainable_parameters": "count",
    "train_seconds": "seconds",
    "test_fps": "frames/s",
    "test_snippets": "snippets/s",
    HOURS: "hours",
    **{measure.name: measure.unit for measure in MEASURES},
}


def figures_of(report: dict[str, Any], manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Every figure of a run, as a record.

    Raises KeyError, TypeError, ValueError or AttributeError where report or manifest are not what a run leaves.
    """
    figures = [*_frame_figures(report), *_event_figures(report), *_costs(report, manifest)]
    for figure in figures:
        _check(figure)
    return figures


def _frame_figures(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for score, part in report["scores"].items():
        yield from _records(score, "all", part)
        for key, figures in part["classes"].items():
            yield from _records(score, key, figures)
    for score, part in report.get(USE, {}).items():
        yield from _records(score, "all", part)


def _event_figures(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for variant, part in report["map"].items():
        yield from _records(MAP_SCORES[variant], "all", part)
        for key, figures in part["classes"].items():
            yield from _records(MAP_SCORES[variant], key, figures)


def _records(score: str, of_class: str, part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in part.items():
        if name not in _NOT_METRICS:
            yield _record(score, _metric_name(name), value, part["reasons"].get(name), of_class)


def _metric_name(name: str) -> str:
    """mAP's "0.1" and "mean" under the names that published figures use."""
    return "map_avg" if name == "mean" else f"map@{name}" if name[0].isdigit() else name


def _costs(report: dict[str, Any], manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    seconds = manifest.get("test_seconds")
    untimed = "not known of scores from elsewhere" if "foreign" in report else "the run's manifest has no times"
    yield _record("cost", "trainable_parameters", report["trainable_parameters"], untimed)
    yield _record("cost", "train_seconds", manifest.get("train_seconds"), untimed)
    yield _record("cost", "test_fps", report["frames"] / seconds if seconds else None, untimed)
    yield _record("cost", "test_snippets", report["snippets"] / seconds if seconds else None, untimed)


def _record(
    score: str, metric: str, value: float | None, reason: str | None = None, of_class: str = "all"
) -> dict[str, Any]:
    reason = (reason or "not reported") if value is None else None
    unit = _UNITS.get(metric, "fraction")
    return {"score": score, "metric": metric, "class": of_class, "value": value, "unit": unit, "reason": reason}


def _check(figure: dict[str, Any]) -> None:
    """Raises ValueError for a figure that would be a NaN in a table."""
    value = figure["value"]
    if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
        raise ValueError(f"{figure['score']} {figure['metric']} is {value!r}")
