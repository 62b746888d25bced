"""Any figure of a score over resamples of its test videos: frame metrics and measures of use alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.bootstrap import Headline, resampled_metric
from mmvad.metrics.evaluate import ScoredVideo, is_normal
from mmvad.metrics.measures import MEASURES, Judged, Thresholds, judged_scores

OF_ABNORMAL = "ano_"
"""Begins the name of a frame metric over abnormal videos alone."""
BY_NAME = {measure.name: measure for measure in MEASURES}
FRAME_NAMES = ("ap", "auc", "ano_ap", "ano_auc")
RESAMPLED = frozenset({*FRAME_NAMES, *BY_NAME})
"""The figures that have an interval."""


class Resampled:
    """One run's figures over resamples of its test videos; what they share is computed once.

    Args:
        videos: the run's scored test videos.
        weights: how often each is drawn, in the order of names, [R, V].
        held_out: by score, thresholds from held-out videos.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        videos: Sequence[ScoredVideo],
        weights: np.ndarray,
        *,
        trapezoid: bool = False,
        held_out: Thresholds | None = None,
    ) -> None:
        self.videos = sorted(videos, key=lambda video: video.name)
        self.weights, self.trapezoid = weights, trapezoid
        self.abnormal = np.array([not is_normal(benchmark, video) for video in self.videos])
        self.judged: Mapping[str, Judged] = judged_scores(benchmark, self.videos, held_out)

    def of(self, score: str, name: str) -> np.ndarray:
        """The figures of a metric or measure, float64 [R]; NaN where a resample has none.

        Raises ValueError for a score that the run does not have, and for a figure that is not resampled.
        """
        if score not in self.judged or name not in RESAMPLED:
            raise ValueError(f"no resamples of {name} of the {score} score")
        if name in BY_NAME:
            return BY_NAME[name].of(self.judged[score], self.weights)
        kind = cast(Headline, name.removeprefix(OF_ABNORMAL))
        weights = self.weights * self.abnormal if name.startswith(OF_ABNORMAL) else self.weights
        return resampled_metric(self.videos, kind, weights, trapezoid=self.trapezoid, score=score)
