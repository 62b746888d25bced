"""What published test code does to scores beyond the papers (`quirks.*`): crops averaged, scores smoothed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mmvad.metrics.scored_video import ScoredVideo

NEXT, BLOCK = 7, 8


def averaged(by_crop: Sequence[Sequence[ScoredVideo]]) -> list[ScoredVideo]:
    """Every video with the mean of its scores over crops; one crop's as they are. Means run in float64."""
    if len(by_crop) == 1:
        return list(by_crop[0])
    return [
        _with_scores(videos[0], [v.coarse for v in videos], [v.class_probabilities for v in videos])
        for videos in zip(*by_crop, strict=True)
    ]


def smoothed(videos: Sequence[ScoredVideo], how: str) -> list[ScoredVideo]:
    """Every video with its scores smoothed in time, as `quirks.smoothing` says.

    Args:
        how: `none`; `next_7`, the mean of a snippet and the six after it; `blocks_8`, the mean of each block of eight.
            At a video's end the mean is over the snippets that are there: PEL4VAD's code fills up with zeros.
    """
    if how == "none":
        return list(videos)
    smooth = next_mean if how == "next_7" else block_mean
    return [
        replace(
            v,
            combined=_maybe(smooth, v.combined),
            coarse=_maybe(smooth, v.coarse),
            class_probabilities=_maybe(smooth, v.class_probabilities),
        )
        for v in videos
    ]


def next_mean(scores: np.ndarray) -> np.ndarray:
    """The mean of each row and the six after it: [n] or [n, C] -> float32, same shape."""
    sums = np.concatenate([np.zeros_like(scores[:1], dtype=np.float64), np.cumsum(scores, axis=0, dtype=np.float64)])
    first = np.arange(len(scores))
    last = np.minimum(first + NEXT, len(scores))
    counts = (last - first).reshape(-1, *[1] * (scores.ndim - 1))
    return ((sums[last] - sums[first]) / counts).astype(np.float32)


def block_mean(scores: np.ndarray) -> np.ndarray:
    """The mean of each block of eight rows, the last one shorter: [n] or [n, C] -> float32, same shape."""
    starts = np.arange(0, len(scores), BLOCK)
    sizes = np.diff(np.append(starts, len(scores)))
    counts = sizes.reshape(-1, *[1] * (scores.ndim - 1))
    means = np.add.reduceat(scores.astype(np.float64), starts, axis=0) / counts
    return np.repeat(means, sizes, axis=0).astype(np.float32)


def _with_scores(
    video: ScoredVideo, coarse: Sequence[np.ndarray | None], classes: Sequence[np.ndarray | None]
) -> ScoredVideo:
    return replace(video, coarse=_mean(coarse), class_probabilities=_mean(classes))


def _mean(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    there = [part for part in parts if part is not None]
    return np.stack(there).mean(axis=0, dtype=np.float64).astype(np.float32) if there else None


def _maybe(change: Callable[[np.ndarray], np.ndarray], scores: np.ndarray | None) -> np.ndarray | None:
    return None if scores is None else change(scores)
