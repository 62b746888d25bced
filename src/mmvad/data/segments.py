"""From a video's snippets to the L segments that the network is fed, and from a test video to its chunks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Chunk(NamedTuple):
    """Snippets [start, start + length) of the video at place `video` of its split."""

    video: int
    start: int
    length: int


def stretch_borders(snippets: int, segments: int) -> np.ndarray:
    """Borders of `segments` equal stretches: int64 [segments + 1], floor(i * n / L)."""
    return np.arange(segments + 1) * snippets // segments


def to_segments(rows: np.ndarray, segments: int, how: str = "fold") -> np.ndarray:
    """A video as at most L segments: [n, d] -> float32 [segment_count(n, L, how), d]. Means are summed in float64.

    Args:
        how: `fold`, `bins`, `pick` or `interpolate`, as `data.segments` says.
    """
    if how == "interpolate":
        return _interpolated(rows, segments)
    if how == "bins":
        return _stretch_means(rows, segments)
    if len(rows) <= segments:
        return np.asarray(rows, dtype=np.float32)
    if how == "pick":
        return np.asarray(rows[np.arange(segments) * (len(rows) - 1) // max(segments - 1, 1)], dtype=np.float32)
    return _stretch_means(rows, segments)


def segment_count(snippets: int, segments: int, how: str = "fold") -> int:
    """Valid segments of a video of so many snippets."""
    return min(snippets, segments) if how in {"fold", "pick"} else segments


def snippet_segments(snippets: int, segments: int) -> np.ndarray:
    """The segment that each snippet of a video lies in: int64 [n], for videos cut or stretched to L segments."""
    return np.searchsorted(stretch_borders(snippets, segments)[1:], np.arange(snippets), side="right")


def _stretch_means(rows: np.ndarray, segments: int) -> np.ndarray:
    """L equal stretches, each averaged; an empty one is the row that it begins at."""
    borders = stretch_borders(len(rows), segments)
    sums = np.add.reduceat(np.asarray(rows, dtype=np.float64), borders[:-1], axis=0)
    return (sums / np.maximum(np.diff(borders), 1)[:, None]).astype(np.float32)


def _interpolated(rows: np.ndarray, segments: int) -> np.ndarray:
    """Linear interpolation in time to L rows, each at the middle of its stretch."""
    position = np.clip((np.arange(segments) + 0.5) * len(rows) / segments - 0.5, 0, len(rows) - 1)
    low = position.astype(np.int64)
    share = (position - low)[:, None]
    values = np.asarray(rows, dtype=np.float64)
    return ((1 - share) * values[low] + share * values[np.minimum(low + 1, len(rows) - 1)]).astype(np.float32)


def chunks(lengths: list[int], segments: int, overlap: int = 0) -> list[Chunk]:
    """Consecutive chunks of at most L snippets of every test video; a video of at most L is one chunk.

    Each chunk begins `overlap` snippets (0 to L - 1) before the one before it ends.
    """
    return [
        Chunk(video, start, min(segments, n - start))
        for video, n in enumerate(lengths)
        for start in range(0, max(n - overlap, 1), segments - overlap)
    ]


def fade(length: int, overlap: int) -> np.ndarray:
    """How much each snippet of a chunk counts where chunks overlap: float64 [length].

    1, 2, ... from either end up to overlap + 1, so that a score moves evenly from one chunk to the next.
    """
    position = np.arange(length)
    return np.minimum(np.minimum(position, length - 1 - position), overlap) + 1.0
