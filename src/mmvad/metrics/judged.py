"""One score of a test set with what all its measures share: its curves of alarms, its sums over videos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.alarms import LOCALISED, RAISED, AlarmCurve, alarm_curve
from mmvad.metrics.bootstrap import threshold_positions
from mmvad.metrics.calibration import are_probabilities, calibration_sums
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.latency import latency_changes
from mmvad.metrics.operating import GridCounts, Point, best_point, grid_counts
from mmvad.metrics.rows import ScoredRows, scored_rows
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.metrics.video_level import mil_scores, own_aucs

Thresholds = Mapping[str, float]
"""By score, thresholds that were chosen on held-out training videos."""


@dataclass(frozen=True)
class Judged:
    """One score of a test set, and what its measures share, computed when first asked for.

    Attributes:
        held_out: the threshold that was chosen on held-out training videos; None without one.
        classes: gives the same for the probability of every abnormal class and its own events; of `fine` alone.
    """

    rows: ScoredRows
    held_out: float | None = None
    classes: Callable[[], tuple[Judged, ...]] = tuple

    @cached_property
    def of_classes(self) -> tuple[Judged, ...]:
        """Those classes that have an event."""
        return tuple(judged for judged in self.classes() if judged.events.any())

    @cached_property
    def events(self) -> np.ndarray:
        """Events of each video, float64 [V]."""
        return np.bincount(self.rows.events.video, minlength=self.rows.videos).astype(np.float64)

    @cached_property
    def raised(self) -> AlarmCurve:
        return alarm_curve(self.rows, RAISED)

    @cached_property
    def localised(self) -> AlarmCurve:
        return alarm_curve(self.rows, LOCALISED)

    @cached_property
    def raised_grid(self) -> GridCounts:
        return grid_counts(self.rows, self.raised, RAISED)

    @cached_property
    def localised_grid(self) -> GridCounts:
        return grid_counts(self.rows, self.localised, LOCALISED)

    @cached_property
    def mil(self) -> np.ndarray:
        return mil_scores(self.rows)

    @cached_property
    def own_aucs(self) -> np.ndarray:
        return own_aucs(self.rows)

    @cached_property
    def calibration(self) -> np.ndarray | None:
        """As `calibration_sums` has them; None of scores that are no probabilities."""
        return calibration_sums(self.rows) if are_probabilities(self.rows) else None

    @cached_property
    def latency(self) -> np.ndarray:
        """Counts as `latency_changes` has them, of each video at or above thresholds, [V, k, 3]."""
        scores, videos, changes = latency_changes(self.rows)
        position = threshold_positions(scores, changes[:, 0] + changes[:, 1])
        counts = np.zeros((self.rows.videos, int(position.max(initial=0)) + 1, 3))
        np.add.at(counts, (videos, position), changes)
        return counts.cumsum(axis=1)

    def point(self, limit: float) -> Point:
        """The operating point at so many false alarms an hour."""
        hours, events = float(self.rows.hours.sum()), len(self.rows.events.start)
        return best_point(self.raised, hours, max(events, 1), limit)


def judged_scores(
    benchmark: Benchmark, videos: Sequence[ScoredVideo], held_out: Thresholds | None = None
) -> dict[str, Judged]:
    """Every score that the videos have, by its name; the order of `videos` changes nothing."""
    ordered = sorted(videos, key=lambda video: video.name)
    scores = frame_scores(ordered)
    rows = scored_rows(benchmark, ordered, scores["combined"])
    classes = {"fine": partial(_class_scores, benchmark, ordered)} if "fine" in scores else {}
    return {
        name: Judged(rows.with_scores(own), (held_out or {}).get(name), classes.get(name, tuple))
        for name, own in scores.items()
    }


def _class_scores(benchmark: Benchmark, videos: Sequence[ScoredVideo]) -> tuple[Judged, ...]:
    """For every abnormal class its probability, judged by its own events.

    Files that keep no more than the normal class's probability have none.
    """
    probabilities = [video.class_probabilities for video in videos if video.class_probabilities is not None]
    if any(own.shape[1] != len(benchmark.classes) for own in probabilities):
        return ()
    table = np.concatenate(probabilities).astype(np.float64)
    made = []
    for column, key in enumerate(benchmark.class_keys[1:], 1):
        spans = [tuple((e.start, e.end) for e in video.events if e.label == key) for video in videos]
        own = [replace(video, intervals=intervals) for video, intervals in zip(videos, spans)]
        made.append(Judged(scored_rows(benchmark, own, table[:, column])))
    return tuple(made)
