"""Scores with a look-ahead, snippet by snippet: the chunks of the video's first t + A + 1 snippets, and of them one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmvad.data.look_ahead import Span
from mmvad.data.segments import Chunk, chunks


def plain_scores(n: int, span: Span, scores: Callable[[Chunk], np.ndarray]) -> np.ndarray:
    """[n], of a video of n snippets in chunks; `scores` gives a chunk's."""
    return np.array(
        [_one(t, n if span.look_ahead < 0 else min(n, t + span.look_ahead + 1), span, scores) for t in range(n)]
    )


def _one(t: int, seen: int, span: Span, scores: Callable[[Chunk], np.ndarray]) -> float:
    assert span.length is not None
    shares = []
    for chunk in chunks([seen], span.length, span.overlap):
        if chunk.start <= t < chunk.start + chunk.length:
            position = t - chunk.start
            weight = min(position, chunk.length - 1 - position, span.overlap) + 1
            shares.append((weight, scores(chunk)[position]))
    return sum(weight * score for weight, score in shares) / sum(weight for weight, _ in shares)
