"""Pictures of a score in use: events found and their delay against false alarms an hour, and its reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.alarms import alarms_at
from mmvad.metrics.calibration import ABNORMAL, FRAMES, SCORE, expected_calibration_error
from mmvad.metrics.judged import Judged, judged_scores
from mmvad.metrics.measures import LIMITS
from mmvad.metrics.scored_video import ScoredVideo

POINTS = 40
"""Limits of false alarms an hour at which the curves are drawn."""
HIGHEST = 100.0


def use_figures(benchmark: Benchmark, videos: Sequence[ScoredVideo], colours: Mapping[str, str]) -> dict[str, Figure]:
    """The figures by the names of their files; without an event, or with scores that are no probabilities, fewer."""
    judged = judged_scores(benchmark, videos)
    made = {}
    if judged["combined"].events.any():
        made["alarms"] = alarm_figure(judged, colours)
    if any(score.calibration is not None for score in judged.values()):
        made["reliability"] = reliability_figure(judged, colours)
    return made


def alarm_figure(judged: Mapping[str, Judged], colours: Mapping[str, str]) -> Figure:
    """Above the share of events found, below the delay of those, over false alarms an hour of every score."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    found, delay = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    least = 1 / float(judged["combined"].rows.hours.sum())
    limits = np.geomspace(min(least, LIMITS[0] / 2), HIGHEST, POINTS)
    for name, own in judged.items():
        points = [own.point(limit) for limit in limits]
        style = {"color": colours[name], "linewidth": 1.2, "linestyle": (0, (4, 2)) if name == "combined" else "-"}
        found.step(np.log10(limits), [100 * point.share for point in points], where="post", label=name, **style)
        if name == "combined":
            delay.step(np.log10(limits), [_mean_delay(own, point.threshold) for point in points], where="post", **style)
    for axes in (found, delay):
        for limit in LIMITS:
            axes.axvline(np.log10(limit), color="0.85", linewidth=0.8, zorder=0)
    found.set(ylabel="events found (percent)", ylim=(0, 102))
    found.legend(fontsize=8, frameon=False, loc="upper left")
    delay.set(xlabel="false alarms an hour", ylabel="mean delay (s)")
    delay.set_xticks(*_powers(limits))  # matplotlib's own logarithmic axes take a second to draw
    delay.set_ylim(bottom=0)
    return figure


def reliability_figure(judged: Mapping[str, Judged], colours: Mapping[str, str]) -> Figure:
    """The share of abnormal frames over the mean score of each bin, with the frames of each bin below."""
    figure = Figure(figsize=(4.5, 5), layout="constrained")
    curve, counts = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    curve.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    for name, own in judged.items():
        if own.calibration is not None:
            _draw_reliability(curve, counts, name, own.calibration.sum(axis=0), colours[name])
    curve.set(ylabel="share of abnormal frames", xlim=(0, 1), ylim=(0, 1))
    curve.legend(fontsize=8, frameon=False, loc="upper left")
    counts.set(xlabel="score", ylabel="frames")
    counts.set_yticks(*_powers(np.concatenate([10.0 ** np.asarray(line.get_ydata()) for line in counts.get_lines()])))
    return figure


def _draw_reliability(curve: Axes, counts: Axes, name: str, sums: np.ndarray, colour: str) -> None:
    there = sums[:, FRAMES] > 0
    means, shares = (sums[there, column] / sums[there, FRAMES] for column in (SCORE, ABNORMAL))
    label = f"{name} (ECE {100 * float(expected_calibration_error(sums)):.1f})"
    curve.plot(means, shares, color=colour, marker="o", markersize=3, linewidth=1.2, label=label)
    counts.plot(means, np.log10(sums[there, FRAMES]), color=colour, marker="o", markersize=2, linewidth=0.8)


def _powers(values: np.ndarray) -> tuple[list[int], list[str]]:
    """Ticks of an axis of log10, and what stands at them, over the span of some values."""
    low, high = int(np.floor(np.log10(values.min()))), int(np.ceil(np.log10(values.max())))
    return list(range(low, high + 1)), [f"{10.0**power:g}" for power in range(low, high + 1)]


def _mean_delay(judged: Judged, threshold: float) -> float:
    """Seconds; NaN where no event is found."""
    alarms = alarms_at(judged.rows, threshold)
    return float(alarms.delay[alarms.found].mean()) if alarms.found.any() else float("nan")
