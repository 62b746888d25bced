"""From a model's chunks to scored videos, joined as `mmvad.data.look_ahead` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmvad.data.datamodule import ScoringSet
from mmvad.data.look_ahead import joined, views
from mmvad.metrics.scored_video import ScoredVideo


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
    found = dict(zip(scored.chunks, valid, strict=True))
    return [
        np.concatenate([joined(view, found.__getitem__, scored.span.overlap) for view in parts_of_video])
        for video, v in enumerate(scored.videos)
        if (parts_of_video := list(views(range(v.snippets), v.snippets, scored.span, video)))
    ]
