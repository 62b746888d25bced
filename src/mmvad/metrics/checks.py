"""What scored videos must be, so that no figure is wrong without a word."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.errors import UserError
from mmvad.metrics.frame import require_finite
from mmvad.metrics.scored_video import ScoredVideo

_NUMBERS = "fiub"
"""Kinds of numpy's types that are real numbers."""


def check_videos(benchmark: Benchmark, videos: Sequence[ScoredVideo]) -> None:
    """Raises UserError for a test set of which no figures can be had: no video, one twice, its labels, its outputs.

    Args:
        videos: by name.
    """
    if not videos:
        raise UserError("test videos", "there are none", expected="at least one scored video")
    for before, after in pairwise(videos):
        if before.name == after.name:
            raise UserError(after.name, "the video is there twice", expected="each test video once")
    for video in videos:
        _check_labels(benchmark, video)
    check_outputs(videos, len(benchmark.classes))


def check_outputs(videos: Sequence[ScoredVideo], columns: int | None = None) -> None:
    """Raises UserError, naming the video, for scores that are missing, misshapen, no numbers or not finite.

    Args:
        columns: how many classes there are; None where one column of several may have been kept.
    """
    for video in videos:
        _check_shapes(video, columns)
    for branch in ("combined", "coarse", "class_probabilities"):
        without = [video.name for video in videos if getattr(video, branch) is None]
        if 0 < len(without) < len(videos):
            raise UserError(without[0], f"has no {branch}", expected=f"all {len(videos)} videos with it, or none")


def _check_labels(benchmark: Benchmark, video: ScoredVideo) -> None:
    for key in (*video.labels, *(event.label for event in video.events)):
        benchmark.class_index(key, video.name)
    if not video.labels or (benchmark.normal in video.labels and len(video.labels) > 1):
        raise UserError(
            video.name, f"labels {video.labels}", expected=f"({benchmark.normal!r},) alone, or abnormal classes"
        )


def _check_shapes(video: ScoredVideo, columns: int | None) -> None:
    rows = video.snippets
    if not rows:
        raise UserError(video.name, "has no scores", expected="coarse or class_probabilities of at least one snippet")
    of_classes = (rows, columns or "classes")
    for branch, expected in (("combined", (rows,)), ("coarse", (rows,)), ("class_probabilities", of_classes)):
        output = getattr(video, branch)
        if output is None:
            continue
        fits = len(output.shape) == len(expected) and all(n in (m, "classes") for n, m in zip(expected, output.shape))
        if not fits:
            wanted = f"[{', '.join(map(str, expected))}]"
            raise UserError(video.name, f"{branch} has shape {list(output.shape)}", expected=wanted)
        if output.dtype.kind not in _NUMBERS:
            raise UserError(video.name, f"{branch} is of type {output.dtype}", expected="real numbers")
        require_finite(output, f"{video.name}: {branch}")
