from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmvad.releases.arrays.normalise import normalised


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_have_norm_one_and_zeros_stay(dtype: str) -> None:
    largest = np.finfo(dtype).max
    rows = np.array([[3, 4, 0], [0, 0, 0], [largest, largest, largest], [np.finfo(dtype).tiny, 0, 0]], dtype)
    found = normalised(rows, "l2")
    assert found.dtype == rows.dtype
    third = 1 / np.sqrt(3)
    np.testing.assert_allclose(found, [[0.6, 0.8, 0], [0, 0, 0], [third] * 3, [1, 0, 0]], rtol=1e-3)
    assert normalised(rows, "none") is rows


@given(arrays(np.float32, (3, 5), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_no_number_is_lost(rows: np.ndarray) -> None:
    found = normalised(rows, "l2")
    assert np.isfinite(found).all()
    norms = np.linalg.norm(found.astype(np.float64), axis=1)
    np.testing.assert_allclose(norms, (rows != 0).any(axis=1).astype(float), atol=1e-6)
