"""Lengths that a batch's videos can be padded to, when they stand by length in groups of one size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

GROUPS = 4
MULTIPLE = 16
WORTH = 0.95
"""Share of the padded segments above which groups are not worth their smaller products."""


def steps_of(batches: Iterable[np.ndarray], length: int) -> Sequence[int]:
    """The lengths of `GROUPS` groups that all these batches fit in: multiples of 16, at most L.

    Args:
        batches: the valid segments of each batch's videos, int64 [B], as many in each.
        length: L.

    Returns: the steps, rising; none where they would save less than 5 % of the segments.
    """
    valid = np.sort(np.array(list(batches)), axis=-1)
    if not valid.size or valid.shape[1] % GROUPS or length % MULTIPLE:
        return ()
    ends = valid.reshape(len(valid), GROUPS, -1)[:, :, -1]
    highest = -(-ends.max(axis=0) // MULTIPLE) * MULTIPLE
    steps = tuple(np.minimum(highest, length).tolist())
    return steps if sum(steps) <= WORTH * GROUPS * length else ()


def one_step(length: int) -> Sequence[int]:
    """The steps of a batch that does not fit in its run's: one group."""
    return (length,)


def fits(valid: np.ndarray, steps: Sequence[int]) -> bool:
    """Whether videos of so many valid segments, rising, int64 [B], fit in these steps."""
    if len(valid) % len(steps):
        return False
    return bool((valid.reshape(len(steps), -1)[:, -1] <= steps).all())
