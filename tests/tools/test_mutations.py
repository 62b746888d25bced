"""The damaging of inputs: seeded, and nothing comes out that must not."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")
pytest.importorskip("torchvggish", reason="the extra `video` is not installed")

from tools.mutations.videos import KINDS, mutated, run


def test_damage_is_the_same_for_a_seed() -> None:
    data = bytes(range(256)) * 40
    first, second, other = (mutated(data, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == second != other
    assert mutated(b"", np.random.default_rng(0)) == b""


@pytest.mark.slow
def test_damaged_videos_are_results_notes_or_refusals() -> None:
    """Two of each container; hundreds by hand: python -m tools.mutations.videos."""
    counts = run(seed=7, count=2 * len(KINDS))
    assert counts.total() == 2 * len(KINDS)
    assert set(counts) <= {"as undamaged", "noted", "other, unsaid", "refused"}
