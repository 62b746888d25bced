"""Differences between rows with their intervals, from the scores that the runs left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from mmvad.errors import UserError
from mmvad.report.bootstrap import RESAMPLES, Difference, Headline, interval, resampled_metric, video_weights
from mmvad.report.definitions import Metric
from mmvad.report.results import Record, Results
from mmvad.report.scored import Truths, scored_videos


class Resampler:
    """Resampled figures of runs; each run is read and resampled once, whatever number of tables it is in.

    Attributes:
        resamples: how many; 0 leaves the intervals out.
    """

    def __init__(self, truths: Truths, resamples: int = RESAMPLES) -> None:
        self.truths, self.resamples = truths, resamples
        self._figures: dict[tuple[str, str], np.ndarray] = {}

    def difference(
        self, results: Results, metric: Metric, row: Sequence[Record], base: Sequence[Record]
    ) -> Difference | None:
        """The difference of two rows' means over seeds, and its interval; None where a row has no figure.

        Seeds that both rows have are compared with each other; the mean is over those alone, as the interval is.
        """
        ours, theirs = (_by_seed(results, metric, records) for records in (row, base))
        if not ours or not theirs:
            return None
        common = sorted(ours.keys() & theirs.keys())
        pairs = [(ours[s][0], theirs[s][0]) for s in common]
        mean = _mean([a - b for a, b in pairs]) if pairs else _mean_of(ours) - _mean_of(theirs)
        if not self.resamples:
            return Difference(mean, paired=len(common), reason="no resamples were asked for")
        try:
            low, high = interval(self._of_all(ours, metric), self._of_all(theirs, metric))
        except (UserError, ValueError) as error:
            return Difference(mean, paired=len(common), reason=" ".join(str(error).split()))
        return Difference(mean, low, high, len(common))

    def _of_all(self, side: dict[int, tuple[float, Record]], metric: Metric) -> dict[int, np.ndarray]:
        return {seed: self._of(record, metric) for seed, (_, record) in side.items()}

    def _of(self, record: Record, metric: Metric) -> np.ndarray:
        key = (record["identity"], metric.name)
        if key not in self._figures:
            videos = scored_videos(Path(record["path"]), self.truths.of(record["bank_hash"], record["bank"]))
            weights = video_weights(len(videos), self.resamples)
            self._figures[key] = resampled_metric(videos, cast(Headline, metric.name), weights)
        return self._figures[key]


def _by_seed(results: Results, metric: Metric, records: Sequence[Record]) -> dict[int, tuple[float, Record]]:
    found: dict[int, tuple[float, Record]] = {}
    for record in records:
        value, _ = results.figure(record, metric)
        if value is not None:
            found[record["seed"]] = (value, record)
    return found


def _mean_of(side: dict[int, tuple[float, Any]]) -> float:
    return _mean([value for value, _ in side.values()])


def _mean(values: list[float]) -> float:
    return float(np.mean(values))
