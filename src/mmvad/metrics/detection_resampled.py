"""The mAP over resamples of the test videos: runs and events of a video count as often as it is drawn.

A run takes an event of its own video alone, so which runs are hits is the same in every resample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.detection import IOU_THRESHOLDS, VARIANTS, ClassHits, DetectionVideo, class_hits


def resampled_map(benchmark: Benchmark, videos: Sequence[DetectionVideo], weights: np.ndarray) -> dict[str, np.ndarray]:
    """mAP of both VARIANTS at each of IOU_THRESHOLDS, float64 [R, 5] each; NaN in resamples without any event.

    Args:
        videos: by name.
        weights: how often each video is drawn, [R, V].
    """
    found = {}
    for variant in VARIANTS:
        classes = class_hits(benchmark, videos, variant)
        aps = np.stack([_class_ap(hits, weights) for hits in classes])
        if variant == "published":
            found[variant] = _published(classes, aps, weights)
        else:
            with_events = np.isfinite(aps[:, :, 0]).any(axis=0)
            means = np.full(aps.shape[1:], np.nan)
            means[with_events] = np.nanmean(aps[:, with_events], axis=0)
            found[variant] = means
    return found


def _class_ap(hits: ClassHits, weights: np.ndarray) -> np.ndarray:
    """AP of one class in every resample, [R, 5]; NaN where it has no event."""
    wanted = weights[:, hits.event_video].sum(axis=1)
    drawn = weights[:, hits.run_video]
    ranks = np.cumsum(drawn, axis=1)
    found = np.empty((len(weights), len(IOU_THRESHOLDS)))
    for column, hit in enumerate(hits.hits):
        at = np.flatnonzero(hit)
        right = drawn[:, at]
        # copies of a video are ranked alike: each has the precision behind all of them
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(right > 0, np.cumsum(right, axis=1) / ranks[:, at], 0.0)
        found[:, column] = (right * precision).sum(axis=1)
    return np.divide(found, wanted[:, None], out=np.full_like(found, np.nan), where=wanted[:, None] > 0)


def _published(classes: Sequence[ClassHits], aps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean over all classes, one without an event counting 0; 0 where a class has no run."""
    silent = np.stack([weights[:, hits.run_video].sum(axis=1) == 0 for hits in classes]).any(axis=0)
    means = np.nan_to_num(aps).mean(axis=0)
    means[silent] = 0.0
    return means
