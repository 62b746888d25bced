"""A threshold for use, chosen where a user could choose it: on training videos that were held out, by their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.evaluate import frame_scores, is_normal
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.metrics.video_level import mil_score


def held_out_thresholds(benchmark: Benchmark, videos: Sequence[ScoredVideo]) -> dict[str, float]:
    """For each score the threshold that tells the videos best; empty without videos of both kinds."""
    abnormal = np.array([not is_normal(benchmark, video) for video in videos])
    if abnormal.all() or not abnormal.any():
        return {}
    by_video = [frame_scores([video]) for video in videos]
    return {name: best_split(np.array([mil_score(own[name]) for own in by_video]), abnormal) for name in by_video[0]}


def best_split(scores: np.ndarray, abnormal: np.ndarray) -> float:
    """The score [n] at or above which the share of abnormal minus that of normal videos is largest (Youden's J).

    Of equals the highest.
    """
    falling = np.unique(scores)[::-1]
    above = scores[None] >= falling[:, None]
    youden = above[:, abnormal].mean(axis=1) - above[:, ~abnormal].mean(axis=1)
    return float(falling[np.argmax(youden)])
