"""Detected events of one video: the runs that the field's mAP is computed on, and which of them are worth showing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.detection import video_runs
from mmvad.predict.prediction import DetectedEvent

ABNORMAL = "abnormal"
"""The class of every event where a run has no fine stream."""


def detect_events(
    benchmark: Benchmark,
    edges: np.ndarray,
    combined: np.ndarray,
    probabilities: np.ndarray | None,
    *,
    every_run: bool = False,
) -> tuple[DetectedEvent, ...]:
    """Events of the abnormal classes, by start.

    The protocol's threshold is relative, so it finds a run of every class in every video, however faint. Shown are the
    runs in which the class is the most probable one somewhere; without a fine stream those whose score passes 0.5.

    Args:
        edges: seconds, [n + 1].
        combined: [n], what stands in for a class where there is no fine stream.
        probabilities: [n, C], normal first, or None.
        every_run: all runs of abnormal classes, as the mAP ranks them.
    """
    if probabilities is None:
        by_class, keys, winning = combined[:, None], [ABNORMAL], combined[:, None] > 0.5
    else:
        by_class, keys = probabilities, list(benchmark.class_keys)
        winning = by_class == by_class.max(axis=1, keepdims=True)
    found = []
    for label, start, end, score in zip(*video_runs(by_class)):
        if (probabilities is None or label > 0) and (every_run or winning[start:end, label].any()):
            peak = float(by_class[start:end, label].max())
            found.append(DetectedEvent(keys[label], float(edges[start]), float(edges[end]), float(score), peak))
    return tuple(sorted(found, key=lambda event: (event.start, event.end, event.label)))


def union_seconds(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The spans (start, end), by start, those that touch or overlap made one."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
