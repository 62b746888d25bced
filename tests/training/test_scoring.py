"""Chunks joined to videos: end to end, or overlapping, against a loop over single snippets."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.bank.bank import BankVideo
from mmvad.data.datamodule import ScoringSet
from mmvad.data.look_ahead import Span
from mmvad.data.segments import chunks
from mmvad.training.scoring import ChunkScores, join_chunks


def videos(lengths: list[int]) -> list[BankVideo]:
    return [BankVideo(f"v{i}", ("normal",), n, (0,), 0, None, (), ()) for i, n in enumerate(lengths)]


def score_set(lengths: list[int], segments: int, overlap: int, seed: int = 0) -> tuple[ScoringSet, list[ChunkScores]]:
    """Random scores of all chunks, in batches of three."""
    parts = chunks(lengths, segments, overlap)
    draw = torch.Generator().manual_seed(seed)
    coarse = torch.rand(len(parts), segments, generator=draw)
    fine = torch.rand(len(parts), segments, 4, generator=draw).softmax(dim=-1)
    valid = torch.tensor([part.length for part in parts])
    batches = [ChunkScores(coarse[i : i + 3], fine[i : i + 3], valid[i : i + 3]) for i in range(0, len(parts), 3)]
    return ScoringSet(videos(lengths), None, parts, Span(segments, overlap)), batches  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 70), min_size=1, max_size=4), st.integers(1, 20), st.integers(0, 19), st.integers(0, 9))
def test_every_snippet_is_the_weighted_mean_of_the_chunks_that_hold_it(
    lengths: list[int], segments: int, overlap: int, seed: int
) -> None:
    overlap = min(overlap, segments - 1)
    scored, batches = score_set(lengths, segments, overlap, seed)
    coarse = [row for batch in batches for row in batch.coarse.tolist()]
    joined = join_chunks(batches, scored)
    for v, n in enumerate(lengths):
        found = joined[v].coarse
        assert found is not None
        assert found.dtype == np.float32
        for t in range(n):
            shares = []
            for part, row in zip(scored.chunks, coarse):
                if part.video == v and part.start <= t < part.start + part.length:
                    position = t - part.start
                    shares.append((min(position, part.length - 1 - position, overlap) + 1, row[position]))
            assert shares
            mean = sum(weight * score for weight, score in shares) / sum(weight for weight, _ in shares)
            np.testing.assert_allclose(found[t], mean, rtol=1e-6)


def test_without_overlap_scores_are_put_end_to_end_to_the_last_bit() -> None:
    scored, batches = score_set([50, 7, 16, 33], 16, 0)
    rows = torch.cat([row[:n] for b in batches for row, n in zip(b.coarse, b.lengths.tolist())])
    joined = join_chunks(batches, scored)
    np.testing.assert_array_equal(np.concatenate([video.coarse for video in joined]), rows.numpy())


def test_class_probabilities_still_sum_to_one() -> None:
    scored, batches = score_set([100], 16, 5)
    (video,) = join_chunks(batches, scored)
    assert video.class_probabilities is not None
    np.testing.assert_allclose(video.class_probabilities.sum(axis=1), 1, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.integers(1, 60), st.integers(0, 59))
def test_overlapping_chunks_cover_all_and_none_lies_within_another(n: int, segments: int, overlap: int) -> None:
    overlap = min(overlap, segments - 1)
    parts = chunks([n], segments, overlap)
    assert {t for part in parts for t in range(part.start, part.start + part.length)} == set(range(n))
    ends = [part.start + part.length for part in parts]
    assert all(before < after for before, after in pairwise(ends))
    assert all(a.start + a.length - b.start == overlap for a, b in pairwise(parts))


def test_a_constant_score_stays_constant_through_an_overlap() -> None:
    scored, batches = score_set([200], 32, 8)
    flat = [ChunkScores(torch.full_like(b.coarse, 0.3), None, b.lengths) for b in batches]
    (video,) = join_chunks(flat, scored)
    np.testing.assert_array_equal(video.coarse, np.full(200, 0.3, dtype=np.float32))
