"""Figures and differences of rows with their intervals, from the scores that the runs left."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmvad.benchmarks.registry import known_benchmark
from mmvad.errors import UserError
from mmvad.metrics.bootstrap import RESAMPLES, Difference, interval, mean_interval, video_weights
from mmvad.metrics.measures import thresholds_in
from mmvad.metrics.resampled import RESAMPLED, Resampled
from mmvad.runs import RunFolder, read_json
from mmvad.tables.definitions import Metric
from mmvad.tables.filled import Cell
from mmvad.tables.frame import repetition
from mmvad.tables.results import Record, Results, scale
from mmvad.tables.scored import Truths, found_wrong, scored_run

ALL_ALIKE = "every resample has the same figure"
Side = dict[tuple[str, int], tuple[float, Record]]
"""By fold and seed, a run of a row and its figure."""
_KEPT = 8
"""Runs whose scores are kept: a row's, while its cells are filled."""
NO_SCORES = "a run's scores.npz is not here (`mmvad sweep pull` brings reports alone)"
NOTHING_TO_RESAMPLE = f"one seed, and {NO_SCORES}"


class Resampler:
    """Resampled figures of runs; each run is read and resampled once, whatever number of tables it is in.

    Attributes:
        resamples: how many; 0 leaves the intervals out.
        every_cell: whether every figure of a table has its interval, not only the differences.
    """

    def __init__(self, truths: Truths, resamples: int = RESAMPLES, *, every_cell: bool = False) -> None:
        self.truths, self.resamples, self.every_cell = truths, resamples, every_cell
        self._figures: dict[tuple[str, str, str], np.ndarray] = {}
        self._runs: dict[str, Resampled] = {}

    def with_interval(self, results: Results, metric: Metric, records: Sequence[Record], cell: Cell) -> Cell:
        """The cell with its interval over test videos and seeds, where one is asked for, or why it has none."""
        side = _by_seed(results, metric, records)
        if not (self.every_cell and self.resamples and side and metric.name in RESAMPLED):
            return cell
        if not _have_scores(side):
            return replace(cell, unbounded=NO_SCORES)
        try:
            low, high, deviation = mean_interval(self._of_all(side, metric))
        except UserError as error:
            return replace(cell, unbounded=found_wrong(error, self.truths))
        except ValueError as error:
            return replace(cell, unbounded=f"{metric.heading}: {error}")
        if not deviation:  # 100 % of few events is not certain, yet resamples know no other event
            return replace(cell, unbounded=f"{metric.heading}: {ALL_ALIKE}")
        return replace(cell, low=scale(metric) * low, high=scale(metric) * high)

    def difference(
        self, results: Results, metric: Metric, row: Sequence[Record], base: Sequence[Record]
    ) -> Difference | None:
        """The difference of two rows' means over seeds, and its interval; None where a row has no figure.

        Seeds that both rows have are compared with each other; the mean is over those alone, as the interval is. Where
        a run has no scores (its report came through a database), only seeds are resampled, not test videos.
        """
        ours, theirs = (_by_seed(results, metric, records) for records in (row, base))
        if not ours or not theirs:
            return None
        common = sorted(ours.keys() & theirs.keys())
        pairs = [(ours[s][0], theirs[s][0]) for s in common]
        mean = _mean([a - b for a, b in pairs]) if pairs else _mean_of(ours) - _mean_of(theirs)
        if not self.resamples:
            return Difference(mean, paired=len(common), reason="no resamples were asked for")
        if not (_have_scores(ours) and _have_scores(theirs)):
            return self._over_seeds(mean, ours, theirs, len(common))
        try:
            spread = interval(self._of_all(ours, metric), self._of_all(theirs, metric))
        except (UserError, ValueError) as error:
            return Difference(mean, paired=len(common), reason=" ".join(str(error).split()))
        return Difference(mean, spread.low, spread.high, len(common), p=spread.p(mean))

    def _over_seeds(self, mean: float, ours: Side, theirs: Side, common: int) -> Difference:
        """Each run's figure stays what its report says; the seeds are drawn."""
        if (common or min(len(ours), len(theirs))) < 2:
            return Difference(mean, paired=common, reason=NOTHING_TO_RESAMPLE)
        low, high, _ = interval(self._fixed(ours), self._fixed(theirs))
        return Difference(mean, low, high, common, seeds_only=True)

    def _fixed(self, side: Side) -> dict[tuple[str, int], np.ndarray]:
        return {seed: np.full(self.resamples, value) for seed, (value, _) in side.items()}

    def _of_all(self, side: Side, metric: Metric) -> dict[tuple[str, int], np.ndarray]:
        return {seed: self._of(record, metric) for seed, (_, record) in side.items()}

    def _of(self, record: Record, metric: Metric) -> np.ndarray:
        key = (record["identity"], metric.score, metric.name)
        if key not in self._figures:
            self._figures[key] = self._resampled(record).of(metric.score, metric.name)
        return self._figures[key]

    def _resampled(self, record: Record) -> Resampled:
        """The run's scores and draws, of the latest few runs kept."""
        if record["identity"] not in self._runs:
            videos = scored_run(record, self.truths)
            fold, _ = repetition(record)  # other videos, so other draws, even where there are as many of them
            weights = video_weights(len(videos), self.resamples, zlib.crc32(fold.encode()))
            while len(self._runs) >= _KEPT:
                del self._runs[next(iter(self._runs))]
            self._runs[record["identity"]] = Resampled(
                known_benchmark(record["benchmark"]),
                videos,
                weights,
                trapezoid=bool(record.get("quirks.trapezoid_ap")),
                held_out=thresholds_in(read_json(RunFolder(Path(record["path"])).report)),
            )
        return self._runs[record["identity"]]


def _have_scores(side: Side) -> bool:
    return all(RunFolder(Path(record["path"])).scores.is_file() for _, record in side.values())


def _by_seed(results: Results, metric: Metric, records: Sequence[Record]) -> Side:
    found: Side = {}
    for record in records:
        value, _ = results.figure(record, metric)
        if value is not None:
            found[repetition(record)] = (value, record)
    return found


def _mean_of(side: Side) -> float:
    return _mean([value for value, _ in side.values()])


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
