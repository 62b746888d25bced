"""From the network's chunks to scored videos: chunks put end to end, branches that were not trained left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmvad.bags import largest_bag
from mmvad.data.datamodule import ScoringSet
from mmvad.metrics.evaluate import ScoredVideo, frame_scores


class ChunkScores(NamedTuple):
    """Scores of a batch of chunks: coarse p [B, L], class probabilities [B, L, C] or None, valid lengths [B]."""

    coarse: Tensor
    probabilities: Tensor | None
    lengths: Tensor


def join_chunks(batches: Sequence[ChunkScores], scored: ScoringSet, trained: Sequence[str]) -> list[ScoredVideo]:
    """Every video with its scores.

    Args:
        batches: scores of all the set's chunks, in order.
        trained: `coarse`, `fine` or both; an untrained branch's scores are left out.
    """
    coarse = _by_video([(b.coarse, b.lengths) for b in batches], scored) if "coarse" in trained else None
    fine = [(b.probabilities, b.lengths) for b in batches if b.probabilities is not None]
    classes = _by_video(fine, scored) if fine and "fine" in trained else None
    return [
        ScoredVideo(
            v.name, v.labels, v.events, v.intervals, coarse[i] if coarse else None, classes[i] if classes else None
        )
        for i, v in enumerate(scored.videos)
    ]


def mil_score(video: ScoredVideo) -> float:
    """The video-level score: mean of the k highest combined scores, k = floor(n / 16) + 1."""
    scores = np.sort(frame_scores([video])["combined"])
    return float(scores[-largest_bag(len(scores)) :].mean())


def _by_video(parts: Sequence[tuple[Tensor, Tensor]], scored: ScoringSet) -> list[np.ndarray]:
    """The valid rows of all chunks, gathered video by video."""
    valid = [rows[:n].numpy() for block, lengths in parts for rows, n in zip(block, lengths.tolist(), strict=True)]
    videos: list[list[np.ndarray]] = [[] for _ in scored.videos]
    for chunk, rows in zip(scored.chunks, valid, strict=True):
        videos[chunk.video].append(rows)
    return [np.concatenate(rows) for rows in videos]
