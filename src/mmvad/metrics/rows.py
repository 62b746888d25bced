"""A test set as flat arrays: one score a row, whose row it is, and the events that rows lie in.

Everything that is measured of a score is computed from these arrays, whatever the benchmark's rows stand for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.metrics.evaluate import is_normal
from mmvad.metrics.frame import row_positives
from mmvad.metrics.scored_video import ScoredVideo


@dataclass(frozen=True)
class Spans:
    """Events of all videos in the order of videos and time, disjoint and cut to their video; frames, end-exclusive.

    Attributes:
        video, start, end: int64 [e].
        pair_event, pair_row, pair_frames: every event with every row that it touches, in this order, and the frames
            that they share, int64 [p].
    """

    video: np.ndarray
    start: np.ndarray
    end: np.ndarray
    pair_event: np.ndarray
    pair_row: np.ndarray
    pair_frames: np.ndarray

    @property
    def frames(self) -> np.ndarray:
        """How long each event is, int64 [e]."""
        return self.end - self.start


@dataclass(frozen=True)
class ScoredRows:
    """One score of a test set, its videos by name.

    Attributes:
        scores: float64 [n].
        owner: the row's video, int64 [n], rising.
        start, frames, positives: the row's first frame in its video, its frames, and how many are abnormal, int64 [n].
        normal: which videos are normal, bool [V].
        rate: frames a second, float64 [V].
        first: the place of each video's first row, and n, int64 [V + 1].
    """

    scores: np.ndarray
    owner: np.ndarray
    start: np.ndarray
    frames: np.ndarray
    positives: np.ndarray
    normal: np.ndarray
    rate: np.ndarray
    first: np.ndarray
    events: Spans

    @property
    def videos(self) -> int:
        return len(self.normal)

    @property
    def hours(self) -> np.ndarray:
        """How long each video is, float64 [V]."""
        return np.bincount(self.owner, self.frames, self.videos) / self.rate / 3600

    def with_scores(self, scores: np.ndarray) -> ScoredRows:
        """The same test set under another score [n]."""
        return replace(self, scores=np.asarray(scores, dtype=np.float64))


def frame_rate(benchmark: Benchmark, video: ScoredVideo) -> float:
    """Frames a second of a test video: its own, or else its benchmark's."""
    return video.fps or benchmark.frames_per_second


def scored_rows(benchmark: Benchmark, videos: Sequence[ScoredVideo], scores: np.ndarray) -> ScoredRows:
    """The arrays of a test set under one score.

    Args:
        videos: sorted by name.
        scores: of all videos' rows, one after the other, as `frame_scores` gives them; [n].
    """
    lengths = np.array([video.snippets for video in videos], dtype=np.int64)
    edges = [video.frame_edges for video in videos]
    first = np.concatenate([[0], np.cumsum(lengths)])
    return ScoredRows(
        np.asarray(scores, dtype=np.float64),
        np.repeat(np.arange(len(videos)), lengths),
        np.concatenate([own[:-1] for own in edges]),
        np.concatenate([np.diff(own) for own in edges]),
        np.concatenate([row_positives(video.intervals, own) for video, own in zip(videos, edges)]),
        np.array([is_normal(benchmark, video) for video in videos]),
        np.array([frame_rate(benchmark, video) for video in videos], dtype=np.float64),
        first,
        spans([video.intervals for video in videos], edges, first),
    )


def spans(intervals: Sequence[Sequence[tuple[int, int]]], edges: Sequence[np.ndarray], first: np.ndarray) -> Spans:
    """The events of all videos: overlapping and adjoining intervals are one event, what lies outside is cut away."""
    found = [
        (position, start, end)
        for position, (own, borders) in enumerate(zip(intervals, edges))
        for start, end in joined(own, int(borders[-1]))
    ]
    video, start, end = np.array(found, dtype=np.int64).reshape(-1, 3).T
    pairs = [_pairs(i, first[v], edges[v], s, e) for i, (v, s, e) in enumerate(found)]
    event, row, frames = np.concatenate(pairs, axis=1) if pairs else np.zeros((3, 0), dtype=np.int64)
    return Spans(video, start, end, event, row, frames)


def joined(intervals: Sequence[tuple[int, int]], frames: int) -> list[tuple[int, int]]:
    """Intervals of one video cut to its frames, those that overlap or adjoin made one; by time."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((max(start, 0), min(end, frames)) for start, end in intervals):
        if start >= end:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _pairs(event: int, first: int, edges: np.ndarray, start: int, end: int) -> np.ndarray:
    """An event with the rows that it touches: event, row, shared frames; int64 [3, p]."""
    shared = np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)
    rows = np.flatnonzero(shared > 0)
    return np.stack([np.full(len(rows), event), first + rows, shared[rows]])
