"""Bringing rows of different sources to one scale."""

from __future__ import annotations

from typing import Literal

import numpy as np

Normalise = Literal["none", "l2"]


def normalised(rows: np.ndarray, how: Normalise) -> np.ndarray:
    """The rows [n, d], each divided by its Euclidean norm if `how` is "l2"; a row of zeros stays. The dtype stays.

    x / ||x||_2, computed in float64 from x / max|x|, so that neither large nor tiny numbers overflow or vanish.
    """
    if how == "none":
        return rows
    largest = np.abs(rows).max(axis=1, keepdims=True).astype(np.float64)
    scaled = rows / np.where(largest == 0, 1, largest)
    norms = np.sqrt((scaled**2).sum(axis=1, keepdims=True))
    return (scaled / np.where(norms == 0, 1, norms)).astype(rows.dtype)
