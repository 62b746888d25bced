from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmvad.benchmarks.timeline import Timing, frame_truth
from mmvad.errors import UserError

SPANS = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 200)).map(lambda p: (p[0], p[0] + p[1])), max_size=6)


@given(SPANS, st.integers(1, 12))
def test_frame_truth_is_the_union_cut_to_the_video(intervals: list[tuple[int, int]], snippets: int) -> None:
    truth = frame_truth(intervals, 16 * snippets)
    assert truth.shape == (16 * snippets,)
    assert truth.tolist() == [any(start <= t < end for start, end in intervals) for t in range(16 * snippets)]


def test_rows_of_the_public_protocol_stand_for_sixteen_frames() -> None:
    assert Timing().borders(3).tolist() == [0, 16, 32, 48]
    assert Timing().duration(3, 24.0) == 2.0
    assert Timing(fps=48).duration(6, 24.0) == 2.0


@given(st.integers(1, 90), st.integers(1, 3000))
def test_a_whole_video_in_so_many_rows(rows: int, frames: int) -> None:
    """Frame of row r: r x frames / rows; together the rows are the video."""
    borders = Timing(frames=frames).borders(rows)
    assert borders.tolist() == [r * frames // rows for r in range(rows + 1)]


@given(st.integers(1, 3000), st.sampled_from([1, 8, 16, 28.8, 7.5]), st.sampled_from([-1, 0, 1]))
def test_rows_of_some_frames_cover_every_raw_frame_once(frames: int, row_frames: float, more: int) -> None:
    """Whether a program dropped the last broken row, kept it, or began one more."""
    rows = max(int(frames / row_frames) + more, 1)
    timing = Timing(frames, row_frames)
    borders = timing.borders(rows)
    assert (borders[0], borders[-1]) == (0, frames)
    assert (np.diff(borders) >= 0).all()
    inner = [int(r * row_frames + 1e-6) for r in range(rows) if r * row_frames <= frames]
    assert borders[: len(inner)].tolist() == inner


def test_rows_that_cannot_stand_for_the_frames() -> None:
    Timing(900, 16).check(56, "a.npy")
    Timing(900, 16).check(57, "a.npy")
    with pytest.raises(UserError, match=r"113 rows cannot stand for 900 frames at 16 frames(.|\n)*about 7.965"):
        Timing(900, 16).check(113, "a.npy")
