"""Calibration: whether frames of score p are abnormal in a share p of the cases."""

from __future__ import annotations

import numpy as np

from mmvad.metrics.rows import ScoredRows

BINS = 15
FRAMES, ABNORMAL, SCORE, SQUARES = range(4)


def calibration_sums(rows: ScoredRows) -> np.ndarray:
    """For each video and bin of scores: frames, abnormal ones, sums of scores and of squared errors, [V, BINS, 4].

    A row of score s with a abnormal and b normal frames has the squared error a (1 - s)^2 + b s^2.
    """
    position = np.clip((rows.scores * BINS).astype(np.int64), 0, BINS - 1)
    normal = rows.frames - rows.positives
    squares = rows.positives * (1 - rows.scores) ** 2 + normal * rows.scores**2
    sums = np.zeros((rows.videos, BINS, 4))
    columns = (rows.frames, rows.positives, rows.frames * rows.scores, squares)
    for column, values in enumerate(columns):
        np.add.at(sums[..., column], (rows.owner, position), values)
    return sums


def are_probabilities(rows: ScoredRows) -> bool:
    """Whether every score lies in [0, 1]."""
    return bool(len(rows.scores)) and bool(rows.scores.min() >= 0) and bool(rows.scores.max() <= 1)


def expected_calibration_error(sums: np.ndarray) -> np.ndarray:
    """sum_b (n_b / n) |abnormal share of bin b - its mean score|, for sums [..., BINS, 4]."""
    return np.abs(sums[..., ABNORMAL] - sums[..., SCORE]).sum(axis=-1) / sums[..., FRAMES].sum(axis=-1)


def brier_score(sums: np.ndarray) -> np.ndarray:
    """The mean over frames of (score - truth)^2, for sums [..., BINS, 4]."""
    return sums[..., SQUARES].sum(axis=-1) / sums[..., FRAMES].sum(axis=-1)
