"""Sound cut and resampled block by block is the same as in one piece."""

from __future__ import annotations

import numpy as np
import pytest
import resampy
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.extraction.waveform import RATE, TICK, WINDOW, resampled, snippet_ends, tick_ends, tick_of_snippet, windows


def cut(samples: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """The samples in blocks of these sizes, in turn."""
    blocks, start = [], 0
    while start < len(samples):
        size = sizes[len(blocks) % len(sizes)]
        blocks.append(samples[start : start + size])
        start += size
    return blocks


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 44_101, 48_000, 96_000])
@pytest.mark.parametrize("seconds", [0.01, 3.3, 31.7])
def test_resampled_in_blocks_equals_resampy_on_the_whole(rate: int, seconds: float) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, round(seconds * rate)).astype(np.float32)
    found = np.concatenate(list(resampled(cut(samples, [1024, 7, 4096]), rate)))
    wanted = samples if rate == RATE else resampy.resample(samples.astype(np.float64), rate, RATE)
    assert abs(len(found) - len(wanted)) <= 1
    size = min(len(found), len(wanted))
    np.testing.assert_allclose(found[:size], wanted[:size], atol=2e-6)
    assert list(resampled([], rate)) == []


@pytest.mark.parametrize(("rate", "to"), [(44_100, 48_000), (48_000, 8_000), (16_000, 22_050), (32_000, 32_000)])
def test_resampled_to_another_towers_rate(rate: int, to: int) -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 12 * rate).astype(np.float32)
    found = np.concatenate(list(resampled(cut(samples, [1024, 7, 4096]), rate, to)))
    wanted = samples if rate == to else resampy.resample(samples.astype(np.float64), rate, to)
    assert abs(len(found) - len(wanted)) <= 1
    np.testing.assert_allclose(found[: len(wanted)], wanted[: len(found)], atol=2e-6)


def test_resampling_holds_seconds_and_not_hours() -> None:
    """The input is read as the output is taken: nothing is collected first."""
    read = []

    def source():  # type: ignore[no-untyped-def]
        for i in range(1000):
            read.append(i)
            yield np.zeros(48_000, dtype=np.float32)

    blocks = resampled(source(), 48_000)
    for _ in range(3):
        block = next(blocks)
        assert len(block) <= 12 * RATE
    assert len(read) < 40


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 90_000),
    ends=st.lists(st.integers(0, 140_000), min_size=1, max_size=30).map(sorted),
    sizes=st.lists(st.integers(1, 30_000), min_size=1, max_size=4),
)
def test_windows_equal_slices_of_the_padded_whole(length: int, ends: list[int], sizes: list[int]) -> None:
    samples = np.arange(1, length + 1, dtype=np.float32)
    padded = np.concatenate([np.zeros(WINDOW), samples, np.zeros(200_000)])
    found = list(windows(cut(samples, sizes), ends, to_the_last=True))
    assert len(found) == len(ends)
    for end, window in zip(ends, found):
        np.testing.assert_array_equal(window, padded[end : end + WINDOW])
    whole = list(windows(cut(samples, sizes), ends, to_the_last=False))
    count = max(sum(end <= length for end in ends), 1)
    assert len(whole) == count
    np.testing.assert_array_equal(whole[-1], found[count - 1])


def test_the_grids_windows_follow_each_other() -> None:
    assert list(tick_ends(2.0)) == [WINDOW, WINDOW + TICK, WINDOW + 2 * TICK]
    assert list(tick_ends(0.0)) == [WINDOW]
    assert snippet_ends(np.array([0.0, 0.5, 2.0])) == [8_000, 32_000]


def test_snippets_join_the_grid_by_their_middle() -> None:
    starts = np.arange(8) * 0.5
    assert tick_of_snippet(starts, 99).tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert tick_of_snippet(starts, 2).tolist() == [0, 0, 1, 1, 1, 1, 1]
