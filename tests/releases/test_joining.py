from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmvad.errors import UserError
from mmvad.releases.joining import check_crop_lengths, join_audio


@given(st.integers(1, 60), st.integers(-1, 1))
def test_rows_join_by_index_and_no_visual_row_is_dropped(snippets: int, more: int) -> None:
    audio = np.arange(snippets + more, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    if len(audio) == 0:
        with pytest.raises(UserError):
            join_audio(audio, snippets, "a.npy", "v.npy")
        return
    joined = join_audio(audio, snippets, "a.npy", "v.npy")
    assert joined.shape == (snippets, 3)
    assert joined.dtype == audio.dtype
    np.testing.assert_array_equal(joined[:, 0], [min(i, len(audio) - 1) for i in range(snippets)])


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_larger_difference_names_both_files(snippets: int, ticks: int) -> None:
    if abs(snippets - ticks) <= 1:
        return
    with pytest.raises(
        UserError, match=rf"(?s)a.npy: {ticks} rows of sound, but {snippets} of picture\n.*v.npy has\n.*fix: "
    ):
        join_audio(np.zeros((ticks, 3)), snippets, "a.npy", "v.npy")


def test_crops_of_a_video_are_equally_long() -> None:
    check_crop_lengths(5, 5, "a__1.npy", "a__0.npy")
    with pytest.raises(UserError, match=r"(?s)a__1.npy: 6 rows, but other crops have 5.*a__0.npy has"):
        check_crop_lengths(6, 5, "a__1.npy", "a__0.npy")
