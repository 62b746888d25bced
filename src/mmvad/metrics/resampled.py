"""Any figure of a run over resamples of its test videos: frame metrics, measures of use, and mAP alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import cast

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.bootstrap import Headline, resampled_metric
from mmvad.metrics.detection import IOU_THRESHOLDS, MAP_SCORES
from mmvad.metrics.detection_resampled import resampled_map
from mmvad.metrics.evaluate import detection_videos, is_normal
from mmvad.metrics.judged import Judged, Thresholds, judged_scores
from mmvad.metrics.measures import MEASURES
from mmvad.metrics.scored_video import ScoredVideo

OF_ABNORMAL = "ano_"
"""Begins the name of a frame metric over abnormal videos alone."""
BY_NAME = {measure.name: measure for measure in MEASURES}
FRAME_NAMES = ("ap", "auc", "ano_ap", "ano_auc")
MAP_NAMES = (*(f"map@{iou}" for iou in IOU_THRESHOLDS), "map_avg")
RESAMPLED = frozenset({*FRAME_NAMES, *BY_NAME, *MAP_NAMES})
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
        self.benchmark, self.weights, self.trapezoid = benchmark, weights, trapezoid
        self.abnormal = np.array([not is_normal(benchmark, video) for video in self.videos])
        self.judged: Mapping[str, Judged] = judged_scores(benchmark, self.videos, held_out)

    @cached_property
    def _maps(self) -> Mapping[str, np.ndarray]:
        """mAP of both variants at every IoU, [R, 5], by the score under which tables have it; empty without classes."""
        videos = detection_videos(self.benchmark, self.videos)
        if not videos:
            return {}
        found = resampled_map(self.benchmark, videos, self.weights)
        return {MAP_SCORES[variant]: figures for variant, figures in found.items()}

    def of(self, score: str, name: str) -> np.ndarray:
        """The figures of a metric or measure, float64 [R]; NaN where a resample has none.

        Raises ValueError for a score that the run does not have, and for a figure that is not resampled.
        """
        if score in self._maps and name in MAP_NAMES:
            figures = self._maps[score]
            return figures.mean(axis=1) if name == "map_avg" else figures[:, MAP_NAMES.index(name)]
        if score not in self.judged or name not in RESAMPLED:
            raise ValueError(f"no resamples of {name} of the {score} score")
        if name in BY_NAME:
            return BY_NAME[name].of(self.judged[score], self.weights)
        kind = cast(Headline, name.removeprefix(OF_ABNORMAL))
        weights = self.weights * self.abnormal if name.startswith(OF_ABNORMAL) else self.weights
        return resampled_metric(self.videos, kind, weights, trapezoid=self.trapezoid, score=score)
