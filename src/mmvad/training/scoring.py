"""From a model's chunks to scored videos: chunks put end to end.

Chunks that overlap are averaged there, each counting more the farther a snippet lies from the chunk's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmvad.data.datamodule import ScoringSet
from mmvad.data.segments import fade, snippet_segments
from mmvad.metrics.evaluate import ScoredVideo


class ChunkScores(NamedTuple):
    """Scores of a batch of chunks: p [B, L] or None, class probabilities [B, L, C] or None, valid lengths [B]."""

    coarse: Tensor | None
    classes: Tensor | None
    lengths: Tensor


def join_chunks(batches: Sequence[ChunkScores], scored: ScoringSet) -> list[ScoredVideo]:
    """Every video with its scores; `batches` holds those of all the set's chunks, in order."""
    coarse = _by_video([(b.coarse, b.lengths) for b in batches], scored)
    classes = _by_video([(b.classes, b.lengths) for b in batches], scored)
    return [
        ScoredVideo(
            v.name,
            v.labels,
            v.events,
            v.intervals,
            coarse[i] if coarse else None,
            classes[i] if classes else None,
            edges=v.edges,
            fps=v.timing.fps,
            annotators=v.annotators,
        )
        for i, v in enumerate(scored.videos)
    ]


def _by_video(parts: Sequence[tuple[Tensor | None, Tensor]], scored: ScoringSet) -> list[np.ndarray]:
    """The valid rows of all chunks, gathered video by video; empty where the branch was not trained."""
    valid = [
        rows[:n].numpy()
        for block, lengths in parts
        if block is not None
        for rows, n in zip(block, lengths.tolist(), strict=True)
    ]
    if not valid:
        return []
    videos = [np.zeros((v.snippets, *valid[0].shape[1:])) for v in scored.videos]
    weights = [np.zeros(v.snippets) for v in scored.videos]
    for chunk, rows in zip(scored.chunks, valid, strict=True):
        whole = len(rows) == chunk.length  # else the chunk was cut or stretched to L segments
        rows = rows if whole else rows[snippet_segments(chunk.length, len(rows))]
        weight, position = fade(chunk.length, scored.overlap), slice(chunk.start, chunk.start + chunk.length)
        videos[chunk.video][position] += (rows.T * weight).T
        weights[chunk.video][position] += weight
    # in float64, weighing and dividing again gives back every score that is one chunk's alone, to the last bit
    return [(total.T / weight).T.astype(np.float32) for total, weight in zip(videos, weights, strict=True)]
