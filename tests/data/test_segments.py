"""Stretch means and chunks against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.data.segments import Chunk, chunks, segment_count, snippet_segments, stretch_borders, to_segments
from tests.plain.network import stretch_means


def rows(n: int, width: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 120), st.integers(1, 40), st.integers(0, 100))
def test_stretch_means_against_a_loop(n: int, segments: int, seed: int) -> None:
    video = rows(n, seed=seed)
    found = to_segments(video, segments)
    assert found.dtype == np.float32
    assert found.shape == (min(n, segments), 3)
    np.testing.assert_allclose(found, stretch_means(video, segments), rtol=1e-6, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 300))
def test_stretches_are_whole_gapless_and_equal_but_for_one(n: int, segments: int) -> None:
    borders = stretch_borders(n, segments)
    assert (borders[0], borders[-1], len(borders)) == (0, n, segments + 1)
    sizes = np.diff(borders)
    assert set(sizes) <= {n // segments, n // segments + 1}


def test_a_video_of_at_most_l_snippets_stays_as_it_is() -> None:
    for n in (1, 7, 8):
        np.testing.assert_array_equal(to_segments(rows(n), 8), rows(n))


def test_float16_features_are_summed_in_float64() -> None:
    large = np.full((100_000, 1), 1000.0, dtype=np.float16)
    assert to_segments(large, 1).item() == 1000.0
    assert to_segments(large[:3], 8).dtype == np.float32


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(1, 300))
def test_chunks_cover_every_snippet_once_in_order(lengths: list[int], segments: int) -> None:
    seen = [(part.video, t) for part in chunks(lengths, segments) for t in range(part.start, part.start + part.length)]
    assert seen == [(video, t) for video, n in enumerate(lengths) for t in range(n)]
    assert all(1 <= part.length <= segments for part in chunks(lengths, segments))


@pytest.mark.parametrize(("n", "count", "last"), [(1, 1, 1), (256, 1, 256), (257, 2, 1), (61_000, 239, 72)])
def test_known_chunks(n: int, count: int, last: int) -> None:
    parts = chunks([n], 256)
    assert len(parts) == count
    assert parts[-1] == Chunk(0, 256 * (count - 1), last)
    assert sum(part.length for part in parts) == n


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(0, 100))
def test_bins_pick_and_interpolation_against_loops(n: int, segments: int, seed: int) -> None:
    video = rows(n, seed=seed)
    bins = [video[i * n // segments : max((i + 1) * n // segments, i * n // segments + 1)] for i in range(segments)]
    np.testing.assert_allclose(to_segments(video, segments, "bins"), [b.mean(axis=0) for b in bins], atol=1e-6)
    if n > segments > 1:
        picked = [video[int(i * (n - 1) / (segments - 1) + 1e-9)] for i in range(segments)]
        np.testing.assert_array_equal(to_segments(video, segments, "pick"), picked)
    middles = np.clip((np.arange(segments) + 0.5) * n / segments - 0.5, 0, n - 1)
    between = np.stack([np.interp(middles, np.arange(n), column) for column in video.T], axis=1)
    np.testing.assert_allclose(to_segments(video, segments, "interpolate"), between, atol=1e-6)


@pytest.mark.parametrize("how", ["fold", "bins", "pick", "interpolate"])
def test_counts_are_those_of_the_rows(how: str) -> None:
    for n in (1, 5, 8, 9, 40):
        assert len(to_segments(rows(n), 8, how)) == segment_count(n, 8, how)


def test_every_snippet_lies_in_the_segment_that_averages_it() -> None:
    for n, segments in ((5, 5), (40, 8), (3, 8), (41, 8)):
        borders, found = stretch_borders(n, segments), snippet_segments(n, segments)
        assert all(borders[s] <= t < borders[s + 1] for t, s in enumerate(found))
