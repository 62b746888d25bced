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


def to_segments(rows: np.ndarray, segments: int) -> np.ndarray:
    """A video of more than L snippets cut into L equal stretches, each averaged; a shorter one as it is.

    [n, d] -> float32 [min(n, L), d]. Sums run in float64.
    """
    if len(rows) <= segments:
        return np.asarray(rows, dtype=np.float32)
    borders = stretch_borders(len(rows), segments)
    sums = np.add.reduceat(np.asarray(rows, dtype=np.float64), borders[:-1], axis=0)
    return (sums / np.diff(borders)[:, None]).astype(np.float32)


def chunks(lengths: list[int], segments: int) -> list[Chunk]:
    """Consecutive chunks of at most L snippets of every test video; a video of exactly L is one chunk."""
    return [
        Chunk(video, start, min(segments, n - start))
        for video, n in enumerate(lengths)
        for start in range(0, n, segments)
    ]
